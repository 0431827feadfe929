//! The path of a condition as explanations and reports write it: `from.source.notPrincipals`, `when[source.ip]`.

use super::{Attribute, Key, Part};
use core::fmt;

/// Where a rule has a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written<'a> {
    /// As a field of `source` or `operation`.
    Field,
    /// As this key of `when`.
    Key(&'a str),
}

/// A condition of a rule by name.
///
/// [`FieldPath::parse`] reads what [`Display`](fmt::Display) writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPath<'a> {
    /// What it looks at.
    pub attribute: Attribute,
    /// How the rule names it.
    pub written: Written<'a>,
    /// A `not` field, or `notValues`.
    pub negated: bool,
}

impl<'a> FieldPath<'a> {
    /// Reads `from.source.notPrincipals`, `to.operation.paths`, `when[KEY]` or `when[KEY].notValues`; `None`: it is none
    /// of these.
    pub fn parse(text: &'a str) -> Option<FieldPath<'a>> {
        if let Some(rest) = text.strip_prefix("when[") {
            let (rest, negated) = match rest.strip_suffix(".notValues") {
                Some(rest) => (rest, true),
                None => (rest, false),
            };
            let key = rest.strip_suffix(']')?;
            let (attribute, _) = Attribute::of_key(key)?;
            return Some(FieldPath { attribute, written: Written::Key(key), negated });
        }
        let (path, name) = text.rsplit_once('.')?;
        let part = [Part::Source, Part::Operation].into_iter().find(|part| part.path() == path)?;
        let (attribute, negated) = Attribute::of_field(part, name)?;
        Some(FieldPath { attribute, written: Written::Field, negated })
    }

    /// The key of `when`; empty for a field.
    pub fn key(&self) -> &'a str {
        match self.written {
            Written::Key(key) => key,
            Written::Field => "",
        }
    }

    /// The name in the brackets of a key: of the header, the claim; several for a claim inside claims joined as they are
    /// written, `a][b`. Empty where there is none.
    pub fn name(&self) -> &'a str {
        match (self.written, self.attribute.row().key) {
            (Written::Key(key), Some(Key::Bracketed(start))) => {
                let rest = key.strip_prefix(start).and_then(|rest| rest.split_once('['));
                rest.and_then(|(_, name)| name.strip_suffix(']')).unwrap_or_default()
            }
            _ => "",
        }
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.attribute.row();
        match (self.written, row.field) {
            (Written::Key(key), _) => {
                f.write_str("when[")?;
                f.write_str(key)?;
                f.write_str(if self.negated { "].notValues" } else { "]" })
            }
            (Written::Field, field) => {
                let (name, not_name) = field.unwrap_or_default();
                f.write_str(row.part.path())?;
                f.write_str(".")?;
                f.write_str(if self.negated { not_name } else { name })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_is_written_is_read() {
        for (text, attribute, negated, name) in [
            ("from.source.principals", Attribute::Principal, false, ""),
            ("from.source.notTrustDomains", Attribute::TrustDomain, true, ""),
            ("to.operation.paths", Attribute::Path, false, ""),
            ("when[source.ip]", Attribute::SourceIp, false, ""),
            ("when[source.trustDomain].notValues", Attribute::TrustDomain, true, ""),
            ("when[request.headers[x-user]]", Attribute::Header, false, "x-user"),
            ("when[request.auth.claims[realm][role]].notValues", Attribute::Claim, true, "realm][role"),
            ("when[experimental.envoy.filters.f.g[k]]", Attribute::Metadata, false, "k"),
        ] {
            let path = FieldPath::parse(text).unwrap();
            assert_eq!((path.attribute, path.negated, path.name()), (attribute, negated, name), "{text}");
            assert_eq!(path.to_string(), text);
        }
        for text in ["rules", "when[source.ip", "when[x]", "to.operation.principals", "from.source", ""] {
            assert_eq!(FieldPath::parse(text), None, "{text}");
        }
    }
}
