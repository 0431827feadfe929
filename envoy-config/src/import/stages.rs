//! The filters of a chain as the stages of a plan: for questions about all requests at once.

use super::{
    chain::{Chain, Does, Filter},
    conditions::{Groups, Seen, Untold, product},
    decisions::Decisions,
    expression::Expression,
    ext_authz::ExtAuthz,
    jwt::Jwt,
    rbac::{Action, Rbac, Rules},
    routes::{Routes, disjoint},
    text::{Text, ValueTest},
};
use alloc::{boxed::Box, format, string::ToString, sync::Arc, vec, vec::Vec};
use gnomon_engine::{
    Position,
    plan::{ChainParts, Clause, CustomParts, Origin, PolicyName, Rule},
};

/// Two lists of ALLOW rules, both of which must allow, are multiplied out; no more rules than this.
const RULES: usize = 2_000;
/// No more routes than this, each for each domain, of which each is told from those before.
const CASES: usize = 4_000;
/// No more rules than this for the routes of a filter.
const BY_ROUTE: usize = 20_000;

impl Chain {
    /// The stages of its filters. They stand in the order of the configuration, which bears only on what conditions on
    /// claims see: a request passes where each of them lets it pass.
    ///
    /// # Errors
    ///
    /// What of them has no such form.
    pub(super) fn stages(&self) -> Result<ChainParts, Untold> {
        let mut parts = ChainParts::default();
        if let Some(name) = &self.criteria.unread {
            return Err(name.to_string());
        }
        let mut jwt: Option<&Jwt> = None;
        let mut shadows: Vec<(&Rbac, Option<&Jwt>)> = Vec::new();
        for filter in &self.filters {
            if !filter.by_route.is_empty() {
                self.by_route(filter, jwt, &mut parts)?;
                continue;
            }
            match &filter.does {
                Does::Nothing(_) => {}
                Does::Unread(_, name) => return Err(name.to_string()),
                Does::Jwt(filter) => {
                    if let Some(name) = &filter.preflights {
                        return Err(name.to_string());
                    }
                    if jwt.is_some() {
                        return Err("a second jwt_authn filter".into());
                    }
                    jwt = Some(filter);
                }
                Does::Rbac(rbac) => {
                    if rbac.shadow.is_some() {
                        shadows.push((rbac, jwt));
                    }
                    if let Some(rules) = &rbac.rules {
                        let seen = Seen::by(self, rbac.network, jwt);
                        add(&mut parts, verdicts(rules, &seen)?)?;
                    }
                }
                Does::ExtAuthz(filter) => {
                    if parts.custom.is_some() {
                        return Err("a second ext_authz filter".into());
                    }
                    parts.custom = Some(self.custom(filter, &shadows)?);
                }
            }
        }
        if let Some(routes) = &self.routes {
            let seen = Seen::by(self, false, jwt);
            for (guard, route) in regions(routes, &seen, |route| usize::from(route.is_some()))? {
                if route.is_none() {
                    let all = guard.into_iter();
                    let refused = all.map(|when| unnamed("no route takes such a request", when));
                    parts.deny.extend(refused);
                }
            }
        }
        Ok(parts)
    }

    /// A filter of which routes say what it does: its rules, each where its route is taken.
    fn by_route(&self, filter: &Filter, jwt: Option<&Jwt>, parts: &mut ChainParts) -> Result<(), Untold> {
        let Some(routes) = &self.routes else { return Ok(()) };
        let seen = Seen::by(self, false, jwt);
        let nothing = || Verdicts { deny: Vec::new(), allow: None };
        let mut each: Vec<Verdicts> = Vec::new();
        for does in [&filter.does].into_iter().chain(&filter.others) {
            each.push(match does {
                Does::Nothing(_) => nothing(),
                Does::Rbac(rbac) => match &rbac.rules {
                    Some(rules) => verdicts(rules, &seen)?,
                    None => nothing(),
                },
                Does::Unread(_, name) => return Err(name.to_string()),
                Does::Jwt(_) | Does::ExtAuthz(_) => {
                    return Err(format!("the filter {}, which some routes change", filter.name));
                }
            });
        }
        let allows = each.iter().any(|one| one.allow.is_some());
        let mut all = Verdicts { deny: Vec::new(), allow: allows.then(Vec::new) };
        let which = |route: Option<usize>| {
            let other = route.and_then(|route| *filter.by_route.get(route)?);
            other.map_or(0, |other| other + 1)
        };
        for (guards, route) in regions(routes, &seen, which)? {
            let Some(one) = each.get(which(route)) else { continue };
            let bound = |rules: &[Rule]| -> Vec<Rule> {
                let each = rules.iter().flat_map(|rule| {
                    guards.iter().map(|guard| Rule {
                        when: rule.when.iter().chain(guard).cloned().collect(),
                        ..rule.clone()
                    })
                });
                each.collect()
            };
            all.deny.extend(bound(&one.deny));
            if let Some(into) = &mut all.allow {
                into.extend(match &one.allow {
                    Some(rules) => bound(rules),
                    None => bound(&[unnamed("this route has no ALLOW rules", Vec::new())]),
                });
            }
            if all.deny.len() + all.allow.as_ref().map_or(0, Vec::len) > BY_ROUTE {
                return Err(format!("routes with more than {BY_ROUTE} rules"));
            }
        }
        add(parts, all)
    }

    /// Something in it sees several lines of a header as one value.
    pub(super) fn joins_lines(&self) -> bool {
        let joins = |does: &Does| match does {
            Does::Rbac(rbac) => {
                rbac.rules.iter().flat_map(|rules| &rules.matcher).any(Decisions::joins_lines)
            }
            _ => false,
        };
        let mut all = self.filters.iter().flat_map(|filter| [&filter.does].into_iter().chain(&filter.others));
        all.any(joins)
    }

    /// What the provider is asked about: what matches the shadow rules in front of it.
    fn custom(&self, filter: &ExtAuthz, shadows: &[(&Rbac, Option<&Jwt>)]) -> Result<CustomParts, Untold> {
        if let Some(name) = &filter.unread {
            return Err(name.to_string());
        }
        let custom = |rules| CustomParts {
            provider: filter.name().to_string(),
            rules,
            fails_open: filter.fail_open,
            status_on_error: filter.status_on_error,
        };
        let Some(asked) = &filter.asked else {
            return Ok(custom(vec![everything("ext_authz is asked about every request")]));
        };
        let network = match asked.filter.as_str() {
            "envoy.filters.http.rbac" => false,
            "envoy.filters.network.rbac" => true,
            other => return Err(format!("an ext_authz filter that metadata of {other} enables")),
        };
        let (prefix, [key]) = (
            match &asked.value {
                ValueTest::Text(Text::Prefix(prefix)) if !asked.invert => prefix,
                _ => return Err("an ext_authz filter that goes by more than the beginning of an id".into()),
            },
            &asked.path[..],
        ) else {
            return Err("an ext_authz filter that goes by more than the id of a policy".into());
        };
        let mut rules = Vec::new();
        for (rbac, jwt) in shadows {
            let Some(shadow) = rbac.shadow.as_ref().filter(|_| rbac.network == network) else { continue };
            if *key != format!("{}shadow_effective_policy_id", rbac.shadow_prefix) {
                continue;
            }
            if let Some(name) = &shadow.unread {
                return Err(name.to_string());
            }
            if shadow.matcher.is_some() {
                return Err("an ext_authz filter that is asked where a matcher says so".into());
            }
            // Claims are read behind the provider.
            if jwt.is_some() {
                return Err("an ext_authz filter behind jwt_authn, by rules that may see claims".into());
            }
            if !shadow.policies.iter().all(|policy| policy.name.as_bytes().starts_with(prefix)) {
                return Err("an ext_authz filter that is asked about some of the policies before it".into());
            }
            let seen = Seen::by(self, rbac.network, None);
            for policy in &shadow.policies {
                rules.push(seen.rule(policy, &shadow.file)?);
            }
        }
        Ok(custom(rules))
    }
}

/// What the rules of a filter come to.
struct Verdicts {
    deny: Vec<Rule>,
    /// `None`: nothing has to be allowed.
    allow: Option<Vec<Rule>>,
}

fn verdicts(rules: &Rules, seen: &Seen<'_>) -> Result<Verdicts, Untold> {
    if let Some(name) = &rules.unread {
        return Err(name.to_string());
    }
    if rules.action == Action::Log {
        return Ok(Verdicts { deny: Vec::new(), allow: None });
    }
    if let Some(matcher) = &rules.matcher {
        let (allowed, deny) = decided(matcher, seen, &rules.file)?;
        return Ok(Verdicts { deny, allow: Some(allowed) });
    }
    let mut found = Vec::with_capacity(rules.policies.len());
    for policy in &rules.policies {
        let rule = seen.rule(policy, &rules.file).map_err(|what| format!("{}: {what}", policy.name))?;
        found.push(rule);
    }
    Ok(match rules.action {
        Action::Allow => Verdicts { deny: Vec::new(), allow: Some(found) },
        _ => Verdicts { deny: found, allow: None },
    })
}

/// A filter that refuses, or one more that has to allow.
fn add(parts: &mut ChainParts, verdicts: Verdicts) -> Result<(), Untold> {
    parts.deny.extend(verdicts.deny);
    match (verdicts.allow, &mut parts.allow) {
        (None, _) => {}
        (Some(found), Some(before)) => {
            if before.len().saturating_mul(found.len()) > RULES {
                return Err(format!("two ALLOW filters with more than {RULES} pairs of policies"));
            }
            let mut both = Vec::new();
            for one in before.iter() {
                for other in &found {
                    both.push(and(one, other)?);
                }
            }
            *before = both;
        }
        (found, none) => *none = found,
    }
    Ok(())
}

/// Where each case of the routes is the one that counts, as alternatives. Earlier cases need not be left out that have the
/// same `of`.
fn regions(
    routes: &Routes,
    seen: &Seen<'_>,
    of: impl Fn(Option<usize>) -> usize,
) -> Result<Vec<(Groups, Option<usize>)>, Untold> {
    let cases = routes.cases();
    if cases.len() > CASES {
        return Err(format!("more than {CASES} routes"));
    }
    let mut found = Vec::new();
    for (number, (conditions, route)) in cases.iter().enumerate() {
        let before = cases.iter().take(number).filter(|(_, other)| of(*other) != of(*route));
        let others: Vec<&[&Expression]> = before
            .map(|(other, _)| other.as_slice())
            .filter(|other| !other.iter().any(|a| conditions.iter().any(|b| disjoint(a, b))))
            .collect();
        found.push((seen.region(conditions, &others)?, *route));
    }
    Ok(found)
}

/// The decisions of a matcher: what it allows, and what it refuses before it would allow it.
///
/// Since what refuses comes first, it has to leave out what an earlier entry allows; what allows need not leave out
/// anything. Refusals behind which nothing is allowed are what happens anyway.
fn decided(matcher: &Decisions, seen: &Seen<'_>, file: &Arc<str>) -> Result<(Vec<Rule>, Vec<Rule>), Untold> {
    let all = matcher.flat();
    let last = all.iter().rposition(|(_, decision)| decision.action != Action::Deny).map_or(0, |at| at + 1);
    let (mut allowed, mut denied) = (Vec::new(), Vec::new());
    let mut before: Vec<Vec<&Expression>> = Vec::new();
    for (conditions, decision) in all.into_iter().take(last) {
        let rule = |others: &[Vec<&Expression>]| {
            seen.decision(decision, &conditions, others, file)
                .map_err(|what| format!("{}: {what}", decision.called))
        };
        match decision.action {
            Action::Deny => denied.push(rule(&before)?),
            Action::Allow | Action::Log => {
                allowed.push(rule(&[])?);
                before.push(conditions);
            }
        }
    }
    Ok((allowed, denied))
}

/// Both rules at once, under the name of the second.
fn and(one: &Rule, other: &Rule) -> Result<Rule, Untold> {
    let groups = |rules: &[Box<[Clause]>]| -> Groups {
        match rules.is_empty() {
            true => vec![Vec::new()],
            false => rules.iter().map(|group| group.to_vec()).collect(),
        }
    };
    let both = |a: &[Box<[Clause]>], b: &[Box<[Clause]>]| -> Result<Box<[Box<[Clause]>]>, Untold> {
        let all = product(&groups(a), &groups(b))?;
        Ok(all.into_iter().filter(|group| !group.is_empty()).map(Vec::into_boxed_slice).collect())
    };
    Ok(Rule {
        from: both(&one.from, &other.from)?,
        to: both(&one.to, &other.to)?,
        when: one.when.iter().chain(&other.when).cloned().collect(),
        ..other.clone()
    })
}

/// A rule that no policy has, for what follows from the configuration: `why` says what.
pub(super) fn unnamed(why: &str, when: Vec<Clause>) -> Rule {
    let policy = PolicyName { namespace: "".into(), name: "".into(), file: Arc::from("") };
    Rule {
        id: why.into(),
        origin: Origin { policy: Arc::new(policy), index: 0, at: Position::default() },
        from: Box::default(),
        to: Box::default(),
        when: when.into(),
        notes: vec![why.into()],
    }
}

pub(super) fn everything(why: &str) -> Rule {
    unnamed(why, Vec::new())
}
