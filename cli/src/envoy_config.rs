//! `gnomon envoy-config`.

use crate::{Outcome, environment, findings, style};
use gnomon_engine::{envoy::export, request::Protocol};
use gnomon_manifests::Loader;
use serde_json::Value;
use std::path::PathBuf;

/// Print the filters that istiod generates for a workload, in their order
///
/// The RBAC, jwt_authn and ext_authz filters of the inbound chain, with protobuf's JSON names, as they stand in
/// `istioctl proxy-config listener -o json`. Exits 2 where a policy cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Policies: a file, a folder or - for standard input; as often as wanted
    #[arg(short, long = "policies", value_name = "PATH", required = true)]
    policies: Vec<PathBuf>,
    /// HTTP filters, or network filters of a TCP port
    #[arg(long, value_enum, default_value_t = Chain::Http)]
    protocol: Chain,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// How to write them
    #[arg(short, long, value_enum, default_value_t = Format::Json)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Chain {
    Http,
    Tcp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Json,
    Yaml,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut loader = Loader::new();
    args.policies.iter().for_each(|path| loader.path(path));
    let mut loaded = loader.finish();
    let (workload, mesh) = args.environment.read(&mut loaded);
    if findings::print(&loaded, &mut Default::default(), "nothing was generated") {
        return Outcome::Failed;
    }
    let protocol = match args.protocol {
        Chain::Http => Protocol::Http,
        Chain::Tcp => Protocol::Tcp,
    };
    let filters = Value::Array(export(&loaded.resources, &workload, &mesh, protocol));
    style::print(&match args.output {
        // Cannot fail: all keys are strings.
        Format::Json => serde_json::to_string_pretty(&filters).unwrap_or_default() + "\n",
        Format::Yaml => yaml(&filters),
    });
    Outcome::Good
}

/// YAML in block style. Scalars are written as JSON has them, which is YAML too, so that nothing is ever taken for
/// something else.
fn yaml(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0);
    out
}

fn write(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut block = String::new();
                write(&mut block, item, depth + 1);
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
                    write(out, value, depth + 1);
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
        let (documents, problems) = parse(&yaml(&value), &std::sync::Arc::from("out.yaml"));
        assert!(problems.is_empty(), "{problems:?}\n{}", yaml(&value));
        let [document] = documents.as_slice() else { panic!("{} documents", documents.len()) };
        assert_eq!(serde_json::to_value(document).unwrap(), value);
        assert_eq!(yaml(&json!([])), "[]\n");
    }
}
