use super::{Labels, Meta};
use alloc::vec::Vec;

/// A mode of mutual TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtlsMode {
    /// Plaintext only.
    Disable,
    /// Plaintext and mutual TLS; Istio's default.
    Permissive,
    /// Mutual TLS only.
    Strict,
}

/// A PeerAuthentication.
#[derive(Clone, Debug)]
pub struct PeerAuthentication {
    /// Name, namespace, place.
    pub meta: Meta,
    /// `selector.matchLabels`; `None` without the key `selector`. An empty list counts as no labels, but ztunnel
    /// does not fetch a mesh-level policy that has the key.
    pub selector: Option<Labels>,
    /// `mtls.mode`; `None` for UNSET or absent: inherited.
    pub mode: Option<MtlsMode>,
    /// `portLevelMtls`, by workload port, sorted; `None` for UNSET.
    pub ports: Vec<(u16, Option<MtlsMode>)>,
}
