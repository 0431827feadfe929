use super::is_told;
use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "path-in-methods",
    group: Group::Values,
    severity: Severity::Error,
    since: None,
    what: documented!("A path stands among `methods`."),
    why: documented!(
        "A gRPC call is an HTTP request with the method POST and the path `/package.Service/Method`. \
        Nothing is compared with the path but `paths`."
    ),
    instead: documented!("Put it into `paths`, and `POST` into `methods` or nothing."),
    limits: documented!("None."),
    source: documented!("https://github.com/istio/istio/issues/20479"),
    example: documented!(example: Example {
        bad: policy!(r#"{action: ALLOW, rules: [{to: [{operation: {methods: [/shop.Orders/List]}}]}]}"#),
        good: policy!(
            r#"{action: ALLOW, rules: [{to: [{operation: {paths: [/shop.Orders/List], methods: [POST]}}]}]}"#
        ),
        request: Some("{workload: {namespace: shop}, request: {method: POST, path: /shop.Orders/List}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Method {
        return;
    }
    let is_path = |text: &str| text.contains('/') && !is_told(values.attribute, text);
    for (index, text) in values.texts.iter().enumerate().filter(|(_, text)| is_path(&text.text)) {
        let message = format!("`{}` is a path, and no method: {}", text.text, values.void());
        findings.at_value(values, index, message, "put it into `paths`; the method of gRPC is always POST");
    }
}
