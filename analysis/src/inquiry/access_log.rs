//! A line of Envoy's access log: Istio's text format, and JSON with Istio's names.

use super::{Answer, Inquiry, Kind, put, put_addresses};
use serde_json::{Map, Value};

const SILENT: &[&str] = &["source.principal", "headers", "claims"];

pub(super) fn read(text: &str) -> Option<Inquiry> {
    // The last line that is one: people paste a few.
    text.lines().rev().find_map(|line| {
        // `kubectl logs --prefix` and the like put something in front.
        let json = line.find('{').and_then(|at| line.get(at..)).and_then(json);
        json.or_else(|| line.find('[').and_then(|at| line.get(at..)).and_then(written))
    })
}

/// As JSON, by the names of `accessLogFormat`'s default for JSON.
fn json(line: &str) -> Option<Inquiry> {
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else { return None };
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) if text != "-" => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if !["response_code", "response_flags", "response_code_details"]
        .iter()
        .any(|name| fields.contains_key(*name))
    {
        return None;
    }
    Some(line_of(&Line {
        method: text("method"),
        path: text("path"),
        authority: text("authority"),
        status: text("response_code"),
        flags: text("response_flags"),
        details: text("response_code_details"),
        termination: text("connection_termination_details"),
        transport_failure: text("upstream_transport_failure_reason"),
        forwarded_for: text("x_forwarded_for"),
        user_agent: text("user_agent"),
        cluster: text("upstream_cluster"),
        local: text("downstream_local_address"),
        remote: text("downstream_remote_address"),
        sni: text("requested_server_name"),
    }))
}

#[derive(Default)]
struct Line {
    method: String,
    path: String,
    authority: String,
    status: String,
    flags: String,
    details: String,
    termination: String,
    transport_failure: String,
    forwarded_for: String,
    user_agent: String,
    cluster: String,
    local: String,
    remote: String,
    sni: String,
}

/// As `[time] "METHOD path PROTOCOL" code flags details termination "transport failure" …`.
fn written(line: &str) -> Option<Inquiry> {
    let parts = parts(line)?;
    let mut parts = parts.iter().peekable();
    let quoted = |part: Option<&Part>| match part {
        Some(Part::Quoted(text)) => Some(text.clone()),
        _ => None,
    };
    let bare = |part: Option<&Part>| match part {
        Some(Part::Bare(text)) => Some(text.clone()),
        _ => None,
    };
    let Some(Part::Bracketed) = parts.next() else { return None };
    let request = quoted(parts.next())?;
    let mut found = Line { status: bare(parts.next())?, flags: bare(parts.next())?, ..Line::default() };
    found.status.parse::<u16>().ok()?;
    let mut words = request.split(' ');
    found.method = words.next()?.to_owned();
    let rest: Vec<&str> = words.collect();
    found.path = rest.split_last().map(|(_, path)| path.join(" ")).unwrap_or_default();
    // Older releases have no termination's details, and before 1.9 no details either.
    for field in [&mut found.details, &mut found.termination] {
        if let Some(Part::Bare(text)) = parts.next_if(|part| matches!(part, Part::Bare(_))) {
            field.clone_from(text);
        }
    }
    found.transport_failure = quoted(parts.next()).unwrap_or_default();
    while parts.next_if(|part| matches!(part, Part::Bare(_))).is_some() {}
    for field in [&mut found.forwarded_for, &mut found.user_agent] {
        *field = quoted(parts.next()).unwrap_or_default();
    }
    let _request_id = parts.next();
    found.authority = quoted(parts.next()).unwrap_or_default();
    let _upstream = parts.next();
    found.cluster = bare(parts.next()).unwrap_or_default();
    let _upstream_local = parts.next();
    for field in [&mut found.local, &mut found.remote, &mut found.sni] {
        *field = bare(parts.next()).unwrap_or_default();
    }
    Some(line_of(&found))
}

enum Part {
    Bracketed,
    Quoted(String),
    Bare(String),
}

fn parts(line: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (part, after) = match rest.chars().next()? {
            '[' if parts.is_empty() => (Part::Bracketed, rest.split_once(']')?.1),
            '"' => {
                let (text, after) = rest.get(1..)?.split_once('"')?;
                (Part::Quoted(text.to_owned()), after)
            }
            _ => {
                let (text, after) = rest.split_once(' ').unwrap_or((rest, ""));
                (Part::Bare(text.to_owned()), after)
            }
        };
        parts.push(part);
        rest = after.trim_start();
    }
    Some(parts)
}

fn line_of(line: &Line) -> Inquiry {
    let known = |text: &str| if text == "-" { String::new() } else { text.to_owned() };
    let mut request = Map::new();
    let tcp = matches!(line.method.as_str(), "" | "-");
    if tcp {
        put(&mut request, &["protocol"], "tcp");
    } else {
        put(&mut request, &["method"], &line.method);
        put(&mut request, &["path"], &line.path);
        put(&mut request, &["host"], &line.authority);
        put(&mut request, &["headers", "user-agent"], &line.user_agent);
        put(&mut request, &["headers", "x-forwarded-for"], &line.forwarded_for);
    }
    put_addresses(&mut request, &line.local, &line.remote);
    let outbound = line.cluster.starts_with("outbound|")
        || matches!(line.cluster.as_str(), "PassthroughCluster" | "BlackHoleCluster");
    Inquiry {
        kind: Kind::AccessLog,
        request: Some(Value::Object(request)),
        answer: Some(Answer {
            status: line.status.parse().ok().filter(|status| *status != 0),
            flags: known(&line.flags),
            details: known(&line.details),
            termination: known(&line.termination),
            transport_failure: known(&line.transport_failure),
            outbound,
            workload: None,
        }),
        // There is an SNI only with TLS.
        tls: !matches!(line.sni.as_str(), "" | "-"),
        silent: SILENT,
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn istios_text_format() {
        let line = r#"[2026-11-27T10:00:00.000Z] "GET /orders/1?x=1 HTTP/1.1" 403 - rbac_access_denied_matched_policy[none] - "-" 0 19 0 - "10.1.2.3" "curl/8.5.0" "8d1a9d0e-2f2b-9d63-8f9e-000000000000" "orders.prod:8080" "-" inbound|8080|| - 10.244.0.7:8080 10.244.0.9:51234 outbound_.8080_._.orders.prod.svc.cluster.local default"#;
        let found = read(line).unwrap();
        assert_eq!(
            found.request.unwrap(),
            json!({
                "method": "GET", "path": "/orders/1?x=1", "host": "orders.prod:8080",
                "headers": {"user-agent": "curl/8.5.0", "x-forwarded-for": "10.1.2.3"},
                "destination": {"ip": "10.244.0.7", "port": 8080}, "source": {"ip": "10.244.0.9"},
            })
        );
        let answer = found.answer.unwrap();
        assert_eq!(
            (answer.status, &*answer.details, answer.outbound),
            (Some(403), "rbac_access_denied_matched_policy[none]", false)
        );
    }

    #[test]
    fn refused_connections_and_json() {
        let line = r#"[2026-11-27T10:00:00.000Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - 10.244.0.7:8080 10.244.0.9:51234 - -"#;
        let found = read(line).unwrap();
        assert_eq!(found.request.unwrap()["protocol"], "tcp");
        let answer = found.answer.unwrap();
        assert_eq!((answer.status, &*answer.flags, &*answer.details), (None, "NR", "filter_chain_not_found"));
        let line = r#"pod/orders {"response_code":403,"response_code_details":"via_upstream","method":"POST","path":"/x","authority":"a.test","upstream_cluster":"inbound|80||","response_flags":"-","downstream_local_address":"[2001:db8::1]:80","downstream_remote_address":"10.0.0.1:1"}"#;
        let found = read(line).unwrap();
        assert_eq!(found.request.unwrap()["destination"], json!({"ip": "2001:db8::1", "port": 80}));
        assert_eq!(found.answer.unwrap().details, "via_upstream");
        for text in ["[x] y", "[1] \"a\" b c", "{}", r#"{"level": "info"}"#, "[", "[] \"\" 1", "\"[]"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
