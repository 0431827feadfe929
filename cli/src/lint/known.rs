//! Findings that are known already: of a baseline, or of the commit that a change starts from.

use gnomon_analysis::lint::Finding;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

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

/// The files of the commit that a change starts from, in a folder that goes away with this.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) folder: PathBuf,
}

impl Base {
    /// Of where the current commit left `reference`, as seen from the current folder.
    pub(crate) fn of(reference: &str) -> Result<Base, String> {
        if reference.starts_with('-') {
            return Err(format!("`{reference}` names no commit"));
        }
        let commit = git(&["merge-base", reference, "HEAD"]).or_else(|_| {
            git(&["rev-parse", "--verify", "--end-of-options", &format!("{reference}^{{commit}}")])
        })?;
        let folder = std::env::temp_dir().join(format!("gnomon-base-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|wrong| format!("{}: {wrong}", folder.display()))?;
        let base = Base { folder };
        let failed = |wrong: std::io::Error| format!("git archive: {wrong}");
        let mut archive = Command::new("git")
            .args(["archive", "--format=tar", commit.trim()])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let out = archive.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let unpacked = Command::new("tar").arg("-x").arg("-C").arg(&base.folder).stdin(out).status();
        let unpacked = unpacked.map_err(|wrong| format!("tar: {wrong}"))?;
        let archived = archive.wait().map_err(failed)?;
        match archived.success() && unpacked.success() {
            true => Ok(base),
            false => Err(format!("git archive of `{reference}` did not succeed")),
        }
    }

    /// The same paths there, as far as they were there.
    pub(crate) fn paths(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let here = std::env::current_dir().unwrap_or_default();
        let inside = |path: &PathBuf| {
            let path = path.strip_prefix(&here).unwrap_or(path);
            let there = self.folder.join(path.strip_prefix(".").unwrap_or(path));
            (path.is_relative() && there.exists()).then_some(there)
        };
        paths.iter().filter_map(inside).collect()
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

fn git(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").args(arguments).output().map_err(|wrong| format!("git: {wrong}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
