//! Looking for a byte, eight at a time: what the standard library does for `memchr`, which `core` does not show.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first place of `byte`.
#[inline]
pub(crate) fn find(text: &[u8], byte: u8) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        // A byte that is zero borrows from its high bit; above the first such byte that may be wrong, below it is not.
        let other = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let zeros = other.wrapping_sub(ONES) & !other & HIGHS;
        if zeros != 0 {
            return Some(at + (zeros.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    rest.iter().position(|other| *other == byte).map(|place| at + place)
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
            }
        }
    }
}
