//! Parsing a token: all checks that do not depend on its issuer.

use super::{Algorithm, Json, status::Status};
use crate::base64;
use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

/// Longer tokens are refused unread: Envoy takes request headers of 8 MiB at most (`max_request_headers_kb`; 60 KiB unless
/// that is set), and jwt_authn any token in them.
const MAX_LENGTH: usize = 8 << 20;

/// A token that is well formed. There is no `Debug`: nothing of it may reach a log.
pub(super) struct Token {
    /// `alg` of its header.
    pub(super) algorithm: Algorithm,
    /// `kid` of its header, or empty.
    pub(super) kid: String,
    /// The claims.
    pub(super) payload: Arc<Json>,
    /// `iss`, or empty.
    pub(super) issuer: String,
    /// `aud`, as a list.
    pub(super) audiences: Vec<String>,
    /// `nbf`, or 0.
    nbf: u64,
    /// `exp`, or 0: never.
    exp: u64,
    /// The signing input: header and payload as sent.
    pub(super) signed: Vec<u8>,
    /// Where the payload begins in it.
    payload_at: usize,
    /// The signature.
    pub(super) signature: Vec<u8>,
}

impl Token {
    /// Parses `text`. Checks come in Envoy's order, and the first that fails names the answer.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Status> {
        if text.len() > MAX_LENGTH {
            return Err(Status::BadFormat);
        }
        // Leading, trailing and doubled dots do no harm: empty sections are dropped.
        let mut sections = text.split(|c| *c == b'.').filter(|section| !section.is_empty());
        let (Some(header64), Some(payload64), Some(signature64), None) =
            (sections.next(), sections.next(), sections.next(), sections.next())
        else {
            return Err(Status::BadFormat);
        };

        let header = base64::decode(header64).ok_or(Status::HeaderBadBase64)?;
        let header = Json::parse_object(&header).ok_or(Status::HeaderBadJson)?;
        let algorithm = header.member("alg").and_then(Json::as_str).ok_or(Status::HeaderBadAlg)?;
        let algorithm = Algorithm::from_name(algorithm).ok_or(Status::HeaderUnknownAlg)?;
        let kid = string(&header, "kid", Status::HeaderBadKid)?.to_owned();

        let payload = base64::decode(payload64).ok_or(Status::PayloadBadBase64)?;
        let payload = Json::parse_object(&payload).ok_or(Status::PayloadBadJson)?;
        let issuer = string(&payload, "iss", Status::IssNotString)?.to_owned();
        string(&payload, "sub", Status::SubNotString)?;
        time(&payload, "iat", Status::IatNotInteger, Status::IatOutOfRange)?;
        let nbf = time(&payload, "nbf", Status::NbfNotInteger, Status::NbfOutOfRange)?;
        let exp = time(&payload, "exp", Status::ExpNotInteger, Status::ExpOutOfRange)?;
        string(&payload, "jti", Status::JtiNotString)?;
        let audiences = audiences(&payload).ok_or(Status::AudNotString)?;

        let signature = base64::decode(signature64).ok_or(Status::SignatureBadBase64)?;
        let mut signed = Vec::with_capacity(header64.len() + 1 + payload64.len());
        signed.extend_from_slice(header64);
        signed.push(b'.');
        signed.extend_from_slice(payload64);
        let payload_at = header64.len() + 1;
        let payload = Arc::new(payload);
        Ok(Token { algorithm, kid, payload, issuer, audiences, nbf, exp, signed, payload_at, signature })
    }

    /// Checks `nbf` and `exp` with a minute of clock skew. `now` in seconds since 1970.
    pub(super) fn in_time(&self, now: i64) -> Result<(), Status> {
        const SKEW: u64 = 60;
        let now = u64::try_from(now).unwrap_or(0);
        if now.saturating_add(SKEW) < self.nbf {
            return Err(Status::NotYetValid);
        }
        if self.exp != 0 && now > self.exp.saturating_add(SKEW) {
            return Err(Status::Expired);
        }
        Ok(())
    }

    /// `exp`; 0: never.
    pub(super) fn expires(&self) -> u64 {
        self.exp
    }

    /// `nbf`, or 0.
    pub(super) fn not_before(&self) -> u64 {
        self.nbf
    }

    /// The payload section as sent, in base64url.
    pub(super) fn payload_section(&self) -> &[u8] {
        self.signed.get(self.payload_at..).unwrap_or_default()
    }
}

fn string<'j>(object: &'j Json, name: &str, fault: Status) -> Result<&'j str, Status> {
    match object.member(name) {
        None => Ok(""),
        Some(value) => value.as_str().ok_or(fault),
    }
}

fn time(payload: &Json, name: &str, type_fault: Status, range_fault: Status) -> Result<u64, Status> {
    const BEYOND: f64 = 18_446_744_073_709_551_616.0; // 2^64
    match payload.member(name) {
        None => Ok(0),
        Some(Json::Number(seconds)) if (0.0..BEYOND).contains(seconds) => Ok(*seconds as u64),
        Some(Json::Number(_)) => Err(range_fault),
        Some(_) => Err(type_fault),
    }
}

fn audiences(payload: &Json) -> Option<Vec<String>> {
    match payload.member("aud") {
        None => Some(Vec::new()),
        Some(Json::String(audience)) => Some(alloc::vec![audience.clone()]),
        Some(Json::List(items)) => items.iter().map(|item| item.as_str().map(ToString::to_string)).collect(),
        Some(_) => None,
    }
}
