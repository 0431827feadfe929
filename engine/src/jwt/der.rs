//! The subset of DER that public keys and ECDSA signatures need.

use alloc::vec::Vec;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// rsaEncryption (1.2.840.113549.1.1.1) with its NULL parameters, as the content of a SEQUENCE.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// id-ecPublicKey (1.2.840.10045.2.1); the curve's own identifier follows.
const EC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// A SubjectPublicKeyInfo of an RSA key: modulus and exponent, big endian.
pub(super) fn rsa_spki(n: &[u8], e: &[u8]) -> Vec<u8> {
    let key = element(SEQUENCE, &[&integer(n), &integer(e)]);
    element(SEQUENCE, &[&element(SEQUENCE, &[RSA]), &element(BIT_STRING, &[&[0], &key])])
}

/// A SubjectPublicKeyInfo of an EC key: the curve's object identifier (encoded) and its uncompressed point.
pub(super) fn ec_spki(curve: &[u8], x: &[u8], y: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[&element(SEQUENCE, &[EC, curve]), &element(BIT_STRING, &[&[0, 4], x, y])])
}

/// An ECDSA signature as X9.62 has it (`SEQUENCE {r, s}`) from the two halves that a JWS carries.
///
/// Any length is split in the middle and an odd last byte dropped, as Envoy does. `None` for an empty signature.
pub fn der_signature(raw: &[u8]) -> Option<Vec<u8>> {
    let half = raw.len() / 2;
    let r = raw.get(..half).filter(|r| !r.is_empty())?;
    let s = raw.get(half..half * 2)?;
    Some(element(SEQUENCE, &[&integer(r), &integer(s)]))
}

/// An unsigned big-endian number without its leading zeros.
pub(super) fn strip_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn integer(number: &[u8]) -> Vec<u8> {
    let number = strip_zeros(number);
    // A leading zero keeps it positive, and is the whole of zero.
    let zero: &[u8] = if number.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    element(INTEGER, &[zero, number])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let bytes = strip_zeros(&bytes);
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(bytes);
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}
