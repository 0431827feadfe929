//! Resources back to manifests, as JSON: what was decoded, without what decoding left out.
//!
//! For configurations and suites that a program writes. `decode(manifest(x))` is `x`, but for positions.

use super::{
    Action, AuthorizationPolicy, FieldSet, JwtRule, Match, Meta, MtlsMode, PeerAuthentication, Presence,
    RequestAuthentication, Resources, Rule, Target, TargetKind, Text,
};
use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};
use serde_json::{Map, Value, json};

/// All of them: AuthorizationPolicies, RequestAuthentications, PeerAuthentications.
pub fn manifests(resources: &Resources) -> Vec<Value> {
    let authorization = resources.authorization.iter().map(authorization_policy);
    let request = resources.request_authentication.iter().map(request_authentication);
    let peer = resources.peer_authentication.iter().map(peer_authentication);
    authorization.chain(request).chain(peer).collect()
}

/// An object that leaves out what is empty, as people write it.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::String(text) => text.is_empty(),
            Value::Bool(value) => !value,
            Value::Object(_) | Value::Number(_) => false,
        };
        if !empty {
            self.0.insert(name.to_owned(), value);
        }
    }

    fn values(&mut self, name: &str, not_name: &str, values: &Match) {
        self.set(name, texts(&values.values));
        self.set(not_name, texts(&values.not_values));
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Value {
        Value::Object(object.0)
    }
}

fn texts(values: &[Text]) -> Value {
    values.iter().map(|value| Value::from(value.text.as_str())).collect()
}

fn object(kind: &str, meta: &Meta, dry_run: bool, spec: Object) -> Value {
    let mut metadata = Object::default();
    metadata.set("name", meta.name.as_str());
    metadata.set("namespace", meta.namespace.as_str());
    metadata.set("creationTimestamp", meta.creation_timestamp.as_deref());
    if dry_run {
        metadata.set("annotations", json!({"istio.io/dry-run": "true"}));
    }
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": kind,
        "metadata": Value::from(metadata),
        "spec": Value::from(spec),
    })
}

fn target(spec: &mut Object, target: &Target) {
    match target {
        Target::Namespace => {}
        Target::EmptySelector => spec.set("selector", json!({})),
        Target::Selector(labels) => spec.set("selector", json!({"matchLabels": map(labels)})),
        Target::Refs(refs) => {
            let refs = refs.iter().map(|target| {
                let (group, kind) = match target.kind {
                    TargetKind::Service => ("", "Service"),
                    TargetKind::ServiceEntry => ("networking.istio.io", "ServiceEntry"),
                    TargetKind::Gateway => ("gateway.networking.k8s.io", "Gateway"),
                    TargetKind::GatewayClass => ("gateway.networking.k8s.io", "GatewayClass"),
                };
                json!({"group": group, "kind": kind, "name": target.name})
            });
            spec.set("targetRefs", refs.collect::<Value>());
        }
    }
}

fn map(labels: &[(String, String)]) -> Value {
    labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>().into()
}

/// An AuthorizationPolicy.
pub fn authorization_policy(policy: &AuthorizationPolicy) -> Value {
    let mut spec = Object::default();
    target(&mut spec, &policy.target);
    match policy.action {
        Action::Allow => {}
        Action::Deny => spec.set("action", "DENY"),
        Action::Audit => spec.set("action", "AUDIT"),
        Action::Custom => spec.set("action", "CUSTOM"),
    }
    if let Some(provider) = &policy.provider {
        spec.set("provider", json!({"name": provider.text}));
    }
    spec.set("rules", policy.rules.iter().map(rule).collect::<Value>());
    object("AuthorizationPolicy", &policy.meta, policy.dry_run, spec)
}

fn rule(rule: &Rule) -> Value {
    let fields = |set: &FieldSet| {
        let mut fields = Object::default();
        for (attribute, values) in set.iter() {
            let (name, not_name) = attribute.row().field.unwrap_or_default();
            fields.values(name, not_name, values);
        }
        Value::from(fields)
    };
    let from = rule.from.iter().map(|source| json!({"source": fields(source)}));
    let to = rule.to.iter().map(|operation| json!({"operation": fields(operation)}));
    let when = rule.when.iter().map(|condition| {
        let mut fields = Object::default();
        fields.set("key", condition.key.text.as_str());
        fields.values("values", "notValues", &condition.values);
        Value::from(fields)
    });
    let mut fields = Object::default();
    fields.set("from", from.collect::<Value>());
    fields.set("to", to.collect::<Value>());
    fields.set("when", when.collect::<Value>());
    fields.into()
}

/// A RequestAuthentication.
pub fn request_authentication(policy: &RequestAuthentication) -> Value {
    let mut spec = Object::default();
    target(&mut spec, &policy.target);
    spec.set("jwtRules", policy.rules.iter().map(jwt_rule).collect::<Value>());
    object("RequestAuthentication", &policy.meta, false, spec)
}

fn jwt_rule(rule: &JwtRule) -> Value {
    let strings =
        |values: &[String]| values.iter().map(|value| Value::from(value.as_str())).collect::<Value>();
    let mut fields = Object::default();
    fields.set("issuer", rule.issuer.text.as_str());
    fields.set("audiences", strings(&rule.audiences));
    fields.set("jwks", rule.jwks.as_ref().map(|jwks| jwks.text.to_string()));
    fields.set("jwksUri", rule.jwks_uri.as_ref().map(|uri| uri.text.to_string()));
    let headers = rule.from_headers.iter().map(|header| {
        let mut fields = Object::default();
        fields.set("name", header.name.as_str());
        fields.set("prefix", header.prefix.as_str());
        Value::from(fields)
    });
    fields.set("fromHeaders", headers.collect::<Value>());
    fields.set("fromParams", strings(&rule.from_params));
    fields.set("fromCookies", strings(&rule.from_cookies));
    fields.set("forwardOriginalToken", rule.forward_original_token);
    fields.set("outputPayloadToHeader", rule.output_payload_to_header.as_deref());
    let claims = rule.output_claim_to_headers.iter();
    let claims = claims.map(|output| json!({"header": output.header, "claim": output.claim}));
    fields.set("outputClaimToHeaders", claims.collect::<Value>());
    fields.set("spaceDelimitedClaims", strings(&rule.space_delimited_claims));
    fields.set("timeout", rule.timeout.as_deref());
    if rule.presence == Presence::Required {
        fields.set("presence", "REQUIRED");
    }
    fields.into()
}

/// A PeerAuthentication.
pub fn peer_authentication(policy: &PeerAuthentication) -> Value {
    let mode = |mode: Option<MtlsMode>| match mode {
        None => "UNSET",
        Some(MtlsMode::Disable) => "DISABLE",
        Some(MtlsMode::Permissive) => "PERMISSIVE",
        Some(MtlsMode::Strict) => "STRICT",
    };
    let mut spec = Object::default();
    if let Some(labels) = &policy.selector {
        spec.set("selector", if labels.is_empty() { json!({}) } else { json!({"matchLabels": map(labels)}) });
    }
    if policy.mode.is_some() {
        spec.set("mtls", json!({"mode": mode(policy.mode)}));
    }
    if !policy.ports.is_empty() {
        let ports = policy.ports.iter().map(|(port, of)| (port.to_string(), json!({"mode": mode(*of)})));
        spec.set("portLevelMtls", Value::Object(ports.collect()));
    }
    object("PeerAuthentication", &policy.meta, false, spec)
}
