//! `metadata`: name, namespace, creation time, the dry-run annotation.

use super::{Cursor, Fields, Problem, quoted, short};
use crate::{
    Node,
    resource::{Meta, Text},
};
use alloc::{format, string::String, sync::Arc};

/// The annotation that turns an AuthorizationPolicy into a shadow.
pub(super) const DRY_RUN: &str = "istio.io/dry-run";

/// The other fields of Kubernetes' `ObjectMeta`.
const OTHERS: [&str; 12] = [
    "generateName",
    "labels",
    "uid",
    "selfLink",
    "clusterName",
    "resourceVersion",
    "generation",
    "finalizers",
    "managedFields",
    "ownerReferences",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Namespace and name of an object of which nothing else is checked.
pub(super) fn names(object: &Node) -> Option<(&str, &str)> {
    let text = |name: &str| object.get("metadata")?.get(name)?.as_str().filter(|text| !text.is_empty());
    Some((text("namespace").unwrap_or("default"), text("name")?))
}

/// How diagnostics call an object: `AuthorizationPolicy ns/name`. Lenient, since it is needed before anything is
/// checked.
pub(super) fn title(kind: &str, object: &Node) -> String {
    let text = |name: &str| object.get("metadata")?.get(name)?.as_str().filter(|text| !text.is_empty());
    let namespace = text("namespace").unwrap_or("default");
    let name = text("name").or_else(|| text("generateName")).unwrap_or("?");
    format!("{kind} {}/{}", short(namespace), short(name))
}

/// Reads `metadata` out of the object's fields, and the annotation [`DRY_RUN`] with it.
pub(super) fn meta<'a>(object: &mut Fields<'a>, file: &Arc<str>) -> (Meta, Option<(Cursor<'a>, Text)>) {
    let mut meta =
        Meta { namespace: "default".into(), file: file.clone(), at: object.cursor().at(), ..Meta::default() };
    let Some(mut fields) = object.fields("metadata") else {
        if object.get("metadata").is_none() {
            object.cursor().error("missing-name", "the object has no metadata", "give it a metadata.name");
        }
        return (meta, None);
    };
    let name = fields.string_checked("name", |name| dns_name(name, "name", 253, true));
    let name = match fields.get("name") {
        Some(_) => name,
        // What `kubectl create` completes with a random suffix.
        None => fields.string("generateName"),
    };
    match name {
        Some(name) => meta.name = name.text,
        None if fields.get("name").is_none() => {
            fields.cursor().error("missing-name", "metadata.name must be set", "");
        }
        None => {}
    }
    let namespace = fields.string_checked("namespace", |name| match name {
        "" => Ok(()),
        _ => dns_name(name, "namespace", 63, false),
    });
    if let Some(namespace) = namespace.filter(|namespace| !namespace.text.is_empty()) {
        meta.namespace = namespace.text;
    }
    meta.creation_timestamp = fields.string("creationTimestamp").map(|time| time.text);
    let mut dry_run = None;
    if let Some(annotations) = fields.get("annotations") {
        let found = annotations.entries().into_iter().find(|(key, _)| key.name == DRY_RUN);
        dry_run = found.and_then(|(_, cursor)| cursor.string().map(|text| (cursor, text)));
    }
    // Of no matter to a verdict: for whoever writes policies.
    if cfg!(feature = "advice") {
        fields.ignore(&OTHERS);
        fields.finish();
    }
    (meta, dry_run)
}

/// RFC 1123 as Kubernetes has it: a label, or with `dots` several of them.
fn dns_name(name: &str, what: &str, longest: usize, dots: bool) -> Result<(), Problem> {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let good = if dots { name.split('.').all(label) } else { label(name) };
    if good && name.len() <= longest {
        return Ok(());
    }
    let message = format!("{} is not a valid {what}", quoted(name));
    let allowed = if dots { "letters, digits, - and ." } else { "letters, digits and -" };
    Err(Problem::new("bad-name", message, format!("at most {longest} lower-case {allowed}")))
}

/// The spellings of Go's `strconv.ParseBool`.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Istio refuses the annotation on every kind but AuthorizationPolicy.
pub(super) fn refuse_dry_run(dry_run: Option<(Cursor<'_>, Text)>) {
    if let Some((cursor, _)) = dry_run {
        let message = format!("has unsupported annotation {DRY_RUN}");
        cursor.error("unsupported-dry-run", message, "please remove the annotation");
    }
}
