//! Every request of `recorded.json`, which holds what Envoy 1.40 answered to it (see `README.md` there).

use gnomon_engine::{
    Request,
    headers::normalize_lines,
    jwt::{Authentication, Authenticator, Edit, Json, SoftwareCrypto},
    resource::{ClaimToHeader, HeaderLocation, JwtRule, Presence, Text},
    target::Target,
    workload::{IstioVersion, Underscores},
};
use serde_json::Value;

type Line = (String, Vec<u8>);

#[test]
fn answers_as_envoy_did() {
    let other = std::env::var_os("JWT_RECORDING").map(|file| std::fs::read_to_string(file).unwrap());
    let recorded = other.as_deref().unwrap_or(include_str!("recorded.json"));
    let recorded: Value = serde_json::from_str(recorded).unwrap();
    let mut failures = Vec::new();
    let mut count = 0;
    for group in recorded["groups"].as_array().unwrap() {
        let rules: Vec<JwtRule> =
            group["rules"].as_array().unwrap().iter().map(|r| rule(r, &recorded["keySets"])).collect();
        let rules: Vec<&JwtRule> = rules.iter().collect();
        let authenticator = Authenticator::compile(&rules, IstioVersion::NEWEST);
        for case in group["cases"].as_array().unwrap() {
            count += 1;
            if let Err(why) = check(&authenticator, case) {
                failures.push(format!("{}: {}: {why}", group["name"], case["name"]));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(count > 600, "{count} cases");
}

fn check(authenticator: &Authenticator, case: &Value) -> Result<(), String> {
    let lines = lines_as_envoy_holds_them(case);
    let headers: Vec<(&[u8], &[u8])> =
        lines.iter().map(|(name, value)| (name.as_bytes(), &**value)).collect();
    let request = Request { now: case["now"].as_i64().unwrap(), ..Request::http(&headers) };
    let answer = authenticator.authenticate(&request, &SoftwareCrypto);

    let got = answer.failure.as_ref().map(|failure| (u64::from(failure.status), failure.message));
    let expected = case["status"].as_u64().map(|status| (status, case["message"].as_str().unwrap()));
    if got != expected {
        return Err(format!("got {got:?}, Envoy {expected:?}"));
    }
    let payload = answer.payload.as_deref().map(to_value);
    let expected = case.get("payload").cloned().map(doubles);
    if payload != expected {
        return Err(format!("payload {payload:?}, Envoy {expected:?}"));
    }
    if expected.is_none() && answer.rule.is_some() != (got.is_some()) {
        return Err(format!("rule {:?}", answer.rule));
    }
    if let Some(seen) = case.get("seen") {
        let mut seen: Vec<Line> = seen.as_array().unwrap().iter().map(line).collect();
        let mut left = after(lines, &answer);
        left.retain(|(name, _)| !matches!(&**name, ":method" | ":authority" | ":scheme"));
        seen.sort();
        left.sort();
        if seen != left {
            return Err(format!("left {}, Envoy {}", show(&left), show(&seen)));
        }
    }
    Ok(())
}

/// The header map that Envoy's codec makes of the lines as sent.
fn lines_as_envoy_holds_them(case: &Value) -> Vec<Line> {
    let path = bytes(&case["path"]);
    // The part behind a `#` never reaches a filter.
    let path = path.split(|c| *c == b'#').next().unwrap_or_default();
    let sent: Vec<Line> = case["headers"].as_array().unwrap().iter().map(line).collect();
    let sent: Vec<(&[u8], &[u8])> = sent.iter().map(|(name, value)| (name.as_bytes(), &**value)).collect();
    let host = sent.iter().find(|(name, _)| *name == b"host");
    let others: Vec<(&[u8], &[u8])> = sent.iter().copied().filter(|(name, _)| *name != b"host").collect();
    let target = Target { path: Some(path), ..Target::default() };
    let host = host.map_or(&b"h"[..], |(_, value)| value);
    normalize_lines(&bytes(&case["method"]), &target, host, &others, Underscores::Allow)
        .into_iter()
        .map(|(name, value)| (String::from_utf8(name).unwrap(), value))
        .collect()
}

fn after(mut lines: Vec<Line>, answer: &Authentication) -> Vec<Line> {
    for edit in &answer.edits {
        match edit {
            Edit::Remove(name) => lines.retain(|(other, _)| other != name),
            Edit::Set(name, value) => {
                lines.retain(|(other, _)| other != name);
                lines.push((name.clone(), value.clone()));
            }
            Edit::Add(name, value) => lines.push((name.clone(), value.clone())),
            Edit::Path(path) => {
                lines.retain(|(other, _)| other != ":path");
                lines.push((":path".into(), path.clone()));
            }
        }
    }
    lines
}

fn line(pair: &Value) -> Line {
    (pair[0].as_str().unwrap().to_string(), bytes(&pair[1]))
}

/// Bytes stand as Latin-1 in the recording.
fn bytes(text: &Value) -> Vec<u8> {
    text.as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn show(lines: &[Line]) -> String {
    let lines: Vec<String> =
        lines.iter().map(|(name, value)| format!("{name}: {}", value.escape_ascii())).collect();
    lines.join(" | ")
}

fn to_value(json: &Json) -> Value {
    let text = json.write();
    let value: Value = serde_json::from_str(&text).unwrap();
    // The writer must not lose anything.
    assert_eq!(Json::parse(text.as_bytes()).as_ref(), Some(json), "{text}");
    doubles(value)
}

/// All numbers as doubles, so that `1` and `1.0` are equal.
fn doubles(value: Value) -> Value {
    match value {
        Value::Number(n) => serde_json::json!(n.as_f64().unwrap()),
        Value::Array(items) => Value::Array(items.into_iter().map(doubles).collect()),
        Value::Object(members) => Value::Object(members.into_iter().map(|(k, v)| (k, doubles(v))).collect()),
        other => other,
    }
}

fn rule(rule: &Value, key_sets: &Value) -> JwtRule {
    let text = |value: &Value| Text { text: value.as_str().unwrap_or_default().into(), ..Text::default() };
    let string = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let list = |name: &str| rule[name].as_array().cloned().unwrap_or_default();
    let strings = |name: &str| list(name).iter().map(string).collect();
    JwtRule {
        issuer: text(&rule["issuer"]),
        audiences: strings("audiences"),
        jwks: Some(text(&key_sets[rule["jwks"].as_str().unwrap()])),
        from_headers: list("fromHeaders")
            .iter()
            .map(|h| HeaderLocation { name: string(&h["name"]), prefix: string(&h["prefix"]) })
            .collect(),
        from_params: strings("fromParams"),
        from_cookies: strings("fromCookies"),
        forward_original_token: rule["forwardOriginalToken"].as_bool().unwrap_or_default(),
        output_payload_to_header: rule["outputPayloadToHeader"].as_str().map(Into::into),
        output_claim_to_headers: list("outputClaimToHeaders")
            .iter()
            .map(|o| ClaimToHeader { header: string(&o["header"]), claim: string(&o["claim"]) })
            .collect(),
        space_delimited_claims: strings("spaceDelimitedClaims"),
        presence: if rule["presence"] == "REQUIRED" { Presence::Required } else { Presence::Optional },
        ..JwtRule::default()
    }
}
