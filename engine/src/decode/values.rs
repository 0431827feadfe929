//! What Istio's admission checks of single values: addresses, ports, identities, path templates, condition keys.
//!
//! The rules are those of `pkg/config/security` and `pkg/config/validation` of Istio 1.32.

use super::{Problem, quoted, reader::advised, short};
use crate::{
    address::parse_ip,
    attribute::{Attribute, Key, Kind},
    template::is_template,
};
use alloc::{format, string::String, vec::Vec};
use core::net::IpAddr;

/// The result of checking one value.
pub(super) type Check = Result<(), Problem>;

/// Refuses the empty string, as in every list of an AuthorizationPolicy.
pub(super) fn not_empty(value: &str) -> Check {
    match value {
        "" => Err(Problem::new(
            "empty-value",
            "empty value not allowed",
            "remove it, or use \"*\" for any value",
        )),
        _ => Ok(()),
    }
}

/// An address or a CIDR range. Host bits may be set: `10.1.2.3/8` is `10.0.0.0/8`. A bare IPv6 address may
/// have a zone (`fe80::1%eth0`), which means nothing to any proxy.
pub(super) fn ip_block(value: &str) -> Check {
    not_empty(value)?;
    let Some((address, bits)) = value.split_once('/') else {
        return match parse_ip(value) {
            Some(_) => Ok(()),
            None => {
                let help = if value.contains(['*', '-']) {
                    "write a range as `ADDRESS/BITS`: 10.0.0.0/24"
                } else {
                    "write an address or a range; names are not looked up"
                };
                Err(Problem::new("bad-ip", format!("bad IP address ({})", short(value)), help))
            }
        };
    };
    let bad =
        |why: &str| Err(Problem::new("bad-cidr", format!("bad CIDR range ({}): {why}", short(value)), ""));
    let Ok(address) = address.parse::<IpAddr>() else {
        return bad("the part before the slash is not an IP address");
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let digits = bits.bytes().all(|byte| byte.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    match bits.parse::<u8>() {
        Ok(length) if digits && length <= most => Ok(()),
        _ => bad(&format!("the prefix length must be a number from 0 to {most}")),
    }
}

/// An unsigned decimal from 0 to 65535; leading zeros pass.
pub(super) fn port(value: &str) -> Check {
    not_empty(value)?;
    if port_number(value).is_some() {
        return Ok(());
    }
    let help = if value.contains(['*', '-', ':']) {
        "ranges and wildcards do not exist: list each port"
    } else {
        "write a number from 0 to 65535"
    };
    Err(Problem::new("bad-port", format!("bad port ({})", short(value)), help))
}

/// The number of a port as Go's `ParseUint` reads it: digits only.
pub(super) fn port_number(value: &str) -> Option<u16> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let significant = value.trim_start_matches('0');
    match (digits, significant) {
        (true, "") => Some(0),
        (true, number) => number.parse().ok(),
        (false, _) => None,
    }
}

/// `name` or `namespace/name`, no wildcard, at most 320 bytes.
pub(super) fn service_account(value: &str) -> Check {
    const FORM: &str = "expected format 'serviceAccount' or 'namespace/serviceAccount'";
    not_empty(value)?;
    let bad = |message: String, help: &str| Err(Problem::new("bad-service-account", message, help));
    if value.contains('*') {
        return bad(
            format!("wildcard not allowed, found {}", quoted(value)),
            "use `namespaces` or `principals` for patterns",
        );
    }
    if value.matches('/').count() > 1 {
        let help = advised(|| match value.split('/').collect::<Vec<_>>().as_slice() {
            [_, "ns", namespace, "sa", account] => {
                format!("write `{namespace}/{account}`; whole identities belong into `principals`")
            }
            _ => String::new(),
        });
        return bad(format!("{FORM}, found {}", quoted(value)), &help);
    }
    if value.len() > 320 {
        return bad(format!("value cannot exceed 320 characters, found {}", quoted(value)), "");
    }
    match value.split_once('/') {
        Some(("", _)) => bad(format!("{FORM}, found empty namespace {}", quoted(value)), ""),
        Some((_, "")) => bad(format!("{FORM}, found empty serviceAccount {}", quoted(value)), ""),
        _ => Ok(()),
    }
}

/// A value of `when` `source.trustDomain`: at most one `*`, at the start or the end.
pub(super) fn wildcard(value: &str) -> Check {
    not_empty(value)?;
    let bad = |message: &str| {
        Err(Problem::new("bad-trust-domain", format!("{message}, found {}", quoted(value)), ""))
    };
    match value.matches('*').count() {
        0 => Ok(()),
        1 if value.starts_with('*') || value.ends_with('*') => Ok(()),
        1 => bad("wildcard is only allowed at the start or end"),
        _ => bad("at most one wildcard is allowed"),
    }
}

/// A value of the field `trustDomains`: as [`wildcard`], and without a slash.
pub(super) fn trust_domain(value: &str) -> Check {
    wildcard(value)?;
    if value.contains('/') {
        let message = format!("trust domain must not contain '/', found {}", quoted(value));
        return Err(Problem::new("bad-trust-domain", message, "for identities use `principals`"));
    }
    Ok(())
}

/// A path: braces only as the whole segments `{*}` and `{**}`, no operator after `{**}`, and the other segments of a
/// template made of RFC 3986 path characters. So a plain wildcard (`/a*`) and a template do not mix.
pub(super) fn path(value: &str) -> Check {
    not_empty(value)?;
    let bad = |why: String, help: &str| {
        let message = format!("invalid or unsupported path {}. {why}", short(value));
        Err(Problem::new("bad-path-template", message, help))
    };
    let template = is_template(value);
    let mut any = false;
    for segment in value.trim_matches('/').split('/') {
        match segment {
            "{*}" | "{**}" if any => {
                return bad("{**} is not the last operator".into(), "let the template end with {**}");
            }
            "{*}" => continue,
            "{**}" => {
                any = true;
                continue;
            }
            _ => {}
        }
        if segment.contains(['{', '}']) {
            return bad(
                "Contains '{' or '}' beyond a supported path template".into(),
                "a template has {*} or {**} as whole segments, without names",
            );
        }
        if template && !is_path_literal(segment) {
            return bad(
                format!("Contains segment {} with invalid string literal", quoted(segment)),
                "in a template only {*} and {**} are wildcards, and empty segments are not allowed",
            );
        }
    }
    Ok(())
}

fn is_path_literal(segment: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&byte);
    !segment.is_empty() && segment.bytes().all(allowed)
}

/// A header's name as `outputClaimToHeaders` takes it: `^[-_A-Za-z0-9]+$`.
pub(super) fn header_name(value: &str) -> Check {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !value.is_empty() && value.bytes().all(allowed) {
        return Ok(());
    }
    let message = format!("header name {} is not a valid header name", quoted(value));
    Err(Problem::new("bad-header-name", message, "use letters, digits, - and _"))
}

/// The check of a value of a field.
pub(super) fn check_of_field(kind: Kind) -> fn(&str) -> Check {
    match kind {
        Kind::TrustDomain => trust_domain,
        Kind::Path => path,
        other => check_of_key(other),
    }
}

/// The check of a value of a `when` key: a trust domain may have slashes there.
pub(super) fn check_of_key(kind: Kind) -> fn(&str) -> Check {
    match kind {
        Kind::Cidr => ip_block,
        Kind::Port => port,
        Kind::ServiceAccount => service_account,
        Kind::TrustDomain => wildcard,
        Kind::Text
        | Kind::Header
        | Kind::Host
        | Kind::Path
        | Kind::Principal
        | Kind::Namespace
        | Kind::RequestPrincipal
        | Kind::Claim
        | Kind::Metadata => not_empty,
    }
}

/// Every key that `when` knows; of those with brackets, what they begin with.
fn condition_keys() -> impl Iterator<Item = &'static str> {
    Attribute::ALL.into_iter().filter_map(|attribute| match attribute.row().key? {
        Key::Whole(key) | Key::Bracketed(key) => Some(key),
    })
}

/// Checks the key of a condition. Keys with brackets are recognised by their beginning, as Istio does:
/// `request.headersX[a]` passes here (and can never be built into a matcher).
pub(super) fn condition_key(key: &str) -> Result<Attribute, Problem> {
    if let Some((attribute, rest)) = Attribute::of_key(key) {
        let named = rest.strip_suffix(']').and_then(|rest| rest.split_once('['));
        return match (attribute.row().key, named) {
            (Some(Key::Bracketed(_)), None | Some((_, ""))) => {
                let message = format!("bad key ({}): should have format a[b]", short(key));
                let help = advised(|| {
                    let name = rest.trim_matches(['.', '[', ']', ' ']);
                    let known = key.strip_suffix(rest).unwrap_or_default();
                    let name = if name.is_empty() || name.contains(['[', ']']) { "NAME" } else { name };
                    format!("put the name in brackets: `{known}[{}]`", short(name))
                });
                Err(Problem::new("bad-attribute-key", message, help))
            }
            _ => Ok(attribute),
        };
    }
    if key == "destination.namespace" {
        let message = "attribute destination.namespace is replaced by the metadata.namespace";
        return Err(Problem::new("replaced-attribute", message, ""));
    }
    if key.starts_with("destination.labels") {
        let message = format!("attribute {} is replaced by the workload selector", short(key));
        return Err(Problem::new("replaced-attribute", message, "use spec.selector.matchLabels"));
    }
    if matches!(key, "destination.name" | "destination.user") {
        let message = format!("deprecated attribute {key}: only supported in v1alpha1");
        return Err(Problem::new("replaced-attribute", message, ""));
    }
    let help = advised(|| match key {
        "request.method" => "use to.operation.methods".into(),
        "request.path" | "request.url_path" => "use to.operation.paths".into(),
        "request.host" => "use to.operation.hosts".into(),
        "source.user" => "did you mean `source.principal`?".into(),
        _ => {
            // What stands in brackets is a name of somebody's own.
            let (start, name) = key.split_at(key.find('[').unwrap_or(key.len()));
            match super::nearest(start, condition_keys()) {
                Some(near) => format!("did you mean `{near}{}`?", short(name)),
                None => {
                    let known: Vec<&str> = condition_keys().collect();
                    format!("the keys are {}", known.join(", "))
                }
            }
        }
    });
    Err(Problem::new("unknown-attribute", format!("unknown attribute: {}", short(key)), help))
}
