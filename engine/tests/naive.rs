//! The plan against a naive evaluator, on random policies and on requests near their boundaries.
//!
//! `GNOMON_PAIRS` says how many pairs of a world and a request are compared; 10,000 by default.

#![expect(clippy::panic, reason = "a test may be blunt, its helpers too")]

use gnomon_engine::{
    Plan, Severity,
    jwt::{Algorithm, Crypto, Key, Signature},
    request::Input,
    resource::{Meta, manifest},
    verdict::{Outcome, Report, RuleTrace, StageTrace, Unmet},
};
use gnomon_oracle::{
    crowds,
    evaluator::{Answer, World, evaluate},
    requests::{self, Sent, Values},
    tape::Tape,
    worlds,
};
use proptest::{
    prelude::any,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Requests for each world.
const REQUESTS: u32 = 5;
const CHOICES: usize = 1_000;
/// For worlds with hundreds of policies.
const MANY_CHOICES: usize = 20_000;

/// Knows every token, or no key.
struct Keys(bool);

impl Crypto for Keys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
    fn vouches_for(&self, _: &[u8]) -> bool {
        self.0
    }
}

fn pairs() -> u32 {
    std::env::var("GNOMON_PAIRS").ok().and_then(|pairs| pairs.parse().ok()).unwrap_or(10_000)
}

/// Random tapes; a failing one is shrunk.
fn check(worlds: u32, property: impl Fn(&mut Tape<'_>) -> Result<(), String>) {
    check_long(worlds, CHOICES, property);
}

fn check_long(worlds: u32, length: usize, property: impl Fn(&mut Tape<'_>) -> Result<(), String>) {
    let seed = std::env::var("GNOMON_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()).unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases: worlds, max_shrink_iters: 200_000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let tapes = proptest::collection::vec(any::<u16>(), length / 2..length);
    let result = runner.run(&tapes, |choices| {
        property(&mut Tape::new(&choices)).map_err(proptest::test_runner::TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, choices)) => panic!("{reason}\nwith the choices {choices:?}"),
        Err(error) => panic!("{error}"),
    }
}

fn shown(world: &World, sent: &Sent) -> String {
    let manifests: Vec<String> =
        manifest::manifests(&world.resources).iter().map(ToString::to_string).collect();
    format!("resources:\n{}\n{:?}\n{:?}\nrequest: {sent:?}", manifests.join("\n"), world.workload, world.mesh)
}

#[test]
fn the_plan_agrees_with_the_naive_evaluator() {
    let seen = RefCell::new(BTreeMap::new());
    check(pairs() / REQUESTS, |tape| {
        let world = worlds::world(tape);
        let plan = Plan::build(&world.resources, &world.workload, &world.mesh);
        let values = Values::of(&world);

        for _ in 0..REQUESTS {
            let keys = Keys(!tape.once_in(4));
            let sent = requests::sent(tape, &values);
            sent.with(|request| {
                let naive = evaluate(&world, request, &keys);
                let report = plan.evaluate(request, &keys).report();
                let fast = Answer::of(&report);
                *seen.borrow_mut().entry(format!("{:?} by {:?}", fast.outcome, fast.stage)).or_insert(0) += 1;
                if fast != naive {
                    return Err(format!("naive: {naive:?}\nplan:  {fast:?}\n{}", shown(&world, &sent)));
                }
                let explained = Report { nearest: None, ..plan.explain(request, &keys).report };
                if explained != report {
                    return Err(format!(
                        "explained: {explained:?}\nevaluated: {report:?}\n{}",
                        shown(&world, &sent)
                    ));
                }
                Ok(())
            })?;
        }
        Ok(())
    });
    // A comparison is worth what it reaches.
    let seen = seen.into_inner();
    for ending in [
        "Allow by None",
        "Allow by Custom",
        "Allow by Allow",
        "Deny by Mtls",
        "Deny by Custom",
        "Deny by Jwt",
        "Deny by Deny",
        "Deny by Allow",
        "Unknown by Mtls",
        "Unknown by Custom",
        "Unknown by Jwt",
        "Unknown by Deny",
        "Unknown by Allow",
    ] {
        assert!(
            seen.get(ending).is_some_and(|count| count * 1_000 > pairs()),
            "hardly ever {ending}: {seen:?}"
        );
    }
}

/// Are the index and the walk through all rules of one mind, in what is certain and what is missing too?
fn agree(plan: &Plan, world: &World, sent: &Sent, keys: &Keys) -> Result<(Report, bool), String> {
    sent.with(|request| {
        let indexed = plan.evaluate(request, keys);
        let linear = plan.evaluate_linearly(request, keys);
        let report = indexed.report();
        if (&report, indexed.certain) != (&linear.report(), linear.certain) {
            return Err(format!("index: {indexed:?}\nrules: {linear:?}\n{}", shown(world, sent)));
        }
        Ok((report, indexed.certain))
    })
}

#[test]
fn the_index_agrees_with_the_walk_through_all_rules() {
    check(pairs() * 4 / REQUESTS, |tape| {
        let world = worlds::world(tape);
        let plan = Plan::build(&world.resources, &world.workload, &world.mesh);
        let values = Values::of(&world);
        for _ in 0..REQUESTS {
            let keys = Keys(!tape.once_in(8));
            agree(&plan, &world, &requests::sent(tape, &values), &keys)?;
        }
        Ok(())
    });
}

#[test]
fn the_index_agrees_with_the_walk_through_hundreds_of_rules() {
    const MANY_REQUESTS: u32 = 100;
    let (last, doubtful) = (Cell::new(0_u32), Cell::new(0_u32));
    check_long(pairs().div_ceil(MANY_REQUESTS), MANY_CHOICES, |tape| {
        let world = crowds::crowd(tape);
        let plan = Plan::build(&world.resources, &world.workload, &world.mesh);
        let values = Values::of(&world);
        for _ in 0..MANY_REQUESTS {
            let keys = Keys(!tape.once_in(8));
            let (report, certain) = agree(&plan, &world, &requests::sent(tape, &values), &keys)?;
            last.set(last.get() + u32::from(report.policy.is_some_and(|id| !id.contains("[p0"))));
            doubtful.set(doubtful.get() + u32::from(!certain));
        }
        Ok(())
    });
    // A comparison is worth what it reaches.
    assert!(last.get() > pairs() / 20, "hardly ever a late rule: {}", last.get());
    assert!(doubtful.get() > pairs() / 20, "hardly ever in doubt: {}", doubtful.get());
}

/// For each input that is not known, some things that it might be.
fn completions(sent: &Sent, tape: &mut Tape<'_>, values: &Values) -> Sent {
    let other = requests::sent(tape, values);
    let mut sent = sent.clone();
    let settled = |input: &Input<IpAddr>, other: Input<IpAddr>| match (input, other) {
        (Input::Unknown, Input::Unknown) => Input::Absent,
        (Input::Unknown, other) => other,
        (known, _) => *known,
    };
    sent.source_ip = settled(&sent.source_ip, other.source_ip);
    sent.remote_ip = settled(&sent.remote_ip, other.remote_ip);
    sent.destination_ip = settled(&sent.destination_ip, other.destination_ip);
    if sent.port == Input::Unknown {
        sent.port = if other.port == Input::Unknown { Input::Absent } else { other.port };
    }
    if let Some((names, complete @ false)) = &mut sent.peer {
        names.extend(other.peer.into_iter().flat_map(|(names, _)| names));
        *complete = true;
    }
    for (name, said) in other.ext_authz {
        if !sent.ext_authz.iter().any(|(known, _)| *known == name) {
            sent.ext_authz.push((name, said));
        }
    }
    sent
}

#[test]
fn what_is_known_in_spite_of_unknown_inputs_holds_whatever_they_are() {
    let told = Cell::new(0_u32);
    check(pairs() / REQUESTS, |tape| {
        let world = worlds::world(tape);
        let plan = Plan::build(&world.resources, &world.workload, &world.mesh);
        let values = Values::of(&world);
        let mut sent = requests::sent(tape, &values);
        // Take more away, so that more is unknown.
        for input in [&mut sent.source_ip, &mut sent.remote_ip, &mut sent.destination_ip] {
            if tape.once_in(2) {
                *input = Input::Unknown;
            }
        }
        if tape.once_in(2) {
            sent.port = Input::Unknown;
        }
        if let Some((_, complete)) = &mut sent.peer {
            *complete = *complete && !tape.once_in(2);
        }
        let verdict =
            |sent: &Sent, keys: bool| sent.with(|request| plan.evaluate(request, &Keys(keys)).outcome);
        let outcome = verdict(&sent, false);
        if outcome == Outcome::Unknown {
            return Ok(());
        }
        for _ in 0..REQUESTS {
            let full = completions(&sent, tape, &values);
            let then = verdict(&full, !tape.once_in(2));
            if then != outcome && then != Outcome::Unknown {
                let world = shown(&world, &sent);
                return Err(format!("{outcome:?}, but {then:?} for {full:?}\n{world}"));
            }
            told.set(told.get() + 1);
        }
        Ok(())
    });
    assert!(told.get() > pairs() / 4, "hardly anything is known: {}", told.get());
}

/// A value that a pattern of a policy takes; `None` where a wildcard or a template stands in the way.
fn plain(expected: &[String]) -> Option<&str> {
    expected.iter().map(String::as_str).find(|value| {
        // A `spiffe://` in a policy is one too many.
        !value.contains(['*', '{']) && !value.contains("spiffe://")
    })
}

/// The request with one unmet field mended; `None`: not a field that this can mend.
fn mended(sent: &Sent, unmet: &Unmet) -> Option<Sent> {
    let mut sent = sent.clone();
    let value = plain(&unmet.expected)?;
    let mut set = |name: &str| {
        sent.lines.retain(|(known, _)| known != name);
        sent.lines.push((name.into(), value.into()));
    };
    match unmet.field.as_str() {
        "to.operation.methods" => set(":method"),
        "to.operation.hosts" | "when[request.headers[host]]" => set(":authority"),
        // A path pattern sees no query, and a value with one can never match.
        "to.operation.paths" if !value.contains(['?', '#']) => set(":path"),
        "when[request.headers[x-a]]" => set("x-a"),
        "to.operation.ports" | "when[destination.port]" => sent.port = Input::Is(value.parse().ok()?),
        "when[connection.sni]" => sent.sni = value.into(),
        "from.source.principals" | "when[source.principal]" => {
            sent.peer = Some((vec![format!("spiffe://{value}")], true));
        }
        "from.source.namespaces" | "when[source.namespace]" => {
            sent.peer = Some((vec![format!("spiffe://cluster.local/ns/{value}/sa/x")], true));
        }
        "from.source.ipBlocks" | "when[source.ip]" => sent.source_ip = Input::Is(address(value)?),
        "from.source.remoteIpBlocks" | "when[remote.ip]" => sent.remote_ip = Input::Is(address(value)?),
        "when[destination.ip]" => sent.destination_ip = Input::Is(address(value)?),
        _ => return None,
    }
    Some(sent)
}

fn address(block: &str) -> Option<IpAddr> {
    let ip: IpAddr = block.split(['/', '%']).next()?.parse().ok()?;
    // No peer has an address that is IPv4 mapped into IPv6.
    (ip == ip.to_canonical()).then_some(ip)
}

#[test]
fn mending_what_the_nearest_rule_asks_for_makes_it_match() {
    let tried = Cell::new(0_u32);
    check(pairs() / REQUESTS, |tape| {
        let mut world = worlds::world(tape);
        // Aliases put other principals in the place of those written.
        world.mesh.trust_domain = "cluster.local".into();
        world.mesh.trust_domain_aliases.clear();
        let plan = Plan::build(&world.resources, &world.workload, &world.mesh);
        let values = Values::of(&world);
        for _ in 0..REQUESTS {
            let sent = requests::sent(tape, &values);
            let keys = Keys(true);
            let explain = |sent: &Sent| sent.with(|request| plan.explain(request, &keys));
            let before = explain(&sent);
            let Some(nearest) = before.report.nearest else { continue };
            // Two conditions on one thing may contradict each other, or one may undo the other.
            let things: BTreeSet<String> = nearest.unmet.iter().map(|unmet| thing(&unmet.field)).collect();
            if nearest.unmet.is_empty() || things.len() < nearest.unmet.len() {
                continue;
            }
            let rule = trace(&before.stages, &nearest.policy);
            if rule.is_some_and(|rule| met_things(rule).any(|met| things.contains(&met))) {
                continue;
            }
            let Some(full) = nearest.unmet.iter().try_fold(sent.clone(), |sent, unmet| mended(&sent, unmet))
            else {
                continue;
            };
            let after = explain(&full);
            // The JWT and mTLS stages may mind the new request; what matters is the rule itself.
            let Some(rule) = trace(&after.stages, &nearest.policy) else { continue };
            tried.set(tried.get() + 1);
            if rule.matched != Some(true) {
                let world = shown(&world, &sent);
                return Err(format!("{nearest:?}\nis not met by {full:?}\n{world}"));
            }
        }
        Ok(())
    });
    assert!(tried.get() > pairs() / 100, "hardly any nearest rule could be tried: {}", tried.get());
}

/// The part of a request that a field is about.
fn thing(field: &str) -> String {
    let identity = [
        "principal",
        "namespace",
        "serviceAccount",
        "trustDomain",
        "rincipals",
        "amespaces",
        "erviceAccounts",
        "rustDomains",
    ];
    let bare = field.trim_end_matches(".notValues");
    if field.contains("equest") && field.contains("rincipal") || field.contains("auth") {
        "token".into()
    } else if identity.iter().any(|word| bare.contains(word)) {
        "peer".into()
    } else if bare.contains("ost") && !bare.contains("x-a") {
        "host".into()
    } else if bare.contains("ort") {
        "port".into()
    } else if bare.contains("emoteIpBlocks") || bare.contains("remote.ip") {
        "remote".into()
    } else if bare.contains("pBlocks") || bare.contains("source.ip") {
        "source".into()
    } else {
        bare.to_lowercase().replace("not", "")
    }
}

fn trace<'e>(stages: &'e [StageTrace], id: &str) -> Option<&'e RuleTrace> {
    stages.iter().flat_map(|stage| &stage.rules).find(|rule| rule.id == id)
}

/// What the conditions of a rule that hold already are about.
fn met_things(rule: &RuleTrace) -> impl Iterator<Item = String> {
    let groups = rule.from.iter().chain(&rule.to).flatten().chain(&rule.when);
    groups.filter(|check| check.met == Some(true)).map(|check| thing(&check.field))
}

#[test]
fn what_a_version_refuses_is_reported_as_an_error_and_the_rest_is_not() {
    check(pairs() / REQUESTS, |tape| {
        let world = worlds::world(tape);
        let version = world.mesh.istio_version;
        let known = gnomon_engine::versions::known(&world.resources, version);
        let name = |meta: &Meta| format!("{}/{}", meta.namespace, meta.name);
        let kept: BTreeSet<String> = known.authorization.iter().map(|policy| name(&policy.meta)).collect();
        let problems = gnomon_engine::versions::problems(&world.resources, version);
        for policy in &world.resources.authorization {
            let object = format!("AuthorizationPolicy {}", name(&policy.meta));
            let of =
                |severity| problems.iter().any(|found| found.object == object && found.severity == severity);
            if of(Severity::Error) == kept.contains(&name(&policy.meta)) {
                return Err(format!("{object}: {problems:?}"));
            }
        }
        let lost = world.resources.request_authentication.len() - known.request_authentication.len();
        let errors = problems.iter().filter(|found| found.severity == Severity::Error);
        let refused: BTreeSet<&str> = errors
            .map(|found| found.object.as_str())
            .filter(|object| object.starts_with("Request"))
            .collect();
        if refused.len() != lost {
            return Err(format!("{lost} lost, {refused:?} refused"));
        }
        Ok(())
    });
}
