//! Base64 as Envoy's library (abseil) reads and writes it. It is laxer than RFC 4648, and that shows in verdicts.

use crate::slices::{self, Pace};
use alloc::{string::String, vec, vec::Vec};

/// What a character of the URL-safe alphabet stands for; of others, more than six bits.
const DIGITS: [u8; 256] = digits();
const NONE: u8 = 0xff;

#[expect(
    clippy::indexing_slicing,
    reason = "worked out by the compiler, which would stop at an index out of bounds"
)]
const fn digits() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut digits = [NONE; 256];
    let mut digit = 0;
    while digit < alphabet.len() {
        digits[alphabet[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
}

/// Decodes the URL-safe alphabet.
///
/// White space is skipped anywhere; padding (`=` or `.`) may be left out but not be of the wrong length; bits left over
/// in the last character are ignored. `+` and `/` are refused.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // Four characters at a time, as long as nothing else stands among them.
    let mut out = vec![0; text.len() / 4 * 3];
    let mut whole = 0;
    for ([a, b, c, d], three) in text.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<3>().0) {
        let (a, b, c, d) = (digit(*a), digit(*b), digit(*c), digit(*d));
        if (a | b | c | d) > 63 {
            break;
        }
        *three = [(a << 2 | b >> 4), (b << 4 | c >> 2), (c << 6 | d)];
        whole += 1;
    }
    out.truncate(whole * 3);
    let mut bits = 0u32;
    let mut count = 0usize;
    let mut pads = 0usize;
    for &c in text.get(whole * 4..).unwrap_or_default() {
        if matches!(c, b'=' | b'.') {
            pads += 1;
        } else if matches!(c, b'\t'..=b'\r' | b' ') {
            continue;
        } else if pads > 0 || digit(c) > 63 {
            return None;
        } else {
            bits = bits << 6 | u32::from(digit(c));
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

/// The same, where the standard alphabet is as good, with pauses.
pub async fn decode_either(text: &[u8], pace: &dyn Pace) -> Option<Vec<u8>> {
    let url_safe = |byte: &u8| match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => *other,
    };
    let mut digits: Vec<u8> = Vec::with_capacity(text.len());
    for part in text.chunks(PART) {
        slices::step(pace).await;
        digits.extend(part.iter().filter(|byte| !matches!(byte, b'\t'..=b'\r' | b' ')).map(url_safe));
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3);
    let mut parts = digits.chunks(PART).peekable();
    while let Some(part) = parts.next() {
        slices::step(pace).await;
        // Only the end may be padded.
        if parts.peek().is_some() && matches!(part.last(), Some(b'=' | b'.')) {
            return None;
        }
        out.append(&mut decode(part)?);
    }
    Some(out)
}

/// Characters in one step; four are three bytes.
const PART: usize = 4096;

fn digit(c: u8) -> u8 {
    DIGITS.get(usize::from(c)).copied().unwrap_or(NONE)
}

/// The URL-safe alphabet, no padding: what tokens are made of.
pub(crate) fn encode(bytes: &[u8]) -> String {
    write(bytes, b'-', b'_', false)
}

/// The text of these bytes in the standard alphabet, with padding: how `claim_to_headers` writes lists and objects.
pub fn encode_standard(bytes: &[u8]) -> String {
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
