//! The jwt_authn filter (`pilot/pkg/security/authn/policy_applier.go`).

use super::{filter as make_filter, object};
use alloc::{collections::BTreeSet, format, string::String, vec::Vec};
use gnomon_engine::{
    resource::{JwtRule, Text},
    versions,
    workload::IstioVersion,
};
use serde_json::{Map, Value, json};

/// What istiod puts in where it cannot get a rule's keys: a public key whose private half was thrown away, so that
/// every token is refused. (Its `PublicOnlyJwks`.)
const NOBODYS_KEY: &str = r#"{
  "keys": [
    {
      "kty": "RSA",
      "e": "AQAB",
      "n": "0xObjM0UvS_oaazjpEYlAbwctEJ4L8pH3OuTb7qth7gUwqet-EzQB4dgFdvSdMgrLnSncQGRjpEYz3F3viIbH-3EN3TxSlPNviHxeOdyiBVfumN8dMxbLvVJUpfNOnvmMxJcl-8NNjAwcOjk4otSALaYgYYyOPyvKtgVdrQr-FoubWX4yrjxW-MJ2-7OBeepUUNOsVwGV23YX03sVkkyvY3otRflkBcY3_HKpBxJl9wk2GyOShN4_PNUF9-vwfnvOXMbCDX-w4PTef4geeb_GiT40YCKHTKMSPVanGRn5GExIWmki-mmqh94-mPTJyBR74ShspL3BxPZitDL574T1w"
    }
  ]
}"#;

/// The filter for these rules, given in the order attached; `None` without any.
///
/// Tokens are optional but must be good: for one rule any of (it, no token); for several any of (each, all of (each or
/// no token)). Rules stand in the order of their issuers.
pub(super) fn filter(rules: &[&JwtRule], version: IstioVersion, clear_route_cache: bool) -> Option<Value> {
    let mut rules: Vec<&JwtRule> = rules.to_vec();
    rules.sort_by(|a, b| a.issuer.text.cmp(&b.issuer.text));

    let mut providers = Map::new();
    let mut each = Vec::new();
    let mut optional = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let name = format!("origins-{index}");
        let required = json!({ "providerName": name });
        optional.push(any([required.clone(), json!({ "allowMissing": {} })].into()));
        each.push(required);
        providers.insert(name, provider(rule, version, clear_route_cache));
    }
    let requires = match (optional.len(), optional.pop()?) {
        (1, only) => only,
        (_, last) => {
            optional.push(last);
            each.push(json!({ "requiresAll": { "requirements": optional } }));
            any(each)
        }
    };
    let config = object([
        ("providers", Value::Object(providers)),
        ("rules", json!([{ "match": { "prefix": "/" }, "requires": requires }])),
        ("bypassCorsPreflight", true.into()),
    ]);
    Some(make_filter("envoy.filters.http.jwt_authn", "filters.http.jwt_authn.v3.JwtAuthentication", config))
}

fn any(requirements: Vec<Value>) -> Value {
    json!({ "requiresAny": { "requirements": requirements } })
}

fn provider(rule: &JwtRule, version: IstioVersion, clear_route_cache: bool) -> Value {
    let known = versions::has_space_delimited_claims(version);
    let own = rule.space_delimited_claims.iter().map(String::as_str).filter(|_| known);
    let claims: BTreeSet<&str> = own.chain(["permission", "scope"]).collect();
    let keys = rule.jwks.as_ref().map(|Text { text, .. }| text.as_str()).filter(|text| !text.is_empty());
    let mut provider = object([
        ("payloadInMetadata", "payload".into()),
        ("normalizePayloadInMetadata", json!({ "spaceDelimitedClaims": claims })),
        ("localJwks", json!({ "inlineString": keys.unwrap_or(NOBODYS_KEY) })),
    ]);
    // Protobuf's JSON leaves out what has its default.
    let mut put = |name: &str, is_default: bool, value: Value| {
        if !is_default {
            provider.insert(name.into(), value);
        }
    };
    put("issuer", rule.issuer.text.is_empty(), json!(rule.issuer.text));
    put("audiences", rule.audiences.is_empty(), json!(rule.audiences));
    put("forward", !rule.forward_original_token, true.into());
    let header = rule.output_payload_to_header.as_deref().unwrap_or_default();
    put("forwardPayloadHeader", header.is_empty(), header.into());
    put("clearRouteCache", !clear_route_cache, true.into());
    let claim_headers: Vec<Value> = rule
        .output_claim_to_headers
        .iter()
        .map(|output| json!({ "headerName": output.header, "claimName": output.claim }))
        .collect();
    put("claimToHeaders", claim_headers.is_empty(), claim_headers.into());
    let headers: Vec<Value> = rule
        .from_headers
        .iter()
        .map(|location| match location.prefix.is_empty() {
            true => json!({ "name": location.name }),
            false => json!({ "name": location.name, "valuePrefix": location.prefix }),
        })
        .collect();
    put("fromHeaders", headers.is_empty(), headers.into());
    put("fromParams", rule.from_params.is_empty(), json!(rule.from_params));
    put("fromCookies", rule.from_cookies.is_empty(), json!(rule.from_cookies));
    Value::Object(provider)
}
