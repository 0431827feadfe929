use crate::lint::{
    Example, Group, Lint,
    context::Mtls,
    gateways::is_for_gateway,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, attach::Policy, resource::Action};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "deny-identity-in-plaintext",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("A DENY rule names identities, and plaintext gets to the workload."),
    why: documented!(
        "The same client without mutual TLS has no identity, and the rule does not mean it: one \
        connection past the sidecar is enough."
    ),
    instead: documented!(
        "Set PeerAuthentication to STRICT, or allow those who may come in place of denying those who may \
        not."
    ),
    limits: documented!(
        "Where no PeerAuthentication among the manifests is about it Istio's default PERMISSIVE counts, \
        and the finding is a hint. Gateways are left alone, and so is a workload for which ALLOW \
        policies are among the manifests."
    ),
    source: documented!("https://github.com/istio/istio/issues/34355"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{action: DENY, rules: [{from: [{source: {namespaces: [dev]}}]}]}"#),
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{mtls: {mode: PERMISSIVE}}"#
            )
        ),
        good: concat!(
            policy!(r#"{action: DENY, rules: [{from: [{source: {namespaces: [dev]}}]}]}"#),
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{mtls: {mode: STRICT}}"#
            )
        ),
        request: Some("{workload: {namespace: shop}, request: {source: {ip: 10.1.1.1}}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

/// What comes out of the peer's certificate.
const IDENTITIES: [Attribute; 4] =
    [Attribute::Principal, Attribute::Namespace, Attribute::ServiceAccount, Attribute::TrustDomain];

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    let policy = values.policy;
    if policy.action != Action::Deny || values.negated || !IDENTITIES.contains(&values.attribute) {
        return;
    }
    let context = findings.input.context;
    let allowed = || context.beside(&policy.meta, &policy.target).any(|other| other.action == Action::Allow);
    if is_for_gateway(policy, findings.input.inventory) || allowed() {
        return;
    }
    let Mtls::Open(says) = context.mtls(&policy.meta, &policy.target) else { return };
    let Some(first) = values.texts.first() else { return };
    let message =
        format!("`{}` means nobody who comes in plaintext, and plaintext gets through", values.name());
    let help = "set PeerAuthentication to STRICT, or allow those who may come";
    let found = findings.in_policy(policy, first.at, values.field(), message, help);
    match says {
        Some(peer) => found.see(Policy::PeerAuthentication(peer)),
        None => found.severity(Severity::Hint),
    };
}
