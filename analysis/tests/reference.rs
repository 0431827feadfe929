//! The files that are made from the tables are those that they make now, and the schema of rules says what admission
//! does. `GNOMON_WRITE=1 cargo test -p gnomon-analysis --test reference` writes them, as `cargo xtask docs` does.

#![expect(clippy::unwrap_used, reason = "tests may be blunt")]

use gnomon_analysis::reference::FILES;
use gnomon_engine::{
    Attribute,
    attribute::{Key, Part},
};
use gnomon_manifests::load_text;
use regex_lite::Regex;
use serde_json::{Value, json};
use std::{env, fs, path::Path};

#[test]
fn the_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, text) in FILES {
        let path = root.join(path);
        if env::var_os("GNOMON_WRITE").is_some() {
            fs::write(&path, text()).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text(), "{} is not what the tables say: run `cargo xtask docs`", path.display());
    }
}

/// The recipe shows a row as it is.
#[test]
fn the_recipe_is_of_today() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = fs::read_to_string(root.join("engine/src/attribute/table.rs")).unwrap();
    let (_, document) = FILES.iter().find(|(path, _)| path.ends_with(".md")).unwrap();
    let document = document();
    let (_, diff) = document.split_once("```diff\n").unwrap();
    let (diff, _) = diff.split_once("```").unwrap();
    let added =
        diff.lines().filter(|line| !line.starts_with("+++")).filter_map(|line| line.strip_prefix('+'));
    let added: String = added.map(|line| format!("{line}\n")).collect();
    assert!(added.lines().count() > 10 && table.contains(&added), "not in the table:\n{added}");
}

/// Values that admission takes or refuses, for every kind of value.
const VALUES: &[&str] = &[
    "",
    "*",
    "a",
    "a*",
    "*a",
    "a*b",
    "**",
    "*a*",
    "a/b",
    "a/",
    "/a",
    "a/b/c",
    "*/b",
    "0",
    "80",
    "0080",
    "65535",
    "65536",
    "99999",
    "-1",
    "+1",
    "8o",
    "10.0.0.1",
    "10.0.0.0/8",
    "10.0.0.0/33",
    "::1",
    "fe80::/10",
    "10.0.0",
    "/a/{*}",
    "GET",
];

fn schema() -> Value {
    let (_, text) = FILES.iter().find(|(path, _)| path.ends_with("policy-rules.json")).unwrap();
    serde_json::from_str(&text()).unwrap()
}

/// What the schema's `items` say of a value.
fn takes(items: &Value, value: &str) -> bool {
    let pattern = items.get("pattern").and_then(Value::as_str);
    let least = items.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    let most = items.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let length = value.chars().count() as u64;
    (least..=most).contains(&length)
        && pattern.is_none_or(|pattern| Regex::new(pattern).unwrap().is_match(value))
}

fn admitted(rule: &Value) -> bool {
    let policy = json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": { "name": "p" }, "spec": { "rules": [rule] },
    });
    load_text(&policy.to_string(), "p.json").is_ok_and(|loaded| loaded.resources.authorization.len() == 1)
}

/// A schema refuses nothing that admission takes, and takes nothing that admission refuses but what it has no words for:
/// of addresses it knows the characters alone.
#[test]
fn the_schema_takes_what_admission_takes() {
    let schema = schema();
    let rule = &schema["items"]["properties"];
    for attribute in Attribute::ALL {
        let row = attribute.row();
        let exact = !matches!(row.kind, gnomon_engine::attribute::Kind::Cidr);
        let mut lists = Vec::new();
        if let Some((name, not_name)) = row.field {
            for name in [name, not_name] {
                let (half, inner) = match row.part {
                    Part::Source => ("from", "source"),
                    Part::Operation => ("to", "operation"),
                };
                let list = &rule[half]["items"]["properties"][inner]["properties"][name];
                let rule = move |value: &str| json!({ half: [{ inner: { name: [value] } }] });
                lists.push((name.to_string(), list.clone(), Box::new(rule) as Box<dyn Fn(&str) -> Value>));
            }
        }
        if let Some(key) = row.key {
            let key = match key {
                Key::Whole(key) => key.to_string(),
                Key::Bracketed(start) => format!("{start}x[n]"),
            };
            let condition = &rule["when"]["items"];
            let known = condition["properties"]["key"]["anyOf"].as_array().unwrap().iter();
            let is = |known: &Value| {
                known["const"] == key.as_str() || known.get("pattern").is_some() && takes(known, &key)
            };
            assert_eq!(known.filter(|known| is(known)).count(), 1, "{key}");
            let by_key = condition["allOf"].as_array().unwrap().iter();
            let then = by_key.clone().find(|one| is(&one["if"]["properties"]["key"])).unwrap();
            for name in ["values", "notValues"] {
                let list = &then["then"]["properties"][name];
                let (said, key) = (format!("{name} of {key}"), key.clone());
                let rule = move |value: &str| json!({ "when": [{ "key": key, name: [value] }] });
                lists.push((said, list.clone(), Box::new(rule)));
            }
        }
        for (name, list, rule) in lists {
            assert_eq!(list["maxItems"].as_u64(), row.most.map(|most| most as u64), "{name}");
            for value in VALUES {
                let (schema, admission) = (takes(&list["items"], value), admitted(&rule(value)));
                let agree = if exact { schema == admission } else { schema || !admission };
                assert!(agree, "{name} {value:?}: schema {schema}, admission {admission}");
            }
        }
    }
}

/// No key that `when` does not know.
#[test]
fn the_schema_knows_no_other_keys() {
    let schema = schema();
    let keys = schema["items"]["properties"]["when"]["items"]["properties"]["key"]["anyOf"].clone();
    for key in
        ["source.user", "request.headers", "request.headers[]", "request.auth", "destination.labels[a]", ""]
    {
        let known = keys.as_array().unwrap().iter();
        let is = |known: &Value| known["const"] == key || known.get("pattern").is_some() && takes(known, key);
        assert_eq!(known.filter(|known| is(known)).count(), 0, "{key}");
    }
}
