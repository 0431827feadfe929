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
    code: "output-claim-name",
    group: Group::Tokens,
    severity: Severity::Error,
    since: None,
    what: documented!("`outputClaimToHeaders` names a claim with dots in its name."),
    why: documented!(
        "Here dots walk into objects: `https://shop.test/role` is sought as the member `test/role` of the \
        claim `https://shop`. The header is never written, and a client's own copy of it is removed."
    ),
    instead: documented!(
        "Have the issuer give the claim a name without dots; rules can ask for it as \
        `request.auth.claims[…]`."
    ),
    limits: documented!("Names that are URLs, and those that begin with a domain (`kubernetes.io`)."),
    source: documented!("https://github.com/istio/istio/issues/53212"),
    example: documented!(example: Example {
        bad: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test", outputClaimToHeaders: [{header: x-role, claim: "https://shop.test/role"}]}]}"#
        ),
        good: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test", outputClaimToHeaders: [{header: x-role, claim: role}]}]}"#
        ),
        request: None,
    }),
    looks: Looks { tokens: Some(tokens), ..Looks::NOWHERE },
};

fn tokens(findings: &mut Findings<'_>, policy: &RequestAuthentication, rule: &JwtRule, index: usize) {
    for (number, output) in rule.output_claim_to_headers.iter().enumerate() {
        let claim = output.claim.as_str();
        if !claim.contains("://") && !claim.starts_with("kubernetes.io") {
            continue;
        }
        let message = format!(
            "dots walk into objects, so that no claim `{claim}` is found, and `{}` is not written",
            output.header
        );
        let field = format!("spec.jwtRules[{index}].outputClaimToHeaders[{number}]");
        findings.at(
            Policy::RequestAuthentication(policy),
            rule.at,
            field,
            message,
            "have the issuer give the claim a name without dots",
        );
    }
}
