//! What a verified token leaves behind: headers for the workload, claims for later filters.

use super::{Json, token::Token, view::View};
use crate::{base64, decimal, headers::lookup_name, resource::JwtRule};
use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};

/// The outputs of a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    payload_header: Option<String>,
    /// Header, and the claim split at its dots.
    claim_headers: Vec<(String, Vec<String>)>,
    space_delimited: Vec<String>,
}

impl Outputs {
    /// `space_delimited`: the version of Istio knows `spaceDelimitedClaims`.
    pub(super) fn of(rule: &JwtRule, space_delimited: bool) -> Self {
        let configured = if space_delimited { rule.space_delimited_claims.as_slice() } else { &[] };
        let path = |claim: &str| claim.split('.').map(ToOwned::to_owned).collect();
        // istiod always adds these two.
        let mut space_delimited = vec!["permission".to_string(), "scope".to_string()];
        space_delimited.extend(configured.iter().cloned());
        Outputs {
            payload_header: rule
                .output_payload_to_header
                .as_deref()
                .filter(|name| !name.is_empty())
                .map(lookup_name),
            claim_headers: rule
                .output_claim_to_headers
                .iter()
                .map(|output| (lookup_name(&output.header), path(&output.claim)))
                .collect(),
            space_delimited,
        }
    }

    /// Exactly these claims, without those that istiod adds.
    pub(super) fn set_space_delimited(&mut self, claims: &[String]) {
        self.space_delimited = claims.to_vec();
    }

    /// The claims that are split at spaces.
    pub(super) fn space_delimited(&self) -> &[String] {
        &self.space_delimited
    }

    /// The headers that it writes, and of which no copy sent by the client may pass.
    pub(super) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.payload_header.as_deref().into_iter().chain(self.claim_headers.iter().map(|(name, _)| &**name))
    }

    /// Each header with the claim that is written into it; no claim: the whole payload.
    pub(super) fn written(&self) -> impl Iterator<Item = (&str, &[String])> {
        let payload = self.payload_header.as_deref().map(|name| (name, <&[String]>::default()));
        payload.into_iter().chain(self.claim_headers.iter().map(|(name, claim)| (&**name, &claim[..])))
    }

    /// What the rule writes into this header, where it does.
    pub(super) fn written_from(&self, header: &str) -> Option<String> {
        if self.payload_header.as_deref() == Some(header) {
            return Some("the payload of the token".into());
        }
        let (_, path) = self.claim_headers.iter().find(|(name, _)| name == header)?;
        let steps: String = path.iter().map(|step| format!("[{step}]")).collect();
        Some(match path.len() {
            0 | 1 => format!("the claim {steps}"),
            _ => format!("the claim {steps}, its name split at the dots"),
        })
    }

    /// Removes what the client sent under these names.
    pub(super) fn sanitize(&self, view: &mut View<'_>) {
        for name in self.header_names() {
            view.remove(name);
        }
    }

    /// Writes the headers. A second token of the same rule adds a second line.
    pub(super) fn write_headers(&self, token: &Token, view: &mut View<'_>) {
        if let Some(name) = &self.payload_header {
            view.add(name, token.payload_section().to_vec());
        }
        for (name, path) in &self.claim_headers {
            if let Some(value) = token.payload.get(path).and_then(header_value) {
                view.add(name, value.into_bytes());
            }
        }
    }

    /// The claims for dynamic metadata: a string of a space-delimited claim becomes the list of its words. A blank
    /// one stays a string.
    pub(super) fn normalize(&self, payload: &Arc<Json>) -> Arc<Json> {
        let is_one = |(name, value): &(String, Json)| {
            matches!(value, Json::String(_)) && self.space_delimited.contains(name)
        };
        match &**payload {
            Json::Object(claims) if claims.iter().any(is_one) => {}
            _ => return payload.clone(),
        }
        let mut split = Json::clone(payload);
        let Json::Object(claims) = &mut split else { return payload.clone() };
        for (_, value) in claims.iter_mut().filter(|claim| is_one(claim)) {
            if let Json::String(text) = value {
                let words: Vec<Json> = text
                    .split(' ')
                    .filter(|word| !word.is_empty())
                    .map(|word| Json::String(word.into()))
                    .collect();
                if !words.is_empty() {
                    *value = Json::List(words);
                }
            }
        }
        Arc::new(split)
    }
}

/// A claim as a header's value; `None`: no header is written.
fn header_value(claim: &Json) -> Option<String> {
    const BEYOND: f64 = 18_446_744_073_709_551_616.0; // 2^64
    let value = match claim {
        Json::Null => return None,
        Json::Bool(value) => value.to_string(),
        Json::Number(value) if (0.0..BEYOND).contains(value) && (*value as u64) as f64 == *value => {
            (*value as u64).to_string()
        }
        Json::Number(value) => decimal::fixed(*value, 6),
        Json::String(text) => text.clone(),
        Json::List(_) | Json::Object(_) => base64::encode_standard(claim.write().as_bytes()),
    };
    (!value.is_empty()).then_some(value)
}
