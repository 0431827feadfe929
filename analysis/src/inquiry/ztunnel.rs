//! A line of ztunnel's access log: words and `key=value`, with quotes where they are needed.

use super::{Answer, Inquiry, Kind, put, put_value};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(super) fn read(text: &str) -> Option<Inquiry> {
    text.lines().rev().find_map(line)
}

fn line(line: &str) -> Option<Inquiry> {
    let fields = match line.find('{').and_then(|at| line.get(at..)).map(serde_json::from_str::<Value>) {
        Some(Ok(Value::Object(fields))) => {
            fields.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        }
        _ => pairs(line),
    };
    let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
    // Nothing else of this shape has both.
    if !fields.contains_key("src.addr") || !fields.contains_key("dst.addr") {
        return None;
    }
    let mut request = Map::new();
    put(&mut request, &["protocol"], "tcp");
    let identity = text("src.identity");
    put(&mut request, &["source", "principal"], identity.strip_prefix("spiffe://").unwrap_or(&identity));
    if let Some((ip, _)) = super::address(&text("src.addr")) {
        put(&mut request, &["source", "ip"], &ip);
    }
    // Through a tunnel the workload's own port is the inner one.
    let to = if fields.contains_key("dst.hbone_addr") { text("dst.hbone_addr") } else { text("dst.addr") };
    if let Some((ip, port)) = super::address(&to) {
        put(&mut request, &["destination", "ip"], &ip);
        put_value(&mut request, &["destination", "port"], port.into());
    }
    let (namespace, name) = (text("dst.namespace"), text("dst.workload"));
    Some(Inquiry {
        kind: Kind::ZtunnelLog,
        request: Some(Value::Object(request)),
        answer: Some(Answer {
            details: text("error"),
            outbound: text("direction") == "outbound",
            workload: (!name.is_empty()).then_some((namespace, name)),
            ..Answer::default()
        }),
        tls: false,
        silent: &[],
        notes: Vec::new(),
    })
}

fn pairs(line: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('=') {
        let key = before.rsplit([' ', '\t']).next().unwrap_or_default();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once([' ', '\t']).unwrap_or((after, "")),
        };
        found.insert(key.to_owned(), value.to_owned());
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_connection() {
        let line = r#"2026-11-27T10:00:00.000000Z	error	access	connection complete	src.addr=10.244.0.9:51234 src.workload="sleep-1" src.namespace="demo" src.identity="spiffe://cluster.local/ns/demo/sa/sleep" dst.addr=10.244.0.7:15008 dst.hbone_addr=10.244.0.7:8080 dst.service="orders.prod.svc.cluster.local" dst.workload="orders-7d9" dst.namespace="prod" dst.identity="spiffe://cluster.local/ns/prod/sa/orders" direction="inbound" bytes_sent=0 bytes_recv=0 duration="1ms" error="connection closed due to policy rejection: allow policies exist, but none allowed""#;
        let found = read(line).unwrap();
        assert_eq!(
            found.request.unwrap(),
            json!({"protocol": "tcp", "source": {"principal": "cluster.local/ns/demo/sa/sleep", "ip": "10.244.0.9"},
                   "destination": {"ip": "10.244.0.7", "port": 8080}})
        );
        let answer = found.answer.unwrap();
        assert_eq!(answer.workload, Some(("prod".into(), "orders-7d9".into())));
        assert_eq!(answer.meaning().cause, super::super::Cause::Ztunnel(None));
        assert_eq!(read("a=b c=\"d"), None);
    }
}
