use crate::lint::{
    Example, Group, Lint,
    gateways::is_for_gateway,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "unknown-trust-domain",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("A principal or trust domain is not of this mesh."),
    why: documented!(
        "A handshake succeeds only with certificates of the mesh's trust domain, its aliases and the \
        domains of further authorities. An identity of another one is never seen."
    ),
    instead: documented!(
        "Write the mesh's trust domain, or `cluster.local`, which stands for it; or add an alias to the \
        mesh."
    ),
    limits: documented!(
        "Only where the mesh's settings are given or among the manifests. Domains that `caCertificates` \
        bring are not read. Policies for gateways are left alone: there clients may have certificates of \
        their own."
    ),
    source: documented!("https://istio.io/latest/docs/tasks/security/authorization/authz-td-migration/"),
    example: documented!(example: Example {
        bad: concat!(
            policy!(r#"{rules: [{from: [{source: {principals: [old.test/ns/web/sa/web]}}]}]}"#),
            object!(
                "v1",
                "ConfigMap",
                "name: istio, namespace: istio-system",
                "{}\ndata: {mesh: 'trustDomain: new.test'}"
            )
        ),
        good: concat!(
            policy!(r#"{rules: [{from: [{source: {principals: [new.test/ns/web/sa/web]}}]}]}"#),
            object!(
                "v1",
                "ConfigMap",
                "name: istio, namespace: istio-system",
                "{}\ndata: {mesh: 'trustDomain: new.test'}"
            )
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let input = findings.input;
    if !input.mesh_is_known || is_for_gateway(values.policy, input.inventory) {
        return;
    }
    let mesh = input.mesh;
    for (index, text) in values.texts.iter().enumerate() {
        let domain = match values.attribute {
            Attribute::Principal => match text.text.split_once('/') {
                Some((domain, _)) => domain,
                None => continue,
            },
            Attribute::TrustDomain => text.text.as_str(),
            _ => return,
        };
        let pointer = values.attribute == Attribute::Principal && domain == "cluster.local";
        let known =
            domain == mesh.trust_domain || mesh.trust_domain_aliases.iter().any(|alias| alias == domain);
        if domain.is_empty()
            || domain.contains('*')
            || pointer
            || known
            || ["ns", "spiffe:"].contains(&domain)
        {
            continue;
        }
        let message =
            format!("`{domain}` is neither the mesh's trust domain {} nor an alias of it", mesh.trust_domain);
        findings.at_value(values, index, message, format!("write `{}`", mesh.trust_domain));
    }
}
