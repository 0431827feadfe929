//! Manifests written by the engine are read back as they were.

use gnomon_engine::{
    Node, Severity, decode,
    resource::{Resources, manifest::manifests},
};
use serde_json::{Value, json};

fn decoded(manifests: &[Value]) -> Resources {
    let mut resources = Resources::default();
    let mut diagnostics = Vec::new();
    for manifest in manifests {
        let Ok(node) = serde_json::from_value::<Node>(manifest.clone()) else { continue };
        decode::object(&node, &"".into(), &mut resources, &mut diagnostics);
    }
    diagnostics.retain(|found| found.severity == Severity::Error);
    assert_eq!(diagnostics, []);
    resources
}

#[test]
fn every_field_survives() {
    let selector = json!({"matchLabels": {"app": "a", "tier": ""}});
    let full = [
        json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "a", "namespace": "n", "creationTimestamp": "2025-01-01T00:00:00Z",
                "annotations": {"istio.io/dry-run": "true"}},
            "spec": {"selector": selector, "action": "DENY", "rules": [{}, {
                "from": [
                    {"source": {"principals": ["p"], "notPrincipals": ["q"], "namespaces": ["n"], "notNamespaces": ["m"],
                        "requestPrincipals": ["i/s"], "notRequestPrincipals": ["*"], "ipBlocks": ["10.0.0.0/8"],
                        "notIpBlocks": ["10.0.0.1"], "remoteIpBlocks": ["::1"], "notRemoteIpBlocks": ["::2"],
                        "trustDomains": ["td"], "notTrustDomains": ["*x"]}},
                    {"source": {"serviceAccounts": ["a/b"], "notServiceAccounts": ["c"]}}],
                "to": [{"operation": {"hosts": ["h"], "notHosts": ["g"], "ports": ["80"], "notPorts": ["81"],
                    "methods": ["GET"], "notMethods": ["PUT"], "paths": ["/a/{*}"], "notPaths": ["/b*"]}}],
                "when": [{"key": "request.headers[x]", "values": ["1"], "notValues": ["2"]}]}]}}),
        json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "c", "namespace": "n"},
            "spec": {"targetRefs": [
                    {"group": "", "kind": "Service", "name": "s"},
                    {"group": "networking.istio.io", "kind": "ServiceEntry", "name": "e"},
                    {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}],
                "action": "CUSTOM", "provider": {"name": "p"}, "rules": [{}]}}),
        json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "nothing", "namespace": "n"}, "spec": {}}),
        json!({"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"name": "r", "namespace": "n"},
            "spec": {"jwtRules": [
                {"issuer": "i", "audiences": ["x"], "jwks": "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
                    "fromHeaders": [{"name": "h", "prefix": "P "}, {"name": "k"}], "fromParams": ["p"],
                    "fromCookies": ["c"], "forwardOriginalToken": true, "outputPayloadToHeader": "o",
                    "outputClaimToHeaders": [{"header": "a", "claim": "b"}], "spaceDelimitedClaims": ["s"],
                    "timeout": "3s", "presence": "REQUIRED"},
                {"issuer": "j", "jwksUri": "https://example.com/keys"}]}}),
        json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"name": "w", "namespace": "n"},
            "spec": {"selector": selector, "mtls": {"mode": "STRICT"},
                "portLevelMtls": {"80": {"mode": "DISABLE"}, "81": {"mode": "UNSET"}}}}),
        json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"name": "m", "namespace": "n"}, "spec": {"selector": {}}}),
    ];
    let written = manifests(&decoded(&full));
    for (manifest, expected) in written.iter().zip(&full) {
        assert_eq!(manifest, expected);
    }
    assert_eq!(written.len(), full.len());
    assert_eq!(manifests(&decoded(&written)), written);
}
