use crate::lint::{
    Example, Group, Lint,
    gateways::is_for_gateway,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "source-nat",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("A policy for a gateway looks at `ipBlocks` or `source.ip`."),
    why: documented!(
        "That is the address from which the connection comes. With `externalTrafficPolicy: Cluster` (the default) or a \
          load balancer in between it is a node's or the balancer's address: if that lies in the block, every client \
          passes; if not, none does."
    ),
    instead: documented!(
        "Keep the client's address with `externalTrafficPolicy: Local` on the gateway's Service, or use \
              `remoteIpBlocks` with `numTrustedProxies` where a proxy in front sends X-Forwarded-For."
    ),
    limits: documented!(
        "Services and balancers are not read: where the address is kept, the rule is right and the warning idle."
    ),
    source: documented!("https://istio.io/latest/docs/tasks/security/authorization/authz-ingress/"),
    example: documented!(example: Example {
        bad: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: home, namespace: istio-system}
spec:
  selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: front}}
  rules:
  - from: [{source: {ipBlocks: [192.168.1.0/24]}}]
",
        good: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: home, namespace: istio-system}
spec:
  selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: front}}
  rules:
  - from: [{source: {remoteIpBlocks: [192.168.1.0/24]}}]
",
        request: Some(
            "{workload: {namespace: istio-system, labels: {gateway.networking.k8s.io/gateway-name: front}, proxy: \
             gateway}, request: {source: {ip: 192.168.1.60}, remoteIp: 203.0.113.9}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::SourceIp || !is_for_gateway(values.policy, findings.input.inventory) {
        return;
    }
    let Some(first) = values.texts.first() else { return };
    let message = format!(
        "`{}` is the address of the connection: after source NAT that is a node's or a balancer's, not the client's",
        values.name()
    );
    let help = "keep the client's address with `externalTrafficPolicy: Local`, or use `remoteIpBlocks` with \
                `numTrustedProxies`";
    findings.in_policy(values.policy, first.at, values.field(), message, help);
}
