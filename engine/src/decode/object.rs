//! A Kubernetes object: what kind it is, and whether that kind is read.

use super::{
    Bound, MAX_PROBLEMS, Reader, authorization_policy, gateway, meta, nearest, peer_authentication, quoted,
    request_authentication, short,
};
use crate::{
    Diagnostic, Node, Value,
    resource::{Resources, ServiceObject, TargetKind},
};
use alloc::{format, string::String, sync::Arc, vec, vec::Vec};

/// How deep `kind: List` may nest.
const DEEPEST_LIST: usize = 16;
/// The kinds that decide over requests.
pub const KINDS: [&str; 3] = ["AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication"];
/// Istio's API group for them.
pub const GROUP: &str = "security.istio.io";
/// How objects without a kind are counted in [`Tally::skipped`].
const NO_KIND: &str = "(no kind)";

/// What became of the objects of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Objects added to the resources.
    pub read: usize,
    /// Objects of a kind that is read that have errors.
    pub refused: usize,
    /// Objects of other kinds: kinds and how many objects in a row. A kind may be there more than once.
    pub skipped: Vec<(String, usize)>,
}

impl Tally {
    /// Adds another document's counts.
    pub fn add(&mut self, other: Tally) {
        self.read += other.read;
        self.refused += other.refused;
        for (kind, count) in other.skipped {
            self.skip(kind, count);
        }
    }

    fn skip(&mut self, kind: String, more: usize) {
        match self.skipped.last_mut() {
            Some((last, count)) if *last == kind => *count += more,
            _ => self.skipped.push((kind, more)),
        }
    }
}

/// Reads one document: an object, or a list of objects (`List`, `AuthorizationPolicyList`, …). Objects that are right go
/// to `out`, everything that is wrong to `diagnostics`. An empty document is nothing.
pub fn object(node: &Node, file: &Arc<str>, out: &mut Resources, diagnostics: &mut Vec<Diagnostic>) -> Tally {
    let mut tally = Tally::default();
    let mut bound = Bound::after(diagnostics);
    let all = match objects(node) {
        Ok(all) => all,
        Err((list, path)) => {
            let reader = Reader::new(file, "");
            let message = format!("lists nest deeper than {DEEPEST_LIST}");
            reader.at_path(list, path).error("list-too-deep", message, "put the objects into one list");
            diagnostics.extend(reader.into_diagnostics());
            return tally;
        }
    };
    for (node, path) in all {
        if !bound.admit(diagnostics) {
            let reader = Reader::new(file, "");
            let message = format!("more than {MAX_PROBLEMS} errors; from here on nothing is read");
            reader.at_path(node, path).error("too-many-problems", message, "");
            diagnostics.extend(reader.into_diagnostics());
            break;
        }
        if node.value != Value::Null {
            single(node, path, file, out, diagnostics, &mut tally);
        } else if !path.is_empty() {
            let reader = Reader::new(file, "");
            reader.at_path(node, path).error("not-an-object", "an element of a list is null", "remove it");
            diagnostics.extend(reader.into_diagnostics());
        }
    }
    bound.admit(diagnostics);
    tally
}

/// The objects of a document with their paths in it: itself, or those of a list (`List`, `AuthorizationPolicyList`, …).
///
/// # Errors
///
/// The list that nests too deeply.
pub fn objects(document: &Node) -> Result<Vec<(&Node, String)>, (&Node, String)> {
    let mut found = Vec::new();
    // A stack of our own: the nesting is the input's.
    let mut waiting = vec![(document, 0_usize, String::new())];
    while let Some((node, depth, path)) = waiting.pop() {
        let kind = node.get("kind").and_then(Node::as_str).unwrap_or_default();
        let items = node.get("items").and_then(Node::as_list);
        let Some(items) = items.filter(|_| kind.ends_with("List")) else {
            found.push((node, path));
            continue;
        };
        if depth == DEEPEST_LIST {
            return Err((node, path));
        }
        let dot = if path.is_empty() { "" } else { "." };
        let step = |(index, item)| (item, depth + 1, format!("{path}{dot}items[{index}]"));
        waiting.extend(items.iter().enumerate().map(step).rev());
    }
    Ok(found)
}

/// What the other objects of a document tell about the policies: which Services and ServiceEntries there are, and which
/// Gateways do not verify their clients. Nothing of them is checked.
pub fn surroundings(document: &Node, out: &mut Resources) {
    for (node, _) in objects(document).unwrap_or_default() {
        let text = |name: &str| node.get(name).and_then(Node::as_str).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        out.services.extend(service(node, version, kind));
        out.unverified.extend(gateway::unverified(node, version, kind));
    }
}

fn single(
    node: &Node,
    path: String,
    file: &Arc<str>,
    out: &mut Resources,
    diagnostics: &mut Vec<Diagnostic>,
    tally: &mut Tally,
) {
    let text = |name: &str| node.get(name).and_then(Node::as_str).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    if !is_ours(node, path, file, diagnostics) {
        tally.skip(short(if kind.is_empty() { NO_KIND } else { kind }), 1);
        return;
    }
    let reader = Reader::new(file, meta::title(kind, node));
    // Field paths begin at the object, in a list too: that is how people look for them.
    let Some(mut fields) = reader.root(node).fields() else { return };
    fields.ignore(&["apiVersion", "kind", "metadata", "spec", "status"]);
    check_version(&mut fields, version);
    let (meta, dry_run) = meta::meta(&mut fields, file);
    let mut read = Resources::default();
    match kind {
        "AuthorizationPolicy" => {
            read.authorization.extend(authorization_policy::policy(&mut fields, meta, dry_run));
        }
        "RequestAuthentication" => {
            meta::refuse_dry_run(dry_run);
            read.request_authentication.push(request_authentication::authentication(&mut fields, meta));
        }
        _ => {
            meta::refuse_dry_run(dry_run);
            read.peer_authentication.push(peer_authentication::authentication(&mut fields, meta));
        }
    }
    fields.finish();
    if reader.has_errors() {
        tally.refused += 1;
    } else {
        tally.read += 1;
        out.authorization.append(&mut read.authorization);
        out.request_authentication.append(&mut read.request_authentication);
        out.peer_authentication.append(&mut read.peer_authentication);
    }
    diagnostics.extend(reader.into_diagnostics());
}

/// A Service or a ServiceEntry; nothing of it is read but its name.
fn service(node: &Node, version: &str, kind: &str) -> Option<ServiceObject> {
    let kind = match kind {
        "Service" if version == "v1" => TargetKind::Service,
        "ServiceEntry" if version.starts_with("networking.istio.io/") => TargetKind::ServiceEntry,
        _ => return None,
    };
    let (namespace, name) = meta::names(node)?;
    Some(ServiceObject { kind, namespace: namespace.into(), name: name.into() })
}

/// Whether the object is of a kind that is read; says so where it only nearly is.
fn is_ours(node: &Node, path: String, file: &Arc<str>, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let reader = Reader::new(file, "");
    let root = reader.at_path(node, path);
    let text = |name: &str| node.get(name).and_then(Node::as_str).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let ours = KINDS.contains(&kind) && (group == GROUP || group.is_empty());
    if node.as_map().is_none() {
        let message = format!("expected a Kubernetes object, got {}", node.value.kind());
        root.error("not-an-object", message, "an object has apiVersion, kind, metadata and spec");
    } else if kind.is_empty() && group == GROUP {
        root.error(
            "missing-kind",
            "the object has no kind",
            format!("set it to one of {}", KINDS.join(", ")),
        );
    } else if kind.is_empty() {
        root.warning("missing-kind", "this is no Kubernetes object: it has no kind", "it is skipped");
    } else if !ours && group == GROUP {
        let help = match nearest(kind, KINDS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "it is skipped".into(),
        };
        let at = node.get("kind").unwrap_or(node);
        let message = format!("{GROUP} has no kind {}", quoted(kind));
        reader.at_path(at, "kind").warning("unknown-kind", message, help);
    } else if !ours
        && KINDS.contains(&kind)
        && (group.ends_with("istio.io") || nearest(group, [GROUP]).is_some())
    {
        let at = node.get("apiVersion").unwrap_or(node);
        let message = format!("{} is not Istio's API group for {kind}", quoted(version));
        reader.at_path(at, "apiVersion").warning(
            "unknown-group",
            message,
            format!("it is skipped; did you mean `{GROUP}/v1`?"),
        );
    }
    diagnostics.extend(reader.into_diagnostics());
    ours
}

fn check_version(fields: &mut super::Fields<'_>, version: &str) {
    let known = ["security.istio.io/v1", "security.istio.io/v1beta1"];
    if known.contains(&version) {
        return;
    }
    match fields.get("apiVersion") {
        None => {
            let message = "the object has no apiVersion";
            fields.cursor().error("missing-api-version", message, "set it to security.istio.io/v1");
        }
        Some(cursor) if cursor.string().is_some() => {
            let message = format!("unknown API version {}", quoted(version));
            cursor.error("unsupported-version", message, "use security.istio.io/v1 or v1beta1");
        }
        Some(_) => {}
    }
}
