//! What a verdict depends on that is not known.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::fmt;
use serde::{Serialize, Serializer};

/// One thing that a verdict depends on and that is not known.
///
/// [`Display`](fmt::Display) and serialization give the name that reports and suites have in `missing`: `source.ip`,
/// `extAuthz.sample`, `jwks.https://issuer.example`. These names are a contract.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// A field of the request.
    Field(RequestField),
    /// What this CUSTOM provider answers.
    ProviderAnswer(String),
    /// The key set of this issuer, or at this address where any issuer will do. Gnomon fetches none by itself.
    KeySet(String),
    /// What this filter has left in the request's dynamic metadata.
    FilterMetadata(String),
    /// The object that a filter has left in the filter state under this key.
    FilterState(String),
    /// Which of these PeerAuthentications of one level is the oldest: `shop/a and shop/b`. Only that one counts, and
    /// without `creationTimestamp` the manifests do not say which it is.
    CreationTimestamps(String),
    /// What the proxy had before: Envoy refuses the configuration that istiod makes of these policies.
    Configuration,
    /// Which listener or filter chain of a proxy's configuration is meant.
    Listener,
    /// A part of a proxy's configuration that is not evaluated, with its place.
    NotEvaluated(Arc<str>),
    /// The patch release of the mesh's Istio.
    PatchRelease,
}

/// The fields of a request that a verdict can depend on, as the format of requests names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RequestField {
    /// `source.principal`
    SourcePrincipal,
    /// `source.ip`
    SourceIp,
    /// `remoteIp`
    RemoteIp,
    /// `destination.ip`
    DestinationIp,
    /// `destination.port`
    DestinationPort,
    /// `sni`
    Sni,
    /// `host`
    Host,
    /// `path`
    Path,
    /// `headers`
    Headers,
    /// `token`, or `claims` in its place
    Token,
    /// `metadata`
    Metadata,
    /// `time`
    Time,
}

impl RequestField {
    /// As written in a request.
    pub fn name(self) -> &'static str {
        match self {
            RequestField::SourcePrincipal => "source.principal",
            RequestField::SourceIp => "source.ip",
            RequestField::RemoteIp => "remoteIp",
            RequestField::DestinationIp => "destination.ip",
            RequestField::DestinationPort => "destination.port",
            RequestField::Sni => "sni",
            RequestField::Host => "host",
            RequestField::Path => "path",
            RequestField::Headers => "headers",
            RequestField::Token => "token",
            RequestField::Metadata => "metadata",
            RequestField::Time => "time",
        }
    }

    /// Part of every connection, whether or not a request states it.
    pub fn is_of_connection(self) -> bool {
        use RequestField::{DestinationIp, DestinationPort, RemoteIp, SourceIp, SourcePrincipal};
        matches!(self, SourcePrincipal | SourceIp | RemoteIp | DestinationIp | DestinationPort)
    }
}

impl From<RequestField> for Missing {
    fn from(field: RequestField) -> Missing {
        Missing::Field(field)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, name) = match self {
            Missing::Field(field) => ("", field.name()),
            Missing::ProviderAnswer(name) => ("extAuthz.", name.as_str()),
            Missing::KeySet(name) => ("jwks.", name.as_str()),
            Missing::FilterMetadata(filter) => ("metadata.", filter.as_str()),
            Missing::FilterState(key) => ("filterState.", key.as_str()),
            Missing::CreationTimestamps(policies) => {
                ("creationTimestamp of PeerAuthentication ", policies.as_str())
            }
            Missing::Configuration => ("", "configuration"),
            Missing::Listener => ("", "listener"),
            Missing::NotEvaluated(part) => ("", &**part),
            Missing::PatchRelease => ("", "istioVersion"),
        };
        f.write_str(prefix)?;
        f.write_str(name)
    }
}

impl Serialize for Missing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Missing {
    /// What to do so that the verdict becomes known; one sentence without a full stop.
    pub fn remedy(&self) -> String {
        match self {
            Missing::Field(RequestField::Token) => {
                "state `token`, or `claims` in its place".into()
            }
            Missing::Field(field) => format!("state `{}` in the request", field.name()),
            Missing::ProviderAnswer(name) => {
                format!("state what the provider answers: `extAuthz: {{{name}: allow}}`, or deny or error")
            }
            Missing::KeySet(_) => {
                "no key set is fetched: state `claims` in place of the token, whose signature then counts as good, or put \
                 the key set into the rule as `jwks`. Where istiod cannot fetch the key set, it configures a key of its own, \
                 and every token is refused with 401"
                    .into()
            }
            Missing::FilterMetadata(filter) => format!("state `metadata: {{{filter}: …}}`"),
            Missing::FilterState(_) => "Gnomon cannot know it: it is set by another filter while a request is served".into(),
            Missing::CreationTimestamps(_) => {
                "give the policies as the cluster has them (`kubectl get -o yaml`), with metadata.creationTimestamp, or keep one"
                    .into()
            }
            Missing::Configuration => "mend the policy that Envoy refuses".into(),
            Missing::Listener => "name the listener or the filter chain".into(),
            Missing::NotEvaluated(_) => "Gnomon does not evaluate this part of the configuration: find out from the proxy itself".into(),
            Missing::PatchRelease => "state the patch release, as in `istioVersion: \"1.29.7\"`".into(),
        }
    }

    /// Puts what is new behind what is already in `known`.
    pub fn add(known: &mut Vec<Missing>, missing: impl IntoIterator<Item = Missing>) {
        for one in missing {
            if !known.contains(&one) {
                known.push(one);
            }
        }
    }

    /// The clause that names all of them: `source.ip and extAuthz.p, which the request does not state`.
    pub fn clause(missing: &[Missing]) -> String {
        let mut text = String::new();
        for one in missing {
            if !text.is_empty() {
                text.push_str(" and ");
            }
            text.push_str(&format!("{one}"));
        }
        let stated = |one: &Missing| matches!(one, Missing::Field(_) | Missing::ProviderAnswer(_));
        text.push_str(match missing.iter().all(stated) {
            true => ", which the request does not state",
            false if missing.len() == 1 && matches!(missing, [Missing::KeySet(_)]) => {
                ", a key set that is not in the policies"
            }
            false if missing.iter().all(|one| matches!(one, Missing::CreationTimestamps(_))) => {
                ", which the manifests do not say"
            }
            false => ", which is not known or not evaluated",
        });
        text
    }
}
