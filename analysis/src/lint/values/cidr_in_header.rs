use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, address::parse_cidr};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "cidr-in-header",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("The value of a header is an address range."),
    why: documented!(
        "Headers are compared as texts: `10.0.0.0/8` is these ten characters, and no address is in it."
    ),
    instead: documented!(
        "Use `remoteIpBlocks` with `numTrustedProxies`, or `ipBlocks` for the connection's own address."
    ),
    limits: documented!(
        "In headers that are known to hold addresses it is an error; in others a range might be what is \
        sent."
    ),
    source: documented!("https://github.com/istio/istio/issues/27292"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.headers[x-envoy-external-address]", values: [192.0.2.0/24]}]}]}"#
        ),
        good: policy!(r#"{action: ALLOW, rules: [{from: [{source: {remoteIpBlocks: [192.0.2.0/24]}}]}]}"#),
        request: Some(
            "{workload: {namespace: shop}, request: {headers: {x-envoy-external-address: 192.0.2.7}, source: \
            {ip: 192.0.2.7}, remoteIp: 192.0.2.7}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Header {
        return;
    }
    let name = values.bracketed().unwrap_or_default().to_ascii_lowercase();
    let holds_addresses =
        ["x-forwarded-for", "x-real-ip", "x-envoy-external-address", "true-client-ip", "cf-connecting-ip"]
            .contains(&name.as_str());
    for (index, text) in values.texts.iter().enumerate() {
        if !text.text.contains('/') || parse_cidr(&text.text).is_err() {
            continue;
        }
        let message =
            format!("a header is compared as text, and `{}` is no range to it: {}", text.text, values.void());
        let found = findings.at_value(values, index, message, "use `remoteIpBlocks` or `ipBlocks`");
        if holds_addresses {
            found.severity(Severity::Error);
        }
    }
}
