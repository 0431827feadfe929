use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "unknown-service-account",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("An identity names a service account that its namespace does not have."),
    why: documented!(
        "No workload runs as that account, so that nobody has the identity. Often it is the name of a \
        Deployment or Service, or `default` is missing."
    ),
    instead: documented!(
        "Write an account that workloads run as: `serviceAccountName` of their Pods, `default` where they \
        name none."
    ),
    limits: documented!(
        "Only for namespaces of which an account beside `default` is among the manifests, as an object \
        or of a workload; what runs elsewhere is not known."
    ),
    source: documented!(
        "https://istio.io/latest/docs/reference/config/security/authorization-policy/#Source"
    ),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}"#),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                "{template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web-runner}}}"
            )
        ),
        good: concat!(
            policy!(r#"{rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web-runner]}}]}]}"#),
            object!(
                "apps/v1",
                "Deployment",
                "name: web, namespace: shop",
                "{template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web-runner}}}"
            )
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    for (index, text) in values.texts.iter().enumerate() {
        let parts: Vec<&str> = text.text.split('/').collect();
        let (namespace, account) = match (values.attribute, parts.as_slice()) {
            (Attribute::Principal, [_, "ns", namespace, "sa", account]) => (*namespace, *account),
            (Attribute::ServiceAccount, [namespace, account]) => (*namespace, *account),
            (Attribute::ServiceAccount, [account]) => (values.policy.meta.namespace.as_str(), *account),
            (Attribute::Principal | Attribute::ServiceAccount, _) => continue,
            _ => return,
        };
        if account.contains('*') || namespace.contains('*') {
            continue;
        }
        let Some(accounts) = findings.input.context.accounts.get(namespace) else { continue };
        // The token controller makes one of this name everywhere.
        let elsewhere = |namespace: &str| {
            findings.input.context.accounts.get(namespace).is_some_and(|accounts| accounts.contains(account))
        };
        // Manifests that leave their namespace out get it from whoever applies them.
        let told = accounts.iter().any(|account| *account != "default");
        if accounts.contains(account) || account == "default" || !told || elsewhere("default") {
            continue;
        }
        let mut known: Vec<&str> = accounts.iter().copied().collect();
        known.sort_unstable();
        known.truncate(5);
        let message =
            format!("nothing among the manifests runs as the account `{account}` in namespace {namespace}");
        findings.at_value(values, index, message, format!("known there: {}", known.join(", ")));
    }
}
