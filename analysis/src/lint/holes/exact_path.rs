use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, resource::Text};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "exact-path",
    group: Group::Holes,
    severity: Severity::Warning,
    since: None,
    what: documented!(
        "A DENY rule names a path without what lies below it, or an ALLOW rule excepts one so."
    ),
    why: documented!(
        "`/admin` is not `/admin/` and not `/admin/users`. Many applications serve the first two alike, \
        and what is below a closed path is mostly to be closed, too."
    ),
    instead: documented!("List `/admin` and `/admin/*`."),
    limits: documented!(
        "Paths whose last part has a dot (files) are left alone. Of paths that are known to have nothing \
        below them (`/metrics`, `/healthz`) it is a hint."
    ),
    source: documented!("https://istio.io/latest/docs/ops/best-practices/security/#authorization-policies"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}"#),
        good: policy!(r#"{action: DENY, rules: [{to: [{operation: {paths: [/admin, "/admin/*"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: /admin/users}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const LEAVES: [&str; 8] = ["/metrics", "/health", "/ready", "/live", "/ping", "/version", "/stats", "/debug"];

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Path || !values.guards() {
        return;
    }
    for (index, text) in values.texts.iter().enumerate() {
        let path = text.text.trim_end_matches('/');
        let exact = path.starts_with('/') && !path.contains(['*', '{', '?', '#']);
        let file = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
        if !exact || path.len() < 2 || file {
            continue;
        }
        let slashed = format!("{path}/");
        let below = |other: &Text| match other.text.strip_suffix('*') {
            Some(prefix) => slashed.starts_with(prefix),
            None => other.text.starts_with(&slashed) && other.text.ends_with("{**}"),
        };
        if values.texts.iter().any(below) {
            continue;
        }
        let other = if text.text == path { &slashed } else { path };
        let message = format!("`{}` does not mean `{other}` nor what is below it", text.text);
        let all = format!("{slashed}*");
        let help = format!("list `{path}` and `{all}`");
        let found = findings.at_value(values, index, message, help);
        if LEAVES.iter().any(|leaf| path.starts_with(leaf)) {
            found.severity(Severity::Hint);
        }
        found.replace(values.policy, text, &[path, &all]);
    }
}
