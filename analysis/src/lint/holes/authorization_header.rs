use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{
    Attribute, Severity,
    attach::Policy,
    resource::{Action, JwtRule},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "authorization-header",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("A condition looks at the header `authorization`."),
    why: documented!(
        "A text in it proves nothing: whoever sends the same text passes. And where a \
        RequestAuthentication reads its token from it, the header is taken away before rules see it, \
        unless `forwardOriginalToken` is true."
    ),
    instead: documented!("Ask for the verified token: `requestPrincipals`, or `request.auth.claims[…]`."),
    limits: documented!("None."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/request_authentication/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{action: ALLOW, rules: [{when: [{key: "request.headers[authorization]", values: ["*"]}]}]}"#
            ),
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
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    let is_it = |name: &str| name.eq_ignore_ascii_case("authorization");
    // CUSTOM rules are asked before tokens are verified.
    if values.attribute != Attribute::Header
        || !values.bracketed().is_some_and(is_it)
        || values.policy.action == Action::Custom
    {
        return;
    }
    let Some(first) = values.texts.first() else { return };
    let policy = values.policy;
    let takes = |rule: &JwtRule| {
        let default =
            rule.from_headers.is_empty() && rule.from_params.is_empty() && rule.from_cookies.is_empty();
        !rule.forward_original_token
            && (default || rule.from_headers.iter().any(|header| is_it(&header.name)))
    };
    let mut tokens = findings.input.context.token_rules(&policy.meta, &policy.target);
    let taker = tokens.find(|tokens| tokens.rules.iter().any(takes));
    let message = match taker {
        Some(_) => "the header is taken away with its token before this is looked at",
        None => "a header proves nothing: whoever sends this text passes",
    };
    let help = "ask for the verified token: `requestPrincipals` or `request.auth.claims[…]`";
    let found = findings.in_policy(policy, first.at, values.field(), message.to_owned(), help);
    if let Some(taker) = taker {
        found.see(Policy::RequestAuthentication(taker));
    }
}
