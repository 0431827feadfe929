//! A cluster, read through kubectl. A stand-in replays what a cluster answers: there is none in the tests.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at once")]

use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The answers of a cluster, in a folder.
struct Cluster(PathBuf);

impl Cluster {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Cluster(folder)
    }

    fn has(&self, resource: &str, items: Vec<Value>) {
        let list =
            json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}});
        let text = serde_json::to_string_pretty(&list).unwrap();
        fs::write(self.0.join(format!("{resource}.json")), text).unwrap();
    }

    fn fails(&self, resource: &str, message: &str) {
        fs::write(self.0.join(format!("{resource}.err")), message).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand-in");
        let path = format!("{}:{}", stand_in.display(), env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
        command.args(arguments).env("PATH", path).env("GNOMON_CLUSTER", &self.0).current_dir(&self.0);
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.0.join("calls.log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }
}

fn policy(namespace: &str, name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1,
            "managedFields": [{"apiVersion": "security.istio.io/v1", "fieldsV1": {"f:spec": {".": {}}}, "manager": "x"}]},
        "spec": {"selector": {"matchLabels": {"app": app}}, "action": "ALLOW",
            "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]},
        "status": {"conditions": [{"type": "WaypointAccepted", "status": "True"}]},
    })
}

fn pods(namespace: &str, app: &str) -> [Value; 3] {
    let (meta, template) = (|name: &str| json!({"name": name, "namespace": namespace}), json!({"app": app}));
    let owned = |name: &str, kind: &str, owner: &str| {
        json!({"name": name, "namespace": namespace, "labels": {"app": app, "pod-template-hash": "7d"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": owner, "controller": true}]})
    };
    let spec = json!({"serviceAccountName": app, "containers": [{"name": "main", "ports": [{"containerPort": 8080}]},
        {"name": "istio-proxy"}]});
    [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(app), "spec": {"template": {"metadata":
            {"labels": template}, "spec": spec}}}),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": owned(&format!("{app}-7d"), "Deployment", app),
            "spec": {"template": {"metadata": {"labels": template}, "spec": spec}}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": owned(&format!("{app}-7d-x"), "ReplicaSet", &format!("{app}-7d")),
            "spec": spec, "status": {"phase": "Running"}}),
    ]
}

/// A shop with two workloads, and a mesh that is strict.
fn shop(name: &str) -> Cluster {
    let cluster = Cluster::new(name);
    let all: Vec<_> = ["orders", "cart"].iter().map(|app| pods("shop", app)).collect();
    let kind = |number: usize| all.iter().map(|of| of[number].clone()).collect::<Vec<_>>();
    let strict = json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": "istio-system"}, "spec": {"mtls": {"mode": "STRICT"}}});
    let mesh = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": "trustDomain: corp.example\n"}});
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "istio-system"}});
    for end in ["", ".shop"] {
        cluster.has(
            &format!("authorizationpolicies.security.istio.io{end}"),
            vec![policy("shop", "orders", "orders")],
        );
        cluster.has(&format!("deployments.apps{end}"), kind(0));
        cluster.has(&format!("replicasets.apps{end}"), kind(1));
        cluster.has(&format!("pods{end}"), kind(2));
    }
    for end in ["", ".istio-system"] {
        cluster.has(&format!("peerauthentications.security.istio.io{end}"), vec![strict.clone()]);
    }
    cluster.has("configmaps.istio-system", vec![other, mesh]);
    cluster
}

#[test]
fn a_cluster_answers() {
    let cluster = shop("answers");
    let caller = ["--principal", "corp.example/ns/shop/sa/cart"];
    let (code, out, err) =
        cluster.run(&[&["eval", "--cluster", "-w", "orders", "-X", "POST"][..], &caller].concat());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("Deployment shop/orders (cluster/shop/Deployment/orders)"), "{out}");
    assert!(out.contains("DENY 403") && out.contains("cluster/shop/AuthorizationPolicy/orders"), "{out}");
    assert!(err.contains("mesh settings from the ConfigMap istio-system/istio"), "{err}");
    assert!(!err.contains("skipped"), "{err}");
    // The mesh's own policies are read, too.
    let (_, out, _) = cluster.run(&["eval", "--cluster", "-w", "orders", "--path", "/"]);
    assert!(out.contains("filter_chain_not_found") && out.contains("istio-system/default"), "{out}");
    // One call for each list, all of them `get`.
    let calls = cluster.calls();
    assert_eq!(calls.len(), 2 * 27);
    assert!(
        calls.iter().all(|call| call.starts_with("get ") && call.contains("--chunk-size=500")),
        "{calls:?}"
    );
    assert!(calls.contains(
        &"get pods --output=json --chunk-size=500 --request-timeout=60s --all-namespaces".to_owned()
    ));
}

#[test]
fn one_namespace() {
    let cluster = shop("namespace");
    let (code, out, err) =
        cluster.run(&["describe", "--cluster", "--context", "prod", "-n", "shop", "--timeout", "30"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("shop/orders") && out.contains("shop/cart") && out.contains("STRICT"), "{out}");
    let calls = cluster.calls();
    let has = |call: &str| calls.iter().any(|one| one.contains(call));
    let ends = "--output=json --chunk-size=500 --request-timeout=30s --context=prod";
    assert!(has(&format!("get pods {ends} --namespace=shop")), "{calls:?}");
    assert!(has(&format!("get peerauthentications.security.istio.io {ends} --namespace=istio-system")));
    assert!(calls.contains(&format!("get namespaces {ends}")));
    assert!(!has("all-namespaces"));
}

#[test]
fn a_change_beside_the_cluster() {
    let cluster = shop("change");
    let mut changed = policy("shop", "orders", "orders");
    changed["spec"]["rules"][0]["to"][0]["operation"]["methods"] = json!(["POST"]);
    fs::write(cluster.0.join("changed.json"), changed.to_string()).unwrap();
    let request = ["-w", "orders", "-X", "POST", "--principal", "corp.example/ns/a/sa/b"];
    let (_, out, _) = cluster.run(&[&["eval", "--cluster"][..], &request].concat());
    assert!(out.starts_with("shop/orders") && out.contains("DENY 403"), "{out}");
    let (_, out, err) = cluster.run(&[&["eval", "--cluster", "-p", "changed.json"][..], &request].concat());
    assert!(out.contains("ALLOW 200"), "{out}{err}");
}

#[test]
fn what_may_not_be_read() {
    let cluster = shop("forbidden");
    let forbidden = |what: &str| {
        format!(
            "Error from server (Forbidden): {what} is forbidden: User \"u\" cannot list resource at the cluster scope\n"
        )
    };
    cluster.fails("services", &forbidden("services"));
    cluster.fails("namespaces", &forbidden("namespaces"));
    cluster.fails(
        "tlsroutes.gateway.networking.k8s.io",
        "error: the server doesn't have a resource type \"tlsroutes\"\n",
    );
    let (code, out, err) = cluster.run(&["describe", "--cluster", "orders"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("orders"));
    assert!(
        err.contains("warning[cluster]: you may not list namespaces, services in all namespaces: workloads or routes may"),
        "{err}"
    );
    assert!(!err.contains("tlsroutes"), "{err}");
    // Without the policies nothing can be said.
    cluster.fails("authorizationpolicies.security.istio.io", &forbidden("authorizationpolicies"));
    let (code, out, err) = cluster.run(&["describe", "--cluster", "orders"]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(
        err.contains(
            "error[cluster]: you may not list authorizationpolicies.security.istio.io in all namespaces"
        ) && err.contains("-n NAMESPACE"),
        "{err}"
    );
}

#[test]
fn what_goes_wrong() {
    let cluster = Cluster::new("wrong");
    let refused = "E1127 memcache.go:265] couldn't get current server API group list\nThe connection to the server \
                   localhost:8080 was refused - did you specify the right host or port?\n";
    let absent = |what: &str| format!("error: the server doesn't have a resource type \"{what}\"\n");
    for kind in ["authorizationpolicies", "requestauthentications", "peerauthentications"] {
        cluster.fails(&format!("{kind}.security.istio.io"), refused);
    }
    let (code, _, err) = cluster.run(&["eval", "--cluster", "--path", "/"]);
    assert_eq!((code, err.matches("was refused").count()), (2, 1), "{err}");
    for kind in ["authorizationpolicies", "requestauthentications", "peerauthentications"] {
        cluster.fails(&format!("{kind}.security.istio.io"), &absent(kind));
    }
    let (code, _, err) = cluster.run(&["eval", "--cluster", "--path", "/"]);
    assert!(code == 2 && err.contains("this cluster has no kinds of Istio"), "{err}");
    // It does not end.
    let cluster = shop("hangs");
    fs::write(cluster.0.join("services.hang"), "").unwrap();
    let (code, _, err) = cluster.run(&["eval", "--cluster", "--path", "/", "--timeout", "1"]);
    assert!(
        code == 2 && err.contains("kubectl get services: error[cluster]: it did not end within 1 s"),
        "{err}"
    );
    // It prints something else.
    let cluster = shop("garbage");
    fs::write(cluster.0.join("services.json"), "{\"items\": [1,").unwrap();
    let (code, _, err) = cluster.run(&["eval", "--cluster", "--path", "/"]);
    assert!(code == 2 && err.contains("kubectl printed no list"), "{err}");
    // There is none.
    let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
    let output = command.args(["eval", "--cluster", "--path", "/"]).env("PATH", "/nowhere").output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && err.contains("it is not installed, or not in PATH"), "{err}");
}

#[test]
fn ten_thousand_objects() {
    let cluster = Cluster::new("large");
    let all: Vec<_> =
        (0..2500).map(|number| pods(&format!("n{}", number % 50), &format!("s{number}"))).collect();
    let kind = |number: usize| all.iter().map(|of| of[number].clone()).collect::<Vec<_>>();
    cluster.has("deployments.apps", kind(0));
    cluster.has("replicasets.apps", kind(1));
    cluster.has("pods", kind(2));
    let policies = (0..2500)
        .map(|number| policy(&format!("n{}", number % 50), &format!("p{number}"), &format!("s{number}")));
    cluster.has("authorizationpolicies.security.istio.io", policies.collect());
    let (code, out, err) = cluster.run(&["eval", "--cluster", "-w", "n7/s7", "-X", "POST"]);
    assert!(code == 0 && out.contains("DENY 403"), "{out}{err}");
    assert!(out.contains("2450 are in other namespaces"), "{out}");
}

#[test]
fn as_a_plugin_of_kubectl() {
    let cluster = shop("plugin");
    let plugin = cluster.0.join("kubectl-gnomon");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gnomon"), &plugin).unwrap();
    let help = Command::new(&plugin).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("Usage: kubectl gnomon"), "{help}");
    // What kubectl runs for `kubectl gnomon eval …` talks to the cluster, as every plugin does.
    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand-in");
    let path = format!("{}:{}", stand_in.display(), env::var("PATH").unwrap());
    let output = Command::new(&plugin)
        .args(["eval", "-w", "orders", "--path", "/"])
        .env("PATH", path)
        .env("GNOMON_CLUSTER", &cluster.0)
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("filter_chain_not_found"), "{out}{}", String::from_utf8_lossy(&output.stderr));
}
