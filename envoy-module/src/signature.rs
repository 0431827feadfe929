//! Signatures of tokens.
//!
//! What tokens are mostly signed with is checked by ring, in assembly: RSA of 2,048, 3,072 and 4,096 bits with PKCS#1
//! padding, ECDSA on P-256 and P-384. All other kinds (PSS, EdDSA, HMAC, P-521, odd keys) are left to the RustCrypto crates
//! behind the feature `software-crypto`, which take four times as long and accept exactly what Envoy accepts.

use gnomon_shadow::host::Hash;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};

/// `rsaEncryption` without parameters, as it stands in a key: 1.2.840.113549.1.1.1.
const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// `id-ecPublicKey` with the curve, and the bit string that a point of it is: 65 and 97 bytes, after a zero.
const P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
/// The exponent 65,537, with which an RSA key ends.
const F4: &[u8] = b"\x02\x03\x01\x00\x01";
/// How long RSA keys of these sizes are, with that exponent: only what ring and Envoy both take for a key.
const RSA_LENGTHS: [usize; 3] = [270, 398, 526];

/// Whether the signature of the text is good, by a key as SubjectPublicKeyInfo. `None`: it has to be checked elsewhere.
pub(crate) fn verify(hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Option<bool> {
    let (algorithm, key): (&'static dyn VerificationAlgorithm, &[u8]) =
        if let Some(point) = key.strip_prefix(P256) {
            let algorithm: &'static dyn VerificationAlgorithm = match hash {
                Hash::Sha256 => &ECDSA_P256_SHA256_ASN1,
                Hash::Sha384 => &ECDSA_P256_SHA384_ASN1,
                Hash::Sha512 => return None,
            };
            (algorithm, point)
        } else if let Some(point) = key.strip_prefix(P384) {
            let algorithm: &'static dyn VerificationAlgorithm = match hash {
                Hash::Sha256 => &ECDSA_P384_SHA256_ASN1,
                Hash::Sha384 => &ECDSA_P384_SHA384_ASN1,
                Hash::Sha512 => return None,
            };
            (algorithm, point)
        } else {
            let algorithm: &'static dyn VerificationAlgorithm = match hash {
                Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
                Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
            };
            (algorithm, rsa_key(key)?)
        };
    Some(UnparsedPublicKey::new(algorithm, key).verify(text, signature).is_ok())
}

/// What stands in the bit string of an RSA key: the modulus and the exponent. Each length takes three bytes.
fn rsa_key(key: &[u8]) -> Option<&[u8]> {
    let inner = long(key, 0x30)?.strip_prefix(RSA)?;
    let key = long(inner, 0x03)?.strip_prefix(&[0])?;
    (RSA_LENGTHS.contains(&key.len()) && key.ends_with(F4)).then_some(key)
}

/// The contents of the only element there is, with a length of two bytes.
fn long(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (head, contents) = bytes.split_first_chunk::<4>()?;
    let [first, 0x82, high, low] = *head else { return None };
    let length = usize::from(u16::from_be_bytes([high, low]));
    (first == tag && contents.len() == length).then_some(contents)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code may be blunt")]
mod tests {
    use super::*;
    use gnomon_engine::{
        base64,
        jwt::{Algorithm, Crypto, KeySet, Signature, SoftwareCrypto, der_signature},
        slices::{self, AtOnce},
    };

    /// RFC 7515, A.2: RS256, and A.3: ES256.
    const RS256: [&str; 3] = [
        r#"{"keys": [{"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]}"#,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ];
    const ES256: [&str; 3] = [
        r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ];

    #[test]
    fn ring_says_what_the_other_library_says() {
        for ([keys, text, signature], algorithm) in [(RS256, Algorithm::Rs256), (ES256, Algorithm::Es256)] {
            let set = KeySet::parse(keys);
            let key = set.keys().first().unwrap();
            let spki = key.spki_der().unwrap();
            let signature = slices::all(base64::decode_either(signature.as_bytes(), &AtOnce)).unwrap();
            for place in 0..=signature.len() {
                let mut changed = signature.clone();
                if let Some(byte) = changed.get_mut(place) {
                    *byte ^= 1;
                }
                let theirs =
                    SoftwareCrypto.verify(algorithm, key, text.as_bytes(), &changed) == Signature::Good;
                let der =
                    if algorithm == Algorithm::Es256 { der_signature(&changed).unwrap() } else { changed };
                assert_eq!(verify(Hash::Sha256, spki, &der, text.as_bytes()), Some(theirs), "{place}");
                assert_eq!(theirs, place == signature.len());
                assert_eq!(verify(Hash::Sha384, spki, &der, text.as_bytes()), Some(false));
            }
        }
    }

    #[test]
    fn what_is_no_such_key_is_left_to_others() {
        let set = KeySet::parse(RS256[0]);
        let spki = set.keys().first().unwrap().spki_der().unwrap();
        for end in 0..spki.len() {
            assert_eq!(verify(Hash::Sha256, &spki[..end], b"", b""), None, "{end}");
        }
        let mut three = spki.to_vec();
        *three.last_mut().unwrap() = 3;
        assert_eq!(verify(Hash::Sha256, &three, b"", b""), None, "another exponent");
    }
}
