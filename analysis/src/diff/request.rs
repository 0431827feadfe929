//! A request as people write it (docs/formats.md, "Request").

use gnomon_engine::{
    jwt::Json,
    prepare::RequestSpec,
    request::{ExtAuthzAnswer, Protocol},
};
use serde_json::{Map, Value, json};

/// The document that [`gnomon_manifests::request::requests`] reads as this request. What is as by default is left out.
pub fn document(spec: &RequestSpec) -> Value {
    let mut document = Map::new();
    let mut set = |name: &str, value: Value| {
        document.insert(name.into(), value);
    };
    if spec.protocol == Protocol::Tcp {
        set("protocol", json!("tcp"));
    } else {
        set("method", json!(spec.method));
        set("path", json!(spec.path));
        if let Some(host) = &spec.host {
            set("host", json!(host));
        }
        if !spec.headers.is_empty() {
            set("headers", headers(&spec.headers));
        }
    }
    if let Some(token) = &spec.token {
        set("token", json!(token));
    }
    if let Some(claims) = &spec.claims {
        set("claims", value(claims));
    }
    let mut source = Map::new();
    if let Some(principal) = &spec.principal {
        source.insert("principal".into(), json!(principal));
    }
    if let Some(ip) = spec.source_ip {
        source.insert("ip".into(), json!(ip.to_string()));
    }
    if !source.is_empty() {
        set("source", source.into());
    }
    if let Some(ip) = spec.remote_ip {
        set("remoteIp", json!(ip.to_string()));
    }
    let mut destination = Map::new();
    if let Some(ip) = spec.destination_ip {
        destination.insert("ip".into(), json!(ip.to_string()));
    }
    if let Some(port) = spec.destination_port {
        destination.insert("port".into(), json!(port));
    }
    if !destination.is_empty() {
        set("destination", destination.into());
    }
    if let Some(sni) = &spec.sni {
        set("sni", json!(sni));
    }
    if !spec.ext_authz.is_empty() {
        let answer = |answer: &ExtAuthzAnswer| match answer {
            ExtAuthzAnswer::Allow => "allow",
            ExtAuthzAnswer::Deny => "deny",
            ExtAuthzAnswer::Error => "error",
        };
        let answers = spec.ext_authz.iter().map(|(name, one)| (name.clone(), json!(answer(one))));
        set("extAuthz", answers.collect::<Map<_, _>>().into());
    }
    if !spec.metadata.is_empty() {
        let metadata = spec.metadata.iter().map(|(filter, fields)| (filter.clone(), value(fields)));
        set("metadata", metadata.collect::<Map<_, _>>().into());
    }
    document.into()
}

/// By name; several lines of one name as a list.
fn headers(lines: &[(String, String)]) -> Value {
    let mut headers = Map::new();
    for (name, line) in lines {
        match headers.get_mut(name) {
            None => {
                headers.insert(name.clone(), json!(line));
            }
            Some(Value::Array(lines)) => lines.push(json!(line)),
            Some(first) => *first = json!([first.clone(), line]),
        }
    }
    headers.into()
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => json!(value),
        Json::Number(value) => json!(value),
        Json::String(text) => json!(text),
        Json::List(items) => items.iter().map(value).collect(),
        Json::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), value(member))).collect::<Map<_, _>>().into()
        }
    }
}
