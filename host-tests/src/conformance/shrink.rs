//! A disagreement made as small as it can be.
//!
//! Round after round all that one thing less would leave is put before Envoy at once, and the smallest world that still
//! disagrees goes on. What is left cannot lose a policy, rule, field, value or letter and still disagree.

use super::{
    ask::{ask, questions},
    compare::{Engine, difference, expectation},
    world::{Read, World},
};
use crate::{
    err::Result,
    judge::{Answer, Judge, Seen},
};
use gnomon_engine::{Plan, verdict::Outcome};
use serde_json::{Value, json};

/// So many worlds are asked at once.
const AT_ONCE: usize = 150;
/// A round takes away one thing at least; nothing that we draw has as many.
const ROUNDS: usize = 200;

/// The smallest world found that still disagrees, with Envoy's answer as its expectation; `None` where this one does not
/// disagree (any more).
///
/// # Errors
///
/// Envoy cannot be asked at all.
pub fn shrink(judge: &Judge, engine: &Engine, world: &World) -> Result<Option<World>> {
    let Some(mut best) = disagreeing(judge, engine, vec![world.clone()]).pop() else { return Ok(None) };
    for _ in 0..ROUNDS {
        // The smallest first: what goes in one piece need not go in many.
        let mut candidates = smaller(best.0.suite());
        candidates.sort_by_cached_key(|suite| suite.to_string().len());
        let mut found = None;
        for some in candidates.chunks(AT_ONCE) {
            let worlds = some.iter().cloned().map(World::new).collect();
            found = disagreeing(judge, engine, worlds).into_iter().next();
            if found.is_some() {
                break;
            }
        }
        match found {
            Some(smaller) => best = smaller,
            None => break,
        }
    }
    let (world, seen) = best;
    Ok(Some(finished(&world, &seen)))
}

/// Those that can be read and asked, and about which the two differ, in their order.
fn disagreeing(judge: &Judge, engine: &Engine, worlds: Vec<World>) -> Vec<(World, Seen)> {
    let read: Vec<(World, Read)> =
        worlds.into_iter().filter_map(|world| world.read().ok().map(|read| (world, read))).collect();
    let answers = ask(judge, &read.iter().map(|(_, read)| read).collect::<Vec<_>>(), None);
    let mut found = Vec::new();
    for ((world, read), answers) in read.iter().zip(answers) {
        let plan = Plan::build(&read.resources, &read.workload, &read.mesh);
        let answers = answers.unwrap_or_default();
        let seen = questions(read).zip(&answers).find_map(|(question, answer)| {
            let Answer::Seen(seen) = answer else { return None };
            let report = engine(&question, &plan);
            let differ = report.verdict != Outcome::Unknown && difference(&question, &report, seen).is_some();
            differ.then(|| seen.clone())
        });
        found.extend(seen.map(|seen| (world.clone(), *seen)));
    }
    found
}

/// With a name and what Envoy said.
fn finished(world: &World, seen: &Seen) -> World {
    let mut suite = world.suite().clone();
    if let Some(test) = suite.pointer_mut("/tests/0").and_then(Value::as_object_mut) {
        test.insert("name".into(), json!("Envoy disagreed"));
        test.insert("expect".into(), expectation(seen));
    }
    World::new(suite)
}

/// All that is left of a suite when one thing of its policies, workload, mesh or request goes.
fn smaller(suite: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for part in ["/resources", "/workload", "/mesh", "/tests/0/request"] {
        let Some(value) = suite.pointer(part) else { continue };
        for less in less(value) {
            let mut suite = suite.clone();
            if let Some(place) = suite.pointer_mut(part) {
                *place = less;
                all.push(suite);
            }
        }
    }
    all
}

/// The value with one thing less, at any depth.
fn less(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Object(fields) => {
            for name in fields.keys() {
                let mut fields = fields.clone();
                fields.remove(name);
                all.push(Value::Object(fields));
            }
            for (name, inner) in fields {
                for inner in less(inner) {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), inner);
                    all.push(Value::Object(fields));
                }
            }
        }
        Value::Array(items) => {
            // One alone, then without one.
            if items.len() > 2 {
                all.extend(items.iter().map(|item| json!([item])));
            }
            for place in 0..items.len() {
                let mut items = items.clone();
                items.remove(place);
                all.push(Value::Array(items));
            }
            for (place, inner) in items.iter().enumerate() {
                for inner in less(inner) {
                    let mut items = items.clone();
                    if let Some(item) = items.get_mut(place) {
                        *item = inner;
                    }
                    all.push(Value::Array(items));
                }
            }
        }
        Value::String(text) => all.extend(shorter(text).into_iter().map(Value::String)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    all
}

/// Halves, and without each of the characters. Key sets and tokens only go as a whole.
fn shorter(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() > 60 {
        return Vec::new();
    }
    let half = characters.len().div_ceil(2);
    let (left, right) = characters.split_at(half);
    let mut all: Vec<String> = [left, right].iter().map(|half| half.iter().collect()).collect();
    for place in 0..characters.len() {
        let mut rest = characters.clone();
        rest.remove(place);
        all.push(rest.into_iter().collect());
    }
    all.retain(|shorter| !shorter.is_empty() && shorter.len() < text.len());
    all
}
