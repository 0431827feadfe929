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
    code: "shared-issuer-any-audience",
    group: Group::Tokens,
    severity: Severity::Warning,
    since: None,
    what: documented!("Tokens of an issuer that everybody uses are taken for any audience."),
    why: documented!(
        "Google, GitHub Actions, GitLab and the like sign tokens for whoever asks. Without `audiences` a \
        token that was made for somebody else's service is good here, and anybody can get one."
    ),
    instead: documented!("Set `audiences` to what the tokens for this service say."),
    limits: documented!(
        "Issuers that are known to be shared, by their URL. Policies that ask for an audience or a \
        subject are not looked at."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/jwt/"),
    example: documented!(example: Example {
        bad: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://accounts.google.com", jwksUri: "https://www.googleapis.com/oauth2/v3/certs"}]}"#
        ),
        good: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://accounts.google.com", audiences: [shop.test], jwksUri: "https://www.googleapis.com/oauth2/v3/certs"}]}"#
        ),
        request: None,
    }),
    looks: Looks { tokens: Some(tokens), ..Looks::NOWHERE },
};

const SHARED: [&str; 6] = [
    "https://accounts.google.com",
    "https://token.actions.githubusercontent.com",
    "https://gitlab.com",
    "https://appleid.apple.com",
    "https://oidc.circleci.com",
    "https://login.microsoftonline.com/common",
];

fn tokens(findings: &mut Findings<'_>, policy: &RequestAuthentication, rule: &JwtRule, index: usize) {
    let issuer = rule.issuer.text.trim_end_matches('/');
    if !rule.audiences.is_empty() || !SHARED.iter().any(|shared| issuer.starts_with(shared)) {
        return;
    }
    let message = format!("{issuer} signs tokens for everybody, and those for other services are taken here");
    findings.at(
        Policy::RequestAuthentication(policy),
        rule.at,
        format!("spec.jwtRules[{index}]"),
        message,
        "set `audiences`",
    );
}
