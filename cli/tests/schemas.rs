//! The JSON Schemas of what the program prints are what it prints.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may be blunt")]

#[path = "../../analysis/tests/json_schema/mod.rs"]
mod json_schema;

use gnomon_analysis::reference::FILES;
use json_schema::Schema;
use serde_json::Value;
use std::process::Command;

fn schema(name: &str) -> Schema {
    let path = format!("schemas/{name}.json");
    let (_, text) = FILES.iter().find(|(file, _)| *file == path).unwrap();
    Schema::new(&text()).closed()
}

/// What stands in the schema and was not printed, but for the parts of requests.
fn unseen(schema: &Schema) -> Vec<String> {
    let of_requests = ["request.", "source.", "destination."];
    let own = |name: &String| !of_requests.iter().any(|part| name.starts_with(part));
    schema.unseen().into_iter().filter(own).collect()
}

fn printed(arguments: &[&str]) -> Value {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output =
        Command::new(env!("CARGO_BIN_EXE_gnomon")).current_dir(root).args(arguments).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn test_results() {
    let mut schema = schema("test-results");
    let results = printed(&[
        "test",
        "-o",
        "json",
        "host-tests/corpus",
        "examples",
        "cli/tests/data/failing.suite.yaml",
    ]);
    assert_eq!(schema.check(&results), Vec::<String>::new());
    assert!(results["failed"].as_u64() > Some(0) && results["passed"].as_u64() > Some(1000));
    let unseen: Vec<String> = schema
        .unseen()
        .into_iter()
        .filter(|name| {
            !name.starts_with("notApplied.")
                && !name.starts_with("passage.")
                && !name.starts_with("suggestion.")
        })
        .collect();
    // What `gnomon eval` prints beside the verdict.
    assert_eq!(
        unseen,
        ["verdict.notApplied", "verdict.notes", "verdict.stages", "verdict.suggestion", "verdict.workload"]
    );
}

#[test]
fn verdicts() {
    let mut schema = schema("verdict");
    let one = ["eval", "-p", "cli/tests/data/tree/policy.yaml", "--path", "/", "-o", "json"];
    let many =
        ["eval", "-p", "examples/end-user-jwt/demo", "-r", "cli/tests/data/two-requests.yaml", "-o", "json"];
    let all = [
        "eval",
        "-p",
        "examples/end-user-jwt/3-who-may-do-what",
        "--path",
        "/",
        "--all-workloads",
        "-o",
        "json",
    ];
    for (arguments, is_list) in [(&one[..], false), (&many[..], true), (&all[..], true)] {
        let verdicts = printed(arguments);
        assert_eq!(verdicts.is_array(), is_list);
        assert_eq!(schema.check(&verdicts), Vec::<String>::new());
    }
    assert!(!schema.unseen().contains(&"verdict.workload".into()));
}

#[test]
fn differences() {
    let mut schema = schema("difference");
    for (old, new) in [("1-authentication", "2-require-a-token"), ("3-who-may-do-what", "demo")] {
        let [old, new] = [old, new].map(|folder| format!("examples/end-user-jwt/{folder}"));
        let printed = printed(&["diff", &old, &new, "-o", "json", "--curl", "--link"]);
        assert_eq!(schema.check(&printed), Vec::<String>::new());
        assert_eq!(printed["equivalent"], false);
        assert!(printed["workloads"][0]["newlyAllowed"]["curl"].is_string());
        assert!(
            printed["workloads"][0]["link"]
                .as_str()
                .is_some_and(|link| link.starts_with("http://localhost:4321/#s="))
        );
    }
}

#[test]
fn drift() {
    let mut schema = schema("drift");
    let dump = "cli/tests/data/drift/config_dump.json";
    let drift =
        printed(&["drift", "-p", "cli/tests/data/drift/policies.yaml", "--envoy-config", dump, "-o", "json"]);
    assert_eq!(schema.check(&drift), Vec::<String>::new());
    let states: Vec<&Value> = drift["objects"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["different", "missing", "stale"]);
    assert!(drift["difference"]["newlyAllowed"]["request"].is_object());
}

#[test]
fn who_may() {
    let mut schema = schema("who-can");
    let demo = "examples/end-user-jwt/demo";
    assert_eq!(
        schema.check(&printed(&["who-can", "GET", "/api/orders", "-p", demo, "-o", "json"])),
        Vec::<String>::new()
    );
    let through = printed(&["who-can", "--via", "gateway", "-p", "cli/tests/data/hops", "-o", "json"]);
    assert_eq!(schema.check(&through), Vec::<String>::new());
    assert_eq!(unseen(&schema), Vec::<String>::new());
}

#[test]
fn invariants() {
    let mut schema = schema("check");
    let [file, new] = ["cli/tests/data/diff/short-invariants.yaml", "cli/tests/data/diff/new.yaml"];
    let checked = printed(&["check", file, "--use", "no-plaintext", "-p", new, "-o", "json"]);
    assert_eq!(schema.check(&checked), Vec::<String>::new());
    assert_eq!(unseen(&schema), Vec::<String>::new());
    let holds: Vec<&Value> =
        checked["invariants"].as_array().unwrap().iter().map(|one| &one["holds"]).collect();
    assert_eq!(holds, [false, true, true, true, false, false, true]);
}

#[test]
fn matrices() {
    let mut schema = schema("matrix");
    let [old, new] = ["cli/tests/data/diff/old.yaml", "cli/tests/data/diff/new.yaml"];
    for more in [&[][..], &["--diff", old], &["--by", "port,path"], &["--protocol", "tcp"]] {
        let matrix = printed(&[&["matrix", "-p", new, "-o", "json"], more].concat());
        assert_eq!(schema.check(&matrix), Vec::<String>::new());
    }
    let through = printed(&["matrix", "--via", "gateway", "-p", "cli/tests/data/hops", "-o", "json"]);
    assert_eq!(schema.check(&through), Vec::<String>::new());
    assert_eq!(unseen(&schema), Vec::<String>::new());
}

#[test]
fn simplifications() {
    let mut schema = schema("simplification");
    let found = printed(&["simplify", "cli/tests/data/simplify/policies.yaml", "-o", "json"]);
    assert_eq!(schema.check(&found), Vec::<String>::new());
    assert_eq!(unseen(&schema), Vec::<String>::new());
}

/// What `gnomon upgrade` prints is a difference.
#[test]
fn upgrades() {
    let mut schema = schema("difference");
    let printed =
        printed(&["upgrade", "1.28.0", "1.32.0", "-p", "cli/tests/data/diff/dotted.yaml", "-o", "json"]);
    assert_eq!(schema.check(&printed), Vec::<String>::new());
    assert_eq!(printed["equivalent"], false);
    assert_eq!(printed["workloads"][0]["except"][0], "the method QUERY without a content-type");
    assert_eq!(printed["notes"][0]["state"], "new");
}

#[test]
fn findings() {
    let mut schema = schema("findings");
    let lint = |arguments: &[&str]| printed(&[&["lint", "-o", "json"], arguments].concat());
    for folder in ["cli/tests/data", "examples", "host-tests/corpus"] {
        assert_eq!(schema.check(&lint(&[folder])), Vec::<String>::new());
    }
    assert_eq!(schema.unseen(), Vec::<String>::new());
}

/// What the program takes as `gnomon.toml` is what the schema takes.
#[test]
fn configuration() {
    let mut schema = schema("gnomon-toml");
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("configuration");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("gnomon.toml");
    for (text, good) in [
        ("", true),
        (
            "paths = [\".\"]\nexclude = [\"x/**\"]\nistio-version = \"1.31\"\n[lint]\ndisable = [\"literal-star\"]\nonly = \
             []\nfail-on = \"never\"\n[lint.severity]\nexact-path = \"off\"\n[[lint.path]]\npath = \"old/**\"\nseverity = \
             {exact-path = \"hint\"}\n[environments.prod]\npaths = [\".\"]\nistio-version = \"1.30\"\n",
            true,
        ),
        (
            "mesh = \"mesh.yaml\"\n[lint]\nbaseline = \"known.json\"\n[environments.dev]\nmesh = \"mesh.yaml\"\n",
            true,
        ),
        ("path = [\".\"]\n", false),
        ("[lint]\nfail-on = \"sometimes\"\n", false),
        ("[lint.severity]\nexact-path = \"loud\"\n", false),
        ("[[lint.path]]\npath = \"x\"\n", false),
        ("[environments.prod]\nexclude = []\n", false),
        ("paths = \".\"\n", false),
    ] {
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.join("mesh.yaml"), "{}\n").unwrap();
        std::fs::write(folder.join("known.json"), "[]\n").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_gnomon"))
            .args(["lint", "--config", "gnomon.toml", "-o", "json"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(err.contains("gnomon.toml"), !good, "{text}: {err}");
        let value: Value =
            toml::from_str::<toml::Table>(text).map(|table| serde_json::to_value(table).unwrap()).unwrap();
        assert_eq!(schema.check(&value).is_empty(), good, "{text}: {:?}", schema.check(&value));
    }
    assert_eq!(schema.unseen(), Vec::<String>::new());
}
