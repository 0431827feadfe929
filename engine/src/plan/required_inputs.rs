//! What a plan asks of a request: a proxy filter reads nothing else from its host.

use super::{Plan, clause::Clause, custom::CustomStage, matcher::Matcher, rule::Rule};
use crate::attribute::Input;

/// What a request must tell. The flags are exact: what no rule asks for is false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequiredInputs {
    /// Headers, method, host or path.
    pub headers: bool,
    /// Whether there is TLS, and the names in the peer's certificate.
    pub peer: bool,
    /// The physical peer's address.
    pub source_ip: bool,
    /// The address after X-Forwarded-For.
    pub remote_ip: bool,
    /// The local address.
    pub destination_ip: bool,
    /// The local port.
    pub destination_port: bool,
    /// The SNI.
    pub sni: bool,
    /// Dynamic metadata of other filters.
    pub metadata: bool,
    /// The clock.
    pub now: bool,
}

impl RequiredInputs {
    /// What either of two plans needs.
    pub fn or(self, other: RequiredInputs) -> RequiredInputs {
        RequiredInputs {
            headers: self.headers || other.headers,
            peer: self.peer || other.peer,
            source_ip: self.source_ip || other.source_ip,
            remote_ip: self.remote_ip || other.remote_ip,
            destination_ip: self.destination_ip || other.destination_ip,
            destination_port: self.destination_port || other.destination_port,
            sni: self.sni || other.sni,
            metadata: self.metadata || other.metadata,
            now: self.now || other.now,
        }
    }

    pub(super) fn of(plan: &Plan) -> RequiredInputs {
        let jwt = !plan.authenticator.is_empty();
        let mut needs = RequiredInputs { headers: jwt, now: jwt, ..RequiredInputs::default() };
        if let Some(mtls) = &plan.mtls {
            needs.peer = mtls.needs_peer();
            needs.destination_port = mtls.needs_port();
        }
        // No provider is asked about a CONNECT without a path.
        needs.headers |= matches!(plan.http.custom, CustomStage::Ask(_));
        for chain in [&plan.http, &plan.tcp] {
            let sets = [&chain.audit, &chain.deny, &chain.allow];
            let rules = sets.into_iter().flat_map(|set| set.rules.iter().chain(set.shadow.iter().flatten()));
            for rule in chain.custom.rules().iter().chain(rules) {
                needs.add(rule);
            }
        }
        needs
    }

    fn add(&mut self, rule: &Rule) {
        let groups = rule.from.iter().chain(&rule.to).flatten().chain(&rule.when);
        for clause in groups {
            self.add_clause(clause);
        }
    }

    fn add_clause(&mut self, clause: &Clause) {
        match clause.matcher() {
            Matcher::Never => {}
            #[cfg(feature = "others")]
            Matcher::AnyOf(groups) => groups.iter().flatten().for_each(|inner| self.add_clause(inner)),
            _ => match clause.input {
                Input::Peer => self.peer = true,
                Input::SourceIp => self.source_ip = true,
                Input::RemoteIp => self.remote_ip = true,
                Input::DestinationIp => self.destination_ip = true,
                Input::DestinationPort => self.destination_port = true,
                Input::Sni => self.sni = true,
                Input::Host | Input::Header | Input::Path => self.headers = true,
                Input::Metadata => self.metadata = true,
                Input::RequestPrincipal | Input::Claim => {}
            },
        }
    }
}
