//! All requests that come through a gateway to a workload at once: who may send which.
//!
//! The policies of the gateway, the route and the policies behind it are asked about the same request, as it comes to the
//! gateway: what is behind is turned into that ([`super::behind`]). The answer is exact for hosts without a port; routes
//! that cannot be followed are named, and what they may take is left out.

use super::{
    World,
    behind::{Behind, rule_of},
    follow_to, reached,
    region::{Region, regions},
    request::passed_token,
    route::{Offered, leads, service, shared},
    tls,
};
use crate::{
    diff::{Change, Changes, Problem, Ready, between},
    invariant::{Requests, Unanswered, only},
};
use gnomon_engine::{
    Attribute, Plan, Workload,
    pattern::Pattern,
    plan::{ChainParts, Clause, Matcher, Parts, PathPattern, Rule},
    prepare::ProxySettings,
    request::Protocol,
    verdict::Outcome,
    workload::ProxyKind,
};
use gnomon_manifests::inventory::{Candidate, HttpMatch, PathMatch, PathRewrite, Service, TextMatch};
use gnomon_symbolic::{Kind, Limits};

/// What a gateway lets through to a workload by one rule of its routes.
#[derive(Clone, Debug)]
pub struct Passage {
    /// The gateway, for people.
    pub gateway: String,
    /// The way, one sentence each: the route, the connection.
    pub how: Vec<String>,
    /// Who may send what, as it comes to the gateway: the lines of the summary, and a smallest request.
    pub changes: Changes,
}

/// What a gateway lets through to a workload.
#[derive(Clone, Debug, Default)]
pub struct Passages {
    /// By each rule that leads there.
    pub all: Vec<Passage>,
    /// What is not known, one sentence each.
    pub unknown: Vec<String>,
}

/// Who may send these requests to the workload through the gateway.
///
/// # Errors
///
/// See [`Unanswered`].
pub fn who_can<'a>(
    world: World<'a>,
    gateway: &'a Candidate<'a>,
    target: &'a Workload,
    requests: &Requests,
) -> Result<Passages, Unanswered> {
    let rules = requests.compiled(&gateway.workload, world.mesh)?;
    passages(world, gateway, target, &Senders::These(&rules)).map_err(Unanswered::Problem)
}

/// Of which requests.
#[derive(Debug)]
pub(crate) enum Senders<'a> {
    /// Those that these rules match, as they come to the gateway.
    These(&'a [Rule]),
    /// Those that these rules do not match.
    Others(&'a [Rule]),
}

/// What comes through a gateway to a workload, of these requests.
///
/// # Errors
///
/// See [`Problem`]: of the gateway's own policies.
pub(crate) fn passages<'a>(
    world: World<'a>,
    gateway: &'a Candidate<'a>,
    target: &'a Workload,
    senders: &Senders<'_>,
) -> Result<Passages, Problem> {
    let mut found = Passages::default();
    let all = world.inventory.workloads();
    let Some(target) = all.iter().find(|one| one.workload == *target) else { return Ok(found) };
    let plan = Plan::build(world.resources, &gateway.workload, world.mesh);
    let settings = ProxySettings::of(&gateway.workload, world.mesh);
    let asking = Asking { world, gateway, plan: &plan, settings: &settings, senders };
    for region in regions(&world, gateway) {
        let mut before: Vec<Rule> = Vec::new();
        for (offered, wanted) in &region.matches {
            let (clauses, unread) = clauses(wanted, &settings);
            let leading = leading(&world, offered, target);
            let route = Route { offered, wanted, region: &region, clauses: &clauses, before: &before };
            let matters = !unread.is_empty() || leading.as_ref().map_or(true, |there| !there.is_empty());
            if matters && asking.takes(route)? {
                let mut unknown = |why: &str| found.unknown.push(format!("{}: {why}", offered.named()));
                match leading {
                    Err(why) => unknown(&why),
                    Ok(_) if !unread.is_empty() => {
                        let (all, are) = (unread.join("`, `"), if unread.len() == 1 { "is" } else { "are" });
                        unknown(&format!("its `{all}` {are} not followed; what it takes is left out"));
                    }
                    Ok(there) => {
                        for leading in there {
                            match asking.passage(&all, target, route, leading) {
                                Ok(passage) => found.all.extend(passage),
                                Err(Unfollowed::Why(why)) => unknown(&why),
                                Err(Unfollowed::Problem(problem @ Problem::Unconfirmed(_))) => {
                                    return Err(problem);
                                }
                                Err(Unfollowed::Problem(problem)) => unknown(&problem.to_string()),
                            }
                        }
                    }
                }
            }
            before.push(rule_of(clauses));
        }
    }
    found.unknown.sort();
    found.unknown.dedup();
    Ok(found)
}

/// A destination of a rule, found.
#[derive(Clone, Copy)]
struct Leading<'i> {
    service: &'i Service,
    /// The Service's port.
    port: u16,
    /// The subset; empty: none.
    subset: &'i str,
}

/// The destinations of a rule that the workload is behind.
fn leading<'i>(
    world: &World<'i>,
    offered: &Offered<'i>,
    target: &Candidate<'_>,
) -> Result<Vec<Leading<'i>>, String> {
    use super::End;
    match offered.goes_on() {
        Ok(()) => {}
        Err(End::Undecided(_)) => {
            return Err("it delegates to another VirtualService, which is not followed".into());
        }
        Err(_) => return Ok(Vec::new()),
    }
    let mut found = Vec::new();
    for destination in shared(offered.rule) {
        // A Service that is not there has no workload of the manifests behind it.
        if let Ok((service, port)) = service(world, destination, offered.meta)
            && reached(target, service, port).is_some()
        {
            found.push(Leading { service, port, subset: &destination.subset });
        }
    }
    Ok(found)
}

/// One match of a rule.
#[derive(Clone, Copy)]
struct Route<'r, 'i> {
    offered: &'r Offered<'i>,
    wanted: &'r HttpMatch,
    region: &'r Region<'i>,
    /// What it takes.
    clauses: &'r [Clause],
    /// What is taken by others before it.
    before: &'r [Rule],
}

impl Route<'_, '_> {
    /// What becomes of path and host, in words.
    fn rewritten(&self) -> Vec<String> {
        let rule = self.offered.rule;
        let matched = match &self.wanted.path {
            Some(PathMatch::Prefix(text) | PathMatch::Segments(text)) => text.as_str(),
            _ => "",
        };
        let path = rule.rewrite.as_ref().map(|rewrite| match rewrite {
            PathRewrite::Matched(to) | PathRewrite::Segments(to) if !matched.is_empty() => {
                format!("{matched} at the beginning of the path becomes {to}")
            }
            PathRewrite::Matched(to) | PathRewrite::Segments(to) | PathRewrite::Whole(to) => {
                format!("the path becomes {to}")
            }
            PathRewrite::Other => "the path is rewritten".to_owned(),
        });
        let host = rule.authority.as_ref().map(|host| format!("the host becomes {host}"));
        path.into_iter().chain(host).collect()
    }
}

enum Unfollowed {
    Why(String),
    Problem(Problem),
}

struct Asking<'s, 'a> {
    world: World<'a>,
    gateway: &'a Candidate<'a>,
    plan: &'s Plan,
    settings: &'s ProxySettings,
    senders: &'s Senders<'s>,
}

impl<'s, 'a> Asking<'s, 'a> {
    /// `None`: nothing comes there.
    fn passage(
        &self,
        all: &[Candidate<'_>],
        target: &Candidate<'_>,
        route: Route<'_, '_>,
        Leading { service, port, subset }: Leading<'_>,
    ) -> Result<Option<Passage>, Unfollowed> {
        let Asking { world, gateway, .. } = *self;
        let mesh = world.mesh;
        let why = |text: &str| Unfollowed::Why(text.to_owned());
        let Some(own_port) = reached(target, service, port).and_then(|reached| reached.target) else {
            return Err(why("no container of the workload has the Service's targetPort"));
        };
        let client = tls::Client { workload: &gateway.workload, port, subset };
        let connection = tls::connection(&world, client, service, target, own_port);
        if connection.fails.is_some() {
            return Ok(None);
        }
        let mut how = vec![leads(route.offered, service, port)];
        how.extend(route.rewritten());
        how.extend(connection.how);
        let mut principal = connection.principal;
        let mut plans = Vec::new();
        let turn = |workload: &Workload,
                    principal: &Option<String>,
                    port: u16|
         -> Result<Option<Plan>, Unfollowed> {
            let plan = Plan::build(world.resources, workload, mesh);
            if !passed_token(self.plan) && plan.authenticator().rules().next().is_some() {
                return Err(why(
                    "the gateway takes tokens out (`forwardOriginalToken` is not set), and the proxy behind it looks for them",
                ));
            }
            let asked = |plan: &Plan| plan.provider().map(str::to_owned);
            if let (Some(a), Some(b)) = (asked(self.plan), asked(&plan))
                && a == b
            {
                return Err(why("the gateway and the proxy behind it ask the same CUSTOM provider"));
            }
            let protocol = match workload.proxy {
                ProxyKind::Ztunnel => Protocol::Tcp,
                _ => Protocol::Http,
            };
            match tls::takes(&plan, principal.is_some(), port) {
                Some(true) => {}
                Some(false) => return Ok(None),
                None => return Err(why("whether its mutual TLS is strict is not known")),
            }
            let behind = Behind {
                settings: ProxySettings::of(workload, mesh),
                plan: &plan,
                protocol,
                principal: principal.clone(),
                port,
                rule: route.offered.rule,
                matched: route.wanted.path.as_ref(),
                gateway: self.plan,
                gateway_settings: self.settings,
            };
            behind.turned().map(Some).map_err(Unfollowed::Why)
        };
        if let Some(waypoint) = world.ingress_waypoint(all, service) {
            let Some(turned) = turn(&waypoint.workload, &principal, port)? else { return Ok(None) };
            plans.push(turned);
            principal = Some(tls::identity(&waypoint.workload, mesh));
            how.push(format!("the waypoint {} speaks for the caller", waypoint.workload.display_name()));
        }
        if !target.has_proxy {
            return Err(why("the workload has no proxy, so that no policy is asked there"));
        }
        let Some(turned) = turn(&target.workload, &principal, own_port)? else { return Ok(None) };
        plans.extend(self.at_the_gateway(route));
        let nobody = self.of_rules(vec![rule_of(Vec::new())], None);
        let ready = |plan: Plan| Ready::on_the_way(plan, &gateway.workload, mesh);
        let old = ready(nobody);
        let mut new = ready(turned);
        new.before = std::iter::once(self.plan).chain(&plans).map(|plan| (plan, &gateway.workload)).collect();
        let workload = &target.workload;
        new.proxy = Some(Box::new(move |spec, _, _| {
            let way = follow_to(world, gateway, spec, Some(workload));
            let last = way.hops.last().map(|hop| &hop.explanation.report);
            let there = way.hops.last().is_some_and(|hop| hop.workload == *workload);
            match last {
                Some(report) if there || report.verdict != Outcome::Allow => Some(report.clone()),
                _ => None,
            }
        }));
        let changes = between(&[Kind::Http], &old, &new, world.now, world.crypto, Limits::default());
        let changes = only(changes.map_err(Unfollowed::Problem)?, Change::Allowed);
        let gateway = gateway.workload.display_name();
        Ok((!changes.summary.is_empty()).then_some(Passage { gateway, how, changes }))
    }

    /// What the route takes, and what is asked about, as rules about requests at the gateway.
    fn at_the_gateway(&self, route: Route<'_, '_>) -> [Plan; 2] {
        let mut taken = route.clauses.to_vec();
        taken.extend(hosts(route.region));
        let mut not_taken = route.before.to_vec();
        not_taken.extend(other_hosts(route.region));
        [
            self.of_rules(not_taken, Some(vec![rule_of(taken)])),
            match self.senders {
                Senders::These(rules) => self.of_rules(Vec::new(), Some(rules.to_vec())),
                Senders::Others(rules) => self.of_rules(rules.to_vec(), None),
            },
        ]
    }

    /// Does the route take a request that is asked about, and that the gateway lets pass?
    fn takes(&self, route: Route<'_, '_>) -> Result<bool, Problem> {
        let plans = self.at_the_gateway(route);
        let workload = &self.gateway.workload;
        let ready = |plan| Ready::on_the_way(plan, workload, self.world.mesh);
        let nobody = ready(self.of_rules(vec![rule_of(Vec::new())], None));
        let mut all = ready(self.of_rules(Vec::new(), None));
        all.before = std::iter::once(self.plan).chain(&plans).map(|plan| (plan, workload)).collect();
        let compared = nobody.compared(&all, Kind::Http, Limits::default())?;
        Ok(compared.is_some_and(|compared| !compared.is_equivalent()))
    }

    /// Rules that no policy has, about requests at the gateway.
    fn of_rules(&self, deny: Vec<Rule>, allow: Option<Vec<Rule>>) -> Plan {
        Plan::of_parts(Parts {
            name: String::new(),
            settings: self.settings.clone(),
            // So that conditions on tokens see what the gateway sees.
            authenticator: self.plan.authenticator().clone(),
            jwt_rules: self.plan.authenticator().rules().count(),
            believes_peers: self.plan.believes_peers(),
            joins_lines: self.plan.joins_lines(),
            http: ChainParts { custom: None, deny, allow },
            tcp: ChainParts::default(),
        })
    }
}

fn clause(attribute: Attribute, name: Option<&str>, matcher: Matcher) -> Clause {
    let own = Some(attribute.row().name).filter(|own| !own.is_empty());
    let name = name.or(own).map(Box::from);
    Clause::of((attribute, None), name, (matcher, false), Vec::new(), Default::default())
}

fn exact(text: &str) -> Pattern {
    Pattern::Exact(text.as_bytes().into())
}

/// Texts with this beginning.
fn beginning(text: &str) -> Pattern {
    if text.is_empty() { Pattern::Any } else { Pattern::Prefix(text.as_bytes().into()) }
}

fn host(pattern: &str) -> Pattern {
    match pattern.strip_prefix('*') {
        Some("") => Pattern::Any,
        Some(end) => Pattern::Suffix(end.as_bytes().into()),
        None => exact(pattern),
    }
}

/// The hosts and ports of a region.
fn hosts(region: &Region<'_>) -> Vec<Clause> {
    let mut clauses = Vec::new();
    if region.hosts != "*" {
        clauses.push(clause(Attribute::Host, None, Matcher::Host([host(&region.hosts)].into())));
    }
    if !region.ports.is_empty() {
        clauses.push(clause(Attribute::Port, None, Matcher::Port(region.ports.clone().into())));
    }
    clauses
}

/// The hosts of narrower patterns, which other regions have.
fn other_hosts(region: &Region<'_>) -> Option<Rule> {
    let but: Vec<Pattern> = region.but.iter().map(|pattern| host(pattern)).collect();
    (!but.is_empty()).then(|| rule_of(vec![clause(Attribute::Host, None, Matcher::Host(but.into()))]))
}

/// The conditions of a match that clauses can say, and the names of those that they cannot. With any of the latter the match
/// takes no more requests than the clauses do, and maybe fewer.
fn clauses(wanted: &HttpMatch, settings: &ProxySettings) -> (Vec<Clause>, Vec<String>) {
    let mut clauses = Vec::new();
    let mut unread = wanted.others.clone();
    match &wanted.path {
        Some(_) if wanted.ignores_case => unread.push("ignoreUriCase".into()),
        Some(PathMatch::Regex(text)) => match Beginning::of(text) {
            Beginning::Whole(text) => clauses.extend(paths(vec![exact(text)])),
            Beginning::All(text) => clauses.extend(paths(vec![beginning(text)])),
            Beginning::Some(text) => {
                clauses.extend(paths(vec![beginning(text)]));
                unread.push("regex".into());
            }
        },
        Some(PathMatch::Exact(text)) => clauses.extend(paths(vec![exact(text)])),
        Some(PathMatch::Prefix(text)) => clauses.extend(paths(vec![beginning(text)])),
        Some(PathMatch::Segments(text)) => {
            let text = text.trim_end_matches('/');
            if !text.is_empty() {
                clauses.extend(paths(vec![exact(text), beginning(&format!("{text}/"))]));
            }
        }
        None => {}
    }
    let text = |wanted: &TextMatch| match wanted {
        TextMatch::Exact(text) => Some(exact(text)),
        TextMatch::Prefix(text) => Some(beginning(text)),
        TextMatch::Present => Some(Pattern::Any),
        TextMatch::Regex(_) => None,
    };
    if let Some(method) = &wanted.method {
        match text(method) {
            Some(pattern) => {
                clauses.push(clause(Attribute::Method, None, Matcher::Header([pattern].into())));
            }
            None => unread.push("method".into()),
        }
    }
    if let Some(authority) = &wanted.authority {
        match authority {
            // Policies compare hosts without regard to case, and routes do not; no host with capitals is asked about.
            TextMatch::Exact(host) => {
                clauses.push(clause(Attribute::Host, None, Matcher::Host([exact(host)].into())));
            }
            _ => unread.push("authority".into()),
        }
    }
    for (name, value, negated) in &wanted.headers {
        // Envoy joins lines for routes; where policies see each by itself, one condition is not the other.
        let joins = !gnomon_engine::versions::matches_lines_apart(settings.version);
        let readable = joins && !negated && !name.starts_with('@') && !name.starts_with(':');
        match text(value).filter(|_| readable) {
            Some(pattern) => {
                let name = name.to_ascii_lowercase();
                clauses.push(clause(Attribute::Header, Some(&name), Matcher::Header([pattern].into())));
            }
            None => unread.push(format!("headers[{name}]")),
        }
    }
    unread.extend(wanted.query.iter().map(|(name, _)| format!("queryParams[{name}]")));
    (clauses, unread)
}

/// What an expression of RE2 for a whole text says of its beginning.
#[derive(Debug, PartialEq, Eq)]
enum Beginning<'t> {
    /// It matches this text alone.
    Whole(&'t str),
    /// It matches what begins so.
    All(&'t str),
    /// What it matches begins so.
    Some(&'t str),
}

impl Beginning<'_> {
    fn of(expression: &str) -> Beginning<'_> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_-~%@:,;=&!".contains(c);
        let end = expression.find(|c| !is_plain(c)).unwrap_or(expression.len());
        let (plain, rest) = expression.split_at(end);
        match rest {
            "" => Beginning::Whole(plain),
            ".*" => Beginning::All(plain),
            // Either side of a bar may be meant.
            _ if rest.contains('|') => Beginning::Some(""),
            // What is repeated need not be there.
            _ if rest.starts_with(['*', '?', '{']) => {
                Beginning::Some(plain.get(..plain.len().saturating_sub(1)).unwrap_or_default())
            }
            _ => Beginning::Some(plain),
        }
    }
}

fn paths(patterns: Vec<Pattern>) -> Option<Clause> {
    // Every path is there.
    if patterns.contains(&Pattern::Any) || patterns.contains(&beginning("/")) {
        return None;
    }
    let patterns: Vec<PathPattern> = patterns.into_iter().map(PathPattern::Plain).collect();
    Some(clause(Attribute::Path, None, Matcher::Path(patterns.into())))
}

#[cfg(test)]
mod tests {
    use super::Beginning::{self, All, Some, Whole};

    #[test]
    fn beginnings_of_expressions() {
        for (expression, beginning) in [
            ("/a/b", Whole("/a/b")),
            ("/a.*", All("/a")),
            (".*", All("")),
            ("/a/v[0-9]+/.*", Some("/a/v")),
            ("/ab?c", Some("/a")),
            ("/ab*", Some("/a")),
            ("/ab+", Some("/ab")),
            ("/a|/b", Some("")),
            ("^/a", Some("")),
            ("", Whole("")),
        ] {
            assert_eq!(Beginning::of(expression), beginning, "{expression}");
        }
    }
}
