//! What suites cannot say: unknown inputs, and what a plan asks of its host.

use gnomon_engine::{
    Attribute, Mesh, Plan, Request, Workload,
    jwt::{Algorithm, Crypto, Key, Signature},
    request::{ExtAuthzAnswer, Input, Peer},
    resource::{
        Action, AuthorizationPolicy, Condition, FieldSet, Match, Meta, Resources, Rule, Target, Text,
    },
    verdict::{Missing, Outcome, Stage},
    workload::{ExtensionProvider, ProviderKind},
};

struct NoCrypto;

impl Crypto for NoCrypto {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

/// As reports name them.
fn names(missing: &[Missing]) -> Vec<String> {
    missing.iter().map(ToString::to_string).collect()
}

fn values(values: &[&str]) -> Match {
    let text = |value: &&str| Text { text: (*value).into(), ..Text::default() };
    Match { values: values.iter().map(text).collect(), not_values: vec![] }
}

fn policy(name: &str, action: Action, rule: Rule) -> AuthorizationPolicy {
    AuthorizationPolicy {
        meta: Meta { namespace: "default".into(), name: name.into(), ..Meta::default() },
        target: Target::Namespace,
        action,
        provider: None,
        dry_run: false,
        rules: vec![rule],
    }
}

fn plan(policies: Vec<AuthorizationPolicy>) -> Plan {
    let resources = Resources { authorization: policies, ..Resources::default() };
    Plan::build(&resources, &Workload::default(), &Mesh::default())
}

fn from_ip(ip: &str) -> Rule {
    Rule { from: vec![FieldSet::of([(Attribute::SourceIp, values(&[ip]))])], ..Rule::default() }
}

fn method(name: &str) -> Rule {
    Rule { to: vec![FieldSet::of([(Attribute::Method, values(&[name]))])], ..Rule::default() }
}

const GET: &[(&[u8], &[u8])] = &[(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a")];

#[test]
fn an_unknown_address_is_unknown_only_where_the_answer_depends_on_it() {
    // The port is not known either, but nobody asks for it.
    let unknown =
        Request { source_ip: Input::Unknown, destination_port: Input::Unknown, ..Request::http(GET) };
    for (policies, outcome, stage, missing) in [
        (vec![policy("a", Action::Allow, from_ip("10.0.0.1"))], Outcome::Unknown, Stage::Allow, "source.ip"),
        (vec![policy("a", Action::Deny, from_ip("10.0.0.1"))], Outcome::Unknown, Stage::Deny, "source.ip"),
        // Another rule answers.
        (
            vec![policy("a", Action::Allow, from_ip("10.0.0.1")), policy("b", Action::Allow, method("GET"))],
            Outcome::Allow,
            Stage::Allow,
            "",
        ),
        // Refused either way.
        (
            vec![policy("a", Action::Deny, from_ip("10.0.0.1")), policy("b", Action::Allow, method("POST"))],
            Outcome::Deny,
            Stage::Allow,
            "source.ip",
        ),
        (vec![policy("b", Action::Allow, method("POST"))], Outcome::Deny, Stage::Allow, ""),
    ] {
        let plan = plan(policies);
        let verdict = plan.evaluate(&unknown, &NoCrypto);
        assert_eq!(
            (verdict.outcome, verdict.stage, names(&verdict.missing).join(" ").as_str()),
            (outcome, stage, missing)
        );
        let report = plan.explain(&unknown, &NoCrypto).report;
        assert_eq!((report.verdict, report.stage), (outcome, stage));
        assert_eq!(report.status.is_none(), outcome == Outcome::Unknown);
    }
}

#[test]
fn a_peer_with_further_names_is_unknown_where_the_known_ones_do_not_match() {
    let rule = Rule {
        from: vec![FieldSet::of([(Attribute::Principal, values(&["cluster.local/ns/a/sa/b"]))])],
        ..Rule::default()
    };
    let plan = plan(vec![policy("a", Action::Allow, rule)]);
    for (name, complete, outcome) in [
        (&b"spiffe://cluster.local/ns/a/sa/b"[..], false, Outcome::Allow),
        (b"spiffe://cluster.local/ns/a/sa/c", false, Outcome::Unknown),
        (b"spiffe://cluster.local/ns/a/sa/c", true, Outcome::Deny),
    ] {
        let request = Request { peer: Peer::Tls { names: &[name], complete }, ..Request::http(GET) };
        assert_eq!(plan.evaluate(&request, &NoCrypto).outcome, outcome, "{complete}");
    }
}

#[test]
fn a_plan_needs_only_what_its_rules_look_at() {
    let needs = plan(vec![]).required_inputs();
    assert_eq!(needs, Default::default());
    let needs = plan(vec![policy("a", Action::Allow, from_ip("10.0.0.1"))]).required_inputs();
    assert!(needs.source_ip && !needs.headers && !needs.peer && !needs.sni && !needs.now);
    let condition = Condition {
        at: Default::default(),
        key: Text { text: "connection.sni".into(), ..Text::default() },
        values: values(&["a"]),
    };
    let needs = plan(vec![policy("a", Action::Deny, Rule { when: vec![condition], ..method("GET") })])
        .required_inputs();
    assert!(needs.sni && needs.headers && !needs.source_ip);
}

#[test]
fn a_provider_that_fails_open_lets_pass_and_one_that_does_not_refuses_with_its_status() {
    let entry =
        |extra: &str| serde_json::from_str(&format!(r#"{{"service": "s", "port": 8000{extra}}}"#)).unwrap();
    for (extra, outcome, status) in [
        (r#", "failOpen": true"#, Outcome::Allow, Some(200)),
        (r#", "statusOnError": "503""#, Outcome::Deny, Some(503)),
        ("", Outcome::Deny, Some(403)),
    ] {
        let mut custom = policy("c", Action::Custom, method("GET"));
        custom.provider = Some(Text { text: "p".into(), ..Text::default() });
        let resources = Resources { authorization: vec![custom], ..Resources::default() };
        let provider = ExtensionProvider { name: "p".into(), kind: ProviderKind::Http(entry(extra)) };
        let mesh = Mesh { extension_providers: vec![provider], ..Mesh::default() };
        let plan = Plan::build(&resources, &Workload::default(), &mesh);
        let request = Request { ext_authz: &[("p".into(), ExtAuthzAnswer::Error)], ..Request::http(GET) };
        let verdict = plan.evaluate(&request, &NoCrypto);
        assert_eq!((verdict.outcome, verdict.status()), (outcome, status), "{extra}");
    }
}

#[test]
fn an_explanation_has_the_values_as_they_were_written() {
    // A plan keeps no second copy of what its tests can tell; trust domains and templates they cannot.
    let written = [
        ("from.source.principals", &["cluster.local/ns/a/sa/b", "old/ns/a/sa/b"][..]),
        ("from.source.notPrincipals", &["*/sa/b", "*", "cluster.local/ns/a/*"]),
        ("from.source.namespaces", &["a", "b*"]),
        ("from.source.ipBlocks", &["10.0.0.1", "10.0.0.0/8"]),
        ("to.operation.hosts", &["A.example.com", "*.example.com", "a.example.com:*", "*"]),
        ("to.operation.methods", &["GET"]),
        ("to.operation.paths", &["/a", "/b/{*}", "/c/{**}/d", "*/e"]),
        ("to.operation.notPaths", &["/a*", "**", "*a*"]),
        ("to.operation.ports", &["0080", "443"]),
        ("when[request.headers[x-a]]", &["", "a*b"]),
    ];
    let of = |field: &str| {
        let list = written.iter().find(|(name, _)| *name == field).map_or(&[][..], |(_, list)| list);
        values(list).values
    };
    let both = |field: &str, not: &str| Match { values: of(field), not_values: of(not) };
    let rule = Rule {
        from: vec![FieldSet::of([
            (Attribute::Principal, both("from.source.principals", "from.source.notPrincipals")),
            (Attribute::Namespace, both("from.source.namespaces", "")),
            (Attribute::SourceIp, both("from.source.ipBlocks", "")),
        ])],
        to: vec![FieldSet::of([
            (Attribute::Host, both("to.operation.hosts", "")),
            (Attribute::Method, both("to.operation.methods", "")),
            (Attribute::Path, both("to.operation.paths", "to.operation.notPaths")),
            (Attribute::Port, both("to.operation.ports", "")),
        ])],
        when: vec![Condition {
            at: Default::default(),
            key: Text { text: "request.headers[x-a]".into(), ..Text::default() },
            values: both("when[request.headers[x-a]]", ""),
        }],
        ..Rule::default()
    };
    let mesh = Mesh { trust_domain_aliases: vec!["old".into()], ..Mesh::default() };
    let resources =
        Resources { authorization: vec![policy("a", Action::Allow, rule)], ..Resources::default() };
    let plan = Plan::build(&resources, &Workload::default(), &mesh);
    let explanation = plan.explain(&Request::http(GET), &NoCrypto);
    let rule = explanation.stages.iter().find_map(|stage| stage.rules.first()).expect("one rule");
    let checks = rule.from.iter().chain(&rule.to).flatten().chain(&rule.when);
    let mut told: Vec<_> = checks.map(|check| (check.field.as_str(), check.expected.clone())).collect();
    told.sort();
    let mut written: Vec<_> =
        written.iter().map(|(field, list)| (*field, list.iter().map(|v| v.to_string()).collect())).collect();
    written.sort();
    assert_eq!(told, written);
}
