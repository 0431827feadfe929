//! Test suites as people write them (docs/formats.md, "Suite").

mod expect;
mod find;
mod load;
mod matrix;
mod read;
mod texts;

pub use expect::{Expect, ExpectNearest, ExpectShadow, ExpectUnmet, expectation};
pub use find::find;
pub use load::{LoadedSuite, from_text, load};
pub use matrix::MAX_CASES;
pub use texts::{load_texts, policies_of};

use crate::request::RequestSpec;
use gnomon_engine::{Diagnostics, Mesh, Node, Workload, node::Position, resource::Text};
use std::sync::Arc;

/// One `*.gnomon.yaml` file: everything read and checked but for the policies, which are still names of files.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// `name`; the file's name where it has none.
    pub name: String,
    /// `description`, for people.
    pub description: String,
    /// `source`: where Istio or Envoy say what its tests expect; a test may have its own.
    pub source: String,
    /// `policies` and `resources`.
    pub sources: Sources,
    /// `envoyConfig`: in place of policies what a proxy has loaded, relative to the suite's file.
    pub envoy_config: Option<Text>,
    /// `listener` of it: a name or a port.
    pub listener: Option<String>,
    /// `tests`, at least one.
    pub tests: Vec<Test>,
}

impl Suite {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// All that is wrong with it. An unknown field is an error.
    pub fn read(file: &Arc<str>, document: &Node) -> Result<Suite, Diagnostics> {
        read::suite(file, document)
    }

    /// How many cases there are.
    pub fn len(&self) -> usize {
        self.tests.iter().map(|test| test.cases.len()).sum()
    }

    /// True where no test has a case.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where policies come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `policies`: paths and globs relative to the suite's file.
    pub policies: Vec<Text>,
    /// `resources`: manifests written in the suite itself.
    pub resources: Vec<Node>,
}

impl Sources {
    /// True without policies and resources.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty() && self.resources.is_empty()
    }
}

/// One element of `tests`.
#[derive(Clone, Debug)]
pub struct Test {
    /// Where it begins.
    pub at: Position,
    /// `name`.
    pub name: String,
    /// `why` the verdict is what it is; `description` is an older spelling.
    pub description: String,
    /// `source`: a document, a source file or an issue of Istio's or Envoy's that says so; the suite's where the test has
    /// none.
    pub source: String,
    /// The test's own `policies` and `resources`, beside the suite's.
    pub sources: Sources,
    /// The suite's `workload` with the test's laid over it.
    pub workload: Arc<Workload>,
    /// The suite's `mesh` with the test's laid over it.
    pub mesh: Arc<Mesh>,
    /// One, or as many as the matrix has.
    pub cases: Vec<Case>,
}

/// One request and what is expected of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What distinguishes it from the other cases of its matrix: `method=GET, source.principal=-`; empty without a matrix.
    pub variant: String,
    /// The request.
    pub request: RequestSpec,
    /// The expected verdict.
    pub expect: Arc<Expect>,
}

#[cfg(test)]
mod tests;
