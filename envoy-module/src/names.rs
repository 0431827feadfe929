//! All names in the peer's certificate, carried from the network filter to the HTTP filter on the same connection.

use crate::abi::network::Stream;

/// Where they are noted.
pub(crate) const KEY: &str = "gnomon.peer_names";
/// More than this is not carried.
const LONGEST: usize = 64 << 10;

/// URI and DNS SANs. `None`: there is no TLS, or they cannot be told.
pub(crate) fn of(stream: &Stream<'_>) -> Option<Vec<Vec<u8>>> {
    if !stream.is_tls() {
        return None;
    }
    let mut names = stream.uri_sans()?;
    names.append(&mut stream.dns_sans()?);
    Some(names)
}

/// Notes them, where there is TLS.
pub(crate) fn note(stream: &Stream<'_>) {
    if let Some(names) = of(stream) {
        let text = write(&names);
        if text.len() <= LONGEST {
            stream.note(KEY, &text);
        }
    }
}

/// Each with its length in front, in decimal: `9:a.example`.
fn write(names: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    for name in names {
        text.extend_from_slice(format!("{}:", name.len()).as_bytes());
        text.extend_from_slice(name);
    }
    // An empty text counts as none.
    text.push(b'.');
    text
}

/// What was written; `None` for anything else.
pub(crate) fn read(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    let mut rest = text.strip_suffix(b".").filter(|text| text.len() <= LONGEST)?;
    while !rest.is_empty() {
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let (length, after) = rest.split_at_checked(colon)?;
        let length = core::str::from_utf8(length).ok()?.parse::<usize>().ok()?;
        let (name, after) = after.get(1..)?.split_at_checked(length)?;
        names.push(name.to_vec());
        rest = after;
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        let table: [&[&[u8]]; 5] =
            [&[], &[b""], &[b"spiffe://a/ns/b"], &[b"a", b"b:c", b"\0\xff."], &[b"12:", b"3:4"]];
        for names in table {
            let names: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
            assert_eq!(read(&write(&names)), Some(names));
        }
        for wrong in [&b""[..], b"x", b"1:.", b"2:a.", b"-1:a.", b"99999999999999999999:a.", b":a."] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
