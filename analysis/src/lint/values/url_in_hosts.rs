use super::is_told;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "url-in-hosts",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A host has a scheme or a path."),
    why: documented!(
        "The Host header holds a name and perhaps a port. A value with a slash never equals it."
    ),
    instead: documented!("Write the host alone, and the path into `paths`."),
    limits: documented!("None."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {hosts: ["https://shop.test"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {hosts: [shop.test]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {host: shop.test}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let is_name = values.attribute == Attribute::Sni;
    if values.attribute != Attribute::Host && !is_name {
        return;
    }
    for (index, text) in
        values.texts.iter().enumerate().filter(|(_, text)| !is_told(values.attribute, &text.text))
    {
        let behind = text.text.split_once("://").map_or(text.text.as_str(), |(_, rest)| rest);
        let host = behind.split('/').next().unwrap_or_default();
        let port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let (host, what) = match port {
            Some((host, _)) if is_name => (host, "no server name, which has no port"),
            _ if is_name => (host, "no server name"),
            _ => (host, "no host"),
        };
        if host == text.text {
            continue;
        }
        let path = behind.split_once('/').is_some_and(|(_, path)| !path.trim_matches(['/', '*']).is_empty());
        let message = format!("`{}` is {what}: {}", text.text, values.void());
        let help = match path {
            true => format!("write `{host}`, and paths into `paths`"),
            false => format!("write `{host}`"),
        };
        let found = findings.at_value(values, index, message, help);
        // A path that is lost would make the rule mean more.
        if !path && !host.is_empty() {
            found.replace(values.policy, text, &[host]);
        }
    }
}
