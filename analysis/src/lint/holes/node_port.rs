use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, resource::Text};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "node-port",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("`ports` or `destination.port` names a port from 30000 to 32767."),
    why: documented!(
        "These are node ports. A policy sees the port on which the proxy itself accepts the connection, behind the \
          Service: 8080 or 8443 for Istio's gateways. Such an ALLOW rule never allows, such a DENY rule never denies."
    ),
    instead: documented!("Write the port that the proxy listens on, or leave the ports out."),
    limits: documented!("A workload that really listens on such a port is reported too."),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Operation"
    ),
    example: documented!(example: Example {
        bad: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: istio-system}
spec:
  selector: {matchLabels: {app: istio-ingressgateway}}
  action: DENY
  rules:
  - to: [{operation: {paths: [/admin*], ports: [\"30080\"]}}]
",
        good: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: istio-system}
spec:
  selector: {matchLabels: {app: istio-ingressgateway}}
  action: DENY
  rules:
  - to: [{operation: {paths: [/admin*], ports: [\"8080\"]}}]
",
        request: Some(
            "{workload: {namespace: istio-system, labels: {app: istio-ingressgateway}, proxy: gateway}, request: {path: \
             /admin, destination: {port: 8080}}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

/// What Kubernetes gives to Services of type NodePort, unless `--service-node-port-range` says otherwise.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Port {
        return;
    }
    for (index, text) in values.texts.iter().enumerate().filter(|(_, text)| is_node_port(text)) {
        let message =
            format!("{} is a node port; a policy sees the port that the proxy itself listens on", text.text);
        let help = "write that port, often 8080 or 8443 at a gateway, or leave the ports out";
        findings.at_value(values, index, message, help);
    }
}

fn is_node_port(text: &Text) -> bool {
    text.text.parse().is_ok_and(|port| NODE_PORTS.contains(&port))
}
