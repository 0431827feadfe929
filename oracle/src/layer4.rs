//! Rules as ztunnel has them.

use crate::{
    attributes::{Unsupported, accepted, ip, port},
    evaluator::View,
    logic::{Condition, Maybe, any},
    strings,
};
use gnomon_engine::{
    Attribute,
    request::Peer,
    resource::{Action, AuthorizationPolicy, Match, Rule as Written, Text},
};

impl View<'_> {
    /// As istiod converts it for ztunnel: layer 4 only, a clause left empty matches nothing.
    #[expect(clippy::type_complexity, reason = "sources, operations, conditions")]
    pub fn ztunnel_rule(
        &self,
        policy: &AuthorizationPolicy,
        written: &Written,
    ) -> Result<(Vec<Vec<Condition>>, Vec<Vec<Condition>>, Vec<Condition>), Unsupported> {
        let http = written.from.iter().any(|s| {
            !s.get(Attribute::RequestPrincipal).is_empty() || !s.get(Attribute::RemoteIp).is_empty()
        }) || written.to.iter().any(|o| {
            !o.get(Attribute::Host).is_empty()
                || !o.get(Attribute::Method).is_empty()
                || !o.get(Attribute::Path).is_empty()
        });
        let layer4 =
            ["source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"];
        let http = http || written.when.iter().any(|c| !layer4.contains(&c.key.text.as_str()));
        if http && policy.action == Action::Allow {
            return Err(Unsupported);
        }
        let filled = |conditions: Vec<Condition>| match conditions.is_empty() {
            true => vec![Condition { met: Some(false), input: "" }],
            false => conditions,
        };
        let own = &policy.meta.namespace;
        let from = written.from.iter().map(|s| {
            let fields = [
                ("source.principal", s.get(Attribute::Principal)),
                ("source.namespace", s.get(Attribute::Namespace)),
                ("source.serviceAccount", s.get(Attribute::ServiceAccount)),
                ("source.ip", s.get(Attribute::SourceIp)),
            ];
            filled(
                fields.into_iter().flat_map(|(name, values)| self.ztunnel_field(name, values, own)).collect(),
            )
        });
        let to = written
            .to
            .iter()
            .map(|o| filled(self.ztunnel_field("destination.port", o.get(Attribute::Port), own)));
        let when = written.when.iter().flat_map(|c| {
            let known = layer4.contains(&c.key.text.as_str());
            filled(if known { self.ztunnel_field(&c.key.text, &c.values, own) } else { vec![] })
        });
        Ok((from.collect(), to.collect(), when.collect()))
    }

    fn ztunnel_field(&self, name: &str, values: &Match, own: &str) -> Vec<Condition> {
        let input = match name {
            "source.principal" | "source.namespace" | "source.serviceAccount" => "source.principal",
            "source.ip" => "source.ip",
            "destination.ip" => "destination.ip",
            _ => "destination.port",
        };
        let met = |list: &[Text]| match name {
            "source.ip" => ip(accepted(self.request.source_ip), list),
            "destination.ip" => ip(accepted(self.request.destination_ip), list),
            "destination.port" => port(self.request.destination_port, list),
            _ => any(list.iter().map(|value| self.ztunnel_identity(name, &value.text, own))),
        };
        let mut conditions = Vec::new();
        if !values.values.is_empty() {
            conditions.push(Condition { met: met(&values.values), input });
        }
        if !values.not_values.is_empty() {
            conditions.push(Condition { met: met(&values.not_values).map(|met| !met), input });
        }
        conditions
    }

    /// Field by field of the SPIFFE id.
    fn ztunnel_identity(&self, name: &str, value: &str, own: &str) -> Maybe {
        let (names, complete) = match self.request.peer {
            Peer::Plaintext => (&[][..], true),
            Peer::Tls { names, complete } => (names, complete),
        };
        let id = names.iter().find_map(|name| {
            let text = String::from_utf8_lossy(name).into_owned();
            let rest = text.strip_prefix("spiffe://")?.to_string();
            let parts: Vec<String> = rest.split('/').map(Into::into).collect();
            (parts.len() == 5 && parts[1] == "ns" && parts[3] == "sa").then_some((rest, parts))
        });
        if id.is_none() && !complete {
            return None;
        }
        let filled = |text: &str| !text.is_empty();
        Some(match (name, id) {
            ("source.namespace", id) => {
                let namespace = id.map_or(String::new(), |(_, parts)| parts[2].clone());
                strings::string(value, &namespace, filled)
            }
            (_, None) => false,
            ("source.principal", Some((whole, _))) => strings::string(value, &whole, filled),
            (_, Some((_, parts))) => {
                let (namespace, account) = value.split_once('/').unwrap_or((own, value));
                parts[2] == namespace && parts[4] == account
            }
        })
    }
}
