use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{JwtRule, Presence, RequestAuthentication},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "token-not-required",
    group: Group::Tokens,
    severity: Severity::Hint,
    since: None,
    what: documented!("A RequestAuthentication verifies tokens that no policy asks for."),
    why: documented!(
        "It refuses tokens that are wrong, and lets requests without one pass. Only an \
        AuthorizationPolicy makes a token necessary."
    ),
    instead: documented!(
        "Allow `requestPrincipals: [\"*\"]`, or deny `notRequestPrincipals: [\"*\"]`, on the same workloads."
    ),
    limits: documented!(
        "Policies that are not among the manifests, and applications that read the token themselves, are \
        not known. Silent where requests are routed by claims or a CUSTOM policy decides."
    ),
    source: documented!(
        "https://istio.io/latest/docs/tasks/security/authentication/authn-policy/#require-a-valid-token"
    ),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]}"#),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://issuer.test"}]}"#
            )
        ),
        good: concat!(
            policy!(r#"{action: ALLOW, rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}"#),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://issuer.test"}]}"#
            )
        ),
        request: Some("{workload: {namespace: shop}, request: {}}"),
    }),
    looks: Looks { tokens: Some(tokens), ..Looks::NOWHERE },
};

fn tokens<'l>(findings: &mut Findings<'l>, policy: &'l RequestAuthentication, rule: &JwtRule, index: usize) {
    let input = findings.input;
    let routed = || input.inventory.virtual_services.iter().any(|service| !service.claims.is_empty());
    if index > 0
        || rule.presence == Presence::Required
        || input.resources.authorization.is_empty()
        || routed()
    {
        return;
    }
    if input.context.asks_for_tokens(&policy.meta, &policy.target) {
        return;
    }
    let message = "no policy among the manifests asks for these tokens: requests without one pass";
    let help = "allow `requestPrincipals: [\"*\"]`, or deny `notRequestPrincipals: [\"*\"]`";
    findings.at(Policy::RequestAuthentication(policy), rule.at, "spec.jwtRules[0]", message, help);
}
