use crate::lint::{
    Example, Group, Lint,
    context::may_meet,
    walk::{Findings, Looks},
};
use gnomon_engine::{Severity, resource::Target};
use gnomon_manifests::inventory::Gateway;

pub(in crate::lint) const LINT: Lint = Lint {
    code: "claim-route-without-authentication",
    group: Group::Tokens,
    severity: Severity::Error,
    since: None,
    what: documented!(
        "A route is chosen by a claim, and no RequestAuthentication verifies tokens at its gateway."
    ),
    why: documented!(
        "`@request.auth.claims` is there only after the gateway has verified a token. Without that the \
        match never holds, and the request takes another route."
    ),
    instead: documented!("Add a RequestAuthentication for the gateway's workload."),
    limits: documented!(
        "Gateways that are among the manifests, and RequestAuthentications of any namespace whose \
        selector can meet the gateway's. For gateways elsewhere it is reported only where there is no \
        RequestAuthentication at all."
    ),
    source: documented!("https://istio.io/latest/docs/reference/config/analysis/ist0149/"),
    example: documented!(example: Example {
        bad: concat!(
            "",
            object!(
                "networking.istio.io/v1",
                "VirtualService",
                "name: v, namespace: shop",
                r#"{hosts: [shop.test], gateways: [front], http: [{match: [{headers: {"@request.auth.claims.group": {exact: admin}}}], route: [{destination: {host: admin}}]}]}"#
            ),
            object!(
                "networking.istio.io/v1",
                "Gateway",
                "name: front, namespace: shop",
                "{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.test]}]}"
            )
        ),
        good: concat!(
            "",
            object!(
                "networking.istio.io/v1",
                "VirtualService",
                "name: v, namespace: shop",
                r#"{hosts: [shop.test], gateways: [front], http: [{match: [{headers: {"@request.auth.claims.group": {exact: admin}}}], route: [{destination: {host: admin}}]}]}"#
            ),
            object!(
                "networking.istio.io/v1",
                "Gateway",
                "name: front, namespace: shop",
                "{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.test]}]}"
            ),
            object!(
                "security.istio.io/v1",
                "RequestAuthentication",
                "name: gw, namespace: istio-system",
                r#"{selector: {matchLabels: {istio: ingressgateway}}, jwtRules: [{issuer: "https://issuer.test"}]}"#
            )
        ),
        request: None,
    }),
    looks: Looks { all: Some(all), ..Looks::NOWHERE },
};

fn all(findings: &mut Findings<'_>) {
    let input = findings.input;
    let rules = &input.resources.request_authentication;
    for service in &input.inventory.virtual_services {
        let Some(claim) = service.claims.first() else { continue };
        let object = ("VirtualService", &service.meta);
        if service.gateways.iter().all(|gateway| gateway == "mesh") {
            let message =
                format!("`{}` is known at gateways alone, and this route is for sidecars", claim.text);
            findings.in_object(
                object,
                claim.at,
                "spec.http",
                message,
                "name the gateways, or route by something else",
            );
            continue;
        }
        let named = |gateway: &&Gateway| {
            let full = format!("{}/{}", gateway.meta.namespace, gateway.meta.name);
            service.gateways.iter().any(|name| {
                *name == full
                    || (*name == gateway.meta.name && service.meta.namespace == gateway.meta.namespace)
            })
        };
        let gateway = input.inventory.gateways.iter().find(named);
        let verified = match gateway {
            Some(gateway) => {
                let target = Target::Selector(gateway.selector.clone());
                rules.iter().any(|rule| may_meet(&target, &rule.target))
            }
            None => !rules.is_empty(),
        };
        if verified {
            continue;
        }
        let message = format!(
            "no RequestAuthentication among the manifests verifies tokens at the gateway, so that there is no `{}`",
            claim.text
        );
        let found = findings.in_object(
            object,
            claim.at,
            "spec.http",
            message,
            "add a RequestAuthentication for the gateway's workload",
        );
        if let Some(gateway) = gateway {
            found.see_object("Gateway", &gateway.meta);
        }
    }
}
