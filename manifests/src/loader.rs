//! Texts, files and folders to [`Resources`].

use crate::{
    Chart, Colour, Kustomization, LoadError, Reason, Source, Unread,
    document::{self, What},
    dump::{self, Content},
    duplicates::{self, Apart, Twice},
    input,
    inventory::Inventory,
    kustomize::Change,
    parallel,
    render::draw,
    tree::{self, Document},
    walk::Parsed,
};
use gnomon_engine::{
    Diagnostic, Node, Position, Severity,
    decode::{self, Bound, MAX_PROBLEMS},
    resource::Resources,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many elements of a dump are held as trees at once.
const DUMP_BATCH: usize = 2048;

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
    /// Kustomizations some of which was not applied.
    pub kustomizations: Vec<Kustomization>,
    /// Folders next to each other that have objects of one name: each is for a cluster of its own.
    pub(crate) apart: Vec<Apart>,
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
pub(crate) enum Came {
    /// It was named: what is no object is told of.
    Named,
    /// It was below a folder: what is no object is counted.
    Found,
    /// Found, and kustomize lays what is in it over other objects.
    Patch,
    /// Found, and it describes a Helm chart.
    Chart,
    /// A tool has made it.
    Rendered,
}

/// Runs the tools that make objects of charts and kustomizations.
pub trait Renderer {
    /// What `helm template` prints for the chart in this folder.
    ///
    /// # Errors
    ///
    /// Why there is nothing, in words.
    fn chart(&mut self, folder: &Path, name: &str) -> Result<String, String>;

    /// What `kustomize build` prints for this folder.
    ///
    /// # Errors
    ///
    /// As above.
    fn kustomization(&mut self, folder: &Path) -> Result<String, String>;
}

/// Collects resources from several sources.
#[derive(Default)]
pub struct Loader<'l> {
    pub(crate) loaded: Loaded,
    pub(crate) visited: HashSet<(PathBuf, Change)>,
    pub(crate) renderer: Option<&'l mut dyn Renderer>,
    pub(crate) progress: Option<&'l mut dyn FnMut(usize)>,
    twice: Twice,
}

impl<'l> Loader<'l> {
    /// Nothing read yet.
    pub fn new() -> Self {
        Loader::default()
    }

    /// Of objects of one name the last one read counts, as with `kubectl apply`; otherwise they are an error.
    pub fn last_wins(mut self, wins: bool) -> Self {
        self.twice = if wins { Twice::LastWins } else { Twice::Refused };
        self
    }

    /// Objects of one name are no error: [`Loaded::clusters`] tells them apart.
    pub fn apart(mut self) -> Self {
        self.twice = Twice::Apart;
        self
    }

    /// Charts and kustomizations are rendered with this.
    pub fn render(mut self, renderer: &'l mut dyn Renderer) -> Self {
        self.renderer = Some(renderer);
        self
    }

    /// Told from time to time how many files have been read.
    pub fn progress(mut self, told: &'l mut dyn FnMut(usize)) -> Self {
        self.progress = Some(told);
        self
    }

    /// A text; `file` is how diagnostics call it.
    pub fn text(&mut self, text: &str, file: &str) {
        let file: Arc<str> = Arc::from(file);
        let (documents, last) = tree::documents(text, &file);
        self.documents(text, Parsed { documents, last }, &file, Came::Named);
    }

    /// Takes the documents of a text.
    pub(crate) fn documents(&mut self, text: &str, parsed: Parsed, file: &Arc<str>, came: Came) {
        let Parsed { documents, last } = parsed;
        let before = self.loaded.diagnostics.len();
        let mut bound = Bound::after(&self.loaded.diagnostics);
        for document in documents {
            if !self.document(document, file, came, &mut bound) {
                break;
            }
        }
        if let Some(stopped) = last.first() {
            if came == Came::Named || document::mentions_policies(text) {
                self.loaded.diagnostics.extend(last);
            } else {
                self.loaded.unread.add(Reason::Unreadable, file, stopped.at);
            }
        }
        bound.admit(&mut self.loaded.diagnostics);
        self.end_text(text, file, before);
    }

    /// Findings of a text in its order, with the text to show them in.
    fn end_text(&mut self, text: &str, file: &Arc<str>, before: usize) {
        if let Some(found) = self.loaded.diagnostics.get_mut(before..) {
            found.sort_by_key(|found| found.at);
            if !found.is_empty() {
                self.loaded.sources.insert(file.clone(), text.to_owned().into());
            }
        }
        if self.loaded.files.last() != Some(file) {
            self.loaded.files.push(file.clone());
        }
    }

    /// Takes the list that a long text is, element by element. False: it is none, and nothing was taken.
    pub(crate) fn dump(&mut self, text: &str, file: &Arc<str>, came: Came) -> bool {
        let Some(items) = dump::items(text) else { return false };
        let before = self.loaded.diagnostics.len();
        let mut bound = Bound::after(&self.loaded.diagnostics);
        'all: for some in items.chunks(DUMP_BATCH) {
            for (item, content) in some.iter().zip(parallel::each(some, |item| item.read(file))) {
                let going_on = match content {
                    Some(Content::Other(reason, at)) => {
                        self.loaded.unread.add(reason, file, at);
                        true
                    }
                    Some(Content::Document(document)) => self.document(document, file, came, &mut bound),
                    // What is wrong in it is told as of any other text.
                    None => {
                        let (documents, last) = item.parsed(file);
                        self.loaded.diagnostics.extend(last);
                        documents.into_iter().all(|one| self.document(one, file, came, &mut bound))
                    }
                };
                if !going_on {
                    break 'all;
                }
            }
        }
        bound.admit(&mut self.loaded.diagnostics);
        self.end_text(text, file, before);
        true
    }

    /// False: no more is read of the text.
    pub(crate) fn document(
        &mut self,
        document: Document,
        file: &Arc<str>,
        came: Came,
        bound: &mut Bound,
    ) -> bool {
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

    /// What was read. Two objects of one name that differ are an error, as nobody can say which one is meant, but with
    /// [`Loader::last_wins`].
    pub fn finish(mut self) -> Loaded {
        duplicates::settle(&mut self.loaded, self.twice);
        self.loaded
    }
}
