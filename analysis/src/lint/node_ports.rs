use super::{Input, Lint, about};
use gnomon_engine::{
    Attribute, Diagnostic,
    resource::{Match, Text},
};

pub(super) const LINT: Lint = Lint {
    code: "node-port",
    what: "`ports` or `destination.port` names a port from 30000 to 32767.",
    why: "These are node ports. A policy sees the port on which the proxy itself accepts the connection, behind the \
          Service: 8080 or 8443 for Istio's gateways. Such an ALLOW rule never allows, such a DENY rule never denies.",
    instead: "Write the port that the proxy listens on, or leave the ports out.",
    limits: "A workload that really listens on such a port is reported too.",
    check,
};

/// What Kubernetes gives to Services of type NodePort, unless `--service-node-port-range` says otherwise.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

fn check(input: &Input<'_>, found: &mut Vec<Diagnostic>) {
    for policy in &input.resources.authorization {
        let mut values = |values: &Match, positive: String, negative: String| {
            for (texts, field) in [(&values.values, positive), (&values.not_values, negative)] {
                for (index, text) in texts.iter().enumerate().filter(|(_, text)| is_node_port(text)) {
                    let mut finding = about(policy, LINT.code, text.at, format!("{field}[{index}]"));
                    finding.message = format!(
                        "{} is a node port; a policy sees the port that the proxy itself listens on",
                        text.text
                    );
                    finding.help =
                        "write that port, often 8080 or 8443 at a gateway, or leave the ports out".into();
                    found.push(finding);
                }
            }
        };
        for (rule, index) in policy.rules.iter().zip(0..) {
            for (to, number) in rule.to.iter().zip(0..) {
                let path = format!("spec.rules[{index}].to[{number}].operation");
                values(to.get(Attribute::Port), format!("{path}.ports"), format!("{path}.notPorts"));
            }
            for (when, number) in rule.when.iter().zip(0..) {
                if when.key.text == "destination.port" {
                    let path = format!("spec.rules[{index}].when[{number}]");
                    values(&when.values, format!("{path}.values"), format!("{path}.notValues"));
                }
            }
        }
    }
}

fn is_node_port(text: &Text) -> bool {
    text.text.parse().is_ok_and(|port| NODE_PORTS.contains(&port))
}
