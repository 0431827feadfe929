//! Base64 as Envoy's library (abseil) reads and writes it. It is laxer than RFC 4648, and that shows in verdicts.

use alloc::{string::String, vec::Vec};

/// Decodes the URL-safe alphabet.
///
/// White space is skipped anywhere; padding (`=` or `.`) may be left out but not be of the wrong length; bits left over
/// in the last character are ignored. `+` and `/` are refused.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits = 0u32;
    let mut count = 0usize;
    let mut pads = 0usize;
    for &c in text {
        if matches!(c, b'=' | b'.') {
            pads += 1;
        } else if matches!(c, b'\t'..=b'\r' | b' ') {
            continue;
        } else if pads > 0 {
            return None;
        } else {
            bits = bits << 6 | digit(c)?;
            count += 1;
            if count == 4 {
                out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
                (bits, count) = (0, 0);
            }
        }
    }
    let expected = match count {
        0 => 0,
        2 => {
            out.push((bits >> 4) as u8);
            2
        }
        3 => {
            out.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]);
            1
        }
        _ => return None,
    };
    (pads == 0 || pads == expected).then_some(out)
}

fn digit(c: u8) -> Option<u32> {
    Some(u32::from(match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    }))
}

/// The URL-safe alphabet, no padding: what tokens are made of.
pub(super) fn encode(bytes: &[u8]) -> String {
    write(bytes, b'-', b'_', false)
}

/// The standard alphabet with padding: how `claim_to_headers` writes lists and objects.
pub(crate) fn encode_standard(bytes: &[u8]) -> String {
    write(bytes, b'+', b'/', true)
}

fn write(bytes: &[u8], c62: u8, c63: u8, pad: bool) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            if i > chunk.len() {
                if pad {
                    out.push('=');
                }
                continue;
            }
            let digit = (bits >> (18 - 6 * i) & 63) as u8;
            out.push(char::from(match digit {
                0..=25 => b'A' + digit,
                26..=51 => b'a' + (digit - 26),
                52..=61 => b'0' + (digit - 52),
                62 => c62,
                _ => c63,
            }));
        }
    }
    out
}
