//! `selector`, `targetRef` and `targetRefs`: the workloads that a policy names.

use super::{Cursor, Fields, quoted, reader::advised, short};
use crate::resource::{Labels, Target, TargetKind, TargetRef};
use alloc::{format, vec::Vec};

/// The kinds a reference may name, with their groups.
const KINDS: [(&str, &str, TargetKind); 4] = [
    ("", "Service", TargetKind::Service),
    ("networking.istio.io", "ServiceEntry", TargetKind::ServiceEntry),
    ("gateway.networking.k8s.io", "Gateway", TargetKind::Gateway),
    ("gateway.networking.k8s.io", "GatewayClass", TargetKind::GatewayClass),
];

/// Reads the three out of a spec; at most one of them may be there, even empty.
pub(super) fn target(spec: &mut Fields<'_>) -> Target {
    let present: Vec<Cursor<'_>> =
        ["selector", "targetRef", "targetRefs"].into_iter().filter_map(|name| spec.get(name)).collect();
    if let [_, second, ..] = present.as_slice() {
        second.error(
            "conflicting-targets",
            "only one of targetRefs or selector can be set",
            "make two policies of it",
        );
    }
    let labels = selector(spec);
    let match_labels = spec.get("selector").is_some_and(|cursor| {
        cursor.node().get("matchLabels").is_some_and(|labels| labels.as_map().is_some())
    });
    let mut refs = Vec::new();
    for cursor in spec.list_of_at_most("targetRefs", 16) {
        refs.extend(target_ref(cursor));
    }
    if let Some(cursor) = spec.get("targetRef") {
        let single = target_ref(cursor);
        // The older field counts only where the newer one is empty.
        if refs.is_empty() {
            refs.extend(single);
        }
    }
    match labels {
        _ if !refs.is_empty() => Target::Refs(refs),
        None => Target::Namespace,
        Some(labels) if match_labels => Target::Selector(labels),
        Some(_) => Target::EmptySelector,
    }
}

/// Reads `selector`; `None` where the key is absent.
pub(super) fn selector(spec: &mut Fields<'_>) -> Option<Labels> {
    let cursor = spec.get("selector")?;
    let Some(mut fields) = cursor.clone().fields() else {
        return Some(Labels::new());
    };
    let mut labels = Labels::new();
    if let Some(map) = fields.get("matchLabels") {
        labels = map.string_map();
        for (key, value) in map.entries() {
            check_label(key, &value);
        }
    }
    fields.finish();
    let written = cursor.node().get("matchLabels").and_then(|labels| labels.as_map());
    if written.is_none_or(<[_]>::is_empty) {
        cursor.warning(
            "empty-selector",
            "workload selector specified without labels",
            "sidecars and gateways take it for every workload, ztunnel `selector: {}` for none; remove it or name labels under matchLabels",
        );
    }
    Some(labels)
}

fn check_label(key: &crate::node::Key, value: &Cursor<'_>) {
    let text = value.node().as_str().unwrap_or_default();
    let pair = quoted(&format!("{}={text}", key.name));
    if key.name.is_empty() {
        let message = format!("empty key is not supported in selector: {pair}");
        value.report_key(key, "empty-label-key", message, "");
    }
    let message = format!("wildcard is not supported in selector: {pair}");
    if key.name.contains('*') {
        value.report_key(key, "wildcard-in-selector", message, "labels are compared exactly");
    } else if text.contains('*') {
        value.error("wildcard-in-selector", message, "labels are compared exactly");
    }
    if text.chars().count() > 63 {
        let message = format!("label value {} is longer than 63 characters", quoted(text));
        value.error("label-too-long", message, "");
    }
}

fn target_ref(cursor: Cursor<'_>) -> Option<TargetRef> {
    let at = cursor.at();
    if cursor.is_null() {
        cursor.error("null-element", "targetRef must not be null", "remove the dash");
        return None;
    }
    let mut fields = cursor.fields()?;
    let mut text = |name| fields.string(name).map(|text| text.text);
    let (group, kind, name) = (text("group"), text("kind"), text("name"));
    let namespace = fields.get("namespace");
    let whole = fields.cursor().clone();
    let named = name.as_deref().is_some_and(|name| !name.is_empty());
    if !named {
        let place = fields.get("name").unwrap_or_else(|| whole.clone());
        place.error("missing-target-name", "targetRef name must be set", "");
    }
    if name.as_deref().is_some_and(|name| name.chars().count() > 253) {
        let place = fields.get("name").unwrap_or_else(|| whole.clone());
        place.error("target-name-too-long", "targetRef name is longer than 253 characters", "");
    }
    if let Some(cursor) = namespace
        && cursor.string().is_some_and(|namespace| !namespace.text.is_empty())
    {
        cursor.error(
            "cross-namespace-target",
            "targetRef namespace must not be set; cross namespace referencing is not supported",
            "put the policy into the namespace of its target",
        );
    }
    let (group, kind) = (group.unwrap_or_default(), kind.unwrap_or_default());
    let canonical = if group == "core" { "" } else { group.as_str() };
    let known = KINDS.iter().find(|(g, k, _)| *g == canonical && *k == kind).map(|(_, _, kind)| *kind);
    if known.is_none() {
        let place = ["kind", "group"].into_iter().find_map(|name| fields.get(name)).unwrap_or(whole);
        let right_group = KINDS.iter().find(|(_, k, _)| *k == kind).map(|(group, _, _)| *group);
        let help = advised(|| {
            match right_group {
            Some(_) if group == "networking.istio.io" => {
                "only a Gateway of the Gateway API is a target; select one of Istio's own by the labels of its pods".into()
            }
            Some("") => "a Service has the group \"\"".into(),
            Some(group) => format!("a {kind} has the group {group}"),
            None if kind.ends_with("Route") => "name the Gateway or the Service that the route belongs to".into(),
            None => "name workloads by `selector`, with the labels of their pods".into(),
        }
        });
        let message = format!(
            "targetRef must be to one of Service, networking.istio.io/ServiceEntry, \
             gateway.networking.k8s.io/Gateway, gateway.networking.k8s.io/GatewayClass but was {}/{}",
            short(&group),
            short(&kind)
        );
        place.error("bad-target-kind", message, help);
    }
    fields.finish();
    Some(TargetRef { kind: known?, name: name?, at })
}
