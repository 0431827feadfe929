//! RequestAuthentication as istiod's webhook and the CRD's schema admit it.

use super::{Cursor, Fields, Problem, duration, jwks, quoted, target, values};
use crate::resource::{ClaimToHeader, HeaderLocation, JwtRule, Meta, Presence, RequestAuthentication, Text};
use alloc::{format, string::String, vec::Vec};

/// Reads `spec` out of the object's fields.
pub(super) fn authentication(object: &mut Fields<'_>, meta: Meta) -> RequestAuthentication {
    let mut read = RequestAuthentication { meta, target: Default::default(), rules: Vec::new() };
    if let Some(mut spec) = object.fields("spec") {
        read.target = target::target(&mut spec);
        read.rules = spec.list_of_at_most("jwtRules", 4096).into_iter().filter_map(rule).collect();
        spec.finish();
    }
    read
}

fn rule(cursor: Cursor<'_>) -> Option<JwtRule> {
    let at = cursor.at();
    if cursor.is_null() {
        cursor.error("null-element", "`jwtRules` elements must not be null", "remove the dash");
        return None;
    }
    let mut fields = cursor.fields()?;
    // The CRD refuses an empty issuer that is written, and takes one that is left out.
    let issuer = fields.string_checked("issuer", |text| refuse_empty(text, "issuer"));
    let mut rule = JwtRule { at, issuer: issuer.unwrap_or_default(), ..JwtRule::default() };
    rule.audiences = plain(fields.strings_checked("audiences", |text| refuse_empty(text, "audience")));
    read_keys(&mut fields, &mut rule);
    for cursor in fields.list("fromHeaders") {
        rule.from_headers.extend(header_location(cursor));
    }
    rule.from_params =
        plain(fields.strings_checked("fromParams", |text| refuse_empty(text, "location query")));
    rule.from_cookies =
        plain(fields.strings_checked("fromCookies", |text| refuse_empty(text, "cookie name")));
    rule.forward_original_token = fields.bool("forwardOriginalToken").unwrap_or(false);
    let output = fields.string("outputPayloadToHeader").map(|text| text.text);
    rule.output_payload_to_header = output.filter(|name| !name.is_empty());
    for cursor in fields.list("outputClaimToHeaders") {
        rule.output_claim_to_headers.extend(claim_to_header(cursor));
    }
    fields.limit("spaceDelimitedClaims", 64);
    let claims = fields.strings_checked("spaceDelimitedClaims", |text| refuse_empty(text, "claim name"));
    rule.space_delimited_claims = plain(claims);
    rule.timeout = fields.string_checked("timeout", duration::check).map(|text| text.text);
    let words = [("OPTIONAL", Presence::Optional), ("REQUIRED", Presence::Required)];
    rule.presence = fields.word("presence", &words).unwrap_or_default();
    fields.finish();
    Some(rule)
}

fn plain(texts: Vec<Text>) -> Vec<String> {
    texts.into_iter().map(|text| text.text).collect()
}

fn refuse_empty(text: &str, what: &str) -> Result<(), Problem> {
    match text {
        "" => Err(Problem::new("empty-value", format!("{what} must be non-empty string"), "")),
        _ => Ok(()),
    }
}

fn read_keys(fields: &mut Fields<'_>, rule: &mut JwtRule) {
    let names = ["jwksUri", "jwks_uri", "jwks"];
    let present: Vec<Cursor<'_>> = names.into_iter().filter_map(|name| fields.get(name)).collect();
    if let [_, second, ..] = present.as_slice() {
        second.error("conflicting-jwks", "only one of jwks or jwksUri can be set", "");
    }
    for name in ["jwksUri", "jwks_uri"] {
        let uri = fields.string_checked(name, jwks_uri).filter(|uri| !uri.text.is_empty());
        rule.jwks_uri = rule.jwks_uri.take().or(uri);
    }
    if let Some(cursor) = fields.get("jwks") {
        let text = cursor.string();
        if let Some(text) = text.as_ref().filter(|text| !text.text.is_empty()) {
            jwks::check(&cursor, &text.text);
        }
        rule.jwks = text.filter(|text| !text.text.is_empty());
    }
    // What is written but wrong has been reported as such.
    let unwritten =
        |name| fields.cursor().node().get(name).is_none_or(|node| node.value == crate::Value::Null);
    if ["issuer", "jwksUri", "jwks_uri"].into_iter().all(unwritten) {
        let help = if rule.jwks.is_some() { "an inline key set needs its issuer" } else { "" };
        fields.cursor().error("missing-issuer", "issuer or jwksUri must be non-empty string", help);
    }
}

/// `http` or `https`, at most 2048 bytes, with a host and no port but a number.
fn jwks_uri(text: &str) -> Result<(), Problem> {
    let bad = |message: String, help: &str| Err(Problem::new("bad-uri", message, help));
    refuse_empty(text, "jwksUri")?;
    if text.len() > 2048 {
        return bad("jwksUri is longer than 2048 bytes".into(), "");
    }
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        let help = "url must have scheme http:// or https://";
        return bad(format!("URI scheme {} is not supported", quoted(scheme)), help);
    }
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    let unfit = |c: char| c.is_control() || c == ' ';
    match rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()) {
        Some(authority) if !authority.is_empty() && !text.contains(unfit) => match port_is_good(authority) {
            true => Ok(()),
            false => {
                bad(format!("bad URI {}: its port is no number", quoted(text)), "write https://host:443/path")
            }
        },
        _ => bad(format!("bad URI {}", quoted(text)), "write https://host/path"),
    }
}

/// What stands behind the host is nothing, a colon, or a colon and a number, as Go's `url.Parse` has it.
fn port_is_good(authority: &str) -> bool {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let behind = match host.strip_prefix('[') {
        Some(address) => address.split_once(']').map(|(_, behind)| behind),
        None => Some(host.rfind(':').and_then(|colon| host.get(colon..)).unwrap_or_default()),
    };
    let is_port =
        |port: &str| port.is_empty() || (port.bytes().all(|b| b.is_ascii_digit()) && port.len() < 19);
    behind.is_some_and(|behind| behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port))
}

fn header_location(cursor: Cursor<'_>) -> Option<HeaderLocation> {
    if cursor.is_null() {
        cursor.error("null-element", "location header name must be non-null", "remove the dash");
        return None;
    }
    let mut fields = cursor.fields_of("name")?;
    let name = fields.string_checked("name", |text| refuse_empty(text, "location header name"));
    if fields.get("name").is_none() {
        let message = "location header name must be non-empty string";
        fields.cursor().error("empty-value", message, "");
    }
    let prefix = fields.string("prefix").unwrap_or_default();
    fields.finish();
    Some(HeaderLocation { name: name?.text, prefix: prefix.text })
}

fn claim_to_header(cursor: Cursor<'_>) -> Option<ClaimToHeader> {
    if cursor.is_null() {
        cursor.error("null-element", "outputClaimToHeaders must not be null", "remove the dash");
        return None;
    }
    const EMPTY: &str = "outputClaimToHeaders header and claim value must be non-empty string";
    let not_empty = |text: &str| match text {
        "" => Err(Problem::new("empty-value", EMPTY, "")),
        _ => Ok(()),
    };
    let mut fields = cursor.fields()?;
    let header =
        fields.string_checked("header", |text| not_empty(text).and_then(|()| values::header_name(text)));
    let claim = fields.string_checked("claim", not_empty);
    if fields.get("header").is_none() || fields.get("claim").is_none() {
        fields.cursor().error("empty-value", EMPTY, "");
    }
    fields.finish();
    Some(ClaimToHeader { header: header?.text, claim: claim?.text })
}
