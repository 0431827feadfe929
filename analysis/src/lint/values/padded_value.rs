use super::has_no_space;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::Severity;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "padded-value",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A value begins or ends with a space or a line break."),
    why: documented!(
        "Values are compared as they stand. Methods, paths, hosts and identities have no spaces, and HTTP takes them \
        away around the value of a header. A block scalar (`|`) ends with a line break."
    ),
    instead: documented!("Take it away; of a block scalar write the text on the line of the dash."),
    limits: documented!("Claims and other texts can have spaces: there it is a warning."),
    source: documented!("https://istio.io/latest/docs/reference/config/security/authorization-policy/"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: ["GET "]}}]}]}"#),
        good: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: ["GET"]}}]}]}"#),
        request: Some("{workload: {namespace: shop}, request: {method: GET}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    for (index, text) in values.texts.iter().enumerate() {
        let bare = text.text.trim();
        if bare == text.text {
            continue;
        }
        let certain = has_no_space(values.attribute);
        let message = match certain {
            true => format!("{:?} is compared with its spaces: {}", text.text, values.void()),
            false => format!("{:?} is compared with its spaces", text.text),
        };
        let found = findings.at_value(values, index, message, format!("write `{bare}`"));
        if !certain {
            found.severity(Severity::Warning);
        }
        if !bare.is_empty() {
            found.replace(values.policy, text, &[bare]);
        }
    }
}
