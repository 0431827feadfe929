//! What Envoy's RBAC filters write at the level debug.

use super::{Answer, Inquiry, Kind, put, put_addresses, put_value};
use serde_json::{Map, Value};

pub(super) fn read(text: &str) -> Option<Inquiry> {
    let checked = text.rfind("checking request: ").and_then(|at| text.get(at..));
    let mut results = text.lines().filter_map(result);
    let enforced = results.next_back();
    if checked.is_none() && enforced.is_none() {
        return None;
    }
    let mut notes = Vec::new();
    let request = checked.map(|checked| request(checked, &mut notes));
    let answer = enforced.map(|(allowed, policy)| match allowed {
        true => Answer { status: Some(200), ..Answer::default() },
        false => Answer {
            status: Some(403),
            details: format!("rbac_access_denied_matched_policy[{policy}]"),
            ..Answer::default()
        },
    });
    Some(Inquiry { kind: Kind::DebugLog, request, answer, tls: false, silent: &["claims"], notes })
}

/// `enforced denied, matched policy none`; shadows do not count.
fn result(line: &str) -> Option<(bool, String)> {
    let rest = line.split_once("enforced ")?.1;
    let allowed = match rest.split([',', ' ']).next()? {
        "allowed" => true,
        "denied" => false,
        _ => return None,
    };
    let policy = rest.split_once("matched policy ").map_or("none", |(_, policy)| policy.trim());
    Some((allowed, policy.to_owned()))
}

fn request(text: &str, notes: &mut Vec<String>) -> Value {
    let mut request = Map::new();
    let field = |name: &str| {
        let rest = text.split_once(&format!("{name}: "))?.1;
        rest.split([',', '\n']).next().map(str::trim)
    };
    put_addresses(
        &mut request,
        field("localAddress").unwrap_or_default(),
        field("directRemoteIP").unwrap_or_default(),
    );
    if let Some((ip, _)) = field("remoteIP").and_then(super::address)
        && field("directRemoteIP") != field("remoteIP")
    {
        put(&mut request, &["remoteIp"], &ip);
    }
    // Several names stand behind each other; the SPIFFE id is the one that policies read.
    let principal = field("uriSanPeerCertificate").unwrap_or_default();
    put(&mut request, &["source", "principal"], principal.strip_prefix("spiffe://").unwrap_or(principal));
    if !principal.is_empty() {
        put(&mut request, &["sni"], field("requestedServerName").unwrap_or_default());
    }
    let Some(lines) = text.split_once("headers: ").map(|(_, lines)| lines) else {
        put(&mut request, &["protocol"], "tcp");
        return Value::Object(request);
    };
    let lines = lines.split("dynamicMetadata: ").next().unwrap_or_default();
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in lines.lines().filter_map(header) {
        match name {
            ":method" => put(&mut request, &["method"], value),
            ":path" => put(&mut request, &["path"], value),
            ":authority" => put(&mut request, &["host"], value),
            _ if name.starts_with(':') || name == "x-envoy-original-path" => {}
            _ => match headers.get_mut(name) {
                Some(Value::Array(lines)) => lines.push(value.into()),
                _ => {
                    headers.insert(name.to_owned(), Value::Array(vec![value.into()]));
                }
            },
        }
    }
    if headers.is_empty() && !request.contains_key("path") {
        put(&mut request, &["protocol"], "tcp");
    } else {
        if headers.contains_key("x-forwarded-for") && request.contains_key("remoteIp") {
            notes.push("the client's address is that of the log, not worked out from x-forwarded-for".into());
        }
        put_value(&mut request, &["headers"], Value::Object(headers));
    }
    Value::Object(request)
}

/// `':path', '/x'`
fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().trim_end_matches(',').split_once("', '")?;
    Some((name.strip_prefix('\'')?, value.strip_suffix('\'')?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_request() {
        let text = "2026-11-27T10:00:00Z\tdebug\tenvoy rbac\tchecking request: requestedServerName: outbound_.80_._.a, sourceIP: 10.0.0.9:1, directRemoteIP: 10.0.0.9:1, remoteIP: 203.0.113.9:0,localAddress: 10.0.0.7:8080, ssl: uriSanPeerCertificate: spiffe://cluster.local/ns/a/sa/b, dnsSanPeerCertificate: , subjectPeerCertificate: , headers: ':authority', 'a.test'\n':path', '/x?y=1'\n':method', 'POST'\n'x-a', '1'\n'x-a', 'it's'\n, dynamicMetadata: filter_metadata {\n}\n\n2026\tdebug\tenvoy rbac\tshadow denied, matched policy none\n2026\tdebug\tenvoy rbac\tenforced denied, matched policy ns[a]-policy[b]-rule[0]\n";
        let found = read(text).unwrap();
        assert_eq!(
            found.request.unwrap(),
            json!({
                "method": "POST", "path": "/x?y=1", "host": "a.test", "headers": {"x-a": ["1", "it's"]},
                "source": {"ip": "10.0.0.9", "principal": "cluster.local/ns/a/sa/b"}, "remoteIp": "203.0.113.9",
                "destination": {"ip": "10.0.0.7", "port": 8080}, "sni": "outbound_.80_._.a",
            })
        );
        assert_eq!(
            found.answer.unwrap().details,
            "rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]]"
        );
        assert_eq!(read("enforced allowed, matched policy x").unwrap().answer.unwrap().status, Some(200));
        assert_eq!(read("nothing of it"), None);
    }
}
