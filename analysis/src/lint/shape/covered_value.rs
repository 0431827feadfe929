use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Severity, attribute::Kind, pattern::Pattern, resource::Text, template::is_template};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "covered-value",
    group: Group::Shape,
    severity: Severity::Hint,
    since: None,
    what: documented!("A value is covered by another one of its list."),
    why: documented!(
        "The wildcard beside it means it, too. Whoever removes the value one day changes nothing, and may \
        think otherwise."
    ),
    instead: documented!("Remove it, or make the wildcard narrower."),
    limits: documented!("Of lists with more than a hundred values only a lone `*` is looked for."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/api/*", /api/orders]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/api/*"]}}]}]}"#),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const MOST: usize = 100;

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if !matches!(
        values.attribute.row().kind,
        Kind::Text | Kind::Header | Kind::Host | Kind::Path | Kind::Principal | Kind::Claim
    ) {
        return;
    }
    // A star in a list of its own, or no star at all, covers nothing.
    if values.texts.len() < 2 || !values.texts.iter().any(|text| text.text.contains('*')) {
        return;
    }
    let few = values.texts.len() <= MOST;
    for (index, text) in values.texts.iter().enumerate() {
        let wider = |(number, other): &(usize, &Text)| {
            *number != index && (few || other.text == "*") && covers(&other.text, &text.text)
        };
        let Some((_, other)) = values.texts.iter().enumerate().find(wider) else { continue };
        let message = format!("`{}` means all that `{}` does", other.text, text.text);
        findings.at_value(values, index, message, "remove the narrower one, or make the other narrower");
    }
}

/// All that the second value matches the first one does, and more.
fn covers(wide: &str, narrow: &str) -> bool {
    if wide == narrow || is_template(wide) || is_template(narrow) {
        return false;
    }
    // What the narrow one is sure to begin and end with.
    let begins = narrow.strip_suffix('*').unwrap_or(narrow).as_bytes();
    let ends = narrow.strip_prefix('*').unwrap_or(narrow).as_bytes();
    match Pattern::parse(wide) {
        Pattern::Prefix(prefix) => !narrow.starts_with('*') && begins.starts_with(&prefix),
        Pattern::Suffix(suffix) => {
            (narrow.starts_with('*') || !narrow.ends_with('*')) && ends.ends_with(&suffix)
        }
        _ => wide == "*",
    }
}
