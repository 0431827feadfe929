//! Envoy's matchers as istiod writes them (`pilot/pkg/security/authz/matcher`).

use super::format_type;
use alloc::{format, string::String, vec::Vec};
use gnomon_engine::{address::parse_cidr, versions, workload::IstioVersion};
use serde_json::{Value, json};

/// Full match of an RE2 expression.
pub(super) fn regex(regex: &str) -> Value {
    json!({ "safeRegex": { "regex": regex } })
}

/// The four forms of a value, in Istio's order: `*` is any non-empty string, a leading `*` a suffix, a trailing
/// one a prefix; so `*x*` is the suffix `x*`.
pub(super) fn string(value: &str) -> Value {
    if value == "*" {
        regex(".+")
    } else if let Some(suffix) = value.strip_prefix('*') {
        json!({ "suffix": suffix })
    } else if let Some(prefix) = value.strip_suffix('*') {
        json!({ "prefix": prefix })
    } else {
        json!({ "exact": value })
    }
}

/// [`string`] on a SPIFFE id that is written without its scheme. The prefix is put in front even of a value that has
/// one already.
pub(super) fn spiffe(value: &str, version: IstioVersion) -> Value {
    if value == "*" {
        regex(".+")
    } else if let Some(suffix) = value.strip_prefix('*') {
        regex(&format!("spiffe://.*{}", literal(suffix, versions::quotes_names(version))))
    } else if let Some(prefix) = value.strip_suffix('*') {
        json!({ "prefix": format!("spiffe://{prefix}") })
    } else {
        json!({ "exact": format!("spiffe://{value}") })
    }
}

/// A namespace out of a SPIFFE id; every `*` crosses slashes.
pub(super) fn namespace(value: &str, version: IstioVersion) -> Value {
    let quoted = versions::quotes_names(version);
    let parts: Vec<String> = value.split('*').map(|part| literal(part, quoted)).collect();
    regex(&format!(".*/ns/{}/.*", parts.join(".*")))
}

/// `namespace/name`, or `name` in the policy's namespace.
pub(super) fn service_account(value: &str, policy_namespace: &str, version: IstioVersion) -> Value {
    let quoted = versions::quotes_service_accounts(version);
    let (namespace, name) = value.split_once('/').unwrap_or((policy_namespace, value));
    regex(&format!("spiffe://.+/ns/{}/(.+/|)sa/{}(/.+)?", literal(namespace, quoted), literal(name, quoted)))
}

/// A trust domain; `*` stands for any part of one.
pub(super) fn trust_domain(value: &str) -> Value {
    match value.split_once('*') {
        Some(("", "")) => json!({ "prefix": "spiffe://" }),
        Some((before, after)) => regex(&format!("spiffe://{}[^/]*{}/.*", quote(before), quote(after))),
        None => json!({ "prefix": format!("spiffe://{value}/") }),
    }
}

/// A name inside a regex; old versions did not quote it.
fn literal(text: &str, quoted: bool) -> String {
    if quoted { quote(text) } else { text.into() }
}

/// Go's `regexp.QuoteMeta`.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// A header; `*` is its presence, empty values included.
pub(super) fn header(name: &str, value: &str, ignore_case: bool) -> Value {
    if value == "*" {
        return json!({ "name": name, "presentMatch": true });
    }
    let mut matcher = string(value);
    if let (true, Value::Object(fields)) = (ignore_case, &mut matcher) {
        fields.insert("ignoreCase".into(), true.into());
    }
    json!({ "name": name, "stringMatch": matcher })
}

/// A path template.
pub(super) fn uri_template(value: &str) -> Value {
    json!({
        "name": "uri-template",
        "typedConfig": {
            "@type": format_type("path.match.uri_template.v3.UriTemplateMatchConfig"),
            "pathTemplate": value.replace("{*}", "*").replace("{**}", "**"),
        },
    })
}

/// An address or range; host bits stay as written.
pub(super) fn cidr(value: &str) -> Option<Value> {
    let range = parse_cidr(value).ok()?;
    Some(json!({ "addressPrefix": format!("{}", range.addr()), "prefixLen": range.prefix_len() }))
}

/// Dynamic metadata of a filter, by path.
pub(super) fn metadata<'a>(filter: &str, path: impl IntoIterator<Item = &'a str>, value: Value) -> Value {
    let path: Vec<Value> = path.into_iter().map(|key| json!({ "key": key })).collect();
    json!({ "filter": filter, "path": path, "value": value })
}

/// Any of these values.
pub(super) fn any_value(mut matchers: Vec<Value>) -> Value {
    match (matchers.len(), matchers.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            matchers.extend(last);
            json!({ "orMatch": { "valueMatchers": matchers } })
        }
    }
}

/// A string, or a list that has one such element.
pub(super) fn claim_value(values: &[String]) -> Value {
    let value = any_value(values.iter().map(|value| json!({ "stringMatch": string(value) })).collect());
    json!({ "orMatch": { "valueMatchers": [{ "listMatch": { "oneOf": value.clone() } }, value] } })
}
