//! What is printed as SARIF is SARIF: by the schema of the standard, and by what the schema cannot say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may stop at once"
)]

#[path = "../../analysis/tests/json_schema/mod.rs"]
mod json_schema;

use json_schema::Schema;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The schema comes with `serde-sarif`: its own terms do not allow for a copy here.
fn schema() -> Schema {
    // For this machine alone: nothing else need have been downloaded.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "serde-sarif").unwrap();
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let text = fs::read_to_string(manifest.with_file_name("src").join("schema.json")).unwrap();
    assert!(text.contains("Static Analysis Results Format (SARIF) Version 2.1.0"));
    Schema::new(&text)
}

fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sarif").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        fs::write(folder.join(file), text).unwrap();
    }
    folder
}

fn printed(folder: &Path, words: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_gnomon")).args(words).current_dir(folder).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn results(log: &Value) -> &Vec<Value> {
    log["runs"][0]["results"].as_array().unwrap()
}

/// What a region is of the text.
fn region<'t>(text: &'t str, region: &Value) -> &'t str {
    let offset = |line: &str, column: &str| {
        let number = |name: &str| usize::try_from(region[name].as_u64().unwrap()).unwrap();
        let start: usize = text.split_inclusive('\n').take(number(line) - 1).map(str::len).sum();
        let rest = &text[start..];
        start + rest.char_indices().nth(number(column) - 1).map_or(rest.len(), |(at, _)| at)
    };
    &text[offset("startLine", "startColumn")..offset("endLine", "endColumn")]
}

/// By what the schema leaves to the text of the standard, and what code scanning asks for beyond it.
fn check(log: &Value, schema: &mut Schema) {
    assert_eq!(schema.check(log), Vec::<String>::new());
    assert!(log["$schema"].as_str().unwrap().contains("sarif-2.1.0"));
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results(log) {
        // 3.27.6: the index is that of the id; code scanning takes no result without a place.
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["locations"].as_array().map(Vec::len), Some(1), "{result}");
        // 3.28.2: ids of related places are different.
        let related = result["relatedLocations"].as_array().cloned().unwrap_or_default();
        let ids: std::collections::BTreeSet<Option<u64>> =
            related.iter().map(|it| it["id"].as_u64()).collect();
        assert_eq!(ids.len(), related.len());
    }
}

const METHOD: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a, namespace: shop}
spec:
  rules: # ← columns count characters
  - to:
    - operation:
        methods: [\"é\", \"get\", delete]
";

#[test]
fn findings() {
    let mut schema = schema();
    let peers = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n---\n\
                 apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: b}\n";
    let broken = "kind: AuthorizationPolicy\nspec: {action: NO}\n";
    let folder = folder("findings", &[("a b.yaml", METHOD), ("c.yaml", peers), ("broken.yaml", broken)]);
    let log = printed(&folder, &["lint", "-o", "sarif"]);
    check(&log, &mut schema);
    let ids: Vec<&Value> = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| &rule["id"])
        .collect();
    assert!(ids.is_sorted_by(|a, b| a.as_str() < b.as_str()), "{ids:?}");

    let place = |result: &Value| result["locations"][0]["physicalLocation"].clone();
    let methods: Vec<&Value> = results(&log).iter().filter(|it| it["ruleId"] == "method-case").collect();
    let [quoted, delete] = methods[..] else { panic!("{methods:?}") };
    for (result, expected) in [(quoted, "\"get\""), (delete, "delete")] {
        assert_eq!(place(result)["artifactLocation"]["uri"], "a%20b.yaml");
        assert_eq!(region(METHOD, &place(result)["region"]), expected);
    }
    let change = &delete["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["artifactLocation"]["uri"], "a%20b.yaml");
    assert_eq!(region(METHOD, &change["replacements"][0]["deletedRegion"]), "delete");
    assert_eq!(change["replacements"][0]["insertedContent"]["text"], "DELETE");

    let related: Vec<&Value> =
        results(&log).iter().flat_map(|it| it["relatedLocations"].as_array()).flatten().collect();
    assert!(!related.is_empty());
    for place in related {
        let place = &place["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "c.yaml");
        assert_eq!(region(peers, &place["region"]), "apiVersion");
    }
    // An absolute path is a URI of its own.
    let file = folder.join("a b.yaml");
    let log = printed(&folder, &["lint", "-o", "sarif", file.to_str().unwrap()]);
    check(&log, &mut schema);
    let uri = place(&results(&log)[0])["artifactLocation"]["uri"].clone();
    assert!(
        uri.as_str().unwrap().starts_with("file:///") && uri.as_str().unwrap().ends_with("a%20b.yaml"),
        "{uri}"
    );
}

/// Everything that this repository has to find fault with.
#[test]
fn findings_of_all_kinds() {
    let mut schema = schema();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let log = printed(&root, &["lint", "-o", "sarif", "cli/tests/data", "examples", "host-tests/corpus"]);
    check(&log, &mut schema);
    assert!(results(&log).len() > 50);
    assert_eq!(
        schema.check(&serde_json::json!({"version": "2.1.0", "runs": [{"results": []}]})).len(),
        1,
        "no tool"
    );
}

#[test]
fn differences() {
    let mut schema = schema();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let log = printed(here, &["diff", "tests/data/diff/old.yaml", "tests/data/diff/new.yaml", "-o", "sarif"]);
    check(&log, &mut schema);
    let denied = results(&log).iter().find(|it| it["ruleId"] == "newlyDenied").unwrap();
    let region = |place: &Value| place["physicalLocation"]["region"]["startLine"].clone();
    assert_eq!(
        (region(&denied["locations"][0]), region(&denied["relatedLocations"][0])),
        (17.into(), 9.into())
    );

    // No rule stands behind what mutual TLS changes.
    let peer = |mode: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: a, namespace: x}}\nspec: {{mtls: {{mode: {mode}}}}}\n"
        )
    };
    let folder = folder("modes", &[("old.yaml", &peer("STRICT")), ("new.yaml", &peer("PERMISSIVE"))]);
    let log = printed(&folder, &["diff", "old.yaml", "new.yaml", "-n", "x", "-o", "sarif"]);
    check(&log, &mut schema);
    assert!(!results(&log).is_empty());
}
