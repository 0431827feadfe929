//! Suites from texts rather than files, for the browser.

use super::{
    LoadedSuite, Sources, from_text,
    load::{Files, GLOB, assemble, is_suite, no_policies, no_such, taken},
};
use crate::{LoadError, Loaded, Loader, files::is_manifest, imported_text, input::error};
use gnomon_engine::{Diagnostic, Position, decode::quoted, resource::Text};
use gnomon_envoy_config::import::Imported;
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
};

/// As [`load`](super::load), where `files` holds all texts by their paths, `/` between the parts. A path that is no
/// file stands for the manifests below it.
///
/// # Errors
///
/// All that is wrong with the suite, or with any of the policies.
pub fn load_texts(files: &BTreeMap<String, String>, path: &str) -> Result<LoadedSuite, LoadError> {
    let mut findings = Loaded::default();
    let file: Arc<str> = Arc::from(path);
    let Some(text) = files.get(path) else {
        findings.diagnostics.push(error(
            "unreadable",
            &file,
            Position::default(),
            "there is no such file",
            "",
        ));
        return Err(findings.into());
    };
    let read = from_text(text, &file);
    findings.sources.insert(file, text.clone().into());
    match read {
        Ok(suite) => assemble(suite, findings, &Texts { files, folder: folder_of(path) }),
        Err(problems) => {
            findings.diagnostics = problems.0;
            Err(findings.into())
        }
    }
}

struct Texts<'a> {
    files: &'a BTreeMap<String, String>,
    folder: &'a str,
}

impl Texts<'_> {
    /// The path from the root of `files`, without `.` and `..`.
    fn path(&self, relative: &str) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for part in self.folder.split('/').chain(relative.split('/')) {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        parts.join("/")
    }
}

impl Texts<'_> {
    /// The files that an entry of `policies` stands for, in order.
    fn named(&self, entry: &Text, suite: &Arc<str>) -> Result<Vec<&str>, Box<Diagnostic>> {
        let path = self.path(&entry.text);
        if let Some((name, _)) = self.files.get_key_value(&path) {
            return Ok(vec![name]);
        }
        let is_glob = entry.text.contains(['*', '?', '[']);
        let pattern = if is_glob { glob::Pattern::new(&path) } else { glob::Pattern::new("") };
        let pattern = pattern.map_err(|bad| {
            no_policies(entry, suite, format!("{} is no glob: {}", quoted(&entry.text), bad.msg))
        })?;
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let wanted = |name: &&String| match is_glob {
            true => pattern.matches_with(name, GLOB) && !is_suite(Path::new(name)),
            false => name.starts_with(&below) && is_manifest(name),
        };
        let found: Vec<&str> = self.files.keys().filter(wanted).map(String::as_str).collect();
        if found.is_empty() { Err(no_such(entry, suite)) } else { Ok(found) }
    }
}

/// The names of the files that the `policies` of a suite or of a test in it stand for, in order; those that are not there
/// are left out.
pub fn policies_of<'f>(
    files: &'f BTreeMap<String, String>,
    suite: &Arc<str>,
    sources: &Sources,
) -> Vec<&'f str> {
    let texts = Texts { files, folder: folder_of(suite) };
    let (mut names, mut seen): (Vec<&str>, HashSet<&str>) = Default::default();
    for entry in &sources.policies {
        for name in texts.named(entry, suite).unwrap_or_default() {
            if let Some((name, _)) = files.get_key_value(name)
                && seen.insert(name)
            {
                names.push(name);
            }
        }
    }
    names
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Files for Texts<'_> {
    fn policies(&self, entry: &Text, suite: &Arc<str>, loader: &mut Loader) -> Result<(), Box<Diagnostic>> {
        for name in self.named(entry, suite)? {
            loader.text(self.files.get(name).map_or("", String::as_str), name);
        }
        Ok(())
    }

    fn envoy_config(&self, entry: &Text, findings: &mut Loaded) -> Option<Imported> {
        let path = self.path(&entry.text);
        match self.files.get(&path) {
            Some(text) => taken(imported_text(text.clone(), &path), findings),
            None => {
                let file: Arc<str> = Arc::from(path);
                let message = "there is no such file";
                findings.diagnostics.push(error("unreadable", &file, Position::default(), message, ""));
                None
            }
        }
    }
}
