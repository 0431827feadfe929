//! What goes in and comes out, natively: the same code as in the browser, without wasm-bindgen.
#![expect(clippy::unwrap_used, reason = "tests may be blunt")]

use gnomon_web_playground::{Input, Session, SuiteInput, idle_rules, read_suite, run_suite};
use serde_json::{Value, json};
use std::{fs, path::Path};

const POLICY: &str = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: shop}\nspec:\n  rules:\n  - to: [{operation: {methods: [GET]}}]\n";

fn input(policy: &str, requests: &Value) -> Input {
    serde_json::from_value(json!({
        "policies": [{"name": "a.yaml", "text": policy}],
        "targets": [{"workload": {"namespace": "shop"}}, {"workload": {"namespace": "bank"}, "mesh": null}],
        "requests": requests,
        "now": 0,
    }))
    .unwrap()
}

#[test]
fn verdicts_and_what_was_expected() {
    let requests = json!([
        {"request": {"method": "GET"}, "expect": "allow"},
        {"request": {"method": "POST"}, "expect": {"verdict": "allow", "status": 200}},
        {"request": {"method": "POST"}, "target": 1},
        {"request": {"methd": "POST"}},
    ]);
    let answer = serde_json::to_value(Session::default().evaluate(&input(POLICY, &requests))).unwrap();
    let verdict = |index: usize| answer["results"][index]["report"]["verdict"].clone();
    assert_eq!([verdict(0), verdict(1), verdict(2)], ["allow", "deny", "allow"]);
    assert_eq!(answer["results"][0]["differences"], json!([]));
    assert_eq!(
        answer["results"][1]["differences"][1],
        json!({"field": "status", "expected": "200", "got": "403"})
    );
    assert_eq!(answer["results"][2]["differences"], Value::Null);
    let applying = |index: usize| answer["results"][index]["applying"].clone();
    assert_eq!([applying(0), applying(2), applying(3)], [json!(1), json!(0), Value::Null]);
    assert_eq!(answer["results"][3]["report"], Value::Null);
    assert_eq!(answer["results"][3]["problems"][0]["code"], "unknown-field");
}

#[test]
fn the_way_to_a_verdict() {
    let mut session = Session::default();
    let explained =
        serde_json::to_value(session.explain(&input(POLICY, &json!([{"request": {"method": "POST"}}]))))
            .unwrap();
    let explanation = &explained["explanation"];
    assert_eq!(explanation["nearest"]["unmet"][0]["field"], "to.operation.methods");
    let rule = &explanation["stages"][1]["rules"][0];
    assert_eq!((&rule["file"], &rule["line"]), (&json!("a.yaml"), &json!(6)));
    let elsewhere = session.explain(&input(POLICY, &json!([{"target": 1}])));
    assert_eq!(elsewhere.not_applied.len(), 1);
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_evaluated() {
    let wrong = Session::default().evaluate(&input(&POLICY.replace("[GET]", "GET"), &json!([{}])));
    assert!(wrong.results.is_empty());
    let found: Vec<_> = wrong.diagnostics.iter().map(|f| (f.file.as_str(), f.code, f.line)).collect();
    assert_eq!(found, [("a.yaml", "wrong-type", 6)]);
}

#[test]
fn a_suite_with_its_texts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/end-user-jwt");
    let files = ["1-authentication/jwt-token-request-authn.yaml", "1-authentication.gnomon.yaml"];
    let files = files.map(|name| json!({"name": name, "text": fs::read_to_string(root.join(name)).unwrap()}));
    let given = json!({"files": files, "path": "1-authentication.gnomon.yaml", "now": 1_795_000_000});
    let given: SuiteInput = serde_json::from_value(given).unwrap();
    let run = run_suite(&given);
    assert_eq!((run.failed, run.diagnostics.len()), (0, 0));
    assert!(run.passed > 0);
    let contents = read_suite(&given);
    assert_eq!(contents.requests.len(), run.passed);
    assert_eq!(contents.policies.len(), 1);
    assert_eq!(contents.targets.len(), 1);

    // What was taken apart gives the same verdicts as the suite.
    let requests: Vec<Value> = contents
        .requests
        .iter()
        .map(|r| json!({"request": r.request, "target": r.target, "expect": r.expect}))
        .collect();
    let again = json!({
        "policies": contents.policies, "targets": contents.targets, "requests": requests, "now": 1_795_000_000,
    });
    let answer = Session::default().evaluate(&serde_json::from_value(again).unwrap());
    assert_eq!(answer.results.len(), run.passed);
    assert!(answer.results.iter().all(|r| r.differences.as_ref().is_some_and(Vec::is_empty)));
}

/// What the page compares, asks and proposes is what the command line says.
#[test]
fn questions_about_all_requests() {
    let mut session = Session::default();
    let ask = |candidate: &str, baseline: &str, requests: &Value| -> Input {
        let mut input = input(candidate, requests);
        input.baseline = serde_json::from_value(json!([{"name": "a.yaml", "text": baseline}])).unwrap();
        input
    };
    let value = |found| serde_json::to_value::<gnomon_web_playground::Compared>(found).unwrap();
    let wider = POLICY.replace("[GET]", "[GET, POST]");
    let found = value(session.compare(&ask(&wider, POLICY, &json!([]))));
    assert_eq!((&found["problem"], &found["changes"]["equivalent"]), (&Value::Null, &json!(false)));
    assert_eq!(found["changes"]["newlyAllowed"]["request"]["method"], "POST");
    assert_eq!(found["changes"]["newlyDenied"], Value::Null);
    let line = &found["changes"]["summary"][0];
    assert_eq!((&line["requests"], &line["new"]["line"]), (&json!("POST"), &json!(6)));
    assert_eq!(line["because"], json!(["shop/a rule 0 now has POST in `methods`"]));

    let same = value(session.compare(&ask(&POLICY.replace("[GET]", "['GET']"), POLICY, &json!([]))));
    assert_eq!(same["changes"]["equivalent"], true);
    let wrong = value(session.compare(&ask(&POLICY.replace("[GET]", "GET"), POLICY, &json!([]))));
    assert_eq!(wrong["problem"], "the policies of one side have errors");

    let who = |session: &mut Session, request: Value| {
        value(session.who_can(&input(POLICY, &json!([{"request": request}]))))
    };
    assert_eq!(who(&mut session, json!({"path": "/x/../a"}))["changes"]["summary"][0]["requests"], "GET /a");
    assert_eq!(who(&mut session, json!({"method": "PUT"}))["changes"]["summary"], json!([]));
    let tcp = who(&mut session, json!({"protocol": "tcp"}));
    assert_eq!((&tcp["problem"], &tcp["changes"]["summary"]), (&Value::Null, &json!([])));
    assert!(who(&mut session, json!({"path": "/a/*"}))["problem"].is_string());

    let refused = input(POLICY, &json!([{"request": {"method": "POST"}}]));
    let suggestion = session.suggest(&refused).suggestion.unwrap();
    assert_eq!(suggestion.text, wider);
    assert_eq!((suggestion.lets_in.as_slice(), suggestion.complete), (&["POST".to_owned()][..], true));
    // The line ends of the file stay.
    let windows = input(&POLICY.replace('\n', "\r\n"), &json!([{"request": {"method": "POST"}}]));
    let suggestion = session.suggest(&windows).suggestion.unwrap();
    assert_eq!(suggestion.text, wider.replace('\n', "\r\n"));
    assert!(session.suggest(&input(POLICY, &json!([{}]))).suggestion.is_none());
}

/// They come by themselves, since it takes longer to find them than all the rest.
#[test]
fn rules_that_never_matter() {
    let rule = "  - to: [{operation: {methods: [GET], paths: [/a]}}]\n";
    let sources =
        |text: String| serde_json::from_value::<Vec<_>>(json!([{"name": "a.yaml", "text": text}])).unwrap();
    let found = idle_rules(&sources(format!("{POLICY}{rule}")));
    let told: Vec<_> = found.iter().map(|one| (one.code, one.line, one.message.as_str())).collect();
    assert_eq!(told, [("idle-rule", 7, "all that this rule matches is matched by rule 0 already")]);
    assert!(idle_rules(&sources(POLICY.into())).is_empty());
    assert!(idle_rules(&sources(POLICY.replace("[GET]", "GET"))).is_empty());
    let verdicts = Session::default().evaluate(&input(&format!("{POLICY}{rule}"), &json!([{}])));
    assert!(verdicts.diagnostics.iter().all(|found| found.code != "idle-rule"));
}

/// Workloads come from manifests, and where these have none from selectors, references and namespaces.
#[test]
fn whom_policies_are_about() {
    let policy = |kind: &str, meta: &str, spec: &str| {
        format!("apiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {meta}\nspec: {spec}\n---\n")
    };
    let authorization = |meta: &str, spec: &str| policy("AuthorizationPolicy", meta, spec);
    let orders = authorization("{name: orders, namespace: shop}", "{selector: {matchLabels: {app: orders}}}");
    let version =
        authorization("{name: v1, namespace: shop}", "{selector: {matchLabels: {app: orders, version: v1}}}");
    let whole = policy("PeerAuthentication", "{name: strict, namespace: shop}", "{mtls: {mode: STRICT}}");
    let mesh_wide = authorization("{name: all, namespace: istio-system}", "{}");
    let gateway = policy(
        "RequestAuthentication",
        "{name: jwt, namespace: istio-system}",
        "{selector: {matchLabels: {istio: ingressgateway}}, jwtRules: [{issuer: i}]}",
    );
    let waypoint = authorization(
        "{name: w, namespace: shop}",
        "{targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: waypoint}]}",
    );
    let service =
        authorization("{name: s, namespace: shop}", "{targetRefs: [{kind: Service, group: '', name: cart}]}");
    let pods = |kind: &str, name: &str, labels: &str| {
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {labels}}}, spec: {{serviceAccountName: {name}, containers: []}}}}}}\n---\n"
        )
    };
    let deployment = pods("Deployment", "orders", "{app: orders, tier: back}");
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {jobTemplate: {spec: {template: {metadata: {labels: {app: c}}, spec: {containers: []}}}}}\n---\n";
    let gateways = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge, namespace: shop}\nspec: {gatewayClassName: istio}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: w, namespace: shop}\nspec: {gatewayClassName: istio-waypoint}\n";
    let found = |text: String| {
        let answer = Session::default().inventory(
            &serde_json::from_value(json!({"policies": [{"name": "a.yaml", "text": text}], "now": 0}))
                .unwrap(),
        );
        let answer = serde_json::to_value(answer).unwrap();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let workloads: Vec<String> = list(&answer["workloads"])
            .iter()
            .map(|one| {
                let of = &one["workload"];
                let labels: Vec<String> = of["labels"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
                    .collect();
                let more = [
                    of["proxy"].as_str().map(str::to_string),
                    of["services"].as_array().map(|all| json!(all).to_string()),
                ];
                [
                    vec![of["namespace"].as_str().unwrap().to_string()],
                    labels,
                    more.into_iter().flatten().collect(),
                ]
                .concat()
                .join(" ")
            })
            .collect();
        let reaches: Vec<String> = list(&answer["policies"])
            .iter()
            .map(|one| format!("{}:{}", one["name"].as_str().unwrap(), one["workloads"]))
            .collect();
        (workloads.join("; "), reaches.join(" "))
    };
    let check = |text: String, workloads: &str, reaches: &str| {
        assert_eq!(found(text), (workloads.to_string(), reaches.to_string()))
    };
    check(orders.clone(), "shop app=orders", "orders:[0]");
    // A workload with more labels is one that the shorter selector reaches too.
    check(format!("{orders}{version}"), "shop app=orders version=v1", "orders:[0] v1:[0]");
    check(format!("{orders}{whole}{mesh_wide}"), "shop app=orders", "orders:[0] all:[0] strict:[0]");
    check(whole.clone(), "shop", "strict:[0]");
    check(mesh_wide.clone(), "", "all:[]");
    check(
        format!("{gateway}{orders}"),
        "shop app=orders; istio-system istio=ingressgateway gateway",
        "orders:[0] jwt:[1]",
    );
    check(waypoint.clone(), "shop gateway.networking.k8s.io/gateway-name=waypoint waypoint", "w:[0]");
    check(service, "shop waypoint [\"cart\"]", "s:[0]");
    // What the manifests have needs no guess.
    check(format!("{orders}{deployment}"), "shop app=orders tier=back", "orders:[0]");
    check(
        format!("{version}{deployment}"),
        "shop app=orders tier=back; shop app=orders version=v1",
        "v1:[1]",
    );
    check(
        format!("{cron}{gateways}"),
        "default app=c; shop gateway.networking.k8s.io/gateway-name=edge gateway; shop gateway.networking.k8s.io/gateway-name=w waypoint",
        "",
    );
    // A list, as kubectl prints it; and what has errors is about nobody.
    let list = json!({"kind": "List", "apiVersion": "v1", "items": [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "p"}}, "spec": {"containers": []}}]});
    check(list.to_string(), "default app=p", "");
    check(orders.replace("app: orders", "app: [orders]"), "", "");
}
