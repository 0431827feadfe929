use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, workload::PathNormalization};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "paths-not-normalized-by-mesh",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("A DENY rule names paths, and the mesh does not normalize them."),
    why: documented!(
        "With `pathNormalization: NONE` `/admin/./` and `/%61dmin` reach rules as they are sent, and get \
        past; the application resolves them."
    ),
    instead: documented!(
        "Set `meshConfig.pathNormalization` to BASE or more, or allow paths in place of denying them."
    ),
    limits: documented!("Only where the mesh's settings are given or among the manifests."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/normalization/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{action: DENY, rules: [{to: [{operation: {paths: [/admin, "/admin/*"]}}]}]}"#),
            object!(
                "v1",
                "ConfigMap",
                "name: istio, namespace: istio-system",
                "{}\ndata: {mesh: 'pathNormalization: {normalization: NONE}'}"
            )
        ),
        good: concat!(
            policy!(r#"{action: DENY, rules: [{to: [{operation: {paths: [/admin, "/admin/*"]}}]}]}"#),
            object!(
                "v1",
                "ConfigMap",
                "name: istio, namespace: istio-system",
                "{}\ndata: {mesh: 'pathNormalization: {normalization: BASE}'}"
            )
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let input = findings.input;
    let none = input.mesh_is_known && input.mesh.path_normalization == PathNormalization::None;
    if values.attribute != Attribute::Path || !values.guards() || !none {
        return;
    }
    let Some(first) = values.texts.first() else { return };
    let message = "the mesh does not normalize paths: `/x/../admin` and `/%61dmin` get past".to_owned();
    findings.in_policy(
        values.policy,
        first.at,
        values.field(),
        message,
        "set `pathNormalization` to BASE or more",
    );
}
