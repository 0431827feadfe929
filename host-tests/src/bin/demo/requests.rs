//! The requests of the demo and the tokens they carry.

use gnomon_host_tests::{
    RequestBytes, Result,
    tokens::{self, TestKey},
};
use serde_json::{Value, json};

/// How users reach the gateway; the port is part of the host.
pub(crate) const HOST: &str = "webapp.istioinaction.io:30000";

const ISSUER: &str = "auth@istioinaction.io";
const OLD_ISSUER: &str = "old-auth@istioinaction.io";
const HOUR: i64 = 3600;

/// One request.
pub(crate) struct Request {
    method: &'static str,
    path: &'static str,
    host: &'static str,
    /// For people: what is special about the host.
    host_note: &'static str,
    /// For people: whose token it is.
    pub(crate) token: &'static str,
    carried: Token,
}

/// Where the token is.
enum Token {
    None,
    Header(String),
    Query(String),
}

impl Request {
    /// For people.
    pub(crate) fn title(&self) -> String {
        format!("{} {}{}", self.method, self.path, self.host_note)
    }

    /// As sent.
    pub(crate) fn bytes(&self) -> RequestBytes {
        let request = |target: &str| RequestBytes::new(self.method, target).header("host", self.host);
        match &self.carried {
            Token::None => request(self.path),
            Token::Header(value) => request(self.path).header("authorization", value.as_str()),
            Token::Query(token) => request(&format!("{}?access_token={token}", self.path)),
        }
    }
}

fn claims(issuer: &str, group: &str, audience: &str, lifetime: i64) -> Value {
    let exp = tokens::now() + lifetime;
    json!({"iss": issuer, "sub": format!("{group}-1"), "group": group, "aud": audience, "exp": exp})
}

/// Signed with the key of the scenario's policies.
fn sign(claims: &Value) -> Result<String> {
    tokens::sign_as(TestKey::RsaKid, TestKey::RsaKid.algorithm(), Some("rsa-kid"), claims)
}

/// A user's token, good for an hour.
pub(crate) fn user_token() -> Result<String> {
    sign(&claims(ISSUER, "user", "webapp", HOUR))
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Result<Vec<Request>> {
    let user = user_token()?;
    let admin = sign(&claims(ISSUER, "admin", "webapp", HOUR))?;
    let old = sign(&claims(OLD_ISSUER, "user", "webapp", HOUR))?;
    let elsewhere = sign(&claims(ISSUER, "user", "billing", HOUR))?;
    let expired = sign(&claims(ISSUER, "user", "webapp", -HOUR))?;
    // Says that it is an admin, but whoever signed it is not the issuer.
    let forged = tokens::sign(TestKey::Rsa, &claims(ISSUER, "admin", "webapp", HOUR))?;

    let none =
        |method, path| Request { method, path, host: HOST, host_note: "", token: "-", carried: Token::None };
    let with = |token, bearer: &str, method, path| Request {
        token,
        carried: Token::Header(format!("Bearer {bearer}")),
        ..none(method, path)
    };
    let by_user = |method, path| with("user", &user, method, path);
    let at = |host, host_note, request| Request { host, host_note, ..request };
    Ok(vec![
        none("GET", "/api/catalog"),
        none("GET", "/api/orders"),
        none("GET", "/api/catalog/../orders"),
        by_user("GET", "/api/catalog"),
        by_user("GET", "/api/orders"),
        by_user("POST", "/api/orders"),
        by_user("DELETE", "/api/orders/7"),
        Request {
            token: "user, in query",
            carried: Token::Query(user.clone()),
            ..none("GET", "/api/orders")
        },
        // Envoy looks for `Bearer `, so this is no token at all.
        Request {
            token: "user, `bearer`",
            carried: Token::Header(format!("bearer {user}")),
            ..none("GET", "/api/orders")
        },
        with("admin", &admin, "GET", "/api/orders"),
        with("admin", &admin, "POST", "/api/catalog"),
        with("admin", &admin, "DELETE", "/api/orders/7"),
        with("old issuer", &old, "GET", "/api/orders"),
        with("old issuer", &old, "POST", "/api/orders"),
        with("other audience", &elsewhere, "GET", "/api/orders"),
        with("expired", &expired, "GET", "/api/orders"),
        with("forged admin", &forged, "GET", "/api/orders"),
        with("garbage", "not-a-token", "GET", "/api/catalog"),
        at("WEBAPP.istioinaction.io:30000", " (capitals)", by_user("GET", "/api/orders")),
        at("webapp.istioinaction.io", " (no port)", by_user("GET", "/api/orders")),
        at("webapp.istioinaction.io:8443", " (port 8443)", none("GET", "/api/catalog")),
        at("other.istioinaction.io", " (other host)", by_user("GET", "/api/orders")),
    ])
}
