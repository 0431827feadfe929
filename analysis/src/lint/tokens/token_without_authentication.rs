use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Severity, attach::Policy, attribute::Kind, workload::ProxyKind};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "token-without-authentication",
    group: Group::Tokens,
    severity: Severity::Warning,
    since: None,
    what: documented!("A rule asks for a token, and no RequestAuthentication verifies one there."),
    why: documented!(
        "Claims and request principals come from tokens that a RequestAuthentication of the same workload \
        has verified. Without one they are never there: such an ALLOW rule matches nothing, and \
        `notRequestPrincipals` matches everybody."
    ),
    instead: documented!("Add a RequestAuthentication for the same workloads, or correct its selector."),
    limits: documented!(
        "RequestAuthentications that are not among the manifests are not known; where there are none at \
        all it is a hint."
    ),
    source: documented!(
        "https://istio.io/latest/docs/concepts/security/#authenticated-and-unauthenticated-identity"
    ),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{selector: {matchLabels: {app: wbe}}, jwtRules: [{issuer: "https://issuer.test"}]}"#
            )
        ),
        good: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{selector: {matchLabels: {app: web}}, jwtRules: [{issuer: "https://issuer.test"}]}"#
            )
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    let policy = values.policy;
    if !matches!(values.attribute.row().kind, Kind::Claim | Kind::RequestPrincipal) {
        return;
    }
    let context = findings.input.context;
    let mut reached =
        context.reached(Policy::Authorization(policy)).filter(|known| known.proxy() != ProxyKind::Ztunnel);
    let without = reached.find(|known| context.tokens(known).is_empty());
    let possible = context.token_rules(&policy.meta, &policy.target).next().is_some();
    if without.is_none() && possible {
        return;
    }
    let Some(first) = values.texts.first() else { return };
    let place = match without {
        Some(known) => format!("at {}", known.candidate.workload.display_name()),
        None => "here".to_owned(),
    };
    let message = format!(
        "no RequestAuthentication among the manifests verifies tokens {place}, so that there is no `{}`",
        values.name()
    );
    let help = "add a RequestAuthentication for the same workloads, or correct its selector";
    let near = context.near_tokens(&policy.meta.namespace);
    let some = !findings.input.resources.request_authentication.is_empty();
    let found = findings.in_policy(policy, first.at, values.field(), message, help);
    if let Some(near) = near {
        found.see(Policy::RequestAuthentication(near));
    }
    if !some {
        found.severity(Severity::Hint);
    }
}
