//! Pairs of policy sets over a tiny alphabet, against all requests of it and an evaluator written apart.
//!
//! Nothing is sampled: the naive evaluator of `gnomon-oracle` answers every request on both sides. The comparison must
//! find a difference exactly where there is one, and the lines of its summary, read in the words that they are told in,
//! must hold every request whose verdict changes once, and no other.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test: what goes wrong here is to be seen at once"
)]

use gnomon_engine::{
    Plan,
    jwt::{Algorithm, Crypto, Json, Key, Signature},
    prepare::{Prepared, RequestSpec},
    request::ExtAuthzAnswer,
    verdict::Outcome,
};
use gnomon_oracle::{
    evaluator::{World, evaluate},
    small::{self, Pair},
    strings,
    tape::{Tape, choices},
};
use gnomon_symbolic::{
    Change, Comparison, Cube, Kind, Limits, Phrase, Side,
    axis::{Choice, Member},
    bdd::Bdd,
    compare,
    condition::Subject,
};

/// Verifies nothing; the tokens made of claims are vouched for.
struct NoKeys;

impl Crypto for NoKeys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

const NOW: i64 = 1_900_000_000;

fn outcome(world: &World, plan: &Plan, spec: &RequestSpec) -> Outcome {
    let prepared = Prepared::new(spec, plan.authenticator(), &world.workload, &world.mesh, NOW);
    assert!(prepared.rejected().is_none(), "{spec:?}");
    let crypto = prepared.vouching(&NoKeys);
    prepared.with_request(|request| evaluate(world, request, &crypto).outcome)
}

/// How the verdict changes.
fn change([old, new]: [Outcome; 2]) -> Option<Change> {
    match new {
        _ if old == new => None,
        Outcome::Allow => Some(Change::Allowed),
        Outcome::Deny => Some(Change::Denied),
        _ => Some(Change::Undecided),
    }
}

#[derive(Debug, Default)]
struct Counts {
    requests: usize,
    equivalent: usize,
    different: usize,
    lines: usize,
    /// Lines that show an example, since the policies have no words for them.
    without_words: usize,
}

fn check(pair: &Pair, counts: &mut Counts) {
    let worlds = [&pair.old, &pair.new].map(|manifests| pair.world(manifests));
    let [old, new] = &worlds;
    let plans = [old, new].map(|world| Plan::build(&world.resources, &world.workload, &world.mesh));
    let kinds: &[Kind] = if pair.ztunnel { &[Kind::Tcp] } else { &[Kind::Http, Kind::Tcp] };
    for kind in kinds.iter().copied() {
        let requests = pair.requests(kind.protocol());
        counts.requests += requests.len();
        let changes: Vec<Option<Change>> = requests
            .iter()
            .map(|spec| change([outcome(old, &plans[0], spec), outcome(new, &plans[1], spec)]))
            .collect();
        let side = |at: usize| Side { plan: &plans[at], workload: &old.workload, mesh: &old.mesh };
        let found = compare(side(0), side(1), kind, Limits::default()).unwrap();
        let Some(mut comparison) = found else {
            assert!(changes.iter().all(Option::is_none), "{kind:?} {}", told(pair));
            counts.equivalent += 1;
            continue;
        };
        let sets = [
            (Change::Allowed, comparison.newly_allowed),
            (Change::Denied, comparison.newly_denied),
            (Change::Undecided, comparison.newly_undecided),
        ];
        for (change, set) in sets {
            let shown = changes.iter().position(|found| *found == Some(change));
            let witness = comparison.space.cheapest(set);
            assert_eq!(
                shown.is_some(),
                set != Bdd::FALSE,
                "{kind:?} {change:?} {:?} {:?}\n{}",
                shown.map(|at| &requests[at]),
                witness.map(|point| comparison.space.request(&point, kind)),
                told(pair)
            );
        }
        counts.equivalent += usize::from(comparison.is_equivalent());
        counts.different += usize::from(!comparison.is_equivalent());
        check_lines(&mut comparison, &requests, &changes, pair, counts);
    }
}

/// Each request that changes lies in one line, and the others in none.
fn check_lines(
    comparison: &mut Comparison<'_>,
    requests: &[RequestSpec],
    changes: &[Option<Change>],
    pair: &Pair,
    counts: &mut Counts,
) {
    let (parts, complete) = comparison.parts(1_000).unwrap();
    assert!(complete);
    let mut lines: Vec<(Change, Vec<Clause>)> = Vec::new();
    let mut all_in_words = true;
    for part in &parts {
        for cube in comparison.cubes(part.set, 100_000).unwrap() {
            match clauses(comparison, &cube) {
                Some(clauses) => lines.push((part.change, clauses)),
                None => {
                    counts.without_words += 1;
                    all_in_words = false;
                }
            }
        }
    }
    counts.lines += lines.len();
    for (spec, change) in requests.iter().zip(changes) {
        let of: Vec<&(Change, Vec<Clause>)> =
            lines.iter().filter(|(_, clauses)| clauses.iter().all(|clause| clause.holds(spec))).collect();
        let said: Vec<Change> = of.iter().map(|(change, _)| *change).collect();
        let expected: Vec<Change> = change.iter().copied().collect();
        assert!(
            said == expected || said.is_empty() && !all_in_words,
            "{spec:?} changes {expected:?}, but lies in {of:?}\n{}",
            told(pair)
        );
    }
}

/// What a line says about one axis.
#[derive(Debug)]
enum Clause {
    /// One value, or none, in these words.
    One(Subject, Phrase),
    /// For each of the first there is an element, and none for the second.
    Set(Subject, Vec<Phrase>, Option<Phrase>),
    /// Tokens: without words for what is no token.
    Token {
        phrase: Phrase,
        malformed: bool,
    },
    Preflight(bool),
    Provider(Vec<u32>),
}

/// `None`: there are no words for it.
fn clauses(comparison: &Comparison<'_>, cube: &Cube) -> Option<Vec<Clause>> {
    let mut all = Vec::new();
    for (at, choice) in &cube.0 {
        let axis = &comparison.space.axes[*at];
        let subject = axis.subject.clone();
        let phrase = |classes: &[u32]| {
            Some(comparison.phrase(*at, classes)).filter(|phrase: &Phrase| phrase.like.is_empty())
        };
        all.push(match choice {
            Choice::Any(classes) => match subject {
                Subject::Preflight => Clause::Preflight(classes.contains(&1)),
                Subject::Provider(_) => Clause::Provider(classes.clone()),
                Subject::Issuer => {
                    let malformed = classes
                        .iter()
                        .any(|class| matches!(axis.members[*class as usize], Member::Garbage(_)));
                    Clause::Token { phrase: phrase(classes)?, malformed }
                }
                _ => Clause::One(subject, phrase(classes)?),
            },
            Choice::Set { with, without } => {
                let with = with.iter().map(|class| phrase(&[*class])).collect::<Option<_>>()?;
                let without = if without.is_empty() { None } else { Some(phrase(without)?) };
                Clause::Set(subject, with, without)
            }
        });
    }
    Some(all)
}

impl Clause {
    fn holds(&self, spec: &RequestSpec) -> bool {
        match self {
            Clause::One(subject, phrase) => match &elements(subject, spec)[..] {
                [] => phrase.or_absent,
                [one] => says(subject, phrase, one),
                more => panic!("{subject:?} {more:?}"),
            },
            Clause::Set(subject, with, without) => {
                let elements = elements(subject, spec);
                let some = |phrase: &Phrase| elements.iter().any(|one| says(subject, phrase, one));
                with.iter().all(some) && !without.as_ref().is_some_and(some)
            }
            Clause::Token { phrase, malformed } => match (&spec.token, &spec.claims) {
                (Some(_), _) => *malformed,
                (None, None) => phrase.or_absent,
                (None, Some(_)) => {
                    let issuer = elements(&Subject::Issuer, spec).into_iter().next().unwrap_or_default();
                    phrase.present && says(&Subject::Issuer, phrase, &issuer)
                }
            },
            Clause::Preflight(is) => spec.headers.iter().any(|(name, _)| name == "origin") == *is,
            Clause::Provider(answers) => answers.contains(&match spec.ext_authz[0].1 {
                ExtAuthzAnswer::Allow => 0,
                ExtAuthzAnswer::Deny => 1,
                ExtAuthzAnswer::Error => 2,
            }),
        }
    }
}

/// What of a request stands on this axis.
fn elements(subject: &Subject, spec: &RequestSpec) -> Vec<String> {
    let claim = |name: &str| {
        let Some(Json::Object(claims)) = &spec.claims else { return vec![] };
        match claims.iter().find(|(known, _)| known == name).map(|(_, value)| value) {
            Some(Json::String(text)) => vec![text.clone()],
            Some(Json::List(all)) => all
                .iter()
                .filter_map(|one| if let Json::String(text) = one { Some(text.clone()) } else { None })
                .collect(),
            _ => vec![],
        }
    };
    match subject {
        Subject::Method => vec![spec.method.clone()],
        Subject::Path => vec![spec.path.clone()],
        Subject::Host => spec.host.iter().map(|host| host.to_lowercase()).collect(),
        Subject::Peer => spec.principal.iter().cloned().collect(),
        Subject::Port => spec.destination_port.iter().map(ToString::to_string).collect(),
        Subject::SourceIp => spec.source_ip.iter().map(ToString::to_string).collect(),
        Subject::Header(name) => {
            let lines = spec.headers.iter().filter(|(known, _)| known == name);
            lines.map(|(_, value)| value.clone()).collect()
        }
        Subject::Issuer => claim("iss"),
        Subject::Claim(path) => claim(&path[0]),
        other => panic!("{other:?}"),
    }
}

fn says(subject: &Subject, phrase: &Phrase, element: &str) -> bool {
    let matches = |value: &String| value_matches(subject, value, element);
    phrase.present
        && (phrase.any_of.is_empty() || phrase.any_of.iter().any(matches))
        && !phrase.but_not.iter().any(matches)
}

/// A value as a person reads it.
fn value_matches(subject: &Subject, value: &str, element: &str) -> bool {
    match subject {
        Subject::Path => strings::path(value, element),
        Subject::SourceIp => strings::in_block(value, element.parse().unwrap()),
        Subject::Peer => {
            let spiffe = format!("spiffe://{element}");
            let version = gnomon_engine::workload::IstioVersion::NEWEST;
            match value.strip_prefix("namespace ") {
                Some(namespace) => strings::namespace(namespace, &spiffe, version),
                None if value.matches('/').count() == 1 && !value.contains('*') => {
                    strings::service_account(value, "", &spiffe, version)
                }
                // Any identity of a trust domain, at ztunnel.
                None if value.ends_with("/ns/*/sa/*") => {
                    let inside = value.trim_end_matches("*/sa/*");
                    element.starts_with(inside) && element.contains("/sa/")
                }
                None => strings::principal(value, &spiffe, version),
            }
        }
        _ => strings::string(value, element, strings::present),
    }
}

fn told(pair: &Pair) -> String {
    let lines = |manifests: &[serde_json::Value]| {
        manifests.iter().map(|one| format!("  {}\n", one)).collect::<String>()
    };
    format!("{:?} ztunnel {}\nold\n{}new\n{}", pair.axes, pair.ztunnel, lines(&pair.old), lines(&pair.new))
}

fn pairs(seed: u64, count: u64) -> Counts {
    let mut counts = Counts::default();
    for seed in seed..seed + count {
        let pair = small::pair(&mut Tape::new(&choices(seed, 300)));
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&pair, &mut counts)));
        if checked.is_err() {
            panic!("seed {seed}");
        }
    }
    counts
}

#[test]
fn all_requests() {
    let counts = pairs(1, 60);
    assert!(counts.equivalent > 20 && counts.different > 20 && counts.lines > 80, "{counts:?}");
}

/// `cargo xtask conformance --pairs N`; `GNOMON_PAIRS` says how many, `GNOMON_SEED` where to begin.
#[test]
#[ignore = "takes minutes"]
fn all_requests_a_hundred_thousand_times() {
    let number = |name, usual| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    println!("{:?}", pairs(number("GNOMON_SEED", 1_000_000), number("GNOMON_PAIRS", 100_000)));
}
