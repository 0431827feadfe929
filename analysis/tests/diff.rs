//! What a change of policies changes: pairs whose answer is known.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may be blunt")]

use gnomon_analysis::diff::{Change, Changes, Problem, State, document, of_workload};
use gnomon_engine::{
    Mesh, Workload,
    jwt::{Algorithm, Crypto, Key, Signature},
    workload::ProxyKind,
};
use gnomon_manifests::{load_text, parse, request::requests};
use std::sync::Arc;

struct NoKeys;

impl Crypto for NoKeys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

fn changes_for(old: &str, new: &str, proxy: ProxyKind) -> Changes {
    changes_of(old, new, proxy).unwrap_or_else(|problem| panic!("{problem}"))
}

fn changes_of(old: &str, new: &str, proxy: ProxyKind) -> Result<Changes, Problem> {
    let workload = Workload {
        namespace: "shop".into(),
        labels: vec![("app".into(), "orders".into())],
        proxy,
        ..Workload::default()
    };
    let mesh = Mesh::default();
    let [old, new] = [old, new].map(|text| load_text(text, "policies.yaml").unwrap().resources);
    let state = |resources| State { resources, workload: &workload, mesh: &mesh };
    of_workload(state(&old), state(&new), 1_900_000_000, &NoKeys, Default::default())
}

/// An AuthorizationPolicy of this action with these rules, in YAML's flow style.
fn policy(name: &str, action: &str, rules: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec: {{action: {action}, rules: {rules}}}\n---\n"
    )
}

fn tokens(rule: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: jwt, namespace: shop}}\n\
         spec: {{jwtRules: [{rule}]}}\n---\n"
    )
}

fn mtls(spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default, namespace: shop}}\n\
         spec: {spec}\n---\n"
    )
}

/// What the witness of each direction must have.
#[test]
fn smallest_requests() {
    let any = "[{}]";
    let issuer = r#"{issuer: "https://i", jwksUri: "https://i/keys"}"#;
    for (name, old, new, allowed, denied) in [
        (
            "a path more",
            policy("a", "ALLOW", "[{to: [{operation: {paths: [/a]}}]}]"),
            policy("a", "ALLOW", "[{to: [{operation: {paths: [/a, /b]}}]}]"),
            Some(r#"{"host":"example.com","method":"GET","path":"/b"}"#),
            None,
        ),
        (
            "a prefix in place of a path, of which a DENY takes a part",
            policy("a", "ALLOW", "[{to: [{operation: {paths: [/a]}}]}]")
                + &policy("d", "DENY", "[{to: [{operation: {paths: [/a/x*]}}]}]"),
            policy("a", "ALLOW", "[{to: [{operation: {paths: [/a*]}}]}]")
                + &policy("d", "DENY", "[{to: [{operation: {paths: [/a/x*]}}]}]"),
            Some(r#"{"host":"example.com","method":"GET","path":"/a/"}"#),
            None,
        ),
        (
            "a DENY policy more",
            policy("a", "ALLOW", any),
            policy("a", "ALLOW", any)
                + &policy(
                    "d",
                    "DENY",
                    "[{from: [{source: {notNamespaces: [prod]}}], to: [{operation: {ports: ['8080']}}]}]",
                ),
            None,
            Some(r#"{"destination":{"port":8080},"host":"example.com","method":"GET","path":"/"}"#),
        ),
        (
            "namespaces in place of a principal",
            policy("a", "ALLOW", "[{from: [{source: {principals: [cluster.local/ns/x/sa/y]}}]}]"),
            policy("a", "ALLOW", "[{from: [{source: {namespaces: [x]}}]}]"),
            Some(
                r#"{"host":"example.com","method":"GET","path":"/","source":{"principal":"cluster.local/ns/x/sa/n"}}"#,
            ),
            None,
        ),
        (
            "the first ALLOW policy",
            String::new(),
            policy("a", "ALLOW", "[{to: [{operation: {methods: [GET]}}]}]"),
            None,
            Some(r#"{"host":"example.com","method":"POST","path":"/"}"#),
        ),
        (
            "STRICT",
            policy("a", "ALLOW", any),
            policy("a", "ALLOW", any) + &mtls("{mtls: {mode: STRICT}}"),
            None,
            Some(r#"{"host":"example.com","method":"GET","path":"/"}"#),
        ),
        (
            "STRICT on a port",
            policy("a", "ALLOW", any) + &mtls("{mtls: {mode: STRICT}}"),
            policy("a", "ALLOW", any)
                + "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: shop}\nspec: {selector: {matchLabels: {app: orders}}, mtls: {mode: STRICT}, portLevelMtls: {9000: {mode: PERMISSIVE}}}\n",
            Some(r#"{"destination":{"port":9000},"host":"example.com","method":"GET","path":"/"}"#),
            None,
        ),
        (
            "an issuer, for whom tokens are now refused",
            policy("a", "ALLOW", any),
            policy("a", "ALLOW", any) + &tokens(issuer),
            None,
            Some(
                r#"{"claims":{"iss":"https://other.example.com"},"host":"example.com","method":"GET","path":"/"}"#,
            ),
        ),
        (
            "an audience",
            policy("a", "ALLOW", r#"[{from: [{source: {requestPrincipals: ["*"]}}]}]"#) + &tokens(issuer),
            policy("a", "ALLOW", r#"[{from: [{source: {requestPrincipals: ["*"]}}]}]"#)
                + &tokens(r#"{issuer: "https://i", audiences: [web], jwksUri: "https://i/keys"}"#),
            None,
            Some(
                r#"{"claims":{"iss":"https://i","sub":"x"},"host":"example.com","method":"GET","path":"/"}"#,
            ),
        ),
        (
            "a claim in place of another: list or text",
            policy("a", "ALLOW", "[{when: [{key: 'request.auth.claims[group]', values: [admin]}]}]")
                + &tokens(issuer),
            policy(
                "a",
                "ALLOW",
                "[{when: [{key: 'request.auth.claims[group]', values: [admin], notValues: [guest]}]}]",
            ) + &tokens(issuer),
            None,
            Some(
                r#"{"claims":{"iss":"https://i","group":["admin","guest"]},"host":"example.com","method":"GET","path":"/"}"#,
            ),
        ),
        (
            "two lines of a header",
            policy("a", "ALLOW", "[{when: [{key: 'request.headers[x-a]', values: [v], notValues: [w]}]}]"),
            policy("a", "ALLOW", "[{when: [{key: 'request.headers[x-a]', values: [v]}]}]"),
            Some(r#"{"headers":{"x-a":["v","w"]},"host":"example.com","method":"GET","path":"/"}"#),
            None,
        ),
        (
            "a wider range of addresses",
            policy("a", "ALLOW", "[{from: [{source: {ipBlocks: [10.1.0.0/16]}}]}]"),
            policy("a", "ALLOW", "[{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]"),
            Some(r#"{"host":"example.com","method":"GET","path":"/","source":{"ip":"10.0.0.1"}}"#),
            None,
        ),
        (
            "CONNECT, which has no path",
            policy("a", "ALLOW", any),
            policy("a", "ALLOW", any) + &policy("d", "DENY", "[{to: [{operation: {methods: [CONNECT]}}]}]"),
            None,
            Some(r#"{"host":"example.com:443","method":"CONNECT","path":"/"}"#),
        ),
        (
            "a template in place of a prefix",
            policy("a", "ALLOW", "[{to: [{operation: {paths: ['/u/*']}}]}]"),
            policy("a", "ALLOW", "[{to: [{operation: {paths: ['/u/{*}']}}]}]"),
            None,
            Some(r#"{"host":"example.com","method":"GET","path":"/u/"}"#),
        ),
    ] {
        let changes = changes_for(&old, &new, ProxyKind::Sidecar);
        for (expected, found) in [(allowed, &changes.newly_allowed), (denied, &changes.newly_denied)] {
            let found = found.as_ref().map(|witness| document(&witness.request));
            let expected = expected.map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
            assert_eq!(found, expected, "{name}");
        }
        assert!(changes.complete && !changes.summary.is_empty(), "{name}");
        // The other way round is the mirror image.
        let back = changes_for(&new, &old, ProxyKind::Sidecar);
        let count =
            |changes: &Changes, change| changes.summary.iter().filter(|line| line.change == change).count();
        assert_eq!(back.newly_allowed.is_some(), denied.is_some(), "{name}");
        assert_eq!(count(&back, Change::Denied) > 0, allowed.is_some(), "{name}");
    }
}

/// Pairs that look different and are not.
#[test]
fn equivalent() {
    for (name, old, new) in [
        (
            "one policy or two",
            policy("a", "ALLOW", "[{to: [{operation: {paths: [/a]}}]}, {to: [{operation: {paths: [/b]}}]}]"),
            policy("a", "ALLOW", "[{to: [{operation: {paths: [/b]}}]}]")
                + &policy("b", "ALLOW", "[{to: [{operation: {paths: [/a]}}]}]"),
        ),
        (
            "what a prefix covers",
            policy("a", "ALLOW", "[{to: [{operation: {paths: ['/a*', /ab, '/a/b/*']}}]}]"),
            policy("a", "ALLOW", "[{to: [{operation: {paths: ['/a*']}}]}]"),
        ),
        (
            "a header that no request can have",
            policy("a", "ALLOW", "[{to: [{operation: {paths: [/a]}}]}]"),
            policy(
                "a",
                "ALLOW",
                "[{to: [{operation: {paths: [/a]}}]}, {when: [{key: 'request.headers[x-:method]', values: [GET]}]}]",
            ),
        ),
        (
            "hosts have no case",
            policy("a", "ALLOW", "[{to: [{operation: {hosts: [A.example.com]}}]}]"),
            policy("a", "ALLOW", "[{to: [{operation: {hosts: [a.EXAMPLE.com]}}]}]"),
        ),
        (
            "a path that normalization rewrites",
            policy("a", "DENY", "[{to: [{operation: {paths: [/a/../b, /c]}}]}]"),
            policy("a", "DENY", "[{to: [{operation: {paths: [/c]}}]}]"),
        ),
        (
            "a DENY that says what an ALLOW lacks",
            policy("a", "ALLOW", "[{to: [{operation: {methods: [GET]}}]}]")
                + &policy("d", "DENY", "[{to: [{operation: {notMethods: [GET]}}]}]"),
            policy("a", "ALLOW", "[{to: [{operation: {methods: [GET]}}]}]")
                + &policy("d", "DENY", "[{to: [{operation: {methods: [POST]}}]}]"),
        ),
        (
            "a range in two halves",
            policy("a", "ALLOW", "[{from: [{source: {ipBlocks: [10.0.0.0/9, 10.128.0.0/9]}}]}]"),
            policy("a", "ALLOW", "[{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]"),
        ),
        (
            "plaintext has no principal",
            policy("a", "ALLOW", r#"[{from: [{source: {principals: ["*"]}}]}]"#)
                + &mtls("{mtls: {mode: STRICT}}"),
            policy("a", "ALLOW", r#"[{from: [{source: {principals: ["*"]}}]}]"#),
        ),
        (
            "alias of a trust domain",
            policy("a", "ALLOW", "[{from: [{source: {principals: [cluster.local/ns/x/sa/y]}}]}]"),
            policy(
                "a",
                "ALLOW",
                "[{from: [{source: {principals: [cluster.local/ns/x/sa/y], namespaces: [x]}}]}]",
            ),
        ),
        (
            "dry runs",
            policy("a", "ALLOW", "[{}]"),
            policy("a", "ALLOW", "[{}]") + &policy("d", "AUDIT", "[{}]"),
        ),
    ] {
        let changes = changes_for(&old, &new, ProxyKind::Sidecar);
        // What a TCP connection cannot have makes a DENY broader there.
        let told: Vec<_> = changes.summary.iter().map(|line| (line.requests.clone(), line.change)).collect();
        assert!(changes.is_equivalent(), "{name}: {told:?}");
    }
}

const RICH: &str = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: read, namespace: shop}
spec:
  rules:
  - from:
    - source: {principals: [cluster.local/ns/web/sa/front, "cluster.local/ns/jobs/*"], notIpBlocks: [10.9.0.0/16]}
    - source: {namespaces: [admin], notPrincipals: [cluster.local/ns/admin/sa/old]}
    to:
    - operation: {methods: [GET, HEAD], paths: [/api/*, "/v1/{*}/items"], notPaths: [/api/internal/*], hosts: ["shop.example.com", "*.shop.local"]}
    - operation: {methods: [POST], paths: [/hooks/*], ports: ["8080"]}
    when:
    - {key: "request.headers[x-tier]", values: [gold, "silver*"], notValues: [trial]}
  - from: [{source: {requestPrincipals: ["https://i/*"]}}]
    when:
    - {key: "request.auth.claims[group]", values: [staff, admin]}
    - {key: "source.ip", notValues: [192.0.2.0/24]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: never, namespace: shop}
spec:
  action: DENY
  rules:
  - to: [{operation: {methods: [DELETE, PURGE], notPaths: [/tmp/*]}}]
  - from: [{source: {notNamespaces: [web, jobs, admin, ingress]}}]
    to: [{operation: {paths: [/api/admin/*]}}]
  - when: [{key: "request.auth.claims[group]", values: [banned]}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: shop}
spec: {jwtRules: [{issuer: "https://i", audiences: [web], jwksUri: "https://i/keys"}, {issuer: "https://j", jwksUri: "https://j/keys"}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: PERMISSIVE}}
"#;

/// A list has elements that no policy names: `other than` would count these, too.
#[test]
fn lists_in_words() {
    let of = |values: &str| {
        policy("a", "ALLOW", &format!("[{{when: [{{key: 'request.headers[x-a]', values: {values}}}]}}]"))
    };
    let changes = changes_for(&of("[v, 'v*']"), &of("[v]"), ProxyKind::Sidecar);
    let told: Vec<&str> = changes.summary.iter().map(|line| line.requests.as_str()).collect();
    assert_eq!(told, ["HTTP requests with a header x-a v* but not v and without header x-a v"]);
}

/// What is no token is refused at each place where a rule looks, be it the first one or another.
#[test]
fn places_of_tokens() {
    let of = |headers: &str| {
        tokens(&format!("{{issuer: 'https://i', jwksUri: 'https://i/keys', fromHeaders: {headers}}}"))
    };
    let changes = changes_for(&of("[{name: x-a}, {name: x-b}]"), &of("[{name: x-a}]"), ProxyKind::Sidecar);
    let witness = changes.newly_allowed.unwrap().request;
    assert_eq!(document(&witness)["headers"], serde_json::json!({"x-b": "malformed"}));
    assert!(changes.newly_denied.is_none());
}

/// Tokens that other keys have signed than before: there is no request to show, and it is not equivalent all the same.
#[test]
fn keys() {
    const A: &str = "AQAB";
    let inline = |kid: &str, n: &str| {
        let modulus = format!("{n}{}Q", "A".repeat(341 - n.len()));
        let jwks = format!(r#"{{"keys":[{{"kty":"RSA","kid":"{kid}","e":"{A}","n":"{modulus}"}}]}}"#);
        format!("{{issuer: 'https://i', jwks: '{jwks}'}}")
    };
    let remote = |address: &str| format!("{{issuer: 'https://i', jwksUri: 'https://{address}'}}");
    let one = |audience: &str, address: &str| {
        format!("{{issuer: 'https://i', audiences: [{audience}], jwksUri: 'https://{address}'}}")
    };
    for (old, new, told) in [
        (remote("a"), remote("a"), None),
        (remote("a"), remote("b"), Some(("https://a", "https://b"))),
        (inline("k", "zb"), inline("k", "zb"), None),
        (inline("k", "zb"), inline("k", "zc"), Some(("jwks with k", "jwks with k"))),
        (inline("k", "zb"), inline("l", "zb"), Some(("jwks with k", "jwks with l"))),
        (remote("a"), inline("k", "zb"), Some(("https://a", "jwks with k"))),
        ("{issuer: 'https://i'}".into(), remote("b"), Some(("its discovery document", "https://b"))),
        // The keys of two audiences change places.
        (
            format!("{}, {}", one("x", "a"), one("z", "b")),
            format!("{}, {}", one("x", "b"), one("z", "a")),
            Some(("https://a and https://b", "https://b and https://a")),
        ),
    ] {
        let changes = changes_for(&tokens(&old), &tokens(&new), ProxyKind::Sidecar);
        let found: Vec<_> = changes.keys.iter().map(|keys| (keys.old.as_str(), keys.new.as_str())).collect();
        assert_eq!(found, told.into_iter().collect::<Vec<_>>(), "{old} {new}");
        assert_eq!(changes.is_equivalent(), told.is_none());
        assert!(changes.summary.is_empty() && changes.complete);
        // ztunnel reads no tokens.
        assert!(changes_for(&tokens(&old), &tokens(&new), ProxyKind::Ztunnel).is_equivalent());
    }
    // An issuer that only one side knows is a change that requests show.
    let all = policy("a", "ALLOW", "[{}]");
    let changes = changes_for(&all, &(all.clone() + &tokens(&remote("a"))), ProxyKind::Sidecar);
    assert!(changes.keys.is_empty() && changes.newly_denied.is_some());
}

/// What a rule writes from a token is not what a client sends: conditions on it are refused by name.
#[test]
fn headers_written_from_tokens() {
    let of = |output: &str| {
        tokens(&format!("{{issuer: 'https://i', jwksUri: 'https://i/keys'{output}}}"))
            + &policy("a", "ALLOW", "[{when: [{key: 'request.headers[x-group]', values: [admin]}]}]")
    };
    let from = |claim: &str| of(&format!(", outputClaimToHeaders: [{{header: X-Group, claim: {claim}}}]"));
    for (old, new) in [(from("group"), of("")), (of(""), from("group")), (from("group"), from("role"))] {
        let found = changes_of(&old, &new, ProxyKind::Sidecar);
        assert!(matches!(found, Err(Problem::Undecided(_))), "{found:?}");
    }
    // What no condition looks at makes no difference.
    let unread = |claim: &str| from(claim).replace("X-Group", "x-other");
    assert!(changes_for(&unread("group"), &unread("role"), ProxyKind::Sidecar).is_equivalent());
}

/// Every planted change is found, in the direction that it has.
#[test]
fn planted_changes() {
    for (from, to, allows, denies) in [
        ("web/sa/front", "web/sa/back", true, true),
        ("ns/jobs/*", "ns/jobs/sa/a*", false, true),
        ("ns/jobs/*", "ns/*", true, false),
        ("10.9.0.0/16", "10.9.0.0/17", true, false),
        ("10.9.0.0/16", "10.8.0.0/15", false, true),
        ("namespaces: [admin]", "namespaces: [admin, ops]", true, false),
        ("namespaces: [admin]", "namespaces: [\"adm*\"]", true, false),
        (", notPrincipals: [cluster.local/ns/admin/sa/old]", "", true, false),
        ("[GET, HEAD]", "[GET]", false, true),
        ("[GET, HEAD]", "[\"*\"]", true, false),
        ("[/api/*, ", "[/api*, ", true, false),
        ("/v1/{*}/items", "/v1/{**}/items", true, false),
        ("/v1/{*}/items", "/v2/{*}/items", true, true),
        (", notPaths: [/api/internal/*]", "", true, false),
        ("notPaths: [/api/internal/*]", "notPaths: [/api/internal*]", false, true),
        ("\"*.shop.local\"", "\"*shop.local\"", true, false),
        ("shop.example.com", "shop.example.com:*", true, true),
        ("[POST]", "[POST, PUT]", true, false),
        ("ports: [\"8080\"]", "ports: [\"8081\"]", true, true),
        ("[gold, \"silver*\"]", "[gold, silver]", false, true),
        ("notValues: [trial]", "notValues: [trial, \"t*\"]", false, true),
        (", notValues: [trial]", "", true, false),
        ("x-tier", "x-rank", true, true),
        ("[\"https://i/*\"]", "[\"https://i/a*\"]", false, true),
        ("[\"https://i/*\"]", "[\"*\"]", true, false),
        ("[staff, admin]", "[staff]", false, true),
        ("192.0.2.0/24", "192.0.2.0/25", true, false),
        ("[DELETE, PURGE]", "[DELETE]", true, false),
        ("notPaths: [/tmp/*]", "notPaths: [/tmp/*, /var/*]", true, false),
        ("notNamespaces: [web, jobs, admin, ingress]", "notNamespaces: [web, jobs, admin]", false, false),
        ("paths: [/api/admin/*]", "paths: [/api/*]", false, true),
        ("[banned]", "[banned, blocked]", false, true),
        ("[banned]", "[\"ban*\"]", false, true),
        ("audiences: [web], ", "", true, false),
        ("audiences: [web]", "audiences: [web, app]", true, false),
        ("audiences: [web]", "audiences: [\"https://web/\"]", false, false),
        (", {issuer: \"https://j\", jwksUri: \"https://j/keys\"}", "", false, true),
        ("issuer: \"https://j\"", "issuer: \"https://k\"", true, true),
        ("mode: PERMISSIVE", "mode: STRICT", false, true),
        ("mode: PERMISSIVE", "mode: DISABLE", false, true),
        ("action: DENY", "action: AUDIT", true, false),
    ] {
        let new = RICH.replacen(from, to, 1);
        assert_ne!(new, RICH, "{from}");
        let changes = changes_for(RICH, &new, ProxyKind::Sidecar);
        // A service account of `ingress` is kept out by the ALLOW policies already, but for its tokens.
        let ingress = from.starts_with("notNamespaces");
        let found = (changes.newly_allowed.is_some(), changes.newly_denied.is_some());
        let expected = if ingress { (false, true) } else { (allows, denies) };
        assert_eq!(found, expected, "{from} → {to}");
    }
}

/// The same on the other kinds of proxy: what they do not see makes no difference there.
#[test]
fn other_proxies() {
    let old = policy("a", "ALLOW", "[{from: [{source: {namespaces: [x]}}]}]");
    let new = policy("a", "ALLOW", "[{from: [{source: {namespaces: [x, z]}}]}]");
    let changes = changes_for(&old, &new, ProxyKind::Ztunnel);
    let request = document(&changes.newly_allowed.unwrap().request);
    assert_eq!(request["source"]["principal"], "cluster.local/ns/z/sa/x");
    assert_eq!(request["protocol"], "tcp");
    let http = policy("d", "DENY", "[{to: [{operation: {methods: [GET]}}]}]");
    assert!(changes_for(&old, &(old.clone() + &http), ProxyKind::Ztunnel).is_equivalent());
    // A policy without a targetRef is none for a waypoint.
    assert!(changes_for(&old, &new, ProxyKind::Waypoint).is_equivalent());
    assert!(!changes_for(&old, &new, ProxyKind::Gateway).is_equivalent());
}

/// A request as printed is read as the same request.
#[test]
fn documents_are_read_again() {
    let rich = changes_for("", RICH, ProxyKind::Sidecar);
    let examples: Vec<_> = rich.summary.iter().map(|line| &line.example).collect();
    assert!(examples.len() > 3);
    for spec in examples {
        let text = document(spec).to_string();
        let file: Arc<str> = "request.json".into();
        let (documents, problems) = parse(&text, &file);
        assert!(problems.is_empty(), "{text}");
        let read = requests(&file, &documents[0]).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        let read = gnomon_engine::prepare::RequestSpec { at: spec.at, ..read.as_slice()[0].clone() };
        let mut sorted = spec.clone();
        // A document's fields have an order of their own.
        sorted.headers.sort();
        let mut again = read.clone();
        again.headers.sort();
        (again.claims, sorted.claims) = (None, None);
        assert_eq!(again, sorted, "{text}");
        assert_eq!(document(&read), document(spec));
    }
}
