//! Permissions, principals and claims, in the forms of every version.

use super::*;

#[test]
fn permissions() {
    let header = |name: &str, rest: Value| {
        let mut matcher = json!({ "name": name });
        matcher.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "header": matcher })
    };
    for (permission, expected) in [
        (json!({ "any": true }), true),
        // The forms before stringMatch.
        (header(":method", json!({ "exactMatch": "GET" })), true),
        (header(":method", json!({ "exact_match": "get" })), false),
        (header(":path", json!({ "prefixMatch": "/api/" })), true),
        (header(":path", json!({ "suffixMatch": "?x=1" })), true),
        (header(":path", json!({ "containsMatch": "Items" })), true),
        (header(":path", json!({ "safeRegexMatch": { "googleRe2": {}, "regex": "/api/.*" } })), true),
        (header(":path", json!({ "safe_regex_match": { "google_re2": {}, "regex": "/api/" } })), false),
        (header("X-Two", json!({ "presentMatch": true })), true),
        (header("x-not", json!({ "presentMatch": true })), false),
        (header("x-not", json!({ "presentMatch": false })), true),
        (header("x-not", json!({ "present_match": true, "invert_match": true })), true),
        (header("x-two", json!({})), true),
        (header("x-number", json!({ "rangeMatch": { "start": "40", "end": "43" } })), true),
        (header("x-number", json!({ "range_match": { "start": 40, "end": 42 } })), false),
        // The newer ones.
        (
            header(
                ":authority",
                json!({ "stringMatch": { "exact": "web.EXAMPLE.com", "ignoreCase": true } }),
            ),
            true,
        ),
        (header(":authority", json!({ "stringMatch": { "exact": "web.EXAMPLE.com" } })), false),
        (header("host", json!({ "string_match": { "suffix": ".example.com" } })), true),
        (header(":authority", json!({ "stringMatch": { "contains": "EXAMPLE", "ignoreCase": true } })), true),
        (header("x-two", json!({ "stringMatch": { "safeRegex": { "regex": "[ab]" } } })), true),
        // Any line matches; inverted, none may.
        (header("x-two", json!({ "stringMatch": { "exact": "b" } })), true),
        (header("x-two", json!({ "stringMatch": { "exact": "a,b" } })), false),
        (header("x-two", json!({ "stringMatch": { "exact": "b" }, "invertMatch": true })), false),
        (header("x-two", json!({ "stringMatch": { "exact": "c" }, "invertMatch": true })), true),
        // What is not there matches no value, inverted or not.
        (header("x-not", json!({ "stringMatch": { "exact": "a" }, "invertMatch": true })), false),
        (header("x-not", json!({ "stringMatch": { "exact": "" }, "treatMissingHeaderAsEmpty": true })), true),
        (header("x-empty", json!({ "stringMatch": { "exact": "" } })), true),
        (json!({ "urlPath": { "path": { "exact": "/api/Items" } } }), true),
        (json!({ "url_path": { "path": { "prefix": "/API/", "ignore_case": true } } }), true),
        (json!({ "urlPath": { "path": { "suffix": "x=1" } } }), false),
        (
            json!({ "uriTemplate": { "name": "uri-template", "typedConfig": { "pathTemplate": "/api/*" } } }),
            true,
        ),
        (
            json!({ "uri_template": { "name": "uri-template", "typed_config": { "path_template": "/*" } } }),
            false,
        ),
        (json!({ "uriTemplate": { "typedConfig": { "pathTemplate": "/**/Items" } } }), true),
        (json!({ "destinationPort": 8080 }), true),
        (json!({ "destination_port": 80 }), false),
        (json!({ "destinationPortRange": { "start": 8000, "end": 8081 } }), true),
        (json!({ "destinationPortRange": { "start": 8000, "end": 8080 } }), false),
        (json!({ "destinationIp": { "addressPrefix": "10.0.0.0", "prefixLen": 24 } }), true),
        (json!({ "requestedServerName": { "exact": "httpbin.org" } }), true),
        (json!({ "andRules": { "rules": [{ "any": true }, { "destinationPort": 80 }] } }), false),
        (json!({ "or_rules": { "rules": [{ "destinationPort": 80 }, { "any": true }] } }), true),
        (json!({ "notRule": { "destinationPort": 80 } }), true),
        (json!({ "not_rule": { "any": true } }), false),
    ] {
        let report = ask(&rbac(&permission, &json!({ "any": true })), &request(HEADERS));
        let verdict = if expected { Outcome::Allow } else { Outcome::Deny };
        assert_eq!((report.verdict, &report.missing), (verdict, &vec![]), "{permission}");
    }
}

#[test]
fn principals() {
    let jwt = |claim: &str, value: Value| json!({ "metadata": { "filter": "envoy.filters.http.jwt_authn", "path": [{ "key": "payload" }, { "key": claim }], "value": value } });
    let old = |path: &[&str], value: Value| {
        let path: Vec<Value> = path.iter().map(|key| json!({ "key": key })).collect();
        json!({ "metadata": { "filter": "istio_authn", "path": path, "value": value } })
    };
    let one = |text: &str| json!({ "listMatch": { "oneOf": { "stringMatch": { "exact": text } } } });
    let exact = |text: &str| json!({ "stringMatch": { "exact": text } });
    for (principal, expected) in [
        (json!({ "any": true }), true),
        (json!({ "authenticated": {} }), true),
        (
            json!({ "authenticated": { "principalName": { "exact": "spiffe://cluster.local/ns/default/sa/sleep" } } }),
            true,
        ),
        (
            json!({ "authenticated": { "principal_name": { "safe_regex": { "google_re2": {}, "regex": ".*/ns/default/.*" } } } }),
            true,
        ),
        (json!({ "authenticated": { "principalName": { "prefix": "spiffe://other/" } } }), false),
        (
            json!({ "filterState": { "key": "io.istio.peer_principal", "stringMatch": { "suffix": "/sa/sleep" } } }),
            true,
        ),
        (
            json!({ "filter_state": { "key": "io.istio.peer_principal", "string_match": { "suffix": "/sa/x" } } }),
            false,
        ),
        (json!({ "sourceIp": { "addressPrefix": "10.1.0.0", "prefixLen": 16 } }), true),
        (json!({ "direct_remote_ip": { "address_prefix": "10.2.0.0", "prefix_len": 16 } }), false),
        (json!({ "remoteIp": { "addressPrefix": "203.0.113.9", "prefixLen": 32 } }), true),
        (json!({ "remoteIp": { "addressPrefix": "::", "prefixLen": 0 } }), false),
        (json!({ "andIds": { "ids": [{ "any": true }, { "notId": { "any": true } }] } }), false),
        (json!({ "or_ids": { "ids": [{ "not_id": { "any": true } }, { "any": true }] } }), true),
        (json!({ "header": { "name": "x-two", "exactMatch": "a" } }), true),
        (json!({ "urlPath": { "path": { "exact": "/api/Items" } } }), true),
        (jwt("iss", exact("i")), true),
        (jwt("groups", one("g2")), true),
        (jwt("groups", json!({ "orMatch": { "valueMatchers": [one("x"), exact("g1")] } })), false),
        (jwt("age", json!({ "doubleMatch": { "exact": 5 } })), true),
        (jwt("age", json!({ "doubleMatch": { "range": { "start": 1, "end": 5 } } })), false),
        (jwt("age", exact("5")), false),
        (jwt("admin", json!({ "boolMatch": true })), true),
        (jwt("nothing", json!({ "nullMatch": {} })), true),
        (jwt("nothing", json!({ "presentMatch": true })), true),
        (jwt("nowhere", json!({ "presentMatch": true })), false),
        (jwt("nowhere", json!({ "nullMatch": {} })), false),
        (json!({ "sourcedMetadata": { "metadataMatcher": jwt("iss", exact("i"))["metadata"] } }), true),
        // Istio before 1.21: the claims in its own words.
        (old(&["source.principal"], exact("cluster.local/ns/default/sa/sleep")), true),
    ] {
        let payload = json!({ "iss": "i", "sub": "s", "groups": ["g1", "g2"], "age": 5, "admin": true, "nothing": null });
        let metadata: Node = serde_json::from_value(json!({ "payload": payload })).unwrap();
        let metadata = [("envoy.filters.http.jwt_authn".to_string(), Json::from(&metadata))];
        let request = Request { metadata: &metadata, ..request(HEADERS) };
        let report = ask(&rbac(&json!({ "any": true }), &principal), &request);
        let verdict = if expected { Outcome::Allow } else { Outcome::Deny };
        assert_eq!((report.verdict, &report.missing), (verdict, &vec![]), "{principal}");
    }
}

#[test]
fn claims_of_tokens() {
    let metadata = |filter: &str, path: &[&str], value: Value| {
        let path: Vec<Value> = path.iter().map(|key| json!({ "key": key })).collect();
        json!({ "metadata": { "filter": filter, "path": path, "value": value } })
    };
    let one = |text: &str| json!({ "listMatch": { "oneOf": { "stringMatch": { "exact": text } } } });
    let exact = |text: &str| json!({ "stringMatch": { "exact": text } });
    let (new, old) = ("envoy.filters.http.jwt_authn", "istio_authn");
    for (key, normalize, principal, expected) in [
        ("payload", true, metadata(new, &["payload", "sub"], exact("s")), true),
        ("payload", true, metadata(new, &["payload", "scope"], one("write")), true),
        ("payload", false, metadata(new, &["payload", "scope"], one("write")), false),
        ("payload", false, metadata(new, &["payload", "scope"], exact("read write")), true),
        ("payload", true, metadata(new, &["payload", "nested", "role"], exact("r")), true),
        // The key that the provider names, and no other.
        ("i", false, metadata(new, &["i", "sub"], exact("s")), true),
        ("i", false, metadata(new, &["payload", "sub"], exact("s")), false),
        ("i", false, metadata(old, &["request.auth.principal"], exact("i/s")), true),
        ("i", false, metadata(old, &["request.auth.principal"], exact("i/t")), false),
        ("i", false, metadata(old, &["request.auth.audiences"], exact("a1")), true),
        ("i", false, metadata(old, &["request.auth.presenter"], exact("z")), true),
        ("i", false, metadata(old, &["request.auth.claims", "scope"], one("write")), true),
        ("i", false, metadata(old, &["request.auth.claims", "scope"], one("read write")), false),
    ] {
        let claims = json!({ "iss": "i", "sub": "s", "aud": ["a1", "a2"], "azp": "z", "scope": "read write", "nested": { "role": "r" } });
        let filters = [jwt_authn(key, normalize), rbac(&json!({ "any": true }), &principal)];
        let report = with_token(&filters, claims);
        let verdict = if expected { Outcome::Allow } else { Outcome::Deny };
        assert_eq!((report.verdict, report.stage), (verdict, Stage::Allow), "{key} {principal}: {report:?}");
    }
    let report = with_token(&[jwt_authn("payload", true)], json!({ "iss": "other" }));
    assert_eq!((report.status, report.stage), (Some(401), Stage::Jwt));
    assert_eq!(report.details.unwrap(), "jwt_authn_access_denied{Jwt_issuer_is_not_configured}");
}

/// Before Envoy's fix of CVE-2026-26308.
#[test]
fn lines_of_a_header_that_are_one_value() {
    let header =
        |name: &str, text: &str| json!({ "header": { "name": name, "stringMatch": { "exact": text } } });
    for (matcher, apart, joined) in [
        (header("x-two", "b"), true, false),
        (header("x-two", "a,b"), false, true),
        (header("x-number", "42"), true, true),
        (header("x-empty", ""), true, true),
        (header("x-not", ""), false, false),
        (json!({ "header": { "name": "x-two", "presentMatch": true } }), true, true),
        (json!({ "header": { "name": "x-not", "presentMatch": false } }), true, true),
    ] {
        let imported = import(&rbac(&matcher, &json!({ "any": true })));
        let request = request(HEADERS);
        let Selected::Chain(chain) = imported.select(None, &request).unwrap() else { panic!() };
        for (version, expected) in [(IstioVersion::NEWEST, apart), (IstioVersion::OLDEST, joined)] {
            let report = chain.evaluate(&request, version, &SoftwareCrypto);
            let verdict = if expected { Outcome::Allow } else { Outcome::Deny };
            assert_eq!(report.verdict, verdict, "{matcher} {version}");
        }
    }
}
