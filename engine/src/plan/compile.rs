//! AuthorizationPolicy rules → compiled rules, for Envoy's HTTP and TCP chains.
//!
//! What istiod's generator does (`pilot/pkg/security/authz/model`), with its two ways of dealing with what a chain
//! cannot express: an ALLOW rule is dropped as a whole (fewer requests allowed), any other rule loses just that
//! condition (more requests refused).

use super::{
    rule::{Clause, Dropped, Named, Origin, Rule, rule_id},
    test::{PathPattern, Test},
    trust_domain::TrustDomains,
};
use crate::{
    address::parse_cidr,
    pattern::{Pattern, PeerPattern},
    request::Protocol,
    resource::{Action, Condition, Match, Operation, Source, Text},
    template::Template,
    versions,
    workload::IstioVersion,
};
use alloc::{borrow::Cow, boxed::Box, format, string::String, vec, vec::Vec};

/// Where and for what rules are compiled.
pub(crate) struct Compiler<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) trust_domains: &'a TrustDomains,
    /// A waypoint listens on an internal address: `ipBlocks` sees no IP address.
    pub(crate) waypoint: bool,
    /// How names are quoted.
    pub(crate) version: IstioVersion,
}

/// What becomes of one list of values.
enum Compiled {
    Test(Test),
    /// The chain cannot say it.
    Unsupported(String),
}

use Compiled::Unsupported;

/// Alternatives.
type Groups = Box<[Box<[Clause]>]>;

/// Name, name of its `not` twin, values, and how they are compiled.
type Field<'m, 'a> = (&'static str, &'static str, &'m Match, fn(&Compiler<'a>, &[Text], &str) -> Compiled);

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
            self.condition(condition, namespace, building, &mut when)?;
        }
        let from = rule
            .from
            .iter()
            .map(|source| self.source(source, namespace, building))
            .collect::<Result<_, _>>()?;
        let to =
            rule.to.iter().map(|operation| self.operation(operation, building)).collect::<Result<_, _>>()?;
        Ok((from, to, when.into()))
    }

    fn source(
        &self,
        source: &Source,
        namespace: &str,
        building: &mut Building,
    ) -> Result<Box<[Clause]>, String> {
        let fields: [Field<'_, 'a>; 7] = [
            ("from.source.principals", "from.source.notPrincipals", &source.principals, Self::principals),
            (
                "from.source.requestPrincipals",
                "from.source.notRequestPrincipals",
                &source.request_principals,
                Self::request_principals,
            ),
            (
                "from.source.serviceAccounts",
                "from.source.notServiceAccounts",
                &source.service_accounts,
                Self::service_accounts,
            ),
            ("from.source.trustDomains", "from.source.notTrustDomains", &source.trust_domains, Self::domains),
            ("from.source.namespaces", "from.source.notNamespaces", &source.namespaces, Self::namespaces),
            (
                "from.source.remoteIpBlocks",
                "from.source.notRemoteIpBlocks",
                &source.remote_ip_blocks,
                Self::remote_ips,
            ),
            ("from.source.ipBlocks", "from.source.notIpBlocks", &source.ip_blocks, Self::source_ips),
        ];
        self.fields(&fields, namespace, building)
    }

    fn operation(&self, operation: &Operation, building: &mut Building) -> Result<Box<[Clause]>, String> {
        let fields: [Field<'_, 'a>; 4] = [
            ("to.operation.hosts", "to.operation.notHosts", &operation.hosts, Self::hosts),
            ("to.operation.methods", "to.operation.notMethods", &operation.methods, Self::methods),
            ("to.operation.paths", "to.operation.notPaths", &operation.paths, Self::paths),
            ("to.operation.ports", "to.operation.notPorts", &operation.ports, Self::ports),
        ];
        self.fields(&fields, "", building)
    }

    fn fields(
        &self,
        fields: &[Field<'_, 'a>],
        namespace: &str,
        building: &mut Building,
    ) -> Result<Box<[Clause]>, String> {
        let mut clauses = Vec::new();
        for (positive, negative, values, compile) in fields {
            for (name, list, negated) in
                [(positive, &values.values, false), (negative, &values.not_values, true)]
            {
                if !list.is_empty() {
                    let compiled = compile(self, list, namespace);
                    building.clause(compiled, Cow::Borrowed(*name), list, negated, &mut clauses)?;
                }
            }
        }
        Ok(clauses.into())
    }

    fn condition(
        &self,
        condition: &Condition,
        namespace: &str,
        building: &mut Building,
        clauses: &mut Vec<Clause>,
    ) -> Result<(), String> {
        let key = condition.key.text.as_str();
        for (list, suffix, negated) in
            [(&condition.values.values, "", false), (&condition.values.not_values, ".notValues", true)]
        {
            if !list.is_empty() {
                let compiled = self.attribute(key, list, namespace);
                building.clause(compiled, format!("when[{key}]{suffix}").into(), list, negated, clauses)?;
            }
        }
        Ok(())
    }

    /// A `when` key. The three with brackets are recognised by prefix alone, as istiod does: what stands behind it may
    /// still be malformed.
    fn attribute(&self, key: &str, values: &[Text], namespace: &str) -> Compiled {
        match key {
            "destination.ip" => ips(values, Test::DestinationIp),
            "destination.port" => self.ports(values, namespace),
            "connection.sni" => Compiled::Test(Test::Sni(patterns(values))),
            "source.ip" => self.source_ips(values, namespace),
            "remote.ip" => self.remote_ips(values, namespace),
            "source.namespace" => self.namespaces(values, namespace),
            "source.trustDomain" => self.domains(values, namespace),
            "source.serviceAccount" => self.service_accounts(values, namespace),
            "source.principal" => self.principals(values, namespace),
            "request.auth.principal" => self.request_principals(values, namespace),
            "request.auth.audiences" => self.http(|| Compiled::Test(claim(&["aud"], values))),
            "request.auth.presenter" => self.http(|| Compiled::Test(claim(&["azp"], values))),
            _ => {
                if let Some(rest) = key.strip_prefix("request.headers") {
                    self.http(|| match in_brackets(rest) {
                        Some(name) => {
                            Compiled::Test(Test::Header(name.to_ascii_lowercase().into(), patterns(values)))
                        }
                        None => Unsupported(format!("`{key}` does not name a header in brackets")),
                    })
                } else if let Some(rest) = key.strip_prefix("request.auth.claims") {
                    self.http(|| match in_nested_brackets(rest) {
                        Some(way) => Compiled::Test(claim(&way, values)),
                        None => Unsupported(format!("`{key}` does not name a claim in brackets")),
                    })
                } else if let Some(rest) = key.strip_prefix("experimental.") {
                    metadata(rest, values)
                        .unwrap_or_else(|| Unsupported(format!("`{key}` has no key in brackets")))
                } else {
                    Unsupported(format!("`{key}` is not an attribute"))
                }
            }
        }
    }

    fn http(&self, compile: impl FnOnce() -> Compiled) -> Compiled {
        match self.protocol {
            Protocol::Http => compile(),
            Protocol::Tcp => Unsupported("it is HTTP only".into()),
        }
    }

    fn principals(&self, values: &[Text], _: &str) -> Compiled {
        let expanded = values.iter().flat_map(|value| self.trust_domains.principal(&value.text));
        let literal = versions::quotes_names(self.version);
        Compiled::Test(Test::Peer(expanded.map(|value| PeerPattern::principal(&value, literal)).collect()))
    }

    fn namespaces(&self, values: &[Text], _: &str) -> Compiled {
        let literal = versions::quotes_names(self.version);
        Compiled::Test(Test::Peer(values.iter().map(|v| PeerPattern::namespace(&v.text, literal)).collect()))
    }

    fn service_accounts(&self, values: &[Text], namespace: &str) -> Compiled {
        let literal = versions::quotes_service_accounts(self.version);
        Compiled::Test(Test::Peer(
            values.iter().map(|v| PeerPattern::service_account(&v.text, namespace, literal)).collect(),
        ))
    }

    fn domains(&self, values: &[Text], _: &str) -> Compiled {
        let expanded = values.iter().flat_map(|value| self.trust_domains.domain(&value.text));
        Compiled::Test(Test::Peer(expanded.map(|value| PeerPattern::trust_domain(&value)).collect()))
    }

    fn source_ips(&self, values: &[Text], _: &str) -> Compiled {
        if self.waypoint {
            return Compiled::Test(Test::Never);
        }
        ips(values, Test::SourceIp)
    }

    fn remote_ips(&self, values: &[Text], _: &str) -> Compiled {
        ips(values, Test::RemoteIp)
    }

    fn request_principals(&self, values: &[Text], _: &str) -> Compiled {
        self.http(|| {
            Compiled::Test(Test::RequestPrincipal(
                values.iter().map(|v| request_principal(&v.text)).collect(),
            ))
        })
    }

    fn hosts(&self, values: &[Text], _: &str) -> Compiled {
        self.http(|| Compiled::Test(Test::Host(patterns(values))))
    }

    fn methods(&self, values: &[Text], _: &str) -> Compiled {
        self.http(|| Compiled::Test(Test::Header(":method".into(), patterns(values))))
    }

    fn paths(&self, values: &[Text], _: &str) -> Compiled {
        self.http(|| {
            let path = |Text { text: value, .. }: &Text| {
                if value.contains("{*}") || value.contains("{**}") {
                    Template::parse(value).ok().map(|template| PathPattern::Template(template.into()))
                } else {
                    Some(PathPattern::Plain(Pattern::parse(value)))
                }
            };
            // A template that Envoy cannot load matches nothing here.
            Compiled::Test(Test::Path(values.iter().filter_map(path).collect()))
        })
    }

    fn ports(&self, values: &[Text], _: &str) -> Compiled {
        // Go's ParseUint takes leading zeros and no sign.
        let port = |Text { text: value, .. }: &Text| {
            value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse::<u16>().ok()).flatten()
        };
        match values.iter().map(port).collect() {
            Some(ports) => Compiled::Test(Test::Port(ports)),
            None => Unsupported("a port is not a number from 0 to 65535".into()),
        }
    }
}

/// What is being compiled, and what istiod does with what cannot be.
struct Building {
    action: Action,
    notes: Vec<String>,
}

impl Building {
    fn clause(
        &mut self,
        compiled: Compiled,
        field: Cow<'static, str>,
        values: &[Text],
        negated: bool,
        clauses: &mut Vec<Clause>,
    ) -> Result<(), String> {
        match compiled {
            Compiled::Test(test) => clauses.push(Clause::new(test, negated, field, values)),
            Unsupported(why) if self.action == Action::Allow => {
                return Err(format!("Istio drops the whole rule because of `{field}`: {why}"));
            }
            Unsupported(why) => self.notes.push(format!("Istio drops `{field}`: {why}")),
        }
        Ok(())
    }
}

/// A note on each field that a rule lost because the mesh's Istio does not know it.
pub(crate) fn pruned(rule: &crate::resource::Rule, version: IstioVersion) -> Vec<String> {
    let IstioVersion(major, minor) = version;
    rule.pruned.iter().map(|field| format!("Istio {major}.{minor} does not know `{field}`")).collect()
}

fn patterns(values: &[Text]) -> Box<[Pattern]> {
    values.iter().map(|value| Pattern::parse(&value.text)).collect()
}

fn ips(values: &[Text], test: fn(Box<[ipnet::IpNet]>) -> Test) -> Compiled {
    match values.iter().map(|value| parse_cidr(&value.text).ok()).collect() {
        Some(nets) => Compiled::Test(test(nets)),
        None => Unsupported("a value is not an IP address or CIDR range".into()),
    }
}

fn claim(way: &[&str], values: &[Text]) -> Test {
    Test::Claim(way.iter().map(|&step| step.into()).collect(), patterns(values))
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

/// `envoy.filters.F[K]` and its values; `[v]` wants an element of a list.
fn metadata(rest: &str, values: &[Text]) -> Option<Compiled> {
    let (filter, key) = rest.strip_suffix(']').unwrap_or(rest).split_once('[')?;
    let value = |Text { text: value, .. }: &Text| {
        if value.starts_with('[') && value.ends_with(']') {
            (true, Pattern::parse(value.trim_matches(['[', ']'])))
        } else {
            (false, Pattern::parse(value))
        }
    };
    Some(Compiled::Test(Test::Metadata(
        Box::new((filter.into(), key.into())),
        values.iter().map(value).collect(),
    )))
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
