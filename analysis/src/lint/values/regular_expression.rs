use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, attribute::Kind};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "regular-expression",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A value is written as a regular expression."),
    why: documented!(
        "No field takes one. `.*`, `^`, `$`, `|` and brackets are characters like any other, but for a \
        `*` at one end: `/api/.*` means paths that begin with `/api/.`."
    ),
    instead: documented!("Use a `*` at one end, a path template, or list the values."),
    limits: documented!(
        "Only what no plain value has is taken for one: `.*` or `.+`, `^` in front, `$` behind a slash or \
        star, `\\\\d`, groups with `|`. In headers and claims it is a warning."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/#Rule"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/api/.*"]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {paths: ["/api/*"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {path: /api/orders}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const MARKS: [&str; 8] = [".*", ".+", "\\d", "\\w", "\\.", "[a-z", "[0-9", "[^"];

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let certain = match values.attribute.row().kind {
        Kind::Host | Kind::Path | Kind::Principal | Kind::Namespace => true,
        Kind::Header | Kind::Text | Kind::Claim | Kind::RequestPrincipal => {
            values.attribute == Attribute::Method
        }
        _ => return,
    };
    for (index, text) in values.texts.iter().enumerate() {
        let value = text.text.as_str();
        // `*.*.com` is a star too many, and told so.
        let own = value.trim_start_matches('*');
        let marked = MARKS.iter().find(|mark| own.contains(**mark)).copied();
        let star = own.len() < value.len() && own.starts_with(".*.");
        let marked = marked.filter(|mark| *mark != ".*" || !star);
        let group = || (value.contains('(') && value.contains('|') && value.contains(')')).then_some("|");
        let start = || value.starts_with('^').then_some("^");
        let end = || (value.len() > 1 && value.ends_with('$')).then_some("$");
        let Some(mark) = marked.or_else(start).or_else(group).or_else(end) else { continue };
        let message = format!(
            "`{value}` is compared as it stands: Istio takes no regular expressions, and `{mark}` is text"
        );
        let help = "use a `*` at one end, in paths a template (`/v1/{*}`), or list the values";
        let found = findings.at_value(values, index, message, help);
        if !certain {
            found.severity(Severity::Warning);
        }
    }
}
