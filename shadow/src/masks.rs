//! Paths and authorities as logs may have them: without queries, and without what is secret in the rest.
//!
//! Secrets are looked for as whoever reads the request may read it: percent-encoded, and that encoded once more.

use alloc::{string::String, vec::Vec};

/// Stands for what is not shown.
const MASK: &[u8] = b"***";
/// What every JWT begins with: `{"`.
const TOKEN: &[u8] = b"eyJ";

/// A path, up to its query or fragment.
///
/// A value (`;access_token=…`) is not shown, nor anything behind it: `/` and `;` may be part of one. Nor is a name with a
/// password (`/proxy/https://user:secret@host`), or a JWT.
pub fn path(bytes: &[u8]) -> String {
    mask(bytes, false)
}

/// An authority; of one with user information, the host.
pub fn authority(bytes: &[u8]) -> String {
    mask(bytes, true)
}

fn mask(bytes: &[u8], is_authority: bool) -> String {
    let mut shown: Vec<u8> = Vec::new();
    // Where the current segment begins, and whether it may still be a name and a password.
    let (mut segment, mut pair) = (0, is_authority);
    let (mut at, mut before) = (0, b'/');
    while let Some((character, length)) = decoded(bytes, at) {
        let end = at + length;
        match character {
            b'?' | b'#' => break,
            b'=' => {
                shown.extend(bytes.get(at..end).unwrap_or_default());
                shown.extend(MASK);
                break;
            }
            b'e' if !before.is_ascii_alphanumeric() && follows(bytes, at, TOKEN) => {
                shown.extend(MASK);
                break;
            }
            b'@' if pair => {
                shown.truncate(segment);
                shown.extend(MASK);
            }
            b'/' | b'\\' => pair = is_authority,
            b':' => pair = true,
            _ => {}
        }
        shown.extend(bytes.get(at..end).unwrap_or_default());
        (at, before) = (end, character);
        if matches!(character, b'/' | b'\\') {
            segment = shown.len();
        }
    }
    String::from_utf8_lossy(&shown).into_owned()
}

/// Do these characters stand there, however they are encoded?
fn follows(bytes: &[u8], mut at: usize, wanted: &[u8]) -> bool {
    wanted.iter().all(|wanted| match decoded(bytes, at) {
        Some((character, length)) => {
            at += length;
            character == *wanted
        }
        None => false,
    })
}

/// The character at a place and how many bytes it takes: `=`, `%3D`, `%253D`, …
fn decoded(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let first = *bytes.get(at)?;
    let mut end = at + 1;
    let mut found = (first, 1);
    let mut escaped = first == b'%';
    while escaped {
        let digit = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let Some(byte) = digit(end).zip(digit(end + 1)).map(|(high, low)| (high * 16 + low) as u8) else {
            break;
        };
        end += 2;
        found = (byte, end - at);
        escaped = byte == b'%';
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_however_they_are_written() {
        let table = [
            ("/plain/path.html", "/plain/path.html"),
            ("/a%20b/100%/%zz/é", "/a%20b/100%/%zz/é"),
            ("/p?access_token=s3cret", "/p"),
            ("/p#access_token=s3cret", "/p"),
            ("/p%3Faccess_token=s3cret", "/p"),
            ("/p%3faccess_token%3ds3cret", "/p"),
            ("/p%253Faccess_token=s3cret", "/p"),
            ("/p%25253faccess_token=s3cret", "/p"),
            ("/p%23id_token=s3cret", "/p"),
            ("/p;access_token=s3cret", "/p;access_token=***"),
            ("/p;Access_Token=s3/cret/x", "/p;Access_Token=***"),
            ("/p;a%63cess%5Ftoken%3Ds3cret;x", "/p;a%63cess%5Ftoken%3D***"),
            ("/p%3Bsig%253ds3cret/q", "/p%3Bsig%253d***"),
            ("/p&key=s3cret", "/p&key=***"),
            ("/https://user:s3cret@a.test/x", "/https://***@a.test/x"),
            ("/https:%2F%2Fuser%3As3cret%40a.test/x", "/https:%2F%2F***%40a.test/x"),
            ("/ftp:\\\\u:s3cret@h", "/ftp:\\\\***@h"),
            ("/a:b/c@d", "/a:b/c@d"),
            ("/users/a@b.test", "/users/a@b.test"),
            ("/monkeyJar", "/monkeyJar"),
            ("/Bearer%20eyJhbGciOiJub25lIn0.s3cret.x", "/Bearer%20***"),
            ("/reset/eyJhbGciOiJub25lIn0.s3cret.x", "/reset/***"),
            ("/reset/%65yJhbGciOiJub25lIn0.s3cret.x", "/reset/***"),
            ("https://user:s3cret@a.test/x", "https://***@a.test/x"),
        ];
        for (text, expected) in table {
            assert_eq!(path(text.as_bytes()), expected, "{text}");
        }
        let table = [
            ("a.test", "a.test"),
            ("a.test:8080", "a.test:8080"),
            ("[::1]:80", "[::1]:80"),
            ("user:s3cret@a.test:80", "***@a.test:80"),
            ("s3cret@a.test", "***@a.test"),
            ("user:s3@cret@a.test", "***@a.test"),
            ("user%3As3cret%40a.test", "***%40a.test"),
            ("user:s3cret%2540a.test", "***%2540a.test"),
            ("a.test/?t=s3cret", "a.test/"),
            ("a.test;t=s3cret", "a.test;t=***"),
        ];
        for (text, expected) in table {
            assert_eq!(authority(text.as_bytes()), expected, "{text}");
        }
        let long = ["user:", &"s3cret".repeat(1000), "@a.test"].concat();
        assert_eq!(authority(long.as_bytes()), "***@a.test");
        // Nothing makes it read beyond the end.
        for text in ["%", "%2", "%25", "%252", "%253", "/%25%", "e", "ey", "@", "::@@"] {
            path(text.as_bytes());
            authority(text.as_bytes());
        }
    }
}
