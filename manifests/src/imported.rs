//! A proxy's configuration from a file.

use crate::{Loaded, input::error, read_file, tree::parse};
use gnomon_engine::{Position, envoy::import::Imported};
use std::{path::Path, sync::Arc};

/// Reads a proxy's configuration from a file, or from standard input for `-`. What is not evaluated, and what is wrong with
/// the file, goes to `loaded`. `None`: it cannot be read.
pub fn imported(path: &Path, loaded: &mut Loaded) -> Option<Imported> {
    match read_file(path) {
        Ok(text) => imported_text(text, &path.to_string_lossy(), loaded),
        Err(unread) => {
            loaded.diagnostics.push(*unread);
            None
        }
    }
}

/// As [`imported`], from a text; `file` is how diagnostics call it.
pub fn imported_text(text: String, file: &str, loaded: &mut Loaded) -> Option<Imported> {
    let file: Arc<str> = Arc::from(file);
    let (documents, problems) = parse(&text, &file);
    loaded.sources.insert(file.clone(), text.into());
    let sound = problems.is_empty();
    loaded.diagnostics.extend(problems);
    let imported = Imported::read(documents.first()?, &file);
    loaded.diagnostics.extend(imported.findings.iter().cloned());
    if sound && imported.listeners.is_empty() {
        loaded.diagnostics.push(error(
            "no-listeners",
            &file,
            Position::default(),
            "there is no listener and no security filter in it",
            "give what `istioctl proxy-config listener POD -o json` prints, or Envoy's /config_dump",
        ));
    }
    Some(imported).filter(|imported| sound && !imported.listeners.is_empty())
}
