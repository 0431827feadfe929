//! Two plans over all requests: what the second allows that the first does not, and the other way round.

use crate::{
    bdd::Bdd,
    condition::{Form, Literal, Subject, Vocabulary},
    kind::Kind,
    relevance,
    side::{Builder, Functions, Margin, Stages},
    space::{Limits, Setting, Space, plain},
    tokens::{self, Tokens},
    undecided::Undecided,
};
use alloc::{borrow::ToOwned, string::String, vec, vec::Vec};
use gnomon_engine::{Mesh, Plan, Workload, jwt::Place, prepare::ProxySettings, versions};

/// A plan and what is around it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'p> {
    /// What is enforced.
    pub plan: &'p Plan,
    /// For whom.
    pub workload: &'p Workload,
    /// In which mesh.
    pub mesh: &'p Mesh,
}

impl Side<'_> {
    /// What the connection manager does before the filters look.
    fn settings(self) -> ProxySettings {
        self.plan.loaded_settings().cloned().unwrap_or_else(|| ProxySettings::of(self.workload, self.mesh))
    }
}

/// What two sides disagree on, for one protocol.
#[derive(Debug)]
pub struct Comparison<'p> {
    /// Everything that either mentions and that matters.
    pub space: Space,
    pub(crate) vocabulary: Vocabulary<'p>,
    /// What kind of requests.
    pub kind: Kind,
    pub(crate) stages: [Stages<'p>; 2],
    pub(crate) functions: [Functions; 2],
    /// Allowed by the new side, not by the old one.
    pub newly_allowed: Bdd,
    /// Denied by the new side, not by the old one.
    pub newly_denied: Bdd,
    /// Of these only the new side does not say whether they are allowed, since it depends on what is not known.
    pub newly_undecided: Bdd,
    /// What can be at once: no claim is a text and has claims inside of it.
    pub consistent: Bdd,
    /// What each side allows, with a margin where it depends on what is not known.
    pub allowed: [Margin; 2],
}

impl Comparison<'_> {
    /// The same verdict on every request.
    pub fn is_equivalent(&self) -> bool {
        [self.newly_allowed, self.newly_denied, self.newly_undecided].iter().all(|f| *f == Bdd::FALSE)
    }
}

/// Compares. `None`: both say the same, rule by rule.
///
/// # Errors
///
/// What of the policies is not covered, or that they are too large together.
pub fn compare<'p>(
    old: Side<'p>,
    new: Side<'p>,
    kind: Kind,
    limits: Limits,
) -> Result<Option<Comparison<'p>>, Undecided> {
    compare_within(old, new, &[], kind, limits)
}

/// As [`compare`], of those requests only that each of `within` allows: proxies on the way, which see the same request as
/// the two sides do.
///
/// # Errors
///
/// As [`compare`]; and where it is not certain what one of `within` allows.
pub fn compare_within<'p>(
    old: Side<'p>,
    new: Side<'p>,
    within: &[Side<'p>],
    kind: Kind,
    limits: Limits,
) -> Result<Option<Comparison<'p>>, Undecided> {
    let settings = [old, new].map(Side::settings);
    for side in [old, new].iter().chain(within) {
        if let Some(why) = side.plan.refused_configuration(kind.protocol()) {
            return Err(Undecided::Refused(why.to_owned()));
        }
    }
    let mut vocabulary = Vocabulary::default();
    let releases = [old, new].map(|side| {
        side.plan.releases().map(|plan| Stages::of(plan, kind, &mut vocabulary)).collect::<Vec<_>>()
    });
    let mut on_the_way = Vec::with_capacity(within.len());
    for side in within {
        let all = side.plan.releases().map(|plan| Stages::of(plan, kind, &mut vocabulary));
        on_the_way.push((*side, all.collect::<Vec<_>>()));
    }
    let tokens = [old, new].iter().chain(within).any(|side| reads_tokens(*side, kind));
    let signatures =
        [old, new].map(|side| if tokens { tokens::signature(side.plan.authenticator()) } else { vec![] });
    let same_frame = settings_agree(&settings)
        && signatures[0] == signatures[1]
        && old.plan.believes_peers() == new.plan.believes_peers()
        && lines(old.plan) == lines(new.plan)
        && releases[0].len() == releases[1].len()
        && releases[0].iter().zip(&releases[1]).all(|(a, b)| a.has_frame_of(b));
    let changed = changed(&releases);
    if same_frame && changed.is_empty() {
        return Ok(None);
    }
    if !settings_agree(&settings) {
        return Err(Undecided::Unsupported(
            "the two sides have different proxies: what reaches their filters is not the same request",
        ));
    }
    let relevant = match same_frame && within.is_empty() {
        true => relevance::relevant(&vocabulary, &changed),
        false => vec![true; vocabulary.forms.len()],
    };
    let mut comparing =
        Comparing { vocabulary, releases, relevant, tokens, kind, old, new, within: on_the_way };
    let mut space = comparing.space(&settings[1], limits)?;
    comparing.finish(&mut space).map(|found| {
        let Found { functions, allowed, newly, consistent } = found;
        let Comparing { vocabulary, releases: [old, new], .. } = comparing;
        let first = |stages: Vec<Stages<'p>>| stages.into_iter().next();
        let (Some(old), Some(new)) = (first(old), first(new)) else { return None };
        let [newly_allowed, newly_denied, newly_undecided] = newly;
        let stages = [old, new];
        Some(Comparison {
            space,
            vocabulary,
            kind,
            stages,
            functions,
            newly_allowed,
            newly_denied,
            newly_undecided,
            consistent,
            allowed,
        })
    })
}

/// One side by itself: its stages, and the functions of all its rules.
pub(crate) fn single<'p>(
    side: Side<'p>,
    kind: Kind,
    limits: Limits,
) -> Result<(Space, Stages<'p>, Functions, Bdd), Undecided> {
    if let Some(why) = side.plan.refused_configuration(kind.protocol()) {
        return Err(Undecided::Refused(why.to_owned()));
    }
    let mut vocabulary = Vocabulary::default();
    let releases: Vec<Stages<'p>> =
        side.plan.releases().map(|plan| Stages::of(plan, kind, &mut vocabulary)).collect();
    let [stages] = &releases[..] else {
        return Err(Undecided::Unsupported(
            "patch releases that disagree: say in `istioVersion` which it is",
        ));
    };
    if !side.plan.believes_peers() {
        return Err(Undecided::Unsupported("a proxy that does not verify its clients' certificates"));
    }
    let stages = stages.clone();
    let tokens = reads_tokens(side, kind);
    let relevant = vec![true; vocabulary.forms.len()];
    let releases = [releases.clone(), releases];
    let within = Vec::new();
    let mut comparing =
        Comparing { vocabulary, releases, relevant, tokens, kind, old: side, new: side, within };
    let mut space = comparing.space(&side.settings(), limits)?;
    let found = comparing.finish(&mut space)?;
    let [functions, _] = found.functions;
    Ok((space, stages, functions, found.consistent))
}

fn reads_tokens(side: Side<'_>, kind: Kind) -> bool {
    kind == Kind::Http && !side.plan.is_ztunnel() && !side.plan.authenticator().is_empty()
}

/// What depends on the release in how rules see a request.
fn lines(plan: &Plan) -> bool {
    !plan.joins_lines()
}

fn settings_agree([a, b]: &[ProxySettings; 2]) -> bool {
    let same = |a: &ProxySettings, b: &ProxySettings| ProxySettings { version: a.version, ..b.clone() } == *a;
    same(a, b)
}

/// The rules that only one side has in a stage, by number.
fn changed(releases: &[Vec<Stages<'_>>; 2]) -> Vec<u32> {
    let mut changed: Vec<u32> = Vec::new();
    let [old, new] = releases;
    for (a, b) in old.iter().zip(new) {
        for (a, b) in a.sets().iter().zip(b.sets()) {
            let only = |a: &[u32], b: &[u32]| -> Vec<u32> {
                a.iter().filter(|number| b.binary_search(number).is_err()).copied().collect()
            };
            changed.extend(only(a, &b));
            changed.extend(only(&b, a));
        }
    }
    changed.sort_unstable();
    changed.dedup();
    changed
}

struct Comparing<'p> {
    vocabulary: Vocabulary<'p>,
    releases: [Vec<Stages<'p>>; 2],
    relevant: Vec<bool>,
    tokens: bool,
    kind: Kind,
    old: Side<'p>,
    new: Side<'p>,
    within: Vec<(Side<'p>, Vec<Stages<'p>>)>,
}

struct Found {
    functions: [Functions; 2],
    allowed: [Margin; 2],
    newly: [Bdd; 3],
    consistent: Bdd,
}

impl<'p> Comparing<'p> {
    /// Whoever is asked.
    fn plans(&self) -> impl Iterator<Item = &'p Plan> {
        [self.old, self.new]
            .into_iter()
            .chain(self.within.iter().map(|(side, _)| *side))
            .map(|side| side.plan)
    }

    /// The axes of what is relevant.
    fn space(&mut self, proxy: &ProxySettings, limits: Limits) -> Result<Space, Undecided> {
        let mut looks: Vec<Literal> = Vec::new();
        let on_the_way = self.within.iter().flat_map(|(_, stages)| stages);
        for stages in self.releases.iter().flatten().chain(on_the_way) {
            looks.extend(stages.looks(&mut self.vocabulary));
        }
        let authenticators: Vec<_> = self.plans().map(Plan::authenticator).collect();
        let of_tokens = self.tokens.then(|| tokens::looks(&mut self.vocabulary, &authenticators));
        looks.extend(of_tokens.iter().flat_map(|looks| looks.all.iter().cloned()));
        if self.old.plan.is_ztunnel() != self.new.plan.is_ztunnel() {
            return Err(Undecided::Unsupported("the two sides have different kinds of proxy"));
        }
        let axes = self.vocabulary.subjects.len();
        let mut used: Vec<Option<Vec<u32>>> = vec![None; axes];
        let mut weight = vec![0_usize; axes];
        let mut add = |literal: &Literal| {
            if let (Some(used), Some(weight)) =
                (used.get_mut(literal.axis as usize), weight.get_mut(literal.axis as usize))
            {
                used.get_or_insert_default().extend(&literal.values);
                *weight += 1;
            }
        };
        for (form, relevant) in self.vocabulary.forms.iter().zip(&self.relevant) {
            if *relevant {
                form.conditions().for_each(|condition| condition.literals(&mut add));
            }
        }
        looks.iter().for_each(&mut add);
        // Whether there is a token comes before what it claims.
        let of_claims = self.vocabulary.subjects.iter().zip(&weight);
        let of_claims = of_claims.filter(|(subject, _)| matches!(subject, Subject::Claim(_)));
        let heaviest = of_claims.map(|(_, weight)| *weight).max().unwrap_or_default();
        let issuer = self.vocabulary.find(&Subject::Issuer);
        if let Some(weight) = issuer.and_then(|issuer| weight.get_mut(issuer as usize)) {
            *weight = heaviest.saturating_add(1).max(*weight);
        }
        if !self.tokens {
            // Nobody reads a token, so that no claim is ever there.
            for (used, subject) in used.iter_mut().zip(&self.vocabulary.subjects) {
                if matches!(subject, Subject::Issuer | Subject::Claim(_)) {
                    *used = None;
                }
            }
        }
        for values in used.iter_mut().flatten() {
            values.sort_unstable();
            values.dedup();
        }
        let headers: Vec<String> = match self.tokens {
            true => authenticators
                .iter()
                .flat_map(|authenticator| authenticator.reads_headers())
                .filter(|name| !name.starts_with(':'))
                // Where the token of an issuer that no rule knows stands.
                .chain(["authorization"])
                .map(ToOwned::to_owned)
                .collect(),
            // A header that a rule would write is removed all the same.
            false if self.kind == Kind::Connect => authenticators
                .iter()
                .flat_map(|authenticator| authenticator.writes_headers())
                .map(ToOwned::to_owned)
                .collect(),
            false => Vec::new(),
        };
        let mut places: Vec<Place> = Vec::new();
        for rule in authenticators.iter().flat_map(|authenticator| authenticator.rules()) {
            for place in rule.places() {
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        self.check_queries(&used)?;
        let setting = Setting {
            kind: self.kind,
            proxy,
            trust_domain: &self.new.mesh.trust_domain,
            // What only one side does is left out: see `version_skew`.
            joins_lines: !self.plans().all(lines),
            strips_parameters: self
                .plans()
                .any(|plan| versions::strips_parameters_of_dot_segments(plan.version())),
            of_tokens: &headers,
            token_places: &places,
        };
        Space::build(&self.vocabulary, &used, &weight, setting, limits)
    }

    /// A token may stand in the query, of which a condition on the header `:path` sees everything.
    fn check_queries(&self, used: &[Option<Vec<u32>>]) -> Result<(), Undecided> {
        use crate::condition::Value;
        let Some(path) = self.vocabulary.find(&Subject::Path) else { return Ok(()) };
        let known = self.vocabulary.known.get(path as usize);
        let values = used.get(path as usize).and_then(Option::as_ref);
        let verbatim = values.into_iter().flatten().any(|number| {
            let value = known.and_then(|known| known.get(*number as usize));
            matches!(value, Some(Value::Verbatim(..) | Value::Sequences(true, _)))
        });
        if verbatim && self.tokens {
            return Err(Undecided::Unsupported(
                "a condition on the header :path beside RequestAuthentication",
            ));
        }
        Ok(())
    }

    fn finish(&mut self, space: &mut Space) -> Result<Found, Undecided> {
        let mut stage = [Tokens::NONE; 2];
        if self.tokens {
            for (tokens, side) in stage.iter_mut().zip([self.old, self.new]) {
                *tokens = tokens::stage(space, &mut self.vocabulary, side.plan.authenticator())?;
            }
        }
        let mut consistent = consistent(space, &mut self.vocabulary)?;
        let mut passing = Vec::with_capacity(self.within.len());
        for (side, _) in &self.within {
            passing.push(match self.tokens {
                true => tokens::stage(space, &mut self.vocabulary, side.plan.authenticator())?,
                false => Tokens::NONE,
            });
        }
        let mut builder = Builder::new(space);
        for (tokens, (side, releases)) in passing.into_iter().zip(&self.within) {
            let believes = side.plan.believes_peers();
            for stages in releases {
                let Functions { allowed, .. } =
                    builder.functions(&mut self.vocabulary, stages, tokens, believes, &self.relevant)?;
                let manager = &mut builder.space.manager;
                let unsure = manager.minus(allowed.possible, allowed.certain)?;
                if manager.and(unsure, consistent)? != Bdd::FALSE {
                    return Err(Undecided::Unsupported(
                        "a proxy on the way of which it is not certain what it allows",
                    ));
                }
                consistent = manager.and(consistent, allowed.certain)?;
            }
        }
        let mut functions = Vec::new();
        let mut allowed = [Margin::TRUE; 2];
        for (number, (tokens, side)) in stage.into_iter().zip([self.old, self.new]).enumerate() {
            let believes = side.plan.believes_peers();
            let mut all: Option<Margin> = None;
            for (release, stages) in self.releases.get(number).into_iter().flatten().enumerate() {
                let found =
                    builder.functions(&mut self.vocabulary, stages, tokens, believes, &self.relevant)?;
                let manager = &mut builder.space.manager;
                // Where releases disagree, nobody knows.
                all = Some(match all {
                    None => found.allowed,
                    Some(all) => Margin {
                        certain: manager.and(all.certain, found.allowed.certain)?,
                        possible: manager.or(all.possible, found.allowed.possible)?,
                    },
                });
                if release == 0 {
                    functions.push(found);
                }
            }
            if let (Some(entry), Some(all)) = (allowed.get_mut(number), all) {
                *entry = all;
            }
        }
        let manager = &mut space.manager;
        let [old, new] = allowed;
        let mut newly =
            [manager.minus(new.certain, old.certain)?, manager.minus(old.possible, new.possible)?, {
                let open = manager.minus(new.possible, new.certain)?;
                let was = manager.minus(old.possible, old.certain)?;
                manager.minus(open, was)?
            }];
        for one in &mut newly {
            *one = manager.and(*one, consistent)?;
        }
        let functions: [Functions; 2] =
            functions.try_into().map_err(|_| Undecided::Unsupported("a plan without a release"))?;
        Ok(Found { functions, allowed, newly, consistent })
    }
}

/// What of one token, or of one filter's metadata, cannot be there together: a claim and claims inside of it. And a
/// preflight is an OPTIONS.
fn consistent(space: &mut Space, vocabulary: &mut Vocabulary<'_>) -> Result<Bdd, Undecided> {
    let mut pairs = Vec::new();
    for (at, a) in space.axes.iter().enumerate() {
        for (other, b) in space.axes.iter().enumerate() {
            let clash = match (&a.subject, &b.subject) {
                (Subject::Claim(a), Subject::Claim(b)) => a.len() < b.len() && b.starts_with(a),
                (Subject::MetadataText(a, k), Subject::MetadataList(b, l)) => a == b && k == l,
                _ => false,
            };
            if clash {
                pairs.push((at, other));
            }
        }
    }
    let Space { axes, manager, .. } = space;
    let mut consistent = Bdd::TRUE;
    for (a, b) in pairs {
        let mut both = Bdd::TRUE;
        for axis in [axes.get(a), axes.get(b)].into_iter().flatten() {
            let absent = axis.absent();
            let there: Vec<u32> =
                (0..).take(axis.members.len()).filter(|class| Some(*class) != absent).collect();
            let there = axis.any_of(manager, &there)?;
            both = manager.and(both, there)?;
        }
        consistent = manager.minus(consistent, both)?;
    }
    let options = vocabulary.literal(Subject::Method, [plain(Form::Exact, "OPTIONS")]);
    let of = |subject: &Subject| axes.iter().find(|axis| axis.subject == *subject);
    if let (Some(preflight), Some(method)) = (of(&Subject::Preflight), of(&Subject::Method)) {
        let preflight = preflight.any_of(manager, &[1])?;
        let options = method.literal(manager, &options)?;
        let neither = manager.and(preflight, !options)?;
        consistent = manager.minus(consistent, neither)?;
    }
    Ok(consistent)
}
