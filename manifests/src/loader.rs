//! Texts, files and folders to [`Resources`].

use crate::{Colour, LoadError, Source, files, input, render::draw, traffic::Traffic, tree};
use gnomon_engine::{
    Diagnostic, Node, Position, Severity,
    decode::{self, Bound, MAX_PROBLEMS, Tally},
    resource::{Meta, Resources},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// All that was read, and all that is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects that are right. Use them only where [`Loaded::has_errors`] says no.
    pub resources: Resources,
    /// What lints want to know beside policies.
    pub traffic: Traffic,
    /// In the order of the files, then of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Objects of kinds that are not read, by kind.
    pub skipped: BTreeMap<String, usize>,
    /// The files read, in order, as they are called in diagnostics.
    pub files: Vec<Arc<str>>,
    /// The texts of the files that diagnostics point into.
    pub sources: BTreeMap<Arc<str>, Source>,
}

impl Loaded {
    /// Something is wrong that Istio's admission, or the reader, refuses.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }

    /// An error where any finding is one.
    ///
    /// # Errors
    ///
    /// Holds all of this.
    pub fn checked(self) -> Result<Loaded, LoadError> {
        if self.has_errors() { Err(self.into()) } else { Ok(self) }
    }

    /// [`Loaded::skipped`] without what is in [`Loaded::traffic`].
    pub fn unread(&self) -> BTreeMap<String, usize> {
        let Traffic { gateways, destination_rules } = &self.traffic;
        let mut unread = self.skipped.clone();
        for (kind, read) in [("Gateway", gateways.len()), ("DestinationRule", destination_rules.len())] {
            if let Some(count) = unread.get_mut(kind) {
                *count = count.saturating_sub(read);
            }
        }
        unread.retain(|_, count| *count > 0);
        unread
    }

    /// One finding for people, with the line that it points at.
    pub fn render(&self, diagnostic: &Diagnostic, colour: Colour) -> String {
        draw(diagnostic, self.sources.get(&diagnostic.file).unwrap_or(&Source::default()), colour)
    }

    /// Puts findings into the order of the files, then of the text.
    pub fn sort(&self, found: &mut [Diagnostic]) {
        let ranks: HashMap<&str, usize> = self.files.iter().map(|file| &**file).zip(0..).collect();
        found.sort_by_key(|found| (ranks.get(&*found.file).copied(), found.at));
    }
}

/// Reads files, folders (recursively) and `-` for standard input. A file that is named twice is read once.
///
/// # Errors
///
/// There is an error among the findings; the error holds all of them, and what was read.
pub fn load(paths: &[PathBuf]) -> Result<Loaded, LoadError> {
    let mut loader = Loader::default();
    for path in paths {
        loader.path(path);
    }
    loader.finish().checked()
}

/// Reads one text; `file` is how diagnostics call it.
///
/// # Errors
///
/// As for [`load`].
pub fn load_text(text: &str, file: &str) -> Result<Loaded, LoadError> {
    let mut loader = Loader::default();
    loader.text(text, file);
    loader.finish().checked()
}

/// Collects resources from several sources.
#[derive(Debug, Default)]
pub struct Loader {
    loaded: Loaded,
    visited: HashSet<PathBuf>,
}

impl Loader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Loader::default()
    }

    /// A file, a folder, or `-` for standard input. What cannot be read becomes an error.
    pub fn path(&mut self, path: &Path) {
        let is_folder = path != Path::new("-") && fs::metadata(path).is_ok_and(|meta| meta.is_dir());
        if !is_folder {
            self.file(path);
            return;
        }
        let found = files::below(path, &mut self.loaded.diagnostics);
        if found.is_empty() {
            let mut empty = input::error(
                "no-manifests",
                &Arc::from(&*path.to_string_lossy()),
                Position::default(),
                "the folder holds no manifests",
                "they end in .yaml, .yml or .json",
            );
            empty.severity = Severity::Warning;
            self.loaded.diagnostics.push(empty);
        }
        for file in found {
            self.file(&file);
        }
    }

    fn file(&mut self, path: &Path) {
        let again = fs::canonicalize(path).is_ok_and(|path| !self.visited.insert(path));
        if again {
            return;
        }
        match input::read_file(path) {
            Ok(text) => self.owned(text, &path.to_string_lossy()),
            Err(unread) => self.loaded.diagnostics.push(*unread),
        }
    }

    /// A text; `file` is how diagnostics call it.
    pub fn text(&mut self, text: &str, file: &str) {
        self.owned(text.to_string(), file);
    }

    fn owned(&mut self, text: String, file: &str) {
        let file: Arc<str> = Arc::from(file);
        let (documents, problems) = tree::documents(&text, &file);
        let before = self.loaded.diagnostics.len();
        let mut bound = Bound::after(&self.loaded.diagnostics);
        self.loaded.diagnostics.extend(problems);
        for document in documents {
            if !bound.admit(&mut self.loaded.diagnostics) {
                self.stop(&file, document.node.at);
                break;
            }
            // A broken document is decoded for its other problems only.
            let mut scratch = Resources::default();
            let out = if document.broken { &mut scratch } else { &mut self.loaded.resources };
            let tally = decode::object(&document.node, &file, out, &mut self.loaded.diagnostics);
            self.count(&document.node, &file, tally);
        }
        bound.admit(&mut self.loaded.diagnostics);
        if let Some(found) = self.loaded.diagnostics.get_mut(before..) {
            found.sort_by_key(|found| found.at);
            if !found.is_empty() {
                self.loaded.sources.insert(file.clone(), text.into());
            }
        }
        self.loaded.files.push(file);
    }

    fn stop(&mut self, file: &Arc<str>, at: Position) {
        let message = format!("more than {MAX_PROBLEMS} errors; from here on nothing is read");
        self.loaded.diagnostics.push(input::error("too-many-problems", file, at, message, ""));
    }

    /// An object, or a list of them, out of another document that was parsed already.
    pub fn node(&mut self, node: &Node, file: &Arc<str>) {
        let tally = decode::object(node, file, &mut self.loaded.resources, &mut self.loaded.diagnostics);
        self.count(node, file, tally);
    }

    fn count(&mut self, node: &Node, file: &Arc<str>, tally: Tally) {
        self.loaded.traffic.take(node, file);
        for (kind, count) in tally.skipped {
            *self.loaded.skipped.entry(kind).or_default() += count;
        }
    }

    /// What was read. An object that appears twice is an error: which one is meant is ambiguous.
    pub fn finish(mut self) -> Loaded {
        let resources = &self.loaded.resources;
        let mut twice = Vec::new();
        let of = |kind, metas: Vec<&Meta>| duplicates(kind, metas);
        twice.extend(of("AuthorizationPolicy", resources.authorization.iter().map(|p| &p.meta).collect()));
        let authentications = resources.request_authentication.iter().map(|p| &p.meta).collect();
        twice.extend(of("RequestAuthentication", authentications));
        twice.extend(of(
            "PeerAuthentication",
            resources.peer_authentication.iter().map(|p| &p.meta).collect(),
        ));
        twice.truncate(MAX_PROBLEMS);
        self.loaded.diagnostics.extend(twice);
        self.loaded
    }
}

fn duplicates(kind: &str, metas: Vec<&Meta>) -> Vec<Diagnostic> {
    let mut first: HashMap<(&str, &str), &Meta> = HashMap::new();
    let mut found = Vec::new();
    for meta in metas {
        let Some(other) = first.insert((&meta.namespace, &meta.name), meta) else { continue };
        first.insert((&meta.namespace, &meta.name), other);
        let place = match (other.file.is_empty(), other.at.line) {
            (true, _) => "elsewhere".to_string(),
            (false, 0) => other.file.to_string(),
            (false, line) => format!("{}:{line}:{}", other.file, other.at.column),
        };
        let message = format!("the object is there twice, first in {place}");
        let mut twice =
            input::error("duplicate-object", &meta.file, meta.at, message, "remove or rename one of them");
        twice.object = format!("{kind} {}/{}", meta.namespace, meta.name);
        found.push(twice);
    }
    found
}
