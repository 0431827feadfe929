//! RequestAuthentications, and tokens for them, good and bad.

use super::{
    Draw,
    mutate::{near, sample},
    policies::object,
    words::{AUDIENCES, CLAIMS, GROUPS, ISSUERS, SUBJECTS},
};
use crate::tokens::{TestKey, sign_as};
use serde_json::{Map, Value, json};

/// What a request has to know of a JWT rule to send it a token.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    issuer: String,
    audiences: Vec<String>,
    key: TestKey,
    places: Vec<Place>,
}

#[derive(Clone, Debug, Default)]
enum Place {
    #[default]
    Default,
    Header(String, String),
    Param(String),
    Cookie(String),
}

/// Quick ones mostly: who signs with RSA waits.
const KEYS: [TestKey; 8] = [
    TestKey::Ed25519,
    TestKey::Ed25519,
    TestKey::Ed25519,
    TestKey::Es256,
    TestKey::Es256,
    TestKey::Es384,
    TestKey::Rsa,
    TestKey::RsaKid,
];

impl Draw {
    fn key(&mut self) -> TestKey {
        let place = self.random.below(KEYS.len());
        KEYS.get(place).copied().unwrap_or(TestKey::Ed25519)
    }

    pub(super) fn request_authentication(&mut self, number: usize) -> Value {
        let mut spec = Map::new();
        self.target(&mut spec);
        let count = self.random.pick(&[1, 1, 1, 2, 3]);
        let rules: Vec<Value> = (0..count).map(|_| self.jwt_rule()).collect();
        spec.insert("jwtRules".into(), json!(rules));
        let namespace = self.random.pick(&["foo", "foo", "foo", "istio-system", "bar"]);
        object(
            "RequestAuthentication",
            json!({"name": format!("jwt-{number}"), "namespace": namespace}),
            spec,
        )
    }

    fn jwt_rule(&mut self) -> Value {
        let (issuer, key) = (self.random.pick(ISSUERS).to_owned(), self.key());
        let mut rule = Map::new();
        rule.insert("issuer".into(), json!(issuer));
        rule.insert("jwks".into(), json!(key.jwks()));
        let mut audiences = Vec::new();
        if self.random.chance(30) {
            audiences = (0..=self.random.below(2)).map(|_| self.random.pick(AUDIENCES).to_owned()).collect();
            rule.insert("audiences".into(), json!(audiences));
        }
        let mut places = Vec::new();
        if self.random.chance(30) {
            let mut headers = Vec::new();
            for _ in 0..self.random.pick(&[1, 1, 2]) {
                let name = self.random.pick(&["x-token", "X-Token", "authorization", "x-one"]);
                let prefix = self.random.pick(&["", "T ", "Bearer ", "T"]);
                headers.push(match prefix {
                    "" => json!({"name": name}),
                    prefix => json!({"name": name, "prefix": prefix}),
                });
                places.push(Place::Header(name.to_owned(), prefix.to_owned()));
            }
            rule.insert("fromHeaders".into(), json!(headers));
        }
        if self.random.chance(15) {
            let name = self.random.pick(&["token", "access_token", "a"]);
            rule.insert("fromParams".into(), json!([name]));
            places.push(Place::Param(name.to_owned()));
        }
        if self.random.chance(15) {
            rule.insert("fromCookies".into(), json!(["token"]));
            places.push(Place::Cookie("token".into()));
        }
        if places.is_empty() {
            places.extend([Place::Default, Place::Default, Place::Param("access_token".into())]);
        }
        if self.random.chance(30) {
            rule.insert("forwardOriginalToken".into(), json!(true));
        }
        if self.random.chance(25) {
            let claim = self.random.pick(&["group", "sub", "roles", "scope", "a.b", "exp", "nothing"]);
            rule.insert("outputClaimToHeaders".into(), json!([{"header": "x-claim", "claim": claim}]));
        }
        if self.random.chance(15) {
            rule.insert("outputPayloadToHeader".into(), json!("x-payload"));
        }
        if self.random.chance(15) {
            rule.insert(
                "spaceDelimitedClaims".into(),
                json!([self.random.pick(&["group", "roles", "scope"])]),
            );
        }
        self.named.rules.push(Rule { issuer, audiences, key, places });
        Value::Object(rule)
    }

    /// Puts tokens into a request.
    pub(super) fn tokens(&mut self, request: &mut Map<String, Value>) {
        let none = if self.named.rules.is_empty() { 85 } else { 30 };
        if self.random.chance(none) {
            return;
        }
        if self.setting.claims {
            let claims = self.claims();
            request.insert("claims".into(), claims);
            return;
        }
        for _ in 0..self.random.pick(&[1, 1, 1, 1, 2]) {
            self.token(request);
        }
    }

    fn token(&mut self, request: &mut Map<String, Value>) {
        let place = self.random.below(self.named.rules.len().max(1));
        let rule = self.named.rules.get(place).cloned();
        let claims = self.claims();
        let mut key = rule.as_ref().map_or(TestKey::Ed25519, |rule| rule.key);
        if self.random.chance(6) {
            key = self.key();
        }
        let kid = match self.random.below(12) {
            0 => Some("rsa-kid"),
            1 => Some("x"),
            _ => None,
        };
        // A token that cannot be signed is garbage.
        let token = sign_as(key, key.algorithm(), kid, &claims).unwrap_or_default();
        let token = self.spoiled(token);
        let places = rule.map(|rule| rule.places).unwrap_or_default();
        let place = match self.random.below(12) {
            0 => Place::Default,
            1 => Place::Header("x-token".into(), String::new()),
            2 => Place::Param("access_token".into()),
            _ => self.random.pick(&places),
        };
        match place {
            Place::Default => {
                let bearer = self.random.pick(&[
                    "Bearer ",
                    "Bearer ",
                    "Bearer ",
                    "Bearer ",
                    "bearer ",
                    "Basic x, Bearer ",
                    "",
                ]);
                self.line(request, "authorization", &format!("{bearer}{token}"));
            }
            Place::Header(name, prefix) => {
                let prefix = if self.random.chance(92) { prefix } else { near(&mut self.random, &prefix) };
                self.line(request, &name, &format!("{prefix}{token}"));
            }
            Place::Param(name) => {
                let path = request.get("path").and_then(Value::as_str).unwrap_or("/").to_owned();
                let separator = if path.contains('?') { '&' } else { '?' };
                let after = self.random.pick(&["", "", "&b=%2Fx", "&b=1+2&c"]);
                request.insert("path".into(), json!(format!("{path}{separator}{name}={token}{after}")));
            }
            Place::Cookie(name) => self.line(request, "cookie", &format!("{name}={token}")),
        }
    }

    /// One more line of this header.
    pub(super) fn line(&mut self, request: &mut Map<String, Value>, name: &str, value: &str) {
        let headers = request.entry("headers").or_insert_with(|| json!({}));
        let Some(headers) = headers.as_object_mut() else { return };
        match headers.get_mut(name) {
            Some(Value::Array(lines)) => lines.push(json!(value)),
            Some(old) => *old = json!([old.clone(), value]),
            None => _ = headers.insert(name.into(), json!(value)),
        }
    }

    fn spoiled(&mut self, token: String) -> String {
        match self.random.below(40) {
            0 => "garbage".into(),
            1 => "a.b.c".into(),
            2 => "..".into(),
            3 => String::new(),
            4 => format!("{token}="),
            5 => format!("{token}x"),
            6 => token.replacen('.', "..", 1),
            7 => near(&mut self.random, &token).chars().filter(char::is_ascii_graphic).collect(),
            8 => format!("{token}, {token}"),
            9 => token.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap_or_default(),
            _ => token,
        }
    }

    fn claims(&mut self) -> Value {
        let place = self.random.below(self.named.rules.len().max(1));
        let rule = self.named.rules.get(place).cloned();
        let mut claims = Map::new();
        let issuer = match (&rule, self.random.below(10)) {
            (Some(rule), 0..8) => rule.issuer.clone(),
            (_, 8) => {
                let named = self.random.pick(&self.named.issuers.clone());
                sample(&mut self.random, &named)
            }
            _ => self.random.pick(ISSUERS).to_owned(),
        };
        if !self.random.chance(3) {
            claims.insert("iss".into(), json!(issuer));
        }
        if !self.random.chance(12) {
            let subject = match self.random.chance(40) {
                true => {
                    let named = self.random.pick(&self.named.subjects.clone());
                    sample(&mut self.random, &named)
                }
                false => self.random.pick(SUBJECTS).to_owned(),
            };
            claims.insert("sub".into(), json!(subject));
        }
        let audiences = rule.map(|rule| rule.audiences).unwrap_or_default();
        let audience = |draw: &mut Self| match draw.random.below(6) {
            0 => draw.random.pick(AUDIENCES).to_owned(),
            1 => draw.random.pick(&draw.named.audiences.clone()),
            _ => draw.random.pick(&audiences),
        };
        match self.random.below(5) {
            0 => _ = claims.insert("aud".into(), json!([audience(self), audience(self)])),
            1..4 if !audiences_empty(&self.named) || self.random.chance(50) => {
                _ = claims.insert("aud".into(), json!(audience(self)));
            }
            _ => {}
        }
        if self.random.chance(15) {
            let named = self.random.pick(&self.named.presenters.clone());
            claims.insert("azp".into(), json!(sample(&mut self.random, &named)));
        }
        match self.random.below(14) {
            0 => _ = claims.insert("exp".into(), json!(1_000_000)),
            1 => _ = claims.insert("nbf".into(), json!(4_000_000_000_u64)),
            2 | 3 => _ = claims.insert("exp".into(), json!(4_000_000_000_u64)),
            4 => _ = claims.insert("exp".into(), json!(0)),
            5 => _ = claims.insert("nbf".into(), json!(1_000_000.5)),
            _ => {}
        }
        // What policies ask of claims, or nearly.
        for (path, value) in self.named.claims.clone() {
            if self.random.chance(70) {
                let value = self.claim(&value);
                put(&mut claims, &path, value);
            }
        }
        if self.random.chance(30) {
            let (name, value) = (self.random.pick(CLAIMS), self.random.pick(GROUPS));
            let value = self.claim(value);
            put(&mut claims, &[name.to_owned()], value);
        }
        Value::Object(claims)
    }

    fn claim(&mut self, pattern: &str) -> Value {
        let text = sample(&mut self.random, pattern);
        match self.random.below(16) {
            0 => json!([text, "other"]),
            1 => json!(["other", text]),
            2 => json!([]),
            3 => json!([[text]]),
            4 => json!(7),
            5 => json!(true),
            6 => json!(format!("{text} other")),
            7 => json!(format!(" other  {text} ")),
            8 => json!({"group": text}),
            9 => json!([5, text]),
            _ => json!(text),
        }
    }
}

fn audiences_empty(named: &super::Named) -> bool {
    named.rules.iter().all(|rule| rule.audiences.is_empty()) && named.audiences.is_empty()
}

/// Along the path, making maps of what stands in the way only where nothing stands there.
fn put(claims: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] if ["iss", "sub", "exp", "aud"].contains(&name.as_str()) => {}
        [name] => _ = claims.insert(name.clone(), value),
        [name, rest @ ..] => {
            let inner = claims.entry(name.clone()).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                put(inner, rest, value);
            }
        }
    }
}
