//! YAML: what it means, where things stand, and what hostile text comes to.

use gnomon_engine::{Diagnostic, Node, Value};
use gnomon_manifests::{Loaded, MAX_BYTES, MAX_DEPTH, decode_bytes, load_text, parse};
use std::time::{Duration, Instant};

/// What is read, with or without errors.
fn read_text(text: &str, file: &str) -> Loaded {
    load_text(text, file).unwrap_or_else(|wrong| *wrong.loaded)
}

/// A tree in one line: `{a@1:1: [1, "x"]}`.
fn show(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(text) => text.clone(),
        Value::String(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(key, node)| format!("{}: {}", key.name, show(node))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn only(text: &str) -> String {
    let (nodes, problems) = parse(text, "t");
    assert_eq!(problems, [], "{text}");
    nodes.iter().map(show).collect::<Vec<_>>().join(" --- ")
}

/// The first problem; there must be one.
fn problem(text: &str) -> Diagnostic {
    parse(text, "t").1.remove(0)
}

#[test]
fn meaning() {
    for (text, expected) in [
        ("", ""),
        ("a: 1\n---\nb: '1'\n...\n--- c", r#"{a: 1} --- {b: "1"} --- "c""#),
        ("\u{feff}a: b", r#"{a: "b"}"#),
        ("a: b\r\nc: |\r\n  x\r\n  z\r\n", r#"{a: "b", c: "x\nz\n"}"#),
        (
            "a: yes\nb: 'yes'\nc: !!str yes\nd: \"1\"\ne: |\n  1\n",
            r#"{a: true, b: "yes", c: "yes", d: "1", e: "1\n"}"#,
        ),
        ("80: a\ntrue: b\n1.5: c\n0x10: d", r#"{80: "a", true: "b", 1.5: "c", 16: "d"}"#),
        ("a:\nb: ~\nc: ''\n", r#"{a: null, b: null, c: ""}"#),
        ("!custom a: !thing b", r#"{a: "b"}"#),
        ("!!int '7'", "7"),
        ("a: &x [1, 2]\nb: *x\nc: *x", "{a: [1, 2], b: [1, 2], c: [1, 2]}"),
        ("a: &x {p: 1, q: 1}\nb: {<<: *x, q: 2, r: 2}", "{a: {p: 1, q: 1}, b: {q: 2, r: 2, p: 1}}"),
        ("b: {<<: [{p: 1}, {p: 2, q: 2}]}", "{b: {p: 1, q: 2}}"),
        ("'<<': 1", "{<<: 1}"),
        ("- a\n- - b\n  - c\n- {d: e}", r#"["a", ["b", "c"], {d: "e"}]"#),
        ("a: 'it''s'\nb: \"\\u0041\\n\"", r#"{a: "it's", b: "A\n"}"#),
        ("# only a comment\n", ""),
        // YAML 1.2 forbids what follows, Kubernetes takes it.
        ("a: [\n  1,\n]\nb: 2", "{a: [1], b: 2}"),
        (
            "a:\r\n  b: [\r\n1, 'x\r\ny\r\n z',\r\n{c:\r\nd}\r\n]\r\n  e: f\r\n",
            r#"{a: {b: [1, "x y z", {c: "d"}], e: "f"}}"#,
        ),
        (
            "k: 1\n---\na: [\n]\n---\nb: {\n}\n...\n---\nc: \"x\ny\"",
            r#"{k: 1} --- {a: []} --- {b: {}} --- {c: "x y"}"#,
        ),
        ("a: |\n  [\n  ]\nb: [\n]", r#"{a: "[\n]\n", b: []}"#),
    ] {
        assert_eq!(only(text), expected, "{text:?}");
    }
}

#[test]
fn places() {
    let (nodes, _) = parse("a: b\n\"é\": {c:  [d, e]}\nf:\n  - g\n  -  h: |\n      i\n", "t");
    let place = |node: Option<&Node>| node.map(|node| (node.at.line, node.at.column));
    let root = &nodes[0];
    assert_eq!(place(Some(root)), Some((1, 1)));
    assert_eq!(place(root.get("a")), Some((1, 4)));
    let entries = root.as_map().unwrap();
    assert_eq!((entries[1].0.at.line, entries[1].0.at.column), (2, 1));
    let c = root.get("é").and_then(|node| node.get("c"));
    assert_eq!(place(c), Some((2, 11)));
    assert_eq!(place(c.and_then(|node| node.as_list()?.get(1))), Some((2, 15)));
    let f = root.get("f");
    assert_eq!(place(f), Some((4, 3)));
    assert_eq!(place(f.and_then(|node| node.as_list()?.get(1))), Some((5, 6)));
    // Places in documents that are read again for their brackets.
    let (nodes, _) = parse("a: 1\n---\nb:\n  c: [\nx,\n  y ]\n  d: z\n", "t");
    let b = nodes[1].get("b");
    let c = b.and_then(|node| node.get("c"));
    assert_eq!(place(c.and_then(|node| node.as_list()?.first())), Some((5, 1)));
    assert_eq!(place(c.and_then(|node| node.as_list()?.get(1))), Some((6, 3)));
    assert_eq!(place(b.and_then(|node| node.get("d"))), Some((7, 6)));
}

#[test]
fn mistakes() {
    for (text, line, column, code) in [
        ("a: 1\nb: 2\na: 3", 3, 1, "duplicate-key"),
        ("{a: 1, 'a': 2}", 1, 8, "duplicate-key"),
        ("a:\n\tb: c", 2, 2, "yaml-syntax"),
        ("a: b: c", 1, 5, "yaml-syntax"),
        ("a: [1, 2\nb: 3", 2, 2, "yaml-syntax"),
        ("a: \"x", 1, 4, "yaml-syntax"),
        ("a: [\n]\nb: 1\nb: 2\nc: [\n]\n", 4, 1, "duplicate-key"),
        ("a: [\n]\nb: c: d\n", 3, 5, "yaml-syntax"),
        ("a: *x", 1, 4, "yaml-syntax"),
        ("a: &x [*x]", 1, 8, "recursive-alias"),
        ("? [a]\n: b", 1, 3, "bad-key"),
        ("~: b", 1, 1, "bad-key"),
        ("a: {<<: 1}", 1, 9, "bad-merge"),
        ("a: !!int x", 1, 4, "bad-tag"),
        ("a: !!binary x", 1, 4, "bad-tag"),
    ] {
        let found = problem(text);
        assert_eq!((found.code, found.at.line, found.at.column), (code, line, column), "{text:?}: {found}");
    }
    assert_eq!(problem("a: 1\nb: 2\na: 3").message, "duplicate key `a`, first at 1:1");
}

#[test]
fn advice() {
    for (text, help) in [
        ("hosts: [*.example.com]", "put it in quotes: a value that begins with *"),
        ("methods:\n- *", "put it in quotes: a value that begins with *"),
        ("a: @b", "put it in quotes: YAML keeps"),
        ("a:\n\tb: c", "indent with spaces"),
        ("a: b: c", "put the value in quotes if it contains a colon"),
        ("a:\n  b: c\n d: e", "look at the indentation"),
        ("a: \"\\d\"", "use single quotes"),
        ("a: {{ .Values.b }}", "this looks like a template"),
        ("{{- if .Values.a }}\nb: c", "this looks like a template"),
    ] {
        let found = problem(text);
        assert!(found.help.starts_with(help), "{text:?}: {found}");
    }
}

#[test]
fn a_broken_document_is_not_used() {
    let text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nmetadata: {name: b}\n---\n\
                apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: c}\n";
    let loaded = read_text(text, "t");
    let names: Vec<_> =
        loaded.resources.peer_authentication.iter().map(|read| read.meta.name.as_str()).collect();
    assert_eq!(names, ["c"]);
    assert!(loaded.has_errors());
}

#[test]
fn hostile() {
    let many = 100_000;
    let laughs = (1..12).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_string(), |text, n| {
        let refs = vec![format!("*a{}", n - 1); 9].join(",");
        format!("{text}a{n}: &a{n} [{refs}]\n")
    });
    let long = "x".repeat(1_000_000);
    let nested = (0..1_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
    for (name, text, code) in [
        ("lists", "[".repeat(many), "too-deep"),
        ("maps", "{a: ".repeat(many), "too-deep"),
        ("dashes", "- ".repeat(many), "too-deep"),
        ("questions", "? ".repeat(many), "too-deep"),
        ("indentation", nested, "too-deep"),
        ("lists that close", "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1), "too-deep"),
        ("a billion laughs", laughs, "too-many-nodes"),
        ("a long text repeated", format!("a: &a {long}\nb: [{}]", "*a,".repeat(many)), "too-many-nodes"),
        (
            "aliases on top of each other",
            (1..300).fold("a0: &a0 x\n".to_string(), |text, n| format!("{text}a{n}: &a{n} [*a{}]\n", n - 1)),
            "too-deep",
        ),
        ("many values", "1,".repeat(3).repeat(0) + "[" + &"1,".repeat(2_100_000) + "]", "too-many-nodes"),
        (
            "brackets without indentation, very many",
            "a: [\n".to_string() + &"x,\n".repeat(100_000),
            "yaml-syntax",
        ),
        ("a big file", " ".repeat(MAX_BYTES + 1), "too-big"),
    ] {
        let began = Instant::now();
        assert_eq!(problem(&text).code, code, "{name}");
        assert!(began.elapsed() < Duration::from_secs(60), "{name} took {:?}", began.elapsed());
    }
    // A depth that is allowed, and things that are only large.
    assert_eq!(parse(&("[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH)), "t").1, []);
    assert_eq!(only(&format!("a: {long}")).len(), long.len() + 7);
    let keys: String = (0..many).map(|n| format!("k{n}: v\n")).collect();
    assert_eq!(parse(&keys, "t").1, []);
}

#[test]
fn encodings() {
    let wrong = |bytes: &[u8]| {
        decode_bytes(bytes.to_vec(), "f").map_err(|found| (found.at.line, found.at.column, found.message))
    };
    assert_eq!(wrong("é".as_bytes()).as_deref(), Ok("é"));
    assert_eq!(wrong(b"a\n\xc3\xa9b\xff"), Err((2, 3, "this is not UTF-8".into())));
    assert_eq!(wrong(b"\xff\xfea\0"), Err((1, 1, "this is UTF-16, not UTF-8".into())));
    assert_eq!(decode_bytes(vec![b' '; MAX_BYTES + 1], "f").map_err(|found| found.code), Err("too-big"));
}

mod random {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(text) = decode_bytes(bytes, "f") {
                read_text(&text, "f");
            }
        }

        /// Pieces that mean something to the parser and to the decoder.
        #[test]
        fn any_pieces(pieces in prop::collection::vec(prop::sample::select(vec![
            "- ", "a: ", "\n", "  ", "{", "}", "[", "]", ", ", "&a ", "*a", "<<: ", "'", "\"", "|\n", "? ", "---\n", "!!str ",
            "~", "1", "\t", "#", "apiVersion: security.istio.io/v1\n", "kind: AuthorizationPolicy\n",
            "kind: RequestAuthentication\n", "metadata: ", "{name: a}", "spec: ", "rules: ", "from: ", "source: ", "jwtRules: ",
            "key: ", "request.headers[", "%", "é", "\r\n",
        ]), 0..60)) {
            let loaded = read_text(&pieces.concat(), "f");
            for found in &loaded.diagnostics {
                let first = format!("f:{}:{}:", found.at.line, found.at.column);
                let drawn = loaded.render(found, gnomon_manifests::Colour::Never);
                prop_assert!(found.at.line == 0 || drawn.starts_with(&first), "{drawn}");
            }
        }
    }
}
