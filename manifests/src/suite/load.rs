//! Suites from files, with the policies that they name.

use super::{Sources, Suite};
use crate::{LoadError, Loaded, LoadedProxy, Loader, imported, input::error, read_file, tree};
use gnomon_engine::{
    Diagnostic, Diagnostics, Position,
    decode::quoted,
    resource::{Resources, Text},
};
use gnomon_envoy_config::import::Imported;
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A suite, and the policies of each of its tests.
#[derive(Clone, Debug)]
pub struct LoadedSuite {
    /// What the file says.
    pub suite: Suite,
    /// One for each test, in order; the same `Arc` where tests have the same policies.
    pub resources: Vec<Arc<Resources>>,
    /// The configuration that `envoyConfig` names.
    pub envoy_config: Option<Arc<Imported>>,
    /// Warnings about the policies, with the texts that they point into. Its resources are empty.
    pub findings: Loaded,
}

/// Reads the suite in `path` and the policies that it names, relative to its folder.
///
/// # Errors
///
/// All that is wrong with the suite, or with any of the policies.
pub fn load(path: &Path) -> Result<LoadedSuite, LoadError> {
    let mut findings = Loaded::default();
    let text = match read_file(path) {
        Ok(text) => text,
        Err(unread) => {
            findings.diagnostics.push(*unread);
            return Err(findings.into());
        }
    };
    let file: Arc<str> = Arc::from(&*path.to_string_lossy());
    let read = from_text(&text, &file);
    findings.sources.insert(file.clone(), text.into());
    let suite = match read {
        Ok(suite) => suite,
        Err(problems) => {
            findings.diagnostics = problems.0;
            return Err(findings.into());
        }
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    assemble(suite, findings, &Folder(folder))
}

/// Where the other files of a suite are.
pub(super) trait Files {
    /// Reads what an entry of `policies` stands for.
    fn policies(&self, entry: &Text, suite: &Arc<str>, loader: &mut Loader) -> Result<(), Box<Diagnostic>>;
    /// Reads what `envoyConfig` stands for.
    fn envoy_config(&self, entry: &Text, findings: &mut Loaded) -> Option<Imported>;
}

/// The suite's folder.
struct Folder<'a>(&'a Path);

impl Files for Folder<'_> {
    fn policies(&self, entry: &Text, suite: &Arc<str>, loader: &mut Loader) -> Result<(), Box<Diagnostic>> {
        expand(self.0, entry, suite)?.iter().for_each(|path| loader.path(path));
        Ok(())
    }

    fn envoy_config(&self, entry: &Text, findings: &mut Loaded) -> Option<Imported> {
        taken(imported(&self.0.join(&entry.text)), findings)
    }
}

/// The configuration, where it could be read; all findings go to those of the suite.
pub(super) fn taken(read: Result<LoadedProxy, LoadError>, findings: &mut Loaded) -> Option<Imported> {
    let (imported, mut found) = match read {
        Ok(LoadedProxy { imported, findings }) => (Some(imported), findings),
        Err(wrong) => (None, *wrong.loaded),
    };
    findings.diagnostics.append(&mut found.diagnostics);
    findings.sources.append(&mut found.sources);
    imported
}

/// The suite with the policies of each of its tests.
pub(super) fn assemble(
    suite: Suite,
    mut findings: Loaded,
    files: &dyn Files,
) -> Result<LoadedSuite, LoadError> {
    let file = suite.file.clone();
    let mut resources: Vec<Arc<Resources>> = Vec::with_capacity(suite.tests.len());
    let mut known: HashMap<_, Arc<Resources>> = HashMap::new();
    let mut told: HashSet<_> = findings.diagnostics.iter().map(identity).collect();
    for test in &suite.tests {
        if let Some(set) = known.get(&origin(&test.sources)) {
            resources.push(set.clone());
            continue;
        }
        let mut loader = Loader::new();
        let mut missing = Vec::new();
        for sources in [&suite.sources, &test.sources] {
            for entry in &sources.policies {
                if let Err(problem) = files.policies(entry, &file, &mut loader) {
                    missing.push(*problem);
                }
            }
            sources.resources.iter().for_each(|node| loader.node(node, &file));
        }
        let mut loaded = loader.finish();
        loaded.diagnostics.extend(missing);
        for found in std::mem::take(&mut loaded.diagnostics) {
            if told.insert(identity(&found)) {
                findings.diagnostics.push(found);
            }
        }
        findings.sources.append(&mut loaded.sources);
        let set = Arc::new(loaded.resources);
        known.insert(origin(&test.sources), set.clone());
        resources.push(set);
    }
    let envoy_config = suite.envoy_config.as_ref();
    let envoy_config = envoy_config.and_then(|entry| files.envoy_config(entry, &mut findings)).map(Arc::new);
    if findings.has_errors() {
        Err(findings.into())
    } else {
        Ok(LoadedSuite { suite, resources, envoy_config, findings })
    }
}

/// Reads a suite out of a text; the policies that it names are not read.
///
/// # Errors
///
/// All that is wrong with it.
pub fn from_text(text: &str, file: &Arc<str>) -> Result<Suite, Diagnostics> {
    let (documents, mut problems) = tree::parse(text, file);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    match documents.as_slice() {
        [document] => Suite::read(file, document),
        [] => {
            problems.push(error(
                "no-tests",
                file,
                Default::default(),
                "the file is empty",
                "a suite needs `tests`",
            ));
            Err(problems.into())
        }
        [_, second, ..] => {
            let message = "a file holds one suite, and here begins another document";
            problems.push(error("second-document", file, second.at, message, "move it to a file of its own"));
            Err(problems.into())
        }
    }
}

/// What a test's policies come from: paths, and what is written in the suite itself with its places, where it has some.
fn origin(sources: &Sources) -> (Vec<&str>, Vec<Position>, String) {
    let paths = sources.policies.iter().map(|text| text.text.as_str()).collect();
    let places = sources.resources.iter().map(|node| node.at).collect();
    // Cannot fail: all keys are strings.
    (paths, places, serde_json::to_string(&sources.resources).unwrap_or_default())
}

/// What tells findings apart.
fn identity(found: &Diagnostic) -> (Arc<str>, Position, &'static str, String) {
    (found.file.clone(), found.at, found.code, format!("{} {} {}", found.object, found.field, found.message))
}

/// The paths that an entry of `policies` stands for: one, or those that match its glob, in order.
fn expand(folder: &Path, entry: &Text, file: &Arc<str>) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    if !entry.text.contains(['*', '?', '[']) {
        let path = folder.join(&entry.text);
        return if path.exists() { Ok(vec![path]) } else { Err(no_such(entry, file)) };
    }
    let wrong = |message: String| no_policies(entry, file, message);
    let pattern = Path::new(&glob::Pattern::escape(&folder.to_string_lossy())).join(&entry.text);
    let found = glob::glob_with(&pattern.to_string_lossy(), GLOB)
        .map_err(|bad| wrong(format!("{} is no glob: {}", quoted(&entry.text), bad.msg)))?;
    let paths: Vec<PathBuf> = found.filter_map(Result::ok).filter(|path| !is_suite(path)).collect();
    if paths.is_empty() { Err(wrong(format!("nothing matches {}", quoted(&entry.text)))) } else { Ok(paths) }
}

/// How globs in `policies` match.
pub(super) const GLOB: glob::MatchOptions = glob::MatchOptions {
    require_literal_separator: true,
    require_literal_leading_dot: true,
    case_sensitive: true,
};

pub(super) fn no_such(entry: &Text, file: &Arc<str>) -> Box<Diagnostic> {
    no_policies(entry, file, format!("there is no {}", quoted(&entry.text)))
}

pub(super) fn no_policies(entry: &Text, file: &Arc<str>, message: String) -> Box<Diagnostic> {
    let mut problem =
        error("no-policies", file, entry.at, message, "paths are relative to the suite's folder");
    problem.field = "policies".into();
    Box::new(problem)
}

pub(super) fn is_suite(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".gnomon.yaml")
}
