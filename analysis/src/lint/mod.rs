//! Policies that Istio takes and that do not say what they seem to say.
//!
//! A lint is one file: a [`Lint`] with its documentation, an example with its mended form, and the functions that look.
//! The frame (`walk`) goes through the policies once and hands every policy, rule and list of values to the lints that
//! ask for them. A lint reports only what the manifests at hand show: each says what it cannot see.
//!
//! What Istio's admission itself refuses or warns of is found when policies are read. [`explain`] has a text for every
//! code, of both kinds.

mod catalogue;
mod gateways;
mod host_without_port;
mod http_on_tcp;
mod node_port;
mod source_nat;
mod suppress;
mod tls_towards_peers;
mod unverified_peers;
mod walk;

pub use catalogue::{Explanation, Origin, explain};

use gnomon_engine::{Diagnostic, Mesh, Severity, resource::Resources, workload::IstioVersion};
use gnomon_manifests::{Loaded, inventory::Inventory};
use walk::Looks;

/// All lints, by code. A new one is its file, its line above and its line here.
pub const LINTS: &[&Lint] = &[
    &host_without_port::LINT,
    &http_on_tcp::LINT,
    &node_port::LINT,
    &source_nat::LINT,
    &tls_towards_peers::LINT,
    &unverified_peers::LINT,
];

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
    pub(crate) mesh: &'l Mesh,
}

/// What all lints find in manifests, in the order of the files, then of the text.
///
/// A comment `# gnomon-ignore: CODE reason` on the line of a finding, or on lines of its own above it, takes the finding
/// away; `texts` gives the text of a file by its name, for these comments. One without a reason, and one that takes
/// nothing away, is a finding itself.
///
/// The command line and the page call this and nothing else.
pub fn check(loaded: &Loaded, mesh: &Mesh, texts: &dyn Fn(&str) -> Option<String>) -> Vec<Diagnostic> {
    let input = Input { resources: &loaded.resources, inventory: &loaded.inventory, mesh };
    let lints = LINTS.iter().filter(|lint| lint.since.is_none_or(|since| since <= mesh.istio_version));
    let mut found = walk::walk(input, lints.copied());
    suppress::apply(&loaded.files, texts, &mut found);
    loaded.sort(&mut found);
    found
}
