use super::cut_away::{self, Home};
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::Severity;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "misplaced-field",
    group: Group::Shape,
    severity: Severity::Error,
    since: None,
    what: documented!("A field stands on another level than the one that it belongs to."),
    why: documented!(
        "The API server cuts away what it does not know on a level, and takes the rest: a rule loses the \
        condition and matches more, a policy loses its rules and matches nothing, or its selector and applies \
        to the whole namespace. `kubectl apply` warns or refuses; Helm, Argo CD and Flux may not. The finding says \
        what is left."
    ),
    instead: documented!(
        "Move it to the level that the finding names; mostly it is a matter of indentation."
    ),
    limits: documented!(
        "Names that no level has are left to `misspelt-field` and `unknown-field`. Of a policy that Istio refuses for what is left it is a warning."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{rules: [{to: [{operation: {methods: [GET]}, when: [{key: "request.headers[x-team]", values: [shop]}]}]}]}"#
        ),
        good: policy!(
            r#"{rules: [{to: [{operation: {methods: [GET]}}], when: [{key: "request.headers[x-team]", values: [shop]}]}]}"#
        ),
        request: Some("{workload: {namespace: shop}, request: {method: GET}}"),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    cut_away::each(findings, |findings, field| {
        let Some(home) = cut_away::home(field.kind, field.parent, field.key) else { return };
        let level = if field.parent.is_empty() { "the top level" } else { field.parent };
        let message = format!(
            "`{}` is cut away, since it does not belong to {level}{}",
            field.key,
            field.left(field.key)
        );
        let finding = findings.at_place(field.read, message, home.advice());
        if matches!(&home, Home::At(level, _) if level == "metadata") || field.is_refused() {
            finding.severity(Severity::Warning);
        }
    });
}
