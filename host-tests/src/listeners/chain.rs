//! Filter chains with policies in them.

use super::draw::put;
use crate::conformance::Random;
use serde_json::{Value, json};

/// The client's identity in mutual TLS.
pub(super) const CLIENT: &str = "cluster.local/ns/web/sa/client";

/// Stands in the transport socket of a chain that ends TLS, until there are certificates.
pub(super) const SERVER: &str = "(server)";

/// The chains of a listener so far.
#[derive(Default)]
pub(super) struct Building {
    pub(super) chains: Vec<Value>,
}

impl Building {
    /// One more. istiod gives all chains of a port one name; here a number tells them apart.
    pub(super) fn chain(
        &mut self,
        random: &mut Random,
        name: &str,
        matching: Value,
        http: bool,
        mutual: bool,
    ) {
        self.add(random, name, matching, http, mutual.then_some(true));
    }

    /// One that ends TLS without asking for a certificate.
    pub(super) fn one_way(&mut self, random: &mut Random, name: &str, matching: Value, http: bool) {
        self.add(random, name, matching, http, Some(false));
    }

    fn add(&mut self, random: &mut Random, name: &str, matching: Value, http: bool, tls: Option<bool>) {
        let number = self.chains.len();
        let mut chain = json!({"name": format!("{name}#{number}"), "filters": filters(random, number, http)});
        if !matching.is_null() {
            put(&mut chain, "filterChainMatch", matching);
        }
        if let Some(mutual) = tls {
            let socket = json!({"name": "envoy.transport_sockets.tls", "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "requireClientCertificate": mutual,
                "commonTlsContext": {"tlsCertificates": SERVER, "alpnProtocols": ["h2", "http/1.1"]},
            }});
            put(&mut chain, "transportSocket", socket);
        }
        self.chains.push(chain);
    }

    /// The chain for connections to the listener's own port.
    pub(super) fn black_hole(&mut self, port: u16) {
        self.chains.push(json!({
            "name": "virtualInbound-blackhole", "filterChainMatch": {"destinationPort": port},
            "filters": [{"name": "envoy.filters.network.tcp_proxy", "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "statPrefix": "BlackHoleCluster", "cluster": "BlackHoleCluster",
            }}],
        }));
    }

    /// The name of the last one.
    pub(super) fn last(&self) -> String {
        let name = self.chains.last().and_then(|chain| chain.get("name")).and_then(Value::as_str);
        name.unwrap_or_default().into()
    }
}

/// Up to two RBAC filters whose answers depend on the connection, and an end that answers.
fn filters(random: &mut Random, number: usize, http: bool) -> Value {
    let mut rbac = Vec::new();
    if random.chance(50) {
        rbac.push(filter(random, &format!("deny-{number}"), "DENY", http));
    }
    if random.chance(40) {
        rbac.push(filter(random, &format!("allow-{number}"), "ALLOW", http));
    }
    if !http {
        rbac.push(json!({"name": "envoy.filters.network.echo", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo",
        }}));
        return json!(rbac);
    }
    rbac.push(json!({"name": "envoy.filters.http.router", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    }}));
    json!([{"name": "envoy.filters.network.http_connection_manager", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "statPrefix": "http", "normalizePath": true, "httpFilters": rbac,
        "routeConfig": {"virtualHosts": [{"name": "all", "domains": ["*"], "routes": [{
            "match": {"prefix": "/"}, "directResponse": {"status": 200},
        }]}]},
    }}])
}

fn filter(random: &mut Random, policy: &str, action: &str, http: bool) -> Value {
    let permission = match random.below(if http { 5 } else { 3 }) {
        0 => json!({"any": true}),
        1 => json!({"destinationPort": random.pick(&[80, 8080, 5000])}),
        2 => json!({"requestedServerName": {"exact": random.pick(&["a.com", "b.a.com"])}}),
        _ => json!({"urlPath": {"path": {"prefix": "/admin"}}}),
    };
    let principal = match random.below(5) {
        0 => json!({"any": true}),
        1 => json!({"authenticated": {}}),
        2 => json!({"notId": {"authenticated": {"principalName": {"exact": format!("spiffe://{CLIENT}")}}}}),
        3 => json!({"remoteIp": {"addressPrefix": "10.1.0.0", "prefixLen": 16}}),
        _ => json!({"authenticated": {"principalName": {"exact": format!("spiffe://{CLIENT}")}}}),
    };
    let kind = if http { "http" } else { "network" };
    let mut config = json!({
        "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.rbac.v3.RBAC"),
        "rules": {"action": action, "policies": {policy: {"permissions": [permission], "principals": [principal]}}},
    });
    if !http {
        put(&mut config, "statPrefix", "tcp.".into());
    }
    json!({"name": format!("envoy.filters.{kind}.rbac"), "typedConfig": config})
}
