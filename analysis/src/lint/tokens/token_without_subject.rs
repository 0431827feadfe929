use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, attach::Policy, resource::JwtRule};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "token-without-subject",
    group: Group::Tokens,
    severity: Severity::Hint,
    since: None,
    what: documented!(
        "A rule asks for any request principal, and the issuer gives tokens without a subject."
    ),
    why: documented!(
        "`requestPrincipals: [\"*\"]` wants `iss` and `sub`. Keycloak since 25 leaves `sub` out for \
        clients without the scope `basic`, and Cloudflare Access has an empty one in service tokens."
    ),
    instead: documented!(
        "Ask for the issuer alone: `when: [{key: \"request.auth.claims[iss]\", values: […]}]`; or have \
        the issuer write `sub`."
    ),
    limits: documented!(
        "Issuers of these two, told by their URL. Whether the clients at hand are configured so is not \
        known."
    ),
    source: documented!("https://github.com/istio/istio/issues/59541"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{action: ALLOW, rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}"#),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://sso.test/realms/shop"}]}"#
            )
        ),
        good: concat!(
            policy!(
                r#"{action: ALLOW, rules: [{when: [{key: "request.auth.claims[iss]", values: ["https://sso.test/realms/shop"]}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://sso.test/realms/shop"}]}"#
            )
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    let any = values.texts.iter().position(|text| text.text == "*");
    let Some(index) = any.filter(|_| values.attribute == Attribute::RequestPrincipal) else { return };
    let policy = values.policy;
    let lacks = |rule: &JwtRule| {
        rule.issuer.text.contains("/realms/") || rule.issuer.text.ends_with(".cloudflareaccess.com")
    };
    let mut tokens = findings.input.context.token_rules(&policy.meta, &policy.target);
    let Some(issuer) = tokens.find(|tokens| tokens.rules.iter().any(lacks)) else { return };
    let message = "`*` wants a token with `sub`, which this issuer can leave out".to_owned();
    findings
        .at_value(
            values,
            index,
            message,
            "ask for `request.auth.claims[iss]` in its place, or make sure that `sub` is there",
        )
        .see(Policy::RequestAuthentication(issuer));
}
