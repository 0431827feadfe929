//! Key sets as Envoy's `local_jwks` reads them.

use super::{
    Json, der,
    key::{Curve, Key, Material},
};
use crate::base64;
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// A key set: the usable keys in order, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct KeySet {
    pub(super) keys: Vec<Key>,
    /// Why the set as a whole, or one of its keys, cannot be used.
    pub(super) faults: Vec<String>,
}

impl KeySet {
    /// The keys, in the order of the set.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Reads a key set (RFC 7517) as Envoy does: bad keys among good ones are left out.
    pub fn parse(text: &str) -> KeySet {
        parse(text)
    }

    /// True if any key in it is usable.
    pub fn is_usable(&self) -> bool {
        !self.keys.is_empty()
    }
}

/// Reads a key set. One without a usable key makes Envoy refuse the whole listener; bad keys among good ones are
/// skipped.
pub(super) fn parse(text: &str) -> KeySet {
    let mut set = KeySet::default();
    let Some(document) = Json::parse_object(text.as_bytes()) else {
        set.faults.push("the key set is not valid JSON".into());
        return set;
    };
    let keys = match document.member("keys") {
        Some(Json::List(keys)) => keys,
        Some(_) => {
            set.faults.push("`keys` of the key set is not a list".into());
            return set;
        }
        None => {
            set.faults.push("the key set has no `keys`".into());
            return set;
        }
    };
    for (index, jwk) in keys.iter().enumerate() {
        match read(jwk) {
            Ok(key) => set.keys.push(key),
            Err(fault) => set.faults.push(format!("keys[{index}]: {fault}")),
        }
    }
    set
}

fn read(jwk: &Json) -> Result<Key, &'static str> {
    if !matches!(jwk, Json::Object(_)) {
        return Err("not an object");
    }
    let text = |name| jwk.member(name).map(|value| value.as_str().ok_or(()));
    // `kid` and `alg` of a wrong type count as absent.
    let lenient = |name| text(name).and_then(Result::ok).unwrap_or_default().to_string();
    let (kid, alg) = (lenient("kid"), lenient("alg"));
    let bytes = |name, fault| {
        let encoded = text(name).and_then(Result::ok).ok_or(fault)?;
        base64::decode(encoded.as_bytes()).ok_or(fault)
    };
    let material = match text("kty").ok_or("`kty` is missing")?.map_err(|()| "`kty` is not a string")? {
        "RSA" => {
            if !alg.is_empty() && !alg.starts_with("RS") && !alg.starts_with("PS") {
                return Err("`alg` is not one for an RSA key");
            }
            rsa(
                &bytes("n", "`n` is missing or not base64url")?,
                &bytes("e", "`e` is missing or not base64url")?,
            )?
        }
        "EC" => {
            let curve = curve(text("crv"), &alg)?;
            let coordinate = |name, fault| {
                let number = bytes(name, fault)?;
                padded(&number, curve.field_bytes()).ok_or("the point does not lie on the curve")
            };
            let x = coordinate("x", "`x` is missing or not base64url")?;
            let y = coordinate("y", "`y` is missing or not base64url")?;
            #[cfg(feature = "crypto")]
            if !super::software::on_curve(curve, &x, &y) {
                return Err("the point does not lie on the curve");
            }
            Material::Ec { curve, x, y }
        }
        "OKP" => {
            if !matches!(&*alg, "" | "EdDSA") {
                return Err("`alg` is not EdDSA, the only one for an OKP key");
            }
            if text("crv") != Some(Ok("Ed25519")) {
                return Err("`crv` is not Ed25519, the only one supported");
            }
            let x = bytes("x", "`x` is missing or not base64url")?;
            Material::Ed25519(x.try_into().map_err(|_| "`x` is not 32 bytes long")?)
        }
        "oct" => {
            if !matches!(&*alg, "" | "HS256" | "HS384" | "HS512") {
                return Err("`alg` is not one for a shared secret");
            }
            let secret = bytes("k", "`k` is missing or not base64url")?;
            if secret.is_empty() {
                return Err("`k` is empty");
            }
            Material::Oct(secret)
        }
        _ => return Err("`kty` is not supported"),
    };
    Ok(Key::new(kid, alg, material))
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Material, &'static str> {
    let (n, e) = (der::strip_zeros(n), der::strip_zeros(e));
    if !matches!(e, [3] | [1, 0, 1]) {
        return Err("`e` is neither 3 nor 65537");
    }
    let odd = n.last().is_some_and(|last| last & 1 == 1);
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if !odd || !(512..=16384).contains(&bits) {
        return Err("`n` is not a modulus of 512 to 16384 bits");
    }
    Ok(Material::Rsa { n: n.to_vec(), e: e.to_vec() })
}

/// `crv` or `alg` names the curve, and they must agree; without either it is P-256.
fn curve(crv: Option<Result<&str, ()>>, alg: &str) -> Result<Curve, &'static str> {
    if !alg.is_empty() && !alg.starts_with("ES") {
        return Err("`alg` is not one for an EC key");
    }
    let crv = crv.unwrap_or(Ok("")).map_err(|()| "`crv` is not a string")?;
    match (alg, crv) {
        ("", "") | ("", "P-256") | ("ES256", "" | "P-256") => Ok(Curve::P256),
        ("", "P-384") | ("ES384", "" | "P-384") => Ok(Curve::P384),
        ("", "P-521") | ("ES512", "" | "P-521") => Ok(Curve::P521),
        ("", _) | (_, "") => Err("`crv` or `alg` is not supported"),
        _ => Err("`crv` does not fit `alg`"),
    }
}

fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let number = der::strip_zeros(number);
    let mut out = alloc::vec![0; length.checked_sub(number.len())?];
    out.extend_from_slice(number);
    Some(out)
}
