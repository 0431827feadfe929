//! `cargo xtask conformance`: random policies and requests before the engine and before real Envoy; random pairs of policy
//! sets before the comparison and before all requests of a tiny alphabet (`--pairs`) or an SMT solver (`--solver`).

use crate::{
    module,
    run::{Failure, heading, run},
    setup,
    workspace::Workspace,
};
use std::process::{Command, Stdio};

/// The solver that judges comparisons; its bindings are Python's.
const SOLVER: &str = "z3-solver==5.4.1.0";

/// Runs it; the arguments are those of the program in `host-tests`, which says what is wrong with them.
pub(crate) fn conformance(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    let envoy = setup::envoy(workspace)?;
    heading("building the comparison");
    let program = ["--package", "gnomon-host-tests", "--bin", "conformance", "--profile", "optimised"];
    run(workspace.cargo().arg("build").args(program))?;
    heading("asking Envoy");
    println!();
    let mut command = workspace.cargo();
    command.args(["run", "--quiet"]).args(program).arg("--").args(arguments);
    run(command.env("GNOMON_ENVOY", envoy))
}

/// Random cases with the native module in front of Envoy's own filters: it has to see each of them agree.
pub(crate) fn module(workspace: &Workspace, cases: &str) -> Result<(), Failure> {
    if !cases.parse().is_ok_and(|cases: u32| cases > 0) {
        return Err(Failure::usage(format!("--conformance wants a whole number, got {cases}")));
    }
    let envoy = setup::envoy(workspace)?;
    let module = module::build(workspace)?;
    let mut command = workspace.cargo();
    // As the comparison without the module: what draws and judges the cases is to be quick.
    command.args(["test", "--profile", "optimised"]);
    command.args(["--package", "gnomon-host-tests", "--test", "envoy_judge", "--"]);
    command.args(["--nocapture", "random::the_filter_sees_them_agree"]);
    run(command
        .env("GNOMON_ENVOY", envoy)
        .env("GNOMON_FILTER_WASM", module)
        .env("GNOMON_SHADOW_CASES", cases))
}

/// Random pairs of policy sets over a tiny alphabet: the comparison against every request of it.
pub(crate) fn pairs(workspace: &Workspace, pairs: &str, seed: &str) -> Result<(), Failure> {
    whole_numbers("--pairs", [pairs, seed])?;
    let mut command = workspace.cargo();
    command.args(["test", "--profile", "optimised", "--package", "gnomon-symbolic", "--test", "enumeration"]);
    command.args(["--", "--ignored", "--nocapture"]);
    run(command.env("GNOMON_PAIRS", pairs).env("GNOMON_SEED", seed))
}

/// Random pairs of policy sets: the comparison's answers against z3's, by an encoding of its own.
pub(crate) fn solver(workspace: &Workspace, pairs: &str, seed: &str) -> Result<(), Failure> {
    whole_numbers("--solver", [pairs, seed])?;
    setup::python_package(workspace, "solver", &[SOLVER], "z3/z3.py")?;
    let python = workspace.installed().join("solver/bin/python");
    heading("building the comparison");
    let program = ["--package", "gnomon-symbolic", "--example", "random_pairs", "--profile", "optimised"];
    run(workspace.cargo().arg("build").args(program))?;
    heading("asking z3");
    let mut pairs_of = workspace.cargo();
    pairs_of.args(["run", "--quiet"]).args(program).args(["--", pairs, seed]).stdout(Stdio::piped());
    let failed = |error| Failure::new(format!("cannot start what makes the pairs: {error}"));
    let mut made = pairs_of.spawn().map_err(failed)?;
    let lines = made.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let judged = run(Command::new(python).arg(workspace.root.join("oracle/solver.py")).stdin(lines));
    let made = made.wait().map_err(failed)?;
    // A pair that cannot be compared must not look like the last one.
    if judged.is_ok() && !made.success() {
        return Err(Failure::new("what makes the pairs broke off"));
    }
    judged
}

fn whole_numbers(option: &str, numbers: [&str; 2]) -> Result<(), Failure> {
    match numbers.iter().find(|number| !number.parse().is_ok_and(|number: u32| number > 0)) {
        Some(number) => Err(Failure::usage(format!("{option} wants whole numbers, got {number}"))),
        None => Ok(()),
    }
}
