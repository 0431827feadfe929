//! Two sets of policies over all requests.

use gnomon_analysis::diff::{Problem, State, of_workload};
use gnomon_engine::jwt::{Algorithm, Crypto, Key, Signature};
use gnomon_oracle::{tape::Tape, worlds};
use gnomon_symbolic::Limits;

/// Verifies nothing; tokens made of claims are vouched for.
struct NoKeys;

impl Crypto for NoKeys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
}

/// Choices that make policies, a workload and a mesh, and other policies there: the engine confirms every request that shows
/// a difference.
pub fn differences(data: &[u8]) {
    let choices: Vec<u16> =
        data.chunks(2).map(|pair| pair.iter().fold(0, |n, b| n << 8 | u16::from(*b))).collect();
    let tape = &mut Tape::new(&choices);
    let (old, new) = (worlds::world(tape), worlds::world(tape));
    let state = |resources| State { resources, workload: &old.workload, mesh: &old.mesh };
    let limits = Limits { nodes: 200_000, states: 50_000 };
    let found = of_workload(state(&old.resources), state(&new.resources), 1_900_000_000, &NoKeys, limits);
    match found {
        Err(Problem::Unconfirmed(request)) => panic!("{request:?}"),
        Ok(changes) if changes.complete => {
            assert_eq!(changes.is_equivalent(), changes.summary.is_empty(), "{changes:?}");
        }
        _ => {}
    }
}
