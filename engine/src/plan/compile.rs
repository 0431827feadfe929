//! AuthorizationPolicy rules → compiled rules, for Envoy's HTTP and TCP chains.
//!
//! What istiod's generator does (`pilot/pkg/security/authz/model`), with its two ways of dealing with what a chain
//! cannot express: an ALLOW rule is dropped as a whole (fewer requests allowed), any other rule loses just that
//! condition (more requests refused).

use super::{
    clause::{Asked, Clause},
    matcher::{Matcher, PathPattern},
    rule::{Dropped, Named, Origin, Rule, rule_id},
    trust_domain::TrustDomains,
};
use crate::{
    address::parse_cidr,
    attribute::{Attribute, FieldPath, Input, Key, Kind, Row, Written},
    pattern::{Pattern, PeerPattern},
    request::Protocol,
    resource::{Action, FieldSet, Match, Text},
    template::{Template, is_template},
    versions,
    workload::IstioVersion,
};
use alloc::{boxed::Box, format, string::String, vec, vec::Vec};

/// Where and for what rules are compiled.
pub(crate) struct Compiler<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) trust_domains: &'a TrustDomains,
    /// A waypoint listens on an internal address: `ipBlocks` sees no IP address.
    pub(crate) waypoint: bool,
    /// How names are quoted.
    pub(crate) version: IstioVersion,
}

/// What becomes of one list of values: how they are compared and, where the attribute does not say it, of what (the
/// header, the path to the claim, the filter and its key). The error: why the chain cannot say it.
type Compiled = Result<(Matcher, Box<[Box<str>]>), String>;

/// Alternatives.
type Groups = Box<[Box<[Clause]>]>;

impl<'a> Compiler<'a> {
    /// All rules of a policy; one that never matches where it has none.
    pub(crate) fn policy(&self, (policy, name): &Named<'_>, prefix: &str) -> Vec<Result<Rule, Dropped>> {
        if policy.rules.is_empty() {
            return vec![Ok(Rule {
                id: rule_id(&policy.meta, 0, prefix),
                origin: Origin { policy: name.clone(), index: 0, at: policy.meta.at },
                from: Box::default(),
                to: Box::default(),
                when: [Clause::never("rules", policy.meta.at)].into(),
                notes: vec!["the policy has no rules, so it matches nothing".into()],
            })];
        }
        let rules = policy.rules.iter().enumerate();
        rules
            .map(|(index, rule)| {
                let id = rule_id(&policy.meta, index, prefix);
                let origin = Origin { policy: name.clone(), index, at: rule.at };
                let mut building = Building { action: policy.action, notes: pruned(rule, self.version) };
                let parts = self.parts(rule, &policy.meta.namespace, &mut building);
                match parts {
                    Ok((from, to, when)) => Ok(Rule { id, origin, from, to, when, notes: building.notes }),
                    Err(reason) => Err(Dropped { origin, dry_run: policy.dry_run, reason: reason.into() }),
                }
            })
            .collect()
    }

    fn parts(
        &self,
        rule: &crate::resource::Rule,
        namespace: &str,
        building: &mut Building,
    ) -> Result<(Groups, Groups, Box<[Clause]>), String> {
        let mut when = Vec::new();
        for condition in &rule.when {
            let key = condition.key.text.as_str();
            match Attribute::of_key(key) {
                Some((attribute, _)) => {
                    let written = Written::Key(key);
                    self.clauses(attribute, written, &condition.values, namespace, building, &mut when)?;
                }
                None => {
                    let why = format!("`{key}` is not an attribute");
                    building.unsupported(format_args!("when[{key}]"), &why)?;
                }
            }
        }
        let mut groups = |sets: &[FieldSet]| -> Result<Groups, String> {
            sets.iter().map(|set| self.group(set, namespace, building)).collect()
        };
        Ok((groups(&rule.from)?, groups(&rule.to)?, when.into()))
    }

    fn group(
        &self,
        set: &FieldSet,
        namespace: &str,
        building: &mut Building,
    ) -> Result<Box<[Clause]>, String> {
        let mut clauses = Vec::new();
        for (attribute, values) in set.iter() {
            self.clauses(attribute, Written::Field, values, namespace, building, &mut clauses)?;
        }
        Ok(clauses.into())
    }

    /// A field or key and its `not` twin.
    fn clauses(
        &self,
        attribute: Attribute,
        written: Written<'_>,
        values: &Match,
        namespace: &str,
        building: &mut Building,
        clauses: &mut Vec<Clause>,
    ) -> Result<(), String> {
        for (values, negated) in [(&values.values, false), (&values.not_values, true)] {
            if values.is_empty() {
                continue;
            }
            let path = FieldPath { attribute, written, negated };
            match self.compile(attribute, written, values, namespace) {
                Ok((matcher, name)) => clauses.push(Clause::new(matcher, Asked { path, name, values })),
                Err(why) => building.unsupported(format_args!("{path}"), &why)?,
            }
        }
        Ok(())
    }

    fn compile(
        &self,
        attribute: Attribute,
        written: Written<'_>,
        values: &[Text],
        namespace: &str,
    ) -> Compiled {
        let row = attribute.row();
        if row.http_only && self.protocol == Protocol::Tcp {
            return Err("it is HTTP only".into());
        }
        let name = name(row, written)?;
        if self.waypoint && !row.on_waypoint {
            return Ok((Matcher::Never, name));
        }
        Ok((self.matcher(row.kind, values, namespace)?, name))
    }

    fn matcher(&self, kind: Kind, values: &[Text], namespace: &str) -> Result<Matcher, String> {
        let literal = versions::quotes_names(self.version);
        let texts = || values.iter().map(|value| value.text.as_str());
        Ok(match kind {
            Kind::Text | Kind::Claim => Matcher::Text(patterns(values)),
            Kind::Header => Matcher::Header(patterns(values)),
            Kind::Host => Matcher::Host(patterns(values)),
            // A template that Envoy cannot load matches nothing here.
            Kind::Path => Matcher::Path(texts().filter_map(path).collect()),
            Kind::Cidr => {
                let nets = texts().map(|text| parse_cidr(text).ok()).collect::<Option<_>>();
                Matcher::Ip(nets.ok_or("a value is not an IP address or CIDR range")?)
            }
            Kind::Port => {
                let ports = texts().map(port).collect::<Option<_>>();
                Matcher::Port(ports.ok_or("a port is not a number from 0 to 65535")?)
            }
            Kind::Principal => {
                let expanded = texts().flat_map(|text| self.trust_domains.principal(text));
                Matcher::Peer(expanded.map(|value| PeerPattern::principal(&value, literal)).collect())
            }
            Kind::TrustDomain => {
                let expanded = texts().flat_map(|text| self.trust_domains.domain(text));
                Matcher::Peer(expanded.map(|value| PeerPattern::trust_domain(&value)).collect())
            }
            Kind::Namespace => {
                Matcher::Peer(texts().map(|text| PeerPattern::namespace(text, literal)).collect())
            }
            Kind::ServiceAccount => {
                let literal = versions::quotes_service_accounts(self.version);
                let account = |text| PeerPattern::service_account(text, namespace, literal);
                Matcher::Peer(texts().map(account).collect())
            }
            Kind::RequestPrincipal => Matcher::RequestPrincipal(texts().map(request_principal).collect()),
            Kind::Metadata => Matcher::Metadata(texts().map(metadata_value).collect()),
        })
    }
}

/// What is being compiled, and what istiod does with what cannot be.
struct Building {
    action: Action,
    notes: Vec<String>,
}

impl Building {
    fn unsupported(&mut self, field: core::fmt::Arguments<'_>, why: &str) -> Result<(), String> {
        if self.action == Action::Allow {
            return Err(format!("Istio drops the whole rule because of `{field}`: {why}"));
        }
        self.notes.push(format!("Istio drops `{field}`: {why}"));
        Ok(())
    }
}

/// A note on each field that a rule lost because the mesh's Istio does not know it.
pub(crate) fn pruned(rule: &crate::resource::Rule, version: IstioVersion) -> Vec<String> {
    let field =
        |attribute: &Attribute| FieldPath { attribute: *attribute, written: Written::Field, negated: false };
    let note = |attribute| format!("Istio {version} does not know `{}`", field(attribute));
    rule.pruned.iter().map(note).collect()
}

pub(super) fn patterns(values: &[Text]) -> Box<[Pattern]> {
    values.iter().map(|value| Pattern::parse(&value.text)).collect()
}

/// What a field or key looks at, where that is one of many: the header, the path to the claim, the filter and its key.
///
/// The keys with brackets are recognized by how they begin, as istiod does: what stands behind may still be malformed.
fn name(row: &Row, written: Written<'_>) -> Result<Box<[Box<str>]>, String> {
    let (Written::Key(key), Some(Key::Bracketed(start))) = (written, row.key) else {
        return Ok(if row.name.is_empty() { Box::default() } else { [row.name.into()].into() });
    };
    let rest = key.strip_prefix(start).unwrap_or_default();
    match row.input {
        Input::Claim => match in_nested_brackets(rest) {
            Some(path) => Ok(path.into_iter().map(Box::from).collect()),
            None => Err(format!("`{key}` does not name a claim in brackets")),
        },
        Input::Metadata => match rest.strip_suffix(']').unwrap_or(rest).split_once('[') {
            Some((filter, name)) => Ok([["envoy.filters.", filter].concat().into(), name.into()].into()),
            None => Err(format!("`{key}` has no key in brackets")),
        },
        _ => match in_brackets(rest) {
            Some(name) if name.eq_ignore_ascii_case("host") => Ok([":authority".into()].into()),
            Some(name) => Ok([name.to_ascii_lowercase().into()].into()),
            None => Err(format!("`{key}` does not name a header in brackets")),
        },
    }
}

fn path(text: &str) -> Option<PathPattern> {
    if is_template(text) {
        Template::parse(text).ok().map(|template| PathPattern::Template(template.into()))
    } else {
        Some(PathPattern::Plain(Pattern::parse(text)))
    }
}

/// Go's ParseUint takes leading zeros and no sign.
pub(super) fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `[v]` wants an element of a list.
fn metadata_value(text: &str) -> (bool, Pattern) {
    if text.starts_with('[') && text.ends_with(']') {
        (true, Pattern::parse(text.trim_matches(['[', ']'])))
    } else {
        (false, Pattern::parse(text))
    }
}

/// A value of `requestPrincipals`, split at its last slash into issuer and subject.
fn request_principal(value: &str) -> (Pattern, Pattern) {
    let exact = |text: &str| Pattern::Exact(text.as_bytes().into());
    let suffix = |text: &str| Pattern::Suffix(text.as_bytes().into());
    let prefix = |text: &str| Pattern::Prefix(text.as_bytes().into());
    let split = value.rsplit_once('/');
    if value == "*" {
        return (Pattern::Any, Pattern::Any);
    }
    // A leading asterisk wins over a trailing one, which is then literal.
    match (value.strip_prefix('*'), value.strip_suffix('*'), split) {
        (Some(_), _, Some(("*", sub))) => (Pattern::Any, exact(sub)),
        (Some(_), _, Some((iss, sub))) => (suffix(iss.strip_prefix('*').unwrap_or(iss)), exact(sub)),
        (Some(end), _, None) => (Pattern::Any, suffix(end)),
        (None, Some(_), Some((iss, "*"))) => (exact(iss), Pattern::Any),
        (None, Some(_), Some((iss, sub))) => (exact(iss), prefix(sub.strip_suffix('*').unwrap_or(sub))),
        (None, Some(start), None) => (prefix(start), Pattern::Any),
        (None, None, Some((iss, sub))) => (exact(iss), exact(sub)),
        (None, None, None) => (exact(value), exact("")),
    }
}

/// `[name]` → `name`.
fn in_brackets(text: &str) -> Option<&str> {
    text.strip_suffix(']')?.strip_prefix('[')
}

/// `[a][b]` → a, b; anything else in one pair of brackets is one literal name.
fn in_nested_brackets(text: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let name = rest.strip_prefix('[').and_then(|inner| inner.split_once(']'));
        match name {
            Some((name, tail)) if !name.contains('[') => {
                names.push(name);
                rest = tail;
            }
            _ => return in_brackets(text).map(|name| vec![name]),
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_principals() {
        let any = Pattern::Any;
        let exact = |t: &str| Pattern::Exact(t.as_bytes().into());
        let suffix = |t: &str| Pattern::Suffix(t.as_bytes().into());
        let prefix = |t: &str| Pattern::Prefix(t.as_bytes().into());
        for (value, iss, sub) in [
            ("*", any.clone(), any.clone()),
            ("*.corp.com/*", suffix(".corp.com"), exact("*")),
            ("*/s", any.clone(), exact("s")),
            ("*s", any.clone(), suffix("s")),
            ("https://i/*", exact("https://i"), any.clone()),
            ("https://i/s*", exact("https://i"), prefix("s")),
            ("iss*", prefix("iss"), any.clone()),
            ("https://i/org/repo", exact("https://i/org"), exact("repo")),
            ("https://i", exact("https:/"), exact("i")),
            ("i", exact("i"), exact("")),
        ] {
            assert_eq!(request_principal(value), (iss, sub), "{value}");
        }
    }

    #[test]
    fn brackets() {
        assert_eq!(in_nested_brackets("[a][b]"), Some(vec!["a", "b"]));
        assert_eq!(in_nested_brackets("[a[b]]"), Some(vec!["a[b]"]));
        assert_eq!(in_nested_brackets("[a]b]"), Some(vec!["a]b"]));
        assert_eq!(in_nested_brackets("a"), None);
        assert_eq!(in_nested_brackets(""), Some(vec![]));
        assert_eq!(in_brackets("[x]"), Some("x"));
        assert_eq!(in_brackets("X[x]"), None);
    }
}
