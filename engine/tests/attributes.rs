//! Every row of the table of attributes, through everything that reads it.
//!
//! Nothing here names an attribute: a new row is walked through the same way, and fails where a consumer does not take it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may be blunt")]

use gnomon_engine::{
    Attribute, Diagnostic, Mesh, Node, Plan, Request, Severity, Workload,
    attribute::{FieldPath, Input as Place, Key, Part, Ztunnel},
    decode,
    jwt::{Algorithm, Crypto, Key as JwtKey, Signature},
    plan::{Clause, Matcher, RequiredInputs, StageRules},
    request::{Input, Peer, Protocol},
    resource::{Resources, manifest::manifests},
    verdict::{Missing, Stage},
    versions,
    workload::{IstioVersion, ProxyKind},
};
use serde_json::{Value, json};

struct NoCrypto;

impl Crypto for NoCrypto {
    fn verify(&self, _: Algorithm, _: &JwtKey, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

/// A way to write an attribute in a rule.
struct Spelling {
    attribute: Attribute,
    negated: bool,
    is_key: bool,
    /// As explanations name it.
    path: String,
    rule: fn(&Spelling, &[&str]) -> Value,
    name: String,
}

impl Spelling {
    fn rule(&self, values: &[&str]) -> Value {
        (self.rule)(self, values)
    }

    fn sample(&self) -> Value {
        self.rule(&self.attribute.samples()[..1])
    }
}

fn spellings() -> Vec<Spelling> {
    let mut all = Vec::new();
    for attribute in Attribute::ALL {
        let row = attribute.row();
        for negated in [false, true] {
            if let Some((name, not_name)) = row.field {
                let name = if negated { not_name } else { name };
                let rule: fn(&Spelling, &[&str]) -> Value = match row.part {
                    Part::Source => |one, values| json!({ "from": [{ "source": { &one.name: values } }] }),
                    Part::Operation => {
                        |one, values| json!({ "to": [{ "operation": { &one.name: values } }] })
                    }
                };
                let path = format!("{}.{name}", row.part.path());
                all.push(Spelling { attribute, negated, is_key: false, path, rule, name: name.into() });
            }
            let key = match row.key {
                Some(Key::Whole(key)) => key.to_string(),
                // A filter's name stands between the beginning and the brackets.
                Some(Key::Bracketed(start)) if start.ends_with('.') => format!("{start}some.filter[name]"),
                Some(Key::Bracketed(start)) => format!("{start}[name]"),
                None => continue,
            };
            let path = format!("when[{key}]{}", if negated { ".notValues" } else { "" });
            let rule: fn(&Spelling, &[&str]) -> Value = match negated {
                false => |one, values| json!({ "when": [{ "key": one.name, "values": values }] }),
                true => |one, values| json!({ "when": [{ "key": one.name, "notValues": values }] }),
            };
            all.push(Spelling { attribute, negated, is_key: true, path, rule, name: key });
        }
    }
    all
}

fn policy(action: &str, rule: &Value) -> Value {
    let mut spec = json!({ "rules": [rule] });
    if action != "ALLOW" {
        spec["action"] = action.into();
    }
    if action == "CUSTOM" {
        spec["provider"] = json!({ "name": "p" });
    }
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": { "name": "p", "namespace": "default" },
        "spec": spec,
    })
}

fn decoded(manifest: &Value) -> (Resources, Vec<Diagnostic>) {
    let node: Node = serde_json::from_value(manifest.clone()).unwrap();
    let (mut resources, mut found) = (Resources::default(), Vec::new());
    decode::object(&node, &"p.json".into(), &mut resources, &mut found);
    (resources, found)
}

fn errors(found: &[Diagnostic]) -> Vec<&str> {
    let errors = found.iter().filter(|found| found.severity == Severity::Error);
    errors.map(|found| found.code).collect()
}

fn plan(resources: &Resources, proxy: ProxyKind) -> Plan {
    Plan::build(resources, &Workload { proxy, ..Workload::default() }, &Mesh::default())
}

fn allow(plan: &Plan, protocol: Protocol) -> StageRules<'_> {
    plan.stages(protocol).into_iter().find(|stage| stage.stage == Stage::Allow).unwrap()
}

fn clauses<'p>(stage: &StageRules<'p>) -> Vec<&'p Clause> {
    let rules = stage.rules.iter();
    rules.flat_map(|rule| rule.from.iter().chain(&rule.to).flatten().chain(&rule.when)).collect()
}

#[test]
fn admission_takes_it_and_refuses_what_its_row_rules_out() {
    for one in spellings() {
        let (row, path) = (one.attribute.row(), &one.path);
        let manifest = policy("ALLOW", &one.sample());
        let (resources, found) = decoded(&manifest);
        assert_eq!(errors(&found), Vec::<&str>::new(), "{path}");
        assert_eq!(manifests(&resources), [manifest], "{path}");

        let (_, found) = decoded(&policy("ALLOW", &one.rule(&[""])));
        assert_eq!(errors(&found), ["empty-value"], "{path}");

        let (_, found) = decoded(&policy("CUSTOM", &one.sample()));
        let expected: &[&str] = if row.with_custom { &[] } else { &["unsupported-with-custom"] };
        assert_eq!(errors(&found), expected, "{path}");

        let sample = one.attribute.samples()[0];
        let (_, found) = decoded(&policy("ALLOW", &one.rule(&vec![sample; row.most.unwrap_or(100) + 1])));
        let expected: &[&str] = if row.most.is_some() { &["too-many-items"] } else { &[] };
        assert_eq!(errors(&found), expected, "{path}");
    }
}

#[test]
fn an_older_istio_does_not_know_it() {
    for one in spellings() {
        let (resources, _) = decoded(&policy("ALLOW", &one.sample()));
        let (_, since, patch) = one.attribute.row().since;
        let (oldest, _) = IstioVersion::OLDEST.parts();
        let (newest, _) = IstioVersion::NEWEST.parts();
        let minors = (oldest..=newest).map(IstioVersion::minor);
        let patches = [patch.checked_sub(1), Some(patch)].into_iter().flatten();
        let patches = patches.map(|patch| IstioVersion::minor(since).with_patch(patch));
        for version in minors.chain(patches).filter(|version| *version >= IstioVersion::OLDEST) {
            let (minor, own) = version.parts();
            let known = minor > since || (minor == since && own.is_none_or(|own| own >= patch));
            let left = versions::known(&resources, version).authorization.len();
            assert_eq!(left == 1, known, "{} in {version:?}", one.path);
            let problems = versions::problems(&resources, version);
            assert_eq!(problems.is_empty(), known, "{} in {version:?}", one.path);
        }
    }
}

#[test]
fn it_is_compiled_for_each_proxy_and_protocol_as_its_row_says() {
    for one in spellings() {
        let (row, path) = (one.attribute.row(), &one.path);
        let (resources, _) = decoded(&policy("ALLOW", &one.sample()));
        for (proxy, protocol) in [
            (ProxyKind::Sidecar, Protocol::Http),
            (ProxyKind::Sidecar, Protocol::Tcp),
            (ProxyKind::Gateway, Protocol::Http),
            (ProxyKind::Waypoint, Protocol::Http),
            (ProxyKind::Ztunnel, Protocol::Tcp),
        ] {
            let of = format!("{path} on {proxy:?} {protocol:?}");
            // A waypoint takes policies with a target alone.
            let mut resources = resources.clone();
            let workload = Workload { proxy, services: vec!["s".into()], ..Workload::default() };
            if proxy == ProxyKind::Waypoint {
                let mut manifest = policy("ALLOW", &one.sample());
                manifest["spec"]["targetRefs"] = json!([{ "group": "", "kind": "Service", "name": "s" }]);
                resources = decoded(&manifest).0;
            }
            let plan = Plan::build(&resources, &workload, &Mesh::default());
            let stage = allow(&plan, protocol);
            let ztunnel = proxy == ProxyKind::Ztunnel;
            let dropped = match (ztunnel, row.ztunnel) {
                (false, _) => protocol == Protocol::Tcp && row.http_only,
                (true, Ztunnel::Known) => false,
                (true, Ztunnel::FieldOnly | Ztunnel::Lost) => one.is_key,
                (true, Ztunnel::Http) => true,
            };
            if dropped {
                assert!(stage.rules.is_empty() && stage.dropped.len() == 1, "{of}");
                let reason = &stage.dropped[0].reason;
                let named = if ztunnel && one.is_key { "when" } else { path };
                let named = if ztunnel { named.replace(".not", ".").to_lowercase() } else { named.into() };
                let reason = if ztunnel { reason.to_lowercase() } else { reason.to_string() };
                assert!(reason.contains(&named), "{of}: {reason}");
                continue;
            }
            let clauses = clauses(&stage);
            let [clause] = clauses[..] else { panic!("{of}: {clauses:?}") };
            if ztunnel && row.ztunnel == Ztunnel::Lost {
                assert_eq!(clause.attribute(), None, "{of}");
                continue;
            }
            assert_eq!(clause.attribute(), Some(one.attribute), "{of}");
            assert_eq!((clause.field().as_str(), clause.is_negated()), (path.as_str(), one.negated), "{of}");
            assert_eq!(clause.expected(), [one.attribute.samples()[0]], "{of}");
            let seen = proxy != ProxyKind::Waypoint || row.on_waypoint;
            assert_eq!(!matches!(clause.matcher(), Matcher::Never), seen, "{of}: {clause:?}");
            let parsed = FieldPath::parse(path).unwrap();
            assert_eq!((parsed.attribute, parsed.negated), (one.attribute, one.negated), "{of}");
        }
    }
}

#[test]
fn a_plan_asks_for_it_and_names_it_where_it_is_not_known() {
    const HEADERS: &[(&[u8], &[u8])] =
        &[(b":method", b"POST"), (b":path", b"/"), (b":authority", b"other.example.com")];
    let unknown = Request {
        peer: Peer::Tls { names: &[b"spiffe://other/ns/other/sa/other"], complete: false },
        source_ip: Input::Unknown,
        remote_ip: Input::Unknown,
        destination_ip: Input::Unknown,
        destination_port: Input::Unknown,
        ..Request::http(HEADERS)
    };
    for one in spellings() {
        let (row, path) = (one.attribute.row(), &one.path);
        let (resources, _) = decoded(&policy("ALLOW", &one.sample()));
        let plan = plan(&resources, ProxyKind::Sidecar);
        // The claims come with the token, whose rule asks for the headers.
        let of_token = matches!(row.input, Place::Claim | Place::RequestPrincipal);
        assert_eq!(
            plan.required_inputs() == RequiredInputs::default(),
            of_token,
            "{path}: {:?}",
            plan.required_inputs()
        );

        let verdict = plan.evaluate(&unknown, &NoCrypto);
        let field = row.input.request_field();
        let unknowable = field.is_of_connection();
        let expected = if unknowable { vec![Missing::Field(field)] } else { vec![] };
        assert_eq!(verdict.missing, expected, "{path}");

        for request in [unknown, Request::http(HEADERS), Request::tcp()] {
            let linearly = plan.evaluate_linearly(&request, &NoCrypto).report();
            let indexed = plan.evaluate(&request, &NoCrypto).report();
            assert_eq!((indexed.verdict, indexed.missing), (linearly.verdict, linearly.missing), "{path}");
        }

        let explained = plan.explain(&Request::http(HEADERS), &NoCrypto);
        let rule = explained.stages.iter().find_map(|stage| stage.rules.first()).unwrap();
        let checks: Vec<_> = rule.from.iter().chain(&rule.to).flatten().chain(&rule.when).collect();
        assert_eq!(checks.iter().map(|check| check.field.as_str()).collect::<Vec<_>>(), [path], "{path}");
        assert_eq!(checks[0].met, Some(one.negated), "{path}");
    }
}

#[test]
fn no_two_share_a_spelling() {
    let mut paths: Vec<String> = spellings().into_iter().map(|one| one.path).collect();
    let count = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), count);
}
