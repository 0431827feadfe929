//! What a document is, before anything in it is judged.

use crate::{Reason, input};
use gnomon_engine::{
    Diagnostic, Node, Severity, Value,
    decode::{GROUP, KINDS, short},
};
use std::sync::Arc;

/// What to do with an object, or with what stands in the place of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// One that decides, or that nearly does: by its kind, or by its group.
    Policy,
    /// Another object, of this kind.
    Object,
    /// Nothing is there.
    Empty,
    Not(Reason),
}

/// Is one of the kinds that decide, or their group, named in a text that cannot be read?
pub(crate) fn mentions_policies(text: &str) -> bool {
    // Not every word of the group is a policy: `security.istio.io/tlsMode` is a label of pods.
    text.match_indices(GROUP).any(|(place, _)| {
        text.get(place..)
            .and_then(|text| text.strip_prefix(GROUP))
            .is_some_and(|rest| rest.starts_with("/v1"))
    }) || KINDS.iter().any(|kind| text.contains(kind))
}

/// One of the kinds that decide, or one of their group.
pub(crate) fn is_policy(version: &str, kind: &str) -> bool {
    KINDS.contains(&kind) || version.split_once('/').is_some_and(|(group, _)| group == GROUP)
}

/// Tells that a document, or an element of a list at `path`, is no object.
pub(crate) fn told(node: &Node, path: &str, reason: &Reason, file: &Arc<str>) -> Diagnostic {
    let (code, message, help) = match reason {
        Reason::JsonPatch => ("not-an-object", "this is a JSON patch, not an object".into(), BUILT),
        Reason::MergePatch => {
            ("not-an-object", "this is a part of an object, for kustomize to merge".into(), BUILT)
        }
        Reason::Ansible => {
            ("not-an-object", "this is an Ansible playbook, not an object".into(), "it is skipped")
        }
        Reason::NoObject if node.as_map().is_some() => {
            ("missing-kind", "this is no Kubernetes object: it has no kind".to_string(), "it is skipped")
        }
        _ => {
            let message = format!("expected a Kubernetes object, got {}", node.value.kind());
            ("not-an-object", message, "it is skipped: an object has apiVersion, kind, metadata and spec")
        }
    };
    let mut told = input::error(code, file, node.at, message, help);
    told.severity = Severity::Warning;
    told.field = path.into();
    told
}

const BUILT: &str = "it is skipped: give what `kustomize build` prints";

/// What one of them is.
pub(crate) fn what(node: &Node) -> What {
    match &node.value {
        Value::Null => What::Empty,
        Value::List(items) => What::Not(list(items)),
        Value::Map(entries) => {
            let (version, kind) = (text(node, "apiVersion"), text(node, "kind"));
            if node.get("$patch").is_some()
                || node.get("spec").is_some_and(|spec| spec.get("$patch").is_some())
            {
                What::Not(Reason::MergePatch)
            } else if is_policy(version, kind) {
                What::Policy
            } else if kind.is_empty() || entries.is_empty() {
                What::Not(Reason::NoObject)
            } else {
                What::Object
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => What::Not(Reason::NoObject),
    }
}

/// The kind of an object, shortened.
pub(crate) fn kind(node: &Node) -> String {
    short(text(node, "kind"))
}

fn list(items: &[Node]) -> Reason {
    let has = |item: &Node, names: &[&str]| names.iter().any(|name| item.get(name).is_some());
    let is_operation = |item: &Node| has(item, &["op"]) && has(item, &["path"]);
    if !items.is_empty() && items.iter().all(is_operation) {
        Reason::JsonPatch
    } else if items
        .iter()
        .any(|item| has(item, &["hosts", "tasks", "roles", "block", "import_playbook", "become"]))
    {
        Reason::Ansible
    } else {
        Reason::List
    }
}

fn text<'n>(node: &'n Node, name: &str) -> &'n str {
    node.get(name).and_then(Node::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn what_documents_are() {
        for (document, expected) in [
            ("kind: AuthorizationPolicy", What::Policy),
            ("apiVersion: security.istio.io/v1", What::Policy),
            ("{apiVersion: security.istio.io/v1, kind: X}", What::Policy),
            ("kind: Service", What::Object),
            ("~", What::Empty),
            ("a: b", What::Not(Reason::NoObject)),
            ("{}", What::Not(Reason::NoObject)),
            ("7", What::Not(Reason::NoObject)),
            ("[]", What::Not(Reason::List)),
            ("[a]", What::Not(Reason::List)),
            ("[{op: add, path: /spec}]", What::Not(Reason::JsonPatch)),
            ("[{op: add, path: /spec}, {op: add}]", What::Not(Reason::List)),
            ("[{hosts: all, tasks: []}]", What::Not(Reason::Ansible)),
            ("[{name: copy, become: true}]", What::Not(Reason::Ansible)),
            ("{kind: AuthorizationPolicy, $patch: delete}", What::Not(Reason::MergePatch)),
            ("{kind: AuthorizationPolicy, spec: {$patch: replace}}", What::Not(Reason::MergePatch)),
        ] {
            let (documents, problems) = parse(document, "t");
            assert_eq!((problems.as_slice(), what(&documents[0])), (&[][..], expected), "{document}");
        }
    }
}
