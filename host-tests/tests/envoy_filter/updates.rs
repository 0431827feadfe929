//! Configurations that come and go while requests do.

use super::*;
use gnomon_host_tests::{config::cluster, metrics::Scrape, tokens, tokens::TestKey, xds::Discovery};

fn configuration(resources: &Value) -> Value {
    json!({"candidate": {"resources": resources}})
}

fn verdict(envoy: &Envoy, case: &str, token: Option<&str>) -> String {
    let mut request = get("/", case);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let reply = Connection::open(&Dial::plain(to(envoy, "web"))).unwrap().send(&request).unwrap();
    assert_eq!(reply.status(), Some(200));
    state(envoy, case)["verdict"].as_str().unwrap().to_owned()
}

fn metric(envoy: &Envoy, name: &str) -> f64 {
    Scrape::read(&envoy.admin_get("/stats/prometheus").unwrap()).sum(name).unwrap_or(0.0)
}

#[test]
fn an_update_that_is_refused_leaves_the_last_good_plan() {
    let wasm = filter::wasm().unwrap();
    let entry = |configuration: &Value| filter::http_filter(&wasm, &telling(configuration));
    let refuse = configuration(&json!([policy("nobody", "ALLOW", json!([]))]));
    let discovery = Discovery::new(&entry(&refuse)).unwrap();
    let bootstrap = Bootstrap::new(&workload(), vec![Listener::http("web", vec![discovery.filter()])]);
    let envoy = Envoy::start(&bootstrap).unwrap();
    assert_eq!(verdict(&envoy, "first", None), "deny");

    let generation = metric(&envoy, "gnomon_config_generation");
    let wrong = configuration(&json!([policy("p", "PERMIT", json!([]))]));
    discovery.publish(&entry(&wrong)).unwrap();
    until("the update is refused", &envoy, || {
        (metric(&envoy, "gnomon_config_refused_total") > 0.0).then_some(())
    });
    let log = until("the log says so", &envoy, || {
        let says = "the configuration is refused; the one before, if any, goes on";
        Some(envoy.log()).filter(|log| log.contains(says))
    });
    assert!(log.contains("expected one of"), "it says what is wrong: {log}");
    for number in 0..5 {
        assert_eq!(verdict(&envoy, &format!("after-{number}"), None), "deny");
    }
    assert_eq!(metric(&envoy, "gnomon_config_generation"), generation);

    discovery.publish(&entry(&configuration(&json!([])))).unwrap();
    let mut number = 0;
    until("the next update is taken", &envoy, || {
        number += 1;
        (verdict(&envoy, &format!("next-{number}"), None) == "allow").then_some(())
    });
    assert_ne!(metric(&envoy, "gnomon_config_generation"), generation);
}

#[test]
fn key_sets_are_fetched_through_a_cluster_and_survive_updates() {
    let wasm = filter::wasm().unwrap();
    let uri = "http://issuer.test/keys";
    let configured = |cluster: &str, name: &str| {
        let authentication = json!({
            "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"jwtRules": [{"issuer": "me", "jwksUri": uri}]},
        });
        let mut configuration = configuration(&json!([authentication]));
        configuration["keySets"] = json!({"clusters": {uri: cluster}, "refreshSeconds": 1});
        filter::http_filter(&wasm, &telling(&configuration))
    };
    let discovery = Discovery::new(&configured("upstream", "one")).unwrap();
    let mut bootstrap = Bootstrap::new(&workload(), vec![Listener::http("web", vec![discovery.filter()])]);
    let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
    bootstrap.clusters =
        vec![cluster("upstream", upstream::start(), false), cluster("nobody", nobody, false)];
    let envoy = Envoy::start(&bootstrap).unwrap();
    let good = tokens::sign(TestKey::RsaKid, &json!({"iss": "me"})).unwrap();
    let bad = tokens::sign(TestKey::Rsa, &json!({"iss": "me"})).unwrap();
    let mut number = 0;
    let mut ask = |token: &str| {
        number += 1;
        verdict(&envoy, &format!("token-{number}"), Some(token))
    };
    until("the key set comes", &envoy, || (ask(&good) == "allow").then_some(()));
    assert_eq!(ask(&bad), "deny");
    let fetched = metric(&envoy, "gnomon_key_sets_fetched_total");
    until("it is fetched again", &envoy, || {
        (metric(&envoy, "gnomon_key_sets_fetched_total") > fetched + 1.0).then_some(())
    });

    // The next configuration names a cluster behind which nobody is.
    let generation = metric(&envoy, "gnomon_config_generation");
    discovery.publish(&configured("nobody", "two")).unwrap();
    until("the update is taken", &envoy, || {
        (metric(&envoy, "gnomon_config_generation") != generation).then_some(())
    });
    until("fetches fail", &envoy, || (metric(&envoy, "gnomon_key_sets_failed_total") > 0.0).then_some(()));
    for _ in 0..5 {
        assert_eq!(ask(&good), "allow", "the last good set stays");
        assert_eq!(ask(&bad), "deny");
    }
    assert_eq!(metric(&envoy, "gnomon_errors_total"), 0.0);
}
