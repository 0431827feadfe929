//! A suite's policies as the shadow filter gets them, and its claims as tokens that it can check.

use crate::{
    err::{Context, Result},
    tokens::{self, TestKey},
};
use gnomon_analysis::bundle;
use gnomon_engine::{
    Mesh, Plan, Workload,
    attach::settle,
    jwt::{Json, leads_nowhere},
    resource::{Resources, Text, manifest::manifests},
};
use gnomon_manifests::request::RequestSpec;
use serde_json::{Value, json};

/// The filter's configuration (`docs/filter.md`) with these policies as its candidate.
pub fn configuration(resources: &Resources, workload: &Workload, mesh: &Mesh) -> Value {
    let mut workload = workload.clone();
    settle(&mut workload, resources);
    json!({
        "mode": "shadow",
        "candidate": {"resources": manifests(resources)},
        "workload": bundle::workload_fields(&workload),
        "mesh": bundle::mesh_fields(mesh),
        "report": {"log": "none", "filterState": "all"},
    })
}

/// Claims are a good token's, whichever rule of its issuer looks at it: all of them get the first one's key, and one of
/// ours where that is none, as [`signed`] has no others.
pub fn with_our_keys(resources: &Resources) -> Resources {
    let mut resources = resources.clone();
    let mut keys: Vec<(String, TestKey)> = Vec::new();
    for rule in resources.request_authentication.iter_mut().flat_map(|policy| &mut policy.rules) {
        // A rule without an issuer may have no inline keys; its own are not known.
        if rule.issuer.text.is_empty() {
            continue;
        }
        // Nor are there any where nothing can be fetched from: istiod's own key stands in, and verifies no token.
        if rule.jwks.is_none() && rule.jwks_uri.is_none() && leads_nowhere(&rule.issuer.text) {
            continue;
        }
        let own = key_of(rule.jwks.as_ref());
        let key = match keys.iter().find(|(issuer, _)| *issuer == rule.issuer.text) {
            Some((_, key)) => *key,
            None => {
                let key = own.unwrap_or(TestKey::Rsa);
                keys.push((rule.issuer.text.clone(), key));
                key
            }
        };
        if own != Some(key) {
            rule.jwks = Some(Text { text: key.jwks().into(), ..Text::default() });
            rule.jwks_uri = None;
        }
    }
    resources
}

/// The test key whose public half is in this key set.
fn key_of(jwks: Option<&Text>) -> Option<TestKey> {
    let keys = |text: &str| serde_json::from_str::<Value>(text).ok()?.get("keys")?.as_array().cloned();
    let given = keys(&jwks?.text)?;
    // What makes a key: RSA's modulus, a curve's point.
    let same = |a: &Value, b: &Value| {
        ["n", "x"].iter().any(|name| a.get(name).is_some() && a.get(name) == b.get(name))
    };
    TestKey::ALL.into_iter().find(|key| {
        keys(key.jwks()).unwrap_or_default().iter().any(|ours| given.iter().any(|key| same(key, ours)))
    })
}

/// The request with a really signed token in place of its claims, where the plan's rules look for it. `clock` is that of
/// the engine that will judge it: a case's own time becomes this one, and the claims' times move with it.
pub fn signed(request: &RequestSpec, resources: &Resources, plan: &Plan, clock: i64) -> Result<RequestSpec> {
    let Some(claims) = &request.claims else { return Ok(request.clone()) };
    let issuer = claims.member("iss").and_then(Json::as_str).unwrap_or_default();
    let mut claims: Value = serde_json::from_str(&claims.write()).or_cannot("read the claims")?;
    if let Some(then) = request.time {
        shift(&mut claims, clock.saturating_sub(then));
    }
    let rules = resources.request_authentication.iter().flat_map(|policy| &policy.rules);
    let rule = rules.clone().find(|rule| rule.issuer.text == issuer).or_else(|| rules.clone().next());
    let key = rule.and_then(|rule| key_of(rule.jwks.as_ref())).unwrap_or(TestKey::Rsa);
    let mut request = request.with_token(&plan.authenticator().place(issuer), &tokens::sign(key, &claims)?);
    request.claims = None;
    Ok(request)
}

/// Another time is now, if all times of the token move with it.
fn shift(claims: &mut Value, by: i64) {
    let Some(claims) = claims.as_object_mut() else { return };
    for name in ["exp", "nbf", "iat"] {
        if let Some(time) = claims.get(name).and_then(Value::as_i64).filter(|time| *time != 0) {
            claims.insert(name.into(), time.saturating_add(by).into());
        }
    }
}
