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
    code: "keys-from-discovery-document",
    group: Group::Tokens,
    severity: Severity::Error,
    since: None,
    what: documented!("`jwksUri` names the discovery document in place of the key set."),
    why: documented!(
        "istiod wants a key set there. The discovery document has none in it, no key is found, and every \
        token is refused with 401."
    ),
    instead: documented!(
        "Write the URL that the document has as `jwks_uri`; or leave `jwksUri` out, and istiod finds it."
    ),
    limits: documented!("None."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/jwt/"),
    example: documented!(example: Example {
        bad: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test", jwksUri: "https://issuer.test/.well-known/openid-configuration"}]}"#
        ),
        good: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test"}]}"#
        ),
        request: None,
    }),
    looks: Looks { tokens: Some(tokens), ..Looks::NOWHERE },
};

fn tokens(findings: &mut Findings<'_>, policy: &RequestAuthentication, rule: &JwtRule, index: usize) {
    let Some(uri) = &rule.jwks_uri else { return };
    let path = uri.text.trim_end_matches('/');
    if !path.ends_with("/.well-known/openid-configuration")
        && !path.ends_with("/.well-known/oauth-authorization-server")
    {
        return;
    }
    let message = "this is the discovery document, which holds no keys: every token is refused";
    findings.at(
        Policy::RequestAuthentication(policy),
        uri.at,
        format!("spec.jwtRules[{index}].jwksUri"),
        message,
        "write what it has as `jwks_uri`, or leave `jwksUri` out",
    );
}
