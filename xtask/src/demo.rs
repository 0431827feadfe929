//! `cargo xtask demo`: what is needed, the filter, then the demo program of `host-tests`.

use crate::{
    filter,
    run::{Failure, heading, run},
    setup,
    workspace::Workspace,
};

/// Runs it; with `keep`, Envoy stays up.
pub(crate) fn demo(workspace: &Workspace, keep: bool) -> Result<(), Failure> {
    setup::rust_target(workspace, setup::FILTER_TARGET)?;
    let envoy = setup::envoy(workspace)?;
    heading("building the filter for Envoy (wasm)");
    let wasm = filter::build(workspace)?;
    heading("building the demo");
    let mut command = workspace.cargo();
    command.args(["run", "--package", "gnomon-host-tests", "--bin", "demo", "--"]);
    if keep {
        command.arg("--keep");
    }
    run(command.env("GNOMON_ENVOY", envoy).env("GNOMON_FILTER_WASM", wasm))
}
