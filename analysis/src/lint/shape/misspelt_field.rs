use super::cut_away::{self, Home};
use crate::lint::{
    Example, Group, Lint,
    finding::Edit,
    walk::{Findings, Looks},
};
use gnomon_engine::Severity;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "misspelt-field",
    group: Group::Shape,
    severity: Severity::Error,
    since: None,
    what: documented!("A field has a name that resembles the one that was meant."),
    why: documented!(
        "The API server cuts away what it does not know, and takes the rest: a rule loses the condition and \
        matches more, a policy loses its mode or its selector. `kubectl apply` warns or refuses; Helm, Argo CD \
        and Flux may not. The finding says what is left."
    ),
    instead: documented!("Write the name as the finding has it; capitals count."),
    limits: documented!(
        "Names that resemble no field are left to `unknown-field`. Of a policy that Istio refuses for what is \
        left it is a warning."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{rules: [{from: [{source: {namespaces: [web], notIPBlocks: [10.0.0.0/8]}}]}]}"#
        ),
        good: policy!(
            r#"{rules: [{from: [{source: {namespaces: [web], notIpBlocks: [10.0.0.0/8]}}]}]}"#
        ),
        request: Some(
            "{workload: {namespace: shop}, request: {source: {principal: cluster.local/ns/web/sa/a, ip: 10.1.1.1}}}",
        ),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    cut_away::each(findings, |findings, field| {
        if cut_away::home(field.kind, field.parent, field.key).is_some() {
            return;
        }
        let Some(meant) = cut_away::meant(field.kind, field.key) else { return };
        let Some(home) = cut_away::home(field.kind, field.parent, meant) else { return };
        let message =
            format!("`{}` is cut away, since no field is called so{}", field.key, field.left(meant));
        let finding = findings.at_place(field.read, message, home.advice());
        // On its own level the name alone is wrong.
        if matches!(&home, Home::At(level, _) if level == field.parent) {
            finding.fix.push(Edit {
                file: field.read.file.clone(),
                at: field.read.at,
                old: field.key.to_owned(),
                new: vec![meant.to_owned()],
                goes: Default::default(),
            });
        }
        if field.is_refused() {
            finding.severity(Severity::Warning);
        }
    });
}
