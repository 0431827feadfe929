use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, attach::Policy, resource::RequestAuthentication};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "unknown-issuer",
    group: Group::Tokens,
    severity: Severity::Error,
    since: None,
    what: documented!("A rule asks for an issuer whose tokens are not verified there."),
    why: documented!(
        "The RequestAuthentications that apply take tokens of their issuers alone, and refuse others with \
        401. Often a slash at the end is missing or too much."
    ),
    instead: documented!("Write the issuer as the RequestAuthentication has it, character by character."),
    limits: documented!(
        "Where a rule without an issuer takes any, and where no RequestAuthentication among the manifests \
        applies, it is silent."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/request_authentication/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{action: ALLOW, rules: [{from: [{source: {requestPrincipals: ["https://issuer.test/*"]}}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://issuer.test/"}]}"#
            )
        ),
        good: concat!(
            policy!(
                r#"{action: ALLOW, rules: [{from: [{source: {requestPrincipals: ["https://issuer.test//*"]}}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://issuer.test/"}]}"#
            )
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    let policy = values.policy;
    let of_claim = values.attribute == Attribute::Claim && values.bracketed() == Some("iss");
    if values.attribute != Attribute::RequestPrincipal && !of_claim {
        return;
    }
    let tokens: Vec<&RequestAuthentication> =
        findings.input.context.token_rules(&policy.meta, &policy.target).collect();
    let issuers: Vec<&str> =
        tokens.iter().flat_map(|tokens| &tokens.rules).map(|rule| rule.issuer.text.as_str()).collect();
    if issuers.is_empty() || issuers.iter().any(|issuer| issuer.is_empty() || issuer.contains('*')) {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let issuer = match (of_claim, text.text.rsplit_once('/')) {
            (true, _) => text.text.as_str(),
            (false, Some((issuer, subject))) if !subject.is_empty() => issuer,
            _ => continue,
        };
        // A whole issuer that is written as a principal has a lint of its own.
        if issuer.contains('*') || issuers.contains(&issuer) || issuers.contains(&text.text.as_str()) {
            continue;
        }
        let near = issuers.iter().find(|known| known.trim_end_matches('/') == issuer.trim_end_matches('/'));
        let message = format!("no token of `{issuer}` is taken here: {}", values.void());
        let help = match near {
            Some(near) => format!("write the issuer as `{near}`"),
            None => format!("the issuers here are {}", issuers.join(", ")),
        };
        let found = findings.at_value(values, index, message, help);
        if let Some(first) = tokens.first() {
            found.see(Policy::RequestAuthentication(first));
        }
    }
}
