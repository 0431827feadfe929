//! Findings that are known already: of a baseline, or of the commit that a change starts from.

use crate::checkout::{Checkout, git};
use gnomon_analysis::lint::Finding;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};

/// A finding without its line, which moves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    code: String,
    file: String,
    object: String,
    message: String,
}

/// How many findings of each kind there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(BTreeMap<Key, usize>);

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    key: Key,
    count: usize,
}

impl Known {
    /// Of findings whose files begin with `folder`, which is cut away.
    pub(crate) fn of(findings: &[Finding], folder: Option<&Path>) -> Known {
        let mut known = Known::default();
        for finding in findings {
            *known.0.entry(key(finding, folder)).or_default() += 1;
        }
        known
    }

    /// A baseline out of its file.
    pub(crate) fn read(file: &Path) -> Result<Known, String> {
        let wrong = |wrong: String| format!("{}: {wrong}; `--write-baseline` makes one", file.display());
        let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let entries: Vec<Entry> = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        Ok(Known(entries.into_iter().map(|entry| (entry.key, entry.count)).collect()))
    }

    /// A baseline into its file.
    pub(crate) fn write(&self, file: &Path) -> Result<(), String> {
        let entries: Vec<Entry> =
            self.0.iter().map(|(key, count)| Entry { key: key.clone(), count: *count }).collect();
        // Cannot fail: all keys are strings.
        let text = serde_json::to_string_pretty(&entries).unwrap_or_default() + "\n";
        fs::write(file, text).map_err(|wrong| format!("{}: {wrong}", file.display()))
    }

    /// Takes away what is known; how many that were, and how many that are known are not there any more.
    pub(crate) fn take_from(mut self, findings: &mut Vec<Finding>) -> (usize, usize) {
        let before = findings.len();
        findings.retain(|finding| match self.0.get_mut(&key(finding, None)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        });
        (before - findings.len(), self.0.values().sum())
    }
}

fn key(finding: &Finding, folder: Option<&Path>) -> Key {
    let found = &finding.diagnostic;
    let file = Path::new(&*found.file);
    let inside = folder.and_then(|folder| file.strip_prefix(folder).ok()).unwrap_or(file);
    let without = |text: &str| match folder {
        Some(folder) => text.replace(&format!("{}/", folder.display()), ""),
        None => text.to_owned(),
    };
    let file = inside.to_string_lossy();
    Key {
        code: found.code.into(),
        file: file.trim_start_matches("./").into(),
        object: found.object.clone(),
        message: without(&found.message),
    }
}

/// Where the current commit left another one, unpacked.
///
/// # Errors
///
/// See [`Checkout::of`].
pub(crate) fn base(reference: &str) -> Result<Checkout, String> {
    if reference.starts_with('-') {
        return Err(format!("`{reference}` names no commit"));
    }
    // Where the two have nothing in common, the other one itself.
    let fork = git(&["merge-base", reference, "HEAD"]);
    Checkout::of(fork.as_deref().map_or(reference, str::trim))
}
