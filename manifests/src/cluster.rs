//! Lists of objects as a cluster gives them.

use crate::{Loader, document, loader::Came, parallel, tree::Document};
use gnomon_engine::{Node, Position, decode::Bound};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// How many objects are held as trees at once.
const BATCH: usize = 2048;

#[derive(Deserialize)]
struct List<'t> {
    #[serde(borrow)]
    items: Vec<&'t RawValue>,
}

impl Loader<'_> {
    /// Takes what `kubectl get -o json` prints. Diagnostics call each object `cluster/NAMESPACE/KIND/NAME`, and know no lines.
    /// Of ConfigMaps only those that may hold MeshConfig are taken.
    ///
    /// # Errors
    ///
    /// The text is no list.
    pub fn cluster_list(&mut self, text: &str) -> Result<(), String> {
        let list: List<'_> = serde_json::from_str(text).map_err(|wrong| wrong.to_string())?;
        let mut bound = Bound::after(&self.loaded.diagnostics);
        for some in list.items.chunks(BATCH) {
            for node in parallel::each(some, |raw| serde_json::from_str::<Node>(raw.get())) {
                let node = node.map_err(|wrong| wrong.to_string())?;
                let metadata = |name: &str| node.get("metadata")?.get(name)?.as_str();
                let (kind, name) = (document::kind(&node), metadata("name").unwrap_or_default());
                if kind == "ConfigMap" && name != "istio" && !name.starts_with("istio-") {
                    continue;
                }
                let namespace = metadata("namespace").unwrap_or("-");
                let file: Arc<str> = Arc::from(format!("cluster/{namespace}/{kind}/{name}"));
                self.loaded.files.push(file.clone());
                let node = Node { at: Position::default(), ..node };
                let document = Document { node, problems: Vec::new() };
                if !self.document(document, &file, Came::Found, &mut bound) {
                    return Ok(());
                }
            }
        }
        bound.admit(&mut self.loaded.diagnostics);
        Ok(())
    }
}
