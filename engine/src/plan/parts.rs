//! A plan of rules that are compiled already: those of a configuration that a proxy has loaded.

use super::{Chain, Plan, RequiredInputs, custom::Ask, custom::CustomStage, rule::Rule, rule::RuleSet};
use crate::{
    jwt::Authenticator,
    prepare::ProxySettings,
    slices::{self, AtOnce},
    versions,
};
use alloc::{string::String, vec::Vec};

/// What [`Plan::of_parts`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// What people call it.
    pub name: String,
    /// The connection manager's settings, which the configuration says itself.
    pub settings: ProxySettings,
    /// The rules for tokens.
    pub authenticator: Authenticator,
    /// How many these are.
    pub jwt_rules: usize,
    /// Somebody checks what a peer's certificate says.
    pub believes_peers: bool,
    /// Something of it sees several lines of a header as one value, whatever the version.
    pub joins_lines: bool,
    /// What HTTP requests meet.
    pub http: ChainParts,
    /// What connections meet.
    pub tcp: ChainParts,
}

/// The stages of one kind of filter chain; rules in the order in which the proxy asks them.
#[derive(Debug, Default)]
pub struct ChainParts {
    /// Whom the chain asks, and about what.
    pub custom: Option<CustomParts>,
    /// Rules that refuse.
    pub deny: Vec<Rule>,
    /// Rules that allow; `None`: nothing has to be allowed.
    pub allow: Option<Vec<Rule>>,
}

/// A CUSTOM provider.
#[derive(Debug)]
pub struct CustomParts {
    /// Its name.
    pub provider: String,
    /// It is asked about what one of these matches.
    pub rules: Vec<Rule>,
    /// Requests pass when it does not answer.
    pub fails_open: bool,
    /// The status when it does not.
    pub status_on_error: u16,
}

impl Plan {
    /// A plan without policies: it has no mTLS gate, and its rules are these.
    pub fn of_parts(parts: Parts) -> Plan {
        let Parts { name, settings, authenticator, jwt_rules, believes_peers, joins_lines, http, tcp } =
            parts;
        let version = settings.version;
        let mut plan = Plan {
            workload: name,
            proxy: settings.proxy.unwrap_or_default(),
            mtls: None,
            authenticator,
            jwt_rules,
            http: http.chain(),
            tcp: tcp.chain(),
            believes_nobody: !believes_peers,
            version,
            joins_lines: joins_lines || !versions::matches_lines_apart(version),
            regexes_want_utf8: !versions::matches_regexes_by_byte(version),
            older: Vec::new(),
            not_applied: 0,
            refused: None,
            loaded: Some(settings),
            required_inputs: RequiredInputs::default(),
        };
        plan.required_inputs = RequiredInputs::of(&plan);
        plan
    }

    /// Adds DENY rules, which are asked first: to what HTTP requests meet, and to what connections meet.
    pub fn also_deny(&mut self, http: &[Rule], tcp: &[Rule]) {
        for older in &mut self.older {
            older.also_deny(http, tcp);
        }
        for (chain, more) in [(&mut self.http, http), (&mut self.tcp, tcp)] {
            if more.is_empty() {
                continue;
            }
            chain.deny.rules.splice(0..0, more.iter().cloned());
            chain.deny.enforced = true;
            *chain = slices::all(core::mem::take(chain).indexed(&AtOnce));
        }
        self.required_inputs = RequiredInputs::of(self);
    }

    /// Its matchers see several lines of a header as one value.
    pub fn joins_lines(&self) -> bool {
        self.joins_lines
    }

    /// Whom it asks, of HTTP requests or of connections.
    pub fn provider(&self) -> Option<&str> {
        [&self.http, &self.tcp].into_iter().find_map(|chain| match &chain.custom {
            CustomStage::Ask(ask) => Some(ask.provider.as_str()),
            _ => None,
        })
    }

    /// Gives the provider that it asks another name, where its own is not known.
    pub fn call_provider(&mut self, name: &str) {
        for chain in [&mut self.http, &mut self.tcp] {
            if let CustomStage::Ask(ask) = &mut chain.custom {
                ask.provider = name.into();
            }
        }
    }

    /// Forgets the mTLS gate, where what is asked about are the filters behind it alone.
    pub fn forget_gate(&mut self) {
        self.mtls = None;
        self.older.iter_mut().for_each(Plan::forget_gate);
        self.required_inputs = RequiredInputs::of(self);
    }

    /// Takes all rules out but those for tokens, and puts ALLOW rules in their place.
    pub fn allow_only(&mut self, http: Vec<Rule>, tcp: Vec<Rule>, with_tokens: bool) {
        self.mtls = None;
        self.older.clear();
        if !with_tokens {
            self.authenticator = Authenticator::default();
            self.jwt_rules = 0;
        }
        self.http = ChainParts { allow: Some(http), ..ChainParts::default() }.chain();
        self.tcp = ChainParts { allow: Some(tcp), ..ChainParts::default() }.chain();
        self.required_inputs = RequiredInputs::of(self);
    }

    /// Of [`Plan::of_parts`]: the connection manager's settings. `None`: they follow from workload and mesh.
    pub fn loaded_settings(&self) -> Option<&ProxySettings> {
        self.loaded.as_ref()
    }
}

impl ChainParts {
    fn chain(self) -> Chain {
        let set = |rules: Vec<Rule>, enforced: bool| RuleSet {
            rules,
            enforced,
            policies: usize::from(enforced),
            ..RuleSet::default()
        };
        let custom = self.custom.map(|custom| {
            CustomStage::Ask(Ask {
                provider: custom.provider,
                rules: custom.rules,
                fail_open: custom.fails_open,
                status_on_error: custom.status_on_error,
                dropped: Vec::new(),
            })
        });
        let denies = !self.deny.is_empty();
        let allows = self.allow.is_some();
        let chain = Chain {
            custom: custom.unwrap_or_default(),
            deny: set(self.deny, denies),
            allow: set(self.allow.unwrap_or_default(), allows),
            ..Chain::default()
        };
        slices::all(chain.indexed(&AtOnce))
    }
}
