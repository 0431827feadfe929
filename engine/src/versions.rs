//! What differs between the versions of Istio, one function for each difference; `docs/versions.md` says more.
//!
//! A minor version stands for its newest patch release.

use crate::workload::IstioVersion;

/// The provider's name is part of the ids of CUSTOM rules, and each provider has filters of its own.
pub(crate) fn names_providers(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 30)
}

/// A provider whose name is no DNS label is broken.
pub(crate) fn checks_provider_names(version: IstioVersion) -> bool {
    version >= IstioVersion(1, 30)
}
