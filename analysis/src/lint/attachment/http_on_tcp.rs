use crate::lint::{
    Example, Group, Lint,
    gateways::meets,
    walk::{Findings, Looks, RuleAt},
};
use gnomon_engine::{
    Attribute, Severity,
    resource::{Action, FieldSet, Match, Rule, Text},
};
use gnomon_manifests::inventory::Server;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "http-on-tcp",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!(
        "A policy for a gateway has conditions on HTTP, and the gateway has a port where it sees none: TCP, or TLS that \
           it passes through."
    ),
    why: documented!(
        "There hosts, methods, paths, headers and tokens do not exist. istiod drops the whole rule from an ALLOW policy, \
          which refuses everything if no other rule allows it; from a DENY policy it drops the condition alone, and \
          what is left denies more than was meant."
    ),
    instead: documented!(
        "On such a port ask for what a connection has: `connection.sni`, the caller's identity, addresses, ports. \
              Give the rules for HTTP to a policy of their own with the `ports` that speak it."
    ),
    limits: documented!(
        "Read from Gateway objects that share a label with the policy's selector, by the port's number. Services and \
             sidecars are not looked at."
    ),
    source: documented!("https://istio.io/latest/docs/tasks/security/authorization/authz-tcp/"),
    example: documented!(example: Example {
        bad: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: only-get, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: egressgateway}}
  rules:
  - to: [{operation: {methods: [GET]}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers:
  - {port: {number: 443, name: tls, protocol: TLS}, tls: {mode: PASSTHROUGH}, hosts: [httpbin.org]}
",
        good: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: only-get, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: egressgateway}}
  rules:
  - when: [{key: connection.sni, values: [httpbin.org]}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out, namespace: istio-system}
spec:
  selector: {istio: egressgateway}
  servers:
  - {port: {number: 443, name: tls, protocol: TLS}, tls: {mode: PASSTHROUGH}, hosts: [httpbin.org]}
",
        request: Some(
            "{workload: {namespace: istio-system, labels: {istio: egressgateway}, proxy: gateway}, request: {protocol: \
             tcp, sni: httpbin.org, destination: {port: 8443}}}",
        ),
    }),
    looks: Looks { rule: Some(rule), ..Looks::NOWHERE },
};

fn rule(findings: &mut Findings<'_>, RuleAt { policy, rule, index }: &RuleAt<'_>) {
    let Some(http) = http_field(rule) else { return };
    let gateways =
        findings.input.inventory.gateways.iter().filter(|gateway| meets(policy, &gateway.selector));
    let mut servers = gateways.flat_map(|gateway| &gateway.servers).filter(|server| server.is_tcp());
    let Some(Server { port, protocol, tls, .. }) = servers.find(|server| reaches(rule, server.port)) else {
        return;
    };
    let what = match policy.action {
        Action::Allow => "an ALLOW rule with it is dropped there and allows nothing",
        Action::Deny => "a DENY rule drops it there and denies whatever the rest of the rule means",
        Action::Audit | Action::Custom => "it is dropped there, and the rule means more than it says",
    };
    let mode = if tls.is_empty() { String::new() } else { format!(", {tls}") };
    let message = format!("port {port} of the gateway ({protocol}{mode}) has no `{http}`: {what}");
    let help =
        "use `connection.sni`, identities, addresses or ports, or give the rule the ports that speak HTTP";
    findings.in_policy(policy, rule.at, format!("spec.rules[{index}]"), message, help);
}

/// A field of the rule that only HTTP has.
pub(super) fn http_field(rule: &Rule) -> Option<&str> {
    let in_sets = |sets: &'_ [FieldSet]| {
        let attributes = sets.iter().flat_map(FieldSet::iter).map(|(attribute, _)| attribute.row());
        attributes.filter(|row| row.http_only).find_map(|row| row.field).map(|(name, _)| name)
    };
    let is_http = |key: &&str| Attribute::of_key(key).is_some_and(|(attribute, _)| attribute.row().http_only);
    let when = || rule.when.iter().map(|when| when.key.text.as_str()).find(is_http);
    in_sets(&rule.to).or_else(|| in_sets(&rule.from)).or_else(when)
}

/// The rule can match on this port as far as its ports say. Istio's charts let gateways listen on 8080 and 8443 for 80
/// and 443, so a rule that names those means the same.
pub(super) fn reaches(rule: &Rule, port: u16) -> bool {
    let listens = match port {
        80 => 8_080,
        443 => 8_443,
        other => other,
    };
    let names = |text: &Text| text.text.parse().is_ok_and(|named: u16| named == port || named == listens);
    let is = |texts: &[Text]| texts.iter().any(names);
    let fits = |ports: &Match| (ports.values.is_empty() || is(&ports.values)) && !is(&ports.not_values);
    let mut when = rule.when.iter().filter(|when| when.key.text == "destination.port");
    (rule.to.is_empty() || rule.to.iter().any(|to| fits(to.get(Attribute::Port))))
        && when.all(|when| fits(&when.values))
}
