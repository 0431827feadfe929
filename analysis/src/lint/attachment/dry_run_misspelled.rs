use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::Severity;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "dry-run-misspelled",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("A policy has a key that is almost the annotation for dry runs."),
    why: documented!(
        "Only the annotation `istio.io/dry-run` makes a dry run. Under another name, or among the labels, \
        it is ignored, and the policy is enforced."
    ),
    instead: documented!("Write `istio.io/dry-run: \"true\"` under `metadata.annotations`."),
    limits: documented!("Keys that end in `dryrun` without regard to case and punctuation."),
    source: documented!("https://istio.io/latest/docs/tasks/security/authorization/authz-dry-run/"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "name: p, namespace: shop, annotations: {istio.io/dryrun: 'true'}",
                "{action: DENY, rules: [{}]}"
            )
        ),
        good: concat!(
            "",
            object!(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "name: p, namespace: shop, annotations: {istio.io/dry-run: 'true'}",
                "{action: DENY, rules: [{}]}"
            )
        ),
        request: Some("{workload: {namespace: shop}, request: {}}"),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    for (meta, key, path) in &findings.input.inventory.almost_dry {
        let message = format!("`{key}` is no annotation that Istio knows: the policy is enforced");
        let help = "write `istio.io/dry-run: \"true\"` under `metadata.annotations`";
        findings.in_object(("AuthorizationPolicy", meta), meta.at, *path, message, help);
    }
}
