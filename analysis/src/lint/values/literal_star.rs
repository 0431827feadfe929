use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity, attribute::Kind, pattern::Pattern, template::is_template};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "literal-star",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A value has a `*` in the middle, or one at both ends."),
    why: documented!(
        "A `*` is a wildcard alone, at the start or at the end of a value, and in one place only: `*foo*` \
        means what ends with the characters `foo*`, and `a*b` is compared letter by letter. No host, \
        method or identity has a `*` in it, and hardly a path or header."
    ),
    instead: documented!(
        "Use one star at one end, or list the values; in paths a template such as `/v1/{*}/items` or \
        `/files/{**}`."
    ),
    limits: documented!(
        "Paths, headers, claims and other texts can hold a `*` of their own: there it is a warning. In \
        namespaces every `*` is a wildcard; request principals have a lint of their own. Istio before \
        1.28.7 made regular expressions of identities with a leading star, in which a second one meant \
        something else."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/#Rule"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {hosts: ["*.shop.test:*"]}}]}]}"#),
        good: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {hosts: ["*.shop.test", "*.shop.test:443"]}}]}]}"#
        ),
        request: Some("{workload: {namespace: shop}, request: {host: \"a.shop.test:443\"}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    let certain = match values.attribute.row().kind {
        Kind::Host | Kind::Principal => true,
        Kind::Header if values.attribute == Attribute::Method => true,
        Kind::Text | Kind::Header | Kind::Path | Kind::Claim => false,
        _ => return,
    };
    for (index, text) in values.texts.iter().enumerate() {
        let value = text.text.as_str();
        let rest = match value.strip_prefix('*') {
            Some(rest) => rest,
            None => value.strip_suffix('*').unwrap_or(value),
        };
        if !rest.contains('*') || is_template(value) || rest == ".*" {
            continue;
        }
        let means = match Pattern::parse(value) {
            Pattern::Suffix(_) => format!("ends with the characters `{rest}`"),
            Pattern::Prefix(_) => format!("begins with the characters `{rest}`"),
            _ => "is this text, letter by letter".to_owned(),
        };
        let message = format!("`{value}` means what {means}: only one `*`, at one end, is a wildcard");
        let help = "use one star at one end, or list the values";
        // `/a/**` says what `/a/*` says.
        let one = value.trim_end_matches('*');
        let several = !one.is_empty() && !one.contains('*') && value.len() > one.len() + 1;
        let one = format!("{one}*");
        let found = match several {
            true => {
                let found = findings.at_value(values, index, message, format!("write `{one}`"));
                found.replace(values.policy, text, &[&one])
            }
            false => findings.at_value(values, index, message, help),
        };
        if !certain {
            found.severity(Severity::Warning);
        }
    }
}
