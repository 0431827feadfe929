//! What of a request the policies read, and so what has to be written of it.

use gnomon_engine::{Plan, attribute::Input, plan::RequiredInputs, request::Protocol, verdict::Stage};

/// Claims that every rule about tokens reads.
const OF_TOKENS: [&str; 6] = ["iss", "sub", "aud", "azp", "exp", "nbf"];

/// Pseudo headers that a request states.
const STATED: [&str; 4] = [":method", ":authority", ":path", ":protocol"];

/// What two sets of policies read, or one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    /// Peer, addresses, server name.
    pub(crate) needs: RequiredInputs,
    /// Headers by name, pseudo headers not among them.
    pub(crate) headers: Vec<String>,
    /// Those of them that CUSTOM rules read, before any token is checked.
    pub(crate) headers_before_tokens: Vec<String>,
    /// Whether a rule reads the query, as part of the header `:path`.
    pub(crate) query: bool,
    /// Whether a rule reads a pseudo header that a request does not state, such as `:scheme`.
    pub(crate) others: bool,
    /// Claims, the outermost names.
    pub(crate) claims: Vec<String>,
    /// Dynamic metadata: filters, each with a key.
    pub(crate) metadata: Vec<[String; 2]>,
    /// Whether any rule looks at tokens.
    pub(crate) tokens: bool,
    /// Headers in which tokens are looked for.
    pub(crate) token_headers: Vec<String>,
    /// Providers that are asked.
    pub(crate) providers: Vec<String>,
}

impl Attributes {
    /// What these plans read.
    pub(crate) fn of<'p>(plans: impl Iterator<Item = &'p Plan>) -> Attributes {
        let mut all = Attributes::default();
        for plan in plans {
            all.needs = all.needs.or(plan.required_inputs());
            all.tokens |= !plan.authenticator().is_empty();
            all.token_headers.extend(plan.authenticator().reads_headers().map(str::to_ascii_lowercase));
            for protocol in [Protocol::Http, Protocol::Tcp] {
                all.stages(plan, protocol);
            }
        }
        if all.tokens {
            all.claims.extend(OF_TOKENS.map(str::to_owned));
        }
        all.metadata.sort_unstable();
        all.metadata.dedup();
        for names in [&mut all.headers, &mut all.claims, &mut all.providers, &mut all.token_headers] {
            names.sort_unstable();
            names.dedup();
        }
        all
    }

    fn stages(&mut self, plan: &Plan, protocol: Protocol) {
        for stage in plan.stages(protocol) {
            self.providers.extend(stage.provider.map(str::to_owned));
            for rule in stage.rules {
                let groups = rule.from.iter().chain(&rule.to).flat_map(|group| group.iter());
                for clause in groups.chain(&rule.when) {
                    let Some(attribute) = clause.attribute() else { continue };
                    let mut names = clause.name();
                    match (attribute.row().input, names.next()) {
                        (Input::Header, Some(":path")) => self.query = true,
                        (Input::Header, Some(name)) if !name.starts_with(':') => {
                            if stage.stage == Stage::Custom {
                                self.headers_before_tokens.push(name.to_ascii_lowercase());
                            }
                            self.headers.push(name.to_ascii_lowercase());
                        }
                        (Input::Header, Some(name)) => self.others |= !STATED.contains(&name),
                        (Input::Claim, Some(name)) => self.claims.push(name.to_owned()),
                        (Input::Metadata, Some(filter)) => {
                            self.metadata.extend(names.next().map(|key| [filter.to_owned(), key.to_owned()]));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}
