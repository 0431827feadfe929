//! What a change of policies changes: for all requests at once, with a request to show it.
//!
//! [`of_workload`] compares what two sets of policies make of one workload, exactly (`gnomon-symbolic`). Every request
//! that is shown has been put to the engine on both sides first; one that it does not confirm is a bug, and reported as
//! such ([`Problem::Unconfirmed`]).

mod deciding;
mod keys;
mod printed;
mod request;
mod side;
pub(crate) mod version_skew;
mod words;

pub use deciding::Deciding;
pub use keys::KeyChange;
pub use printed::{change_name, printed};
pub use request::document;
pub use side::Source;

use deciding::{because, deciding};
use gnomon_engine::{
    Mesh, Plan, Workload,
    jwt::Crypto,
    prepare::RequestSpec,
    request::Protocol,
    resource::Resources,
    verdict::{Outcome, Report},
};
use gnomon_symbolic::{Comparison, Kind, Limits, Undecided};
pub(crate) use side::{Ready, agree_on_scope, compiled};
pub(crate) use words::rule_change;

pub use gnomon_symbolic::Change;

/// No more parts than this are told; a difference with more says so.
const PARTS: usize = 200;
/// No more lines than this for one part; it is told as a whole where it takes more.
const LINES: usize = 12;

/// A side: policies, and what they are read for.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The policies.
    pub resources: &'a Resources,
    /// For whom.
    pub workload: &'a Workload,
    /// In which mesh.
    pub mesh: &'a Mesh,
}

/// What changes for a workload.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// A smallest request that is newly allowed.
    pub newly_allowed: Option<Witness>,
    /// A smallest request that is newly denied.
    pub newly_denied: Option<Witness>,
    /// A smallest request of which only the new side does not say, for want of something that is not known.
    pub newly_undecided: Option<Witness>,
    /// All of it, in lines that do not overlap.
    pub summary: Vec<Line>,
    /// The summary has all of it; false: it was cut.
    pub complete: bool,
    /// Requests that two versions of Istio read differently, of which only some were tried ([`of_versions`]).
    pub except: Vec<&'static str>,
    /// Issuers whose tokens are checked with other keys.
    pub keys: Vec<KeyChange>,
}

impl Changes {
    /// Every request fares as before.
    pub fn is_equivalent(&self) -> bool {
        self.newly_allowed.is_none()
            && self.newly_denied.is_none()
            && self.newly_undecided.is_none()
            && self.keys.is_empty()
    }
}

/// A request, confirmed.
#[derive(Clone, Debug)]
pub struct Witness {
    /// As `gnomon eval` takes it.
    pub request: RequestSpec,
    /// What the old side says.
    pub old: Report,
    /// What the new side says.
    pub new: Report,
}

/// A line of the summary.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which way.
    pub change: Change,
    /// HTTP requests, or TCP connections.
    pub protocol: Protocol,
    /// Which requests.
    pub requests: String,
    /// The same without who sends them: no identity, no token.
    pub operation: String,
    /// What decides on the old side.
    pub old: Deciding,
    /// What decides on the new side.
    pub new: Deciding,
    /// What was done to the rule that decides, where it has one name on both sides.
    pub because: Vec<String>,
    /// One of these requests.
    pub example: RequestSpec,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Problem {
    /// The policies are not covered, or too large.
    Undecided(Undecided),
    /// What of a loaded configuration cannot be said as conditions.
    Untranslated(String),
    /// A bug: the engine does not confirm this request.
    Unconfirmed(Box<RequestSpec>),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::Undecided(why) => why.fmt(f),
            Problem::Untranslated(what) => write!(f, "not covered: {what}"),
            Problem::Unconfirmed(request) => write!(
                f,
                "internal error: a request that should show the difference does not; please report it with the policies: \
                 {}",
                document(request)
            ),
        }
    }
}

impl std::error::Error for Problem {}

impl From<Undecided> for Problem {
    fn from(why: Undecided) -> Problem {
        Problem::Undecided(why)
    }
}

/// Compares for one workload, HTTP first. `now` is the clock.
///
/// A side is what policies make of a workload ([`State`]), or what a proxy has loaded
/// ([`Proxy`](crate::imported::Proxy)).
///
/// # Errors
///
/// See [`Problem`].
pub fn of_workload<'a>(
    old: impl Source<'a>,
    new: impl Source<'a>,
    now: i64,
    crypto: &dyn Crypto,
    limits: Limits,
) -> Result<Changes, Problem> {
    of_kinds(&KINDS, old, new, now, crypto, limits)
}

/// As [`of_workload`], where the sides may be of two versions of Istio: what these read differently before any policy is
/// asked is in [`Changes::except`], with requests that show it where some are found.
///
/// # Errors
///
/// See [`Problem`].
pub fn of_versions<'a>(
    old: impl Source<'a>,
    new: impl Source<'a>,
    now: i64,
    crypto: &dyn Crypto,
    limits: Limits,
) -> Result<Changes, Problem> {
    let [a, b] = &both(old, new)?;
    let mut changes = between(&KINDS, a, b, now, crypto, limits)?;
    version_skew::add(&mut changes, (old, a), (new, b), now, crypto);
    Ok(changes)
}

/// As [`of_workload`], for these kinds of requests only. CONNECT counts where a rule names it.
pub(crate) fn of_kinds<'a>(
    kinds: &[Kind],
    old: impl Source<'a>,
    new: impl Source<'a>,
    now: i64,
    crypto: &dyn Crypto,
    limits: Limits,
) -> Result<Changes, Problem> {
    let [a, b] = &both(old, new)?;
    between(kinds, a, b, now, crypto, limits)
}

/// The sides, made ready and asked about the same.
fn both<'a>(old: impl Source<'a>, new: impl Source<'a>) -> Result<[Ready<'a>; 2], Problem> {
    let mut ready = [old.ready(new.policies())?, new.ready(old.policies())?];
    let [a, b] = &mut ready;
    agree_on_scope(a, b)?;
    Ok(ready)
}

/// As [`of_kinds`], for sides that are made ready.
pub(crate) fn between(
    kinds: &[Kind],
    old: &Ready<'_>,
    new: &Ready<'_>,
    now: i64,
    crypto: &dyn Crypto,
    limits: Limits,
) -> Result<Changes, Problem> {
    let asking = Asking { sides: [old, new], now, crypto };
    let mut changes = Changes { complete: true, ..Changes::default() };
    if kinds.contains(&Kind::Http) {
        changes.keys = keys::changed(old, new);
    }
    for kind in asking.kinds(kinds) {
        if let Some(mut comparison) = old.compared(new, kind, limits)? {
            asking.show(&mut changes, &mut comparison)?;
            asking.sum_up(&mut changes, &mut comparison)?;
        }
    }
    Ok(changes)
}

/// A request that fares otherwise, if there is one: much less than all of [`between`].
pub(crate) fn witness(
    kinds: &[Kind],
    old: &Ready<'_>,
    new: &Ready<'_>,
    now: i64,
    crypto: &dyn Crypto,
    limits: Limits,
) -> Result<Option<Witness>, Problem> {
    let asking = Asking { sides: [old, new], now, crypto };
    for kind in asking.kinds(kinds) {
        if let Some(mut comparison) = old.compared(new, kind, limits)? {
            let mut changes = Changes::default();
            asking.show(&mut changes, &mut comparison)?;
            let shown = [changes.newly_allowed, changes.newly_denied, changes.newly_undecided];
            if let Some(witness) = shown.into_iter().flatten().next() {
                return Ok(Some(witness));
            }
        }
    }
    Ok(None)
}

/// Everything that two sets of policies are asked about.
pub(crate) const KINDS: [Kind; 3] = [Kind::Http, Kind::Connect, Kind::Tcp];

struct Asking<'a> {
    sides: [&'a Ready<'a>; 2],
    now: i64,
    crypto: &'a dyn Crypto,
}

impl Asking<'_> {
    fn plans(&self) -> [&Plan; 2] {
        self.sides.map(|side| &side.plan)
    }

    /// Those of the kinds that there are on both sides.
    fn kinds(&self, wanted: &[Kind]) -> Vec<Kind> {
        let [old, new] = self.sides;
        // ztunnel has one chain for all.
        let wanted = match old.plan.is_ztunnel() && new.plan.is_ztunnel() {
            true => &[Kind::Tcp],
            false => wanted,
        };
        let asked = |kind: &Kind| {
            let named = *kind != Kind::Connect || self.plans().into_iter().any(Kind::names_connect);
            named && old.has(*kind) && new.has(*kind)
        };
        wanted.iter().copied().filter(asked).collect()
    }

    /// A smallest request for each way that there is none for yet.
    fn show(&self, changes: &mut Changes, comparison: &mut Comparison<'_>) -> Result<(), Problem> {
        let sets = [
            (Change::Allowed, comparison.newly_allowed),
            (Change::Denied, comparison.newly_denied),
            (Change::Undecided, comparison.newly_undecided),
        ];
        for (change, set) in sets {
            let place = match change {
                Change::Allowed => &mut changes.newly_allowed,
                Change::Denied => &mut changes.newly_denied,
                Change::Undecided => &mut changes.newly_undecided,
            };
            if place.is_none()
                && let Some(point) = comparison.space.cheapest(set)
            {
                let request = comparison.space.request(&point, comparison.kind);
                *place = Some(self.confirmed(request, change)?);
            }
        }
        Ok(())
    }

    /// The difference in lines.
    fn sum_up(&self, changes: &mut Changes, comparison: &mut Comparison<'_>) -> Result<(), Problem> {
        let (parts, complete) = comparison.parts(PARTS).map_err(Undecided::from)?;
        changes.complete &= complete;
        for part in parts {
            let [old, new] = part.reasons;
            let because = because(self.plans(), comparison.kind.protocol(), old, new);
            let cubes = comparison.cubes(part.set, LINES);
            let lines = match cubes {
                Some(cubes) => {
                    let mut lines = Vec::new();
                    for cube in cubes {
                        let set = comparison.set_of(&cube).map_err(Undecided::from)?;
                        let said = (words::cube(comparison, &cube), words::operation(comparison, &cube));
                        lines.push((said, set));
                    }
                    lines
                }
                None => {
                    let said = String::from("requests of many kinds that these two decide about");
                    vec![((said.clone(), said), part.set)]
                }
            };
            for ((requests, operation), set) in lines {
                let Some(point) = comparison.space.cheapest(set) else { continue };
                let request = comparison.space.request(&point, comparison.kind);
                let Witness { request: example, .. } = self.confirmed(request, part.change)?;
                changes.summary.push(Line {
                    change: part.change,
                    protocol: comparison.kind.protocol(),
                    requests,
                    operation,
                    old: deciding(old, &self.sides[0].plan),
                    new: deciding(new, &self.sides[1].plan),
                    because: because.clone(),
                    example,
                });
            }
        }
        Ok(())
    }

    /// The request with what both sides say, which must be what was found out.
    fn confirmed(&self, mut request: RequestSpec, change: Change) -> Result<Witness, Problem> {
        // A listener wants to know a port, where policies need none.
        if request.destination_port.is_none() {
            request.destination_port = self.sides.iter().find_map(|side| side.port);
        }
        let report = |side: &Ready<'_>| side.report(&request, self.now, self.crypto);
        let unconfirmed = || Problem::Unconfirmed(Box::new(request.clone()));
        let [old, new] = self.sides;
        let (old, new) = (report(old).ok_or_else(unconfirmed)?, report(new).ok_or_else(unconfirmed)?);
        let wanted = match change {
            Change::Allowed => Outcome::Allow,
            Change::Denied => Outcome::Deny,
            Change::Undecided => Outcome::Unknown,
        };
        if new.verdict != wanted || old.verdict == wanted {
            return Err(unconfirmed());
        }
        Ok(Witness { request, old, new })
    }
}
