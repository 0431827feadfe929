//! What was read and holds no policy, counted by reason: a tree is full of other things.

use gnomon_engine::Position;
use std::{collections::BTreeMap, sync::Arc};

/// Why an object, a document or a file is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// An object of another kind; this is the kind.
    Kind(String),
    /// A map without a kind, or a text or number: no Kubernetes object.
    NoObject,
    /// A list of values.
    List,
    /// Operations of RFC 6902, as kustomize takes them.
    JsonPatch,
    /// A part of an object, which kustomize lays over a whole one.
    MergePatch,
    /// Plays or tasks of Ansible.
    Ansible,
    /// What describes a Helm chart: `Chart.yaml`, values.
    ChartFile,
    /// A template of a Helm chart.
    Template,
    /// An object that decides nothing by itself, and that comes again later with the same name.
    Replaced,
    /// No YAML, or too large or too deep to be read, and no Istio kind is named in it.
    Unreadable,
}

impl Reason {
    /// So many of them, in words.
    pub fn counted(&self, count: usize) -> String {
        let (one, many) = match self {
            Reason::Kind(kind) => return format!("{count} {kind}"),
            Reason::NoObject => {
                ("document that is no Kubernetes object", "documents that are no Kubernetes objects")
            }
            Reason::List => ("list of values", "lists of values"),
            Reason::JsonPatch => ("JSON patch", "JSON patches"),
            Reason::MergePatch => ("kustomize patch", "kustomize patches"),
            Reason::Ansible => ("Ansible playbook", "Ansible playbooks"),
            Reason::ChartFile => ("file of a Helm chart", "files of Helm charts"),
            Reason::Template => ("template of a Helm chart", "templates of Helm charts"),
            Reason::Replaced => (
                "object in favour of a later one of its name",
                "objects in favour of later ones of their names",
            ),
            Reason::Unreadable => {
                ("unreadable text without Istio kinds", "unreadable texts without Istio kinds")
            }
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

/// All that was passed over.
#[derive(Clone, Debug, Default)]
pub struct Unread {
    counts: BTreeMap<Reason, usize>,
    places: Vec<(Reason, Arc<str>, Position)>,
}

impl Unread {
    pub(crate) fn add(&mut self, reason: Reason, file: &Arc<str>, at: Position) {
        *self.counts.entry(reason.clone()).or_default() += 1;
        self.places.push((reason, file.clone(), at));
    }

    /// Objects of other kinds, by kind.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, usize)> {
        self.counts.iter().filter_map(|(reason, count)| match reason {
            Reason::Kind(kind) => Some((kind.as_str(), *count)),
            _ => None,
        })
    }

    /// Everything that is no object of another kind, by reason.
    pub fn others(&self) -> impl Iterator<Item = (&Reason, usize)> {
        let other = |(reason, _): &(&Reason, &usize)| !matches!(reason, Reason::Kind(_));
        self.counts.iter().filter(other).map(|(reason, count)| (reason, *count))
    }

    /// Each with its place, in the order read.
    pub fn places(&self) -> &[(Reason, Arc<str>, Position)] {
        &self.places
    }
}
