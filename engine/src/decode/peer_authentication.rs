//! PeerAuthentication as istiod's webhook and the CRD's schema admit it.

use super::{Cursor, Fields, quoted, target, values::port_number};
use crate::{
    node::Key,
    order,
    resource::{Meta, MtlsMode, PeerAuthentication},
};
use alloc::{format, vec::Vec};

/// Reads `spec` out of the object's fields.
pub(super) fn authentication(object: &mut Fields<'_>, meta: Meta) -> PeerAuthentication {
    let mut read = PeerAuthentication { meta, selector: None, mode: None, ports: Vec::new() };
    let Some(mut spec) = object.fields("spec") else { return read };
    read.selector = target::selector(&mut spec);
    if let Some(cursor) = spec.get("mtls") {
        read.mode = mtls(cursor);
    }
    if let Some(ports) = spec.get("portLevelMtls") {
        let entries = ports.entries();
        let is_map = ports.node().as_map().is_some();
        if is_map && entries.is_empty() {
            let message = "port level mTLS, if defined, must have at least one element";
            ports.error("empty-port-map", message, "remove it");
        } else if is_map && read.selector.as_ref().is_none_or(Vec::is_empty) {
            ports.error(
                "ports-without-selector",
                "mesh/namespace peer authentication cannot have port level mTLS",
                "portLevelMtls requires a selector with labels",
            );
        }
        for (key, cursor) in entries {
            let port = port(key, &cursor);
            let mode = mtls(cursor);
            read.ports.extend(port.map(|port| (port, mode)));
        }
        order::sort_by(&mut read.ports, |(a, _), (b, _)| a.cmp(b));
    }
    spec.finish();
    read
}

fn port(key: &Key, cursor: &Cursor<'_>) -> Option<u16> {
    let port = port_number(&key.name).filter(|port| *port > 0);
    if port.is_none() {
        let message = format!("port must be in range 1..65535, found {}", quoted(&key.name));
        cursor.report_key(key, "bad-port", message, "use the port number that the workload listens on");
    }
    port
}

fn mtls(cursor: Cursor<'_>) -> Option<MtlsMode> {
    if cursor.is_null() {
        return None;
    }
    let words = [
        ("UNSET", None),
        ("DISABLE", Some(MtlsMode::Disable)),
        ("PERMISSIVE", Some(MtlsMode::Permissive)),
        ("STRICT", Some(MtlsMode::Strict)),
    ];
    let mut fields = cursor.fields_of("mode")?;
    let mode = fields.word("mode", &words);
    fields.finish();
    mode.flatten()
}
