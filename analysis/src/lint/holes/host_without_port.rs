use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{
    Attribute, Severity,
    resource::{Action, Text},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "host-without-port",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!(
        "A DENY rule names a host without a port, or an ALLOW rule excepts one with `notHosts`."
    ),
    why: documented!(
        "`hosts` is compared with the whole Host header, port included. A client that sends `Host: shop.example.com:443` \
          is not meant by `shop.example.com`, and gets past the rule; most proxies route it all the same."
    ),
    instead: documented!(
        "List both: `hosts: [\"shop.example.com\", \"shop.example.com:*\"]`. A value takes one `*`, at one end: \
              `*.example.com:*` means hosts that end with the characters `.example.com:*`. Beside a host with a leading \
              `*` list the ports that clients can name: `*.example.com:443`."
    ),
    limits: documented!(
        "Hosts in ALLOW rules are not reported: what they miss is refused, which somebody notices. Beside a host with \
             a leading `*` any port in figures counts as all that there are."
    ),
    source: documented!("https://istio.io/latest/docs/ops/best-practices/security/#authorization-policies"),
    example: documented!(example: Example {
        bad: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-internal, namespace: shop}
spec:
  action: DENY
  rules:
  - to: [{operation: {hosts: [internal.shop.test, \"*.corp.test\"]}}]
",
        good: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-internal, namespace: shop}
spec:
  action: DENY
  rules:
  - to: [{operation: {hosts: [internal.shop.test, \"internal.shop.test:*\", \"*.corp.test\", \"*.corp.test:443\"]}}]
",
        request: Some("{workload: {namespace: shop}, request: {host: \"a.corp.test:443\"}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    // Where a host that is missed lets a request through.
    let lets_through = match values.policy.action {
        Action::Deny => !values.negated,
        Action::Allow => values.negated,
        Action::Audit | Action::Custom => false,
    };
    if values.attribute != Attribute::Host || !lets_through {
        return;
    }
    for (index, text) in values.texts.iter().enumerate().filter(|(_, text)| misses_ports(text, values.texts))
    {
        let host = &text.text;
        match host.strip_prefix('*') {
            None => {
                let message = format!("`{host}` does not mean a request that says `Host: {host}:443`");
                let ports = format!("{host}:*");
                findings
                    .at_value(values, index, message, format!("list both `{host}` and `{ports}`"))
                    .replace(values.policy, text, &[host, &ports]);
            }
            Some(suffix) => {
                let message = format!("`{host}` does not mean a request that says `Host: a{suffix}:443`");
                let help = format!(
                    "list the ports that clients can name beside it, as `{host}:443`; `{host}:*` would not help, since \
                     only the first `*` of a value is a wildcard"
                );
                findings.at_value(values, index, message, help);
            }
        }
    }
}

/// No port in the host, and none beside it in the list that would do.
fn misses_ports(host: &Text, all: &[Text]) -> bool {
    let host = &host.text;
    let wild = host.starts_with('*');
    let beside = |other: &Text| {
        let port = other.text.strip_prefix(host.as_str()).and_then(|rest| rest.strip_prefix(':'));
        port.is_some_and(|port| !wild || port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let names_port = match host.rsplit_once(':') {
        // A `*` behind a leading one is a character like any other, which no port has.
        Some((_, port)) => !wild || port.bytes().all(|byte| byte.is_ascii_digit()),
        None => host.ends_with('*') && (!wild || host == "*"),
    };
    // What is no host at all is not this lint's affair.
    let literal_star = wild && host.len() > 1 && host.ends_with('*');
    !names_port && !literal_star && !all.iter().any(beside)
}
