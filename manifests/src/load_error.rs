//! What is wrong with what was to be loaded.

use crate::Loaded;
use std::{error::Error, fmt};

/// Manifests or a suite with errors: nothing may be evaluated of them. Displayed one finding a line.
#[derive(Clone, Debug)]
pub struct LoadError {
    /// All findings, warnings among them, with the texts that they point into and what was read in spite of them.
    pub loaded: Box<Loaded>,
}

impl From<Loaded> for LoadError {
    fn from(loaded: Loaded) -> Self {
        LoadError { loaded: Box::new(loaded) }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, found) in self.loaded.diagnostics.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{found}")?;
        }
        Ok(())
    }
}

impl Error for LoadError {}
