use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Severity, address::parse_cidr, attribute::Kind};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "host-bits",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("An address range has bits set behind its length."),
    why: documented!(
        "They are ignored: `10.1.2.3/8` is all of `10.0.0.0/8`, sixteen million addresses where one was \
        written."
    ),
    instead: documented!("Write the range's first address, or the length that was meant."),
    limits: documented!("None."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{from: [{source: {ipBlocks: [10.1.2.3/8]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{from: [{source: {ipBlocks: [10.1.2.3/32]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {source: {ip: 10.9.9.9}}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute.row().kind != Kind::Cidr {
        return;
    }
    for (index, text) in values.texts.iter().enumerate().filter(|(_, text)| text.text.contains('/')) {
        let Ok(range) = parse_cidr(&text.text) else { continue };
        let all = range.trunc();
        if all == range {
            continue;
        }
        let message = format!("`{}` means all of {all}: what stands behind the length is ignored", text.text);
        findings.at_value(values, index, message, format!("write `{all}`, or the length that was meant"));
    }
}
