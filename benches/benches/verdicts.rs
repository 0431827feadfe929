//! Verdicts, plans and what they weigh, here and in other engines: `engine <tab> what <tab> n <tab> figure <tab> unit`.
//!
//! Started by `cargo xtask bench`, which makes a table of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may be blunt")]

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet};
use gnomon_benches::{
    Asking, Case,
    policies::{prefix, principal},
    realistic,
    timing::time,
    worst, worst_path,
};
use gnomon_engine::verdict::Outcome;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];

/// Bytes that are in use, and how often any were asked for.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        CALLS.fetch_add(1, Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn tell(engine: &str, what: &str, count: usize, figure: f64, unit: &str) {
    println!("{engine}\t{what}\t{count}\t{figure:.1}\t{unit}");
}

fn verdicts(engine: &str, what: &str, count: usize, allows: impl FnMut() -> bool) {
    let mut allows = allows;
    assert!(allows(), "{engine} has to allow, or it does something else");
    tell(engine, what, count, time(&mut allows), "ns");
}

fn main() {
    // Without its own name for it, cargo hands every bench `--bench`; any other word leaves the others out.
    let alone = std::env::args().any(|word| word == "alone");
    let case = realistic().case();
    case.ask(|asking| verdicts("gnomon", "realistic", 20, || allows(asking)));
    allocations("realistic", 20, &case);
    for count in COUNTS {
        plan(count);
        let case = worst(count).case();
        case.ask(|asking| {
            verdicts("gnomon", "worst", count, || allows(asking));
            verdicts("gnomon, every rule", "worst", count, || {
                asking.verdict_linearly().outcome == Outcome::Allow
            });
        });
        allocations("worst", count, &case);
        if !alone {
            naive(count);
            cedar(count);
            regorus(count);
        }
    }
}

fn allows(asking: &Asking<'_>) -> bool {
    asking.verdict().outcome == Outcome::Allow
}

fn allocations(what: &str, count: usize, case: &Case) {
    case.ask(|asking| {
        let before = CALLS.load(Relaxed);
        for _ in 0..1_000 {
            std::hint::black_box(asking.verdict());
        }
        let calls = u32::try_from(CALLS.load(Relaxed) - before).unwrap();
        tell("gnomon", &format!("allocations {what}"), count, f64::from(calls) / 1_000.0, "");
    });
}

/// How long it takes to make a plan, and what it weighs.
fn plan(count: usize) {
    let world = worst(count);
    let before = LIVE.load(Relaxed);
    let plan = world.plan();
    let bytes = LIVE.load(Relaxed) - before;
    drop(plan);
    let taken = (0..5).map(|_| {
        let start = Instant::now();
        let plan = world.plan();
        let taken = start.elapsed();
        drop(plan);
        taken
    });
    let taken = taken.min().unwrap_or_default();
    tell("gnomon", "plan", count, taken.as_secs_f64() * 1e3, "ms");
    tell("gnomon", "plan per rule", count, bytes as f64 / count as f64, "B");
}

/// What one would write by hand: a list of rules, gone through.
fn naive(count: usize) {
    struct Rule {
        principal: String,
        method: String,
        prefix: String,
    }
    let rule = |number| Rule {
        principal: format!("spiffe://{}", principal(number)),
        method: "GET".into(),
        prefix: prefix(number),
    };
    let rules: Vec<Rule> = (0..count).map(rule).collect();
    let (peer, path) = (format!("spiffe://{}", principal(count - 1)), worst_path(count - 1));
    verdicts("a list in Rust", "worst", count, || {
        let (peer, method, path) = std::hint::black_box((&peer, "GET", &path));
        rules
            .iter()
            .any(|rule| rule.principal == *peer && rule.method == method && path.starts_with(&rule.prefix))
    });
}

fn cedar(count: usize) {
    let text: String = (0..count)
        .map(|number| {
            format!(
                "permit(principal == Workload::\"{}\", action == Action::\"GET\", resource)\n\
                 when {{ context.path like \"{}*\" }};\n",
                principal(number),
                prefix(number)
            )
        })
        .collect();
    let policies: PolicySet = text.parse().unwrap();
    let uid = |text: String| -> EntityUid { text.parse().unwrap() };
    let context =
        Context::from_pairs([("path".to_string(), format!("{:?}", worst_path(count - 1)).parse().unwrap())])
            .unwrap();
    let request = cedar_policy::Request::new(
        uid(format!("Workload::\"{}\"", principal(count - 1))),
        uid("Action::\"GET\"".into()),
        uid("Workload::\"shop\"".into()),
        context,
        None,
    )
    .unwrap();
    let (authorizer, entities) = (Authorizer::new(), Entities::empty());
    verdicts("Cedar", "worst", count, || {
        authorizer.is_authorized(&request, &policies, &entities).decision() == Decision::Allow
    });
}

fn regorus(count: usize) {
    let rule = |number| {
        format!(
            "allow if {{\n  input.principal == \"{}\"\n  input.method == \"GET\"\n  \
             startswith(input.path, \"{}\")\n}}\n",
            principal(number),
            prefix(number)
        )
    };
    let mut engine = regorus::Engine::new();
    // It takes no file of more than a megabyte.
    for (file, numbers) in (0..count).collect::<Vec<_>>().chunks(1_000).enumerate() {
        let rules: String = numbers.iter().map(|number| rule(*number)).collect();
        engine.add_policy(format!("{file}.rego"), format!("package shop\n\n{rules}")).unwrap();
    }
    let input = format!(
        r#"{{"principal": "{}", "method": "GET", "path": "{}"}}"#,
        principal(count - 1),
        worst_path(count - 1)
    );
    let input = regorus::Value::from_json_str(&input).unwrap();
    let policy = engine.compile_with_entrypoint(&"data.shop.allow".into()).unwrap();
    verdicts("regorus", "worst", count, || {
        policy.eval_with_input(input.clone()).unwrap() == regorus::Value::from(true)
    });
}
