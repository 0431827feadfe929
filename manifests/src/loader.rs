//! Texts, files and folders to [`Resources`].

use crate::{
    Chart, Colour, LoadError, Reason, Source, Unread,
    document::{self, What},
    files,
    folder::Surroundings,
    input,
    inventory::Inventory,
    render::draw,
    tree::{self, Document},
};
use gnomon_engine::{
    Diagnostic, Node, Position, Severity,
    decode::{self, Bound, MAX_PROBLEMS},
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
    /// The other objects: who the policies are for.
    pub inventory: Inventory,
    /// In the order of the files, then of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What is no policy, by reason.
    pub unread: Unread,
    /// Charts whose templates were not rendered, in the order of their folders.
    pub charts: Vec<Chart>,
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

/// How somebody came to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// It was named: what is no object is told of.
    Named,
    /// It was below a folder: what is no object is counted.
    Found,
    /// Found, and kustomize lays what is in it over other objects.
    Patch,
    /// Found, and it describes a Helm chart.
    Chart,
}

/// Collects resources from several sources.
#[derive(Debug, Default)]
pub struct Loader {
    loaded: Loaded,
    visited: HashSet<PathBuf>,
    last_wins: bool,
}

impl Loader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Loader::default()
    }

    /// Of objects of one name the last one read counts, as with `kubectl apply`; otherwise they are an error.
    pub fn last_wins(mut self, wins: bool) -> Self {
        self.last_wins = wins;
        self
    }

    /// A file, a folder, or `-` for standard input. A file that is named and cannot be read is an error; below a folder
    /// that is one where a kind that decides over requests is named in it.
    pub fn path(&mut self, path: &Path) {
        let is_folder = path != Path::new("-") && fs::metadata(path).is_ok_and(|meta| meta.is_dir());
        if !is_folder {
            self.file(path, Came::Named);
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
        let mut around = Surroundings::of(path, &found);
        for file in found {
            if around.is_patch(&file) {
                self.file(&file, Came::Patch);
            } else if around.describes_chart(&file) {
                self.file(&file, Came::Chart);
            } else if let Some(chart) = around.template_of(&file) {
                self.template(&file, chart);
            } else {
                self.file(&file, Came::Found);
            }
        }
        let templates = around.charts.into_values().filter(|chart| chart.policies > 0);
        self.loaded.charts.extend(templates);
    }

    fn first(&mut self, path: &Path) -> bool {
        fs::canonicalize(path).map_or(true, |path| self.visited.insert(path))
    }

    fn file(&mut self, path: &Path, came: Came) {
        if !self.first(path) {
            return;
        }
        let name = path.to_string_lossy();
        match input::read_file(path) {
            Ok(text) => self.owned(text, &name, came),
            // What cannot be read might be a policy, but for a link that leads nowhere.
            Err(unread) if came == Came::Named || unread.code == "unreadable" && path.exists() => {
                self.loaded.diagnostics.push(*unread);
            }
            Err(unread) => self.loaded.unread.add(Reason::Unreadable, &unread.file, unread.at),
        }
    }

    /// A template of a chart: what it makes is not known before it is rendered.
    fn template(&mut self, path: &Path, chart: &mut Chart) {
        if !self.first(path) {
            return;
        }
        let text = input::read_file(path).unwrap_or_default();
        chart.policies += usize::from(document::mentions_policies(&text));
        self.loaded.unread.add(Reason::Template, &Arc::from(&*path.to_string_lossy()), Position::default());
    }

    /// A text; `file` is how diagnostics call it.
    pub fn text(&mut self, text: &str, file: &str) {
        self.owned(text.to_string(), file, Came::Named);
    }

    fn owned(&mut self, text: String, file: &str, came: Came) {
        let file: Arc<str> = Arc::from(file);
        let (documents, last) = tree::documents(&text, &file);
        let before = self.loaded.diagnostics.len();
        let mut bound = Bound::after(&self.loaded.diagnostics);
        for document in documents {
            if !self.document(document, &file, came, &mut bound) {
                break;
            }
        }
        if came == Came::Named || document::mentions_policies(&text) {
            self.loaded.diagnostics.extend(last);
        } else if let Some(stopped) = last.first() {
            self.loaded.unread.add(Reason::Unreadable, &file, stopped.at);
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

    /// False: no more is read of the text.
    fn document(&mut self, document: Document, file: &Arc<str>, came: Came, bound: &mut Bound) -> bool {
        let Document { node, problems } = document;
        let Ok(objects) = decode::objects(&node) else {
            // For its error.
            self.policy(&node, file);
            return true;
        };
        let broken = !problems.is_empty();
        let decides = objects.iter().any(|(object, _)| document::what(object) == What::Policy);
        if broken && !decides && came != Came::Named {
            self.loaded.unread.add(Reason::Unreadable, file, node.at);
            return true;
        }
        self.loaded.diagnostics.extend(problems);
        for (object, path) in &objects {
            if !bound.admit(&mut self.loaded.diagnostics) {
                self.stop(file, object.at);
                return false;
            }
            self.object(object, path, file, came, broken);
        }
        true
    }

    /// A broken object is decoded for its other problems only.
    fn object(&mut self, object: &Node, path: &str, file: &Arc<str>, came: Came, broken: bool) {
        let what = match (document::what(object), came) {
            (What::Policy, Came::Patch) => What::Not(Reason::MergePatch),
            (What::Not(Reason::NoObject), Came::Chart) => What::Not(Reason::ChartFile),
            (What::Empty, _) if !path.is_empty() => What::Not(Reason::NoObject),
            (what, _) => what,
        };
        match what {
            What::Policy if broken => {
                _ = decode::object(object, file, &mut Resources::default(), &mut self.loaded.diagnostics);
            }
            What::Policy => self.policy(object, file),
            What::Object => {
                _ = decode::object(object, file, &mut self.loaded.resources, &mut self.loaded.diagnostics);
                decode::surroundings(object, &mut self.loaded.resources);
                if !self.loaded.inventory.take(object, file) {
                    self.loaded.unread.add(Reason::Kind(document::kind(object)), file, object.at);
                }
            }
            What::Empty => {}
            What::Not(reason) => {
                if came == Came::Named {
                    self.loaded.diagnostics.push(document::told(object, path, &reason, file));
                }
                self.loaded.unread.add(reason, file, object.at);
            }
        }
    }

    fn policy(&mut self, object: &Node, file: &Arc<str>) {
        self.loaded.inventory.look_for_dry_run(object, file);
        let tally = decode::object(object, file, &mut self.loaded.resources, &mut self.loaded.diagnostics);
        decode::surroundings(object, &mut self.loaded.resources);
        for (kind, count) in tally.skipped {
            (0..count).for_each(|_| self.loaded.unread.add(Reason::Kind(kind.clone()), file, object.at));
        }
    }

    fn stop(&mut self, file: &Arc<str>, at: Position) {
        let message = format!("more than {MAX_PROBLEMS} errors; from here on nothing is read");
        self.loaded.diagnostics.push(input::error("too-many-problems", file, at, message, ""));
    }

    /// An object, or a list of them, out of another document that was parsed already. Whatever is no object is an error.
    pub fn node(&mut self, node: &Node, file: &Arc<str>) {
        self.policy(node, file);
    }

    /// What was read. Two objects of one name are an error, as nobody can say which one is meant, but with
    /// [`Loader::last_wins`].
    pub fn finish(mut self) -> Loaded {
        let Resources { authorization, request_authentication, peer_authentication, .. } =
            &mut self.loaded.resources;
        let mut twice = Vec::new();
        let last_wins = self.last_wins;
        twice.extend(duplicates("AuthorizationPolicy", authorization, |policy| &policy.meta, last_wins));
        twice.extend(duplicates(
            "RequestAuthentication",
            request_authentication,
            |policy| &policy.meta,
            last_wins,
        ));
        twice.extend(duplicates("PeerAuthentication", peer_authentication, |policy| &policy.meta, last_wins));
        twice.truncate(MAX_PROBLEMS);
        self.loaded.diagnostics.extend(twice);
        self.loaded
    }
}

/// Two objects of one namespace and name: one cluster has no room for both. Tells of them, or leaves the last of each.
fn duplicates<T>(kind: &str, all: &mut Vec<T>, meta: fn(&T) -> &Meta, last_wins: bool) -> Vec<Diagnostic> {
    let name = |one: &T| (meta(one).namespace.clone(), meta(one).name.clone());
    if last_wins {
        let last: HashMap<_, usize> = all.iter().map(name).zip(0..).collect();
        let mut number = 0..;
        all.retain(|one| last.get(&name(one)).copied() == number.next());
        return Vec::new();
    }
    let mut first = HashMap::new();
    let mut found = Vec::new();
    for one in all.iter() {
        let other = *first.entry(name(one)).or_insert(one);
        if std::ptr::eq(other, one) {
            continue;
        }
        let (meta, other) = (meta(one), meta(other));
        let place = match (other.file.is_empty(), other.at.line) {
            (true, _) => "elsewhere".to_string(),
            (false, 0) => other.file.to_string(),
            (false, line) => format!("{}:{line}:{}", other.file, other.at.column),
        };
        let message = format!("two objects have this name: the first is in {place}");
        let help = "choose one of them; `kubectl apply` would keep the last (`--last-wins`)";
        let mut twice = input::error("duplicate-object", &meta.file, meta.at, message, help);
        twice.object = format!("{kind} {}/{}", meta.namespace, meta.name);
        found.push(twice);
    }
    found
}
