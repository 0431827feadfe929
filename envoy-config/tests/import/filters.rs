//! What filters decide, and what of them is not evaluated.

use super::*;

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
        let answers: Vec<_> = answers.iter().map(|(name, said)| ((*name).to_string(), *said)).collect();
        let report = ask(&filters(prefix), &Request { ext_authz: &answers, ..request(headers) });
        assert_eq!(
            (report.verdict, report.status, report.details.as_deref()),
            (verdict, status, details),
            "{answers:?}"
        );
        if verdict == Outcome::Unknown {
            assert_eq!(names(&report.missing), ["extAuthz.sample"]);
        }
    }
}

/// What is not evaluated is named, and only a verdict that depends on it is unknown.
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
        assert_eq!(names(&report.missing).join(" "), missing, "{permission}");
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
        (report.verdict, names(&report.missing)),
        (Outcome::Unknown, vec!["metadata.envoy.filters.http.jwt_authn".to_string()])
    );
    let nothing = [("envoy.filters.http.jwt_authn".to_string(), Json::Object(vec![]))];
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
        assert_eq!(names(&report.missing), [missing]);
    }
    // What does not depend on the claims is refused all the same.
    let deny = json!({ "name": "envoy.filters.http.rbac", "typedConfig": { "rules": { "action": "DENY", "policies": { "p": { "permissions": [any()], "principals": [any()] } } } } });
    let odd = jwt(&|config| config["rules"] = json!([{}, {}]));
    assert_eq!(ask(&json!([odd, deny]), &request(HEADERS)).verdict, Outcome::Deny);
}

/// Both names that istiod gives the ALLOW filter, with the type and without.
#[test]
fn the_allow_filter_goes_by_either_name() {
    for name in ["envoy.filters.http.rbac", "istio.authorization.allow"] {
        for config in [
            json!({ "@type": "x/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {} }),
            json!({ "rules": {} }),
        ] {
            let report = ask(&json!({ "name": name, "typedConfig": config }), &request(HEADERS));
            assert_eq!((report.verdict, report.stage), (Outcome::Deny, Stage::Allow), "{name}");
        }
    }
}
