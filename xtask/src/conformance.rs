//! `cargo xtask conformance`: random policies and requests before the engine and before real Envoy.

use crate::{
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
