//! Envoy's foreign function `verify_signature`: PKCS#1 signatures of RSA keys, and ECDSA.

use jsonwebtoken::{Algorithm, DecodingKey, crypto};

/// The encoded answer; `None` for a key that cannot be imported or a hash that is not known.
pub(super) fn verify(argument: &[u8]) -> Option<Vec<u8>> {
    let (mut hash, mut key, mut signature, mut text) = (&[][..], &[][..], &[][..], &[][..]);
    let mut rest = argument;
    while let [tag, tail @ ..] = rest {
        rest = tail;
        let length = varint(&mut rest)?;
        let (value, tail) = rest.split_at_checked(length)?;
        rest = tail;
        match tag {
            0x0a => hash = value,
            0x12 => key = value,
            0x1a => signature = value,
            0x22 => text = value,
            _ => return None,
        }
    }
    // SubjectPublicKeyInfo: an algorithm, then a bit string with the key.
    let mut spki = element(&mut key, 0x30)?;
    let algorithm = element(&mut spki, 0x30)?;
    let point = element(&mut spki, 0x03)?.strip_prefix(&[0])?;
    let is_rsa = algorithm.starts_with(&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]);
    let good = if is_rsa {
        let algorithm = match hash {
            b"sha256" => Algorithm::RS256,
            b"sha384" => Algorithm::RS384,
            b"sha512" => Algorithm::RS512,
            _ => return None,
        };
        check(&DecodingKey::from_rsa_der(point), algorithm, signature, text)
    } else {
        let (algorithm, half) = match (hash, point.len()) {
            (b"sha256", 65) => (Algorithm::ES256, 32),
            (b"sha384", 97) => (Algorithm::ES384, 48),
            _ => return None,
        };
        // X9.62, as BoringSSL takes it: the raw form must fail here.
        raw_signature(signature, half)
            .is_some_and(|raw| check(&DecodingKey::from_ec_der(point), algorithm, &raw, text))
    };
    Some(if good { vec![0x08, 1] } else { b"\x12\x13signature incorrect".to_vec() })
}

fn check(key: &DecodingKey, algorithm: Algorithm, signature: &[u8], text: &[u8]) -> bool {
    crypto::verify(&base64url(signature), text, key, algorithm).unwrap_or(false)
}

fn raw_signature(mut der: &[u8], half: usize) -> Option<Vec<u8>> {
    let mut numbers = element(&mut der, 0x30)?;
    let mut raw = Vec::new();
    for _ in 0..2 {
        let number = element(&mut numbers, 0x02)?;
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        raw.extend(std::iter::repeat_n(0, half.checked_sub(number.len())?));
        raw.extend_from_slice(number);
    }
    Some(raw)
}

/// The content of the next DER element, which must have this tag.
fn element<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let [first, length, tail @ ..] = *bytes else { return None };
    let (length, tail) = match *length {
        short @ 0..=0x7f => (usize::from(short), tail),
        0x81 => (usize::from(*tail.first()?), tail.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes([*tail.first()?, *tail.get(1)?])), tail.get(2..)?),
        _ => return None,
    };
    let (content, rest) = tail.split_at_checked(length)?;
    *bytes = rest;
    (*first == tag).then_some(content)
}

fn varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..28).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(number >> (18 - 6 * place) & 63) as usize]));
        }
    }
    text
}
