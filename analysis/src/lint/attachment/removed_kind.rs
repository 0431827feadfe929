use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::Severity;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "removed-kind",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("An object is of a kind that Istio does not have any more."),
    why: documented!(
        "ServiceRole, ServiceRoleBinding, ClusterRbacConfig and the Policy and MeshPolicy of \
        `authentication.istio.io` went with Istio 1.6. Nothing reads them: what they refused is open."
    ),
    instead: documented!("Write AuthorizationPolicy, RequestAuthentication and PeerAuthentication."),
    limits: documented!("None."),
    source: documented!("https://istio.io/latest/news/releases/1.6.x/announcing-1.6/change-notes/"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "rbac.istio.io/v1alpha1",
                "ServiceRole",
                "name: r, namespace: shop",
                r#"{rules: [{services: ["*"]}]}"#
            )
        ),
        good: concat!(policy!(r#"{rules: [{from: [{source: {namespaces: [web]}}]}]}"#)),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    for (meta, kind) in &findings.input.inventory.removed {
        let now = match kind.as_str() {
            "Policy" | "MeshPolicy" => "PeerAuthentication and RequestAuthentication",
            _ => "AuthorizationPolicy",
        };
        let message = format!("Istio has no {kind} any more, and nothing reads this");
        findings.in_object((kind, meta), meta.at, "kind", message, format!("write {now}"));
    }
}
