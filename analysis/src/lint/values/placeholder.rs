use super::is_placeholder;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{
    Position, Severity,
    attach::Policy,
    resource::{JwtRule, RequestAuthentication},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "placeholder",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("A value is a placeholder that nobody has filled in."),
    why: documented!(
        "Istio takes `${NAMESPACE}`, `{{ .Values.issuer }}`, `<tenant>` or `CHANGE_ME` for the text that it is, and \
        nothing equals it."
    ),
    instead: documented!(
        "Write the value; where a tool fills it in, lint what the tool prints (`helm template`, `kustomize build`, \
        `envsubst`, `flux build`)."
    ),
    limits: documented!(
        "Only the forms above, `$(NAME)`, `__NAME__`, `@NAME@` and words such as `PATCH_ME` and `YOUR_…`."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{from: [{source: {namespaces: ["${NAMESPACE}"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{from: [{source: {namespaces: [web]}}]}]}"#),
        request: Some(
            "{workload: {namespace: shop}, request: {source: {principal: cluster.local/ns/web/sa/a}}}",
        ),
    }),
    looks: Looks { values: Some(values), tokens: Some(tokens), ..Looks::NOWHERE },
};

const HELP: &str = "write the value, or lint what the tool prints that fills it in";

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    for (index, text) in values.texts.iter().enumerate().filter(|(_, text)| is_placeholder(&text.text)) {
        let message =
            format!("`{}` is a placeholder, and stands for itself as long as nobody fills it in", text.text);
        findings.at_value(values, index, message, HELP);
    }
}

fn tokens(findings: &mut Findings<'_>, policy: &RequestAuthentication, rule: &JwtRule, index: usize) {
    let uri = rule.jwks_uri.as_ref();
    let fields = [Some(("issuer", &rule.issuer)), uri.map(|uri| ("jwksUri", uri))];
    for (name, text) in fields.into_iter().flatten().filter(|(_, text)| is_placeholder(&text.text)) {
        let message =
            format!("`{}` is a placeholder: no token is taken until somebody fills it in", text.text);
        let at = if text.at == Position::default() { rule.at } else { text.at };
        findings.at(
            Policy::RequestAuthentication(policy),
            at,
            format!("spec.jwtRules[{index}].{name}"),
            message,
            HELP,
        );
    }
}
