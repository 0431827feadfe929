//! Paths to texts: files, folders, archives, charts and kustomizations.

use crate::{
    Loader, Reason, archive,
    chart::{Charts, parts},
    document, dump, files, input,
    kustomize::{Change, Changed, Kustomizations},
    loader::Came,
    parallel,
    skim::skim,
    tree::{self, Document},
};
use gnomon_engine::{Diagnostic, Node, Position, Severity};
use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many files are held as trees at once.
const BATCH: usize = 64;

/// A file to be read.
#[derive(Clone, Debug)]
struct Task {
    path: PathBuf,
    came: Came,
    change: Change,
}

/// The documents of a text; errors that ended the reading come apart.
pub(crate) struct Parsed {
    pub(crate) documents: Vec<Document>,
    pub(crate) last: Vec<Diagnostic>,
}

/// What can be said of a file without knowing the others.
struct Read {
    /// Without links.
    real: Option<PathBuf>,
    file: Arc<str>,
    content: Content,
}

enum Content {
    /// And whether that matters: it was named, or policies are named in it.
    Unreadable(Box<Diagnostic>, bool),
    /// Nothing in it is looked at.
    Skimmed(Vec<(Reason, Position)>),
    Parsed(String, Parsed),
    /// A long list, to be taken object by object.
    Dump(String),
}

fn read(task: &Task) -> Read {
    let real = fs::canonicalize(&task.path).ok();
    let file: Arc<str> = Arc::from(&*task.path.to_string_lossy());
    let content = match input::read_text(&task.path) {
        Ok(text) => content(text, &file, task.came),
        Err(unread) => {
            // What cannot be read might be a policy, but for a link that leads nowhere.
            let matters = match unread.code {
                _ if task.came == Came::Named => true,
                "unreadable" => task.path.exists(),
                _ => input::mentions_policies(&task.path),
            };
            Content::Unreadable(unread, matters)
        }
    };
    Read { real, file, content }
}

fn content(text: String, file: &Arc<str>, came: Came) -> Content {
    if came != Came::Named
        && let Some(found) = skim(&text)
    {
        return Content::Skimmed(found);
    }
    if dump::may_be(text.as_bytes()) && dump::is_long(&text) {
        return Content::Dump(text);
    }
    let parsed = parsed(&text, file);
    Content::Parsed(text, parsed)
}

fn parsed(text: &str, file: &Arc<str>) -> Parsed {
    let (documents, last) = tree::documents(text, file);
    Parsed { documents, last }
}

impl Loader<'_> {
    /// A file, a folder, an archive (`.tar`, `.tar.gz`, `.tgz`, `.gz`), or `-` for standard input. A file that is named and
    /// cannot be read is an error; below a folder that is one where a kind that decides over requests is named in it.
    ///
    /// In a folder the templates of charts and the patches of kustomizations are not read as objects; what a kustomization
    /// puts together has its namespace and its names. With a [`crate::Renderer`] both are what their tool makes of them.
    pub fn path(&mut self, path: &Path) {
        let is_folder = path != Path::new("-") && fs::metadata(path).is_ok_and(|meta| meta.is_dir());
        if is_folder {
            self.folder(path);
        } else if archive::is_archive(path) {
            self.archive(path);
        } else {
            self.files(&[Task { path: path.to_path_buf(), came: Came::Named, change: Change::default() }]);
        }
    }

    fn folder(&mut self, path: &Path) {
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
        let mut charts = Charts::of(path, &found);
        let kustomizations = Kustomizations::of(&found);
        let rendered = self.rendered(&charts, &kustomizations);
        let mut built = self.built(&kustomizations, &rendered);
        let is_rendered = |folder: Option<&Path>| folder.is_some_and(|folder| rendered.contains(folder));
        let mut tasks = Vec::with_capacity(found.len());
        let mut templates = Vec::new();
        for path in found {
            let came = if kustomizations.is_patch(&path) {
                Came::Patch
            } else if charts.describes_chart(&path) {
                Came::Chart
            } else if let Some(chart) = charts.template_of(&path) {
                if !path.ancestors().any(|folder| is_rendered(Some(folder))) {
                    templates.push((path.clone(), chart.to_path_buf()));
                }
                continue;
            } else {
                Came::Found
            };
            match built.remove(&path) {
                // A part of what was rendered.
                Some(changes) if changes.is_empty() => {}
                Some(changes) => {
                    let task = |change| Task { path: path.clone(), came, change };
                    tasks.extend(changes.into_iter().map(task));
                }
                None => tasks.push(Task { path, came, change: Change::default() }),
            }
        }
        // What kustomizations have from outside of the folder.
        for (path, changes) in built {
            tasks.extend(changes.into_iter().map(|change| Task {
                path: path.clone(),
                came: Came::Found,
                change,
            }));
        }
        self.files(&tasks);
        for (path, folder) in templates {
            let makes_policy = self.template(&path);
            if let Some(chart) = charts.0.get_mut(&folder) {
                chart.policies += usize::from(makes_policy);
            }
        }
        self.loaded.charts.extend(charts.0.into_values().filter(|chart| chart.policies > 0));
        let was_rendered = |folder: &str| is_rendered(Some(Path::new(folder)));
        let left_out = kustomizations.left_out().into_iter();
        self.loaded.kustomizations.extend(left_out.filter(|one| !was_rendered(&one.folder)));
    }

    /// The files that kustomizations put together with all that is done to each; nothing, where that is among what was
    /// rendered.
    fn built(
        &self,
        kustomizations: &Kustomizations,
        rendered: &HashSet<PathBuf>,
    ) -> BTreeMap<PathBuf, Vec<Change>> {
        let mut built: BTreeMap<PathBuf, Vec<Change>> = BTreeMap::new();
        for folder in kustomizations.outermost() {
            for Changed { file, change } in kustomizations.built(folder) {
                let changes = built.entry(file).or_default();
                if !rendered.contains(folder) && !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
        built
    }

    /// Renders what there is to render, where that is wanted; the folders that were.
    fn rendered(&mut self, charts: &Charts, kustomizations: &Kustomizations) -> HashSet<PathBuf> {
        let mut rendered = HashSet::new();
        let Some(renderer) = self.renderer.take() else { return rendered };
        for (folder, name) in charts.outermost() {
            match renderer.chart(&folder, &name) {
                Ok(text) => self.of_chart(&folder, &text),
                Err(why) => self.not_rendered(&folder.join("Chart.yaml"), &why),
            }
            rendered.insert(folder);
        }
        for folder in kustomizations.outermost() {
            match renderer.kustomization(folder) {
                Ok(text) => {
                    let file = Arc::from(format!("{} (kustomize build)", folder.display()));
                    self.documents(&text, parsed(&text, &file), &file, Came::Rendered);
                }
                Err(why) => self.not_rendered(folder, &why),
            }
            rendered.insert(folder.to_path_buf());
        }
        self.renderer = Some(renderer);
        rendered
    }

    fn of_chart(&mut self, folder: &Path, text: &str) {
        let printed: Arc<str> = Arc::from(format!("{} (helm template)", folder.display()));
        for part in parts(text) {
            let template = part.template(folder);
            let written = template.as_deref().and_then(|path| input::read_file(path).ok());
            let file = match template.as_deref().filter(|_| written.is_some()) {
                Some(path) => Arc::from(&*path.to_string_lossy()),
                None => printed.clone(),
            };
            let (documents, last) = part.documents(written.as_deref(), &file);
            let text = written.as_deref().unwrap_or(text);
            self.documents(text, Parsed { documents, last }, &file, Came::Rendered);
        }
    }

    fn not_rendered(&mut self, path: &Path, why: &str) {
        let file = Arc::from(&*path.to_string_lossy());
        let found = input::error("not-rendered", &file, Position::default(), why, "");
        self.loaded.diagnostics.push(found);
    }

    fn files(&mut self, tasks: &[Task]) {
        let (accounts, none) = (accounts(tasks), HashSet::new());
        for some in tasks.chunks(BATCH) {
            for (task, read) in some.iter().zip(parallel::each(some, read)) {
                self.take(task, read, accounts.get(&task.change).unwrap_or(&none));
            }
            let count = self.loaded.files.len();
            if let Some(progress) = &mut self.progress {
                progress(count);
            }
        }
    }

    /// False: this file was taken before.
    fn first(&mut self, real: Option<PathBuf>, change: &Change) -> bool {
        real.is_none_or(|path| self.visited.insert((path, change.clone())))
    }

    fn take(&mut self, task: &Task, read: Read, accounts: &HashSet<String>) {
        let Read { real, file, content } = read;
        if !self.first(real, &task.change) {
            return;
        }
        let content = match content {
            Content::Parsed(text, mut parsed) => {
                if !task.change.is_nothing() {
                    for document in &mut parsed.documents {
                        task.change.apply(&mut document.node, accounts);
                    }
                }
                Content::Parsed(text, parsed)
            }
            other => other,
        };
        self.content(content, file, task.came);
    }

    fn content(&mut self, content: Content, file: Arc<str>, came: Came) {
        match content {
            Content::Unreadable(unread, true) => self.loaded.diagnostics.push(*unread),
            Content::Unreadable(unread, false) => {
                self.loaded.unread.add(Reason::Unreadable, &unread.file, unread.at);
            }
            Content::Skimmed(found) => {
                for (reason, at) in found {
                    let reason = match (reason, came) {
                        (Reason::NoObject, Came::Chart) => Reason::ChartFile,
                        (reason, _) => reason,
                    };
                    self.loaded.unread.add(reason, &file, at);
                }
                self.loaded.files.push(file);
            }
            Content::Parsed(text, parsed) => self.documents(&text, parsed, &file, came),
            Content::Dump(text) => {
                if !self.dump(&text, &file, came) {
                    self.documents(&text, parsed(&text, &file), &file, came);
                }
            }
        }
    }

    /// A template of a chart: what it makes is not known before it is rendered. True: it seems to make a policy.
    fn template(&mut self, path: &Path) -> bool {
        if !self.first(fs::canonicalize(path).ok(), &Change::default()) {
            return false;
        }
        let text = input::read_file(path).unwrap_or_default();
        self.loaded.unread.add(Reason::Template, &Arc::from(&*path.to_string_lossy()), Position::default());
        document::mentions_policies(&text)
    }

    fn archive(&mut self, path: &Path) {
        if !self.first(fs::canonicalize(path).ok(), &Change::default()) {
            return;
        }
        let mut problems = Vec::new();
        let mut count = 0_usize;
        archive::each(path, &mut problems, &mut |name, bytes| {
            count += 1;
            let file: Arc<str> = Arc::from(name);
            let matters = std::str::from_utf8(&bytes).is_err() && input::names_policies(&bytes);
            match input::decode_text(bytes, name) {
                Ok(text) => {
                    let content = content(text, &file, Came::Found);
                    self.content(content, file, Came::Found);
                }
                Err(unread) => self.content(Content::Unreadable(unread, matters), file, Came::Found),
            }
        });
        if count == 0 && problems.is_empty() {
            let file = Arc::from(&*path.to_string_lossy());
            let help = "they end in .yaml, .yml or .json, or begin with apiVersion";
            let message = "the archive holds no manifests";
            let mut empty = input::error("no-manifests", &file, Position::default(), message, help);
            empty.severity = Severity::Warning;
            problems.push(empty);
        }
        self.loaded.diagnostics.extend(problems);
    }
}

/// The names of the ServiceAccounts among the files that are changed alike.
fn accounts(tasks: &[Task]) -> BTreeMap<Change, HashSet<String>> {
    let changed: Vec<&Task> = tasks.iter().filter(|task| !task.change.is_nothing()).collect();
    let names = parallel::each(&changed, |task| {
        let documents = match read(task).content {
            Content::Parsed(_, parsed) => parsed.documents,
            _ => Vec::new(),
        };
        documents.iter().filter_map(account).collect::<Vec<String>>()
    });
    let mut accounts: BTreeMap<Change, HashSet<String>> = BTreeMap::new();
    for (task, names) in changed.iter().zip(names) {
        accounts.entry(task.change.clone()).or_default().extend(names);
    }
    accounts
}

fn account(document: &Document) -> Option<String> {
    let node = &document.node;
    let kind = node.get("kind").and_then(Node::as_str)?;
    let name = node.get("metadata")?.get("name")?.as_str()?;
    (kind == "ServiceAccount").then(|| name.to_owned())
}
