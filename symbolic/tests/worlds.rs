//! Random policies of every kind, on every kind of proxy: what the comparison says of a point of its space is what the
//! engine says of the request that lies there.
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
    request::{ExtAuthzAnswer, Protocol},
    resource::Resources,
    verdict::{Outcome, Stage},
};
use gnomon_oracle::{evaluator::World, tape::Tape, worlds};
use gnomon_symbolic::{
    Change, Comparison, Kind, Limits, Point, Reason, Side, Undecided, axis::Code, bdd::Bdd, compare, idle,
};

/// Verifies nothing; the tokens made of claims are vouched for.
struct NoKeys;

impl Crypto for NoKeys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

const NOW: i64 = 1_900_000_000;

fn verdict(plan: &Plan, world: &World, spec: &RequestSpec) -> Outcome {
    Prepared::new(spec, plan.authenticator(), &world.workload, &world.mesh, NOW).report(plan, &NoKeys).verdict
}

/// What a plan has, for a failure's message.
fn told(plan: &Plan, protocol: Protocol, world: &World, spec: &RequestSpec) -> String {
    let mut text = format!("{:?}\n", plan.peer_modes());
    for stage in plan.stages(protocol) {
        text += &format!("  {:?} dry {} {:?}\n", stage.stage, stage.dry_run, stage.provider);
        for rule in stage.rules {
            text += &format!("    {}", rule.id);
            for clause in rule.from.iter().chain(&rule.to).flatten().chain(&rule.when) {
                text += &format!(" | {} {:?}", clause.field(), clause.expected());
            }
            text += "\n";
        }
    }
    for rule in plan.authenticator().rules() {
        text += &format!("  jwt {:?}\n", rule);
    }
    let report =
        Prepared::new(spec, plan.authenticator(), &world.workload, &world.mesh, NOW).report(plan, &NoKeys);
    text + &format!("  {:?} {:?} {}", report.stage, report.verdict, report.reason)
}

/// A generator of numbers; the same seed gives the same ones.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn choices(&mut self, count: usize) -> Vec<u16> {
        (0..count).map(|_| (self.next() >> 16) as u16).collect()
    }
}

fn world(numbers: &mut Numbers) -> World {
    let choices = numbers.choices(400);
    worlds::world(&mut Tape::new(&choices))
}

/// Another state of the same world: some policies gone, some new.
fn changed(world: &World, numbers: &mut Numbers) -> Resources {
    let other = self::world(numbers).resources;
    if numbers.below(4) == 0 {
        return other;
    }
    let mut resources = world.resources.clone();
    if !resources.authorization.is_empty() && numbers.below(2) == 0 {
        let at = numbers.below(resources.authorization.len());
        resources.authorization.remove(at);
    }
    if let Some(mut policy) = other.authorization.into_iter().next()
        && numbers.below(3) > 0
    {
        policy.meta.name = "new".into();
        resources.authorization.push(policy);
    }
    if numbers.below(6) == 0 {
        resources.request_authentication = other.request_authentication;
    }
    if numbers.below(6) == 0 {
        resources.peer_authentication = other.peer_authentication;
    }
    resources
}

fn random_point(comparison: &Comparison<'_>, numbers: &mut Numbers) -> Point {
    let axes = comparison.space.axes.iter().map(|axis| match axis.code {
        Code::Set(_) => {
            (0..axis.members.len() as u32).filter(|_| numbers.below(axis.members.len() + 1) == 0).collect()
        }
        Code::One(_) => vec![numbers.below(axis.members.len()) as u32],
    });
    Point(axes.collect())
}

/// A request at random, of values near those that policies have.
fn random_request(kind: Kind, numbers: &mut Numbers) -> RequestSpec {
    fn of<'t>(numbers: &mut Numbers, texts: &[&'t str]) -> &'t str {
        texts[numbers.below(texts.len())]
    }
    let protocol = kind.protocol();
    let mut spec = RequestSpec { protocol, method: "GET".into(), path: "/".into(), ..RequestSpec::default() };
    let peers = [
        "cluster.local/ns/a/sa/b",
        "corp/ns/a/sa/b",
        "cluster.local/ns/shop/sa/web",
        "old.corp/ns/a/sa/b",
        "cluster.local/ns/a.b/sa/b",
        "other/ns/prod-1/sa/x",
        "corp/a/b",
        "cluster.local/ns/ashop/sa/bx",
    ];
    if numbers.below(4) > 0 {
        spec.principal = Some(of(numbers, &peers).into());
    }
    let address = |numbers: &mut Numbers| {
        of(numbers, &["10.0.0.1", "10.0.0.77", "10.0.1.1", "fe80::1", "2001:db8::1", "192.0.2.1"])
            .parse()
            .ok()
    };
    spec.source_ip = address(numbers);
    spec.remote_ip = address(numbers);
    spec.destination_ip = address(numbers);
    spec.destination_port = Some([80, 8080, 0, 443, 65535, 81][numbers.below(6)]);
    if numbers.below(2) == 0 {
        spec.sni = Some(of(numbers, &["a.com", "x.a.com", "b.org", "com"]).into());
    }
    for name in ["p", "q", "r"] {
        let answer = [ExtAuthzAnswer::Allow, ExtAuthzAnswer::Deny, ExtAuthzAnswer::Error][numbers.below(3)];
        spec.ext_authz.push((name.into(), answer));
    }
    if protocol == Protocol::Tcp {
        return spec;
    }
    spec.method = of(numbers, &["GET", "POST", "PUT", "get", "OPTIONS", "HEAD"]).into();
    let paths = [
        "/", "/a", "/a/", "/a/b", "/a/b/c", "/v1/x/i", "/f/x", "/f/y/x", "/xfoo*", "/ab", "/a//b", "/b",
        "/a/%2f/b",
    ];
    spec.path = of(numbers, &paths).into();
    let hosts = ["a.com", "A.com:8080", "x.a.com", "a.com:80", "b.org", "a", "bcom", "example.com"];
    spec.host = Some(of(numbers, &hosts).into());
    if kind == Kind::Connect {
        spec.method = "CONNECT".into();
        spec.path = "/".into();
        spec.host = Some(of(numbers, &["a.com:80", "A.com:8080", "x.a.com:1", "bcom:443", "a:5"]).into());
    }
    for _ in 0..numbers.below(3) {
        let name = of(numbers, &["x-a", "x-b", "accept"]);
        spec.headers.push((name.into(), of(numbers, &["v", "w", "vw", "V", "*v*", "z"]).into()));
    }
    // Of a CONNECT nobody reads a token; where `claims` would stand is then a plan's affair.
    if kind != Kind::Connect && numbers.below(2) == 0 {
        let text = |text: &str| Json::String(text.into());
        let mut claims = vec![("iss".into(), text(of(numbers, &["https://i", "https://j", "i", "k"])))];
        if numbers.below(3) > 0 {
            claims.push(("sub".into(), text(of(numbers, &["u", "ux", "v", "a/u"]))));
        }
        if numbers.below(2) > 0 {
            claims.push(("aud".into(), text(of(numbers, &["dev", "https://dev/", "web", "x"]))));
        }
        for name in ["scope", "g", "azp", "a"] {
            if numbers.below(3) == 0 {
                let one = text(of(numbers, &["dev", "r w", "r", "5", "v"]));
                claims.push((
                    name.into(),
                    if numbers.below(2) == 0 { one } else { Json::List(vec![one, text("v")]) },
                ));
            }
        }
        spec.claims = Some(Json::Object(claims));
    }
    spec
}

/// Random requests may fare differently only where the comparison says that some do.
fn check_random(
    plans: [&Plan; 2],
    world: &World,
    kind: Kind,
    there_are: [bool; 3],
    numbers: &mut Numbers,
    counts: &mut Counts,
) {
    for _ in 0..12 {
        let mut spec = random_request(kind, numbers);
        // A header in which a token is looked for would be a second token.
        spec.headers.retain(|(name, _)| {
            plans.iter().all(|plan| plan.authenticator().reads_headers().all(|read| read != name))
        });
        let [old, new] = plans.map(|plan| verdict(plan, world, &spec));
        if old == new {
            counts.agreeing += usize::from(there_are == [false; 3]);
            continue;
        }
        let expected = match new {
            Outcome::Allow => there_are[0],
            Outcome::Deny => there_are[1],
            _ => there_are[2],
        };
        counts.hits += 1;
        assert!(
            expected,
            "{old:?} {new:?} {there_are:?} {:?} {}\n{spec:?}\nold {}\nnew {}",
            world.workload.proxy,
            world.mesh.istio_version,
            told(plans[0], kind.protocol(), world, &spec),
            told(plans[1], kind.protocol(), world, &spec)
        );
    }
}

/// Checks one pair; what it says is covered.
fn check(numbers: &mut Numbers, counts: &mut Counts) {
    let world = world(numbers);
    let resources = changed(&world, numbers);
    let old = Plan::build(&world.resources, &world.workload, &world.mesh);
    let new = Plan::build(&resources, &world.workload, &world.mesh);
    let side = |plan| Side { plan, workload: &world.workload, mesh: &world.mesh };
    for kind in [Kind::Http, Kind::Connect, Kind::Tcp] {
        let protocol = kind.protocol();
        if numbers.below(6) == 0 {
            check_idle(&old, &world, kind, counts);
        }
        let mut comparison = match compare(side(&old), side(&new), kind, Limits::default()) {
            Ok(Some(comparison)) => comparison,
            Ok(None) => {
                counts.same += 1;
                check_random([&old, &new], &world, kind, [false; 3], numbers, counts);
                continue;
            }
            Err(Undecided::Unsupported(_) | Undecided::Refused(_)) => {
                counts.not_covered += 1;
                continue;
            }
            Err(too_large) => panic!("{too_large}"),
        };
        counts.compared += 1;
        let sets = [comparison.newly_allowed, comparison.newly_denied, comparison.newly_undecided];
        let mut points: Vec<Point> = (0..12).map(|_| random_point(&comparison, numbers)).collect();
        for set in sets {
            match comparison.space.cheapest(set) {
                Some(point) => {
                    assert!(comparison.space.has(set, &point));
                    points.push(point);
                }
                None => assert_eq!(set, Bdd::FALSE),
            }
        }
        counts.different += usize::from(!comparison.is_equivalent());
        let there_are = sets.map(|set| set != Bdd::FALSE);
        check_random([&old, &new], &world, kind, there_are, numbers, counts);
        check_parts(&mut comparison, [&old, &new], &world, counts);
        for point in points {
            if !comparison.space.has(comparison.consistent, &point) {
                continue;
            }
            let spec = comparison.space.request(&point, kind);
            let outcomes = [verdict(&old, &world, &spec), verdict(&new, &world, &spec)];
            let found = sets.map(|set| comparison.space.has(set, &point));
            counts.agreeing += usize::from(comparison.is_equivalent());
            let expected = match outcomes {
                [Outcome::Allow, Outcome::Allow] => [false, false, false],
                [_, Outcome::Allow] => [true, false, false],
                [Outcome::Deny, Outcome::Deny] => [false, false, false],
                [_, Outcome::Deny] => [false, true, false],
                [Outcome::Unknown, Outcome::Unknown] => [false, false, false],
                [_, Outcome::Unknown] => [false, false, true],
                other => panic!("{other:?} for {spec:?}"),
            };
            assert_eq!(
                found,
                expected,
                "{outcomes:?} {protocol:?} {:?} {}\n{spec:?}\n{point:?}\n{:?}\nold {}\nnew {}",
                world.workload.proxy,
                world.mesh.istio_version,
                comparison.space.axes,
                told(&old, protocol, &world, &spec),
                told(&new, protocol, &world, &spec),
            );
        }
    }
}

/// Parts and their boxes do not overlap, are the whole difference together, and name what decides.
fn check_parts(comparison: &mut Comparison<'_>, plans: [&Plan; 2], world: &World, counts: &mut Counts) {
    let sets = [
        (Change::Allowed, comparison.newly_allowed),
        (Change::Denied, comparison.newly_denied),
        (Change::Undecided, comparison.newly_undecided),
    ];
    let (parts, complete) = comparison.parts(1_000).unwrap();
    assert!(complete);
    for (change, set) in sets {
        let mut together = Bdd::FALSE;
        for part in parts.iter().filter(|part| part.change == change) {
            assert_ne!(part.set, Bdd::FALSE);
            assert_eq!(comparison.space.manager.and(together, part.set), Ok(Bdd::FALSE));
            together = comparison.space.manager.or(together, part.set).unwrap();
            let Some(cubes) = comparison.cubes(part.set, 2_000) else { continue };
            let mut boxes = Bdd::FALSE;
            for cube in &cubes {
                let set = comparison.set_of(cube).unwrap();
                assert_ne!(set, Bdd::FALSE);
                assert_eq!(comparison.space.manager.and(boxes, set), Ok(Bdd::FALSE));
                boxes = comparison.space.manager.or(boxes, set).unwrap();
            }
            assert_eq!(boxes, part.set);
            counts.boxes += cubes.len();
        }
        assert_eq!(together, set);
    }
    for part in &parts {
        let point = comparison.space.cheapest(part.set).unwrap();
        let spec = comparison.space.request(&point, comparison.kind);
        for (plan, reason) in plans.into_iter().zip(part.reasons) {
            if plan.releases().count() > 1 || matches!(reason, Reason::Unknown) {
                continue;
            }
            let report = Prepared::new(&spec, plan.authenticator(), &world.workload, &world.mesh, NOW)
                .report(plan, &NoKeys);
            let rule = match reason {
                Reason::Custom(rule) | Reason::Denied(rule) | Reason::Allowed(rule) => Some(&*rule.id),
                _ => None,
            };
            let stage = match reason {
                Reason::Gate => Stage::Mtls,
                Reason::Custom(_) => Stage::Custom,
                Reason::Tokens => Stage::Jwt,
                Reason::Denied(_) => Stage::Deny,
                Reason::NoneAllows | Reason::Allowed(_) => Stage::Allow,
                _ => report.stage,
            };
            assert_eq!(
                (report.stage, report.policy.as_deref()),
                (stage, rule),
                "{reason:?} {report:?} {spec:?}"
            );
        }
    }
}

/// A rule is said to make no difference exactly where the policies without it are equivalent.
fn check_idle(plan: &Plan, world: &World, kind: Kind, counts: &mut Counts) {
    fn side<'p>(plan: &'p Plan, world: &'p World) -> Side<'p> {
        Side { plan, workload: &world.workload, mesh: &world.mesh }
    }
    let Ok(found) = idle(side(plan, world), kind, Limits::default()) else { return };
    for stage in plan.stages(kind.protocol()) {
        if stage.dry_run || !matches!(stage.stage, Stage::Deny | Stage::Allow) {
            continue;
        }
        for rule in stage.rules {
            let mut resources = world.resources.clone();
            let policy = resources.authorization.iter_mut().find(|policy| {
                *policy.meta.name == *rule.origin.policy.name
                    && *policy.meta.namespace == *rule.origin.policy.namespace
            });
            let Some(policy) = policy.filter(|policy| rule.origin.index < policy.rules.len()) else {
                continue;
            };
            // A policy without a rule still applies, and matches nothing.
            policy.rules.remove(rule.origin.index);
            let without = Plan::build(&resources, &world.workload, &world.mesh);
            let Ok(comparison) = compare(side(plan, world), side(&without, world), kind, Limits::default())
            else {
                continue;
            };
            let same = comparison.is_none_or(|comparison| comparison.is_equivalent());
            let told = found.iter().any(|one| {
                one.rule.origin.index == rule.origin.index
                    && one.rule.origin.policy.name == rule.origin.policy.name
            });
            assert_eq!(told, same, "{kind:?} {}", rule.id);
            counts.idle += usize::from(told);
        }
    }
}

#[derive(Default, Debug)]
struct Counts {
    idle: usize,
    boxes: usize,
    hits: usize,
    /// Requests on pairs that are equivalent: both sides say the same.
    agreeing: usize,
    same: usize,
    not_covered: usize,
    compared: usize,
    different: usize,
}

fn pairs(seed: u64, count: usize) -> Counts {
    let mut counts = Counts::default();
    for number in 0..count {
        let seed = seed + number as u64;
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check(&mut Numbers(seed), &mut counts);
        }));
        if done.is_err() {
            panic!("seed {seed}");
        }
    }
    counts
}

#[test]
fn the_engine_says_the_same() {
    let counts = pairs(1, 400);
    assert!(counts.compared > 200 && counts.different > 100, "{counts:?}");
    assert!(counts.hits > 100 && counts.agreeing > 1_000, "{counts:?}");
    assert!(counts.not_covered < counts.compared, "{counts:?}");
}

/// `cargo test --release -p gnomon-symbolic -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn the_engine_says_the_same_a_hundred_thousand_times() {
    println!("{:?}", pairs(1_000_000, 100_000));
}
