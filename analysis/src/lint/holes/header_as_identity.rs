use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{
    Attribute, Severity,
    attribute::{Kind, Part},
    resource::{Action, JwtRule},
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "header-as-identity",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!("An ALLOW rule takes a header that clients can set for who they are."),
    why: documented!(
        "Whoever reaches the workload can send `x-user: admin`. The header is worth something only where \
        all clients come through a proxy that overwrites it, and the rule asks for that proxy."
    ),
    instead: documented!(
        "Ask for the identity of the proxy that sets it in the same rule (`principals`), or for the \
        verified token's claims."
    ),
    limits: documented!(
        "Headers whose names speak of users, roles, groups or tenants. Silent where the rule asks for an \
        identity or a token, where a RequestAuthentication writes the header (clients' copies are \
        removed), and where a CUSTOM policy may set it."
    ),
    source: documented!("https://istio.io/latest/docs/ops/best-practices/security/"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.headers[x-user-role]", values: [admin]}]}]}"#
        ),
        good: policy!(
            r#"{rules: [{from: [{source: {principals: [cluster.local/ns/istio-system/sa/gateway]}}], when: [{key: "request.headers[x-user-role]", values: [admin]}]}]}"#
        ),
        request: Some(
            "{workload: {namespace: shop}, request: {headers: {x-user-role: admin}, source: {principal: \
            cluster.local/ns/web/sa/a}}}",
        ),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const WORDS: [&str; 11] = [
    "user",
    "role",
    "group",
    "email",
    "tenant",
    "identity",
    "subject",
    "admin",
    "principal",
    "authenticated",
    "username",
];

fn values<'l>(findings: &mut Findings<'l>, values: &ValuesAt<'l>) {
    let ValuesAt { policy, of, .. } = *values;
    if values.attribute != Attribute::Header || values.negated || policy.action != Action::Allow {
        return;
    }
    let name = values.bracketed().unwrap_or_default().to_ascii_lowercase();
    let word = |part: &str| WORDS.contains(&part.trim_end_matches('s'));
    if name == "user-agent" || !name.split(['-', '_']).any(word) {
        return;
    }
    let vouches = |attribute: Attribute| {
        attribute.row().kind != Kind::Header && matches!(attribute.row().part, Part::Source)
    };
    let from = !of.from.is_empty()
        && of
            .from
            .iter()
            .all(|set| set.iter().any(|(attribute, found)| vouches(attribute) && !found.values.is_empty()));
    let when = of.when.iter().any(|when| {
        !when.values.values.is_empty()
            && Attribute::of_key(&when.key.text).is_some_and(|(attribute, _)| vouches(attribute))
    });
    let context = findings.input.context;
    let writes = |rule: &JwtRule| {
        rule.output_claim_to_headers.iter().any(|output| output.header.eq_ignore_ascii_case(&name))
            || rule.output_payload_to_header.as_ref().is_some_and(|header| header.eq_ignore_ascii_case(&name))
    };
    let sanitized =
        || context.token_rules(&policy.meta, &policy.target).any(|tokens| tokens.rules.iter().any(writes));
    let asked = || context.beside(&policy.meta, &policy.target).any(|other| other.action == Action::Custom);
    if from || when || sanitized() || asked() {
        return;
    }
    let Some(first) = values.texts.first() else { return };
    let message = format!("every client can send `{name}`, and pass for whom it likes");
    let help = "ask for the proxy that sets it (`principals`) in the same rule, or for the token's claims";
    findings.in_policy(policy, first.at, values.field(), message, help);
}
