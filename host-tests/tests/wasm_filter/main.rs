//! The built filter under our own proxy-wasm host.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code may be blunt"
)]

mod calls;
mod configuration;
mod corpus;
mod enforced;
mod generations;
mod instructions;
mod key_sets;
mod reported;
mod reports;
mod safety;
mod scale;
mod secrets;
mod software_crypto;
#[path = "../support/mod.rs"]
mod support;
mod verdicts;

use gnomon_engine::{
    Diagnostic, Node, Plan, Request, decode,
    jwt::SoftwareCrypto,
    request::{Input, Peer},
    resource::Resources,
};
use gnomon_host_tests::{
    Ca, Names,
    tokens::{self, TestKey},
};
use serde_json::{Value, json};
use support::wasm_host::{Artefact, Fault, Property, Steps, WasmHost};

const NONE: &str = "rbac_access_denied_matched_policy[none]";

fn policy(name: &str, action: &str, rules: Value) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"action": action, "rules": rules},
    })
}

fn authentication(key: TestKey) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
        "metadata": {"name": "jwt", "namespace": "shop"},
        "spec": {"jwtRules": [{"issuer": "me", "jwks": key.jwks()}]},
    })
}

fn configuration(resources: Value) -> Value {
    json!({
        "candidate": {"resources": resources},
        "workload": {"namespace": "shop", "labels": {"app": "web"}},
        "report": {"filterState": "all"},
    })
}

/// A policy of every dimension.
fn varied() -> Value {
    json!([
        policy(
            "read",
            "ALLOW",
            json!([
                {"to": [{"operation": {"methods": ["GET"], "paths": ["/api/*"]}}]},
                {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/cart"]}}], "to": [{"operation": {"paths": ["/cart"]}}]},
                {"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}], "to": [{"operation": {"paths": ["/ip"]}}]},
                {"from": [{"source": {"remoteIpBlocks": ["203.0.113.0/24"]}}], "to": [{"operation": {"paths": ["/remote"]}}]},
                {"to": [{"operation": {"ports": ["8080"], "paths": ["/port"]}}]},
                {"to": [{"operation": {"paths": ["/sni"]}}], "when": [{"key": "connection.sni", "values": ["a.example"]}]},
                {"to": [{"operation": {"paths": ["/h"]}}], "when": [{"key": "request.headers[x-a]", "values": ["1"]}]},
                {"to": [{"operation": {"paths": ["/m"]}}],
                 "when": [{"key": "experimental.envoy.filters.x[k]", "values": ["v"]}]},
            ])
        ),
        policy(
            "never",
            "DENY",
            json!([
                {"to": [{"operation": {"paths": ["/secret*"]}}]},
                {"from": [{"source": {"notPrincipals": ["*"]}}], "to": [{"operation": {"paths": ["/mesh-only"]}}]},
            ])
        ),
    ])
}

fn get(host: &mut WasmHost, path: &str) {
    host.state().set_headers(&[
        (":method", b"GET"),
        (":path", path.as_bytes()),
        (":authority", b"web.shop"),
        (":scheme", b"http"),
    ]);
}

/// Sends what the state describes and gives back the filter state that it leaves.
fn verdict(host: &mut WasmHost) -> Value {
    host.state().forget();
    host.request(Steps::All).expect("no trap");
    host.state().verdict()
}
