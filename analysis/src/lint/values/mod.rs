//! Values that match nothing, or not what they seem to.

pub(in crate::lint) mod cidr_in_header;
pub(in crate::lint) mod cookie_value;
pub(in crate::lint) mod dotted_claim;
pub(in crate::lint) mod every_namespace;
pub(in crate::lint) mod host_bits;
pub(in crate::lint) mod list_in_value;
pub(in crate::lint) mod literal_star;
pub(in crate::lint) mod malformed_key;
pub(in crate::lint) mod mapped_address;
pub(in crate::lint) mod method_case;
pub(in crate::lint) mod namespace_shape;
pub(in crate::lint) mod negated_value;
pub(in crate::lint) mod padded_value;
pub(in crate::lint) mod path_in_methods;
pub(in crate::lint) mod path_not_normalized;
pub(in crate::lint) mod path_parameter;
pub(in crate::lint) mod path_without_slash;
pub(in crate::lint) mod placeholder;
pub(in crate::lint) mod port_zero;
pub(in crate::lint) mod principal_shape;
pub(in crate::lint) mod query_in_path;
pub(in crate::lint) mod regular_expression;
pub(in crate::lint) mod request_principal_shape;
pub(in crate::lint) mod spiffe_prefix;
pub(in crate::lint) mod typed_claim;
pub(in crate::lint) mod unknown_method;
pub(in crate::lint) mod unknown_namespace;
#[cfg(feature = "neighbours")]
pub(in crate::lint) mod unknown_service_account;
pub(in crate::lint) mod unknown_trust_domain;
pub(in crate::lint) mod url_in_hosts;

use gnomon_engine::{Attribute, attribute::Kind};

/// Nothing that it is compared with has a space at an end, or a `!` in front.
fn has_no_space(attribute: Attribute) -> bool {
    !matches!(
        attribute.row().kind,
        Kind::Text | Kind::Header | Kind::Claim | Kind::Metadata | Kind::RequestPrincipal
    ) || matches!(attribute, Attribute::Method | Attribute::Header | Attribute::Sni)
}

/// The value is told of for what it is before its shape is looked at: a placeholder, padded, negated, or several in one.
fn is_told(attribute: Attribute, value: &str) -> bool {
    value.trim() != value
        || value.starts_with('!')
        || is_placeholder(value)
        || list_in_value::parts(attribute, value).is_some()
}

/// Something stands in the value that a tool or a person is to fill in.
fn is_placeholder(value: &str) -> bool {
    let name = |text: &str| {
        // `<<name>>` as well.
        let text = text.trim_start_matches('<');
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.- ".contains(c);
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(fits)
    };
    let between = |open: &str, close: &str| {
        let rest = value.split_once(open).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split_once(close)).is_some_and(|(inside, _)| name(inside))
    };
    let variable = || {
        let rest = value.split_once('$').map(|(_, rest)| rest);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let words = [
        "PATCH_ME",
        "CHANGE_ME",
        "CHANGEME",
        "REPLACE_ME",
        "REPLACEME",
        "YOUR_",
        "YOUR-",
        "TODO",
        "FIXME",
        "TBD",
    ];
    let whole = |word: &str| match word.ends_with(['_', '-']) {
        true => value.contains(word),
        false => value.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|part| part == word),
    };
    let upper = |open: &str| {
        let inside = value.split(open).nth(1).filter(|_| value.matches(open).count() == 2);
        inside.is_some_and(|text| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        })
    };
    value.contains("{{")
        || between("${", "}")
        || between("$(", ")")
        || (between("<", ">") && !value.starts_with('/'))
        || variable()
        || upper("__")
        || upper("@")
        || words.into_iter().any(whole)
}
