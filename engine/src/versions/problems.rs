//! What an older Istio does to policies, for people.

use super::{
    has_a_field, has_gateway_class_targets, has_key, has_presence, has_rules_without_issuer,
    has_space_delimited_claims, pruned,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    node::Position,
    resource::{Meta, Presence, Resources, Target, TargetKind},
    workload::IstioVersion,
};
use alloc::{format, string::String, vec::Vec};

/// What [`known`](super::known) makes of the policies, one finding for each thing that is lost: an error where istiod of that
/// version refuses the policy, a warning where it takes less than what is written.
///
/// `presence: REQUIRED` and `spaceDelimitedClaims`, which are cut away as well, are among the warnings.
pub fn problems(resources: &Resources, version: IstioVersion) -> Vec<Diagnostic> {
    let mut found = Found { version, all: Vec::new() };
    for policy in &resources.authorization {
        let object = Object { kind: "AuthorizationPolicy", meta: &policy.meta };
        found.target(&object, &policy.target);
        for (index, rule) in policy.rules.iter().enumerate() {
            let from = rule.from.iter().enumerate();
            let from = from.map(|(number, set)| (set, format!("from[{number}].source"), "source"));
            let to = rule.to.iter().enumerate();
            let to = to.map(|(number, set)| (set, format!("to[{number}].operation"), "operation"));
            for (set, path, what) in from.chain(to) {
                let empty = !has_a_field(set, version);
                for (attribute, values) in pruned(set, version) {
                    let (name, _) = attribute.row().field.unwrap_or_default();
                    let at =
                        values.values.first().or(values.not_values.first()).map_or(set.at, |text| text.at);
                    let path = format!("spec.rules[{index}].{path}.{name}");
                    match empty {
                        true => {
                            let why = format!("does not know `{name}`, and the {what} says nothing else");
                            found.refused(&object, at, path, why);
                        }
                        false => {
                            let why = format!("does not know `{name}`: the rule means more than it says");
                            found.cut(&object, at, path, why);
                        }
                    }
                }
            }
            for (number, condition) in rule.when.iter().enumerate() {
                if !has_key(&condition.key.text, version) {
                    let path = format!("spec.rules[{index}].when[{number}].key");
                    let why = format!("does not know the attribute `{}`", condition.key.text);
                    found.refused(&object, condition.key.at, path, why);
                }
            }
        }
    }
    for policy in &resources.request_authentication {
        let object = Object { kind: "RequestAuthentication", meta: &policy.meta };
        found.target(&object, &policy.target);
        for (index, rule) in policy.rules.iter().enumerate() {
            let path = format!("spec.jwtRules[{index}]");
            if rule.issuer.text.is_empty() && !has_rules_without_issuer(version) {
                found.refused(&object, rule.at, path.clone(), "wants an issuer in every rule".into());
            }
            if !rule.space_delimited_claims.is_empty() && !has_space_delimited_claims(version) {
                let path = format!("{path}.spaceDelimitedClaims");
                let why = "does not know `spaceDelimitedClaims`: only scope and permission are split";
                found.cut(&object, rule.at, path, why.into());
            }
            if rule.presence == Presence::Required && !has_presence(version) {
                let why = "does not know `presence`: a request without a token passes";
                found.cut(&object, rule.at, format!("{path}.presence"), why.into());
            }
        }
    }
    found.all
}

struct Object<'m> {
    kind: &'static str,
    meta: &'m Meta,
}

struct Found {
    version: IstioVersion,
    all: Vec<Diagnostic>,
}

impl Found {
    fn target(&mut self, object: &Object<'_>, target: &Target) {
        let Target::Refs(refs) = target else { return };
        if has_gateway_class_targets(self.version) {
            return;
        }
        for (index, target) in
            refs.iter().enumerate().filter(|(_, target)| target.kind == TargetKind::GatewayClass)
        {
            let why = "does not know targets of kind GatewayClass".into();
            self.refused(object, target.at, format!("spec.targetRefs[{index}]"), why);
        }
    }

    fn refused(&mut self, object: &Object<'_>, at: Position, field: String, why: String) {
        self.add(Severity::Error, object, at, field, why, "its admission refuses the policy");
    }

    fn cut(&mut self, object: &Object<'_>, at: Position, field: String, why: String) {
        self.add(Severity::Warning, object, at, field, why, "its API server cuts the field away");
    }

    fn add(
        &mut self,
        severity: Severity,
        object: &Object<'_>,
        at: Position,
        field: String,
        why: String,
        help: &str,
    ) {
        self.all.push(Diagnostic {
            severity,
            code: "unknown-to-version",
            file: object.meta.file.clone(),
            at,
            object: format!("{} {}/{}", object.kind, object.meta.namespace, object.meta.name),
            field,
            message: format!("Istio {} {why}", self.version),
            help: help.into(),
        });
    }
}
