//! Requests in few words: `{path: /admin/*, token: none}` in place of a rule.

use super::map;
use gnomon_engine::{
    Attribute, Node, Value,
    attribute::{Key as Written, Part},
    decode::{Cursor, nearest},
};

/// Where a word belongs in a rule.
enum Place {
    /// A field of a source or an operation.
    Field(Part, &'static str),
    /// A key of `when`.
    Key(String),
}

/// What is written for an identity and for a token, beside values.
const EITHER: [(&str, bool); 2] = [("any", true), ("none", false)];

/// The rules that describe these requests: a rule or a list of them as they stand, or one made of words. What is wrong has
/// been reported where this is `None`.
pub(super) fn rules(described: &Cursor<'_>) -> Option<Node> {
    match &described.node().value {
        Value::List(_) => {
            let rules: Option<Vec<Node>> = described.elements().map(|one| rule(&one)).collect();
            Some(Node { value: Value::List(rules?), at: described.at() })
        }
        _ => Some(Node { value: Value::List(vec![rule(described)?]), at: described.at() }),
    }
}

fn rule(described: &Cursor<'_>) -> Option<Node> {
    let Some(fields) = described.node().as_map() else {
        described.wrong_type("requests, as a rule or as words such as `{path: /admin/*}`");
        return None;
    };
    let fields = || fields.iter().filter(|(key, _)| key.name != "unless");
    let is_part = |name: &str| matches!(name, "from" | "to" | "when");
    if fields().any(|(key, _)| is_part(&key.name)) {
        let fields = fields().cloned().collect();
        return Some(Node { value: Value::Map(fields), at: described.at() });
    }
    let (mut source, mut operation, mut when) = (Vec::new(), Vec::new(), Vec::new());
    let mut whole = true;
    for (key, cursor) in described.entries().into_iter().filter(|(key, _)| key.name != "unless") {
        let mut put = |part: Part, field: &str, value: Node| {
            let fields = if part == Part::Operation { &mut operation } else { &mut source };
            let key = gnomon_engine::node::Key { name: field.into(), at: key.at };
            fields.push((key, value));
        };
        let star = || list(&cursor, vec![Node { value: Value::String("*".into()), at: cursor.at() }]);
        let either =
            |yes: &'static str, no: &'static str| cursor.word(&EITHER).map(|any| if any { yes } else { no });
        match key.name.as_str() {
            "identity" => match either("principals", "notPrincipals") {
                Some(field) => put(Part::Source, field, star()),
                None => whole = false,
            },
            "token" => match either("requestPrincipals", "notRequestPrincipals") {
                Some(field) => put(Part::Source, field, star()),
                None => whole = false,
            },
            name => match place(name) {
                Some(Place::Field(part, field)) => put(part, field, values(&cursor, field)),
                Some(Place::Key(written)) => {
                    let written = Node { value: Value::String(written), at: key.at };
                    let mut condition = map([("key", written), ("values", values(&cursor, ""))]);
                    condition.at = key.at;
                    when.push(condition);
                }
                None => {
                    whole = false;
                    let known = names();
                    let help = match nearest(name, known.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("what there is: {}", known.join(", ")),
                    };
                    cursor.report_key(key, "unknown-field", format!("unknown field `{name}`"), help);
                }
            },
        }
    }
    if !whole {
        return None;
    }
    let at = described.at();
    let of = |value: Value| Node { value, at };
    let inner = |name: &str, fields: Vec<_>| {
        let mut one = map([(name, of(Value::Map(fields)))]);
        one.at = at;
        of(Value::List(vec![one]))
    };
    let mut rule = Vec::new();
    let mut add = |name: &str, value: Node| {
        rule.push((gnomon_engine::node::Key { name: name.into(), at }, value));
    };
    if !source.is_empty() {
        add("from", inner("source", source));
    }
    if !operation.is_empty() {
        add("to", inner("operation", operation));
    }
    if !when.is_empty() {
        add("when", of(Value::List(when)));
    }
    Some(of(Value::Map(rule)))
}

/// One value or a list of them, as a list; ports may be numbers.
fn values(cursor: &Cursor<'_>, field: &str) -> Node {
    let value = |node: &Node| match &node.value {
        Value::Number(number) if field.ends_with("orts") => {
            Node { value: Value::String(number.clone()), at: node.at }
        }
        _ => node.clone(),
    };
    match cursor.node().as_list() {
        Some(several) => list(cursor, several.iter().map(value).collect()),
        None => list(cursor, vec![value(cursor.node())]),
    }
}

fn list(cursor: &Cursor<'_>, items: Vec<Node>) -> Node {
    Node { value: Value::List(items), at: cursor.at() }
}

/// A field by its name or by that of one value (`path`, `notPort`), a key of `when` as it is, and `claims[…]` and
/// `headers[…]` of the request.
fn place(name: &str) -> Option<Place> {
    let several = format!("{name}s");
    for part in [Part::Source, Part::Operation] {
        for attribute in Attribute::fields(part) {
            let Some((field, not_field)) = attribute.row().field else { continue };
            for known in [field, not_field] {
                if known == name || known == several {
                    return Some(Place::Field(part, known));
                }
            }
        }
    }
    let long = match name.split_once('[') {
        Some(("claims" | "claim", rest)) => format!("request.auth.claims[{rest}"),
        Some(("headers" | "header", rest)) => format!("request.headers[{rest}"),
        _ => name.to_owned(),
    };
    Attribute::of_key(&long).is_some().then_some(Place::Key(long))
}

/// What may be written.
fn names() -> Vec<String> {
    let mut names = vec!["from".into(), "to".into(), "when".into(), "unless".into()];
    for part in [Part::Operation, Part::Source] {
        names.extend(Attribute::fields(part).filter_map(|one| Some(one.row().field?.0.to_owned())));
    }
    names.extend(["identity".to_owned(), "token".into(), "claims[NAME]".into(), "headers[NAME]".into()]);
    let keys = Attribute::ALL.into_iter().filter(|one| one.row().field.is_none());
    names.extend(keys.filter_map(|one| match one.row().key? {
        Written::Whole(key) => Some(key.to_owned()),
        Written::Bracketed(_) => None,
    }));
    names
}
