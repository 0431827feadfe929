use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{JwtRule, RequestAuthentication},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "issuer-pattern",
    group: Group::Tokens,
    severity: Severity::Error,
    since: None,
    what: documented!("An issuer has a `*`."),
    why: documented!(
        "Issuers are compared character by character: no token says `*` of itself, and every token is \
        refused."
    ),
    instead: documented!(
        "Write each issuer in a rule of its own; leave `issuer` out to take tokens of any (Istio 1.27)."
    ),
    limits: documented!("None."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/jwt/"),
    example: documented!(example: Example {
        bad: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://*.issuer.test", jwksUri: "https://issuer.test/keys"}]}"#
        ),
        good: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://a.issuer.test", jwksUri: "https://issuer.test/keys"}]}"#
        ),
        request: None,
    }),
    looks: Looks { tokens: Some(tokens), ..Looks::NOWHERE },
};

fn tokens(findings: &mut Findings<'_>, policy: &RequestAuthentication, rule: &JwtRule, index: usize) {
    if !rule.issuer.text.contains('*') {
        return;
    }
    let message =
        format!("`{}` is compared character by character, and no token has such an issuer", rule.issuer.text);
    findings.at(
        Policy::RequestAuthentication(policy),
        rule.issuer.at,
        format!("spec.jwtRules[{index}].issuer"),
        message,
        "write each issuer in a rule of its own",
    );
}
