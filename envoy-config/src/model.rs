//! One rule as one RBAC policy (`pilot/pkg/security/authz/model`).

use super::{matcher, trust_domain};
use alloc::{string::String, vec, vec::Vec};
use gnomon_engine::{
    Mesh,
    attribute::{Attribute, Input, Kind, Part},
    resource::{Action, FieldSet, Match, Meta, Rule, Text},
    template::is_template,
};
use serde_json::{Value, json};

const JWT_FILTER: &str = "envoy.filters.http.jwt_authn";
/// The expansion of trust domains is repeated for conditions that several sources share; past this many values it
/// stops, where istiod would run out of memory.
const MAX_EXPANDED: usize = 256;

/// What chain the rules are for.
pub(super) struct Chain<'a> {
    /// A TCP chain has no HTTP attributes.
    pub(super) tcp: bool,
    /// The peer's identity is in filter state rather than in a certificate.
    pub(super) filter_state: bool,
    /// The ALLOW filter has its other name.
    pub(super) renames_allow: bool,
    pub(super) mesh: &'a Mesh,
}

/// A condition that cannot be built on this chain.
struct Unsupported;

/// A field or a condition, with its values.
#[derive(Clone)]
struct Field<'a> {
    attribute: Attribute,
    /// Of a condition, what stands in its key behind the beginning.
    rest: &'a str,
    values: Vec<String>,
    not_values: Vec<String>,
}

/// Permissions and principals have the same algebra under different names.
#[derive(Clone, Copy)]
struct Names {
    and: &'static str,
    or: &'static str,
    not: &'static str,
    set: &'static str,
}

const PERMISSION: Names = Names { and: "andRules", or: "orRules", not: "notRule", set: "rules" };
const PRINCIPAL: Names = Names { and: "andIds", or: "orIds", not: "notId", set: "ids" };

/// The RBAC policy of a rule; `None` where an ALLOW rule has a part that this chain cannot express. For all other
/// actions just that part is left out, which widens the rule.
pub(super) fn policy(meta: &Meta, rule: &Rule, action: Action, chain: &Chain<'_>) -> Option<Value> {
    let mut permission_conditions = Vec::new();
    let mut principal_conditions = Vec::new();
    for condition in &rule.when {
        let (attribute, rest) = Attribute::of_key(&condition.key.text)?;
        let field = field(attribute, rest, &condition.values);
        match attribute.row().part {
            Part::Operation => permission_conditions.extend(field),
            Part::Source => principal_conditions.extend(field),
        }
    }
    let domains = trust_domain::all(chain.mesh);
    // istiod's sources share their conditions, so that each expands them once more.
    for _ in 0..rule.from.len().max(1) {
        principal_conditions.iter_mut().for_each(|field| expand(field, &domains));
    }

    let mut principals = Vec::new();
    for source in &rule.from {
        let mut fields = fields(source);
        fields.iter_mut().for_each(|field| expand(field, &domains));
        fields.extend(principal_conditions.iter().cloned());
        principals.push(all(&fields, PRINCIPAL, meta, action, chain).ok()?);
    }
    if rule.from.is_empty() {
        principals.push(all(&principal_conditions, PRINCIPAL, meta, action, chain).ok()?);
    }
    let mut permissions = Vec::new();
    for operation in &rule.to {
        let mut fields = fields(operation);
        fields.extend(permission_conditions.iter().cloned());
        permissions.push(all(&fields, PERMISSION, meta, action, chain).ok()?);
    }
    if rule.to.is_empty() {
        permissions.push(all(&permission_conditions, PERMISSION, meta, action, chain).ok()?);
    }
    Some(json!({ "permissions": permissions, "principals": principals }))
}

/// What a policy without rules becomes.
pub(super) fn never() -> Value {
    json!({ "permissions": [{ "notRule": { "any": true } }], "principals": [{ "notId": { "any": true } }] })
}

fn fields(set: &FieldSet) -> Vec<Field<'_>> {
    set.iter().filter_map(|(attribute, values)| field(attribute, "", values)).collect()
}

fn field<'a>(attribute: Attribute, rest: &'a str, values: &Match) -> Option<Field<'a>> {
    let texts = |values: &[Text]| values.iter().map(|value| value.text.clone()).collect();
    let field =
        Field { attribute, rest, values: texts(&values.values), not_values: texts(&values.not_values) };
    if values.is_empty() { None } else { Some(field) }
}

fn expand(field: &mut Field<'_>, domains: &[&str]) {
    let expand = match field.attribute.row().kind {
        Kind::Principal => trust_domain::expand_principals,
        Kind::TrustDomain => trust_domain::expand_domains,
        _ => return,
    };
    for values in [&mut field.values, &mut field.not_values] {
        if values.len() <= MAX_EXPANDED {
            *values = expand(values, domains);
        }
    }
}

/// All of these fields; none: any.
fn all(
    fields: &[Field<'_>],
    names: Names,
    meta: &Meta,
    action: Action,
    chain: &Chain<'_>,
) -> Result<Value, Unsupported> {
    let mut parts = Vec::new();
    for field in fields {
        for (values, negated) in [(&field.values, false), (&field.not_values, true)] {
            if values.is_empty() {
                continue;
            }
            let part = match field.matcher(values, names, meta, action, chain) {
                Ok(part) => part,
                Err(Unsupported) if action == Action::Allow => return Err(Unsupported),
                Err(Unsupported) => None,
            };
            parts.extend(part.map(|part| if negated { json!({ names.not: part }) } else { part }));
        }
    }
    if parts.is_empty() {
        parts.push(json!({ "any": true }));
    }
    Ok(json!({ names.and: { names.set: parts } }))
}

impl Field<'_> {
    /// Any of `values`; `None` where nothing is left of them.
    fn matcher(
        &self,
        values: &[String],
        names: Names,
        meta: &Meta,
        action: Action,
        chain: &Chain<'_>,
    ) -> Result<Option<Value>, Unsupported> {
        let row = self.attribute.row();
        if chain.tcp && row.http_only {
            return Err(Unsupported);
        }
        let together = match row.kind {
            Kind::Metadata => Some(self.filter_metadata(values)?),
            Kind::RequestPrincipal => Some(request_principals(values)),
            Kind::Claim if row.name.is_empty() => {
                Some(claim(&nested_names(self.rest).ok_or(Unsupported)?, values))
            }
            Kind::Claim => Some(claim(&[row.name], values)),
            _ => None,
        };
        if together.is_some() {
            return Ok(together);
        }
        let mut any = Vec::with_capacity(values.len());
        for value in values {
            match self.single(value, meta, chain) {
                Some(matcher) => any.push(matcher),
                None if action == Action::Allow => return Err(Unsupported),
                None => {}
            }
        }
        Ok(if any.is_empty() { None } else { Some(json!({ names.or: { names.set: any } })) })
    }

    /// One value; `None` where it cannot be built.
    fn single(&self, value: &str, meta: &Meta, chain: &Chain<'_>) -> Option<Value> {
        let peer = |name: Value| match chain.filter_state {
            true => json!({ "filterState": { "key": "io.istio.peer_principal", "stringMatch": name } }),
            false => json!({ "authenticated": { "principalName": name } }),
        };
        let version = chain.mesh.istio_version;
        let row = self.attribute.row();
        Some(match row.kind {
            Kind::Host => json!({ "header": matcher::header(":authority", value, true) }),
            Kind::Header if row.name.is_empty() => {
                json!({ "header": matcher::header(bracketed(self.rest)?, value, false) })
            }
            Kind::Header => json!({ "header": matcher::header(row.name, value, false) }),
            Kind::Path if is_template(value) => json!({ "uriTemplate": matcher::uri_template(value) }),
            Kind::Path => json!({ "urlPath": { "path": matcher::string(value) } }),
            Kind::Port => json!({ "destinationPort": value.parse::<u16>().ok()? }),
            Kind::Text => json!({ "requestedServerName": matcher::string(value) }),
            Kind::Principal => peer(matcher::spiffe(value, version)),
            Kind::ServiceAccount => peer(matcher::service_account(value, &meta.namespace, version)),
            Kind::TrustDomain => peer(matcher::trust_domain(value)),
            Kind::Namespace => peer(matcher::namespace(value, version)),
            Kind::Cidr => {
                let rule = match row.input {
                    Input::SourceIp => "directRemoteIp",
                    Input::RemoteIp => "remoteIp",
                    _ => "destinationIp",
                };
                json!({ rule: matcher::cidr(value)? })
            }
            Kind::Metadata | Kind::RequestPrincipal | Kind::Claim => return None,
        })
    }

    /// `experimental.envoy.filters.F[K]`; a value in brackets asks for an element of a list.
    fn filter_metadata(&self, values: &[String]) -> Result<Value, Unsupported> {
        let rest = self.rest.strip_suffix(']').unwrap_or(self.rest);
        let (filter, key) = rest.split_once('[').ok_or(Unsupported)?;
        let filter = ["envoy.filters.", filter].concat();
        let values = values
            .iter()
            .map(|value| match value.starts_with('[') && value.ends_with(']') {
                true => {
                    let inner = matcher::string(value.trim_matches(['[', ']']));
                    json!({ "listMatch": { "oneOf": { "stringMatch": inner } } })
                }
                false => json!({ "stringMatch": matcher::string(value) }),
            })
            .collect();
        Ok(json!({ "metadata": matcher::metadata(&filter, [key], matcher::any_value(values)) }))
    }
}

/// A claim that is a string or a list, of a verified token.
fn claim(path: &[&str], values: &[String]) -> Value {
    let path = ["payload"].into_iter().chain(path.iter().copied());
    json!({ "metadata": matcher::metadata(JWT_FILTER, path, matcher::claim_value(values)) })
}

/// `iss/sub`, split at the last slash: an issuer may be a URL. A leading `*` outranks a trailing one.
fn request_principals(values: &[String]) -> Value {
    let any = || matcher::regex(".+");
    let exact = |value: &str| json!({ "exact": value });
    let mut or = Vec::with_capacity(values.len());
    for value in values {
        let split = value.rsplit_once('/');
        let (issuer, subject) = if value == "*" {
            (any(), any())
        } else if let Some(rest) = value.strip_prefix('*') {
            match split {
                Some(("*", subject)) => (any(), exact(subject)),
                Some((issuer, subject)) => {
                    (json!({ "suffix": issuer.strip_prefix('*').unwrap_or(issuer) }), exact(subject))
                }
                None => (any(), json!({ "suffix": rest })),
            }
        } else if let Some(rest) = value.strip_suffix('*') {
            match split {
                Some((issuer, "*")) => (exact(issuer), any()),
                Some((issuer, subject)) => {
                    (exact(issuer), json!({ "prefix": subject.strip_suffix('*').unwrap_or(subject) }))
                }
                None => (json!({ "prefix": rest }), any()),
            }
        } else {
            let (issuer, subject) = split.unwrap_or((value, ""));
            (exact(issuer), exact(subject))
        };
        let part = |claim: &str, value: Value| json!({ "metadata": matcher::metadata(JWT_FILTER, ["payload", claim], json!({ "stringMatch": value })) });
        or.push(json!({ "andIds": { "ids": [part("iss", issuer), part("sub", subject)] } }));
    }
    match (or.len(), or.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            or.extend(last);
            json!({ "orIds": { "ids": or } })
        }
    }
}

/// `[name]`
fn bracketed(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// `[a][b]`; what is not so formed is one name with brackets in it.
fn nested_names(text: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let well_formed = rest
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .filter(|(name, _)| !name.contains('['));
        match well_formed {
            Some((name, after)) => {
                names.push(name);
                rest = after;
            }
            None => return bracketed(text).map(|name| vec![name]),
        }
    }
    Some(names)
}
