//! External authorization: whoever asks the provider, whatever it answers, wherever the filter stands.

use super::*;
use gnomon_host_tests::{
    config::cluster,
    ext_authz::{ANSWER_HEADER, Answers, ExtAuthz, GrpcExtAuthz},
    metrics::Scrape,
};

fn mesh() -> Value {
    let header = [ANSWER_HEADER];
    let http = json!({
        "service": "authz.shop", "port": 8000, "includeRequestHeadersInCheck": header, "statusOnError": "503",
    });
    json!({"extensionProviders": [
        {"name": "http", "envoyExtAuthzHttp": http},
        {"name": "grpc", "envoyExtAuthzGrpc": {"service": "authz.shop", "port": 9000}},
    ]})
}

fn custom(provider: &str) -> Value {
    let mut policy = policy("ask", "CUSTOM", json!([{"to": [{"operation": {"paths": ["/asked*"]}}]}]));
    policy["spec"]["provider"] = json!({"name": provider});
    policy
}

/// One in front of Envoy's own filters, one in Istio's phase AUTHN: behind the providers, in front of the rest.
fn listeners(name: &str, enforced: &Value, configuration: &Value) -> [Listener; 2] {
    let native = native_for(&workload(), &mesh(), enforced, Protocol::Http);
    let is_provider =
        |filter: &Value| filter["name"].as_str().is_some_and(|name| name.ends_with("ext_authz"));
    let behind = native.iter().rposition(is_provider).map_or(0, |place| place + 1);
    [("before", 0), ("behind", behind)].map(|(word, place)| {
        let mut filters = native.clone();
        filters.insert(place, configured(configuration));
        Listener::http(&format!("{name} {word}"), filters)
    })
}

#[test]
fn what_a_provider_refused_is_compared_as_that() {
    let (http, grpc) = (ExtAuthz::start().unwrap(), GrpcExtAuthz::start().unwrap());
    let candidate = |resources: Value| json!({"candidate": {"resources": resources}, "mesh": mesh()});
    let refusing = deny_paths("no", &["/asked"]);
    // Another order than today's: what the provider would say comes first, then this.
    let both = |provider| candidate(json!([custom(provider), refusing]));
    let mut in_front = candidate(json!([custom("http")]));
    in_front["customInFront"] = true.into();
    let mut all = Vec::new();
    for provider in ["http", "grpc"] {
        let enforced = json!([custom(provider), deny_paths("native", &["/native", "/asked/native"])]);
        let candidates = [
            ("none", candidate(json!([]))),
            ("same", candidate(json!([custom(provider)]))),
            ("deny", candidate(json!([refusing]))),
            ("both", both(provider)),
        ];
        for (name, configuration) in candidates {
            all.extend(listeners(&format!("{provider} {name}"), &enforced, &configuration));
        }
    }
    all.extend(listeners("http told", &json!([custom("http")]), &in_front));
    // A provider that nobody knows: Istio refuses by RBAC what the policy matches.
    all.extend(listeners("broken none", &json!([custom("nobody")]), &candidate(json!([]))));
    all.extend(listeners("broken same", &json!([custom("nobody")]), &candidate(json!([custom("nobody")]))));
    let mut bootstrap = Bootstrap::new(&workload(), all);
    bootstrap.clusters = vec![
        cluster("outbound|8000||authz.shop", http.address(), false),
        cluster("outbound|9000||authz.shop", grpc.address(), true),
    ];
    let envoy = Envoy::start(&bootstrap).unwrap();

    // path, the provider's answer; Envoy's details; results for the candidates none, same, deny, both
    let denied = ("/asked", "deny", "ext_authz_denied");
    let failed = ("/asked", "error", "ext_authz_error");
    let table = [
        (("/asked", "allow", "direct_response"), ["agree", "unknown", "would_deny", "would_deny"]),
        (denied, ["would_allow", "unknown", "would_deny_differently", "unknown"]),
        (failed, ["would_allow", "unknown", "would_deny_differently", "unknown"]),
        (("/other", "deny", "direct_response"), ["agree", "agree", "agree", "agree"]),
        (
            ("/native", "deny", "rbac_access_denied_matched_policy[ns[shop]-policy[native]-rule[0]]"),
            ["would_allow", "would_allow", "would_allow", "would_allow"],
        ),
    ];
    let mut number = 0;
    let mut ask = |listener: &str, path: &str, answer: &str| {
        number += 1;
        let case = format!("case-{number}");
        let request = get(path, &case).header(ANSWER_HEADER, answer);
        sent(&envoy, &Dial::plain(to(&envoy, listener)), &request, &case)
    };
    for (provider, error) in [("http", 503), ("grpc", 403)] {
        for ((path, answer, details), expected) in table {
            let code = match details {
                "direct_response" => 200,
                "ext_authz_error" => error,
                _ => 403,
            };
            for (name, result) in ["none", "same", "deny", "both"].into_iter().zip(expected) {
                for word in ["before", "behind"] {
                    let listener = format!("{provider} {name} {word}");
                    let (got, ended, state) = ask(&listener, path, answer);
                    let shown = format!("{listener}: {path} {answer}: {state}");
                    assert_eq!((got, ended.as_str()), (code, details), "{shown}");
                    assert_eq!(state["result"], result, "{shown}");
                    let enforced = &state["enforced"];
                    assert_eq!(
                        (&enforced["status"], &enforced["details"]),
                        (&json!(code), &json!(details)),
                        "{shown}"
                    );
                }
            }
        }
    }
    // Told that the providers stand in front, the filter takes what comes to it for let through by them.
    let told = [
        ("/asked", "allow", "agree"),
        ("/other", "deny", "agree"),
        ("/asked", "deny", "unknown"),
        ("/asked", "error", "unknown"),
    ];
    for (path, answer, expected) in told {
        let (_, details, state) = ask("http told behind", path, answer);
        assert_eq!(state["result"], expected, "{path} {answer}: {details}, {state}");
    }
    for (name, expected) in [("none", "would_allow"), ("same", "agree")] {
        for word in ["before", "behind"] {
            let (code, details, state) = ask(&format!("broken {name} {word}"), "/asked", "allow");
            assert!(code == 403 && details.contains("deny-due-to-bad-CUSTOM-action"), "{code} {details}");
            assert_eq!(state["result"], expected, "{name} {word}: {state}");
        }
    }
}

#[test]
fn connections_that_a_provider_may_have_refused_are_not_taken_for_served() {
    let provider = GrpcExtAuthz::start().unwrap();
    let mut asked = policy("ask", "CUSTOM", json!([{}]));
    asked["spec"]["provider"] = json!({"name": "grpc"});
    let native = native_for(&workload(), &mesh(), &json!([asked]), Protocol::Tcp);
    let refusing = policy("no", "DENY", json!([{"from": [{"source": {"ipBlocks": ["127.0.0.0/8"]}}]}]));
    let wasm = filter::wasm().unwrap();
    let listener = |name: &str, resources: Value| {
        let configuration = json!({"candidate": {"resources": resources}, "mesh": mesh()});
        let shadow = filter::network_filter(&wasm, &telling(&configuration));
        Listener::tcp(name, [vec![shadow], native.clone()].concat())
    };
    let listeners = vec![
        listener("none", json!([])),
        listener("same", json!([asked])),
        listener("deny", json!([refusing])),
        listener("both", json!([asked, refusing])),
    ];
    let mut bootstrap = Bootstrap::new(&workload(), listeners);
    bootstrap.clusters = vec![cluster("outbound|9000||authz.shop", provider.address(), true)];
    let envoy = Envoy::start(&bootstrap).unwrap();
    // Candidate, result where the provider allows. What it refuses is closed before Envoy says why.
    let table = [("none", "agree"), ("same", "unknown"), ("deny", "would_deny"), ("both", "would_deny")];
    let count = |result: &str| {
        let scrape = Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap());
        scrape.sum(&format!("gnomon_connections_{result}_total")).unwrap_or(0.0)
    };
    for (listener, allowed) in table {
        for (answers, result) in
            [(Answers::Allow, allowed), (Answers::Deny, "unknown"), (Answers::Error, "unknown")]
        {
            let before = count(result);
            let mut connection = Connection::open(&Dial::plain(to(&envoy, listener))).unwrap();
            provider.tell(connection.port(), answers);
            let port = connection.port();
            let back = connection.exchange(b"hello").unwrap();
            assert_eq!(back == b"hello", answers == Answers::Allow, "{listener} {answers:?}");
            drop(connection);
            let line = envoy.access_log().of_port(port).unwrap();
            until(&format!("{listener} {answers:?}: {result}, {line}"), &envoy, || {
                (count(result) > before).then_some(())
            });
        }
    }
    let all = ["agree", "would_deny", "would_allow", "would_deny_differently", "unknown"].map(count);
    assert_eq!(all.iter().sum::<f64>(), 12.0, "each once: {all:?}");
}
