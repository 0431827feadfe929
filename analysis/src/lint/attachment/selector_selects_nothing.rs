use crate::lint::{
    Example, Group, Lint,
    gateways::targets_gateway,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{AuthorizationPolicy, Labels, Meta, PeerAuthentication, RequestAuthentication, Target},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "selector-selects-nothing",
    group: Group::Attachment,
    severity: Severity::Warning,
    since: None,
    what: documented!("A selector selects none of the workloads of its namespace."),
    why: documented!(
        "Labels are compared exactly, and have to be those of the Pods, not of the Deployment or Service. \
        The policy is taken and applies to nothing."
    ),
    instead: documented!("Write labels that the Pods' templates have."),
    limits: documented!(
        "Only where workloads of that namespace are among the manifests; one that is deployed from \
        elsewhere is not known, so that it is a hint unless a label there is almost the one that is \
        selected. Silent for the root namespace, for labels of gateways, which are mostly installed \
        apart, and where workloads without a namespace of their own have the labels."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/analysis/ist0127/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: wbe}}, rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            )
        ),
        good: concat!(
            policy!(
                r#"{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {namespaces: [web]}}]}]}"#
            ),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                r#"{template: {metadata: {labels: {app: web}}, spec: {}}}"#
            )
        ),
        request: Some("{workload: {namespace: shop, labels: {app: web}}, request: {}}"),
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all<'l>(findings: &mut Findings<'l>) {
    let input = findings.input;
    for policy in Policy::all(input.resources) {
        let labels = match policy {
            Policy::Authorization(AuthorizationPolicy { target: Target::Selector(labels), .. })
            | Policy::RequestAuthentication(RequestAuthentication {
                target: Target::Selector(labels), ..
            })
            | Policy::PeerAuthentication(PeerAuthentication { selector: Some(labels), .. }) => labels,
            _ => continue,
        };
        let meta = policy.meta();
        let target = Target::Selector(labels.clone());
        if labels.is_empty()
            || meta.namespace == input.mesh.root_namespace
            || targets_gateway(&target, input.inventory)
        {
            continue;
        }
        if input.context.meant(meta, &target).next().is_some()
            || input.context.unproxied(meta, labels).is_some()
        {
            continue;
        }
        // The one with the most of the labels.
        let near = input.context.near(&meta.namespace).max_by_key(|known| {
            let own = &known.candidate.workload.labels;
            labels
                .iter()
                .map(|(key, value)| own.iter().filter(|(k, v)| k == key && v == value).count())
                .sum::<usize>()
        });
        let Some(near) = near else { continue };
        // Manifests that leave their namespace out get it from whoever applies them.
        let moved = Meta { namespace: "default".into(), ..meta.clone() };
        if input.context.meant(&moved, &target).next().is_some() {
            continue;
        }
        // What is spelled almost so is what was meant.
        let like =
            input.context.near(&meta.namespace).find(|known| alike(labels, &known.candidate.workload.labels));
        let near = like.unwrap_or(near);
        let (workload, wants) = (&near.candidate.workload, written(labels));
        let message =
            format!("none of the workloads of {} among the manifests has the labels {wants}", meta.namespace);
        let help = format!("{} has {}", workload.name, written(&workload.labels));
        let (kind, origin) = (near.candidate.kind, near.candidate.meta);
        let found = findings.at(policy, meta.at, "spec.selector", message, help).see_object(kind, origin);
        if like.is_none() {
            found.severity(Severity::Hint);
        }
    }
}

/// One of the labels is there with another key, or with a value that differs by a letter or two.
fn alike(wanted: &Labels, own: &Labels) -> bool {
    wanted.iter().any(|(key, value)| {
        own.iter().any(|(k, v)| (v == value && k != key) || (k == key && is_near(value, v)))
    })
}

/// A common beginning and end, and at most two letters of either in between.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let start = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (one, other) = (one.iter().skip(start).rev(), other.iter().skip(start).rev());
    let end = one.clone().zip(other.clone()).take_while(|(a, b)| a == b).count();
    let differ = one.len().max(other.len()) - end;
    differ <= 2 && start + end > 0
}

fn written(labels: &Labels) -> String {
    let all: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    all.join(", ")
}
