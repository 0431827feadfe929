//! What a text holds, without parsing it: most files of a tree have nothing to do with policies.

use crate::Reason;
use gnomon_engine::{Position, decode::short};

/// The kinds of Kubernetes' own groups that [`crate::inventory`] reads, and those of other groups whose names are theirs:
/// where one of them is named, the text is parsed.
const WANTED: [&str; 14] = [
    "Namespace",
    "ServiceAccount",
    "Service",
    "Pod",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
    "Gateway",
    "GatewayClass",
    "WasmPlugin",
];
/// How the groups end whose kinds are read: Istio's (`networking.istio.io`) and that of the Gateway API.
const GROUPS: [&str; 2] = ["istio.io", "gateway.networking.k8s.io"];
/// MeshConfig is in a ConfigMap of such a name.
const MESH: &str = "mesh:";
/// The same as a key of YAML or of JSON.
const MESH_KEY: &str = "mesh";
/// What Ansible's plays and tasks have.
const ANSIBLE: [&str; 6] = ["hosts:", "tasks:", "roles:", "block:", "import_playbook:", "become:"];

/// An object of a dump is looked at.
pub(crate) fn is_wanted(version: &str, kind: &str, text: &str) -> bool {
    let group = version.split_once('/').map_or("", |(group, _)| group);
    crate::document::is_policy(version, kind)
        || WANTED.contains(&kind)
        || kind.ends_with("List")
        || GROUPS.iter().any(|known| group.ends_with(known))
        || (kind == "ConfigMap" && text.contains(MESH_KEY))
}

/// The documents of a text that holds no object that is looked at; `None`: it has to be parsed to know.
///
/// Only the lines at the left edge are looked at, as well as every place where a kind is named: what this says of a text
/// is what parsing it would say, but that errors of syntax go unnoticed.
pub(crate) fn skim(text: &str) -> Option<Vec<(Reason, Position)>> {
    if crate::document::mentions_policies(text)
        || GROUPS.iter().any(|group| text.contains(group))
        || text.contains(MESH)
    {
        return None;
    }
    let mut rest = text;
    while let Some(place) = rest.find("kind") {
        let (before, after) = (rest.get(..place)?, rest.get(place.saturating_add(4)..)?);
        let starts_word = !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if starts_word && !harmless(after) {
            return None;
        }
        rest = after;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['{', '[', '"', '\'', '&', '!', '*', '?', '%']) {
        return json(text);
    }
    documents(text)
}

/// What follows `kind` names no kind that is looked at.
fn harmless(after: &str) -> bool {
    let after = after.strip_prefix(['"', '\'']).unwrap_or(after).trim_start_matches([' ', '\t']);
    let Some(value) = after.strip_prefix(':') else { return true };
    let value = value.trim_start_matches([' ', '\t']);
    let value = value.strip_prefix(['"', '\'']).unwrap_or(value);
    let end = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
    let name = value.get(..end).unwrap_or_default();
    !name.is_empty() && !name.ends_with("List") && !WANTED.contains(&name)
}

/// A JSON text without any kind is one value.
fn json(text: &str) -> Option<Vec<(Reason, Position)>> {
    let begins = text.trim_start();
    if text.contains("kind") || text.contains("\n---") {
        return None;
    }
    let reason = match begins.chars().next() {
        Some('{') => Reason::NoObject,
        Some('[') if !text.contains("\"op\"") && !ANSIBLE.iter().any(|word| names(text, word)) => {
            Reason::List
        }
        _ => return None,
    };
    let lines = text.get(..text.len().checked_sub(begins.len())?)?.matches('\n').count();
    let line = u32::try_from(lines).ok()?.checked_add(1)?;
    Some(vec![(reason, Position { line, column: 1 })])
}

/// `hosts:` as the key of a JSON text.
fn names(text: &str, word: &str) -> bool {
    text.contains(&format!("\"{}\"", word.trim_end_matches(':')))
}

/// What is known of a document so far.
#[derive(Default)]
struct Seen {
    at: Position,
    kind: Option<String>,
    /// The column of the keys in a list's elements, where it is a list.
    list: Option<usize>,
    ansible: bool,
}

fn documents(text: &str) -> Option<Vec<(Reason, Position)>> {
    let mut found = Vec::new();
    let mut seen: Option<Seen> = None;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("---") || line.starts_with("...") {
            // A value on the line of the marker.
            let rest = line.trim_start_matches(['-', '.']).trim();
            if !(rest.is_empty() || rest.starts_with('#')) {
                return None;
            }
            found.extend(seen.take().map(Seen::reason));
            continue;
        }
        let trimmed = line.trim_start_matches(' ');
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let indent = line.len().checked_sub(trimmed.len())?;
        let line_number = u32::try_from(number).ok()?.checked_add(1)?;
        let seen = seen.get_or_insert_with(|| {
            let column = u32::try_from(indent).unwrap_or(0).saturating_add(1);
            Seen { at: Position { line: line_number, column }, ..Seen::default() }
        });
        if let Some(element) = trimmed.strip_prefix("- ").filter(|_| seen.at.column == 1 && indent == 0) {
            let column = line.len().checked_sub(element.trim_start().len())?;
            seen.list = Some(column);
            // Operations of a patch are told from other lists by all of them.
            if element.contains("op:") || element.contains("\"op\"") {
                return None;
            }
            seen.ansible |= ANSIBLE.iter().any(|word| element.trim_start().starts_with(word));
        } else if seen.list == Some(indent) {
            if trimmed.starts_with("op:") {
                return None;
            }
            seen.ansible |= ANSIBLE.iter().any(|word| trimmed.starts_with(word));
        } else if indent == 0 && seen.kind.is_none() {
            seen.kind = trimmed.strip_prefix("kind:").map(|kind| {
                let kind = kind.split(" #").next().unwrap_or_default().trim();
                kind.trim_matches(['"', '\'']).to_owned()
            });
        }
        if line.starts_with("$patch") {
            return None;
        }
    }
    found.extend(seen.map(Seen::reason));
    Some(found)
}

impl Seen {
    fn reason(self) -> (Reason, Position) {
        let reason = match (self.list, self.kind) {
            (Some(_), _) if self.ansible => Reason::Ansible,
            (Some(_), _) => Reason::List,
            (None, Some(kind)) => Reason::Kind(short(&kind)),
            (None, None) => Reason::NoObject,
        };
        (reason, self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::skim;
    use crate::{Reason, document, parse};

    /// What parsing says of the documents of a text.
    fn parsed(text: &str) -> Vec<Reason> {
        let (documents, problems) = parse(text, "t");
        assert_eq!(problems, [], "{text}");
        let of = |node| match document::what(node) {
            document::What::Not(reason) => Some(reason),
            document::What::Object => Some(Reason::Kind(document::kind(node))),
            document::What::Empty => None,
            document::What::Policy => panic!("{text}"),
        };
        documents.iter().filter_map(of).collect()
    }

    #[test]
    fn skimming_says_what_parsing_says() {
        for text in [
            "apiVersion: v1\nkind: Secret\n",
            "# c\n---\nkind: Secret\n---\n---\n  \nkind: 'ConfigMap' # c\ndata:\n  kind: x\n",
            "a: 1\n---\nb: 2\n",
            "{\"a\": {\"b\": [1]}}",
            "\n\n[1, 2]\n",
            "- hosts: all\n  tasks: []\n",
            "- name: x\n  become: true\n",
            "-   name: x\n    hosts: [a]\n",
            "- name: x\n  y: 1\n",
            "- a\n- b\n",
            "kind: Kustomization\nresources: [a.yaml]\n",
            "a: |\n  kind of text\nb: mankind: 7\n".replace("b: mankind: 7\n", "").as_str(),
        ] {
            let skimmed = skim(text).map(|found| found.into_iter().map(|(reason, _)| reason).collect());
            assert_eq!(skimmed, Some(parsed(text)), "{text}");
        }
    }

    #[test]
    fn what_may_matter_is_parsed() {
        for text in [
            "kind: AuthorizationPolicy\n",
            "kind: Deployment\n",
            "kind: ReplicationController\n",
            "\"kind\": \"Service\"\n",
            "kind: *k\n",
            "kind:\n  Pod\n",
            "kind: List\nitems: []\n",
            "a: {kind: Gateway}\n",
            "x: networking.istio.io/v1\n",
            "- op: add\n  path: /spec\n",
            "[{\"op\": \"add\", \"path\": \"/a\"}]",
            "kind: ConfigMap\ndata:\n  mesh: |-\n    a: b\n",
            "--- {kind: Secret}\n",
            "$patch: delete\nkind: Secret\n",
        ] {
            assert_eq!(skim(text), None, "{text}");
        }
    }
}
