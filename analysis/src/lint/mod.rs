//! Policies that Istio takes and that do not say what they seem to say.
//!
//! One file for each lint, with its own documentation in its [`Lint`]; what Istio's admission itself refuses or warns of
//! is found when policies are read. A lint reports only what the manifests at hand show: each says what it cannot see.

mod host_without_port;
mod http_on_tcp;
mod node_ports;
mod source_nat;
mod tls_towards_peers;

use gnomon_engine::{
    Diagnostic, Mesh, Position, Severity,
    resource::{AuthorizationPolicy, Labels, Meta, Resources, Target, TargetKind},
};
use gnomon_manifests::{
    Loaded,
    traffic::{Origin, Traffic},
};

/// A lint: what it looks for, and the words that explain it.
#[derive(Debug)]
pub struct Lint {
    /// The code of its findings.
    pub code: &'static str,
    /// What it finds, one sentence.
    pub what: &'static str,
    /// Why that is a trap, and what happens on the wire.
    pub why: &'static str,
    /// What to write in its place.
    pub instead: &'static str,
    /// What it cannot see.
    pub limits: &'static str,
    check: fn(&Input<'_>, &mut Vec<Diagnostic>),
}

/// All of them, by code.
pub const LINTS: &[Lint] = &[
    host_without_port::LINT,
    http_on_tcp::LINT,
    node_ports::LINT,
    source_nat::LINT,
    tls_towards_peers::LINT,
];

/// What a lint looks at.
struct Input<'l> {
    resources: &'l Resources,
    traffic: &'l Traffic,
    mesh: &'l Mesh,
}

/// What the lints find, in the order of the files, then of the text.
pub fn lint(loaded: &Loaded, mesh: &Mesh) -> Vec<Diagnostic> {
    let input = Input { resources: &loaded.resources, traffic: &loaded.traffic, mesh };
    let mut found = Vec::new();
    LINTS.iter().for_each(|lint| (lint.check)(&input, &mut found));
    loaded.sort(&mut found);
    found
}

/// A finding about a policy.
fn about(policy: &AuthorizationPolicy, code: &'static str, at: Position, field: String) -> Diagnostic {
    let Meta { namespace, name, file, .. } = &policy.meta;
    Diagnostic {
        severity: Severity::Warning,
        code,
        file: file.clone(),
        at,
        object: format!("AuthorizationPolicy {namespace}/{name}"),
        field,
        message: String::new(),
        help: String::new(),
    }
}

/// A finding about a traffic object.
fn about_origin(kind: &str, origin: &Origin, code: &'static str, at: Position, field: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code,
        file: origin.file.clone(),
        at,
        object: format!("{kind} {}/{}", origin.namespace, origin.name),
        field: field.into(),
        message: String::new(),
        help: String::new(),
    }
}

/// The policy names workloads that this selector names as well: at least one label is the same, none differs.
fn meets(policy: &AuthorizationPolicy, selector: &Labels) -> bool {
    let Target::Selector(own) = &policy.target else { return false };
    let shared = |(key, value): &&(String, String)| selector.iter().any(|(k, v)| k == key && v == value);
    let differs = |(key, value): &(String, String)| selector.iter().any(|(k, v)| k == key && v != value);
    own.iter().any(|label| shared(&label)) && !own.iter().any(differs)
}

/// The policy is for gateways: a `targetRef` says so, a Gateway at hand has its labels, or they are those that Istio's
/// own charts give to gateways (`istio: ingressgateway`, `app: istio-ingressgateway`).
fn is_for_gateway(policy: &AuthorizationPolicy, traffic: &Traffic) -> bool {
    match &policy.target {
        Target::Namespace => false,
        Target::Refs(refs) => refs.iter().any(|target| target.kind == TargetKind::Gateway),
        Target::Selector(labels) => {
            let usual = |(key, value): &(String, String)| {
                ["app", "istio"].contains(&key.as_str()) && value.ends_with("gateway")
            };
            labels.iter().any(usual)
                || traffic.gateways.iter().any(|gateway| meets(policy, &gateway.selector))
        }
    }
}
