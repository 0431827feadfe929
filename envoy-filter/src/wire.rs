//! The encodings in which the proxy hands over maps, numbers and addresses. Nothing here trusts its input.

use alloc::vec::Vec;

/// One key and its value, as bytes.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// Reads a map: a count, that many pairs of lengths (all u32, little endian), then keys and values, each with a
/// NUL behind it. `None` where the bytes are no such thing.
pub fn pairs(bytes: &[u8]) -> Option<Vec<Pair<'_>>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = number(bytes)?;
    let count = usize::try_from(count).ok()?;
    let (mut lengths, mut data) = rest.split_at_checked(count.checked_mul(8)?)?;
    // The split above bounds the count by the size of the input.
    let mut found = Vec::with_capacity(count);
    while !lengths.is_empty() {
        let (key, after_key) = number(lengths)?;
        let (value, after_value) = number(after_key)?;
        lengths = after_value;
        let (key, after) = text(data, key)?;
        let (value, after) = text(after, value)?;
        data = after;
        found.push((key, value));
    }
    Some(found)
}

/// The same the other way round.
pub fn encode(map: &[Pair<'_>]) -> Vec<u8> {
    let length = |text: &[u8]| u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = u32::try_from(map.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    for (key, value) in map {
        bytes.extend(length(key));
        bytes.extend(length(value));
    }
    for part in map.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend_from_slice(part);
        bytes.push(0);
    }
    bytes
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*first), rest))
}

fn text(data: &[u8], length: u32) -> Option<(&[u8], &[u8])> {
    let (text, rest) = data.split_at_checked(usize::try_from(length).ok()?)?;
    let (_nul, rest) = rest.split_at_checked(1)?;
    Some((text, rest))
}

/// An integer property: 8 bytes, little endian.
pub fn integer(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(bytes.try_into().ok()?))
}

/// A boolean property: one byte.
pub fn boolean(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_come_back_as_they_went_in() {
        let maps: [&[Pair<'_>]; 4] =
            [&[], &[(b"", b"")], &[(b"a", b"1"), (b"a", b"2")], &[(b":path", b"/\xff\0x")]];
        for map in maps {
            assert_eq!(pairs(&encode(map)).as_deref(), Some(map));
        }
        assert_eq!(pairs(b""), Some(vec![]));
    }

    #[test]
    fn no_prefix_of_a_map_is_a_map_and_no_lie_about_lengths_is_believed() {
        let whole = encode(&[(b"key", b"value"), (b"k", b"v")]);
        for end in 1..whole.len() {
            assert_eq!(pairs(&whole[..end]), None, "cut at {end}");
        }
        for at in 0..20 {
            let mut lie = whole.clone();
            lie[at] = 0xff;
            assert_eq!(pairs(&lie), None, "byte {at}");
        }
        assert_eq!(pairs(&[0xff; 4096]), None);
    }
}
