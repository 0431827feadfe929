//! Whose proxy this is.
//!
//! The ABI does not tell. What a module may do is read what the proxy was started with: Istio's agent writes a bootstrap
//! with the node's id and metadata and names it on Envoy's command line. Where there is none, the configuration has to say
//! whom the policies are for.

use gnomon_engine::{Node as Tree, Value, json};
use gnomon_shadow::{host::Refused, node::Node, node::proxy_kind};
use std::{env, fs, path::PathBuf};

/// A bootstrap is not larger.
const LONGEST: u64 = 16 << 20;

/// The proxy's own words, or nothing.
pub(crate) fn read() -> Node {
    let bootstrap = path(env::args()).and_then(bootstrap);
    of(bootstrap.as_ref().and_then(|tree| tree.get("node")))
}

/// A proxy that nobody asks.
pub(crate) fn unknown(why: Refused) -> Node {
    Node { kind: None, namespace: Err(why), service_account: Err(why), name: None, labels: None }
}

/// `--config-path FILE`, `--config-path=FILE`, `-c FILE`.
fn path(mut arguments: impl Iterator<Item = String>) -> Option<PathBuf> {
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--config-path" | "-c" => return arguments.next().map(PathBuf::from),
            _ => {
                if let Some(path) = argument.strip_prefix("--config-path=") {
                    return Some(PathBuf::from(path));
                }
            }
        }
    }
    None
}

/// JSON, as Istio's agent writes it.
fn bootstrap(path: PathBuf) -> Option<Tree> {
    if fs::metadata(&path).ok()?.len() > LONGEST {
        return None;
    }
    json::parse(&fs::read_to_string(path).ok()?).ok()
}

fn of(node: Option<&Tree>) -> Node {
    let text =
        |of: Option<&Tree>, name: &str| of.and_then(|tree| tree.get(name)?.as_str()).map(str::to_owned);
    let metadata = node.and_then(|node| node.get("metadata"));
    Node {
        kind: text(node, "id").as_deref().and_then(proxy_kind),
        namespace: Ok::<_, Refused>(text(metadata, "NAMESPACE")),
        service_account: Ok(text(metadata, "SERVICE_ACCOUNT")),
        name: text(metadata, "WORKLOAD_NAME"),
        labels: labels(metadata.and_then(|metadata| metadata.get("LABELS"))),
    }
}

/// `None`: there is something that is no label.
fn labels(tree: Option<&Tree>) -> Option<Vec<(String, String)>> {
    let Some(tree) = tree else { return Some(Vec::new()) };
    let Value::Map(entries) = &tree.value else { return None };
    let label = |(key, value): &(gnomon_engine::node::Key, Tree)| {
        Some((key.name.clone(), value.as_str()?.to_owned()))
    };
    let mut labels: Vec<(String, String)> = entries.iter().map(label).collect::<Option<_>>()?;
    labels.sort();
    Some(labels)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test code may be blunt")]
mod tests {
    use super::*;
    use gnomon_engine::workload::ProxyKind;

    #[test]
    fn the_bootstrap_is_the_one_on_the_command_line() {
        let table: [(&[&str], Option<&str>); 5] = [
            (&["envoy", "-c", "a.json", "--log-level", "info"], Some("a.json")),
            (&["envoy", "--log-level", "info", "--config-path", "b.json"], Some("b.json")),
            (&["envoy", "--config-path=c.json"], Some("c.json")),
            (&["envoy", "--config-yaml", "{}"], None),
            (&["envoy", "-c"], None),
        ];
        for (arguments, expected) in table {
            let found = path(arguments.iter().map(|argument| (*argument).to_owned()));
            assert_eq!(found, expected.map(PathBuf::from), "{arguments:?}");
        }
    }

    #[test]
    fn the_node_is_istios() {
        let tree = json::parse(
            r#"{"id": "router~10.0.0.1~gw-1.istio-system~istio-system.svc.cluster.local", "metadata": {
                "NAMESPACE": "istio-system", "SERVICE_ACCOUNT": "gw", "WORKLOAD_NAME": "gw",
                "LABELS": {"b": "2", "a": "1"}}}"#,
        );
        let node = of(Some(&tree.unwrap()));
        assert_eq!(node.kind, Some(ProxyKind::Gateway));
        assert_eq!(node.namespace, Ok(Some("istio-system".into())));
        assert_eq!(node.service_account, Ok(Some("gw".into())));
        assert_eq!(node.name.as_deref(), Some("gw"));
        assert_eq!(node.labels, Some(vec![("a".into(), "1".into()), ("b".into(), "2".into())]));
        let nothing = of(None);
        assert_eq!((nothing.kind, nothing.namespace, nothing.labels), (None, Ok(None), Some(vec![])));
        let odd = json::parse(r#"{"metadata": {"LABELS": {"a": 1}}}"#);
        assert_eq!(of(Some(&odd.unwrap())).labels, None, "a label that is no text");
    }
}
