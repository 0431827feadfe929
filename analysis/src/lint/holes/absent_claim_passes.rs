use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{
    Attribute, Severity,
    attribute::Kind,
    resource::{Action, AuthorizationPolicy, FieldSet},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "absent-claim-passes",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("An ALLOW rule excepts claims or request principals, and does not require a token."),
    why: documented!("A request without a token has no claim, and so none that is excepted: it passes."),
    instead: documented!("Require a token in the same rule: `requestPrincipals: [\"*\"]`."),
    limits: documented!("Silent where a DENY policy beside it refuses requests without a token."),
    source: documented!("https://istio.io/latest/docs/tasks/security/authorization/authz-jwt/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.auth.claims[role]", notValues: [guest]}]}]}"#
        ),
        good: policy!(
            r#"{rules: [{from: [{source: {requestPrincipals: ["*"]}}], when: [{key: "request.auth.claims[role]", notValues: [guest]}]}]}"#
        ),
        request: Some("{workload: {namespace: shop}, request: {}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    let ValuesAt { policy, of, .. } = *values;
    let of_token =
        |attribute: Attribute| matches!(attribute.row().kind, Kind::Claim | Kind::RequestPrincipal);
    if policy.action != Action::Allow || !values.negated || !of_token(values.attribute) {
        return;
    }
    let asks = |set: &FieldSet| !set.get(Attribute::RequestPrincipal).values.is_empty();
    let from = !of.from.is_empty() && of.from.iter().all(asks);
    let when = of.when.iter().any(|when| {
        !when.values.values.is_empty()
            && Attribute::of_key(&when.key.text).is_some_and(|(attribute, _)| of_token(attribute))
    });
    let refuses = |other: &AuthorizationPolicy| {
        other.action == Action::Deny
            && other
                .rules
                .iter()
                .flat_map(|rule| &rule.from)
                .any(|set| !set.get(Attribute::RequestPrincipal).not_values.is_empty())
    };
    if from || when || findings.input.context.beside(&policy.meta, &policy.target).any(refuses) {
        return;
    }
    let Some(first) = values.texts.first() else { return };
    let message = format!("a request without a token has no `{}`, and passes", values.name());
    findings.in_policy(
        policy,
        first.at,
        values.field(),
        message,
        "require a token in the same rule: `requestPrincipals: [\"*\"]`",
    );
}
