//! What one filter sees: the request, and the dynamic metadata that filters before it have left.

use super::request_view::RequestView;
use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use gnomon_engine::{
    jwt::Json,
    request::{Peer, Protocol},
    verdict::Missing,
};

pub(super) const JWT_FILTER: &str = "envoy.filters.http.jwt_authn";
/// The filter of Istio before 1.21 that gave RBAC the claims in Istio's own words.
const ISTIO_FILTER: &str = "istio_authn";

/// Metadata that an RBAC filter leaves.
pub(super) struct Left {
    pub(super) network: bool,
    pub(super) key: String,
    /// Not there, or there, or what that depends on.
    pub(super) value: Result<Option<Json>, Vec<Missing>>,
}

/// The claims of a verified token.
#[derive(Clone, Copy)]
pub(super) enum Claims<'s> {
    /// With the key that the provider stores them under; `None`: there is no token.
    Known(Option<(&'s str, &'s Json)>),
    /// Nobody can say, for want of this.
    Unknown(&'s Missing),
}

#[derive(Clone, Copy)]
pub(super) struct EvaluationContext<'s> {
    pub(super) view: RequestView<'s>,
    pub(super) claims: Claims<'s>,
    pub(super) left: &'s [Left],
    /// The listener is an internal one.
    pub(super) internal: bool,
}

impl<'s> EvaluationContext<'s> {
    /// What stands in a filter's metadata at a path of keys.
    ///
    /// # Errors
    ///
    /// What that depends on.
    pub(super) fn metadata(
        &self,
        filter: &str,
        path: &[String],
    ) -> Result<Option<Cow<'s, Json>>, Vec<Missing>> {
        let Some((first, rest)) = path.split_first() else { return Ok(None) };
        let network = match filter {
            "envoy.filters.http.rbac" => Some(false),
            "envoy.filters.network.rbac" => Some(true),
            _ => None,
        };
        if let Some(network) = network {
            let found = self.left.iter().rev().find(|left| left.network == network && left.key == *first);
            return match found.map(|left| &left.value) {
                None | Some(Ok(None)) => Ok(None),
                Some(Ok(Some(value))) => Ok(value.get(rest).map(Cow::Borrowed)),
                Some(Err(missing)) => Err(missing.clone()),
            };
        }
        if let Some((_, value)) = self.view.request.metadata.iter().find(|(name, _)| *name == filter) {
            return Ok(value.get(path).map(Cow::Borrowed));
        }
        if filter != JWT_FILTER && filter != ISTIO_FILTER {
            return Ok(None);
        }
        if filter == ISTIO_FILTER && first == "source.principal" {
            return Ok(self.peer().map(|name| Cow::Owned(Json::String(name))));
        }
        // A TCP connection has no tokens.
        if self.view.request.protocol == Protocol::Tcp {
            return Ok(None);
        }
        let (key, payload) = match self.claims {
            Claims::Known(Some(known)) => known,
            Claims::Known(None) => return Ok(None),
            Claims::Unknown(missing) => return Err(vec![missing.clone()]),
        };
        if filter == ISTIO_FILTER {
            return Ok(
                in_istios_words(payload, first).and_then(|value| value.get(rest).cloned().map(Cow::Owned))
            );
        }
        Ok(if first == key { payload.get(rest).map(Cow::Borrowed) } else { None })
    }

    /// The peer without `spiffe://`.
    fn peer(&self) -> Option<String> {
        let Peer::Tls { names, .. } = self.view.request.peer else { return None };
        let name = names.iter().find_map(|name| name.strip_prefix(b"spiffe://"))?;
        core::str::from_utf8(name).ok().map(ToString::to_string)
    }
}

/// `request.auth.…` as `istio_authn` made it of the claims: strings became lists of their words.
fn in_istios_words(payload: &Json, key: &str) -> Option<Json> {
    let first = |claim: &str| words(payload.member(claim)?).into_iter().next();
    let text = |text: String| Some(Json::String(text));
    match key {
        "request.auth.principal" => text(format!("{}/{}", first("iss")?, first("sub")?)),
        "request.auth.presenter" => text(first("azp")?),
        "request.auth.audiences" => text(first("aud")?),
        "request.auth.claims" => {
            let Json::Object(claims) = payload else { return None };
            let list = |value| Json::List(words(value).into_iter().map(Json::String).collect());
            let claims = claims.iter().map(|(name, value)| (name.clone(), list(value)));
            Some(Json::Object(claims.filter(|(_, list)| *list != Json::List(vec![])).collect()))
        }
        _ => None,
    }
}

fn words(claim: &Json) -> Vec<String> {
    match claim {
        Json::String(text) => {
            text.split(' ').filter(|word| !word.is_empty()).map(ToString::to_string).collect()
        }
        Json::List(items) => items.iter().filter_map(Json::as_str).map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}
