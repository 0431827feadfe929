//! Dynamic metadata, out of the serialized protobuf message that the property `metadata` is.
//!
//! The message is `envoy.config.core.v3.Metadata`; its field 1 maps a filter's name to a `google.protobuf.Struct`. Read
//! value by value the properties would lose their types, and fail wherever there is a null.

use alloc::{string::String, vec::Vec};
use gnomon_engine::jwt::Json;

/// Values nested deeper are taken for null: protobuf's own limit for JSON is 100.
const DEEPEST: u32 = 64;

/// By filter name, as [`gnomon_engine::Request::metadata`] wants it. `None` where the bytes are no such message.
pub fn read(bytes: &[u8]) -> Option<Vec<(String, Json)>> {
    let mut found = Vec::new();
    for field in fields(bytes) {
        if let (1, Field::Bytes(entry)) = field? {
            found.push(map_entry(entry, |value| structure(value, 0))?);
        }
    }
    Some(found)
}

enum Field<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
    /// 32 bits or a group: nothing here has one.
    Other,
}

/// The fields of a message, by number; `None` ends them where the bytes are malformed.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Option<(u64, Field<'_>)>> {
    core::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let field = field(&mut bytes);
        if field.is_none() {
            bytes = &[];
        }
        Some(field)
    })
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(bytes)?;
    let value = match tag & 7 {
        0 => Field::Varint(varint(bytes)?),
        1 => {
            let (value, rest) = bytes.split_first_chunk::<8>()?;
            *bytes = rest;
            Field::Fixed(u64::from_le_bytes(*value))
        }
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            let (value, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Field::Bytes(value)
        }
        5 => {
            *bytes = bytes.get(4..)?;
            Field::Other
        }
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// An entry of a map from strings to messages: the key is field 1, the value field 2.
fn map_entry<T>(bytes: &[u8], value: impl Fn(&[u8]) -> Option<T>) -> Option<(String, T)> {
    let mut key = String::new();
    let mut found = None;
    for field in fields(bytes) {
        match field? {
            (1, Field::Bytes(text)) => key = String::from_utf8(text.to_vec()).ok()?,
            (2, Field::Bytes(message)) => found = Some(value(message)?),
            _ => {}
        }
    }
    // An absent value is an empty message.
    let found = match found {
        Some(found) => found,
        None => value(&[])?,
    };
    Some((key, found))
}

/// `google.protobuf.Struct`: field 1 is a map.
fn structure(bytes: &[u8], depth: u32) -> Option<Json> {
    let mut entries = Vec::new();
    for field in fields(bytes) {
        if let (1, Field::Bytes(entry)) = field? {
            entries.push(map_entry(entry, |inner| value(inner, depth + 1))?);
        }
    }
    Some(Json::Object(entries))
}

/// `google.protobuf.Value`.
fn value(bytes: &[u8], depth: u32) -> Option<Json> {
    if depth > DEEPEST {
        return Some(Json::Null);
    }
    let mut found = Json::Null;
    for field in fields(bytes) {
        found = match field? {
            (1, _) => Json::Null,
            (2, Field::Fixed(bits)) => Json::Number(f64::from_bits(bits)),
            (3, Field::Bytes(text)) => Json::String(String::from_utf8(text.to_vec()).ok()?),
            (4, Field::Varint(truth)) => Json::Bool(truth != 0),
            (5, Field::Bytes(inner)) => structure(inner, depth)?,
            (6, Field::Bytes(inner)) => list(inner, depth)?,
            _ => found,
        };
    }
    Some(found)
}

/// `google.protobuf.ListValue`: field 1 is repeated.
fn list(bytes: &[u8], depth: u32) -> Option<Json> {
    let mut items = Vec::new();
    for field in fields(bytes) {
        if let (1, Field::Bytes(inner)) = field? {
            items.push(value(inner, depth + 1)?);
        }
    }
    Some(Json::List(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        let mut length = inner.len();
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(inner);
        bytes
    }

    fn encode(json: &Json) -> Vec<u8> {
        match json {
            Json::Null => vec![1 << 3, 0],
            Json::Number(number) => [vec![2 << 3 | 1], number.to_le_bytes().to_vec()].concat(),
            Json::String(text) => message(3, text.as_bytes()),
            Json::Bool(truth) => vec![4 << 3, u8::from(*truth)],
            Json::Object(entries) => message(5, &encode_struct(entries)),
            Json::List(items) => {
                let items: Vec<u8> = items.iter().flat_map(|item| message(1, &encode(item))).collect();
                message(6, &items)
            }
        }
    }

    fn encode_struct(entries: &[(String, Json)]) -> Vec<u8> {
        let entry = |(key, value): &(String, Json)| {
            message(1, &[message(1, key.as_bytes()), message(2, &encode(value))].concat())
        };
        entries.iter().flat_map(entry).collect()
    }

    fn sample() -> Vec<(String, Json)> {
        let long = "x".repeat(300);
        let of = |entries: Vec<(&str, Json)>| {
            Json::Object(entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
        };
        vec![
            ("envoy.filters.http.lua".into(), of(vec![])),
            (
                "envoy.filters.x".into(),
                of(vec![
                    ("null", Json::Null),
                    ("yes", Json::Bool(true)),
                    ("half", Json::Number(0.5)),
                    ("text", Json::String(long)),
                    ("list", Json::List(vec![Json::Null, of(vec![("k", Json::Bool(false))])])),
                ]),
            ),
        ]
    }

    fn encode_all(all: &[(String, Json)]) -> Vec<u8> {
        let entry = |(key, value): &(String, Json)| match value {
            Json::Object(entries) => {
                message(1, &[message(1, key.as_bytes()), message(2, &encode_struct(entries))].concat())
            }
            _ => panic!("not a struct"),
        };
        all.iter().flat_map(entry).collect()
    }

    #[test]
    fn every_kind_of_value_keeps_its_type() {
        assert_eq!(read(&encode_all(&sample())), Some(sample()));
        assert_eq!(read(b""), Some(vec![]));
        // Typed metadata (field 2) is passed over.
        assert_eq!(read(&message(2, b"anything")), Some(vec![]));
    }

    #[test]
    fn malformed_bytes_are_refused_or_read_and_never_fatal() {
        let whole = encode_all(&sample());
        for end in 0..whole.len() {
            let _any = read(&whole[..end]);
            let mut changed = whole.clone();
            changed[end] ^= 0xff;
            let _any = read(&changed);
        }
        assert_eq!(read(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), None);
        assert_eq!(read(&[0xff; 32]), None);
    }

    #[test]
    fn depth_is_bounded() {
        let mut bytes = encode_bottom_up(5000);
        bytes = message(
            1,
            &[message(1, b"f"), message(2, &message(1, &[message(1, b"k"), message(2, &bytes)].concat()))]
                .concat(),
        );
        let read = read(&bytes).expect("well formed");
        let mut value = read.into_iter().next().map(|(_, value)| value).unwrap();
        let mut depth = 0;
        loop {
            value = match value {
                Json::Object(entries) => entries.into_iter().next().unwrap().1,
                Json::List(items) => items.into_iter().next().unwrap(),
                _ => break,
            };
            depth += 1;
        }
        assert!(depth <= 66, "{depth}");
    }

    fn encode_bottom_up(depth: usize) -> Vec<u8> {
        let mut bytes = encode(&Json::Bool(true));
        for _ in 0..depth {
            bytes = message(6, &message(1, &bytes));
        }
        bytes
    }
}
