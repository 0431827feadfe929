//! An inline key set: what admission says of it, and then what Envoy will.

use super::{Cursor, short};
use crate::{Node, Position, Severity, Value, json, jwt};
use core::cell::Cell;

/// Checks the text of `jwks` as istiod's webhook does, and what that admits as Envoy will when it gets the listener.
///
/// Both are only warnings, since the API server takes such a set: without a key that Envoy can use, Envoy refuses every
/// listener with it, and goes on with what it had before.
/// A point beside its curve is only noticed with the feature `crypto`.
pub(super) fn check(cursor: &Cursor<'_>, text: &str) {
    if !admitted(cursor, text) {
        return;
    }
    for (severity, message) in jwt::key_set_problems(text) {
        match severity {
            Severity::Error => {
                cursor.warning("unusable-jwks", message, "put a key of the issuer into the set")
            }
            Severity::Warning | Severity::Hint => cursor.warning("skipped-jwk", message, ""),
        }
    }
}

/// Checks the text of `jwks`: a JSON object with a list `keys` of JSON Web Keys with what their type needs. Warns about
/// private keys: anyone who can read the policy can sign with them.
fn admitted(cursor: &Cursor<'_>, text: &str) -> bool {
    let good = Cell::new(true);
    let bad = |why: &dyn core::fmt::Display, help: &str| {
        good.set(false);
        cursor.error("bad-jwks", format_args!("jwks parse error: {why}"), help);
    };
    admission(cursor, text, &bad);
    good.get()
}

fn admission(cursor: &Cursor<'_>, text: &str, bad: &dyn Fn(&dyn core::fmt::Display, &str)) {
    // Two members of one name are an error, as they are in Envoy.
    let set = match json::parse(text) {
        Ok(set) if set.as_map().is_some() => set,
        Ok(_) => return bad(&"not a JSON object", "write {\"keys\": [...]}"),
        Err(error) => {
            let Position { line, column } = error.at;
            let why = format_args!("{} at line {line} column {column}", error.message);
            return bad(&why, "jwks holds the JSON text of a key set, as the issuer publishes it");
        }
    };
    let keys = match set.get("keys").map(|keys| &keys.value) {
        Some(Value::List(keys)) => keys,
        Some(_) => return bad(&"`keys` is not a list", ""),
        // istiod takes a bare key, Envoy does not.
        None if set.get("kty").is_some() => {
            return bad(&"a single key instead of a key set", "write {\"keys\": [<the key>]}");
        }
        None => return bad(&"no `keys`", "write {\"keys\": [...]}"),
    };
    for (index, key) in keys.iter().enumerate() {
        if key.as_map().is_none() {
            bad(&format_args!("key at index {index} is not an object"), "");
            continue;
        }
        let text = |name: &str| key.get(name).and_then(Node::as_str).unwrap_or_default();
        let (needed, private): (&[&str], &[&str]) = match text("kty") {
            "RSA" => (&["n", "e"], &["d", "p", "q", "dp", "dq", "qi"]),
            "EC" => (&["crv", "x", "y"], &["d"]),
            "OKP" => (&["crv", "x"], &["d"]),
            "oct" => (&["k"], &["k"]),
            "" => {
                bad(&format_args!("key at index {index} has no `kty`"), "");
                continue;
            }
            other => {
                bad(&format_args!("key at index {index} has the unknown type {}", short(other)), "");
                continue;
            }
        };
        for name in needed {
            let value = text(name);
            if value.is_empty() {
                bad(&format_args!("key at index {index} lacks `{name}`"), "");
            } else if *name != "crv" && !is_base64(value) {
                bad(&format_args!("`{name}` of the key at index {index} is not base64url"), "");
            }
        }
        if private.iter().any(|name| key.get(name).is_some()) {
            cursor.warning(
                "private-jwks",
                format_args!(
                    "jwks key at index {index} contains private key material; only public keys are used for \
                     verification"
                ),
                "replace the key pair and publish only the public part",
            );
        }
    }
}

/// Of either alphabet, padded or not: what the library behind istiod decodes.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/".contains(&byte);
    padding <= 2 && body.len() % 4 != 1 && body.bytes().all(allowed)
}
