//! Many worlds in one Envoy.

use super::world::Read;
use crate::{
    err::Result,
    judge::{Answer, Judge, Question},
};
use std::path::Path;

/// The answers to all requests of each world. Where Envoy fails as a whole, because it refuses one world's
/// configuration or does not answer, the others are asked without it: only that world's answer is then an error.
pub fn ask(judge: &Judge, worlds: &[&Read], filter: Option<&Path>) -> Vec<Result<Vec<Answer>>> {
    let questions: Vec<Question<'_>> = worlds.iter().flat_map(|world| questions(world)).collect();
    match judge.ask(&questions, filter) {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            worlds.iter().map(|world| Ok(answers.by_ref().take(world.requests.len()).collect())).collect()
        }
        Err(error) if worlds.len() < 2 => vec![Err(error)],
        Err(_) => {
            let (left, right) = worlds.split_at(worlds.len() / 2);
            let mut answers = ask(judge, left, filter);
            answers.extend(ask(judge, right, filter));
            answers
        }
    }
}

/// All requests of a world.
pub(super) fn questions(world: &Read) -> impl Iterator<Item = Question<'_>> {
    let Read { resources, workload, mesh, requests } = world;
    requests.iter().map(move |request| Question { resources, workload, mesh, request })
}
