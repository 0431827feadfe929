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
    code: "custom-before-token",
    group: Group::Tokens,
    severity: Severity::Error,
    since: None,
    what: documented!("A CUSTOM rule looks at a header that is written from a claim."),
    why: documented!(
        "CUSTOM policies are asked before tokens are verified, when the header is not written yet. What \
        is there then is what the client sent."
    ),
    instead: documented!(
        "Have the provider read the token itself, or decide by the claim in an ALLOW or DENY policy."
    ),
    limits: documented!("RequestAuthentications that may apply to the same workloads."),
    source: documented!("https://istio.io/latest/docs/concepts/security/#implicit-enablement"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{action: CUSTOM, provider: {name: ext}, rules: [{when: [{key: "request.headers[x-role]", values: [admin]}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://issuer.test", outputClaimToHeaders: [{header: x-role, claim: role}]}]}"#
            )
        ),
        good: concat!(
            policy!(
                r#"{action: CUSTOM, provider: {name: ext}, rules: [{to: [{operation: {paths: ["/admin*"]}}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://issuer.test", outputClaimToHeaders: [{header: x-role, claim: role}]}]}"#
            )
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    let policy = values.policy;
    if values.attribute != Attribute::Header || policy.action != Action::Custom {
        return;
    }
    let name = values.bracketed().unwrap_or_default().to_owned();
    let writes = |rule: &JwtRule| {
        rule.output_claim_to_headers.iter().any(|output| output.header.eq_ignore_ascii_case(&name))
            || rule.output_payload_to_header.as_ref().is_some_and(|header| header.eq_ignore_ascii_case(&name))
    };
    let mut tokens = findings.input.context.token_rules(&policy.meta, &policy.target);
    let Some(writer) = tokens.find(|tokens| tokens.rules.iter().any(writes)) else { return };
    let Some(first) = values.texts.first() else { return };
    let message = format!(
        "`{name}` is written when the token is verified, which comes after CUSTOM: this sees what the client sent"
    );
    let help = "have the provider read the token, or decide by the claim in an ALLOW or DENY policy";
    findings
        .in_policy(policy, first.at, values.field(), message, help)
        .see(Policy::RequestAuthentication(writer));
}
