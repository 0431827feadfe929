//! The target of a request line, and what Envoy's HTTP/1.1 codec and connection manager make of it.
//!
//! Tried on Envoy 1.40 (`balsa_parser.cc`, `http_parser_parse_url`, `conn_manager_impl.cc`).

use crate::{
    headers::is_authority,
    path::{CHARACTERS, CODEC, Rejected},
};
use core::net::IpAddr;

/// What a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target<'t> {
    /// `:path` before it is normalized; `None` for CONNECT, which has none.
    pub path: Option<&'t [u8]>,
    /// The authority that stands in the target and takes the place of every `Host` line.
    pub authority: Option<&'t [u8]>,
    /// The scheme that stands in the target, in lower case.
    pub scheme: Option<&'static str>,
}

const URL: Rejected = Rejected::new(400, "http1.invalid_url");
const SCHEME: Rejected = Rejected::new(400, "http1.invalid_scheme");
const NO_PATH: Rejected = Rejected::new(404, "absolute_path_rejected");

impl<'t> Target<'t> {
    /// What `method` asks for with a target in any of HTTP's four forms: a path, `http://authority/path`, `authority`
    /// (CONNECT), `*` (OPTIONS).
    ///
    /// Traps: whether the codec takes the bytes is [`Target::check`]'s affair, which Envoy finds out first; the `*` of
    /// OPTIONS reaches no filter, since Envoy serves only paths.
    ///
    /// # Errors
    ///
    /// How Envoy refuses it before any filter.
    pub fn read(method: &[u8], target: &'t [u8]) -> Result<Target<'t>, Rejected> {
        match target {
            _ if method == b"CONNECT" => {
                let Authority { userinfo: false, port: true } = Authority::read(target).ok_or(URL)? else {
                    return Err(URL);
                };
                Ok(Target { path: None, authority: Some(target), scheme: None })
            }
            [b'/', ..] => Ok(Target { path: Some(target), ..Target::default() }),
            [b'*', ..] if method == b"OPTIONS" => Err(NO_PATH),
            [b'*', ..] => Err(URL),
            _ => absolute(target),
        }
    }

    /// Does the codec take these bytes as a target?
    ///
    /// # Errors
    ///
    /// How it refuses them.
    pub fn check(method: &[u8], target: &[u8]) -> Result<(), Rejected> {
        let has_form = match target {
            [b'/' | b'*', ..] => true,
            _ => {
                let rest = if method == b"CONNECT" {
                    Some(target)
                } else {
                    split_scheme(target).map(|(_, rest)| rest)
                };
                rest.is_some_and(|rest| {
                    let (authority, _) = split_authority(rest);
                    authority.iter().all(is_authority) && !authority.windows(2).any(|pair| pair == b"@@")
                })
            }
        };
        if !has_form {
            return Err(CODEC);
        }
        for &byte in target {
            match byte {
                // These end the target or the line, or are no token at all for the HTTP/1 parser.
                b'\t' | b'\n' | b'\r' | b' ' | 0x80.. => return Err(CODEC),
                // These the parser takes, and Envoy's own check refuses.
                ..=0x1f | 0x7f => return Err(CHARACTERS),
                _ => {}
            }
        }
        Ok(())
    }
}

/// `http://authority/path?query`; without a path it is `/`, but for a query, in front of which Envoy puts none.
fn absolute(target: &[u8]) -> Result<Target<'_>, Rejected> {
    let (scheme, rest) = split_scheme(target).ok_or(CODEC)?;
    let (written, path) = split_authority(rest);
    let userinfo = Authority::read(written).ok_or(URL)?.userinfo;
    let scheme = match scheme {
        _ if scheme.eq_ignore_ascii_case(b"http") => "http",
        _ if scheme.eq_ignore_ascii_case(b"https") => "https",
        _ => return Err(SCHEME),
    };
    let authority = match written.iter().position(|byte| *byte == b'@') {
        Some(at) if userinfo => written.get(at.saturating_add(1)..).unwrap_or_default(),
        _ => written,
    };
    match path {
        [b'?', ..] => Err(NO_PATH),
        [] => Ok(Target { path: Some(b"/"), authority: Some(authority), scheme: Some(scheme) }),
        _ => Ok(Target { path: Some(path), authority: Some(authority), scheme: Some(scheme) }),
    }
}

/// `scheme://` and what follows.
fn split_scheme(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = target.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = target.split_at_checked(end)?;
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let named = scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(is_scheme);
    Some((scheme, rest.strip_prefix(b"://").filter(|_| named)?))
}

/// Up to the first `/` or `?`, and from there on.
fn split_authority(rest: &[u8]) -> (&[u8], &[u8]) {
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    rest.split_at_checked(end).unwrap_or((rest, &[]))
}

/// What an authority is made of, besides its host.
struct Authority {
    userinfo: bool,
    port: bool,
}

impl Authority {
    /// `None`: it is none to Envoy's parser, for which a host is letters, digits, dots and hyphens.
    fn read(text: &[u8]) -> Option<Authority> {
        let at = text.iter().position(|byte| *byte == b'@');
        let host = match at {
            Some(at) => {
                let is_user = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()%;:&=+$,".contains(byte);
                if !text.get(..at)?.iter().all(is_user) {
                    return None;
                }
                text.get(at.checked_add(1)?..)?
            }
            None => text,
        };
        let (host, port) = match host {
            [b'[', inner @ ..] => {
                let end = inner.iter().position(|byte| *byte == b']')?;
                let (address, rest) = inner.split_at_checked(end)?;
                // Of either family, and without a zone.
                core::str::from_utf8(address).ok()?.parse::<IpAddr>().ok()?;
                (address, rest.strip_prefix(b"]")?)
            }
            _ => {
                let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
                let (name, port) = host.split_at_checked(end)?;
                let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
                if !name.iter().all(is_host) {
                    return None;
                }
                (name, port)
            }
        };
        if host.is_empty() {
            return None;
        }
        let port = match port {
            [] => false,
            [b':', digits @ ..] => {
                let digits = core::str::from_utf8(digits).ok()?;
                let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                // With zeros in front it may be long.
                let number = digits.trim_start_matches('0');
                if !is_number || (!number.is_empty() && number.parse::<u16>().is_err()) {
                    return None;
                }
                true
            }
            _ => return None,
        };
        Some(Authority { userinfo: at.is_some(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let path = |path: &'static str| Ok(Target { path: Some(path.as_bytes()), ..Target::default() });
        let whole = |scheme, authority: &'static str, path: &'static str| {
            let (authority, path) = (Some(authority.as_bytes()), Some(path.as_bytes()));
            Ok(Target { path, authority, scheme: Some(scheme) })
        };
        let tunnel = |authority: &'static str| {
            Ok(Target { authority: Some(authority.as_bytes()), ..Target::default() })
        };
        for (method, target, expected) in [
            ("GET", "/x?q", path("/x?q")),
            ("GET", "//a.test/x", path("//a.test/x")),
            ("OPTIONS", "*", Err(NO_PATH)),
            ("OPTIONS", "*x", Err(NO_PATH)),
            ("GET", "*", Err(URL)),
            ("GET", "http://a.test:81/x?q", whole("http", "a.test:81", "/x?q")),
            ("GET", "HTTPS://A.test/x", whole("https", "A.test", "/x")),
            ("OPTIONS", "http://a.test", whole("http", "a.test", "/")),
            ("GET", "http://a.test?q", Err(NO_PATH)),
            ("GET", "http://u:p@a.test/x", whole("http", "a.test", "/x")),
            ("GET", "http://[::1]:80/x", whole("http", "[::1]:80", "/x")),
            ("GET", "http://a:080/x", whole("http", "a:080", "/x")),
            ("GET", "http://a/x?http://b", whole("http", "a", "/x?http://b")),
            ("GET", "ws://a/x", Err(SCHEME)),
            ("GET", "http:///x", Err(URL)),
            ("GET", "http://a_b/x", Err(URL)),
            ("GET", "http://a@b@c/x", Err(URL)),
            ("GET", "http://u:p@/x", Err(URL)),
            ("GET", "http://a:/x", Err(URL)),
            ("GET", "http://a:65536/x", Err(URL)),
            ("GET", "http://[::1/x", Err(URL)),
            ("GET", "http://[v1.a]/x", Err(URL)),
            ("CONNECT", "a.test:443", tunnel("a.test:443")),
            ("CONNECT", "[::1]:1", tunnel("[::1]:1")),
            ("CONNECT", "a.test", Err(URL)),
            ("CONNECT", "a.test:", Err(URL)),
            ("CONNECT", "u@a.test:1", Err(URL)),
            ("CONNECT", "/", Err(URL)),
            ("CONNECT", "http://a/", Err(URL)),
        ] {
            assert_eq!(Target::read(method.as_bytes(), target.as_bytes()), expected, "{method} {target}");
        }
    }

    #[test]
    fn what_the_codec_takes() {
        for (method, target, expected) in [
            ("GET", "/a b", Err(CODEC)),
            ("GET", "/é", Err(CODEC)),
            ("GET", "http://a.test/é", Err(CODEC)),
            ("GET", "/a\u{1}", Err(CHARACTERS)),
            ("GET", "/a\u{7f}", Err(CHARACTERS)),
            ("GET", "a.test/x", Err(CODEC)),
            ("GET", "?x", Err(CODEC)),
            ("GET", "http:/a/x", Err(CODEC)),
            ("GET", "http://a#f", Err(CODEC)),
            ("GET", "http://a\\b", Err(CODEC)),
            ("GET", "", Err(CODEC)),
            ("GET", "http://a@@b/x", Err(CODEC)),
            ("GET", "http://a;b/x", Ok(())),
            ("GET", "*", Ok(())),
            ("CONNECT", "a.test:1#x", Err(CODEC)),
            ("CONNECT", "a.test:1", Ok(())),
        ] {
            assert_eq!(Target::check(method.as_bytes(), target.as_bytes()), expected, "{method} {target}");
        }
    }
}
