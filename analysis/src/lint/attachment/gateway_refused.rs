use crate::lint::{
    Example, Group, Lint,
    context::Known,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Attribute, Severity,
    attach::Policy,
    resource::{Action, AuthorizationPolicy, Condition, FieldSet, Rule, Target},
    workload::ProxyKind,
};
use std::collections::{HashMap, HashSet};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "gateway-refused",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!(
        "ALLOW policies for the whole mesh or namespace refuse everything at an ingress gateway."
    ),
    why: documented!(
        "They ask for the identity of the caller, and clients outside the mesh have none. As soon as an \
        ALLOW policy applies to the gateway what none of them allows is refused."
    ),
    instead: documented!("Give the gateway a policy of its own that allows what it serves."),
    limits: documented!(
        "Gateways whose workloads are among the manifests and take clients without certificates; those \
        for egress and between clusters are left alone."
    ),
    source: documented!("https://istio.io/latest/docs/tasks/security/authorization/authz-ingress/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!("istio-system", r#"{rules: [{from: [{source: {namespaces: [web]}}]}]}"#),
            object!(
                "apps/v1",
                "Deployment",
                "name: ingress, namespace: istio-system",
                "{template: {metadata: {labels: {istio: ingressgateway}, annotations: {inject.istio.io/templates: gateway}}, spec: {}}}"
            )
        ),
        good: concat!(
            policy!("istio-system", r#"{rules: [{from: [{source: {namespaces: [web]}}]}]}"#),
            object!(
                "apps/v1",
                "Deployment",
                "name: ingress, namespace: istio-system",
                "{template: {metadata: {labels: {istio: ingressgateway}, annotations: {inject.istio.io/templates: gateway}}, spec: {}}}"
            ),
            object!(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "name: gw, namespace: istio-system",
                "{selector: {matchLabels: {istio: ingressgateway}}, rules: [{to: [{operation: {hosts: [shop.test]}}]}]}"
            )
        ),
        request: Some(
            "{workload: {namespace: istio-system, labels: {istio: ingressgateway}, proxy: gateway}, request: \
            {host: shop.test, source: {ip: 203.0.113.9}}}",
        ),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all<'l>(findings: &mut Findings<'l>) {
    let input = findings.input;
    let mut allowing: HashMap<*const Known<'l>, Vec<&'l AuthorizationPolicy>> = HashMap::new();
    for policy in input
        .resources
        .authorization
        .iter()
        .filter(|policy| policy.action == Action::Allow && !policy.dry_run)
    {
        for known in input
            .context
            .reached(Policy::Authorization(policy))
            .filter(|known| known.proxy() == ProxyKind::Gateway)
        {
            allowing.entry(std::ptr::from_ref(known)).or_default().push(policy);
        }
    }
    let mut told = HashSet::new();
    for known in input.context.workloads {
        let Some(policies) = allowing.get(&std::ptr::from_ref(known)) else { continue };
        let workload = &known.candidate.workload;
        let inner = |text: &str| ["egress", "eastwest", "east-west"].iter().any(|word| text.contains(word));
        if inner(&workload.name)
            || workload.labels.iter().any(|(_, value)| inner(value))
            || asks_certificates(findings, known)
        {
            continue;
        }
        let wide = policies.iter().find(|policy| {
            matches!(policy.target, Target::Namespace | Target::EmptySelector) && !policy.rules.is_empty()
        });
        let Some(wide) = wide.filter(|_| policies.iter().flat_map(|policy| &policy.rules).all(asks_identity))
        else {
            continue;
        };
        if !told.insert(std::ptr::from_ref(*wide)) {
            continue;
        }
        let message = format!(
            "it applies to the gateway {} as well, and no ALLOW rule there allows clients without an identity",
            workload.display_name()
        );
        findings
            .in_policy(
                wide,
                wide.meta.at,
                "spec".to_owned(),
                message,
                "give the gateway an ALLOW policy of its own",
            )
            .see_object(known.candidate.kind, known.candidate.meta);
    }
}

/// Every source wants an identity.
fn asks_identity(rule: &Rule) -> bool {
    const IDENTITIES: [Attribute; 4] =
        [Attribute::Principal, Attribute::Namespace, Attribute::ServiceAccount, Attribute::TrustDomain];
    let asks = |set: &FieldSet| IDENTITIES.iter().any(|attribute| !set.get(*attribute).values.is_empty());
    let key = |when: &Condition| {
        !when.values.values.is_empty()
            && Attribute::of_key(&when.key.text).is_some_and(|(attribute, _)| IDENTITIES.contains(&attribute))
    };
    (!rule.from.is_empty() && rule.from.iter().all(asks)) || rule.when.iter().any(key)
}

fn asks_certificates(findings: &Findings<'_>, known: &Known<'_>) -> bool {
    let labels = &known.candidate.workload.labels;
    let gateways = findings.input.inventory.gateways.iter();
    let mut own = gateways.filter(|gateway| gateway.selector.iter().all(|label| labels.contains(label)));
    own.any(|gateway| {
        gateway
            .servers
            .iter()
            .any(|server| server.tls.contains("MUTUAL") || server.tls.contains("PASSTHROUGH"))
    })
}
