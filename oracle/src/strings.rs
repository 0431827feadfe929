//! String matching, written the way istiod writes it for Envoy.

use crate::control_plane::is_mended;
use gnomon_engine::workload::{IstioVersion, Mesh};
use regex_lite::Regex;
use std::{cell::RefCell, collections::HashMap, net::IpAddr};

/// RE2's full match. The test's names have no line feeds and are ASCII, where the dialects agree.
pub fn full_match(regex: &str, value: &str) -> bool {
    thread_local!(static KNOWN: RefCell<HashMap<String, Option<Regex>>> = RefCell::new(HashMap::new()));
    KNOWN.with_borrow_mut(|known| {
        if known.len() > 5_000 {
            known.clear();
        }
        let compile = || Regex::new(&format!(r"\A(?:{regex})\z")).ok();
        known.entry(regex.into()).or_insert_with(compile).as_ref().is_some_and(|regex| regex.is_match(value))
    })
}

fn quote(text: &str) -> String {
    regex_lite::escape(text)
}

/// `*`, `*suffix`, `prefix*`, exact; `any` says what a lone asterisk means for this field.
pub fn string(pattern: &str, value: &str, any: fn(&str) -> bool) -> bool {
    if pattern == "*" {
        any(value)
    } else if let Some(suffix) = pattern.strip_prefix('*') {
        value.ends_with(suffix)
    } else if let Some(prefix) = pattern.strip_suffix('*') {
        value.starts_with(prefix)
    } else {
        value == pattern
    }
}

/// `*` as the regex `.+`.
pub fn not_empty(value: &str) -> bool {
    full_match(".+", value)
}

/// `*` as Envoy's present match.
pub fn present(_: &str) -> bool {
    true
}

/// Quoted as that version's istiod does: service accounts were first.
fn quoted_account(version: IstioVersion, text: &str) -> String {
    if is_mended(version, &[(27, 9), (28, 6), (29, 2)]) { quote(text) } else { text.into() }
}

fn quoted(version: IstioVersion, text: &str) -> String {
    if is_mended(version, &[(28, 7), (29, 3)]) { quote(text) } else { text.into() }
}

pub fn principal(value: &str, name: &str, version: IstioVersion) -> bool {
    if value == "*" {
        full_match(".+", name)
    } else if let Some(suffix) = value.strip_prefix('*') {
        full_match(&format!("spiffe://.*{}", quoted(version, suffix)), name)
    } else if let Some(prefix) = value.strip_suffix('*') {
        name.starts_with(&format!("spiffe://{prefix}"))
    } else {
        name == format!("spiffe://{value}")
    }
}

pub fn namespace(value: &str, name: &str, version: IstioVersion) -> bool {
    let parts: Vec<String> = value.split('*').map(|part| quoted(version, part)).collect();
    full_match(&format!(".*/ns/{}/.*", parts.join(".*")), name)
}

pub fn service_account(value: &str, own: &str, name: &str, version: IstioVersion) -> bool {
    let (ns, account) = value.split_once('/').unwrap_or((own, value));
    let (ns, account) = (quoted_account(version, ns), quoted_account(version, account));
    full_match(&format!("spiffe://.+/ns/{ns}/(.+/|)sa/{account}(/.+)?"), name)
}

pub fn trust_domain(value: &str, name: &str) -> bool {
    match value.split_once('*') {
        None => name.starts_with(&format!("spiffe://{value}/")),
        Some(("", "")) => name.starts_with("spiffe://"),
        Some((pre, post)) => full_match(&format!("spiffe://{}[^/]*{}/.*", quote(pre), quote(post)), name),
    }
}

fn trust_domains(mesh: &Mesh) -> Vec<&str> {
    let own = std::iter::once(&mesh.trust_domain);
    own.chain(&mesh.trust_domain_aliases).map(String::as_str).collect()
}

/// A principal and what trust domain aliases make of it.
pub fn with_aliases(value: &str, mesh: &Mesh) -> Vec<String> {
    let segments: Vec<&str> = value.split('/').collect();
    let domain = segments[0];
    let meets = |a: &str, b: &str| {
        b == "*"
            || a == b
            || a.strip_suffix('*').is_some_and(|prefix| b.starts_with(prefix))
            || b.strip_suffix('*').is_some_and(|prefix| a.starts_with(prefix))
            || a.strip_prefix('*').is_some_and(|suffix| b.ends_with(suffix))
            || b.strip_prefix('*').is_some_and(|suffix| a.ends_with(suffix))
    };
    let known = trust_domains(mesh).iter().any(|own| meets(domain, own));
    if segments.len() != 5 || domain == "*" || !(known || domain == "cluster.local") {
        return vec![value.into()];
    }
    let mut all: Vec<String> = Vec::new();
    for own in trust_domains(mesh) {
        let covered = domain.strip_prefix('*').is_some_and(|suffix| own.ends_with(suffix));
        let replaced = if covered { value.into() } else { format!("{own}/{}", segments[1..].join("/")) };
        if !all.contains(&replaced) {
            all.push(replaced);
        }
    }
    all
}

/// A trust domain and what aliases make of it.
pub fn domain_with_aliases<'m>(value: &'m str, mesh: &'m Mesh) -> Vec<&'m str> {
    let all = trust_domains(mesh);
    if all.contains(&value) { all } else { vec![value] }
}

/// `paths`: a template or a string.
pub fn path(value: &str, path: &str) -> bool {
    if !value.contains("{*}") && !value.contains("{**}") {
        return string(value, path, not_empty);
    }
    // Envoy loads no template without a leading slash or with an empty segment inside.
    if !value.starts_with('/') || value.contains("//") {
        return false;
    }
    let segments: Vec<String> = value
        .split('/')
        .map(|segment| match segment {
            "{*}" => r"[a-zA-Z0-9\-._~%!$&'()+,;:@=*]+".into(),
            "{**}" => r"[a-zA-Z0-9\-._~%!$&'()+,;:@=*/]*".into(),
            literal => quote(literal),
        })
        .collect();
    full_match(&segments.join("/"), path)
}

/// The issuer and the subject that a value of `requestPrincipals` takes.
pub fn request_principal(value: &str, issuer: &str, subject: &str) -> bool {
    let (head, tail) = match value.rfind('/') {
        Some(slash) => (&value[..slash], Some(&value[slash + 1..])),
        None => (value, None),
    };
    if value == "*" {
        not_empty(issuer) && not_empty(subject)
    } else if let Some(rest) = value.strip_prefix('*') {
        match tail {
            // A leading asterisk outranks a trailing one, which is then literal.
            Some(tail) => {
                let issuer_fits = if head == "*" { not_empty(issuer) } else { issuer.ends_with(&head[1..]) };
                issuer_fits && subject == tail
            }
            None => not_empty(issuer) && subject.ends_with(rest),
        }
    } else if let Some(start) = value.strip_suffix('*') {
        match tail {
            Some("*") => issuer == head && not_empty(subject),
            Some(tail) => issuer == head && subject.starts_with(&tail[..tail.len() - 1]),
            None => issuer.starts_with(start) && not_empty(subject),
        }
    } else {
        issuer == head && subject == tail.unwrap_or("")
    }
}

/// Bit by bit; families never meet.
pub fn in_block(block: &str, ip: IpAddr) -> bool {
    let bits = |ip: IpAddr| -> Vec<bool> {
        let bytes = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
    };
    let (base, length) = block.split_once('/').unwrap_or((block, ""));
    // A zone is no part of an address.
    let base = base.split('%').next().unwrap_or_default();
    let base = bits(base.parse().expect("admission has checked it"));
    let ip = bits(ip);
    let length = if length.is_empty() { base.len() } else { length.parse().expect("so has it this") };
    base.len() == ip.len() && base[..length] == ip[..length]
}

/// `[a][b]`, else one name with brackets in it.
pub fn claim_path(brackets: &str) -> Option<Vec<String>> {
    if full_match(r"(\[[^\[\]]*\])*", brackets) {
        let inner = brackets.trim_start_matches('[').trim_end_matches(']');
        return Some(inner.split("][").map(Into::into).collect());
    }
    header_name(brackets).map(|name| vec![name])
}

/// `[name]`
pub fn header_name(brackets: &str) -> Option<String> {
    Some(brackets.strip_prefix('[')?.strip_suffix(']')?.into())
}
