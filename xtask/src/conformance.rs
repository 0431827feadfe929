//! `cargo xtask conformance`: random policies and requests before the engine and before real Envoy.

use crate::{
    module,
    run::{Failure, heading, run},
    setup,
    workspace::Workspace,
};

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
