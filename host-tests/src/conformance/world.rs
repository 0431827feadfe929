//! A set of policies, a workload, a mesh and requests: a suite (docs/formats.md, "Suite") as JSON, so that it can be taken apart and
//! written down.

use gnomon_engine::{Mesh, Node, Workload, resource::Resources};
use gnomon_manifests::{Loader, request::RequestSpec, suite::Suite};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// A suite as JSON; each of its tests is one request.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    suite: Value,
}

/// A world as the engine has it.
#[derive(Clone, Debug)]
pub struct Read {
    /// The policies.
    pub resources: Arc<Resources>,
    /// Whose policies.
    pub workload: Arc<Workload>,
    /// The mesh around it.
    pub mesh: Arc<Mesh>,
    /// One for each test.
    pub requests: Vec<RequestSpec>,
}

impl World {
    /// Of this suite.
    pub fn new(suite: Value) -> World {
        World { suite }
    }

    /// The suite.
    pub fn suite(&self) -> &Value {
        &self.suite
    }

    /// The same world with one request.
    #[must_use]
    pub fn only(&self, request: usize) -> World {
        let mut suite = self.suite.clone();
        if let Some(tests) = suite.get_mut("tests").and_then(Value::as_array_mut) {
            *tests = tests.drain(..).skip(request).take(1).collect();
        }
        World { suite }
    }

    /// Reads it as `gnomon test` reads the file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, policies that Istio's admission refuses among that.
    pub fn read(&self) -> Result<Read, String> {
        let file: Arc<str> = "world".into();
        let node = Node::deserialize(&self.suite).map_err(|error| error.to_string())?;
        let suite = Suite::read(&file, &node).map_err(|found| format!("{found:?}"))?;
        let mut loader = Loader::new();
        suite.sources.resources.iter().for_each(|node| loader.node(node, &file));
        let loaded = loader.finish();
        if loaded.has_errors() {
            return Err(format!("{:?}", loaded.diagnostics));
        }
        let first = suite.tests.first().ok_or("a world without requests")?;
        let (workload, mesh) = (Arc::clone(&first.workload), Arc::clone(&first.mesh));
        let cases = suite.tests.into_iter().flat_map(|test| test.cases);
        let requests = cases.map(|case| case.request).collect();
        Ok(Read { resources: Arc::new(loaded.resources), workload, mesh, requests })
    }
}
