use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{HeaderLocation, JwtRule, RequestAuthentication},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "authorization-without-prefix",
    group: Group::Tokens,
    severity: Severity::Warning,
    since: None,
    what: documented!("`fromHeaders` reads `Authorization` without a prefix."),
    why: documented!("Then the whole value is the token: `Bearer eyJ…` is none, and is refused with 401."),
    instead: documented!("Set `prefix: \"Bearer \"`, or leave `fromHeaders` out: that is the default."),
    limits: documented!("Clients that send the bare token in this header are served by the rule as it is."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/jwt/"),
    example: documented!(example: Example {
        bad: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test", fromHeaders: [{name: Authorization}]}]}"#
        ),
        good: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test", fromHeaders: [{name: Authorization, prefix: "Bearer "}]}]}"#
        ),
        request: None,
    }),
    looks: Looks { tokens: Some(tokens), ..Looks::NOWHERE },
};

fn tokens(findings: &mut Findings<'_>, policy: &RequestAuthentication, rule: &JwtRule, index: usize) {
    let bare = |header: &HeaderLocation| {
        header.name.eq_ignore_ascii_case("authorization") && header.prefix.is_empty()
    };
    let Some(number) = rule.from_headers.iter().position(bare) else { return };
    let message = "without a prefix the whole value is the token, `Bearer ` included: it is refused";
    let field = format!("spec.jwtRules[{index}].fromHeaders[{number}]");
    findings.at(Policy::RequestAuthentication(policy), rule.at, field, message, "set `prefix: \"Bearer \"`");
}
