//! Envoy configurations as people have them, old and new, evaluated as they stand.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may be blunt, and clippy.toml reaches only the #[test] functions"
)]

use gnomon_engine::{
    Node, Request,
    envoy::import::{Imported, Selected},
    jwt::{Json, SoftwareCrypto},
    request::{ExtAuthzAnswer, Input, Peer},
    verdict::{Outcome, Report, Stage},
    workload::IstioVersion,
};
use serde_json::{Value, json};
use std::sync::Arc;

fn import(document: &Value) -> Imported {
    let node: Node = serde_json::from_value(document.clone()).unwrap();
    Imported::read(&node, &Arc::from("dump.json"))
}

fn ask(document: &Value, request: &Request<'_>) -> Report {
    let imported = import(document);
    match imported.select(None, request).unwrap() {
        Selected::Chain(chain) => chain.evaluate(request, IstioVersion::NEWEST, &SoftwareCrypto),
        Selected::NoChain => gnomon_engine::envoy::import::no_filter_chain(),
    }
}

/// An HTTP filter that allows what one permission and one principal describe.
fn rbac(permission: &Value, principal: &Value) -> Value {
    json!({ "name": "envoy.filters.http.rbac", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": { "policies": { "p": { "permissions": [permission], "principals": [principal] } } },
    } })
}

const SLEEP: &[u8] = b"spiffe://cluster.local/ns/default/sa/sleep";

fn request<'a>(headers: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
    Request {
        peer: Peer::Tls { names: &[SLEEP], complete: true },
        source_ip: Input::Is("10.1.2.3".parse().unwrap()),
        remote_ip: Input::Is("203.0.113.9".parse().unwrap()),
        destination_ip: Input::Is("10.0.0.3".parse().unwrap()),
        destination_port: Input::Is(8080),
        sni: b"httpbin.org",
        ..Request::http(headers)
    }
}

/// `/api/Items?x=1` with two lines of `x-two` and a number.
const HEADERS: &[(&[u8], &[u8])] = &[
    (b":authority", b"Web.example.com"),
    (b":path", b"/api/Items?x=1"),
    (b":method", b"GET"),
    (b"x-two", b"a"),
    (b"x-two", b"b"),
    (b"x-number", b"42"),
    (b"x-empty", b""),
];

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
        let metadata = [("envoy.filters.http.jwt_authn", Json::from(&metadata))];
        let request = Request { metadata: &metadata, ..request(HEADERS) };
        let report = ask(&rbac(&json!({ "any": true }), &principal), &request);
        let verdict = if expected { Outcome::Allow } else { Outcome::Deny };
        assert_eq!((report.verdict, &report.missing), (verdict, &vec![]), "{principal}");
    }
}

/// A token that nobody signed, and who takes it for good.
struct Vouch(Vec<u8>);

impl gnomon_engine::jwt::Crypto for Vouch {
    fn verify(
        &self,
        _: gnomon_engine::jwt::Algorithm,
        _: &gnomon_engine::jwt::Key,
        _: &[u8],
        _: &[u8],
    ) -> gnomon_engine::jwt::Signature {
        gnomon_engine::jwt::Signature::Bad
    }

    fn vouches_for(&self, token: &[u8]) -> bool {
        token == self.0
    }
}

/// Filters behind each other in a listener, with this one's token in the request.
fn with_token(filters: &[Value], claims: Value) -> Report {
    let claims: Node = serde_json::from_value(claims).unwrap();
    let token = gnomon_engine::jwt::unsigned_token(&Json::from(&claims));
    let bearer = format!("Bearer {token}");
    let mut headers = HEADERS.to_vec();
    headers.push((b"authorization", bearer.as_bytes()));
    let imported = import(&Value::Array(filters.to_vec()));
    let request = request(&headers);
    let Selected::Chain(chain) = imported.select(None, &request).unwrap() else { panic!() };
    chain.evaluate(&request, IstioVersion::NEWEST, &Vouch(token.into_bytes()))
}

fn jwt_authn(key: &str, normalize: bool) -> Value {
    let mut provider = json!({ "issuer": "i", "payloadInMetadata": key, "forward": true, "localJwks": { "inlineString": "{\"keys\": []}" } });
    if normalize {
        provider["normalizePayloadInMetadata"] = json!({ "spaceDelimitedClaims": ["permission", "scope"] });
    }
    json!({ "name": "envoy.filters.http.jwt_authn", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": { "origins-0": provider },
        "rules": [{ "match": { "prefix": "/" }, "requires": { "requiresAny": { "requirements": [{ "providerName": "origins-0" }, { "allowMissing": {} }] } } }],
        "bypassCorsPreflight": true,
    } })
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

#[test]
fn actions_and_shadows() {
    let rules = |action: &str, principal: Value| json!({ "action": action, "policies": { "ns[a]-policy[b c]-rule[0]": { "permissions": [{ "any": true }], "principals": [principal] } } });
    let all = || json!({ "any": true });
    let none = || json!({ "notId": { "any": true } });
    let filter = |config: Value| json!({ "name": "envoy.filters.http.rbac", "typedConfig": config });
    let id = "ns[a]-policy[b c]-rule[0]";
    let refused = Some("rbac_access_denied_matched_policy[ns[a]-policy[b_c]-rule[0]]".to_string());

    let report = ask(&filter(json!({ "rules": rules("DENY", all()) })), &request(HEADERS));
    assert_eq!((report.verdict, report.status, report.stage), (Outcome::Deny, Some(403), Stage::Deny));
    assert_eq!((report.details, report.policy.as_deref()), (refused.clone(), Some(id)));

    let report = ask(&filter(json!({ "rules": rules("ALLOW", none()) })), &request(HEADERS));
    assert_eq!(report.details.unwrap(), "rbac_access_denied_matched_policy[none]");
    let report = ask(&filter(json!({ "rules": {} })), &request(HEADERS));
    assert_eq!(report.verdict, Outcome::Deny);
    // Without rules nothing is enforced.
    let report =
        ask(&filter(json!({ "@type": "x/envoy.extensions.filters.http.rbac.v3.RBAC" })), &request(HEADERS));
    assert_eq!((report.verdict, report.stage), (Outcome::Allow, Stage::None));

    let report = ask(&filter(json!({ "rules": rules("LOG", all()) })), &request(HEADERS));
    assert_eq!((report.verdict, report.audit), (Outcome::Allow, true));

    for (action, principal, deny, allow) in [
        ("DENY", all(), Some(("denied", Some(id))), None),
        ("DENY", none(), Some(("allowed", None)), None),
        ("ALLOW", all(), None, Some(("allowed", Some(id)))),
        ("ALLOW", none(), None, Some(("denied", None))),
    ] {
        let prefix = format!("istio_dry_run_{}_", action.to_lowercase());
        let config = json!({ "shadowRules": rules(action, principal), "shadowRulesStatPrefix": prefix });
        let report = ask(&filter(config), &request(HEADERS));
        let said = |found: Option<gnomon_engine::verdict::ShadowResult>| {
            found.map(|found| (found.result, found.policy))
        };
        let wanted =
            |said: Option<(&'static str, Option<&str>)>| said.map(|(word, id)| (word, id.map(String::from)));
        assert_eq!(report.verdict, Outcome::Allow);
        assert_eq!((said(report.dry_run.deny), said(report.dry_run.allow)), (wanted(deny), wanted(allow)));
    }

    // The network filter refuses the connection.
    let config = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC", "rules": rules("DENY", all()), "statPrefix": "tcp." });
    let report =
        ask(&json!({ "name": "envoy.filters.network.rbac", "typedConfig": config }), &request(HEADERS));
    assert_eq!((report.verdict, report.status, report.details), (Outcome::Deny, None, refused));
    // And sees no headers.
    let header = json!({ "header": { "name": ":method", "presentMatch": true } });
    let config =
        json!({ "@type": "x/envoy.extensions.filters.network.rbac.v3.RBAC", "rules": rules("DENY", header) });
    assert_eq!(
        ask(&json!({ "name": "n", "typedConfig": config }), &request(HEADERS)).verdict,
        Outcome::Allow
    );
}

#[test]
fn external_authorization() {
    let filters = |prefix: &str| {
        let id = format!("{prefix}-ns[a]-policy[b]-rule[0]");
        let policy = json!({ "permissions": [{ "urlPath": { "path": { "prefix": "/api" } } }], "principals": [{ "any": true }] });
        json!([
            { "name": "envoy.filters.http.rbac", "typedConfig": {
                "shadowRules": { "action": "DENY", "policies": { id: policy } }, "shadowRulesStatPrefix": "istio_ext_authz_" } },
            { "name": "envoy.filters.http.ext_authz", "typedConfig": {
                "httpService": { "serverUri": { "uri": "http://ext.foo", "cluster": "outbound|8000||ext.foo", "timeout": "600s" } },
                "filterEnabledMetadata": { "filter": "envoy.filters.http.rbac", "path": [{ "key": "istio_ext_authz_shadow_effective_policy_id" }], "value": { "stringMatch": { "prefix": prefix } } },
                "statusOnError": { "code": "ServiceUnavailable" } } },
        ])
    };
    let other: &[(&[u8], &[u8])] = &[(b":path", b"/other")];
    let named = "istio-ext-authz-sample";
    // prefix, headers, what is said, verdict, status, details
    for (prefix, headers, answers, verdict, status, details) in [
        (named, HEADERS, &[("sample", ExtAuthzAnswer::Allow)][..], Outcome::Allow, Some(200), None),
        (
            named,
            HEADERS,
            &[("sample", ExtAuthzAnswer::Deny)],
            Outcome::Deny,
            Some(403),
            Some("ext_authz_denied"),
        ),
        (
            named,
            HEADERS,
            &[("sample", ExtAuthzAnswer::Error)],
            Outcome::Deny,
            Some(503),
            Some("ext_authz_error"),
        ),
        (named, other, &[("sample", ExtAuthzAnswer::Deny)], Outcome::Allow, Some(200), None),
        (named, HEADERS, &[], Outcome::Unknown, None, None),
        (named, other, &[], Outcome::Allow, Some(200), None),
        // Older ones do not name the provider: an only answer is its.
        (
            "istio-ext-authz",
            HEADERS,
            &[("whatever", ExtAuthzAnswer::Deny)],
            Outcome::Deny,
            Some(403),
            Some("ext_authz_denied"),
        ),
        (
            "istio-ext-authz",
            HEADERS,
            &[("x", ExtAuthzAnswer::Allow), ("ext.foo", ExtAuthzAnswer::Deny)],
            Outcome::Deny,
            Some(403),
            Some("ext_authz_denied"),
        ),
    ] {
        let report = ask(&filters(prefix), &Request { ext_authz: answers, ..request(headers) });
        assert_eq!(
            (report.verdict, report.status, report.details.as_deref()),
            (verdict, status, details),
            "{answers:?}"
        );
        if verdict == Outcome::Unknown {
            assert_eq!(report.missing, ["extAuthz.sample"]);
        }
    }
}

/// What is not evaluated is named, and only a verdict that hangs on it is unknown.
#[test]
fn what_is_not_evaluated() {
    let any = || json!({ "any": true });
    for (permission, missing) in [
        (json!({ "matcher": { "name": "x" } }), "permissions[0].matcher"),
        (
            json!({ "header": { "name": "x-two", "stringMatch": { "safeRegex": { "regex": "\\pL" } } } }),
            "permissions[0].header.stringMatch.safeRegex",
        ),
        (
            json!({ "header": { "name": "x-two", "stringMatch": { "custom": {} } } }),
            "permissions[0].header.stringMatch.custom",
        ),
        (
            json!({ "uriTemplate": { "typedConfig": { "pathTemplate": "/{x=*}" } } }),
            "permissions[0].uriTemplate",
        ),
        (json!({ "andRules": { "rules": [any(), { "new": {} }] } }), "permissions[0].andRules.rules[1].new"),
        (json!({ "destinationPort": "x" }), "permissions[0].destinationPort"),
        (json!({}), "permissions[0]"),
        (json!([]), "permissions[0]"),
    ] {
        let document = rbac(&permission, &any());
        let report = ask(&document, &request(HEADERS));
        let missing = format!("rules.policies[\"p\"].{missing}");
        let field = format!("typedConfig.{missing}");
        assert_eq!((report.verdict, report.status), (Outcome::Unknown, None), "{permission}");
        assert_eq!(report.missing.join(" "), missing, "{permission}");
        let findings = import(&document).findings;
        assert_eq!((findings.len(), &findings[0].field, findings[0].code), (1, &field, "not-evaluated"));
        // Where the rest decides, it does not matter.
        let report = ask(&rbac(&permission, &json!({ "notId": { "any": true } })), &request(HEADERS));
        assert_eq!((report.verdict, &report.missing[..]), (Outcome::Deny, &[][..]), "{permission}");
    }

    // A bare filter asks for claims that a filter elsewhere would have stored.
    let claim = json!({ "metadata": { "filter": "envoy.filters.http.jwt_authn", "path": [{ "key": "payload" }, { "key": "sub" }], "value": { "stringMatch": { "exact": "s" } } } });
    let report = ask(&rbac(&any(), &claim), &request(HEADERS));
    assert_eq!(
        (report.verdict, &report.missing[..]),
        (Outcome::Unknown, &["metadata.envoy.filters.http.jwt_authn".to_string()][..])
    );
    let nothing = [("envoy.filters.http.jwt_authn", Json::Object(vec![]))];
    assert_eq!(
        ask(&rbac(&any(), &claim), &Request { metadata: &nothing, ..request(HEADERS) }).verdict,
        Outcome::Deny
    );

    // Requirements and providers that istiod does not write.
    let jwt = |change: &dyn Fn(&mut Value)| {
        let mut filter = jwt_authn("payload", true);
        change(&mut filter["typedConfig"]);
        filter
    };
    for (filter, missing) in [
        (jwt(&|config| config["rules"][0]["requires"] = json!({ "allowMissingOrFailed": {} })), "rules[0]"),
        (jwt(&|config| config["rules"][0]["match"] = json!({ "prefix": "/a" })), "rules[0]"),
        (jwt(&|config| config["rules"] = json!([{}, {}])), "rules[1]"),
        (
            jwt(&|config| config["providers"]["origins-0"]["subjects"] = json!({ "exact": "s" })),
            "providers[\"origins-0\"].subjects",
        ),
        (jwt(&|config| config["filterStateRules"] = json!({ "name": "x" })), "filterStateRules"),
    ] {
        let report = ask(&filter, &request(HEADERS));
        assert_eq!((report.verdict, report.stage), (Outcome::Unknown, Stage::Jwt));
        assert_eq!(report.missing, [missing]);
    }
    // What does not hang on the claims is refused all the same.
    let deny = json!({ "name": "envoy.filters.http.rbac", "typedConfig": { "rules": { "action": "DENY", "policies": { "p": { "permissions": [any()], "principals": [any()] } } } } });
    let odd = jwt(&|config| config["rules"] = json!([{}, {}]));
    assert_eq!(ask(&json!([odd, deny]), &request(HEADERS)).verdict, Outcome::Deny);
}

#[test]
fn wrappings() {
    let rules = json!({ "action": "DENY", "policies": { "p": { "permissions": [{ "any": true }], "principals": [{ "any": true }] } } });
    let typed = |wrapper: &str, field: &str| {
        json!({ "name": "odd", "typed_config": {
            "@type": format!("type.googleapis.com/{wrapper}"), field: "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "value": { "rules": rules } } })
    };
    let filter = json!({ "name": "envoy.filters.http.rbac", "config": { "rules": rules } });
    let manager = json!({ "name": "m", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "httpFilters": [{ "name": "envoy.filters.http.router" }, filter] } });
    let listener = json!({ "name": "l", "address": { "socketAddress": { "portValue": 80 } }, "filterChains": [{ "filters": [manager] }] });
    for document in [
        typed("udpa.type.v1.TypedStruct", "type_url"),
        typed("xds.type.v3.TypedStruct", "typeUrl"),
        filter.clone(),
        json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": rules }),
        json!({ "@type": "type.googleapis.com/envoy.config.filter.http.rbac.v2.RBAC", "rules": rules }),
        json!({ "rules": rules }),
        rules.clone(),
        json!([filter]),
        manager.clone(),
        json!({ "filters": [manager] }),
        listener.clone(),
        json!([listener]),
        json!({ "configs": [{ "@type": "x/envoy.admin.v3.ClustersConfigDump" }, { "dynamic_listeners": [{ "name": "l", "active_state": { "listener": listener } }] }] }),
        json!({ "configs": [{ "bootstrap": { "static_resources": { "listeners": [listener] } } }, { "static_listeners": [{ "listener": listener }] }] }),
        json!({ "staticResources": { "listeners": [listener] } }),
    ] {
        let imported = import(&document);
        assert_eq!(imported.listeners.len(), 1, "{document}");
        assert_eq!(imported.findings, [], "{document}");
        let report = ask(&document, &request(HEADERS));
        assert_eq!((report.verdict, report.policy.as_deref()), (Outcome::Deny, Some("p")), "{document}");
    }
    for document in [
        json!(null),
        json!([]),
        json!({}),
        json!("x"),
        json!({ "filterChains": [] }),
        json!({ "a": { "b": 1 } }),
    ] {
        assert!(import(&document).select(None, &request(HEADERS)).is_err(), "{document}");
    }
    // A Lua filter may do anything: it is named.
    let lua = json!([{ "name": "my.default-lua", "typedConfig": {} }, filter]);
    let findings = import(&lua).findings;
    assert_eq!((findings.len(), findings[0].code), (1, "passed-over"));
}

#[test]
fn routes_that_change_a_filter() {
    let filter = rbac(&json!({ "any": true }), &json!({ "any": true }));
    let routes = json!({ "virtualHosts": [{ "routes": [{ "typedPerFilterConfig": { "envoy.filters.http.rbac": { "@type": "x/envoy.extensions.filters.http.rbac.v3.RBACPerRoute" } } }] }] });
    let manager = json!({ "name": "envoy.filters.network.http_connection_manager", "typedConfig": { "httpFilters": [filter], "routeConfig": routes } });
    let report = ask(&json!({ "filterChains": [{ "filters": [manager] }] }), &request(HEADERS));
    assert_eq!((report.verdict, report.missing.len()), (Outcome::Unknown, 1));
    assert!(
        report.missing[0].ends_with("typedPerFilterConfig[\"envoy.filters.http.rbac\"]"),
        "{:?}",
        report.missing
    );
}

#[test]
fn listeners_and_chains() {
    let chain = |name: &str, matching: Value, mutual: bool| {
        let rules = json!({ "action": "DENY", "policies": { name: { "permissions": [{ "any": true }], "principals": [{ "any": true }] } } });
        let config = json!({ "@type": "x/envoy.extensions.filters.network.rbac.v3.RBAC", "rules": rules });
        let mut chain = json!({ "name": name, "filterChainMatch": matching, "filters": [{ "name": "envoy.filters.network.rbac", "typedConfig": config }] });
        if mutual {
            chain["transportSocket"] = json!({ "name": "envoy.transport_sockets.tls", "typedConfig": { "requireClientCertificate": true } });
        }
        chain
    };
    let istio = json!(["istio-peer-exchange", "istio"]);
    let inbound = json!({ "name": "virtualInbound", "trafficDirection": "INBOUND", "address": { "socketAddress": { "portValue": 15006 } }, "filterChains": [
        chain("blackhole", json!({ "destinationPort": 15006 }), false),
        chain("8080-mtls", json!({ "destinationPort": 8080, "transportProtocol": "tls", "applicationProtocols": istio }), true),
        chain("8080-plain", json!({ "destinationPort": 8080, "transportProtocol": "raw_buffer" }), false),
        chain("9090-mtls", json!({ "destinationPort": 9090, "transportProtocol": "tls" }), true),
        chain("any-mtls", json!({ "transportProtocol": "tls", "applicationProtocols": istio }), true),
        chain("any-tls", json!({ "transportProtocol": "tls" }), false),
        chain("any-plain", json!({ "transportProtocol": "raw_buffer" }), false),
    ] });
    let outbound = json!({ "name": "0.0.0.0_8080", "trafficDirection": "OUTBOUND", "address": { "socketAddress": { "portValue": 8080 } },
        "filterChains": [chain("out", json!({}), false)] });
    let gateway = json!({ "name": "gw", "address": { "socketAddress": { "portValue": 443 } }, "filterChains": [
        chain("a", json!({ "serverNames": ["a.com"] }), false),
        chain("wild", json!({ "serverNames": ["*.com"] }), false),
    ] });
    let plain = Peer::Plaintext;
    let mtls = Peer::Tls { names: &[SLEEP], complete: true };
    let tls = Peer::Tls { names: &[], complete: true };
    let (sidecar, gateway) = (json!([inbound, outbound]), json!([gateway]));
    for (document, wanted, port, peer, sni, expected) in [
        (&sidecar, None, Some(8080), mtls, "", Some("8080-mtls")),
        (&sidecar, None, Some(8080), plain, "", Some("8080-plain")),
        (&sidecar, None, Some(9090), mtls, "", Some("9090-mtls")),
        // STRICT: no chain takes plaintext.
        (&sidecar, None, Some(9090), plain, "", None),
        (&sidecar, None, Some(9090), tls, "", None),
        (&sidecar, None, Some(7070), mtls, "", Some("any-mtls")),
        (&sidecar, None, Some(7070), plain, "", Some("any-plain")),
        (&sidecar, None, Some(7070), tls, "", Some("any-tls")),
        (&sidecar, Some("virtualInbound"), Some(8080), plain, "", Some("8080-plain")),
        (&sidecar, Some("8080"), None, plain, "", Some("8080-plain")),
        (&sidecar, Some("any-tls"), Some(8080), plain, "", Some("any-tls")),
        (&sidecar, Some("0.0.0.0_8080"), None, plain, "", Some("out")),
        (&gateway, None, None, tls, "a.com", Some("a")),
        (&gateway, None, None, tls, "b.com", Some("wild")),
        (&gateway, None, None, tls, "b.org", None),
    ] {
        let request = Request {
            destination_port: port.map_or(Input::Absent, Input::Is),
            peer,
            sni: sni.as_bytes(),
            destination_ip: Input::Absent,
            ..Request::tcp()
        };
        let imported = import(document);
        assert_eq!(imported.findings, []);
        let found = match imported.select(wanted, &request) {
            Ok(Selected::Chain(chain)) => Some(chain.name.as_str()),
            Ok(Selected::NoChain) => None,
            Err(error) => panic!("{wanted:?} {port:?}: {error}"),
        };
        assert_eq!(found, expected, "{wanted:?} {port:?} {peer:?} {sni}");
    }
    // Nothing says which.
    let request = Request { destination_port: Input::Absent, ..Request::tcp() };
    assert!(import(&json!([outbound, outbound])).select(None, &request).is_err());
    assert!(import(&sidecar).select(Some("nowhere"), &request).unwrap_err().contains("virtualInbound"));
}

#[test]
fn hostile() {
    // As deep as the JSON reader lets it be.
    let mut deep = json!({ "any": true });
    for _ in 0..50 {
        deep = json!({ "notRule": deep });
    }
    let report = ask(&rbac(&deep, &json!({ "any": true })), &request(HEADERS));
    assert_eq!(report.verdict, Outcome::Allow);
    let mut node: Node = serde_json::from_value(json!({ "any": true })).unwrap();
    let key = |name: &str| gnomon_engine::node::Key { name: name.into(), at: Default::default() };
    for _ in 0..2_000 {
        node =
            Node { value: gnomon_engine::Value::Map(vec![(key("notRule"), node)]), at: Default::default() };
    }
    let filter: Node = serde_json::from_value(
        json!({ "rules": { "policies": { "p": { "permissions": [], "principals": [{ "any": true }] } } } }),
    )
    .unwrap();
    let mut filter = filter;
    fn permissions(node: &mut Node) -> Option<&mut Vec<Node>> {
        match &mut node.value {
            gnomon_engine::Value::Map(entries) => entries.iter_mut().find_map(|(key, node)| {
                if key.name == "permissions" {
                    match &mut node.value {
                        gnomon_engine::Value::List(items) => return Some(items),
                        _ => return None,
                    }
                }
                permissions(node)
            }),
            _ => None,
        }
    }
    permissions(&mut filter).unwrap().push(node);
    let imported = Imported::read(&filter, &Arc::from(""));
    assert_eq!(imported.findings.len(), 1);

    // Many expressions that are large, and one that is too large.
    let policies: serde_json::Map<String, Value> = (0..3_000)
        .map(|index| {
            let regex = json!({ "header": { "name": "x", "stringMatch": { "safeRegex": { "regex": format!("x{index}{{1000}}.*") } } } });
            (format!("{index}"), json!({ "permissions": [regex], "principals": [{ "any": true }] }))
        })
        .collect();
    let started = std::time::Instant::now();
    let imported = import(&json!({ "rules": { "policies": policies } }));
    assert_eq!(imported.findings.len(), 1_000, "the findings are bounded");
    assert!(started.elapsed().as_secs() < 20);

    // A value on which backtracking would never end.
    let regex =
        json!({ "header": { "name": "x", "stringMatch": { "safeRegex": { "regex": "(a|aa)*(a*)*b" } } } });
    let value = "a".repeat(60_000);
    let headers: &[(&[u8], &[u8])] = &[(b"x", value.as_bytes())];
    let report = ask(&rbac(&regex, &json!({ "any": true })), &request(headers));
    assert_eq!(report.verdict, Outcome::Deny);
}
