//! `cargo xtask bench` and `cargo xtask soak`: what is needed, the filter, then a program of `host-tests`.

mod coverage;
mod diff;
mod trees;

pub(crate) use coverage::coverage;
pub(crate) use diff::diff;
pub(crate) use trees::trees;

use crate::{
    docs, filter, module,
    run::{Failure, heading, read, run},
    setup,
    workspace::Workspace,
};
use std::process::Command;

/// Sizes and times of large policy sets.
pub(crate) fn scale(workspace: &Workspace) -> Result<(), Failure> {
    run(&mut program(workspace, "bench", "scale")?)
}

/// Full load for so long.
pub(crate) fn soak(workspace: &Workspace, seconds: u64) -> Result<(), Failure> {
    run(&mut program(workspace, "soak", &seconds.to_string())?)
}

/// The same with the native module.
pub(crate) fn soak_module(workspace: &Workspace, seconds: u64) -> Result<(), Failure> {
    let mut command = program(workspace, "soak", &seconds.to_string())?;
    run(command.env("GNOMON_FILTER_WASM", workspace.installed().join(module::FILE)))
}

/// Processor time, throughput and latency of filter chains; with `write`, `docs/performance.md` is written anew.
pub(crate) fn envoy(workspace: &Workspace, write: bool) -> Result<(), Failure> {
    let tables = read(&mut program(workspace, "bench", "envoy")?)?;
    println!("{tables}");
    if write {
        let path = workspace.root.join("docs/performance.md");
        docs::figures(workspace, &path, "cargo xtask bench envoy --write", &tables)?;
    }
    Ok(())
}

/// The same for the native module alone, with its memory and its updates.
pub(crate) fn module(workspace: &Workspace, write: bool) -> Result<(), Failure> {
    let tables = read(&mut program(workspace, "bench", "module")?)?;
    println!("{tables}");
    if write {
        let path = workspace.root.join("docs/performance.md");
        docs::figures(workspace, &path, "cargo xtask bench module --write", &tables)?;
    }
    Ok(())
}

/// The program with all that it needs, built.
fn program(workspace: &Workspace, name: &str, argument: &str) -> Result<Command, Failure> {
    setup::rust_target(workspace, setup::FILTER_TARGET)?;
    let envoy = setup::envoy(workspace)?;
    heading("building the filter for Envoy (wasm)");
    let wasm = filter::build(workspace)?;
    heading("building the native module for Envoy");
    let so = module::build(workspace)?;
    heading(&format!("building the program {name}"));
    let cargo = |verb: &str| {
        let mut command = workspace.cargo();
        command.args([verb, "--quiet", "--package", "gnomon-host-tests", "--bin", name]);
        // What sends the load must not be what it waits for.
        command.args(["--profile", "optimised"]);
        command
    };
    run(&mut cargo("build"))?;
    println!();
    let mut command = cargo("run");
    command
        .args(["--", argument])
        .env("GNOMON_ENVOY", envoy)
        .env("GNOMON_FILTER_WASM", wasm)
        .env("GNOMON_MODULE", so);
    Ok(command)
}
