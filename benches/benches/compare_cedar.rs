//! The same question put to Cedar's symbolic compiler: what do two sets of policies answer differently, in each direction,
//! with an example? `GNOMON_SOLVER` is a program that reads SMT-LIB, its arguments behind it, a line each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement may stop")]

use cedar_policy::{PolicySet, Schema};
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet, solver::LocalSolver};
use gnomon_benches::differing::{Change, Pair, sides};
use gnomon_engine::{
    Attribute,
    resource::{Action, AuthorizationPolicy, FieldSet, Match, Resources, Rule},
};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};
use tokio::process::Command;

const SCHEMA: &str = "
entity Caller;
entity Service;
action request appliesTo {
  principal: [Caller],
  resource: [Service],
  context: {method: String, path: String, peer: String, namespace: String, port: String, tier?: String}
};";

fn main() {
    // `cargo test` builds benches too, and calls them so.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for count in [100, 1_000] {
        let (cedar, directions) = runtime.block_on(cedar(count));
        let pair = Pair::new(count, Change::One);
        let own = median(|| assert!(pair.compare().is_some(), "there is a difference"));
        assert_eq!(Some(directions), pair.compare().map(|found| found.witnesses), "both find the same");
        println!("native\tone\t{count}\t{:.3}\tms", own.as_secs_f64() * 1e3);
        println!("cedar\tone\t{count}\t{:.3}\tms", cedar.as_secs_f64() * 1e3);
    }
}

/// The middle of some runs.
fn median(mut work: impl FnMut()) -> Duration {
    let mut taken: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    taken.sort();
    taken[2]
}

/// How long it takes, and in how many directions something differs.
async fn cedar(count: usize) -> (Duration, usize) {
    let schema: Schema = SCHEMA.parse().unwrap();
    let sets = sides(count, Change::One)
        .map(|resources| translated(&resources).parse::<PolicySet>().unwrap_or_else(|why| panic!("{why}")));
    let environment = schema.request_envs().next().unwrap();
    let mut taken = Vec::new();
    let mut directions = 0;
    for _ in 0..3 {
        let words = std::env::var("GNOMON_SOLVER").unwrap_or_else(|_| "cvc5\n--lang\nsmt".into());
        let mut words = words.lines();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        let solver = LocalSolver::from_command(&mut command).unwrap();
        let mut compiler = CedarSymCompiler::new(solver).unwrap();
        // The program has started when it has answered once.
        let start = |set: &PolicySet| CompiledPolicySet::compile(set, &environment, &schema).unwrap();
        let empty = start(&PolicySet::new());
        compiler.check_always_allows_opt(&empty).await.unwrap();
        let begun = Instant::now();
        let [old, new] = [start(&sets[0]), start(&sets[1])];
        let allowed = compiler.check_implies_with_counterexample_opt(&new, &old).await.unwrap();
        let denied = compiler.check_implies_with_counterexample_opt(&old, &new).await.unwrap();
        taken.push(begun.elapsed());
        directions = usize::from(allowed.is_some()) + usize::from(denied.is_some());
    }
    taken.sort();
    (taken[1], directions)
}

/// The policies in Cedar's language.
fn translated(resources: &Resources) -> String {
    let mut text = String::new();
    for policy in &resources.authorization {
        let AuthorizationPolicy { action, rules, .. } = policy;
        let effect = if *action == Action::Deny { "forbid" } else { "permit" };
        for rule in rules {
            writeln!(text, "{effect}(principal, action, resource) when {{ {} }};", condition(rule)).unwrap();
        }
    }
    text
}

fn condition(rule: &Rule) -> String {
    let mut all = Vec::new();
    for sets in [&rule.from, &rule.to] {
        let any: Vec<String> = sets.iter().map(fields).collect();
        if !any.is_empty() {
            all.push(format!("({})", any.join(" || ")));
        }
    }
    for when in &rule.when {
        all.push(format!("context has tier && ({})", values("tier", &when.values)));
    }
    all.join(" && ")
}

fn fields(set: &FieldSet) -> String {
    let one = |(attribute, found): (Attribute, &Match)| {
        let name = match attribute {
            Attribute::Method => "method",
            Attribute::Path => "path",
            Attribute::Principal => "peer",
            Attribute::Namespace => "namespace",
            Attribute::Port => "port",
            other => panic!("{other:?}"),
        };
        values(name, found)
    };
    let all: Vec<String> = set.iter().map(one).collect();
    format!("({})", all.join(" && "))
}

fn values(name: &str, found: &Match) -> String {
    let any = |values: &[gnomon_engine::resource::Text]| {
        let each: Vec<String> =
            values.iter().map(|value| format!("context.{name} like \"{}\"", value.text)).collect();
        format!("({})", each.join(" || "))
    };
    let mut text = any(&found.values);
    if !found.not_values.is_empty() {
        write!(text, " && !{}", any(&found.not_values)).unwrap();
    }
    text
}
