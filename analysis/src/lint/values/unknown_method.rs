use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "unknown-method",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("A method is spelled almost like one of HTTP's."),
    why: documented!("No client sends it."),
    instead: documented!("Correct the spelling."),
    limits: documented!("Only methods one letter off those that HTTP has are reported."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: [OPTION]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: [OPTIONS]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {method: OPTIONS}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

/// What other systems call methods.
const OF_OTHERS: [(&str, &str); 10] = [
    ("ALL", "remove the field: it means any"),
    ("ANY", "remove the field: it means any"),
    ("GRPC", "calls of gRPC are `POST`; name them in `paths`"),
    ("WEBSOCKET", "a WebSocket begins with `GET`"),
    ("WS", "a WebSocket begins with `GET`"),
    ("READ", "write `GET` and `HEAD`"),
    ("WRITE", "write `POST`, `PUT`, `PATCH` and `DELETE`"),
    ("LIST", "write `GET`"),
    ("CREATE", "write `POST`"),
    ("UPDATE", "write `PUT` and `PATCH`"),
];

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Method {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let value = text.text.as_str();
        if let Some((_, help)) = OF_OTHERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(value)) {
            findings.at_value(values, index, format!("HTTP has no method `{value}`"), *help);
            continue;
        }
        let Some(near) = METHODS.iter().find(|method| one_off(value, method)) else { continue };
        let message = format!("HTTP has no method `{value}`");
        findings.at_value(values, index, message, format!("did you mean `{near}`?"));
    }
}

/// One letter more, less or other, or the ending of the third person. Not for the short ones, whose neighbours are words.
fn one_off(value: &str, method: &str) -> bool {
    if value == method || method.len() < 4 || METHODS.contains(&value) || value != value.to_ascii_uppercase()
    {
        return false;
    }
    let same = value.bytes().zip(method.bytes()).take_while(|(a, b)| a == b).count();
    let tails = |a: usize, b: usize| value.as_bytes().get(same + a..) == method.as_bytes().get(same + b..);
    tails(1, 0) || tails(0, 1) || tails(1, 1)
}
