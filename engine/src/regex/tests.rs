use super::Regex;

#[test]
fn full_matches() {
    for (pattern, good, bad) in [
        (".+", &["a", "a\u{e9}"][..], &["", "a\nb"][..]),
        (".*", &["", "abc"], &["\n"]),
        ("(?s).*", &["\n"], &[]),
        ("a", &["a"], &["aa", "ba", ""]),
        ("a|bc", &["a", "bc"], &["ac", "abc", "b"]),
        ("(a|)b", &["ab", "b"], &["a"]),
        (
            "spiffe://.+/ns/foo/(.+/|)sa/bar(/.+)?",
            &["spiffe://td/ns/foo/sa/bar", "spiffe://td/ns/foo/x/sa/bar/y"],
            &["spiffe://td/ns/foo/sa/bar/", "spiffe:///ns/foo/sa/bar", "spiffe://td/ns/foo/xsa/bar"],
        ),
        (".*/ns/web/.*", &["spiffe://td/ns/web/sa/x"], &["spiffe://td/ns/webb/sa/x"]),
        ("a{2,3}", &["aa", "aaa"], &["a", "aaaa"]),
        ("a{2,}", &["aa", "aaaaa"], &["a"]),
        ("(ab){2}", &["abab"], &["ab", "ababab"]),
        ("a{,2}", &["a{,2}"], &["aa"]),
        ("a{x", &["a{x"], &[]),
        ("a{01}", &["a{01}"], &["a"]),
        ("[a-c]+", &["abc"], &["d", ""]),
        ("[^a-c]", &["d", "\n"], &["a", ""]),
        ("[]a]", &["]", "a"], &["b"]),
        ("[a-]", &["a", "-"], &["b"]),
        (r"[\w.-]+", &["a-b.c_9"], &["a b"]),
        ("[[:alpha:]_]+", &["a_B"], &["1"]),
        ("[[a]", &["[", "a"], &["]"]),
        (r"\d{3}", &["123"], &["12a"]),
        (r"\S+", &["a\u{b}b"], &["a b"]),
        (r"a\.b\*", &["a.b*"], &["axb*"]),
        (r"\Qa.b\E+", &["a.b", "a.bb"], &["axb"]),
        (r"\x41\x{42}", &["AB"], &["ab"]),
        ("(?i)FOO", &["foo", "Foo"], &["fo"]),
        ("(?i:f)oo", &["Foo", "foo"], &["fOO"]),
        ("a(?i)b|c", &["aB", "C"], &["AB"]),
        ("(?P<n>a)(?<m>b)", &["ab"], &["a"]),
        ("a*?b", &["b", "aab"], &["aa"]),
        ("^a$", &["a"], &["a\n"]),
        (r"\ba\b.*", &["a b"], &["ab"]),
        ("(?m)a$\n^b", &["a\nb"], &["ab"]),
        // A letter of two bytes: the operator is the last one's.
        ("..", &["\u{e9}", "ab"], &["a"]),
        ("\u{e9}+", &["\u{e9}"], &["\u{e9}\u{e9}"]),
        // A `-` that makes no range is itself, and so is a bracket that begins no name.
        (r"[\d-z]+", &["1-z"], &["a"]),
        ("[[:alpha]+", &["[:alph"], &["z"]),
        (r"ab\Q\E*", &["a", "abb"], &["abab"]),
        ("a*(?i)*B", &["aab", "B"], &["AB"]),
        (r"\_", &["_"], &["a"]),
        (r"\101\0101", &["A\u{8}1"], &["AA"]),
        ("(?i-s:A)", &["a"], &[]),
        ("(a{10}){100}|b", &["b"], &["a"]),
        ("(a*)*", &["", "aaaa"], &["b"]),
        ("(|a){5}", &["", "aaa"], &["aaaaaa"]),
    ] {
        let regex = Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for value in good {
            assert!(regex.matches(value.as_bytes()), "{pattern} {value:?}");
        }
        for value in bad {
            assert!(!regex.matches(value.as_bytes()), "{pattern} {value:?}");
        }
    }
    assert!(
        Regex::new("(?i)\u{e9}").is_ok_and(|regex| regex.matches(b"\xc3\xa9") && regex.matches(b"\xe3\xa9"))
    );
}

#[test]
fn refused() {
    for pattern in [
        "(",
        ")",
        "a)",
        "[",
        "[]",
        "[b-a]",
        "*",
        "a**",
        "a{2}{3}",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        r"\1",
        r"\8",
        r"\400",
        "(?-:a)",
        "(?i)*a",
        r"\Q\E*",
        r"a|\Q\E*",
        "(?i-:a)",
        "(?i-)a",
        "(a{2}){1000}",
        "(a{100}|b){11}",
        r"\pL",
        r"\q",
        "a{1001}",
        "a{3,2}",
        "(?x)a",
        r"\x4",
        r"\x{100}",
        "[[:nope:]]",
        "\\",
        "(?P<>a)",
    ] {
        assert!(Regex::new(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn bounded() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Regex::new(&nested(50)).is_ok());
    for pattern in [
        nested(100_000),
        "((a{1000}){1000}){1000}".into(),
        "((((){1000}){1000}){1000}){1000}".into(),
        "a{1000}".repeat(40),
    ] {
        assert!(Regex::new(&pattern).is_err());
    }
    // Where backtracking would take for ever.
    let regex = Regex::new("(a*)*(a|aa)+b").unwrap();
    assert!(!regex.matches("a".repeat(20_000).as_bytes()));
}

/// A random expression of what RE2 and the crate `regex` have in common, and mean the same by.
fn expression(choices: &mut impl Iterator<Item = u8>, depth: u32) -> String {
    const ATOMS: &[&str] = &[
        "a",
        "b",
        "c",
        "A",
        "B",
        "0",
        "_",
        "-",
        "/",
        "ab",
        r"\.",
        r"\*",
        ".",
        r"\d",
        r"\w",
        r"\D",
        r"\W",
        "[ab]",
        "[^a]",
        "[a-c0-9]",
        "[[:alpha:]_]",
        "[^[:digit:]]",
        r"[\w.-]",
        r"[^\d/]",
        r"\x41",
        "^",
        "$",
        r"\b",
        r"\B",
        r"\A",
        r"\z",
        "",
        "",
        "[]a]",
        r"\x{2f}",
        r"[\x61-\x63]",
    ];
    let mut next = || usize::from(choices.next().unwrap_or(0));
    if depth == 0 {
        return ATOMS[next() % ATOMS.len()].into();
    }
    match next() % 12 {
        0..=3 => (0..2 + next() % 3).map(|_| expression(choices, depth - 1)).collect(),
        4 | 5 => {
            let branches: Vec<_> = (0..2 + next() % 2).map(|_| expression(choices, depth - 1)).collect();
            format!("({})", branches.join("|"))
        }
        6..=8 => {
            let operators = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{1,3}", "{2,}", "{0,2}?"];
            let operator = operators[next() % operators.len()];
            format!("(?:{}){operator}", expression(choices, depth - 1))
        }
        9 => {
            let flags = ["i", "s", "m", "is", "i-s", "-i", "sm"];
            let flags = flags[next() % flags.len()];
            format!("(?{flags}:{})", expression(choices, depth - 1))
        }
        10 => format!("(?i){}", expression(choices, depth - 1)),
        _ => format!("(?P<n{}>{})", next(), expression(choices, depth - 1)),
    }
}

#[test]
fn the_crate_regex_is_of_one_mind() {
    let (mut compared, mut matched) = (0, 0);
    // A small generator of our own: the same numbers in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = core::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some((state >> 32) as u8)
    });
    for round in 0..6_000 {
        let pattern = expression(&mut random, 1 + round % 4);
        let other = regex::bytes::RegexBuilder::new(&format!(r"\A(?:{pattern})\z")).unicode(false).build();
        // A name of a group may be there twice, for both.
        assert_eq!(
            Regex::new(&pattern).is_ok() || pattern.contains("?P"),
            other.is_ok() || pattern.contains("?P"),
            "{pattern}"
        );
        let (Ok(ours), Ok(other)) = (Regex::new(&pattern), other) else { continue };
        for _ in 0..12 {
            let length = usize::from(random.next().unwrap_or(0) % 6);
            let value: Vec<u8> = (&mut random)
                .take(length)
                .map(|byte| b"aabbcAB0_-/.\n \xe9*"[usize::from(byte % 16)])
                .collect();
            assert_eq!(ours.matches(&value), other.is_match(&value), "{pattern} {value:?}");
            compared += 1;
            matched += u32::from(other.is_match(&value));
        }
    }
    assert!(compared > 60_000 && matched > 5_000, "{compared} compared, {matched} match");
}
