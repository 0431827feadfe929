use super::{Case, Expect, expect::expect};
use crate::{
    merge::{get, lone, merged_request, without},
    request::request,
};
use gnomon_engine::{
    Diagnostic, Node, Value,
    decode::{Cursor, Fields},
    node::Key,
};
use std::sync::Arc;

/// How many cases one file may have. Matrices multiply: five axes of ten values are as many.
pub const MAX_CASES: usize = 100_000;

/// One axis: a dotted short key and its values.
struct Axis<'a> {
    key: &'a Key,
    values: &'a [Node],
}

/// One of `except`.
struct Exception<'a> {
    cursor: Cursor<'a>,
    when: Vec<(&'a Key, &'a Node)>,
    expect: Arc<Expect>,
    used: bool,
}

/// The cases of one test: `base` is its request with the suite's defaults below. Problems of requests go to `found`,
/// those of the test itself to its reader.
pub(super) fn cases(
    file: &Arc<str>,
    object: &str,
    fields: &mut Fields<'_>,
    base: &Node,
    room: &mut usize,
    found: &mut Vec<Diagnostic>,
) -> Vec<Case> {
    let otherwise = match fields.get("expect") {
        Some(cursor) => Arc::new(expect(cursor)),
        None => {
            let cursor = fields.cursor();
            cursor.error("no-expect", "a test needs `expect`", "add `expect: allow` or the like");
            return Vec::new();
        }
    };
    let matrix = fields.get("matrix");
    let except = fields.get("except");
    let Some(matrix) = matrix else {
        if let Some(except) = except {
            except.error("except-without-matrix", "`except` needs a `matrix`", "write a test of its own");
        }
        return match room.checked_sub(1) {
            Some(left) => {
                *room = left;
                case(file, object, base, String::new(), otherwise, found).into_iter().collect()
            }
            None => {
                too_many(fields.cursor());
                Vec::new()
            }
        };
    };
    let Some(axes) = axes(&matrix) else { return Vec::new() };
    let product = axes.iter().try_fold(1_usize, |product, axis| product.checked_mul(axis.values.len()));
    let Some((product, left)) = product.and_then(|product| Some((product, room.checked_sub(product)?)))
    else {
        too_many(&matrix);
        return Vec::new();
    };
    *room = left;
    let mut exceptions = except.map(|except| exceptions(&except)).unwrap_or_default();

    let mut cases = Vec::with_capacity(product);
    for number in 0..product {
        let mut node = base.clone();
        let mut variant = String::new();
        // The last axis changes fastest, as in nested loops.
        let mut stride = product;
        for axis in &axes {
            stride = stride.checked_div(axis.values.len()).unwrap_or(1);
            let index = (number / stride.max(1)) % axis.values.len().max(1);
            let Some(value) = axis.values.get(index) else { continue };
            node = match value.value {
                Value::Null => without(&node, &axis.key.name),
                _ => merged_request(&node, &lone(axis.key, value)),
            };
            if !variant.is_empty() {
                variant.push_str(", ");
            }
            variant.push_str(&axis.key.name);
            variant.push('=');
            variant.push_str(&shown(value));
        }
        let exception = exceptions.iter_mut().find(|exception| {
            exception.when.iter().all(|(key, wanted)| matches(get(&node, &key.name), wanted))
        });
        let expect = match exception {
            Some(exception) => {
                exception.used = true;
                exception.expect.clone()
            }
            None => otherwise.clone(),
        };
        let before = found.len();
        cases.extend(case(file, object, &node, variant, expect, found));
        // A value that is wrong is wrong in every case; one report is enough.
        if found.len() > before {
            return Vec::new();
        }
    }
    for exception in exceptions.iter().filter(|exception| !exception.used) {
        exception.cursor.error("dead-exception", "no case of the matrix matches this `when`", "");
    }
    cases
}

fn too_many(cursor: &Cursor<'_>) {
    let message = format!("more than {MAX_CASES} cases in this file");
    cursor.error("too-many-cases", message, "make the matrices smaller or several files");
}

fn case(
    file: &Arc<str>,
    object: &str,
    node: &Node,
    variant: String,
    expect: Arc<Expect>,
    found: &mut Vec<Diagnostic>,
) -> Option<Case> {
    match request(file, object, "request", node) {
        Ok(request) => Some(Case { variant, request, expect }),
        Err(problems) => {
            found.extend(problems);
            None
        }
    }
}

fn axes<'a>(matrix: &Cursor<'a>) -> Option<Vec<Axis<'a>>> {
    let Some(entries) = matrix.node().as_map() else {
        matrix.wrong_type("a map");
        return None;
    };
    let mut axes = Vec::with_capacity(entries.len());
    for ((key, values), (_, cursor)) in entries.iter().zip(matrix.entries()) {
        match values.as_list() {
            Some([]) => cursor.error("empty-axis", "an axis without values makes no case", "remove it"),
            Some(values) => axes.push(Axis { key, values }),
            None => cursor.wrong_type("a list"),
        }
    }
    if entries.is_empty() {
        matrix.error("empty-axis", "the matrix has no axis", "name a field and a list of its values");
    }
    (axes.len() == entries.len() && !axes.is_empty()).then_some(axes)
}

fn exceptions<'a>(except: &Cursor<'a>) -> Vec<Exception<'a>> {
    let mut exceptions = Vec::new();
    for item in except.list().unwrap_or_default() {
        let cursor = item.clone();
        let Some(mut fields) = item.fields() else { continue };
        let when = fields.get("when").and_then(|when| {
            if when.node().as_map().is_none_or(<[_]>::is_empty) {
                when.wrong_type("a map");
            }
            when.node().as_map()
        });
        let expected = fields.get("expect").map(expect);
        fields.finish();
        match (when, expected) {
            (Some(when), Some(expect)) => {
                let when = when.iter().map(|(key, node)| (key, node)).collect();
                exceptions.push(Exception { cursor, when, expect: Arc::new(expect), used: false });
            }
            _ => cursor.error("bad-exception", "an exception needs `when` and `expect`", ""),
        }
    }
    exceptions
}

/// True where the value is the wanted one, or one of a list. A null wants an absent field; of a map only the named
/// fields are compared.
fn matches(value: Option<&Node>, wanted: &Node) -> bool {
    let absent = Node::default();
    let value = value.unwrap_or(&absent);
    same(value, wanted, 32) || wanted.as_list().is_some_and(|any| any.iter().any(|w| same(value, w, 32)))
}

fn same(value: &Node, wanted: &Node, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match (&value.value, &wanted.value) {
        (Value::Map(_), Value::Map(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| same(value.get(&key.name).unwrap_or(&Node::default()), wanted, depth)),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, depth))
        }
        (a, b) => a == b,
    }
}

/// A value in the name of a case.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => "-".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(text) | Value::String(text) => gnomon_engine::decode::short(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().take(8).map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().take(8).map(|(key, node)| format!("{}:{}", key.name, shown(node))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}
