//! What gzip writers write is read back, and nothing else is.
#![allow(clippy::unwrap_used, reason = "test code may be blunt")]

use gnomon_shadow::gzip::{Broken, crc32, gunzip, unpack};
use miniz_oxide::deflate::compress_to_vec;
use proptest::{collection::vec, prelude::*};

const ALL: usize = 1 << 20;

/// A gzip member around what miniz_oxide makes of `data`.
fn gzip(data: &[u8], level: u8) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    out.extend(compress_to_vec(data, level));
    out.extend(crc32(data).to_le_bytes());
    out.extend((data.len() as u32).to_le_bytes());
    out
}

#[test]
fn other_programs_output() {
    // printf '[{"kind":"AuthorizationPolicy"},{"kind":"AuthorizationPolicy"}]' | gzip -9 | base64
    let text = "H4sIAAAAAAACA4uuVsrOzEtRslJyLC3JyC/KrEosyczPC8jPyUyuVKrVwS8dCwDeqxnrPwAAAA==";
    let expected = br#"[{"kind":"AuthorizationPolicy"},{"kind":"AuthorizationPolicy"}]"#;
    assert_eq!(unpack(text.as_bytes(), ALL).unwrap(), expected);
    let broken: String = text.chars().flat_map(|c| if c == 'V' { vec!['\n', c] } else { vec![c] }).collect();
    assert_eq!(unpack(broken.as_bytes(), ALL).unwrap(), expected, "lines are joined");
    let url_safe = text.replace('+', "-").replace('/', "_");
    assert_eq!(unpack(url_safe.trim_end_matches('=').as_bytes(), ALL).unwrap(), expected);
    // With a name, a comment, an extra field and the header's own checksum.
    let plain = gzip(b"abc", 9);
    let mut named = plain[..3].to_vec();
    named.extend(b"\x1e\0\0\0\0\0\x03\x02\0zzname\0comment\0hh");
    named.extend(&plain[10..]);
    assert_eq!(gunzip(&named, ALL).unwrap(), b"abc");
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn what_is_refused() {
    let good = gzip(&b"policy ".repeat(1000), 9);
    assert_eq!(gunzip(&good, 7000).unwrap().len(), 7000);
    assert_eq!(gunzip(&good, 6999), Err(Broken::TooLong));
    let message = |bytes: &[u8]| gunzip(bytes, ALL).unwrap_err().to_string();
    assert_eq!(unpack(b"%%%", ALL), Err(Broken::Base64));
    assert_eq!(message(b"PK\x03\x04"), "it is not gzip");
    assert_eq!(message(b""), "the gzip data are cut off");
    assert_eq!(message(&[&good[..], b"x"].concat()), "something follows the gzip data");
    let mut altered = good.clone();
    let last = altered.len() - 6;
    altered[last] ^= 1;
    assert_eq!(message(&altered), "the gzip data were altered: their checksum is another");
    for length in 0..good.len() {
        // Its last four bytes pass for the length.
        let message = message(&good[..length]);
        assert!(message.starts_with("the gzip data are cut off"), "{length}: {message}");
    }
}

/// Text with repetitions, as manifests are, and noise, which is stored as it is.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let words = vec(prop_oneof!["[a-d]{1,9}", "AuthorizationPolicy", "\\PC{0,3}"], 0..400);
    prop_oneof![words.prop_map(|words| words.concat().into_bytes()), vec(any::<u8>(), 0..3000)]
}

proptest! {
    #[test]
    fn all_comes_back(data in data(), level in 0_u8..=10) {
        prop_assert_eq!(gunzip(&gzip(&data, level), ALL).unwrap(), data);
    }

    /// No panic, no more than the bound, and never something else for the same checksum.
    #[test]
    fn altered_input_is_harmless(data in data(), level in 0_u8..=10, at in any::<usize>(), flip in 1_u8..) {
        let mut bytes = gzip(&data, level);
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(out) = gunzip(&bytes, ALL) {
            prop_assert_eq!(out, data);
        }
    }

    #[test]
    fn noise_is_harmless(noise in vec(any::<u8>(), 0..400)) {
        let bytes = [&b"\x1f\x8b\x08\0\0\0\0\0\0\0"[..], &noise].concat();
        if let Ok(out) = gunzip(&bytes, 1000) {
            prop_assert!(out.len() <= 1000);
        }
    }
}
