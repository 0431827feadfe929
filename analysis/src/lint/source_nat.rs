use super::{Input, Lint, about, is_for_gateway};
use gnomon_engine::{Attribute, Diagnostic, resource::Match};

pub(super) const LINT: Lint = Lint {
    code: "source-nat",
    what: "A policy for a gateway looks at `ipBlocks` or `source.ip`.",
    why: "That is the address from which the connection comes. With `externalTrafficPolicy: Cluster` (the default) or a \
          load balancer in between it is a node's or the balancer's address: if that lies in the block, every client \
          passes; if not, none does.",
    instead: "Keep the client's address with `externalTrafficPolicy: Local` on the gateway's Service, or use \
              `remoteIpBlocks` with `numTrustedProxies` where a proxy in front sends X-Forwarded-For.",
    limits: "Services and balancers are not read: where the address is kept, the rule is right and the warning idle.",
    check,
};

fn check(input: &Input<'_>, found: &mut Vec<Diagnostic>) {
    for policy in input.resources.authorization.iter().filter(|policy| is_for_gateway(policy, input.traffic))
    {
        let mut values = |values: &Match, positive: String, negative: String, name: &str| {
            for (texts, field) in [(&values.values, positive), (&values.not_values, negative)] {
                let Some(first) = texts.first() else { continue };
                let mut finding = about(policy, LINT.code, first.at, field);
                finding.message = format!(
                    "`{name}` is the address of the connection: after source NAT that is a node's or a balancer's, not \
                     the client's"
                );
                finding.help =
                    "keep the client's address with `externalTrafficPolicy: Local`, or use `remoteIpBlocks` \
                                with `numTrustedProxies`"
                        .into();
                found.push(finding);
            }
        };
        for (rule, index) in policy.rules.iter().zip(0..) {
            for (from, number) in rule.from.iter().zip(0..) {
                let path = format!("spec.rules[{index}].from[{number}].source");
                values(
                    from.get(Attribute::SourceIp),
                    format!("{path}.ipBlocks"),
                    format!("{path}.notIpBlocks"),
                    "ipBlocks",
                );
            }
            for (when, number) in rule.when.iter().zip(0..) {
                if when.key.text == "source.ip" {
                    let path = format!("spec.rules[{index}].when[{number}]");
                    values(&when.values, format!("{path}.values"), format!("{path}.notValues"), "source.ip");
                }
            }
        }
    }
}
