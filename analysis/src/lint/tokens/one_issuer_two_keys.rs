use crate::lint::{
    Example, Group, Lint,
    context::may_meet,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{JwtRule, RequestAuthentication},
};
use std::collections::HashMap;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "one-issuer-two-keys",
    group: Group::Tokens,
    severity: Severity::Warning,
    since: None,
    what: documented!("Two rules that apply together verify the tokens of one issuer with different keys."),
    why: documented!(
        "They are alternatives: a token that either key set verifies is taken. A key that is revoked in \
        one of them is still good by the other."
    ),
    instead: documented!("Keep one rule for each issuer, with one source of keys."),
    limits: documented!(
        "Seen are rules of one object, and of objects of one namespace or the root namespace whose \
        selectors can meet. An address and a key set that was copied from it count as different."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/request_authentication/"),
    example: documented!(example: Example {
        bad: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test", jwksUri: "https://issuer.test/new"}, {issuer: "https://issuer.test", jwksUri: "https://issuer.test/old"}]}"#
        ),
        good: object!(
            "security.istio.io/v1",
            "RequestAuthentication",
            "name: r, namespace: shop",
            r#"{jwtRules: [{issuer: "https://issuer.test", jwksUri: "https://issuer.test/new"}]}"#
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    let input = findings.input;
    let root = &input.mesh.root_namespace;
    let mut seen: HashMap<(&str, &str), Vec<(&RequestAuthentication, &JwtRule)>> = HashMap::new();
    // Those of the root namespace first: they meet those of every other.
    let (mesh, others): (Vec<_>, Vec<_>) =
        input.resources.request_authentication.iter().partition(|policy| policy.meta.namespace == *root);
    for policy in mesh.into_iter().chain(others) {
        for (index, rule) in policy.rules.iter().enumerate() {
            let issuer = rule.issuer.text.as_str();
            if issuer.is_empty() || keys(rule).is_none() {
                continue;
            }
            let near = [policy.meta.namespace.as_str(), root];
            let known = near.iter().filter_map(|namespace| seen.get(&(*namespace, issuer))).flatten();
            let other = known
                .take(MOST)
                .filter(|(other, _)| other.meta.name != policy.meta.name || std::ptr::eq(*other, policy))
                .find(|(other, known)| keys(known) != keys(rule) && may_meet(&other.target, &policy.target));
            if let Some((other, first)) = other {
                let message =
                    format!("tokens of {issuer} are verified by other keys, too: those of either are taken");
                let (file, at) = (other.meta.file.clone(), first.at);
                findings
                    .at(
                        Policy::RequestAuthentication(policy),
                        rule.at,
                        format!("spec.jwtRules[{index}]"),
                        message,
                        "keep one rule for the issuer",
                    )
                    .beside(
                        &file,
                        at,
                        format!("the other rule, of {}/{}", other.meta.namespace, other.meta.name),
                    );
            }
            seen.entry((&policy.meta.namespace, issuer)).or_default().push((policy, rule));
        }
    }
}

/// As many rules of one issuer and namespace are compared with each other.
const MOST: usize = 50;

fn keys(rule: &JwtRule) -> Option<(Option<&str>, Option<&str>)> {
    let (set, uri) = (rule.jwks.as_ref(), rule.jwks_uri.as_ref());
    (set.is_some() || uri.is_some())
        .then_some((set.map(|text| text.text.as_str()), uri.map(|text| text.text.as_str())))
}
