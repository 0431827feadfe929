//! Operations on short texts, eight bytes at a time.
//!
//! `core` does not export its `memchr`, and its comparisons call the C library's `memcmp`: slower than this for a dozen
//! bytes, and a loop over single bytes in WebAssembly.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first place of `byte`.
#[inline]
pub(crate) fn find(text: &[u8], byte: u8) -> Option<usize> {
    // A byte that is zero borrows from its high bit; above the first such byte that may be wrong, below it is not.
    let place = |word: &[u8; 8]| {
        let other = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let zeros = other.wrapping_sub(ONES) & !other & HIGHS;
        (zeros != 0).then(|| (zeros.trailing_zeros() / 8) as usize)
    };
    let Some(last) = text.last_chunk() else { return text.iter().position(|other| *other == byte) };
    let mut at = 0;
    for word in text.as_chunks().0 {
        if let Some(place) = place(word) {
            return Some(at + place);
        }
        at += 8;
    }
    // The last eight over again where they do not come out even.
    place(last).map(|place| text.len() - 8 + place)
}

/// At most eight bytes as one number: no other text of the same length has the same.
#[inline]
pub(crate) fn word(text: &[u8]) -> u64 {
    match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// True where they are equal.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return word(a) == word(b);
    };
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    a_last == b_last && words.into_iter().all(|(a, b)| a == b)
}

/// What follows `start`.
#[inline]
pub(crate) fn strip_prefix<'t>(text: &'t [u8], start: &[u8]) -> Option<&'t [u8]> {
    let (head, rest) = text.split_at_checked(start.len())?;
    equal(head, start).then_some(rest)
}

/// What stands before `end`.
#[inline]
pub(crate) fn strip_suffix<'t>(text: &'t [u8], end: &[u8]) -> Option<&'t [u8]> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    equal(tail, end).then_some(rest)
}

/// The first place of a text.
pub(crate) fn find_text(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let Some(first) = wanted.first() else { return Some(0) };
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        from += find(rest, *first)?;
        if strip_prefix(text.get(from..)?, wanted).is_some() {
            return Some(from);
        }
        from += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_look_at_each_finds() {
        let text = b"/a//b\0\x01\x2e/\x80\xaf\xff0123456789/x";
        for start in 0..text.len() {
            for end in start..=text.len() {
                for byte in 0..=255 {
                    let piece = &text[start..end];
                    assert_eq!(find(piece, byte), piece.iter().position(|other| *other == byte));
                }
                let piece = &text[start..end];
                let place = text.windows(piece.len().max(1)).position(|window| window.starts_with(piece));
                assert_eq!(find_text(text, piece), place);
                assert_eq!(
                    find_text(&text[..text.len() / 2], piece),
                    place.filter(|at| at + piece.len() <= text.len() / 2)
                );
            }
        }
    }

    #[test]
    fn compares_as_the_standard_library_does() {
        let text = b"0123456789012345678901234567890123456789";
        for (a, length) in (0..20).flat_map(|a| (0..20).map(move |length| (a, length))) {
            let one = &text[a..a + length];
            for (b, other) in (0..20).flat_map(|b| (0..20).map(move |other| (b, other))) {
                let two = &text[b..b + other];
                assert_eq!(equal(one, two), one == two);
                assert_eq!(strip_prefix(one, two), one.strip_prefix(two));
                assert_eq!(strip_suffix(one, two), one.strip_suffix(two));
            }
            for at in 0..length {
                let mut changed = one.to_vec();
                changed[at] ^= 0x80;
                assert!(!equal(one, &changed));
            }
        }
    }
}
