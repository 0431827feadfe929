use crate::lint::{
    Example, Group, Lint,
    gateways::targets_gateway,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{JwtRule, RequestAuthentication},
};
use std::collections::HashMap;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "token-not-forwarded",
    group: Group::Tokens,
    severity: Severity::Warning,
    since: None,
    what: documented!("A gateway takes the token away that a workload behind it verifies again."),
    why: documented!(
        "After it is verified the header with the token is removed, unless `forwardOriginalToken` is \
        true. What comes to the workload has no token, and fails whatever policy asks for one."
    ),
    instead: documented!("Set `forwardOriginalToken: true` in the gateway's rule."),
    limits: documented!(
        "Rules for one issuer that both read the default places, one of them for a gateway by its labels \
        or targets. Whether the route leads from one to the other is not looked at."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/jwt/"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: gw, namespace: istio-system",
                r#"{selector: {matchLabels: {istio: ingressgateway}}, jwtRules: [{issuer: "https://issuer.test"}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://issuer.test"}]}"#
            )
        ),
        good: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: gw, namespace: istio-system",
                r#"{selector: {matchLabels: {istio: ingressgateway}}, jwtRules: [{issuer: "https://issuer.test", forwardOriginalToken: true}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: r, namespace: shop",
                r#"{jwtRules: [{issuer: "https://issuer.test"}]}"#
            )
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    let input = findings.input;
    let mut inner: HashMap<&str, &RequestAuthentication> = HashMap::new();
    let mut at_gateways = Vec::new();
    for policy in &input.resources.request_authentication {
        let gateway = targets_gateway(&policy.target, input.inventory);
        for (index, rule) in policy.rules.iter().enumerate().filter(|(_, rule)| is_default(rule)) {
            match gateway {
                true if !rule.forward_original_token => at_gateways.push((policy, rule, index)),
                true => {}
                false => _ = inner.entry(&rule.issuer.text).or_insert(policy),
            }
        }
    }
    for (policy, rule, index) in at_gateways {
        let Some(other) = inner.get(rule.issuer.text.as_str()) else { continue };
        let message = format!(
            "the token of {} is taken away here, and {}/{} wants to verify it behind",
            rule.issuer.text, other.meta.namespace, other.meta.name
        );
        findings
            .at(
                Policy::RequestAuthentication(policy),
                rule.at,
                format!("spec.jwtRules[{index}]"),
                message,
                "set `forwardOriginalToken: true`",
            )
            .see(Policy::RequestAuthentication(other));
    }
}

/// It reads its token where clients usually put it.
fn is_default(rule: &JwtRule) -> bool {
    rule.from_headers.is_empty()
        && rule.from_params.is_empty()
        && rule.from_cookies.is_empty()
        && !rule.issuer.text.is_empty()
}
