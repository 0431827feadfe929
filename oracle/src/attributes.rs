//! Rules as a proxy's chain has them: each field of the reference's table.

use crate::{
    control_plane::is_mended,
    evaluator::View,
    logic::{Condition, Maybe, Rule},
    strings,
};
use gnomon_engine::{
    Attribute,
    jwt::{Edit, Json},
    request::{Input, Peer},
    resource::{Action, AuthorizationPolicy, FieldSet, Match, Rule as Written, Text},
    workload::{IstioVersion, ProxyKind},
};
use std::net::IpAddr;

/// A condition that the chain cannot express.
pub struct Unsupported;

type Asked = Result<Condition, Unsupported>;

impl View<'_> {
    pub fn edit(&mut self, edit: &Edit) {
        let remove =
            |lines: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &str| lines.retain(|(n, _)| n != name.as_bytes());
        match edit {
            Edit::Remove(name) => remove(&mut self.lines, name),
            Edit::Set(name, value) => {
                remove(&mut self.lines, name);
                self.lines.push((name.clone().into_bytes(), value.clone()));
            }
            Edit::Add(name, value) => self.lines.push((name.clone().into_bytes(), value.clone())),
            Edit::Path(path) => {
                remove(&mut self.lines, ":path");
                self.lines.push((b":path".to_vec(), path.clone()));
            }
        }
    }

    /// The rules of a policy, as far as this chain has them.
    pub fn rules(&self, policy: &AuthorizationPolicy) -> Vec<Rule> {
        let provider = policy.provider.as_ref().map_or("", |name| &name.text);
        let prefix = match policy.action {
            Action::Custom if self.world.mesh.istio_version >= IstioVersion::minor(30) => {
                format!("istio-ext-authz-{provider}-")
            }
            Action::Custom => "istio-ext-authz-".into(),
            _ => String::new(),
        };
        let rules = policy.rules.iter().enumerate();
        rules
            .filter_map(|(index, written)| {
                let id = format!(
                    "{prefix}ns[{}]-policy[{}]-rule[{index}]",
                    policy.meta.namespace, policy.meta.name
                );
                let built = if self.world.workload.proxy == ProxyKind::Ztunnel {
                    self.ztunnel_rule(policy, written)
                } else {
                    self.envoy_rule(policy, written)
                };
                built.ok().map(|(from, to, when)| Rule { id, from, to, when })
            })
            .collect()
    }

    /// HTTP-only fields on TCP: an ALLOW rule goes as a whole, any other loses just the condition.
    #[expect(clippy::type_complexity, reason = "sources, operations, conditions")]
    fn envoy_rule(
        &self,
        policy: &AuthorizationPolicy,
        written: &Written,
    ) -> Result<(Vec<Vec<Condition>>, Vec<Vec<Condition>>, Vec<Condition>), Unsupported> {
        let keep = |asked: Vec<Asked>| -> Result<Vec<Condition>, Unsupported> {
            if policy.action == Action::Allow {
                return asked.into_iter().collect();
            }
            Ok(asked.into_iter().flatten().collect())
        };
        let own = &policy.meta.namespace;
        let source = |s: &FieldSet| {
            [
                self.field("source.principal", s.get(Attribute::Principal), own),
                self.field("request.auth.principal", s.get(Attribute::RequestPrincipal), own),
                self.field("source.namespace", s.get(Attribute::Namespace), own),
                self.field("source.serviceAccount", s.get(Attribute::ServiceAccount), own),
                self.field("source.trustDomain", s.get(Attribute::TrustDomain), own),
                self.field("source.ip", s.get(Attribute::SourceIp), own),
                self.field("remote.ip", s.get(Attribute::RemoteIp), own),
            ]
        };
        let from = written.from.iter().map(|s| keep(source(s).into_iter().flatten().collect()));
        let to = written.to.iter().map(|o| {
            let fields = [
                ("hosts", o.get(Attribute::Host)),
                ("methods", o.get(Attribute::Method)),
                ("paths", o.get(Attribute::Path)),
                ("destination.port", o.get(Attribute::Port)),
            ];
            keep(fields.into_iter().flat_map(|(name, values)| self.field(name, values, own)).collect())
        });
        let when = written.when.iter().flat_map(|c| self.field(&c.key.text, &c.values, own)).collect();
        Ok((from.collect::<Result<_, _>>()?, to.collect::<Result<_, _>>()?, keep(when)?))
    }

    /// (values empty OR any matches) AND NOT (any notValue matches).
    fn field(&self, name: &str, values: &Match, own: &str) -> Vec<Asked> {
        let mut asked = Vec::new();
        if !values.values.is_empty() {
            asked.push(self.attribute(name, &values.values, own));
        }
        if !values.not_values.is_empty() {
            let negated = self.attribute(name, &values.not_values, own);
            asked.push(negated.map(|c| Condition { met: c.met.map(|met| !met), ..c }));
        }
        asked
    }

    fn attribute(&self, name: &str, values: &[Text], own: &str) -> Asked {
        let mesh = &self.world.mesh;
        let version = mesh.istio_version;
        let waypoint = self.world.workload.proxy == ProxyKind::Waypoint;
        let request = self.request;
        let is = |input: &'static str, met: Maybe| Ok(Condition { met, input });
        let texts = || values.iter().map(|value| value.text.as_str());
        let some = |matches: &dyn Fn(&str) -> bool| texts().any(matches);
        let http = |condition: &dyn Fn() -> Asked| if self.tcp { Err(Unsupported) } else { condition() };
        match name {
            "source.principal" => {
                let values: Vec<String> = texts().flat_map(|v| strings::with_aliases(v, mesh)).collect();
                is(
                    "source.principal",
                    self.peer(|n| values.iter().any(|v| strings::principal(v, n, version))),
                )
            }
            "source.namespace" => {
                is("source.principal", self.peer(|n| some(&|v| strings::namespace(v, n, version))))
            }
            "source.serviceAccount" => {
                is("source.principal", self.peer(|n| some(&|v| strings::service_account(v, own, n, version))))
            }
            "source.trustDomain" => {
                let values: Vec<&str> = texts().flat_map(|v| strings::domain_with_aliases(v, mesh)).collect();
                is("source.principal", self.peer(|n| values.iter().any(|v| strings::trust_domain(v, n))))
            }
            // An internal listener: no IP address.
            "source.ip" if waypoint => is("", Some(false)),
            "source.ip" => is("source.ip", ip(accepted(request.source_ip), values)),
            "remote.ip" => is("remoteIp", ip(request.remote_ip, values)),
            "destination.ip" => is("destination.ip", ip(accepted(request.destination_ip), values)),
            "destination.port" => is("destination.port", port(request.destination_port, values)),
            "connection.sni" => {
                let sni = String::from_utf8_lossy(request.sni);
                is("sni", Some(some(&|v| strings::string(v, &sni, strings::not_empty))))
            }
            "hosts" => http(&|| {
                let any = |host: &str| {
                    some(&|v| strings::string(&v.to_lowercase(), &host.to_lowercase(), strings::present))
                };
                is("host", Some(self.lines(":authority").iter().any(|host| any(host))))
            }),
            "methods" => http(&|| {
                let any = |method: &str| some(&|v| strings::string(v, method, strings::present));
                is("headers", Some(self.lines(":method").iter().any(|method| any(method))))
            }),
            "paths" => http(&|| {
                let bare = |path: &str| path.split(['?', '#']).next().unwrap_or_default().to_string();
                let any = |path: &str| some(&|v| strings::path(v, &bare(path)));
                is("path", Some(self.lines(":path").iter().any(|path| any(path))))
            }),
            "request.auth.principal" => http(&|| {
                let claim = |name: &str| match self.claim(&[name.into()]) {
                    Some(Json::String(text)) => Some(text.clone()),
                    _ => None,
                };
                let met = match (claim("iss"), claim("sub")) {
                    (Some(iss), Some(sub)) => some(&|v| strings::request_principal(v, &iss, &sub)),
                    _ => false,
                };
                is("token", Some(met))
            }),
            "request.auth.audiences" => http(&|| is("token", Some(self.claim_is(&["aud".into()], values)))),
            "request.auth.presenter" => http(&|| is("token", Some(self.claim_is(&["azp".into()], values)))),
            _ if name.starts_with("request.headers") => http(&|| {
                let header = strings::header_name(&name["request.headers".len()..]).ok_or(Unsupported)?;
                let any = |value: &str| some(&|v| strings::string(v, value, strings::present));
                is("headers", Some(self.lines(&header).iter().any(|value| any(value))))
            }),
            _ if name.starts_with("request.auth.claims") => http(&|| {
                let path = strings::claim_path(&name["request.auth.claims".len()..]).ok_or(Unsupported)?;
                is("token", Some(self.claim_is(&path, values)))
            }),
            _ => {
                let inner = name.strip_prefix("experimental.").ok_or(Unsupported)?;
                let (filter, key) = inner.trim_end_matches(']').split_once('[').ok_or(Unsupported)?;
                let found = request.metadata.iter().find(|(known, _)| *known == filter);
                let found = found.and_then(|(_, value)| value.member(key));
                is("metadata", Some(some(&|v| metadata_is(found, v))))
            }
        }
    }

    fn peer(&self, matches: impl Fn(&str) -> bool) -> Maybe {
        match self.request.peer {
            Peer::Plaintext => Some(false),
            Peer::Tls { names, complete } => {
                if names.iter().any(|name| matches(&String::from_utf8_lossy(name))) {
                    Some(true)
                } else if complete {
                    Some(false)
                } else {
                    None
                }
            }
        }
    }

    /// The lines of a header; before Envoy's fix a matcher saw them joined.
    fn lines(&self, name: &str) -> Vec<String> {
        let name = name.to_lowercase();
        let name = if name == "host" { ":authority" } else { &name };
        let lines = self.lines.iter().filter(|(known, _)| known == name.as_bytes());
        let lines: Vec<String> =
            lines.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
        if !is_mended(self.world.mesh.istio_version, &[(27, 8), (28, 5), (29, 1)]) && lines.len() > 1 {
            return vec![lines.join(",")];
        }
        lines
    }

    fn claim(&self, path: &[String]) -> Option<&Json> {
        path.iter().try_fold(self.payload.as_deref()?, |value, name| value.member(name))
    }

    /// A string that matches, or a list with one.
    fn claim_is(&self, path: &[String], values: &[Text]) -> bool {
        let fits = |value: &Json| match value {
            Json::String(text) => values.iter().any(|v| strings::string(&v.text, text, strings::not_empty)),
            _ => false,
        };
        match self.claim(path) {
            Some(Json::List(items)) => items.iter().any(fits),
            Some(value) => fits(value),
            None => false,
        }
    }
}

/// An address as a proxy has it of a connection: what is IPv4 mapped into IPv6 is IPv4.
pub fn accepted(input: Input<IpAddr>) -> Input<IpAddr> {
    match input {
        Input::Is(IpAddr::V6(ip)) => Input::Is(match ip.to_ipv4_mapped() {
            Some(ip) => IpAddr::V4(ip),
            None => IpAddr::V6(ip),
        }),
        other => other,
    }
}

pub fn ip(input: Input<IpAddr>, blocks: &[Text]) -> Maybe {
    match input {
        Input::Absent => Some(false),
        Input::Unknown => None,
        Input::Is(ip) => Some(blocks.iter().any(|block| strings::in_block(&block.text, ip))),
    }
}

pub fn port(input: Input<u16>, ports: &[Text]) -> Maybe {
    match input {
        Input::Absent => Some(false),
        Input::Unknown => None,
        Input::Is(port) => Some(
            ports
                .iter()
                .any(|value| value.text.trim_start_matches('0') == port.to_string().trim_start_matches('0')),
        ),
    }
}

/// `[v]` asks for an element of a list, anything else for a string.
fn metadata_is(found: Option<&Json>, value: &str) -> bool {
    let inner = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
    match (found, inner) {
        (Some(Json::String(text)), None) => strings::string(value, text, strings::not_empty),
        (Some(Json::List(items)), Some(inner)) => items.iter().any(
            |item| matches!(item, Json::String(text) if strings::string(inner, text, strings::not_empty)),
        ),
        _ => false,
    }
}
