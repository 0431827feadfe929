//! `cargo xtask demo`: what is needed, the filter, then the demo program of `host-tests`.

use crate::{
    filter, module,
    run::{Failure, heading, run},
    setup,
    workspace::Workspace,
};
use std::path::Path;

/// Runs it; with `keep`, Envoy stays up.
pub(crate) fn demo(workspace: &Workspace, keep: bool) -> Result<(), Failure> {
    setup::rust_target(workspace, setup::FILTER_TARGET)?;
    heading("building the filter for Envoy (wasm)");
    let wasm = filter::build(workspace)?;
    with(workspace, keep, &wasm)
}

/// The same with the native module.
pub(crate) fn module(workspace: &Workspace, keep: bool) -> Result<(), Failure> {
    heading("building the native module for Envoy");
    let module = module::build(workspace)?;
    with(workspace, keep, &module)
}

fn with(workspace: &Workspace, keep: bool, artefact: &Path) -> Result<(), Failure> {
    let envoy = setup::envoy(workspace)?;
    heading("building the demo");
    let mut command = workspace.cargo();
    command.args(["run", "--package", "gnomon-host-tests", "--bin", "demo", "--"]);
    if keep {
        command.arg("--keep");
    }
    run(command.env("GNOMON_ENVOY", envoy).env("GNOMON_FILTER_WASM", artefact))
}
