//! What a proxy behind a gateway does, as rules about the request that comes to the gateway.
//!
//! Who calls, to which port, with which headers that the route writes: all of that is known there, so that conditions on it
//! hold or do not. What is left looks at what goes through the gateway as it came.

use gnomon_engine::{
    Attribute, Plan,
    attribute::Input,
    jwt::{Algorithm, Crypto, Key, Signature},
    pattern::Pattern,
    plan::{ChainParts, Clause, CustomParts, Matcher, Origin, Parts, PathPattern, PolicyName, Rule},
    prepare::{Prepared, ProxySettings, RequestSpec},
    request::Protocol,
    verdict::{Outcome, Stage},
};
use gnomon_manifests::inventory::{HttpRule, PathMatch, PathRewrite};
use std::sync::Arc;

/// A proxy behind the gateway.
#[derive(Debug)]
pub(super) struct Behind<'a> {
    /// What it has compiled.
    pub(super) plan: &'a Plan,
    /// What its connection manager does.
    pub(super) settings: ProxySettings,
    /// HTTP requests come there, or connections (ztunnel).
    pub(super) protocol: Protocol,
    /// Who calls; `None`: plaintext.
    pub(super) principal: Option<String>,
    /// At which port.
    pub(super) port: u16,
    /// What the route does to the request.
    pub(super) rule: &'a HttpRule,
    /// What of the path matched there.
    pub(super) matched: Option<&'a PathMatch>,
    /// The gateway in front: as whose requests all conditions are read.
    pub(super) gateway: &'a Plan,
    /// What its connection manager does.
    pub(super) gateway_settings: &'a ProxySettings,
}

/// What becomes of a condition.
enum Turned {
    /// The same of the request at the gateway: any of these.
    Asks(Vec<Clause>),
    /// It holds, or does not, whatever is sent.
    Is(bool),
}

/// Headers that proxies write themselves on the way.
fn is_written_on_the_way(name: &str) -> bool {
    const PREFIXES: [&str; 4] = ["x-forwarded-", "x-envoy-", "x-b3-", "x-request-id"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || matches!(name, "traceparent" | "tracestate" | "b3" | "via" | "x-ot-span-context" | ":scheme")
}

impl Behind<'_> {
    /// What it lets pass, of requests as the gateway gets them. The mTLS gate is not in it: that is about the connection.
    ///
    /// # Errors
    ///
    /// What of its policies looks at something that the gateway makes and nobody knows, in words.
    pub(super) fn turned(&self) -> Result<Plan, String> {
        if self.plan.releases().count() != 1 {
            return Err("patch releases that disagree: say in `istioVersion` which it is".into());
        }
        let mut http = ChainParts::default();
        for stage in self.plan.stages(self.protocol).into_iter().filter(|stage| !stage.dry_run) {
            let mut rules = Vec::new();
            for rule in stage.rules {
                rules.extend(self.rule(rule)?);
            }
            match stage.stage {
                Stage::Custom => {
                    let Some(provider) = stage.provider else {
                        return Err("a CUSTOM policy whose provider cannot be asked".into());
                    };
                    http.custom = Some(CustomParts {
                        provider: provider.to_owned(),
                        rules,
                        fails_open: self.plan.provider_fails_open(self.protocol),
                        status_on_error: 403,
                    });
                }
                Stage::Deny => http.deny = rules,
                Stage::Allow => http.allow = Some(rules),
                _ => {}
            }
        }
        // Who reads no tokens has what the gateway has read of them, for the headers that it writes.
        let of_tokens = if self.reads_tokens() { self.plan } else { self.gateway };
        Ok(Plan::of_parts(Parts {
            name: String::new(),
            settings: self.gateway_settings.clone(),
            authenticator: of_tokens.authenticator().clone(),
            jwt_rules: of_tokens.authenticator().rules().count(),
            believes_peers: true,
            joins_lines: self.plan.joins_lines(),
            http,
            tcp: ChainParts::default(),
        }))
    }

    fn reads_tokens(&self) -> bool {
        !self.plan.authenticator().is_empty()
    }

    /// The rule; several, where a condition has become one of several; none, where it never matches.
    fn rule(&self, rule: &Rule) -> Result<Vec<Rule>, String> {
        let mut all =
            vec![Rule { from: Box::default(), to: Box::default(), when: Box::default(), ..rule.clone() }];
        for (groups, is_from) in [(&rule.from, true), (&rule.to, false)] {
            if groups.is_empty() {
                continue;
            }
            let mut turned: Vec<Box<[Clause]>> = Vec::new();
            for group in groups {
                turned.extend(self.all(group)?.into_iter().map(Vec::into_boxed_slice));
            }
            if turned.iter().any(|group| group.is_empty()) {
                continue; // One of them always holds.
            }
            if turned.is_empty() {
                return Ok(Vec::new());
            }
            for rule in &mut all {
                *if is_from { &mut rule.from } else { &mut rule.to } = turned.clone().into();
            }
        }
        let whens = self.all(&rule.when)?;
        let with = |when: Vec<Clause>| {
            all.iter().map(move |rule| Rule { when: when.clone().into(), ..rule.clone() })
        };
        Ok(whens.into_iter().flat_map(with).collect())
    }

    /// Clauses that must all hold, as alternatives of such; none: they never do.
    fn all(&self, clauses: &[Clause]) -> Result<Vec<Vec<Clause>>, String> {
        let mut all: Vec<Vec<Clause>> = vec![Vec::new()];
        for clause in clauses {
            match self.clause(clause)? {
                Turned::Is(true) => {}
                Turned::Is(false) => return Ok(Vec::new()),
                Turned::Asks(any) => {
                    all = all
                        .iter()
                        .flat_map(|before| {
                            any.iter().map(|one| [before.as_slice(), std::slice::from_ref(one)].concat())
                        })
                        .collect();
                }
            }
            if all.len() > 64 {
                return Err("rules with many paths behind a rewrite".into());
            }
        }
        Ok(all)
    }

    fn clause(&self, clause: &Clause) -> Result<Turned, String> {
        let same = || Ok(Turned::Asks(vec![clause.clone()]));
        if matches!(clause.matcher(), Matcher::Never) {
            return Ok(Turned::Is(clause.is_negated()));
        }
        let Some(attribute) = clause.attribute() else { return Err(clause.field()) };
        let unknown = |what: &str| {
            Err(format!("its condition on {} (line {}) is about {what}", clause.field(), clause.at().line))
        };
        match attribute.row().input {
            Input::Peer | Input::DestinationPort => Ok(Turned::Is(self.holds(clause, &[])?)),
            _ if self.protocol == Protocol::Tcp => unknown("addresses, which are the gateway's"),
            Input::SourceIp => unknown("the gateway's own address"),
            Input::DestinationIp => unknown("the address of the workload"),
            Input::Sni => unknown("the server name that the gateway sends"),
            Input::Metadata => unknown("what another filter says there"),
            // The gateway adds the address that it is called from, and the proxy behind takes the last one.
            Input::RemoteIp => Ok(Turned::Asks(vec![Clause::of(
                (Attribute::SourceIp, None),
                clause.name().map(Box::from),
                (clause.matcher().clone(), clause.is_negated()),
                clause.expected(),
                clause.at(),
            )])),
            Input::RequestPrincipal | Input::Claim => match self.reads_tokens() {
                true => same(),
                false => Ok(Turned::Is(self.holds(clause, &[])?)),
            },
            Input::Host => self.host(clause),
            Input::Path => self.path(clause),
            Input::Header => match clause.name().next().unwrap_or_default() {
                ":method" => same(),
                ":authority" => self.host(clause),
                ":path" => match self.rule.rewrite {
                    None => same(),
                    Some(_) => unknown("the whole of a path that the route rewrites"),
                },
                name if is_written_on_the_way(name) => unknown("a header that proxies write"),
                name => self.header(clause, name),
            },
        }
    }

    fn host(&self, clause: &Clause) -> Result<Turned, String> {
        match &self.rule.authority {
            None => Ok(Turned::Asks(vec![clause.clone()])),
            Some(_) => Ok(Turned::Is(self.holds(clause, &[])?)),
        }
    }

    fn header(&self, clause: &Clause, name: &str) -> Result<Turned, String> {
        let is_it = |sent: &str| sent.eq_ignore_ascii_case(name);
        let changes = &self.rule.headers;
        if changes.add.iter().any(|(sent, _)| is_it(sent)) {
            return Err(format!("the route adds lines to the header {name}, on which there is a condition"));
        }
        let set: Vec<(String, String)> =
            changes.set.iter().filter(|(sent, _)| is_it(sent)).cloned().collect();
        match set.is_empty() && !changes.remove.iter().any(|sent| is_it(sent)) {
            true if self.gateway.authenticator().writes_headers().any(is_it) => self.of_claim(clause, name),
            true => Ok(Turned::Asks(vec![clause.clone()])),
            false => Ok(Turned::Is(self.holds(clause, &set)?)),
        }
    }

    /// A condition on a header that the gateway writes from the subject of a token, as one on the token. It is not written
    /// where the subject is empty, and what clients send under its name is taken out.
    fn of_claim(&self, clause: &Clause, name: &str) -> Result<Turned, String> {
        let refused =
            || Err(format!("a condition on the header {name}, which the gateway writes from a token"));
        let Matcher::Header(patterns) = clause.matcher() else { return refused() };
        if self.reads_tokens() {
            return refused();
        }
        let mut pairs = Vec::new();
        for rule in self.gateway.authenticator().rules() {
            let mut writes = rule.writes().filter(|(header, _)| header.eq_ignore_ascii_case(name));
            let Some((_, claim)) = writes.next() else { continue };
            if claim != ["sub"] || writes.next().is_some() {
                return refused();
            }
            let issuer = match rule.issuer() {
                "" => Pattern::Any,
                issuer => Pattern::Exact(issuer.as_bytes().into()),
            };
            pairs.extend(patterns.iter().map(|pattern| (issuer.clone(), pattern.clone())));
        }
        Ok(Turned::Asks(vec![Clause::of(
            (Attribute::RequestPrincipal, None),
            [],
            (Matcher::RequestPrincipal(pairs.into()), clause.is_negated()),
            clause.expected(),
            clause.at(),
        )]))
    }

    fn path(&self, clause: &Clause) -> Result<Turned, String> {
        let Matcher::Path(patterns) = clause.matcher() else { return Ok(Turned::Asks(vec![clause.clone()])) };
        let Some(rewrite) = Rewriting::of(self.rule, self.matched, &self.settings)? else {
            return Ok(Turned::Asks(vec![clause.clone()]));
        };
        let mut turned: Vec<PathPattern> = Vec::new();
        for pattern in patterns {
            let PathPattern::Plain(pattern) = pattern else {
                return Err("a path template behind a route that rewrites the path".into());
            };
            match rewrite.undone(pattern)? {
                Undone::Always => return Ok(Turned::Is(!clause.is_negated())),
                Undone::When(patterns) => turned.extend(patterns.into_iter().map(PathPattern::Plain)),
            }
        }
        if turned.is_empty() {
            return Ok(Turned::Is(clause.is_negated()));
        }
        Ok(Turned::Asks(vec![Clause::of(
            (Attribute::Path, None),
            clause.name().map(Box::from),
            (Matcher::Path(turned.into()), clause.is_negated()),
            clause.expected(),
            clause.at(),
        )]))
    }

    /// Whether it holds of what is known there: the caller, the port, the host that the route sets, these headers.
    fn holds(&self, clause: &Clause, headers: &[(String, String)]) -> Result<bool, String> {
        let spec = RequestSpec {
            protocol: self.protocol,
            method: "GET".into(),
            path: "/".into(),
            host: self.rule.authority.clone().or_else(|| Some("example.com".into())),
            headers: headers.to_vec(),
            principal: self.principal.clone(),
            destination_port: Some(self.port),
            ..RequestSpec::default()
        };
        let chain =
            || ChainParts { allow: Some(vec![rule_of(vec![clause.clone()])]), ..ChainParts::default() };
        let plan = Plan::of_parts(Parts {
            name: String::new(),
            settings: self.settings.clone(),
            authenticator: Default::default(),
            jwt_rules: 0,
            believes_peers: self.plan.believes_peers(),
            joins_lines: self.plan.joins_lines(),
            http: chain(),
            tcp: chain(),
        });
        let prepared = Prepared::at(&spec, plan.authenticator(), &self.settings, 0);
        match prepared.report(&plan, &Nobody).verdict {
            Outcome::Allow => Ok(true),
            Outcome::Deny => Ok(false),
            _ => Err(format!("its condition on {} (line {})", clause.field(), clause.at().line)),
        }
    }
}

/// Knows no signatures: nobody sends a token.
struct Nobody;

impl Crypto for Nobody {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

/// A rule that nobody has written, with these conditions.
pub(super) fn rule_of(when: Vec<Clause>) -> Rule {
    let policy = PolicyName { namespace: "".into(), name: "way".into(), file: Arc::from("") };
    Rule {
        id: "".into(),
        origin: Origin { policy: Arc::new(policy), index: 0, at: Default::default() },
        from: Box::default(),
        to: Box::default(),
        when: when.into(),
        notes: Vec::new(),
    }
}

/// How a route changes paths.
struct Rewriting<'a> {
    /// What is cut off; a path begins so.
    from: &'a str,
    /// What is put before the rest.
    to: &'a str,
    /// What is left is nothing, or begins with a slash.
    by_segment: bool,
    /// Nothing is left: the path is this.
    whole: Option<&'a str>,
}

/// On which paths before the route a condition on the path behind it holds.
enum Undone {
    Always,
    When(Vec<Pattern>),
}

impl<'a> Rewriting<'a> {
    /// `None`: the path stays.
    fn of(
        rule: &'a HttpRule,
        matched: Option<&'a PathMatch>,
        settings: &ProxySettings,
    ) -> Result<Option<Rewriting<'a>>, String> {
        let whole = |text: &'a str| Rewriting { from: "", to: "", by_segment: false, whole: Some(text) };
        let rewriting = match (&rule.rewrite, matched) {
            (None, _) => return Ok(None),
            (Some(PathRewrite::Other), _) => {
                return Err("a route that rewrites the path by an expression".into());
            }
            (Some(PathRewrite::Whole(text)), _)
            | (Some(PathRewrite::Matched(text)), Some(PathMatch::Exact(_) | PathMatch::Regex(_))) => {
                whole(text)
            }
            (Some(PathRewrite::Matched(to)), Some(PathMatch::Prefix(from) | PathMatch::Segments(from))) => {
                Rewriting { from, to, by_segment: false, whole: None }
            }
            (Some(PathRewrite::Matched(to)), None) => {
                Rewriting { from: "/", to, by_segment: false, whole: None }
            }
            (Some(PathRewrite::Segments(to)), matched) => {
                let from = match matched {
                    Some(PathMatch::Prefix(from) | PathMatch::Segments(from) | PathMatch::Exact(from)) => {
                        from
                    }
                    Some(PathMatch::Regex(_)) => {
                        return Err("a route that matches by an expression and rewrites a prefix".into());
                    }
                    None => "",
                };
                let (from, to) = (from.trim_end_matches('/'), to.trim_end_matches('/'));
                Rewriting { from, to, by_segment: true, whole: None }
            }
        };
        let Rewriting { from, to, by_segment, whole } = &rewriting;
        let text = whole.unwrap_or(to);
        let odd = text.contains("//")
            || text.contains('%')
            || text.contains('\\')
            || text.contains('?')
            || text.contains('#')
            || text.split('/').any(|part| part == "." || part == "..");
        // `/api` that becomes `/`: `/api./x` would become `/./x`.
        let joins = !by_segment && whole.is_none() && from.ends_with('/') != to.ends_with('/');
        if odd || (joins && settings.path.normalize) {
            return Err(format!(
                "a route that rewrites {from} to {text}: what comes of it is normalized again behind it"
            ));
        }
        Ok(Some(rewriting))
    }

    fn undone(&self, pattern: &Pattern) -> Result<Undone, String> {
        if let Some(path) = self.whole {
            return Ok(match pattern.matches_non_empty(path.as_bytes()) {
                true => Undone::Always,
                false => Undone::When(Vec::new()),
            });
        }
        let (from, to) = (self.from.as_bytes(), self.to.as_bytes());
        let before = |rest: &[u8]| [from, rest].concat().into_boxed_slice();
        let mut found = Vec::new();
        // Without anything before it, nothing that is left becomes the root.
        let roots = self.by_segment && to.is_empty();
        match pattern {
            Pattern::Any => return Ok(Undone::Always),
            Pattern::Exact(path) => {
                if let Some(rest) = path.strip_prefix(to)
                    && (!self.by_segment || rest.is_empty() || rest.starts_with(b"/"))
                    && !(roots && rest.is_empty())
                {
                    found.push(Pattern::Exact(before(rest)));
                }
                if roots && **path == *b"/" {
                    found.push(Pattern::Exact(before(b"")));
                }
            }
            Pattern::Prefix(start) => match (start.strip_prefix(to), to.starts_with(start)) {
                (_, true) => return Ok(Undone::Always),
                (Some(rest), _) if !self.by_segment || rest.starts_with(b"/") => {
                    found.push(Pattern::Prefix(before(rest)));
                    if roots && rest == b"/" {
                        found.push(Pattern::Exact(before(b"")));
                    }
                }
                _ => {}
            },
            Pattern::Suffix(_) => return Err("paths by their end behind a route that rewrites them".into()),
        }
        // An empty text would be no pattern.
        match found
            .iter()
            .any(|one| matches!(one, Pattern::Exact(text) | Pattern::Prefix(text) if text.is_empty()))
        {
            true => Ok(Undone::Always),
            false => Ok(Undone::When(found)),
        }
    }
}
