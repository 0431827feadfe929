//! `cargo xtask bench diff`: how long it takes to compare two sets of policies for one workload.
//!
//! From two compiled plans to the answer with a request for each direction: conditions, classes and diagrams included.
//! The plans are built before, and their time stands beside it.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a program for developers"
)]

use gnomon_engine::{
    Attribute, Mesh, Plan, Workload,
    resource::{
        Action, AuthorizationPolicy, Condition, FieldSet, JwtRule, Match, Meta, RequestAuthentication,
        Resources, Rule, Target, Text,
    },
};
use gnomon_symbolic::{Kind, Limits, Side, compare};
use std::{hint::black_box, time::Instant};

fn text(value: String) -> Text {
    Text { text: value, ..Text::default() }
}

fn values(values: impl IntoIterator<Item = String>) -> Match {
    Match { values: values.into_iter().map(text).collect(), not_values: Vec::new() }
}

/// A policy as one finds them: somebody may do something with a part of the interface; each twentieth denies.
fn policy(number: usize, changed: bool) -> AuthorizationPolicy {
    let deny = number % 20 == 7;
    let principal = format!("cluster.local/ns/team-{}/sa/client-{number}", number % 97);
    let methods = [["GET", "HEAD"], ["POST", "PUT"], ["GET", "DELETE"]][number % 3].map(String::from);
    let path = if changed { format!("/api/v2/{number}/*") } else { format!("/api/v1/{number}/*") };
    let mut rule = Rule::default();
    rule.from.push(match number % 5 {
        0 => FieldSet::of([(Attribute::Namespace, values([format!("team-{}", number % 97)]))]),
        _ => FieldSet::of([(Attribute::Principal, values([principal]))]),
    });
    let mut operation =
        FieldSet::of([(Attribute::Method, values(methods)), (Attribute::Path, values([path]))]);
    if number.is_multiple_of(7) {
        operation.set(Attribute::Port, values([format!("{}", 8000 + number % 13)]));
    }
    if number.is_multiple_of(11) {
        operation.set(
            Attribute::Path,
            Match {
                values: operation.get(Attribute::Path).values.clone(),
                not_values: vec![text(format!("/api/v1/{number}/internal/*"))],
            },
        );
    }
    rule.to.push(operation);
    if number.is_multiple_of(9) {
        rule.when.push(Condition {
            at: Default::default(),
            key: text("request.headers[x-tier]".into()),
            values: values([format!("tier-{}", number % 4)]),
        });
    }
    AuthorizationPolicy {
        meta: Meta { namespace: "shop".into(), name: format!("p{number}"), ..Meta::default() },
        target: Target::Namespace,
        action: if deny { Action::Deny } else { Action::Allow },
        provider: None,
        dry_run: false,
        rules: vec![rule],
    }
}

fn policies(count: usize, changed: impl Fn(usize) -> bool) -> Resources {
    let authorization = (0..count).map(|number| policy(number, changed(number))).collect();
    Resources { authorization, ..Resources::default() }
}

/// What the new side has otherwise.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    One,
    EachTenth,
    AllIssuers,
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Change::One => "one",
            Change::EachTenth => "each 10th",
            Change::AllIssuers => "tokens",
        }
    }
}

fn request_authentication() -> RequestAuthentication {
    RequestAuthentication {
        meta: Meta { namespace: "shop".into(), name: "tokens".into(), ..Meta::default() },
        target: Target::Namespace,
        rules: vec![JwtRule {
            issuer: text("https://issuer.example.com".into()),
            jwks_uri: Some(text("https://issuer.example.com/keys".into())),
            ..JwtRule::default()
        }],
    }
}

fn main() {
    let workload = Workload { namespace: "shop".into(), ..Workload::default() };
    let mesh = Mesh::default();
    println!("policies  changed      plans        compared   nodes   axes");
    for count in [100, 1_000, 10_000] {
        for change in [Change::One, Change::EachTenth, Change::AllIssuers] {
            let changed = |number: usize| match change {
                Change::One => number == 1,
                Change::EachTenth => number % 10 == 1,
                Change::AllIssuers => false,
            };
            let (old, mut new) = (policies(count, |_| false), policies(count, changed));
            if change == Change::AllIssuers {
                // Nothing can be left aside: whoever sends a token of another issuer is refused now.
                new.request_authentication.push(request_authentication());
            }
            let start = Instant::now();
            let plans = [&old, &new].map(|resources| Plan::build(resources, &workload, &mesh));
            let building = start.elapsed();
            let side = |plan| Side { plan, workload: &workload, mesh: &mesh };
            let mut best = f64::MAX;
            let mut found = (0, 0);
            for _ in 0..if count < 5_000 { 20 } else { 3 } {
                let start = Instant::now();
                let comparison = compare(side(&plans[0]), side(&plans[1]), Kind::Http, Limits::default())
                    .expect("no limit is reached")
                    .expect("there is a difference");
                for set in [comparison.newly_allowed, comparison.newly_denied] {
                    let point = comparison.space.cheapest(set);
                    black_box(point.map(|point| comparison.space.request(&point, Kind::Http)));
                }
                best = best.min(start.elapsed().as_secs_f64() * 1_000.0);
                found = (comparison.space.manager.len(), comparison.space.axes.len());
            }
            println!(
                "{count:>8}  {:<9} {:>8.1} ms  {best:>10.2} ms  {:>6}  {:>5}",
                change.name(),
                building.as_secs_f64() * 1_000.0,
                found.0,
                found.1
            );
        }
    }
}
