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
