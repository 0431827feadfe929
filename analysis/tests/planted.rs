//! Changes planted by a program into the policies of the examples and the corpus: each is found by the comparison, or makes
//! no difference, and then none at any point where the classes of both sides meet.
//!
//! Manifests are changed as trees, without knowing what a field means: a value, a list, a condition, a rule, a policy is
//! taken away, doubled, negated, made wider or narrower; actions, selectors, modes of mutual TLS, issuers and audiences
//! become others. What Istio's admission refuses is no change.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests may be blunt"
)]

use gnomon_analysis::diff::{Changes, State, of_workload};
use gnomon_engine::{
    Mesh, Node, Plan, Severity, Workload,
    attach::attach,
    decode::object,
    jwt::{Algorithm, Crypto, Key, Signature},
    prepare::{Prepared, RequestSpec},
    request::ExtAuthzAnswer,
    resource::{Meta, Resources, manifest::manifests},
    verdict::Outcome,
    workload::ProxyKind,
};
use gnomon_manifests::suite::{find, load};
use gnomon_oracle::tape::choices;
use gnomon_symbolic::{Kind, Limits, Point, Side, axis::Code, compare};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// Verifies nothing; the tokens made of claims are vouched for.
struct NoKeys;

impl Crypto for NoKeys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

const NOW: i64 = 1_900_000_000;

/// Policies as somebody wrote them, where they apply.
struct Place {
    name: String,
    resources: Arc<Resources>,
    workload: Arc<Workload>,
    mesh: Arc<Mesh>,
}

/// Of the suites of a folder, each place once.
fn places(folder: &str) -> Vec<Place> {
    let (files, unread) = find(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)]);
    assert!(unread.is_empty(), "{unread:?}");
    let mut places: Vec<Place> = Vec::new();
    for file in &files {
        let loaded = load(file).unwrap_or_else(|wrong| panic!("{wrong}"));
        if loaded.envoy_config.is_some() {
            continue;
        }
        for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
            let (workload, mesh) = (&test.workload, &test.mesh);
            let known = |place: &Place| {
                Arc::ptr_eq(&place.resources, resources) && place.workload == *workload && place.mesh == *mesh
            };
            if workload.proxy == ProxyKind::Agentgateway || places.iter().any(known) {
                continue;
            }
            places.push(Place {
                name: format!("{}: {}", file.file_name().unwrap().to_string_lossy(), test.name),
                resources: resources.clone(),
                workload: workload.clone(),
                mesh: mesh.clone(),
            });
        }
    }
    places
}

/// A change: what was done, in a word, and where.
struct Planted {
    what: &'static str,
    at: String,
    manifests: Vec<Value>,
}

/// All changes of the policies that apply at a place.
fn planted(place: &Place) -> Vec<Planted> {
    let applies = attach(&place.resources, &place.workload, &place.mesh);
    let metas = applies.authorization.iter().map(|policy| ("AuthorizationPolicy", &policy.meta));
    // Of the other kinds all that are near: what a change makes of them may apply.
    let near = |meta: &Meta| {
        meta.namespace == place.workload.namespace || meta.namespace == place.mesh.root_namespace
    };
    let tokens = place.resources.request_authentication.iter().filter(|one| near(&one.meta));
    let metas = metas.chain(tokens.map(|one| ("RequestAuthentication", &one.meta)));
    let peers = place.resources.peer_authentication.iter().filter(|one| near(&one.meta));
    let metas = metas.chain(peers.map(|one| ("PeerAuthentication", &one.meta)));
    let names: BTreeSet<(&str, &str, &str)> =
        metas.map(|(kind, meta)| (kind, meta.namespace.as_str(), meta.name.as_str())).collect();
    let all = manifests(&place.resources);
    let mut found = Vec::new();
    for (number, one) in all.iter().enumerate() {
        let text = |pointer: &str| one.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if !names.contains(&(text("/kind"), text("/metadata/namespace"), text("/metadata/name"))) {
            continue;
        }
        let mut add = |what: &'static str, at: String, changed: Option<Value>| {
            let mut manifests = all.clone();
            match changed {
                Some(changed) => *manifests.get_mut(number).unwrap() = changed,
                None => drop(manifests.remove(number)),
            }
            found.push(Planted { what, at: format!("{} {at}", text("/metadata/name")), manifests });
        };
        add("without the policy", String::new(), None);
        let mut changes: Vec<(&'static str, String, Value)> = Vec::new();
        of_policy(one, &mut changes);
        walk(one, "/spec".into(), &mut changes);
        for (what, at, changed) in changes {
            add(what, at, Some(changed));
        }
    }
    found
}

fn with(one: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = one.clone();
    let (above, key) = pointer.rsplit_once('/').unwrap();
    match changed.pointer_mut(above).unwrap() {
        Value::Object(fields) => _ = fields.insert(key.into(), value),
        Value::Array(items) => *items.get_mut(key.parse::<usize>().unwrap()).unwrap() = value,
        _ => panic!("{pointer}"),
    }
    changed
}

fn without(one: &Value, pointer: &str) -> Value {
    let mut changed = one.clone();
    let (above, key) = pointer.rsplit_once('/').unwrap();
    match changed.pointer_mut(above).unwrap() {
        Value::Object(fields) => _ = fields.remove(key),
        Value::Array(items) => _ = items.remove(key.parse().unwrap()),
        _ => panic!("{pointer}"),
    }
    changed
}

/// What is particular to a kind: actions, selectors, modes.
fn of_policy(one: &Value, changes: &mut Vec<(&'static str, String, Value)>) {
    let spec = one.get("spec").unwrap();
    let mut add =
        |what, pointer: &str, value: Value| changes.push((what, pointer.into(), with(one, pointer, value)));
    if one["kind"] == "AuthorizationPolicy" {
        let action = spec.get("action").and_then(Value::as_str).unwrap_or("ALLOW");
        for other in ["ALLOW", "DENY", "AUDIT"] {
            if other != action && action != "CUSTOM" {
                add("another action", "/spec/action", json!(other));
            }
        }
        add("a dry run", "/metadata/annotations", json!({"istio.io/dry-run": "true"}));
        add("a rule for everything", "/spec/rules", json!([{}]));
        add("no rules", "/spec/rules", json!([]));
    }
    if spec.get("selector").is_some() {
        add("another selector", "/spec/selector", json!({"matchLabels": {"app": "of-nobody"}}));
        add("another selector", "/spec/selector", json!({"matchLabels": {}}));
    }
    if one["kind"] == "PeerAuthentication" {
        for mode in ["STRICT", "PERMISSIVE", "DISABLE"] {
            if spec.pointer("/mtls/mode") != Some(&json!(mode)) {
                add("another mode of mutual TLS", "/spec/mtls", json!({ "mode": mode }));
            }
            for port in spec.get("portLevelMtls").and_then(Value::as_object).into_iter().flatten() {
                if port.1["mode"] != mode {
                    let pointer = format!("/spec/portLevelMtls/{}", port.0);
                    add("another mode of mutual TLS", &pointer, json!({ "mode": mode }));
                }
            }
        }
    }
}

/// Lists of texts, and lists of maps.
fn walk(one: &Value, pointer: String, changes: &mut Vec<(&'static str, String, Value)>) {
    match one.pointer(&pointer).unwrap() {
        Value::Object(fields) => {
            for (name, value) in fields {
                // What selects is no condition, and keys in full say the same as keys from afar.
                if ["selector", "targetRefs", "mtls", "portLevelMtls", "jwks", "provider"]
                    .contains(&name.as_str())
                {
                    continue;
                }
                let at = format!("{pointer}/{name}");
                let mut add = |what, at: &str, changed: Value| changes.push((what, at.into(), changed));
                match value {
                    Value::String(text) if name == "issuer" => {
                        add("another issuer", &at, with(one, &at, json!(format!("{text}/other"))));
                    }
                    Value::String(text) if name == "key" => {
                        let other = text.replace("[", "[x-");
                        add("another key", &at, with(one, &at, json!(other)));
                    }
                    Value::Array(items) if items.iter().all(Value::is_string) && !items.is_empty() => {
                        values(one, &pointer, name, items, &mut add);
                    }
                    _ => {}
                }
                walk(one, at, changes);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                let at = format!("{pointer}/{number}");
                let mut add = |what, at: &str, changed: Value| changes.push((what, at.into(), changed));
                if item.is_object() {
                    if items.len() > 1 {
                        add("without an element", &at, without(one, &at));
                    }
                    let doubled = [&items[..], std::slice::from_ref(item)].concat();
                    add("an element twice", &at, with(one, &pointer, json!(doubled)));
                }
                walk(one, at, changes);
            }
            // `from`, `to`, `when`: the rule asks for less.
            if items.iter().any(Value::is_object) && pointer.matches('/').count() > 2 {
                changes.push(("without a section", pointer.clone(), without(one, &pointer)));
            }
        }
        _ => {}
    }
}

fn values(
    one: &Value,
    above: &str,
    name: &str,
    items: &[Value],
    add: &mut dyn FnMut(&'static str, &str, Value),
) {
    let list = format!("{above}/{name}");
    add("without a list", &list, without(one, &list));
    // The opposite: what is wanted becomes what is not.
    let opposite = match name.strip_prefix("not") {
        Some(rest) => rest[..1].to_lowercase() + &rest[1..],
        None => format!("not{}{}", name[..1].to_uppercase(), &name[1..]),
    };
    let opposite = format!("{above}/{opposite}");
    if one.pointer(&opposite).is_none() {
        add("a negated list", &list, with(&without(one, &list), &opposite, json!(items)));
    }
    for other in ["of-nobody", "/of-nobody", "203.0.113.7", "of/nobody", "4711"] {
        let more = [items, &[json!(other)]].concat();
        add("a value more", &list, with(one, &list, json!(more)));
    }
    for (number, item) in items.iter().enumerate() {
        let (text, at) = (item.as_str().unwrap(), format!("{list}/{number}"));
        let mut replace = |what, text: String| add(what, &at, with(one, &at, json!(text)));
        replace("a wider value", format!("{}*", text.trim_end_matches('*')));
        replace("a wider value", "*".into());
        if let Some((network, bits)) = text.split_once('/')
            && let Ok(bits) = bits.parse::<u8>()
        {
            replace("a wider value", format!("{network}/{}", bits.saturating_sub(1)));
            replace("a narrower value", format!("{network}/{}", bits + 1));
        }
        match text.strip_suffix('*') {
            Some(prefix) => replace("a narrower value", format!("{prefix}x*")),
            None => replace("another value", format!("{text}x")),
        }
        replace("another value", text.to_uppercase());
        if items.len() > 1 {
            add("without a value", &at, without(one, &at));
        }
        let twice = [items, std::slice::from_ref(item)].concat();
        add("a value twice", &at, with(one, &list, json!(twice)));
    }
}

/// `None`: admission refuses it.
fn resources(place: &Place, manifests: &[Value]) -> Option<Resources> {
    let mut resources = Resources { unverified: place.resources.unverified.clone(), ..Resources::default() };
    let mut problems = Vec::new();
    for manifest in manifests {
        let node: Node = serde_json::from_value(manifest.clone()).expect("JSON is a tree");
        object(&node, &Arc::from("planted.json"), &mut resources, &mut problems);
    }
    resources.services = place.resources.services.clone();
    problems.iter().all(|problem| problem.severity != Severity::Error).then_some(resources)
}

#[derive(Debug, Default)]
struct Counts {
    changes: BTreeMap<&'static str, usize>,
    found: usize,
    equivalent: usize,
    not_covered: usize,
    requests: usize,
    /// Requests of which the two sides say something else.
    differing: usize,
}

fn check(place: &Place, change: &Planted, effort: usize, counts: &mut Counts) {
    let Some(changed) = resources(place, &change.manifests) else { return };
    let told = || {
        let after = change.manifests.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        format!("{}: {} {}\n{after}", place.name, change.what, change.at)
    };
    let state = |resources| State { resources, workload: &place.workload, mesh: &place.mesh };
    let found = match of_workload(state(&place.resources), state(&changed), NOW, &NoKeys, Limits::default()) {
        Ok(found) => found,
        Err(gnomon_analysis::diff::Problem::Undecided(_)) => {
            counts.not_covered += 1;
            return;
        }
        Err(problem) => panic!("{problem}\n{}", told()),
    };
    *counts.changes.entry(change.what).or_default() += 1;
    let plan = |resources| Plan::build(resources, &place.workload, &place.mesh);
    let plans = [plan(&place.resources), plan(&changed)];
    let outcomes = |spec: &RequestSpec| {
        plans.each_ref().map(|plan| {
            let prepared = Prepared::new(spec, plan.authenticator(), &place.workload, &place.mesh, NOW);
            prepared.report(plan, &NoKeys).verdict
        })
    };
    confirmed(&found, &outcomes, &told);
    counts.found += usize::from(!found.is_equivalent());
    counts.equivalent += usize::from(found.is_equivalent());
    // Whatever the comparison says: no request may change in a direction that it does not show.
    let nothing = plan(&Resources { services: place.resources.services.clone(), ..Resources::default() });
    let all = [&plans[0], &plans[1], &nothing];
    for (old, new) in [(0, 1), (0, 2), (1, 2)] {
        for kind in [Kind::Http, Kind::Connect, Kind::Tcp] {
            if kind == Kind::Http && plans[0].is_ztunnel()
                || kind == Kind::Connect && !plans.iter().any(Kind::names_connect)
            {
                continue;
            }
            let side = |plan| Side { plan, workload: &place.workload, mesh: &place.mesh };
            let Ok(Some(comparison)) = compare(side(all[old]), side(all[new]), kind, Limits::default())
            else {
                continue;
            };
            let space = &comparison.space;
            for (number, point) in points(space, effort).into_iter().enumerate() {
                if !space.has(comparison.consistent, &point) {
                    continue;
                }
                let mut spec = space.request(&point, kind);
                // A provider that this space does not have says something, too.
                for provider in &place.mesh.extension_providers {
                    if !spec.ext_authz.iter().any(|(name, _)| *name == provider.name) {
                        let answer =
                            if number % 2 == 0 { ExtAuthzAnswer::Allow } else { ExtAuthzAnswer::Deny };
                        spec.ext_authz.push((provider.name.clone(), answer));
                    }
                }
                let [before, after] = outcomes(&spec);
                counts.requests += 1;
                if before == after {
                    continue;
                }
                counts.differing += 1;
                let shown = match after {
                    Outcome::Allow => &found.newly_allowed,
                    Outcome::Deny => &found.newly_denied,
                    _ => &found.newly_undecided,
                };
                assert!(shown.is_some(), "{before:?} → {after:?} {spec:?}\n{}", told());
            }
        }
    }
}

/// Each witness fares as it is said to.
fn confirmed(found: &Changes, outcomes: &dyn Fn(&RequestSpec) -> [Outcome; 2], told: &dyn Fn() -> String) {
    let directions = [
        (&found.newly_allowed, Outcome::Allow),
        (&found.newly_denied, Outcome::Deny),
        (&found.newly_undecided, Outcome::Unknown),
    ];
    for (witness, expected) in directions {
        if let Some(witness) = witness {
            let [before, after] = outcomes(&witness.request);
            assert!(before != expected && after == expected, "{:?}\n{}", witness.request, told());
        }
    }
    let same = found.summary.is_empty() && found.keys.is_empty();
    assert_eq!(found.is_equivalent(), same, "{}", told());
}

/// All points of a space, where there are no more than so many; else those that differ from the usual one in one axis or in
/// two neighbouring ones, and some at random.
fn points(space: &gnomon_symbolic::Space, effort: usize) -> Vec<Point> {
    let ways: Vec<Vec<Vec<u32>>> = space
        .axes
        .iter()
        .map(|axis| {
            let classes = 0..axis.members.len() as u32;
            match axis.code {
                Code::One(_) => classes.map(|class| vec![class]).collect(),
                Code::Set(_) if axis.members.len() <= 4 => (0..1_u32 << axis.members.len())
                    .map(|bits| classes.clone().filter(|class| bits >> class & 1 == 1).collect())
                    .collect(),
                Code::Set(_) => std::iter::once(vec![])
                    .chain(classes.clone().map(|class| vec![class]))
                    .chain(classes.clone().map(|class| vec![class, (class + 1) % classes.len() as u32]))
                    .collect(),
            }
        })
        .collect();
    let many = ways.iter().try_fold(1_usize, |all, ways| all.checked_mul(ways.len()));
    if let Some(many) = many.filter(|many| *many <= effort) {
        return (0..many)
            .map(|mut number| {
                let axes = ways.iter().map(|ways| {
                    let way = ways[number % ways.len()].clone();
                    number /= ways.len();
                    way
                });
                Point(axes.collect())
            })
            .collect();
    }
    let Some(usual) = space.cheapest(gnomon_symbolic::bdd::Bdd::TRUE) else { return vec![] };
    let mut points = vec![usual.clone()];
    for (at, own) in ways.iter().enumerate() {
        for way in own {
            let mut point = usual.clone();
            point.0[at] = way.clone();
            for (other, ways) in ways.iter().enumerate().skip(at + 1).take(1) {
                for way in ways.iter().take(6) {
                    let mut both = point.clone();
                    both.0[other] = way.clone();
                    points.push(both);
                }
            }
            points.push(point);
        }
    }
    points.truncate(effort / 2);
    let mut random = choices(effort as u64, effort * ways.len()).into_iter();
    while points.len() < effort {
        let axes = ways.iter().map(|ways| ways[random.next().map_or(0, usize::from) % ways.len()].clone());
        points.push(Point(axes.collect()));
    }
    points
}

/// Every `step`-th change of each kind.
fn run(folders: &[&str], step: usize, effort: usize) -> Counts {
    let mut counts = Counts::default();
    let mut seen: BTreeMap<&'static str, usize> = BTreeMap::new();
    for place in folders.iter().flat_map(|folder| places(folder)) {
        for change in planted(&place) {
            let number = seen.entry(change.what).or_default();
            *number += 1;
            if number.is_multiple_of(step) {
                check(&place, &change, effort, &mut counts);
            }
        }
    }
    counts
}

#[test]
fn a_hundred_changes() {
    let counts = run(&["examples", "host-tests/corpus"], 70, 120);
    let all = counts.found + counts.equivalent;
    println!("{counts:?}");
    assert!(all >= 100 && counts.found > 50 && counts.equivalent > 20, "{counts:?}");
    assert!(counts.not_covered * 10 < all && counts.differing > 500, "{counts:?}");
}

/// `cargo test --profile optimised -p gnomon-analysis --test planted -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn every_change() {
    println!("{:?}", run(&["examples", "host-tests/corpus"], 1, 400));
}
