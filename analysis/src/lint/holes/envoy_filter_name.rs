use crate::lint::{
    Example, Group, Lint,
    walk::{Findings, Looks},
};
use gnomon_engine::Severity;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "envoy-filter-name",
    group: Group::Holes,
    severity: Severity::Error,
    since: None,
    what: documented!("An EnvoyFilter looks for a filter by a name that proxies do not have any more."),
    why: documented!(
        "The patch matches nothing and istiod says nothing: what it was to add or change, often a check, \
        is not there."
    ),
    instead: documented!("Write the name that proxies have today."),
    limits: documented!(
        "Names that Istio removed. The name of the RBAC filters is found, but there can be several of it \
        (for CUSTOM, AUDIT, DENY, ALLOW), and which is the first depends on the policies: that is a \
        warning."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/networking/envoy-filter/"),
    example: documented!(example: Example {
        bad: object!(
            "networking.istio.io/v1alpha3",
            "EnvoyFilter",
            "name: f, namespace: shop",
            r#"{configPatches: [{applyTo: HTTP_FILTER, match: {listener: {filterChain: {filter: {name: envoy.http_connection_manager}}}}}]}"#
        ),
        good: object!(
            "networking.istio.io/v1alpha3",
            "EnvoyFilter",
            "name: f, namespace: shop",
            r#"{configPatches: [{applyTo: HTTP_FILTER, match: {listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}}]}"#
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

const GONE: [(&str, &str); 11] = [
    ("envoy.http_connection_manager", "envoy.filters.network.http_connection_manager"),
    ("envoy.tcp_proxy", "envoy.filters.network.tcp_proxy"),
    ("envoy.router", "envoy.filters.http.router"),
    ("envoy.fault", "envoy.filters.http.fault"),
    ("envoy.cors", "envoy.filters.http.cors"),
    ("envoy.lua", "envoy.filters.http.lua"),
    ("envoy.rbac", "envoy.filters.http.rbac"),
    ("envoy.ext_authz", "envoy.filters.http.ext_authz"),
    ("jwt-auth", "envoy.filters.http.jwt_authn"),
    ("istio_authn", "envoy.filters.http.jwt_authn"),
    ("mixer", "envoy.filters.http.router"),
];

fn all(findings: &mut Findings<'_>) {
    for filter in &findings.input.inventory.envoy_filters {
        for (name, path) in &filter.filters {
            if let Some((_, new)) = GONE.iter().find(|(old, _)| *old == name.text) {
                let message = format!("no proxy has a filter `{}`: the patch does nothing", name.text);
                findings.in_object(
                    ("EnvoyFilter", &filter.meta),
                    name.at,
                    path.as_str(),
                    message,
                    format!("write `{new}`"),
                );
            } else if name.text == "envoy.filters.http.rbac" || name.text == "envoy.filters.network.rbac" {
                let message = "there can be several filters of this name, and none: which one is found depends on the policies";
                findings
                    .in_object(
                        ("EnvoyFilter", &filter.meta),
                        name.at,
                        path.as_str(),
                        message,
                        "place the patch by the router, or by a filter that is always there",
                    )
                    .severity(Severity::Warning);
            }
        }
    }
}
