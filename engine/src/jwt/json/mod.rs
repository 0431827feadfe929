//! A JSON value as protobuf's `Struct` holds it, read and written the way Envoy does.

mod parse;
mod write;

use crate::{
    decimal,
    node::{Node, Value},
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};

/// A JSON value; objects keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Every number is a double, as in protobuf's `Value`.
    Number(f64),
    /// A string.
    String(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a text as leniently as Envoy 1.40 reads tokens and key sets; `None`: Envoy would refuse it too.
    ///
    /// Beyond RFC 8259 it takes one trailing comma, `'single quotes'`, `bare_word: keys`, `\'`, `\U00e9` and raw
    /// control characters in strings. It refuses duplicate keys, byte order marks, invalid UTF-8, lone surrogates,
    /// numbers beyond a double, and more than 100 nested lists and objects. Linear time and memory, up to sorting
    /// the keys of an object.
    pub fn parse(text: &[u8]) -> Option<Json> {
        parse::value(text)
    }

    /// As [`Json::parse`], for a text that must be an object. Envoy takes the text `null` for the empty object.
    pub fn parse_object(text: &[u8]) -> Option<Json> {
        match parse::value(text)? {
            Json::Null => Some(Json::Object(Vec::new())),
            object @ Json::Object(_) => Some(object),
            _ => None,
        }
    }

    /// The member called `name`, where this is an object that has it.
    pub fn member(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value at a path of member names. Lists have no members, as in Envoy.
    pub fn get<S: AsRef<str>>(&self, path: &[S]) -> Option<&Json> {
        path.iter().try_fold(self, |value, name| value.member(name.as_ref()))
    }

    /// The text, where this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// Compact JSON as protobuf prints it: numbers with as few digits as read back to the same double (never more
    /// than 17), `<`, `>` and invisible characters escaped. Members stand in the object's own order; in Envoy their
    /// order is arbitrary.
    pub fn write(&self) -> String {
        write::compact(self)
    }
}

/// A number that is not a JSON number (`0x1f`, `.inf`) is converted to its value, or to its text where no double has it.
impl From<&Node> for Json {
    fn from(node: &Node) -> Json {
        match &node.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(text) => number(text).map_or_else(|| Json::String(text.clone()), Json::Number),
            Value::String(text) => Json::String(text.clone()),
            Value::List(items) => Json::List(items.iter().map(Json::from).collect()),
            Value::Map(entries) => Json::Object(
                entries.iter().map(|(key, value)| (key.name.to_string(), Json::from(value))).collect(),
            ),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().map(|n| n as f64);
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    decimal::parse(text)
}
