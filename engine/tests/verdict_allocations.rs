//! A verdict costs no allocation, whether the index finds the rule or all of them have to be asked.

mod counting;

use counting::allocations;
use gnomon_engine::{
    Attribute, Mesh, Plan, Request, Workload,
    jwt::{Algorithm, Authentication, Crypto, Edit, Json, Key, Signature},
    request::{Input, Peer},
    resource::{
        Action, AuthorizationPolicy, Condition, FieldSet, Match, Meta, Resources, Rule, Target, Text,
    },
    verdict::Outcome,
    workload::ProxyKind,
};
struct NoKeys;

impl Crypto for NoKeys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

fn text(text: &str) -> Text {
    Text { text: text.into(), ..Text::default() }
}

fn values(wanted: &[String]) -> Match {
    Match { values: wanted.iter().map(|value| text(value)).collect(), not_values: vec![] }
}

/// A rule that looks at everything.
fn policy(number: usize, action: Action) -> AuthorizationPolicy {
    let condition = |key: &str, value: String| Condition {
        at: Default::default(),
        key: text(key),
        values: values(&[value]),
    };
    let rule = Rule {
        from: vec![FieldSet::of([
            (Attribute::Principal, values(&[format!("cluster.local/ns/n-{number}/sa/a")])),
            (Attribute::Namespace, values(&[format!("n-{number}"), "x*y".into()])),
            (Attribute::RequestPrincipal, values(&["https://i/*".into()])),
            (Attribute::SourceIp, values(&["10.0.0.0/8".into()])),
            (Attribute::RemoteIp, values(&["203.0.113.0/24".into()])),
        ])],
        to: vec![FieldSet::of([
            (Attribute::Host, values(&["*.Example.com".into(), "example.com:*".into()])),
            (Attribute::Method, values(&["GET".into()])),
            (Attribute::Path, values(&[format!("/n/{number}/*"), format!("/n/{number}/{{*}}/{{**}}")])),
            (Attribute::Port, values(&["8443".into()])),
        ])],
        when: vec![
            condition("request.auth.claims[groups]", format!("g-{number}")),
            condition("request.headers[x-team]", format!("t-{number}")),
            condition("connection.sni", "a.example.com".into()),
        ],
        ..Rule::default()
    };
    AuthorizationPolicy {
        meta: Meta { namespace: "default".into(), name: format!("p-{number:04}"), ..Meta::default() },
        target: Target::Namespace,
        action,
        provider: None,
        dry_run: number.is_multiple_of(7),
        rules: vec![rule],
    }
}

#[test]
fn no_allocation() {
    let policies = |count: usize| {
        let one =
            |number| policy(number, if number.is_multiple_of(3) { Action::Deny } else { Action::Allow });
        Resources { authorization: (1..=count).map(one).collect(), ..Resources::default() }
    };
    let headers: [(&[u8], &[u8]); 6] = [
        (b":authority", b"A.example.com"),
        (b":path", b"/n/500/a/b?q"),
        (b":method", b"GET"),
        (b"x-team", b"t-1"),
        (b"x-team", b"t-500"),
        (b"cookie", b"a=b"),
    ];
    let names: [&[u8]; 2] = [b"a.default.svc", b"spiffe://cluster.local/ns/n-500/sa/a"];
    let request = Request {
        peer: Peer::Tls { names: &names, complete: true },
        source_ip: Input::Is([10, 1, 2, 3].into()),
        remote_ip: Input::Is([203, 0, 113, 7].into()),
        destination_port: Input::Is(8443),
        sni: b"a.example.com",
        ..Request::http(&headers)
    };
    let texts = |texts: &[&str]| Json::List(texts.iter().map(|text| Json::String((*text).into())).collect());
    let found = Authentication {
        payload: Some(
            Json::Object(vec![
                ("iss".into(), Json::String("https://i".into())),
                ("sub".into(), Json::String("s".into())),
                ("groups".into(), texts(&["staff", "g-500"])),
            ])
            .into(),
        ),
        edits: vec![Edit::Remove("authorization".into())],
        ..Authentication::default()
    };
    let workload = Workload { proxy: ProxyKind::Gateway, ..Workload::default() };
    for (count, outcome) in [(20, Outcome::Deny), (1_000, Outcome::Allow)] {
        let plan = Plan::build(&policies(count), &workload, &Mesh::default());
        let start = allocations();
        let verdict = plan.evaluate_authenticated(&request, &found);
        let without = plan.evaluate(&request, &NoKeys);
        let linearly = plan.evaluate_linearly(&request, &NoKeys);
        let made = allocations() - start;
        assert_eq!(made, 0, "with {count} policies");
        // It is the policy with all those conditions that allows, and only with the token.
        assert_eq!(
            (verdict.outcome, without.outcome, linearly.outcome),
            (outcome, Outcome::Deny, Outcome::Deny)
        );
    }
    assert!(allocations() > 0, "the allocator counts");
}
