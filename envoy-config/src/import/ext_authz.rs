//! ext_authz filters: which requests are put to whom.

use super::{
    expression::Metadata,
    fields::{Context, Place, Unread, get, integer, is_true, text},
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use gnomon_engine::{
    node::{Node, Value},
    request::{ExtAuthzAnswer, Request},
};

/// The filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ExtAuthz {
    pub(super) network: bool,
    /// `None`: every request is put to the provider.
    pub(super) asked: Option<Metadata>,
    /// What the provider may be called, the best name first.
    names: Vec<String>,
    pub(super) fail_open: bool,
    pub(super) status_on_error: u16,
    pub(super) unread: Option<Unread>,
}

impl ExtAuthz {
    pub(super) fn read(node: &Node, network: bool, place: &Place<'_>, context: &mut Context) -> ExtAuthz {
        let asked = get(node, "filterEnabledMetadata")
            .map(|matcher| Metadata::read(matcher, &place.field("filterEnabledMetadata"), context));
        let mut names = Vec::new();
        // Since Istio 1.30 the prefix names the provider.
        let prefix = get(node, "filterEnabledMetadata")
            .and_then(|matcher| text(get(get(matcher, "value")?, "stringMatch")?, "prefix"));
        if let Some(provider) = prefix.and_then(|prefix| prefix.strip_prefix("istio-ext-authz-")) {
            names.push(provider.trim_end_matches('-').to_string());
        }
        let http = get(node, "httpService").and_then(|service| get(service, "serverUri"));
        let grpc = get(node, "grpcService").and_then(|service| get(service, "envoyGrpc"));
        let cluster = http
            .and_then(|uri| text(uri, "cluster"))
            .or_else(|| grpc.and_then(|grpc| text(grpc, "clusterName")))
            .unwrap_or_default();
        if !cluster.is_empty() {
            names.push(cluster.to_string());
            // `outbound|PORT||HOST`
            names.extend(cluster.rsplit_once('|').map(|(_, host)| host.to_string()));
        }
        let unread = ["filterEnabled", "denyAtDisable"].into_iter().find_map(|field| {
            let node = get(node, field)?;
            Some(context.unread(&place.field(field), node.at, "this field is not evaluated"))
        });
        ExtAuthz {
            network,
            asked,
            names,
            fail_open: get(node, "failureModeAllow").is_some_and(is_true),
            status_on_error: get(node, "statusOnError")
                .and_then(|status| get(status, "code"))
                .and_then(code)
                .unwrap_or(403),
            unread,
        }
    }

    /// How the request calls it in `extAuthz`.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("provider", String::as_str)
    }

    /// What the provider answers. Before Istio 1.30 nothing in the configuration names it: an only answer is its.
    pub(super) fn answer(&self, request: &Request<'_>, only_filter: bool) -> Option<ExtAuthzAnswer> {
        let known = request.ext_authz.iter().find(|(name, _)| self.names.iter().any(|known| known == name));
        let only = match request.ext_authz {
            [only] if only_filter => Some(only),
            _ => None,
        };
        known.or(only).map(|(_, answer)| *answer)
    }
}

/// A status by its name in protobuf's JSON, or by number.
fn code(node: &Node) -> Option<u16> {
    match &node.value {
        Value::Number(_) => integer(node).and_then(|code| u16::try_from(code).ok()),
        Value::String(name) => (100..=511)
            .find(|code| crate::ext_authz::status_name(*code) == Some(name.as_str()))
            .and_then(|code| u16::try_from(code).ok()),
        _ => None,
    }
}
