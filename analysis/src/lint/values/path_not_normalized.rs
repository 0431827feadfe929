use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{
    Attribute, Severity,
    path::{PathHandling, normalize},
    template::is_template,
};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "path-not-normalized",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A path is written as it never looks after normalization."),
    why: documented!(
        "Envoy normalizes the path of a request before rules see it: `.` and `..` are resolved, escapes \
        of plain letters decoded, `\\\\` becomes `/`, and where the mesh says so slashes are merged. \
        Values of rules are not normalized; one that would change can never match."
    ),
    instead: documented!("Write the normalized path."),
    limits: documented!(
        "Computed with the mesh's `pathNormalization`, by default BASE. Of a value with `*` only dot \
        segments and escapes that do not touch it are seen."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/normalization/"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: DENY, rules: [{to: [{operation: {paths: [/api/%61dmin]}}]}]}"#),
        good: policy!(r#"{action: DENY, rules: [{to: [{operation: {paths: [/api/admin]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: /api/admin}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Path {
        return;
    }
    let handling = PathHandling::from(findings.input.mesh.path_normalization);
    for (index, text) in values.texts.iter().enumerate() {
        let value = text.text.as_str();
        let plain = value.strip_suffix('*').unwrap_or(value);
        // What ends in a part of a segment may go on as something else.
        let open = plain.len() < value.len() && !plain.ends_with('/');
        if !plain.starts_with('/') || is_template(value) || plain.contains(['?', '#', '*']) || open {
            continue;
        }
        let Ok(normal) = normalize(plain.as_bytes(), &handling) else { continue };
        if *normal == *plain.as_bytes() {
            continue;
        }
        let normal = String::from_utf8_lossy(&normal);
        let star = if plain.len() < value.len() { "*" } else { "" };
        let message = format!("after normalization no path is `{value}`: {}", values.void());
        findings.at_value(values, index, message, format!("write `{normal}{star}`"));
    }
}
