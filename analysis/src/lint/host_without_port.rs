use super::{Input, Lint, about};
use gnomon_engine::{
    Attribute, Diagnostic,
    resource::{Action, Text},
};

pub(super) const LINT: Lint = Lint {
    code: "host-without-port",
    what: "A DENY rule names a host without a port, or an ALLOW rule excepts one with `notHosts`.",
    why: "`hosts` is compared with the whole Host header, port included. A client that sends `Host: shop.example.com:443` \
          is not meant by `shop.example.com`, and gets past the rule; most proxies route it all the same.",
    instead: "List both: `hosts: [\"shop.example.com\", \"shop.example.com:*\"]`.",
    limits: "Hosts in ALLOW rules are not reported: what they miss is refused, which somebody notices.",
    check,
};

fn check(input: &Input<'_>, found: &mut Vec<Diagnostic>) {
    for policy in &input.resources.authorization {
        for (rule, index) in policy.rules.iter().zip(0..) {
            for (to, number) in rule.to.iter().zip(0..) {
                // Where a host that is missed lets a request through.
                let (hosts, name) = match policy.action {
                    Action::Deny => (&to.get(Attribute::Host).values, "hosts"),
                    Action::Allow => (&to.get(Attribute::Host).not_values, "notHosts"),
                    Action::Audit | Action::Custom => continue,
                };
                for (position, host) in hosts.iter().enumerate().filter(|(_, host)| misses_ports(host, hosts))
                {
                    let field = format!("spec.rules[{index}].to[{number}].operation.{name}[{position}]");
                    let mut finding = about(policy, LINT.code, host.at, field);
                    let host = &host.text;
                    finding.message =
                        format!("`{host}` does not mean a request that says `Host: {host}:443`");
                    finding.help = format!("list both `{host}` and `{host}:*`");
                    found.push(finding);
                }
            }
        }
    }
}

/// No port in the host, and none beside it in the list.
fn misses_ports(host: &Text, all: &[Text]) -> bool {
    let host = &host.text;
    let beside =
        |other: &Text| other.text.strip_prefix(host.as_str()).is_some_and(|rest| rest.starts_with(':'));
    !host.contains(':') && !host.ends_with('*') && !all.iter().any(beside)
}
