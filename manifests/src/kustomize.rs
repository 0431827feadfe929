//! Kustomizations of a tree: which files they put together, and what they change in them.
//!
//! A namespace and what goes before or after names are applied here, as kustomize does by its default configuration
//! (`api/internal/konfig/builtinpluginconsts`). Patches and the like are not: they are told of, where they may concern
//! what is read, and `--render` has the user's own kustomize do it.

use crate::{
    chart::{first, name},
    document::mentions_policies,
    input,
};
use gnomon_engine::order::sort_by;
use gnomon_engine::{Node, Position, Value, node::Key};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
};

/// How many kustomizations may stand upon one another.
const DEEPEST: usize = 32;
const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Fields that change what is read in other ways than a namespace and parts of names.
const OTHERS: [(&str, &str); 6] = [
    ("replacements", "replacements"),
    ("vars", "vars"),
    ("transformers", "transformers"),
    ("generators", "generators"),
    ("helmCharts", "Helm charts"),
    ("helmChartInflationGenerator", "Helm charts"),
];

/// What is done to the objects of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Change {
    namespace: Option<String>,
    prefix: String,
    suffix: String,
    /// Labels of pods; where `true`, of selectors, too.
    labels: Vec<(String, String, bool)>,
}

/// A kustomization, some of which was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kustomization {
    /// Its folder.
    pub folder: String,
    /// What was not applied, in words: `2 patches`.
    pub left_out: Vec<String>,
}

/// The kustomizations of a tree.
#[derive(Debug, Default)]
pub(crate) struct Kustomizations {
    /// By the folder, without links.
    known: BTreeMap<PathBuf, Written>,
    /// Files that are laid over objects.
    patches: HashSet<PathBuf>,
}

/// What is written in one.
#[derive(Debug, Default)]
struct Written {
    /// As it is called among the files of the tree.
    folder: PathBuf,
    /// Files and folders, from its folder on.
    parts: Vec<String>,
    change: Change,
    left_out: BTreeSet<String>,
}

/// A file as kustomizations have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Changed {
    pub(crate) file: PathBuf,
    pub(crate) change: Change,
}

impl Kustomizations {
    /// Of the manifests of a tree, and of what they refer to outside of it.
    pub(crate) fn of(files: &[PathBuf]) -> Self {
        let mut all = Kustomizations::default();
        let named = files.iter().filter(|file| FILES.contains(&name(file)));
        let mut waiting: Vec<PathBuf> = named.filter_map(|file| Some(file.parent()?.to_path_buf())).collect();
        while let Some(folder) = waiting.pop() {
            let Ok(real) = fs::canonicalize(&folder) else { continue };
            if all.known.contains_key(&real) {
                continue;
            }
            let Some(file) = FILES.map(|name| folder.join(name)).into_iter().find(|file| file.is_file())
            else {
                continue;
            };
            let written = all.read(&folder, &file);
            let parts = written.parts.iter().map(|part| tidy(&folder.join(part)));
            waiting.extend(parts.filter(|part| part.is_dir()));
            all.known.insert(real, written);
        }
        all
    }

    fn read(&mut self, folder: &Path, file: &Path) -> Written {
        let mut written = Written { folder: folder.to_path_buf(), ..Written::default() };
        let Some(document) = first(file) else { return written };
        let text = |name: &str| document.get(name).and_then(Node::as_str).unwrap_or_default().to_owned();
        let list = |name: &str| document.get(name).and_then(Node::as_list).unwrap_or_default();
        let texts = |name: &'static str| list(name).iter().filter_map(Node::as_str).map(str::to_owned);
        written.change = Change {
            namespace: Some(text("namespace")).filter(|namespace| !namespace.is_empty()),
            prefix: text("namePrefix"),
            suffix: text("nameSuffix"),
            labels: labels(&document),
        };
        for part in ["resources", "bases", "components"].into_iter().flat_map(texts) {
            if part.contains("://") || part.contains("?ref=") || !folder.join(&part).exists() {
                written.left_out.insert(format!("`{part}`"));
            } else {
                written.parts.push(part);
            }
        }
        // A patch may be a file, or stand in the list itself, for objects that its target names or that it is like.
        let mut for_policies = 0_usize;
        for patch in ["patchesStrategicMerge", "patches", "patchesJson6902"].into_iter().flat_map(list) {
            let inline = patch.as_str().filter(|patch| patch.contains('\n'));
            let inline = inline.or_else(|| patch.get("patch").and_then(Node::as_str));
            let path =
                patch.get("path").and_then(Node::as_str).or(patch.as_str().filter(|_| inline.is_none()));
            let path = path.map(|path| folder.join(path));
            let target = patch.get("target").and_then(|target| target.get("kind")).and_then(Node::as_str);
            let read = || input::read_file(path.as_ref()?).ok();
            let concerns = target.is_some_and(mentions_policies)
                || inline.is_some_and(mentions_policies)
                || read().is_some_and(|text| mentions_policies(&text));
            for_policies += usize::from(concerns);
            self.patches.extend(path.and_then(|path| fs::canonicalize(path).ok()));
        }
        if for_policies > 0 {
            let patches = if for_policies == 1 { "patch" } else { "patches" };
            written.left_out.insert(format!("{for_policies} {patches} of policies"));
        }
        let others = OTHERS.iter().filter(|(field, _)| !list(field).is_empty() || is_map(&document, field));
        written.left_out.extend(others.map(|(_, words)| (*words).to_owned()));
        written
    }

    /// A file that is laid over objects.
    pub(crate) fn is_patch(&self, file: &Path) -> bool {
        !self.patches.is_empty() && fs::canonicalize(file).is_ok_and(|file| self.patches.contains(&file))
    }

    /// The folders of those that no other one is built upon.
    pub(crate) fn outermost(&self) -> Vec<&Path> {
        let part = |written: &Written, part: &String| fs::canonicalize(written.folder.join(part)).ok();
        let parts: HashSet<PathBuf> = self
            .known
            .values()
            .flat_map(|written| written.parts.iter().filter_map(move |one| part(written, one)))
            .collect();
        let own = self.known.iter().filter(|(real, _)| !parts.contains(*real));
        own.map(|(_, written)| written.folder.as_path()).collect()
    }

    /// The files that the kustomization in this folder puts together, each with what is done to it.
    pub(crate) fn built(&self, folder: &Path) -> Vec<Changed> {
        let mut found = Vec::new();
        self.gather(folder, &Change::default(), &mut Vec::new(), &mut found);
        found
    }

    fn gather(&self, folder: &Path, outer: &Change, above: &mut Vec<PathBuf>, found: &mut Vec<Changed>) {
        let Ok(real) = fs::canonicalize(folder) else { return };
        let Some(written) = self.known.get(&real) else { return };
        if above.contains(&real) || above.len() == DEEPEST {
            return;
        }
        let change = written.change.within(outer);
        above.push(real);
        for part in &written.parts {
            let path = tidy(&written.folder.join(part));
            if path.is_dir() {
                self.gather(&path, &change, above, found);
            } else {
                found.push(Changed { file: path, change: change.clone() });
            }
        }
        above.pop();
    }

    /// Those of which something was not applied.
    pub(crate) fn left_out(&self) -> Vec<Kustomization> {
        let some = self.known.values().filter(|written| !written.left_out.is_empty());
        let mut told: Vec<Kustomization> = some
            .map(|written| Kustomization {
                folder: written.folder.to_string_lossy().into_owned(),
                left_out: written.left_out.iter().cloned().collect(),
            })
            .collect();
        // What certainly concerns policies comes first: words for it begin with a number.
        let is_uncertain = |one: &Kustomization| {
            !one.left_out.iter().any(|words| words.starts_with(|c: char| c.is_ascii_digit()))
        };
        sort_by(&mut told, |a, b| is_uncertain(a).cmp(&is_uncertain(b)));
        told
    }
}

/// The labels that reach pods: `commonLabels`, and those of `labels` that say so. What is laid on an object alone changes
/// nothing that is read.
fn labels(document: &Node) -> Vec<(String, String, bool)> {
    let pairs = |node: Option<&Node>, selectors: bool| -> Vec<(String, String, bool)> {
        let entries = node.and_then(Node::as_map).unwrap_or_default();
        let pair =
            |(key, value): &(Key, Node)| Some((key.name.clone(), value.as_str()?.to_owned(), selectors));
        entries.iter().filter_map(pair).collect()
    };
    let mut found = pairs(document.get("commonLabels"), true);
    for one in document.get("labels").and_then(Node::as_list).unwrap_or_default() {
        let says = |name: &str| matches!(one.get(name), Some(Node { value: Value::Bool(true), .. }));
        if says("includeSelectors") || says("includeTemplates") {
            found.extend(pairs(one.get("pairs"), says("includeSelectors")));
        }
    }
    found
}

fn is_map(document: &Node, field: &str) -> bool {
    document.get(field).and_then(Node::as_map).is_some_and(|map| !map.is_empty())
}

/// `overlays/prod/../../base` is `base`, as long as no link makes it another folder.
fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir if tidied.file_name().is_some() => {
                tidied.pop();
            }
            part => tidied.push(part),
        }
    }
    let same = fs::canonicalize(path).ok() == fs::canonicalize(&tidied).ok();
    if same { tidied } else { path.to_path_buf() }
}

/// Kinds whose names stay.
const FIXED: [&str; 2] = ["CustomResourceDefinition", "Namespace"];

impl Change {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Change::default()
    }

    /// This, and then what a kustomization does that is built upon it.
    fn within(&self, outer: &Change) -> Change {
        Change {
            namespace: outer.namespace.clone().or_else(|| self.namespace.clone()),
            prefix: format!("{}{}", outer.prefix, self.prefix),
            suffix: format!("{}{}", self.suffix, outer.suffix),
            labels: self.labels.iter().chain(&outer.labels).cloned().collect(),
        }
    }

    /// Changes an object; `accounts` are the names of the ServiceAccounts among the objects that are changed alike.
    pub(crate) fn apply(&self, object: &mut Node, accounts: &HashSet<String>) {
        let at = object.at;
        let kind = object.get("kind").and_then(Node::as_str).unwrap_or_default().to_owned();
        let Some(metadata) = field(object, "metadata") else { return };
        if let Some(namespace) = &self.namespace {
            let name = if kind == "Namespace" { "name" } else { "namespace" };
            set(metadata, name, namespace, at);
        }
        if FIXED.contains(&kind.as_str()) {
            return;
        }
        if let Some(Value::String(name)) = field(metadata, "name").map(|node| &mut node.value) {
            *name = format!("{}{name}{}", self.prefix, self.suffix);
        }
        self.label(object, &kind, at);
        let path: &[&str] = match kind.as_str() {
            "Pod" => &["spec", "serviceAccountName"],
            "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec", "serviceAccountName"],
            _ => &["spec", "template", "spec", "serviceAccountName"],
        };
        let account = path.iter().try_fold(object, |node, name| field(node, name));
        if let Some(Value::String(name)) = account.map(|node| &mut node.value)
            && accounts.contains(name)
        {
            *name = format!("{}{name}{}", self.prefix, self.suffix);
        }
    }
}

impl Change {
    /// Pods get the labels, and so do the selectors of Services.
    fn label(&self, object: &mut Node, kind: &str, at: Position) {
        let path: &[&str] = match kind {
            "Pod" => &[],
            "CronJob" => &["spec", "jobTemplate", "spec", "template"],
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => &["spec", "template"],
            "Service" => &["spec"],
            _ => return,
        };
        let Some(template) = path.iter().try_fold(object, |node, name| field(node, name)) else { return };
        let labels = match kind {
            "Service" => field(template, "selector"),
            _ => within(template, "metadata", at).and_then(|metadata| within(metadata, "labels", at)),
        };
        let Some(labels) = labels else { return };
        for (key, value, selectors) in &self.labels {
            if kind != "Service" || *selectors {
                set(labels, key, value, at);
            }
        }
    }
}

/// A field that is a map, made where it is absent.
fn within<'n>(node: &'n mut Node, name: &str, at: Position) -> Option<&'n mut Node> {
    if node.get(name).is_none() {
        let Value::Map(entries) = &mut node.value else { return None };
        entries.push((Key { name: name.to_owned(), at }, Node { value: Value::Map(Vec::new()), at }));
    }
    field(node, name)
}

fn field<'n>(node: &'n mut Node, name: &str) -> Option<&'n mut Node> {
    match &mut node.value {
        Value::Map(entries) => entries.iter_mut().find(|(key, _)| key.name == name).map(|(_, node)| node),
        _ => None,
    }
}

fn set(map: &mut Node, name: &str, text: &str, at: Position) {
    let value = Value::String(text.to_owned());
    if let Some(node) = field(map, name) {
        node.value = value;
    } else if let Value::Map(entries) = &mut map.value {
        entries.push((Key { name: name.to_owned(), at }, Node { value, at }));
    }
}
