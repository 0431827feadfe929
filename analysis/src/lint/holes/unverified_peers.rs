use crate::lint::{
    Example, Group, Lint,
    gateways::meets,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{
    Attribute, Severity,
    attach::GATEWAY_NAME_LABEL,
    resource::{AuthorizationPolicy, Target, TargetKind, UnverifiedGateway},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "unverified-peers",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!(
        "A policy for a gateway asks who the client is, and a Gateway there takes client certificates unverified."
    ),
    why: documented!(
        "With `insecureSkipVerify` on a server with mode MUTUAL, and with frontend validation AllowInsecureFallback of \
          the Gateway API, Envoy asks for a certificate and believes whatever stands in it. A name in it proves nothing: a \
          rule that allows a principal allows whoever claims to be it, and one that denies it denies nobody."
    ),
    instead: documented!("Have the Gateway verify its clients, or ask for what they can prove: a token."),
    limits: documented!(
        "Policies that name the gateway by labels or `targetRefs` are looked at; those for a whole namespace are for \
             other proxies, too. Where another listener of the Gateway verifies, what comes in there is reported as well."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/networking/gateway/#ServerTLSSettings"
    ),
    example: documented!(example: Example {
        bad: "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 8443, protocol: HTTPS, name: https}
    hosts: [\"*\"]
    tls: {mode: MUTUAL, credentialName: front, insecureSkipVerify: true}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: partners, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  rules:
  - from: [{source: {principals: [partner.example/ns/a/sa/b]}}]
",
        good: "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 8443, protocol: HTTPS, name: https}
    hosts: [\"*\"]
    tls: {mode: MUTUAL, credentialName: front}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: partners, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  rules:
  - from: [{source: {principals: [partner.example/ns/a/sa/b]}}]
",
        request: Some(
            "{workload: {namespace: istio-system, labels: {istio: ingressgateway}, proxy: gateway}, request: {source: \
             {principal: partner.example/ns/a/sa/b}}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const IDENTITIES: [Attribute; 4] =
    [Attribute::Principal, Attribute::Namespace, Attribute::ServiceAccount, Attribute::TrustDomain];

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if !IDENTITIES.contains(&values.attribute) {
        return;
    }
    let mut gateways = findings.input.resources.unverified.iter();
    let Some(gateway) = gateways.find(|gateway| is_for(values.policy, gateway)) else { return };
    let Some(first) = values.texts.first() else { return };
    let UnverifiedGateway { namespace, name, .. } = gateway;
    let message = format!(
        "`{}` reads a certificate that nobody verifies: the Gateway {namespace}/{name} takes any",
        values.name()
    );
    let help = "have that Gateway verify its clients, or ask for what they can prove: a token";
    findings.in_policy(values.policy, first.at, values.field(), message, help);
}

fn is_for(policy: &AuthorizationPolicy, gateway: &UnverifiedGateway) -> bool {
    let here = policy.meta.namespace == gateway.namespace;
    match (&policy.target, &gateway.selector) {
        (Target::Selector(_), Some(selector)) => meets(policy, selector),
        (Target::Selector(labels), None) => {
            here && labels.iter().any(|(key, value)| key == GATEWAY_NAME_LABEL && *value == gateway.name)
        }
        (Target::Refs(refs), None) => {
            here && refs
                .iter()
                .any(|target| target.kind == TargetKind::Gateway && target.name == gateway.name)
        }
        _ => false,
    }
}
