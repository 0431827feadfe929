use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, address::parse_cidr};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "forwarded-for-header",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("A condition compares X-Forwarded-For or a header like it."),
    why: documented!(
        "Clients send such headers, too, and proxies add to them: what stands in front is the client's \
        own word, and a list in one line is one text."
    ),
    instead: documented!(
        "Use `remoteIpBlocks`; it takes the address that the trusted proxies in front saw \
        (`numTrustedProxies`)."
    ),
    limits: documented!("Ranges in such headers have a lint of their own."),
    source: documented!("https://istio.io/latest/docs/tasks/security/authorization/authz-ingress/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.headers[x-forwarded-for]", values: ["203.0.113.7"]}]}]}"#
        ),
        good: policy!(r#"{action: ALLOW, rules: [{from: [{source: {remoteIpBlocks: [203.0.113.7]}}]}]}"#),
        request: Some(
            "{workload: {namespace: shop}, request: {headers: {x-forwarded-for: 203.0.113.7}, source: {ip: \
            10.0.0.1}, remoteIp: 10.0.0.1}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const HEADERS: [&str; 5] = ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "x-client-ip"];

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let name = values.bracketed().unwrap_or_default();
    if values.attribute != Attribute::Header
        || !HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header))
    {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        if text.text == "*" || (text.text.contains('/') && parse_cidr(&text.text).is_ok()) {
            continue;
        }
        let message = format!("clients can send `{name}` themselves, and it is compared as one text");
        findings.at_value(values, index, message, "use `remoteIpBlocks` with `numTrustedProxies`");
    }
}
