use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    address::parse_ip,
    attach::Policy,
    resource::{JwtRule, RequestAuthentication},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "keys-over-http",
    group: Group::Tokens,
    severity: Severity::Warning,
    since: None,
    what: documented!("The keys of an issuer outside the cluster are fetched without TLS."),
    why: documented!("Whoever sits on the way can answer with a key of their own, and sign any token."),
    instead: documented!("Use https."),
    limits: documented!("Hosts without a dot and those of cluster services are left alone."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/jwt/"),
    example: documented!(example: Example {
        bad: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test", jwksUri: "http://issuer.test/keys"}]}"#
        ),
        good: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test", jwksUri: "https://issuer.test/keys"}]}"#
        ),
        request: None,
    }),
    looks: Looks { tokens: Some(tokens), ..Looks::NOWHERE },
};

fn tokens(findings: &mut Findings<'_>, policy: &RequestAuthentication, rule: &JwtRule, index: usize) {
    let Some(uri) = &rule.jwks_uri else { return };
    let Some(rest) = uri.text.strip_prefix("http://") else { return };
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    let inside = !host.contains('.')
        || host.ends_with(".svc")
        || host.ends_with(".cluster.local")
        || host.ends_with(".local")
        || parse_ip(host).is_some();
    // `service.namespace` is a name of the cluster's, too.
    if inside
        || host.matches('.').count() == 1
            && findings.input.context.namespaces.contains(host.rsplit('.').next().unwrap_or_default())
    {
        return;
    }
    let message = format!("keys from `{host}` come without TLS: who sits on the way can put their own in");
    findings.at(
        Policy::RequestAuthentication(policy),
        uri.at,
        format!("spec.jwtRules[{index}].jwksUri"),
        message,
        "use https",
    );
}
