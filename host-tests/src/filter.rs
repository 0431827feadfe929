//! The shadow filter as an entry of Envoy's filter chain.

use crate::err::{Error, Result};
use serde_json::{Value, json};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The built filter: `GNOMON_FILTER_WASM`, else where `cargo xtask filter` leaves it. An error names the command that
/// makes one.
pub fn wasm() -> Result<PathBuf> {
    find("GNOMON_FILTER_WASM", "the built filter", "cargo xtask filter", |target| {
        Some(target.join("gnomon/filter.wasm"))
    })
}

/// The larger artefact, with the feature `software-crypto`: `GNOMON_SOFTWARE_CRYPTO_WASM`, else where
/// `cargo xtask filter --software-crypto` leaves it.
pub fn software_crypto_wasm() -> Result<PathBuf> {
    let command = "cargo xtask filter --software-crypto";
    find("GNOMON_SOFTWARE_CRYPTO_WASM", "the filter with software-crypto", command, |target| {
        Some(target.join("gnomon/filter-software-crypto.wasm"))
    })
}

/// The native module: `GNOMON_MODULE`, else where `cargo xtask module` leaves it.
pub fn module() -> Result<PathBuf> {
    find("GNOMON_MODULE", "the native module", "cargo xtask module", |target| {
        Some(target.join("gnomon/libgnomon_envoy_module.so"))
    })
}

/// Prometheus' promtool: `GNOMON_PROMTOOL`, else where `cargo xtask setup` puts it.
pub fn promtool() -> Result<PathBuf> {
    find("GNOMON_PROMTOOL", "promtool", "cargo xtask setup", |target| {
        Some(target.join("gnomon/prometheus/usr/bin/promtool"))
    })
}

/// A file that xtask makes: named by `variable`, or in its place below the target folder.
pub(crate) fn find(
    variable: &str,
    what: &str,
    command: &str,
    place: impl FnOnce(&Path) -> Option<PathBuf>,
) -> Result<PathBuf> {
    let path = match env::var_os(variable) {
        Some(path) => Some(path.into()),
        None => place(&target_folder()),
    };
    match path {
        Some(path) if path.is_file() => Ok(path),
        _ => Err(Error::new(format!("{what} is missing: run `{command}` (or set {variable} to its path)"))),
    }
}

/// Cargo's target folder: the one that our own binary is in, by the files that cargo puts there (neither is sure to
/// be there), else the usual one.
fn target_folder() -> PathBuf {
    let is_target =
        |folder: &&Path| ["CACHEDIR.TAG", ".rustc_info.json"].iter().any(|mark| folder.join(mark).is_file());
    let own = env::current_exe().ok();
    let found = own.as_deref().and_then(|own| own.ancestors().find(is_target));
    found.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Path::to_owned)
}

/// The HTTP filter entry as Istio makes one of a WasmPlugin: the configuration as JSON text in a StringValue,
/// a VM of its own, `FAIL_OPEN`. Of a native module (its name ends in `.so`) the same for that.
///
/// `configuration` is what `docs/filter.md` describes.
pub fn http_filter(artefact: &Path, configuration: &Value) -> Value {
    if is_module(artefact) {
        let kind = "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter";
        return module_entry(kind, artefact, configuration);
    }
    entry("envoy.extensions.filters.http.wasm.v3.Wasm", artefact, configuration)
}

/// The same as a network filter, for TCP chains.
pub fn network_filter(artefact: &Path, configuration: &Value) -> Value {
    if is_module(artefact) {
        let kind = "envoy.extensions.filters.network.dynamic_modules.v3.DynamicModuleNetworkFilter";
        return module_entry(kind, artefact, configuration);
    }
    entry("envoy.extensions.filters.network.wasm.v3.Wasm", artefact, configuration)
}

/// Whether this is the native module.
pub fn is_module(artefact: &Path) -> bool {
    artefact.extension().is_some_and(|extension| extension == "so")
}

/// What stands in front of the connection manager for this HTTP filter, where it is the native module: there it sees all
/// names of the peer's certificate, and notes them.
pub fn peer_names(http_filter: &Value) -> Option<Value> {
    let module = http_filter.pointer("/typed_config/dynamic_module_config")?;
    Some(json!({
        "name": "gnomon-peer-names",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.dynamic_modules.v3.DynamicModuleNetworkFilter",
            "dynamic_module_config": module,
            "filter_name": "gnomon",
        },
    }))
}

/// An access log of the native module's, with this configuration of the filter's.
pub fn access_logger(module: &Path, configuration: &Value) -> Value {
    json!({
        "name": "gnomon-requests",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.dynamic_modules.v3.DynamicModuleAccessLog",
            "dynamic_module_config": {"module": {"local": {"filename": module.to_string_lossy()}}},
            "logger_name": "gnomon-requests",
            "logger_config": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": configuration.to_string(),
            },
        },
    })
}

/// The text of an entry's configuration.
pub fn configuration(entry: &mut Value) -> Option<&mut Value> {
    let path = match entry.pointer("/typed_config/filter_config") {
        Some(_) => "/typed_config/filter_config/value",
        None => "/typed_config/config/configuration/value",
    };
    entry.pointer_mut(path)
}

/// The entry under another name: then the two are not taken for updates of each other.
pub fn named(mut entry: Value, name: &str) -> Value {
    for path in
        ["/typed_config/filter_name", "/typed_config/config/name", "/typed_config/config/vm_config/vm_id"]
    {
        if let Some(place) = entry.pointer_mut(path) {
            *place = name.into();
        }
    }
    entry
}

fn module_entry(kind: &str, module: &Path, configuration: &Value) -> Value {
    json!({
        "name": "gnomon",
        "typed_config": {
            "@type": format!("type.googleapis.com/{kind}"),
            "dynamic_module_config": {
                "module": {"local": {"filename": module.to_string_lossy()}},
                "metrics_namespace": "gnomon",
            },
            "filter_name": "istio-system.gnomon",
            "filter_config": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": configuration.to_string(),
            },
        },
    })
}

fn entry(kind: &str, wasm: &Path, configuration: &Value) -> Value {
    json!({
        "name": "gnomon",
        "typed_config": {
            "@type": format!("type.googleapis.com/{kind}"),
            "config": {
                "name": "istio-system.gnomon",
                "root_id": "gnomon",
                "failure_policy": "FAIL_OPEN",
                "vm_config": {
                    // Filters that share a VM share its crashes.
                    "vm_id": "gnomon",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": wasm.to_string_lossy()}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration.to_string(),
                },
            },
        },
    })
}
