//! The worst texts that are known, in any size: what fuzzers found, and what the grammar offers to nest, repeat,
//! lengthen or leave open.

/// A name, and what makes a text of about so many bytes.
pub(crate) type Family = (&'static str, fn(usize) -> String);

/// `head`, as many of `part` as it takes, `tail`.
fn fill(size: usize, head: &str, part: &str, tail: &str) -> String {
    let times = size.saturating_sub(head.len() + tail.len()) / part.len().max(1);
    format!("{head}{}{tail}", part.repeat(times))
}

fn numbered(size: usize, head: &str, part: fn(usize) -> String, tail: &str) -> String {
    let mut text = head.to_string();
    for number in 0.. {
        text.push_str(&part(number));
        if text.len() + tail.len() >= size {
            break;
        }
    }
    text + tail
}

const POLICY: &str =
    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: ns}\n";
const TOKENS: &str =
    "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: a}\nspec:\n";

pub(crate) const FAMILIES: &[Family] = &[
    // Quotes and brackets that stand less deep than their key.
    ("quoted over many lines", |size| fill(size, "d:\n  b: '", "{\"a\": 1},\n\n", "'\n")),
    ("double quotes over many lines", |size| fill(size, "d:\n  b: \"", "x\\\n\\\"y\n", "\"\n")),
    ("many quoted over two lines", |size| fill(size, "", "- a: 'b\nc'\n", "")),
    ("many lists without indentation", |size| fill(size, "", "- a: [\nc\n]\n", "")),
    ("one list without indentation", |size| fill(size, "a: [\n", "b,\n", "]\n")),
    ("one list without indentation or end", |size| fill(size, "a: [\n", "b,\n", "")),
    ("far out, then lines", |size| format!("{}a: [{}]\n", " ".repeat(size / 2), "\n#".repeat(size / 4))),
    ("far out, then lines in quotes", |size| {
        format!("a:\n{}b: '{}'\n", " ".repeat(size / 2), "x\n".repeat(size / 4))
    }),
    // Brackets.
    ("flow list", |size| fill(size, "[", "a,", "]")),
    ("flow list, deep", |size| fill(size, &"[".repeat(127), "a,", &"]".repeat(127))),
    ("flow list, too deep", |size| fill(size, &"[".repeat(250), "a,", &"]".repeat(250))),
    ("flow map, deep", |size| fill(size, &"{a: ".repeat(126), "{b: c}", &"}".repeat(126))),
    ("commas", |size| fill(size, "[", ",", "]")),
    ("colons", |size| fill(size, "[", ": ", "]")),
    ("open brackets", |size| fill(size, "", "[", "")),
    ("closed brackets", |size| fill(size, "", "]", "")),
    ("questions in brackets", |size| fill(size, "{", "? a : b,", "}")),
    ("pairs in a flow list", |size| fill(size, "[", "a: b,", "]")),
    ("brackets that turn out to be keys", |size| {
        let half = "a,".repeat(size / 4);
        format!("[{half}{}{half}{}]", "[".repeat(100), "]: 1".repeat(100))
    }),
    ("brackets that turn out to be keys, one after the other", |size| {
        let part = format!("[{}]: 1,", "a,".repeat(1000));
        fill(size, "[", &part, "]")
    }),
    ("maps as keys", |size| fill(size, "a: [", "{{ .b }},", "]\n")),
    ("a key over many lines", |size| fill(size, "{", "a\n", ": 1}")),
    ("quoted keys next to their values", |size| fill(size, "{", "\"a\":1,", "}")),
    ("minified JSON", |size| numbered(size, "{", |n| format!("\"k{n}\":[{{\"a\":null}}],"), "\"z\":1}")),
    ("JSON that is no YAML", |size| fill(size, "{\"a\":[", "\"\\ud83d\\ude00\",", "1]}")),
    ("JSON in a line", |size| fill(size, "[", "{\"a\":[1,2,{\"b\":\"c\"}]},", "1]")),
    // Blocks.
    ("dashes", |size| fill(size, "", "- ", "")),
    ("questions", |size| fill(size, "", "? ", "")),
    ("block list", |size| fill(size, "", "- a\n", "")),
    ("empty entries", |size| fill(size, "", "-\n", "")),
    ("block map", |size| numbered(size, "", |n| format!("k{n}: v\n"), "")),
    ("block map, keys descending", |size| numbered(size, "", |n| format!("{:09}: v\n", 999_999_999 - n), "")),
    ("one key again and again", |size| fill(size, "", "k: v\n", "")),
    ("staircase", |size| {
        let steps = (size as f64).sqrt() as usize;
        (0..steps).map(|n| format!("{}a:\n", " ".repeat(n))).collect()
    }),
    ("staircase of 120, again and again", |size| {
        let stairs: String = (0..120).map(|n| format!("{}a{n}:\n", " ".repeat(n))).collect();
        let stairs = stairs.replacen("a0", "- a0", 1).replace("\n ", "\n   ");
        fill(size, "", &stairs, "")
    }),
    ("spaces", |size| fill(size, "a:", " ", "b\n")),
    ("lines of spaces", |size| fill(size, "a:\n", "                    \n", "")),
    ("empty lines", |size| fill(size, "a:", "\n", "  b")),
    ("carriage returns", |size| fill(size, "a:", "\r", " b")),
    ("tabs", |size| fill(size, "a:", "\t", "b\n")),
    ("lines of tabs", |size| fill(size, "a:\n", "\t\n", "")),
    ("comments", |size| fill(size, "", "# a\n", "")),
    ("one comment", |size| fill(size, "#", "a", "")),
    ("comments in brackets", |size| fill(size, "a: [", " # b\n", "]")),
    ("comments after text", |size| fill(size, "", "- a # b\n", "")),
    // Scalars.
    ("plain", |size| fill(size, "a: ", "b", "\n")),
    ("plain words", |size| fill(size, "a: ", "b ", "\n")),
    ("plain over many lines", |size| fill(size, "a:\n", "  b\n", "")),
    ("plain with empty lines", |size| fill(size, "a:\n", "  b\n\n", "")),
    ("plain with colons", |size| fill(size, "a: ", ":b", "\n")),
    ("single quoted", |size| fill(size, "a: '", "b", "'\n")),
    ("single quotes, doubled", |size| fill(size, "a: '", "''", "'\n")),
    ("double quoted, escapes", |size| fill(size, "a: \"", "\\n", "\"\n")),
    ("double quoted, wide escapes", |size| fill(size, "a: \"", "\\U0001F600", "\"\n")),
    ("double quoted, continued lines", |size| fill(size, "a: \"", "b\\\n", "\"\n")),
    ("quotes without an end", |size| fill(size, "a: \"", "b\n  ", "")),
    ("literal", |size| fill(size, "a: |\n", "  b\n", "")),
    ("literal, one line", |size| fill(size, "a: |\n  ", "b", "\n")),
    ("literal, empty lines", |size| fill(size, "a: |\n", "\n", "  b\n")),
    ("literal, kept", |size| fill(size, "a: |+\n  b\n", "\n", "")),
    ("literal, far out", |size| format!("a: |\n{}b\n{}", " ".repeat(size / 2), "\n".repeat(size / 2))),
    ("folded", |size| fill(size, "a: >\n", "  b\n", "")),
    ("folded, more indented", |size| fill(size, "a: >\n  b\n", "    c\n  d\n", "")),
    ("many literals", |size| fill(size, "", "- |\n b\n", "")),
    ("wide characters", |size| fill(size, "a: ", "\u{1F600}", "\n")),
    ("a long key", |size| fill(size, "", "a", ": b\n")),
    ("a long key in quotes", |size| fill(size, "\"", "a", "\": b\n")),
    ("a long key in brackets", |size| fill(size, "{", "a", ": b}\n")),
    ("long numbers", |size| fill(size, "a: ", "9", "\n")),
    ("an octal without end", |size| fill(size, "a: 0", "7", "\n")),
    ("a hexadecimal without end", |size| fill(size, "a: 0x", "f", "\n")),
    ("underscores", |size| fill(size, "a: 1", "_0", "\n")),
    ("sexagesimals", |size| fill(size, "a: 1", ":10", "\n")),
    // Anchors, aliases, tags, directives, documents.
    ("anchors", |size| numbered(size, "", |n| format!("- &a{n} b\n"), "")),
    ("one anchor again and again", |size| fill(size, "", "- &a b\n", "")),
    ("aliases", |size| fill(size, "- &a b\n", "- *a\n", "")),
    ("aliases of a map", |size| fill(size, "- &a {b: c}\n", "- *a\n", "")),
    ("aliases of a long text", |size| fill(size, &fill(size / 2, "- &a ", "b", "\n"), "- *a\n", "")),
    ("a billion laughs", |size| {
        let laughs = (1..12).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_string(), |text, n| {
            let refs = vec![format!("*a{}", n - 1); 9].join(",");
            format!("{text}a{n}: &a{n} [{refs}]\n")
        });
        fill(size, &laughs, "# x\n", "")
    }),
    ("anchors in anchors", |size| {
        let mut text: String = (0..120).map(|n| format!("&a{n} [")).collect();
        text.push_str(&"x,".repeat(size / 2));
        text + &"]".repeat(120)
    }),
    ("merges", |size| fill(size, "a: &a {b: c}\nd:\n", "  <<: *a\n", "")),
    ("merges of a wide map", |size| {
        let wide = numbered(size / 2, "a: &a\n", |n| format!("  k{n}: v\n"), "");
        fill(size, &wide, "b: {<<: *a}\n", "")
    }),
    ("unknown aliases", |size| fill(size, "", "- *a\n", "")),
    ("long anchors", |size| fill(size, "&", "a", " b\n")),
    ("tags", |size| fill(size, "", "- !a b\n", "")),
    ("core tags", |size| fill(size, "", "- !!str b\n", "")),
    ("bad tags", |size| fill(size, "", "- !!int b\n", "")),
    ("escaped tags", |size| fill(size, "!", "%20", " b\n")),
    ("tag directives", |size| numbered(size, "", |n| format!("%TAG !t{n}! b\n"), "---\n!t0!x y\n")),
    ("a tag directive a document", |size| fill(size, "", "%TAG !t! b\n---\n!t!a b\n...\n", "")),
    ("unknown directives", |size| fill(size, "", "%A b\n", "---\na\n")),
    ("a long directive", |size| fill(size, "%A", " b", "\n---\na\n")),
    ("documents", |size| fill(size, "", "---\n", "")),
    ("ends of documents", |size| fill(size, "", "...\n", "")),
    ("documents of one map", |size| fill(size, "", "---\na: b\n", "")),
    ("byte order marks", |size| fill(size, "", "\u{feff}\n", "")),
    ("nulls", |size| fill(size, "", "\0", "")),
    // What the decoders make of it.
    ("objects", |size| fill(size, "", "---\nkind: A\napiVersion: v1\nmetadata: {name: a}\n", "")),
    ("policies of one name", |size| fill(size, "", &format!("---\n{POLICY}"), "")),
    ("policies", |size| {
        numbered(size, "", |n| format!("---\n{}", POLICY.replace("name: a", &format!("name: a{n}"))), "")
    }),
    ("rules", |size| fill(size, &format!("{POLICY}spec:\n  rules:\n"), "  - {}\n", "")),
    ("empty rules fields", |size| {
        fill(size, &format!("{POLICY}spec:\n  rules:\n"), "  - {to: [{operation: {paths: ['']}}]}\n", "")
    }),
    ("paths", |size| {
        let head = format!("{POLICY}spec:\n  rules:\n  - to:\n    - operation:\n        paths:\n");
        numbered(size, &head, |n| format!("        - /p{n}\n"), "")
    }),
    ("the same address", |size| {
        let head = format!("{POLICY}spec:\n  rules:\n  - from:\n    - source:\n        ipBlocks:\n");
        fill(size, &head, "        - 10.0.0.0/8\n", "")
    }),
    ("conditions", |size| {
        let head = format!("{POLICY}spec:\n  rules:\n  - when:\n");
        numbered(size, &head, |n| format!("    - {{key: 'request.headers[a{n}]', values: [b]}}\n"), "")
    }),
    ("a long condition", |size| {
        let head = format!("{POLICY}spec:\n  rules:\n  - when:\n    - key: 'request.auth.claims");
        fill(size, &head, "[a]", "'\n      values: [b]\n")
    }),
    ("labels", |size| {
        numbered(
            size,
            &format!("{POLICY}spec:\n  selector:\n    matchLabels:\n"),
            |n| format!("      l{n}: v\n"),
            "",
        )
    }),
    ("wrong labels", |size| {
        numbered(
            size,
            &format!("{POLICY}spec:\n  selector:\n    matchLabels:\n"),
            |n| format!("      l/{n}/: '*'\n"),
            "",
        )
    }),
    ("unknown fields", |size| {
        numbered(size, &format!("{POLICY}spec:\n"), |n| format!("  ruels{n}: v\n"), "")
    }),
    ("a long unknown field", |size| fill(size, &format!("{POLICY}spec:\n  ? "), "r", "\n  : v\n")),
    ("target references", |size| {
        let head = format!("{POLICY}spec:\n  targetRefs:\n");
        numbered(size, &head, |n| format!("  - {{kind: Service, name: a{n}}}\n"), "")
    }),
    ("token rules", |size| {
        numbered(size, &format!("{TOKENS}  jwtRules:\n"), |n| format!("  - {{issuer: a{n}}}\n"), "")
    }),
    ("token rules of one issuer", |size| {
        fill(size, &format!("{TOKENS}  jwtRules:\n"), "  - {issuer: a, jwks: '{\"keys\":[]}'}\n", "")
    }),
    ("audiences", |size| {
        let head = format!("{TOKENS}  jwtRules:\n  - issuer: a\n    audiences:\n");
        numbered(size, &head, |n| format!("    - a{n}\n"), "")
    }),
    ("headers of tokens", |size| {
        let head = format!("{TOKENS}  jwtRules:\n  - issuer: a\n    fromHeaders:\n");
        numbered(size, &head, |n| format!("    - {{name: a{n}}}\n"), "")
    }),
    ("claims to headers", |size| {
        let head = format!("{TOKENS}  jwtRules:\n  - issuer: a\n    outputClaimToHeaders:\n");
        numbered(size, &head, |n| format!("    - {{header: a{n}, claim: b}}\n"), "")
    }),
    ("a key set", |size| {
        let head = format!("{TOKENS}  jwtRules:\n  - issuer: a\n    jwks: '{{\"keys\":[");
        numbered(size, &head, |n| format!("{{\"kty\":\"oct\",\"kid\":\"{n}\",\"k\":\"AA\"}},"), "{}]}'\n")
    }),
    ("a key set with many members", |size| {
        let head = format!("{TOKENS}  jwtRules:\n  - issuer: a\n    jwks: '{{");
        numbered(size, &head, |n| format!("\"{:09}\":1,", 999_999_999 - n), "\"keys\":[]}'\n")
    }),
    ("ports of peers", |size| {
        let head = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec:\n  \
                    selector: {matchLabels: {a: b}}\n  portLevelMtls:\n";
        numbered(size, head, |n| format!("    {n}: {{mode: STRICT}}\n"), "")
    }),
    ("lists of lists", |size| {
        fill(size, "kind: List\napiVersion: v1\nitems:\n", "- {kind: List, apiVersion: v1, items: []}\n", "")
    }),
    ("a list of nothing", |size| fill(size, "kind: List\napiVersion: v1\nitems:\n", "- \n", "")),
    ("gateways", |size| {
        numbered(
            size,
            "",
            |n| {
                format!(
                    "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: a{n}}}\nspec: {{servers: [{{hosts: ['*']}}]}}\n"
                )
            },
            "",
        )
    }),
];
