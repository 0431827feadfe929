//! The names in the peer's certificate, all of them.
//!
//! As properties the proxy shows the first URI SAN and the first DNS SAN only. But it also hands over the certificate,
//! PEM in percent encoding, and there the others stand (RFC 5280, §4.2.1.6).

use alloc::vec::Vec;
use gnomon_engine::{
    base64,
    slices::{self, AtOnce},
};

/// Longer certificates are not looked into.
const LONGEST: usize = 64 << 10;
const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
/// `extensions [3]` of the part that is signed.
const EXTENSIONS: u8 = 0xa3;
/// `dNSName [2]` and `uniformResourceIdentifier [6]` of a GeneralName.
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// URI and DNS SANs of a certificate, PEM in percent encoding; `None` where that is no certificate.
pub fn names(property: &[u8]) -> Option<Vec<Vec<u8>>> {
    if property.len() > LONGEST {
        return None;
    }
    names_of(&decode(property)?)
}

fn names_of(certificate: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    // Certificate, and its first part: what is signed.
    let signed = only(only(certificate, SEQUENCE)?, SEQUENCE)?;
    let Some(extensions) = elements(signed).find(|element| matches!(element, Some((EXTENSIONS, _)) | None))
    else {
        return Some(found);
    };
    let (_, extensions) = extensions?;
    for extension in elements(only(extensions, SEQUENCE)?) {
        let (_, extension) = extension?;
        let mut parts = elements(extension);
        if parts.next()?? != (OBJECT, SUBJECT_ALT_NAME) {
            continue;
        }
        // Between the name and the value may stand whether it is critical.
        let value = parts.find(|part| matches!(part, Some((OCTETS, _)) | None))??.1;
        for name in elements(only(value, SEQUENCE)?) {
            if let (DNS | URI, name) = name? {
                found.push(name.into());
            }
        }
    }
    Some(found)
}

/// What is in the first element, which must have this tag.
fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    elements(bytes).next()?.filter(|(found, _)| *found == tag).map(|(_, inner)| inner)
}

/// The elements of DER in a row; `None` ends them where they are malformed.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Option<(u8, &[u8])>> {
    core::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let element = element(&mut bytes);
        if element.is_none() {
            bytes = &[];
        }
        Some(element)
    })
}

fn element<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let [tag, first, rest @ ..] = *bytes else { return None };
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        // So many bytes of length follow; no certificate needs more than three.
        long @ 0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (inner, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some((*tag, inner))
}

/// The first certificate of a PEM text, out of its percent encoding.
fn decode(property: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(property.len());
    let mut pieces = property.split(|byte| *byte == b'%');
    text.extend_from_slice(pieces.next()?);
    for piece in pieces {
        match piece {
            [high, low, plain @ ..] => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                text.push(digit(*high)? << 4 | digit(*low)?);
                text.extend_from_slice(plain);
            }
            // Too short to be an encoding: it stands for itself.
            _ => {
                text.push(b'%');
                text.extend_from_slice(piece);
            }
        }
    }
    let begin = b"-----BEGIN CERTIFICATE-----";
    let body = text.windows(begin.len()).position(|window| window == begin)?;
    let body = text.get(body + begin.len()..)?;
    let end = body.iter().position(|byte| *byte == b'-').unwrap_or(body.len());
    let mut plain = Vec::with_capacity(end);
    for line in body.get(..end)?.split(|byte| matches!(byte, b'\r' | b'\n' | b' ')) {
        plain.extend_from_slice(line);
    }
    slices::all(base64::decode_either(&plain, &AtOnce))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = alloc::vec![tag];
        match inner.len() {
            short @ 0..=0x7f => bytes.push(short as u8),
            long => bytes.extend([0x82, (long >> 8) as u8, long as u8]),
        }
        bytes.extend(inner);
        bytes
    }

    fn certificate(names: &[(u8, &[u8])]) -> Vec<u8> {
        let names: Vec<u8> = names.iter().flat_map(|(tag, name)| element(*tag, name)).collect();
        let critical = [1, 1, 0xff];
        let value = element(OCTETS, &element(SEQUENCE, &names));
        let san = [element(OBJECT, SUBJECT_ALT_NAME), critical.to_vec(), value].concat();
        let usage = [element(OBJECT, &[0x55, 0x1d, 0x25]), element(OCTETS, &[0x30, 0])].concat();
        let extensions = [element(SEQUENCE, &usage), element(SEQUENCE, &san)].concat();
        let signed = [
            element(0x02, &[7; 20]),
            element(0xa0, &[1]),
            element(EXTENSIONS, &element(SEQUENCE, &extensions)),
        ];
        element(SEQUENCE, &[element(SEQUENCE, &signed.concat()), element(0x03, &[0; 70])].concat())
    }

    #[test]
    fn all_names_are_found() {
        let long = [b'x'; 300];
        let names =
            [(URI, &b"spiffe://a"[..]), (DNS, b"b.test"), (0x81, b"c@d"), (URI, b"spiffe://e"), (DNS, &long)];
        let expected: Vec<Vec<u8>> =
            alloc::vec![b"spiffe://a".to_vec(), b"b.test".to_vec(), b"spiffe://e".to_vec(), long.to_vec()];
        assert_eq!(names_of(&certificate(&names)), Some(expected));
        assert_eq!(names_of(&certificate(&[])), Some(Vec::new()));
        // Without extensions.
        let bare = element(SEQUENCE, &element(SEQUENCE, &element(0x02, &[1])));
        assert_eq!(names_of(&bare), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_certificate_is_refused_and_never_fatal() {
        let whole = certificate(&[(URI, b"spiffe://a"), (DNS, b"b")]);
        for end in 0..whole.len() {
            assert_eq!(names_of(&whole[..end]), None, "{end}");
            let mut changed = whole.clone();
            changed[end] ^= 0xff;
            let _any = names_of(&changed);
        }
        for text in ["", "%", "%zz", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----%0AMIIB"] {
            assert_eq!(names(text.as_bytes()), None, "{text}");
        }
        assert_eq!(names(&[b'A'; LONGEST + 1]), None);
    }
}
