//! Bundles of sets that are too long for a Kubernetes object.
#![allow(clippy::unwrap_used, reason = "test code may be blunt")]

use gnomon_shadow::gzip;
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

/// ALLOW policies in `shop`, more than a megabyte of them.
fn policies() -> Vec<Value> {
    let policy = |number: usize| {
        json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": format!("callers-of-{number}"), "namespace": "shop"},
            "spec": {"rules": [{
                "from": [{"source": {"principals": [format!("cluster.local/ns/team-{}/sa/client-{number}", number % 83)]}}],
                "to": [{"operation": {"paths": [format!("/v1/{}/*", number * 7919)]}}],
            }]},
        })
    };
    (0..5_000).map(policy).collect()
}

fn bundle(policies: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
    command.args([
        "bundle",
        "-n",
        "shop",
        "--image",
        "oci://registry.example.com/gnomon/filter:0.1.0",
        "-o",
        "json",
        "-p",
    ]);
    let output = command.arg(policies).args(more).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_long_set_is_compressed_and_nothing_of_it_is_lost() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("many.json");
    let policies = policies();
    fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": policies}).to_string()).unwrap();

    let (code, object, notes) = bundle(&file, &[]);
    assert_eq!(code, Some(0), "{notes}");
    assert!(notes.contains("5000 of 5000 policies") && notes.contains("compressed from 1,"), "{notes}");
    let object: Value = serde_json::from_str(&object).unwrap();
    let candidate = &object["spec"]["pluginConfig"]["candidate"];
    assert!(candidate["resources"].is_null());
    let unpacked = gzip::unpack(candidate["gzip"].as_str().unwrap().as_bytes(), 16 << 20).unwrap();
    let back: Vec<Value> = serde_json::from_slice(&unpacked).unwrap();
    assert_eq!(back, policies);

    let (code, object, notes) = bundle(&file, &["--compress", "never"]);
    assert_eq!((code, object.as_str()), (Some(1), ""), "{notes}");
    assert!(
        notes.contains("error: the object is 1,") && notes.contains("leave out --compress never"),
        "{notes}"
    );

    // Half of it fits, but not into the annotation that kubectl would make.
    let half = json!({"apiVersion": "v1", "kind": "List", "items": policies.get(..2_000)});
    fs::write(&file, half.to_string()).unwrap();
    let (code, object, notes) = bundle(&file, &[]);
    assert_eq!(code, Some(0), "{notes}");
    assert!(object.contains("\"resources\"") && notes.contains("kubectl apply --server-side"), "{notes}");
}
