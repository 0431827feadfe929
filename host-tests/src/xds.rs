//! Configuration updates as istiod brings them for wasm filters: extension config discovery (ECDS), from a file. The
//! listener stays as it is, connections go on.

use crate::err::{Context, Result};
use serde_json::{Value, json};
use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

/// An HTTP filter whose configuration is in a file that Envoy watches.
pub struct Discovery {
    folder: PathBuf,
    version: AtomicU64,
}

const NAME: &str = "gnomon";

impl Discovery {
    /// With this first configuration, as [`crate::filter::http_filter`] gives it.
    pub fn new(entry: &Value) -> Result<Discovery> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("gnomon-xds-{}-{count}", std::process::id()));
        fs::create_dir_all(&folder).or_cannot(format_args!("make the folder {}", folder.display()))?;
        let discovery = Discovery { folder, version: AtomicU64::new(0) };
        discovery.publish(entry)?;
        Ok(discovery)
    }

    fn file(&self) -> PathBuf {
        self.folder.join("filter.json")
    }

    /// The entry of the filter chain.
    pub fn filter(&self) -> Value {
        json!({
            "name": NAME,
            "config_discovery": {
                "config_source": {
                    "path_config_source": {"path": self.file().to_string_lossy()},
                    "resource_api_version": "V3",
                },
                "type_urls": [
                    "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                    "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
                    "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                ],
            },
        })
    }

    /// Puts another configuration in the place of the one before. Envoy notices by itself.
    pub fn publish(&self, entry: &Value) -> Result<()> {
        let version = self.version.fetch_add(1, Ordering::Relaxed);
        let response = json!({
            "version_info": version.to_string(),
            "resources": [{
                "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
                "name": NAME,
                // Protobuf's JSON has both spellings.
                "typed_config": entry.get("typed_config").or_else(|| entry.get("typedConfig")),
            }],
        });
        // Envoy sees files that are moved into place, never one that is half written.
        let new = self.folder.join("new.json");
        fs::write(&new, response.to_string()).or_cannot("write a configuration update")?;
        fs::rename(&new, self.file()).or_cannot("put a configuration update in its place")
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
