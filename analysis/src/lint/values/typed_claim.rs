use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks, ValuesAt},
};
use gnomon_engine::{Attribute, Severity};

pub(in crate::lint) const LINT: Lint = Lint {
    code: "typed-claim",
    group: Group::Values,
    severity: Severity::Warning,
    since: None,
    what: documented!("A claim is compared with `true`, `false` or a number."),
    why: documented!(
        "Only claims that are strings, or lists of strings, can match. A claim that the token holds as a \
        boolean or a number never does, not even for `*`; a `notValues` of it is always met."
    ),
    instead: documented!("Have the issuer write the claim as a string, or ask an external authorizer."),
    limits: documented!(
        "Whether the issuer writes a string is not known; of the claims that the standards define as \
        numbers or booleans it is, and there it is an error."
    ),
    source: documented!("https://github.com/istio/istio/issues/39703"),
    example: documented!(example: Example {
        bad: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.auth.claims[email_verified]", values: ["true"]}]}]}"#
        ),
        good: policy!(
            r#"{action: ALLOW, rules: [{when: [{key: "request.auth.claims[groups]", values: [verified]}]}]}"#
        ),
        request: None,
    }),
    looks: Looks { values: Some(values), ..Looks::NOWHERE },
};

const NEVER_TEXT: [&str; 6] = ["exp", "iat", "nbf", "auth_time", "email_verified", "phone_number_verified"];

fn values(findings: &mut Findings<'_>, values: &ValuesAt<'_>) {
    if values.attribute != Attribute::Claim {
        return;
    }
    let name = values.bracketed().unwrap_or_default().to_owned();
    for (index, text) in values.texts.iter().enumerate() {
        let number = text.text.parse::<f64>().is_ok()
            && text.text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let boolean = matches!(text.text.as_str(), "true" | "false");
        let certain = NEVER_TEXT.contains(&name.as_str());
        if !number && !boolean && !certain {
            continue;
        }
        let kind = if number {
            "number"
        } else if boolean {
            "boolean"
        } else {
            "number or boolean"
        };
        let message = match certain {
            true => format!(
                "`{name}` is no string in a token, and Istio compares strings alone: {}",
                values.void()
            ),
            false => format!("a claim `{name}` that is a {kind} never matches: Istio compares strings alone"),
        };
        let help = "have the issuer write it as a string, or ask an external authorizer";
        let found = findings.at_value(values, index, message, help);
        if certain {
            found.severity(Severity::Error);
        }
    }
}
