use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "cookie-value",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("A condition on the header `cookie` compares the whole of it."),
    why: documented!(
        "All cookies of a request stand in one header, in an order that the client chooses. A value, or \
        one with `*` behind, is met only where that cookie is the first or the only one; clients can \
        always put another in front."
    ),
    instead: documented!(
        "Let an external authorizer or a token decide; RequestAuthentication reads tokens out of cookies \
        (`fromCookies`)."
    ),
    limits: documented!("A lone `*`, for any cookies at all, is not reported."),
    source: documented!("https://github.com/istio/istio/issues/52557"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.headers[cookie]", values: ["session=admin*"]}]}]}"#
        ),
        good: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.headers[cookie]", values: ["*"]}]}]}"#
        ),
        request: Some("{workload: {namespace: shop}, request: {headers: {cookie: \"a=b; session=admin\"}}}"),
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Header
        || !values.bracketed().is_some_and(|name| name.eq_ignore_ascii_case("cookie"))
    {
        return;
    }
    for (index, text) in values.texts.iter().enumerate().filter(|(_, text)| text.text != "*") {
        let message = format!(
            "all cookies are one text in the client's order, and `{}` is compared with the whole",
            text.text
        );
        findings.at_value(
            values,
            index,
            message,
            "read a token out of the cookie (`fromCookies`), or ask an external authorizer",
        );
    }
}
