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
    code: "issuer-without-keys",
    group: Group::Tokens,
    severity: Severity::Error,
    since: None,
    what: documented!("An issuer that is no URL has no keys."),
    why: documented!(
        "Without `jwks` and `jwksUri` istiod asks the issuer for its discovery document, at \
        `ISSUER/.well-known/openid-configuration`. That needs a URL. Without keys every token is refused \
        with 401."
    ),
    instead: documented!("Set `jwksUri`, or `jwks`."),
    limits: documented!("Whether a URL answers is not asked."),
    source: documented!("https://github.com/istio/istio/issues/48244"),
    example: documented!(example: Example {
        bad: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: mobile}]}"#
        ),
        good: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: mobile, jwksUri: "https://issuer.test/keys"}]}"#
        ),
        request: None,
    }),
    looks: Looks { tokens: Some(tokens), ..Looks::NOWHERE },
};

fn tokens(findings: &mut Findings<'_>, policy: &RequestAuthentication, rule: &JwtRule, index: usize) {
    let issuer = rule.issuer.text.as_str();
    let is_url = issuer.starts_with("https://") || issuer.starts_with("http://");
    if issuer.is_empty() || is_url || rule.jwks.is_some() || rule.jwks_uri.is_some() {
        return;
    }
    let message = format!("`{issuer}` is no URL to ask for keys, and none are given: every token is refused");
    findings.at(
        Policy::RequestAuthentication(policy),
        rule.issuer.at,
        format!("spec.jwtRules[{index}].issuer"),
        message,
        "set `jwksUri` or `jwks`",
    );
}
