//! `cargo xtask bench` and `cargo xtask soak`: what is needed, the filter, then a program of `host-tests`.

use crate::{
    filter,
    run::{Failure, heading, run},
    setup,
    workspace::Workspace,
};

/// `envoy`: processor time and throughput of filter chains; `scale`: sizes and times of large policy sets.
pub(crate) fn bench(workspace: &Workspace, what: &str) -> Result<(), Failure> {
    program(workspace, "bench", what)
}

/// Full load for so long.
pub(crate) fn soak(workspace: &Workspace, seconds: u64) -> Result<(), Failure> {
    program(workspace, "soak", &seconds.to_string())
}

fn program(workspace: &Workspace, name: &str, argument: &str) -> Result<(), Failure> {
    setup::rust_target(workspace, setup::FILTER_TARGET)?;
    let envoy = setup::envoy(workspace)?;
    heading("building the filter for Envoy (wasm)");
    let wasm = filter::build(workspace)?;
    heading(&format!("building the program {name}"));
    let cargo = |verb: &str| {
        let mut command = workspace.cargo();
        command.args([verb, "--quiet", "--package", "gnomon-host-tests", "--bin", name]);
        command
    };
    run(&mut cargo("build"))?;
    println!();
    run(cargo("run").args(["--", argument]).env("GNOMON_ENVOY", envoy).env("GNOMON_FILTER_WASM", wasm))
}
