//! A proxy's configuration from a file.

use crate::{LoadError, Loaded, input::error, read_file, tree::parse};
use gnomon_engine::Position;
use gnomon_envoy_config::import::Imported;
use std::{path::Path, sync::Arc};

/// A proxy's configuration, read.
#[derive(Debug)]
pub struct LoadedProxy {
    /// The configuration.
    pub imported: Imported,
    /// What of it is not evaluated, with the text that the findings point into. Its resources are empty.
    pub findings: Loaded,
}

/// Reads a proxy's configuration from a file, or from standard input for `-`.
///
/// # Errors
///
/// The file cannot be read, or there is no listener and no security filter in it.
pub fn imported(path: &Path) -> Result<LoadedProxy, LoadError> {
    match read_file(path) {
        Ok(text) => imported_text(text, &path.to_string_lossy()),
        Err(unread) => Err(Loaded { diagnostics: vec![*unread], ..Loaded::default() }.into()),
    }
}

/// As [`imported`], from a text; `file` is how diagnostics call it.
///
/// # Errors
///
/// As for [`imported`].
pub fn imported_text(text: String, file: &str) -> Result<LoadedProxy, LoadError> {
    let file: Arc<str> = Arc::from(file);
    let (documents, problems) = parse(&text, &file);
    let sound = problems.is_empty();
    let mut findings = Loaded { diagnostics: problems, ..Loaded::default() };
    findings.sources.insert(file.clone(), text.into());
    let imported = Imported::read(documents.first().unwrap_or(&Default::default()), &file);
    findings.diagnostics.extend(imported.findings.iter().cloned());
    if sound && imported.listeners.is_empty() {
        findings.diagnostics.push(error(
            "no-listeners",
            &file,
            Position::default(),
            "there is no listener and no security filter in it",
            "give what `istioctl proxy-config listener POD -o json` prints, or Envoy's /config_dump",
        ));
    }
    if sound && !imported.listeners.is_empty() {
        Ok(LoadedProxy { imported, findings })
    } else {
        Err(findings.into())
    }
}
