//! JSON values as YAML.

use serde_json::Value;

/// YAML in block style. Scalars are written as JSON has them, which is YAML too, so that nothing is ever taken for
/// something else.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    node(&mut out, value, 0);
    out
}

fn node(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut block = String::new();
                node(&mut block, item, depth + 1);
                // The first line of the block moves up behind the dash.
                out.push_str(&format!("{indent}- {}", block.trim_start_matches(' ')));
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let nested = match value {
                    Value::Array(items) => !items.is_empty(),
                    Value::Object(fields) => !fields.is_empty(),
                    _ => false,
                };
                let plain = is_plain(key);
                let key = if plain { key.clone() } else { Value::String(key.clone()).to_string() };
                if nested {
                    out.push_str(&format!("{indent}{key}:\n"));
                    node(out, value, depth + 1);
                } else {
                    out.push_str(&format!("{indent}{key}: {value}\n"));
                }
            }
        }
        scalar => out.push_str(&format!("{indent}{scalar}\n")),
    }
}

/// A key that needs no quotes: a word, but none of those that YAML 1.1 takes for something else.
fn is_plain(key: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && key.starts_with(|first: char| first.is_ascii_alphabetic())
        && !words.iter().any(|word| key.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gnomon_manifests::parse;
    use serde_json::json;

    #[test]
    fn yaml_says_what_json_says() {
        let value = json!([
            {"name": "envoy.filters.http.rbac", "typedConfig": {"@type": "t", "rules": {}, "list": [],
                "policies": {"ns[a]-policy[b]-rule[0]": {"permissions": [{"any": true}, [1, 2, ["x"]]]}}}},
            {"text": "*: [not, yaml] # no comment\nsecond line", "number": 1.5, "none": null, "yes": "yes"}
        ]);
        let (documents, problems) = parse(&write(&value), &std::sync::Arc::from("out.yaml"));
        assert!(problems.is_empty(), "{problems:?}\n{}", write(&value));
        let [document] = documents.as_slice() else { panic!("{} documents", documents.len()) };
        assert_eq!(serde_json::to_value(document).unwrap(), value);
        assert_eq!(write(&json!([])), "[]\n");
    }
}
