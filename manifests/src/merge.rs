//! Merging node trees: the defaults of a suite under its requests, a test's workload over the suite's.

use gnomon_engine::{Node, Value, node::Key};

/// Deeper than any request; below it values are replaced rather than merged.
const MAX_DEPTH: usize = 32;

/// `over` on top of `base`: maps are merged key by key, everything else is replaced. A null takes away
/// what is below it. The keys below `headers` are compared without regard to case, as header names are.
pub fn merged(base: &Node, over: &Node) -> Node {
    merge(base, over, false, MAX_DEPTH)
}

/// The same for requests: a token takes the place of claims that the base states, and claims that of its token, since a
/// request has one of them.
pub(crate) fn merged_request(base: &Node, over: &Node) -> Node {
    let says = |name: &str| over.get(name).is_some_and(|node| node.value != Value::Null);
    match (says("token"), says("claims")) {
        (true, false) => merged(&without(base, "claims"), over),
        (false, true) => merged(&without(base, "token"), over),
        _ => merged(base, over),
    }
}

fn merge(base: &Node, over: &Node, fold: bool, depth: usize) -> Node {
    let (Value::Map(below), Value::Map(above)) = (&base.value, &over.value) else {
        return over.clone();
    };
    let Some(depth) = depth.checked_sub(1) else {
        return over.clone();
    };
    let mut entries: Vec<(Key, Node)> = below.clone();
    for (key, node) in above {
        let at = position(&entries, &key.name, fold);
        // What it takes back is gone; where there is nothing to take back the null stays, and in claims it is one.
        if let Some(at) = at.filter(|_| node.value == Value::Null) {
            entries.remove(at);
            continue;
        }
        match at.and_then(|index| entries.get_mut(index)) {
            Some((old_key, old)) => {
                *old = merge(old, node, key.name == "headers", depth);
                *old_key = key.clone();
            }
            None => entries.push((key.clone(), node.clone())),
        }
    }
    Node { value: Value::Map(entries), at: over.at }
}

fn position(entries: &[(Key, Node)], name: &str, fold: bool) -> Option<usize> {
    entries.iter().position(|(key, _)| key.name == name || (fold && key.name.eq_ignore_ascii_case(name)))
}

/// The steps of a dotted short key: `source.principal`, `claims.realm.role`. What follows `headers.`, `extAuthz.` and
/// `metadata.` is one name, since those contain dots themselves.
fn steps(dotted: &str) -> Vec<&str> {
    match dotted.split_once('.') {
        Some((top @ ("headers" | "extAuthz" | "metadata"), name)) => vec![top, name],
        Some(_) => dotted.splitn(MAX_DEPTH, '.').collect(),
        None => vec![dotted],
    }
}

/// The value that a dotted short key names.
pub(crate) fn get<'n>(node: &'n Node, dotted: &str) -> Option<&'n Node> {
    let mut at = node;
    let mut fold = false;
    for step in steps(dotted) {
        let entries = at.as_map()?;
        at = &entries.get(position(entries, step, fold)?)?.1;
        fold = step == "headers";
    }
    Some(at)
}

/// The tree without what the dotted short key names.
pub(crate) fn without(node: &Node, dotted: &str) -> Node {
    fn remove(node: &mut Node, steps: &[&str], fold: bool) {
        let (Some((step, rest)), Value::Map(entries)) = (steps.split_first(), &mut node.value) else {
            return;
        };
        let Some(at) = position(entries, step, fold) else { return };
        match entries.get_mut(at) {
            Some((_, below)) if !rest.is_empty() => remove(below, rest, *step == "headers"),
            _ => drop(entries.remove(at)),
        }
    }
    let mut node = node.clone();
    remove(&mut node, &steps(dotted), false);
    node
}

/// A tree with nothing but `value` where the dotted short key of `key` says; for [`merged`].
pub(crate) fn lone(key: &Key, value: &Node) -> Node {
    let mut node = value.clone();
    for step in steps(&key.name).into_iter().rev() {
        let key = Key { name: step.into(), at: key.at };
        node = Node { value: Value::Map(vec![(key, node)]), at: value.at };
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Node {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_request_has_a_token_or_claims() {
        for (base, over, expected) in [
            (
                r#"{"claims": {"iss": "i"}, "host": "a"}"#,
                r#"{"token": "t"}"#,
                r#"{"host": "a", "token": "t"}"#,
            ),
            (r#"{"token": "t"}"#, r#"{"claims": {"iss": "i"}}"#, r#"{"claims": {"iss": "i"}}"#),
            (
                r#"{"claims": {"iss": "i"}}"#,
                r#"{"claims": {"sub": "s"}}"#,
                r#"{"claims": {"iss": "i", "sub": "s"}}"#,
            ),
            (
                r#"{"claims": {"iss": "i"}}"#,
                r#"{"token": null}"#,
                r#"{"claims": {"iss": "i"}, "token": null}"#,
            ),
            // Both in one place is the reader's to refuse.
            ("{}", r#"{"token": "t", "claims": {}}"#, r#"{"token": "t", "claims": {}}"#),
        ] {
            assert_eq!(merged_request(&node(base), &node(over)), node(expected), "{base} {over}");
        }
    }

    #[test]
    fn merges() {
        for (base, over, expected) in [
            ("{}", r#"{"a": 1}"#, r#"{"a": 1}"#),
            (r#"{"a": 1, "b": 2}"#, r#"{"b": 3}"#, r#"{"a": 1, "b": 3}"#),
            (r#"{"a": {"x": 1, "y": 2}}"#, r#"{"a": {"y": null}}"#, r#"{"a": {"x": 1}}"#),
            (r#"{"a": {"x": 1}}"#, r#"{"a": {"y": null}}"#, r#"{"a": {"x": 1, "y": null}}"#),
            (r#"{"headers": {"X-A": "1"}}"#, r#"{"headers": {"x-a": null}}"#, r#"{"headers": {}}"#),
            (r#"{"a": {"x": 1}}"#, r#"{"a": [1]}"#, r#"{"a": [1]}"#),
            (r#"{"headers": {"X-A": "1"}}"#, r#"{"headers": {"x-a": "2"}}"#, r#"{"headers": {"x-a": "2"}}"#),
            (r#"{"claims": {"A": "1"}}"#, r#"{"claims": {"a": "2"}}"#, r#"{"claims": {"A": "1", "a": "2"}}"#),
            (r#"{"a": 1}"#, "null", "null"),
        ] {
            assert_eq!(merged(&node(base), &node(over)), node(expected), "{base} + {over}");
        }
    }

    #[test]
    fn dotted_keys() {
        let request =
            node(r#"{"source": {"principal": "p"}, "headers": {"X.Y": "v"}, "claims": {"a": {"b": 1}}}"#);
        for (key, expected) in [
            ("source.principal", Some(r#""p""#)),
            ("headers.x.y", Some(r#""v""#)),
            ("claims.a.b", Some("1")),
            ("claims.a.c", None),
            ("method", None),
            ("source.principal.x", None),
        ] {
            assert_eq!(get(&request, key), expected.map(node).as_ref(), "{key}");
        }
        let rest = node(r#"{"source": {}, "headers": {"X.Y": "v"}, "claims": {"a": {"b": 1}}}"#);
        assert_eq!(without(&request, "source.principal"), rest);
        let rest = node(r#"{"source": {"principal": "p"}, "headers": {}, "claims": {"a": {"b": 1}}}"#);
        assert_eq!(without(&request, "headers.x.y"), rest);
        assert_eq!(without(&request, "claims.a.c"), request);
        let key = Key { name: "claims.a.b".into(), ..key() };
        assert_eq!(lone(&key, &node("2")), node(r#"{"claims": {"a": {"b": 2}}}"#));
    }

    fn key() -> Key {
        Key { name: String::new(), at: Default::default() }
    }
}
