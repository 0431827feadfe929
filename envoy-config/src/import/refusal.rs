//! What Envoy does with a connection that no filter gets to see.

use super::evaluate::allowed;
use gnomon_engine::verdict::{Outcome, Report, Stage};

/// Why a connection ends before the security filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The listener has no filter chain for it.
    NoChain,
    /// Its chain ends TLS, and it is plaintext.
    NotTls,
    /// Its chain demands a client's certificate, and it shows none.
    NoCertificate,
    /// Its chain speaks HTTP, and it does not: it is another protocol, or TLS that the chain does not end.
    NotHttp,
}

impl Refusal {
    /// Why, in a few words.
    pub(super) fn short(self) -> &'static str {
        match self {
            Refusal::NoChain => "no filter chain takes such a connection",
            Refusal::NotTls => "the filter chain takes TLS only",
            Refusal::NoCertificate => "the filter chain demands a client certificate",
            Refusal::NotHttp => "the filter chain speaks HTTP, and this is not",
        }
    }

    /// The verdict. Only the missing chain and what is no HTTP have a name in Envoy's details (seen in Envoy 1.40).
    pub fn report(self) -> Report {
        let (status, stage, details) = match self {
            Refusal::NoChain => (None, Stage::Mtls, Some("filter_chain_not_found")),
            Refusal::NotTls | Refusal::NoCertificate => (None, Stage::Mtls, None),
            Refusal::NotHttp => (Some(400), Stage::None, Some("http1.codec_error")),
        };
        let reason = match self {
            Refusal::NoChain => {
                "the listener has no filter chain for this connection: plaintext where only mutual TLS is taken, or \
                 the other way round"
            }
            Refusal::NotTls => {
                "the filter chain for this connection ends TLS, and the connection is plaintext; a TLS client states \
                 source.principal, or sni where it shows no certificate"
            }
            Refusal::NoCertificate => {
                "the filter chain for this connection demands a client certificate, and none is stated \
                 (source.principal)"
            }
            Refusal::NotHttp => {
                "the filter chain for this connection speaks HTTP, and what arrives is not HTTP, or TLS that the chain \
                 does not end: Envoy answers itself, and no policy is asked"
            }
        };
        Report {
            verdict: Outcome::Deny,
            status,
            stage,
            details: details.map(Into::into),
            reason: reason.into(),
            ..allowed()
        }
    }
}
