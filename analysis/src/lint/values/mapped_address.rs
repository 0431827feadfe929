use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Severity, attribute::Kind};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "mapped-address",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("An address range is written as IPv4 in IPv6."),
    why: documented!(
        "Of a connection that comes from such an address Envoy and ztunnel see the IPv4 address, and \
        ranges of one family never hold addresses of the other."
    ),
    instead: documented!("Write the IPv4 address."),
    limits: documented!("None."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{from: [{source: {ipBlocks: ["::ffff:10.1.2.3"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{from: [{source: {ipBlocks: [10.1.2.3]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {source: {ip: 10.1.2.3}}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute.row().kind != Kind::Cidr {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let address = text.text.split('/').next().unwrap_or_default();
        let Ok(address) = address.parse::<std::net::Ipv6Addr>() else { continue };
        let Some(mapped) = address.to_ipv4_mapped() else { continue };
        let message =
            format!("no connection has the address `{}`: proxies see {mapped}; {}", text.text, values.void());
        findings.at_value(values, index, message, format!("write `{mapped}`"));
    }
}
