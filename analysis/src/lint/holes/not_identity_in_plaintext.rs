use crate::lint::{
    Example, Group, Lint,
    context::Mtls,
    gateways::is_for_gateway,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{
    Attribute, Severity,
    attach::Policy,
    resource::{Action, AuthorizationPolicy, Match},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "not-identity-in-plaintext",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("An ALLOW rule excepts identities, and plaintext gets to the workload."),
    why: documented!(
        "Who comes without mutual TLS has no identity, and so none that is excepted: `notPrincipals` and \
        its like let every plaintext client in, the excepted ones too."
    ),
    instead: documented!(
        "Require an identity in the same source, `principals: [\"*\"]`, or set PeerAuthentication to STRICT."
    ),
    limits: documented!(
        "Where no PeerAuthentication among the manifests is about it Istio's default PERMISSIVE counts, \
        and the finding is a hint. Gateways are left alone."
    ),
    source: documented!("https://istio.io/latest/docs/tasks/security/authentication/authn-policy/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{action: ALLOW, rules: [{from: [{source: {notNamespaces: [bad]}}]}]}"#),
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{mtls: {mode: PERMISSIVE}}"#
            )
        ),
        good: concat!(
            policy!(
                r#"{action: ALLOW, rules: [{from: [{source: {notNamespaces: [bad], principals: ["*"]}}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "PeerAuthentication",
                "name: default, namespace: shop",
                r#"{mtls: {mode: PERMISSIVE}}"#
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
    let ValuesAt { policy, of, .. } = *values;
    if policy.action != Action::Allow || !values.negated || !IDENTITIES.contains(&values.attribute) {
        return;
    }
    let asks = |found: &Match| !found.values.is_empty();
    let beside = values.set().is_some_and(|set| IDENTITIES.iter().any(|attribute| asks(set.get(*attribute))));
    let other = of.when.iter().any(|when| {
        asks(&when.values)
            && Attribute::of_key(&when.key.text).is_some_and(|(attribute, _)| IDENTITIES.contains(&attribute))
    });
    // A key of `when` is asked together with each source.
    let sources = values.set().is_none()
        && !of.from.is_empty()
        && of.from.iter().all(|set| IDENTITIES.iter().any(|attribute| asks(set.get(*attribute))));
    let context = findings.input.context;
    let required = || {
        context
            .beside(&policy.meta, &policy.target)
            .any(|other| other.action == Action::Deny && refuses_plaintext(other))
    };
    if beside || other || sources || is_for_gateway(policy, findings.input.inventory) || required() {
        return;
    }
    let Mtls::Open(says) = context.mtls(&policy.meta, &policy.target) else { return };
    let Some(first) = values.texts.first() else { return };
    let message = format!("a plaintext client has no identity, and passes `{}`", values.name());
    let help = "require one beside it: `principals: [\"*\"]`; or set PeerAuthentication to STRICT";
    let found = findings.in_policy(policy, first.at, values.field(), message, help);
    match says {
        Some(peer) => found.see(Policy::PeerAuthentication(peer)),
        None => found.severity(Severity::Hint),
    };
}

/// It denies whoever has no identity at all.
fn refuses_plaintext(policy: &AuthorizationPolicy) -> bool {
    let any = |found: &Match| found.not_values.iter().any(|text| text.text == "*");
    policy
        .rules
        .iter()
        .flat_map(|rule| &rule.from)
        .any(|set| IDENTITIES.iter().any(|attribute| any(set.get(*attribute))))
}
