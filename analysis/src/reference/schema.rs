//! JSON Schema of `spec.rules` of an AuthorizationPolicy: what istiod's admission takes of fields, keys and values.

use super::since;
use gnomon_engine::{
    Attribute,
    attribute::{Key, Kind, Part},
};
use serde_json::{Map, Value, json};

/// A decimal number from 0 to 65535; leading zeros pass.
const PORT: &str = "^0*([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$";
/// `name` or `namespace/name`.
const SERVICE_ACCOUNT: &str = "^[^*/]+(/[^*/]+)?$";
/// At most one `*`, at the start or the end.
const TRUST_DOMAIN: &str = "^([^*/]+|\\*[^*/]*|[^*/]+\\*)$";
/// The key lets slashes through.
const TRUST_DOMAIN_OF_KEY: &str = "^([^*]+|\\*[^*]*|[^*]+\\*)$";
/// The characters of addresses and ranges; a schema cannot say more.
const CIDR: &str = "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$";

pub(super) fn text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    text.push('\n');
    text
}

fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "spec.rules of an Istio AuthorizationPolicy",
        "$comment": "Written by `cargo xtask docs` from Gnomon's table of attributes.",
        "type": "array",
        "maxItems": 512,
        "items": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "from": {
                    "description": "Who: one of these sources. Absent: anybody.",
                    "type": "array",
                    "maxItems": 512,
                    "items": wrapped("source", part(Part::Source)),
                },
                "to": {
                    "description": "What: one of these operations. Absent: anything.",
                    "type": "array",
                    "items": wrapped("operation", part(Part::Operation)),
                },
                "when": {
                    "description": "Further conditions. All of them must hold.",
                    "type": "array",
                    "items": condition(),
                },
            },
        },
    })
}

fn wrapped(name: &str, inner: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": [name], "properties": { name: inner } })
}

fn part(part: Part) -> Value {
    let mut properties = Map::new();
    for attribute in Attribute::fields(part) {
        let prose = attribute.prose();
        let (name, not_name) = attribute.row().field.unwrap_or_default();
        let list = |description: String| {
            let mut list = values(attribute, value(attribute.row().kind, false));
            list.insert("description".into(), description.into());
            list
        };
        let said = format!("{} Since Istio {}.", prose.doc, since(attribute));
        properties.insert(name.into(), list(said).into());
        let said = format!("None of these {}; holds where the request has none.", prose.plural);
        properties.insert(not_name.into(), list(said).into());
    }
    json!({ "type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties })
}

/// A list of values, with examples.
fn values(attribute: Attribute, value: Value) -> Map<String, Value> {
    let mut list = Map::new();
    list.insert("type".into(), "array".into());
    list.insert("items".into(), value);
    if let Some(most) = attribute.row().most {
        list.insert("maxItems".into(), most.into());
    }
    list.insert("examples".into(), json!([attribute.samples()]));
    list
}

/// One value. `by_key`: of a condition.
fn value(kind: Kind, by_key: bool) -> Value {
    match kind {
        Kind::Port => json!({ "type": "string", "pattern": PORT }),
        Kind::ServiceAccount => json!({ "type": "string", "maxLength": 320, "pattern": SERVICE_ACCOUNT }),
        Kind::TrustDomain if by_key => json!({ "type": "string", "pattern": TRUST_DOMAIN_OF_KEY }),
        Kind::TrustDomain => json!({ "type": "string", "pattern": TRUST_DOMAIN }),
        Kind::Cidr => json!({ "type": "string", "pattern": CIDR }),
        Kind::Text
        | Kind::Header
        | Kind::Host
        | Kind::Path
        | Kind::Principal
        | Kind::Namespace
        | Kind::RequestPrincipal
        | Kind::Claim
        | Kind::Metadata => json!({ "type": "string", "minLength": 1 }),
    }
}

fn condition() -> Value {
    let mut keys = Vec::new();
    let mut by_key = Vec::new();
    for attribute in Attribute::ALL {
        let row = attribute.row();
        let said = format!("{} Since Istio {}.", attribute.prose().doc, since(attribute));
        let key = match row.key {
            Some(Key::Whole(key)) => json!({ "const": key, "description": said }),
            Some(Key::Bracketed(start)) => {
                let start = start.replace('.', "\\.");
                json!({ "type": "string", "pattern": format!("^{start}[^\\[]*\\[.+\\]$"), "description": said })
            }
            None => continue,
        };
        let list = values(attribute, value(row.kind, true));
        by_key.push(json!({
            "if": { "required": ["key"], "properties": { "key": key } },
            "then": { "properties": { "values": list, "notValues": list } },
        }));
        keys.push(key);
    }
    let texts = |said: &str| json!({ "description": said, "type": "array", "items": { "type": "string" } });
    let filled = |name: &str| json!({ "required": [name], "properties": { name: { "minItems": 1 } } });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["key"],
        "properties": {
            "key": { "description": "What is looked at.", "anyOf": keys },
            "values": texts("It has one of these. With values and notValues both, both must hold."),
            "notValues": texts("It has none of these. Also holds where the attribute is missing."),
        },
        "anyOf": [filled("values"), filled("notValues")],
        "allOf": by_key,
    })
}
