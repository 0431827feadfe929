use crate::lint::{
    Example, Group, Lint,
    context::Known,
    walk::{Findings, Looks},
};
use gnomon_engine::{
    Severity,
    attach::Policy,
    resource::{Action, AuthorizationPolicy, Target},
};
use std::collections::HashSet;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "two-custom-providers",
    group: Group::Attachment,
    severity: Severity::Error,
    since: None,
    what: documented!("Two CUSTOM policies with different providers are for the same workloads."),
    why: documented!(
        "istiod takes one provider for each workload. With two of them it asks neither, and makes DENY \
        rules of both: what they match is refused."
    ),
    instead: documented!("Use one provider for a workload, which asks the other."),
    limits: documented!(
        "Seen are policies that both apply to a workload among the manifests, that have equal targets, or \
        of which one is for the whole namespace or mesh. With \
        PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS it is allowed."
    ),
    source: documented!("https://github.com/istio/istio/issues/55142"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(
                r#"{action: CUSTOM, provider: {name: keys}, rules: [{to: [{operation: {paths: ["/api/*"]}}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "name: q, namespace: shop",
                r#"{action: CUSTOM, provider: {name: oauth}, rules: [{to: [{operation: {paths: ["/web/*"]}}]}]}"#
            )
        ),
        good: concat!(
            policy!(
                r#"{action: CUSTOM, provider: {name: keys}, rules: [{to: [{operation: {paths: ["/api/*"]}}]}]}"#
            ),
            object!(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "name: q, namespace: shop",
                r#"{action: CUSTOM, provider: {name: keys}, rules: [{to: [{operation: {paths: ["/web/*"]}}]}]}"#
            )
        ),
        request: Some(
            "{workload: {namespace: shop}, mesh: {extensionProviders: [{name: keys, envoyExtAuthzHttp: \
            {service: keys.shop.svc.cluster.local, port: 80}}, {name: oauth, envoyExtAuthzHttp: {service: \
            oauth.shop.svc.cluster.local, port: 80}}]}, request: {path: /api/x, extAuthz: {keys: allow, \
            oauth: allow}}}",
        ),
    }),
    looks: Looks { policy: Some(policy), ..Looks::NOWHERE },
};

fn policy<'l>(findings: &mut Findings<'l>, policy: &'l AuthorizationPolicy) {
    let provider = |policy: &AuthorizationPolicy| policy.provider.as_ref().map(|text| text.text.clone());
    if policy.action != Action::Custom {
        return;
    }
    let context = findings.input.context;
    let own = provider(policy);
    let everybody = |target: &Target| matches!(target, Target::Namespace | Target::EmptySelector);
    let mut reached: Option<HashSet<*const Known<'l>>> = None;
    let mut together = |other: &'l AuthorizationPolicy| match (&policy.target, &other.target) {
        (one, other) if everybody(one) || everybody(other) => true,
        (Target::Selector(one), Target::Selector(other)) if one == other => true,
        (Target::Refs(one), Target::Refs(other)) => {
            one.iter().any(|one| other.iter().any(|other| one.kind == other.kind && one.name == other.name))
        }
        _ => {
            let own = reached.get_or_insert_with(|| {
                context.reached(Policy::Authorization(policy)).map(std::ptr::from_ref).collect()
            });
            context
                .reached(Policy::Authorization(other))
                .any(|known| own.contains(&std::ptr::from_ref(known)))
        }
    };
    let others = context
        .beside(&policy.meta, &policy.target)
        .filter(|other| other.action == Action::Custom && provider(other) != own);
    // The first one of each pair has it told already.
    let before = |other: &&AuthorizationPolicy| {
        (&other.meta.file, other.meta.at) < (&policy.meta.file, policy.meta.at)
    };
    let Some(other) = others.filter(before).find(|other| together(other)) else { return };
    let (one, two) = (own.unwrap_or_default(), provider(other).unwrap_or_default());
    let message = format!(
        "one workload has the providers `{two}` and `{one}`: neither is asked, and what their rules match is refused"
    );
    let at = policy.provider.as_ref().map_or(policy.meta.at, |text| text.at);
    findings
        .in_policy(policy, at, "spec.provider.name".to_owned(), message, "use one provider for a workload")
        .see(Policy::Authorization(other));
}
