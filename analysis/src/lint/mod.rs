//! Policies that Istio takes and that do not say what they seem to say.
//!
//! A lint is one file: a [`Lint`] with its documentation, an example with its mended form, and the functions that look.
//! The frame (`walk`) goes through the policies once and hands every policy, rule and list of values to the lints that
//! ask for them. A lint reports only what the manifests at hand show: each says what it cannot see.
//!
//! What Istio's admission itself refuses or warns of is found when policies are read. [`explain`] has a text for every
//! code, of both kinds.

/// What people read about a lint, and nothing else does: the page leaves it out (the feature `documents`).
macro_rules! documented {
    (example: $example:expr) => {
        if cfg!(feature = "documents") { $example } else { $crate::lint::Example::NONE }
    };
    ($text:expr) => {
        if cfg!(feature = "documents") { $text } else { "" }
    };
}

/// An AuthorizationPolicy of the namespace `shop`, with this behind `spec: `.
macro_rules! policy {
    ($spec:expr) => {
        policy!("shop", $spec)
    };
    ($namespace:expr, $spec:expr) => {
        concat!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: ",
            $namespace,
            "}\nspec: ",
            $spec,
            "\n"
        )
    };
}

/// Another object, with this behind `apiVersion: `, `kind: `, `metadata: ` and `spec: `.
macro_rules! object {
    ($version:expr, $kind:expr, $meta:expr, $spec:expr) => {
        concat!(
            "---\napiVersion: ",
            $version,
            "\nkind: ",
            $kind,
            "\nmetadata: {",
            $meta,
            "}\nspec: ",
            $spec,
            "\n"
        )
    };
}

mod attachment;
mod catalogue;
mod context;
mod finding;
mod fix;
mod gateways;
mod holes;
mod lints;
#[cfg(feature = "proofs")]
mod place;
#[cfg(feature = "reductions")]
pub mod redundant;
mod shape;
mod suppress;
mod tokens;
mod values;
mod walk;

pub use catalogue::{Explanation, Origin, explain};
pub use finding::{Edit, Finding, Goes, Related};
pub use fix::{Fixed, Replacement, apply, replacement};
pub use lints::LINTS;

use context::{Context, Known};
use gnomon_engine::order::sort_by;
use gnomon_engine::{Diagnostic, Mesh, Position, Severity, resource::Resources, workload::IstioVersion};
use gnomon_manifests::{Loaded, inventory::Inventory};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use walk::Looks;

/// A lint: what it looks for, and the words that explain it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Lint {
    /// The code of its findings, in kebab case.
    pub code: &'static str,
    /// What kind of mistake it is.
    pub group: Group,
    /// How much its findings matter: an error cannot be what was meant, a warning is a trap, a hint a matter of taste.
    pub severity: Severity,
    /// The first version of Istio that it is about; `None`: all that are known.
    pub since: Option<IstioVersion>,
    /// What it finds, one sentence.
    pub what: &'static str,
    /// Why that is a trap, and what happens on the wire.
    pub why: &'static str,
    /// What to write in its place.
    pub instead: &'static str,
    /// What it cannot see.
    pub limits: &'static str,
    /// Where Istio or Envoy say so.
    pub source: &'static str,
    /// Manifests that it finds something in, and what they become when its advice is followed.
    pub example: Example,
    looks: Looks,
}

/// A mistake and its correction, which a test follows.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Manifests with at least one finding.
    pub bad: &'static str,
    /// The same without.
    pub good: &'static str,
    /// The request for which the two differ, with its workload (docs/formats.md, "Workload and mesh" and "Request");
    /// `None`: the lint is about what no request shows.
    pub request: Option<&'static str>,
}

impl Example {
    /// None: without the feature `documents`.
    pub(crate) const NONE: Example = Example { bad: "", good: "", request: None };
}

/// Kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Group {
    /// Values that match nothing, or not what they seem to.
    Values,
    /// Rules whose form means something else than it seems to.
    Shape,
    /// Ways around a rule.
    Holes,
    /// Tokens that are not asked for, or cannot be had.
    Tokens,
    /// Policies that reach other workloads than they seem to.
    Attachment,
}

impl Group {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Group::Values => "values",
            Group::Shape => "shape",
            Group::Holes => "holes",
            Group::Tokens => "tokens",
            Group::Attachment => "attachment",
        }
    }
}

/// What lints look at.
#[derive(Clone, Copy)]
pub(crate) struct Input<'l> {
    pub(crate) resources: &'l Resources,
    pub(crate) inventory: &'l Inventory,
    /// What was found when they were read.
    pub(crate) diagnostics: &'l [Diagnostic],
    pub(crate) mesh: &'l Mesh,
    /// The mesh is as somebody says, not assumed.
    pub(crate) mesh_is_known: bool,
    pub(crate) context: &'l Context<'l>,
}

/// What is looked for, and in which mesh.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Settings<'s> {
    /// The mesh.
    pub mesh: &'s Mesh,
    /// Its settings are given; where they are not, what depends on trust domain and normalization is not reported.
    pub mesh_is_known: bool,
    /// Whether to look with a lint.
    pub wanted: &'s dyn Fn(&Lint) -> bool,
}

impl<'s> Settings<'s> {
    /// All lints, for a mesh of which nothing is known.
    pub fn new(mesh: &'s Mesh) -> Self {
        Settings { mesh, mesh_is_known: false, wanted: &|_| true }
    }
}

/// What all lints find in manifests, in the order of the files, then of the text; and takes out of what was said when they
/// were read what a lint says better ([`supersede`]).
pub fn check(
    loaded: &mut Loaded,
    settings: &Settings<'_>,
    texts: &dyn Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let found = findings(loaded, settings, texts);
    supersede(&mut loaded.diagnostics, &found);
    found
}

/// What lints find, with the places beside each finding and what would mend it.
///
/// A comment `# gnomon-ignore: CODE reason` on the line of a finding, or on lines of its own above it, takes the finding
/// away; `texts` gives the text of a file by its name, for these comments. One without a reason, and one that takes
/// nothing away, is a finding itself.
pub fn findings(
    loaded: &Loaded,
    settings: &Settings<'_>,
    texts: &dyn Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let Settings { mesh, mesh_is_known, wanted } = *settings;
    let (resources, inventory) = (&loaded.resources, &loaded.inventory);
    let candidates = inventory.workloads();
    let workloads = Known::all(&candidates, resources, mesh);
    let context = Context::new(&candidates, &workloads, resources, inventory, &mesh.root_namespace);
    let diagnostics = &loaded.diagnostics;
    let input = Input { resources, inventory, diagnostics, mesh, mesh_is_known, context: &context };
    let looks = |lint: &Lint| lint.since.is_none_or(|since| since <= mesh.istio_version) && wanted(lint);
    let mut found = walk::walk(input, LINTS.iter().copied().filter(|lint| looks(lint)));
    #[cfg(feature = "proofs")]
    without_consequences(&mut found);
    let files = judged(loaded, &found);
    suppress::apply(&files, texts, &looks, &mut found);
    let ranks: HashMap<&str, usize> = loaded.files.iter().map(|file| &**file).zip(0..).collect();
    let rank = |found: &Finding| (ranks.get(&*found.diagnostic.file).copied(), found.diagnostic.at);
    sort_by(&mut found, |a, b| rank(a).cmp(&rank(b)));
    found
}

/// Takes away what was said when manifests were read and a lint says better: that a field is unknown, where it is known
/// what it was to be, and that a selector has no labels, where they are in a field that is cut away.
pub fn supersede(read: &mut Vec<Diagnostic>, found: &[Finding]) {
    let cut_away = [shape::misplaced_field::LINT.code, shape::misspelt_field::LINT.code];
    let better: Vec<&Diagnostic> = found
        .iter()
        .map(|finding| &finding.diagnostic)
        .filter(|better| cut_away.contains(&better.code))
        .collect();
    let fields: BTreeSet<(&Arc<str>, Position)> =
        better.iter().map(|better| (&better.file, better.at)).collect();
    let selectors: BTreeSet<(&Arc<str>, &str)> = better
        .iter()
        .filter(|better| better.field.starts_with("spec.selector."))
        .map(|better| (&better.file, better.object.as_str()))
        .collect();
    read.retain(|said| match said.code {
        "unknown-field" => !fields.contains(&(&said.file, said.at)),
        "empty-selector" => !selectors.contains(&(&said.file, said.object.as_str())),
        _ => true,
    });
}

/// A rule that matches nothing is told so by what its values are told, where that is the reason.
#[cfg(feature = "proofs")]
fn without_consequences(found: &mut Vec<Finding>) {
    let idle = shape::idle_rule::LINT.code;
    let explains = |cause: &Diagnostic| {
        cause.severity == Severity::Error || cause.code == values::placeholder::LINT.code
    };
    let causes: BTreeSet<(Arc<str>, String, String)> = found
        .iter()
        .map(|finding| &finding.diagnostic)
        .filter(|cause| cause.code != idle && explains(cause))
        .filter_map(|cause| {
            let (rule, _) = cause.field.split_once(']')?;
            Some((cause.file.clone(), cause.object.clone(), format!("{rule}]")))
        })
        .collect();
    found.retain(|finding| {
        let Diagnostic { code, file, object, field, .. } = &finding.diagnostic;
        let is_consequence = || causes.contains(&(file.clone(), object.clone(), field.clone()));
        *code != idle || finding.diagnostic.message != shape::idle_rule::MATCHES_NOTHING || !is_consequence()
    });
}

/// The files that hold something that lints look at, where comments count: of a tree they are few.
fn judged(loaded: &Loaded, found: &[Finding]) -> Vec<Arc<str>> {
    let Resources { authorization, request_authentication, peer_authentication, .. } = &loaded.resources;
    let Inventory { gateways, virtual_services, destination_rules, envoy_filters, .. } = &loaded.inventory;
    let policies = authorization.iter().map(|policy| &policy.meta.file);
    let policies = policies.chain(request_authentication.iter().map(|policy| &policy.meta.file));
    let policies = policies.chain(peer_authentication.iter().map(|policy| &policy.meta.file));
    let traffic = gateways.iter().map(|object| &object.meta.file);
    let traffic = traffic.chain(virtual_services.iter().map(|object| &object.meta.file));
    let traffic = traffic.chain(destination_rules.iter().map(|object| &object.meta.file));
    let traffic = traffic.chain(envoy_filters.iter().map(|object| &object.meta.file));
    let files = policies.chain(traffic).chain(found.iter().map(|finding| &finding.diagnostic.file));
    let files: BTreeSet<&Arc<str>> = files.collect();
    files.into_iter().cloned().collect()
}
