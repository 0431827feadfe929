//! Admission of RequestAuthentications and PeerAuthentications.

mod common;

use common::{check, object};
use gnomon_engine::resource::{MtlsMode, Presence};

type Row = (&'static str, &'static str, &'static [&'static str]);

fn run(kind: &str, rows: &[Row]) {
    for (name, spec, expected) in rows {
        let loaded = check(name, &object(kind, spec), expected);
        let resources = loaded.resources;
        let read = resources.request_authentication.len() + resources.peer_authentication.len();
        let errors = expected.iter().any(|line| line.starts_with('!'));
        assert_eq!(read, usize::from(!errors), "{name}: an object with errors is left out");
    }
}

#[test]
fn jwt_rules() {
    run(
        "RequestAuthentication",
        &[
            ("nothing", "{}", &[]),
            ("empty rules", "jwtRules: []", &[]),
            ("issuer alone", "jwtRules: [{issuer: a}]", &[]),
            ("key set alone", "jwtRules: [{jwksUri: 'https://a/b'}]", &[]),
            ("old spelling", "jwtRules: [{jwks_uri: 'http://a'}]", &[]),
            ("null rule", "jwtRules: [«null]", &["!null-element spec.jwtRules[0]"]),
            ("empty rule", "jwtRules: [«{}]", &["!missing-issuer spec.jwtRules[0]"]),
            (
                "inline keys alone",
                "jwtRules: [«{jwks: '{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}'}]",
                &["!missing-issuer spec.jwtRules[0]"],
            ),
            (
                "empty issuer",
                "jwtRules: [{issuer: «'', jwksUri: 'https://a'}]",
                &["!empty-value spec.jwtRules[0].issuer"],
            ),
            (
                "two key sets",
                "jwtRules: [{issuer: a, jwksUri: 'https://a', jwks: «'{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}'}]",
                &["!conflicting-jwks spec.jwtRules[0].jwks"],
            ),
            (
                "addresses of key sets",
                "jwtRules:\n- jwksUri: «ftp://a\n- jwksUri: «a/b\n- jwksUri: «'https://'\n- jwksUri: «'https://a b/'\n\
             - jwksUri: HTTPS://a\n- jwksUri: «https://a:b/c\n- jwksUri: «'https://[::1/c'\n- jwksUri: «'https://[::1]x'\n\
             - jwksUri: https://u:p@a:8080/b:c\n- jwksUri: 'https://[::1]:443'\n- jwksUri: 'http://a:'",
                &[
                    "!bad-uri spec.jwtRules[0].jwksUri",
                    "!bad-uri spec.jwtRules[1].jwksUri",
                    "!bad-uri spec.jwtRules[2].jwksUri",
                    "!bad-uri spec.jwtRules[3].jwksUri",
                    "!bad-uri spec.jwtRules[5].jwksUri",
                    "!bad-uri spec.jwtRules[6].jwksUri",
                    "!bad-uri spec.jwtRules[7].jwksUri",
                ],
            ),
            (
                "empty values",
                "jwtRules:\n- issuer: a\n  audiences: [a, «'']\n  fromHeaders: [{name: «''}, «{prefix: x}, «null]\n  \
             fromParams: [«'']\n  fromCookies: [«'']\n  spaceDelimitedClaims: [«'']\n  \
             outputClaimToHeaders: [{header: «'', claim: a}, «{claim: a}, {header: a, claim: «''}, «null]",
                &[
                    "!empty-value spec.jwtRules[0].audiences[1]",
                    "!empty-value spec.jwtRules[0].fromHeaders[0].name",
                    "!empty-value spec.jwtRules[0].fromHeaders[1]",
                    "!null-element spec.jwtRules[0].fromHeaders[2]",
                    "!empty-value spec.jwtRules[0].fromParams[0]",
                    "!empty-value spec.jwtRules[0].fromCookies[0]",
                    "!empty-value spec.jwtRules[0].spaceDelimitedClaims[0]",
                    "!empty-value spec.jwtRules[0].outputClaimToHeaders[0].header",
                    "!empty-value spec.jwtRules[0].outputClaimToHeaders[1]",
                    "!empty-value spec.jwtRules[0].outputClaimToHeaders[2].claim",
                    "!null-element spec.jwtRules[0].outputClaimToHeaders[3]",
                ],
            ),
            (
                "header to write",
                "jwtRules: [{issuer: a, outputClaimToHeaders: [{header: «'x:y', claim: b}, {header: x_Y-1, claim: b}]}]",
                &["!bad-header-name spec.jwtRules[0].outputClaimToHeaders[0].header"],
            ),
            (
                "timeouts",
                "jwtRules:\n- {issuer: a, timeout: 5s}\n- {issuer: a, timeout: 1m30s}\n- {issuer: a, timeout: «500us}\n\
             - {issuer: a, timeout: «1.0001s}\n- {issuer: a, timeout: «'5'}\n- {issuer: a, timeout: «5}\n\
             - {issuer: a, timeout: «-1s}",
                &[
                    "!bad-duration spec.jwtRules[2].timeout",
                    "!bad-duration spec.jwtRules[3].timeout",
                    "!bad-duration spec.jwtRules[4].timeout",
                    "!wrong-type spec.jwtRules[5].timeout",
                    "!bad-duration spec.jwtRules[6].timeout",
                ],
            ),
            (
                "types and names",
                "jwtRules:\n- issuer: a\n  forwardOriginalToken: «'true'\n  presence: «REQUIERD\n  «audience: [a]\n\
             «jwt_rules: []",
                &[
                    "!wrong-type spec.jwtRules[0].forwardOriginalToken",
                    "!unknown-value spec.jwtRules[0].presence",
                    "?unknown-field spec.jwtRules[0].audience",
                    "?unknown-field spec.jwt_rules",
                ],
            ),
            (
                "selector and ref",
                "selector: {matchLabels: {a: b}}\ntargetRef: «{kind: Service, name: a}\njwtRules: []",
                &["!conflicting-targets spec.targetRef"],
            ),
        ],
    );
}

/// The point of RFC 8037.
const GOOD: &str =
    r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

#[test]
fn inline_keys() {
    const JWKS: &str = "spec.jwtRules[0].jwks";
    let mixed = GOOD.replace("]}", r#", {"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}"#);
    let private = GOOD.replace("}]}", r#", "d": "AQAB"}]}"#);
    for (jwks, code) in [
        (GOOD, ""),
        // What istiod takes and Envoy does not.
        (r#"{"keys": []}"#, "?unusable-jwks"),
        (r#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}"#, "?unusable-jwks"),
        (
            r#"{"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES384", "x": "AQAB", "y": "AQAB"}]}"#,
            "?unusable-jwks",
        ),
        (r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AQAB"}]}"#, "?unusable-jwks"),
        (r#"{"keys": [{"kty": "OKP", "crv": "X25519", "x": "AQAB"}]}"#, "?unusable-jwks"),
        (&mixed, "?skipped-jwk"),
        (&private, "?private-jwks"),
        (r#"{"keys": [{"kty": "oct", "k": "AQAB"}]}"#, "?private-jwks"),
        ("keys", "!bad-jwks"),
        ("[]", "!bad-jwks"),
        ("{}", "!bad-jwks"),
        (r#"{"keys": {}}"#, "!bad-jwks"),
        (r#"{"keys": [1]}"#, "!bad-jwks"),
        (r#"{"keys": [{}]}"#, "!bad-jwks"),
        (r#"{"keys": [{"kty": "rsa", "n": "AQAB", "e": "AQAB"}]}"#, "!bad-jwks"),
        (r#"{"keys": [{"kty": "RSA", "n": "AQAB"}]}"#, "!bad-jwks"),
        (r#"{"keys": [{"kty": "RSA", "n": "A b", "e": "AQAB"}]}"#, "!bad-jwks"),
        (r#"{"kty": "RSA", "n": "AQAB", "e": "AQAB"}"#, "!bad-jwks"),
        (r#"{"keys": [}"#, "!bad-jwks"),
    ] {
        let (mark, expected) =
            if code.is_empty() { ("", vec![]) } else { ("«", vec![format!("{code} {JWKS}")]) };
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        let spec = format!("jwtRules:\n- issuer: a\n  jwks: {mark}'{jwks}'");
        check(jwks, &object("RequestAuthentication", &spec), &expected);
    }
}

#[test]
fn what_is_read_of_jwt_rules() {
    let spec = "jwtRules:\n- issuer: a\n  audiences: [b]\n  jwks_uri: https://c\n  fromHeaders: [{name: d, prefix: 'e '}]\n  \
                fromParams: [f]\n  fromCookies: [g]\n  forwardOriginalToken: true\n  outputPayloadToHeader: h\n  \
                outputClaimToHeaders: [{header: i, claim: j}]\n  spaceDelimitedClaims: [k]\n  timeout: 5s\n  \
                presence: REQUIRED\n- issuer: z\n  jwks: |\n    ";
    let spec = &format!("{spec}{GOOD}");
    let loaded = check("all", &object("RequestAuthentication", spec), &[]);
    let rules = &loaded.resources.request_authentication[0].rules;
    let rule = &rules[0];
    assert_eq!((rule.issuer.text.as_str(), rule.audiences[0].as_str()), ("a", "b"));
    assert_eq!(rule.jwks_uri.as_ref().map(|uri| uri.text.as_str()), Some("https://c"));
    assert_eq!((rule.from_headers[0].name.as_str(), rule.from_headers[0].prefix.as_str()), ("d", "e "));
    assert_eq!((rule.from_params[0].as_str(), rule.from_cookies[0].as_str()), ("f", "g"));
    assert!(rule.forward_original_token);
    assert_eq!(rule.output_payload_to_header.as_deref(), Some("h"));
    let claim = &rule.output_claim_to_headers[0];
    assert_eq!((claim.header.as_str(), claim.claim.as_str()), ("i", "j"));
    assert_eq!((rule.space_delimited_claims[0].as_str(), rule.timeout.as_deref()), ("k", Some("5s")));
    assert_eq!(rule.presence, Presence::Required);
    assert_eq!(rules[1].presence, Presence::Optional);
    assert_eq!(rules[1].jwks.as_ref().map(|jwks| jwks.text.as_str()), Some(format!("{GOOD}\n").as_str()));
}

#[test]
fn peer_authentication() {
    const LABELS: &str = "selector: {matchLabels: {a: b}}\n";
    run(
        "PeerAuthentication",
        &[
            ("nothing", "{}", &[]),
            ("mode", "mtls: {mode: STRICT}", &[]),
            ("unset", "mtls: {mode: UNSET}", &[]),
            ("null", "mtls: null", &[]),
            ("bad mode", "mtls: {mode: «strict}", &["!unknown-value spec.mtls.mode"]),
            ("mode outside of mtls", "«mode: STRICT", &["?unknown-field spec.mode"]),
            ("empty selector", "selector: «{}", &["?empty-selector spec.selector"]),
            ("refs", "«targetRefs: []", &["?unknown-field spec.targetRefs"]),
            (
                "ports without a selector",
                "portLevelMtls: «{'80': {mode: STRICT}}",
                &["!ports-without-selector spec.portLevelMtls"],
            ),
            (
                "ports with an empty selector",
                "selector: «{matchLabels: {}}\nportLevelMtls: «{80: {mode: STRICT}}",
                &["?empty-selector spec.selector", "!ports-without-selector spec.portLevelMtls"],
            ),
        ],
    );
    for (ports, expected) in [
        ("portLevelMtls: {'80': {mode: STRICT}, 443: {mode: UNSET}, 8080: null}", &[][..]),
        ("portLevelMtls: «{}", &["!empty-port-map spec.portLevelMtls"]),
        ("portLevelMtls: {«0: {mode: STRICT}}", &["!bad-port spec.portLevelMtls.0"]),
        ("portLevelMtls: {«65536: {mode: STRICT}}", &["!bad-port spec.portLevelMtls.65536"]),
        ("portLevelMtls: {«http: {mode: STRICT}}", &["!bad-port spec.portLevelMtls.http"]),
        ("portLevelMtls: {80: «STRICT}", &["!wrong-type spec.portLevelMtls.80"]),
        ("portLevelMtls: «[80]", &["!wrong-type spec.portLevelMtls"]),
    ] {
        check(ports, &object("PeerAuthentication", &format!("{LABELS}{ports}")), expected);
    }
    let spec =
        format!("{LABELS}mtls: {{mode: PERMISSIVE}}\nportLevelMtls: {{443: {{mode: STRICT}}, 80: {{}}}}");
    let loaded = check("all", &object("PeerAuthentication", &spec), &[]);
    let read = &loaded.resources.peer_authentication[0];
    assert_eq!(read.selector.as_deref(), Some(&[("a".to_string(), "b".to_string())][..]));
    assert_eq!(read.mode, Some(MtlsMode::Permissive));
    assert_eq!(read.ports, [(80, None), (443, Some(MtlsMode::Strict))]);
}

#[test]
fn how_many_and_how_long() {
    let many = |n: usize, element: &str| format!("[{}]", vec![element; n].join(","));
    let address = |n: usize| format!("https://{}", "a".repeat(n - 8));
    for (name, before, value, code) in [
        ("4096 rules", "jwtRules: ", many(4096, "{issuer: a}"), ""),
        ("4097 rules", "jwtRules: ", many(4097, "{issuer: a}"), "!too-many-items spec.jwtRules"),
        ("2048 characters", "jwtRules:\n- jwksUri: ", address(2048), ""),
        ("2049 characters", "jwtRules:\n- jwksUri: ", address(2049), "!bad-uri spec.jwtRules[0].jwksUri"),
        ("64 claims", "jwtRules:\n- issuer: a\n  spaceDelimitedClaims: ", many(64, "a"), ""),
        (
            "65 claims",
            "jwtRules:\n- issuer: a\n  spaceDelimitedClaims: ",
            many(65, "a"),
            "!too-many-items spec.jwtRules[0].spaceDelimitedClaims",
        ),
    ] {
        let mark = if code.is_empty() { "" } else { "«" };
        let expected: &[&str] = if code.is_empty() { &[] } else { &[code] };
        check(name, &object("RequestAuthentication", &format!("{before}{mark}{value}")), expected);
    }
}
