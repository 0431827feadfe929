//! The filter that goes into Envoy.

use crate::{
    panics,
    run::{Failure, run},
    setup::FILTER_TARGET,
    workspace::Workspace,
};
use std::{fs, path::PathBuf};

/// Every proxy of a mesh fetches the file, and every worker thread holds a copy.
const SIZE_LIMIT: u64 = 440_000;

/// Builds it, checks its size and that it cannot panic; its path.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let path = build_small(workspace)?;
    panics::check(&build_named(workspace)?, &workspace.root.join("envoy-filter/panics.txt"))?;
    Ok(path)
}

/// The larger module, which checks in WebAssembly what Envoy itself does not, in a folder of its own; its path.
pub(crate) fn build_software_crypto(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let folder = workspace.installed().join("software-crypto");
    let mut command = workspace.cargo();
    command.args(["build", "--package", "gnomon-envoy-filter", "--target", FILTER_TARGET]);
    command.args(["--profile", "wasm", "--features", "software-crypto"]);
    run(command.arg("--target-dir").arg(&folder))?;
    let path = folder.join(FILTER_TARGET).join("wasm/gnomon_envoy_filter.wasm");
    println!("    {} checks PS*, EdDSA and HS* signatures too", workspace.show(&path));
    Ok(path)
}

/// The same module with the names of its functions, in a folder of its own.
fn build_named(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let folder = workspace.target.join("gnomon/named");
    let mut command = workspace.cargo();
    command.args(["build", "--quiet", "--package", "gnomon-envoy-filter", "--target", FILTER_TARGET]);
    command.args(["--profile", "wasm", "--config", "profile.wasm.strip=\"debuginfo\""]);
    run(command.arg("--target-dir").arg(&folder))?;
    Ok(folder.join(FILTER_TARGET).join("wasm/gnomon_envoy_filter.wasm"))
}

fn build_small(workspace: &Workspace) -> Result<PathBuf, Failure> {
    run(workspace.cargo().args([
        "build",
        "--package",
        "gnomon-envoy-filter",
        "--target",
        FILTER_TARGET,
        "--profile",
        "wasm",
    ]))?;
    let path = workspace.target.join(FILTER_TARGET).join("wasm/gnomon_envoy_filter.wasm");
    let size = fs::metadata(&path)
        .map_err(|error| Failure::new(format!("the build left no {}: {error}", path.display())))?
        .len();
    println!("    {} is {size} bytes (limit {SIZE_LIMIT})", workspace.show(&path));
    if size > SIZE_LIMIT {
        return Err(Failure::new(format!("the filter is {size} bytes, more than {SIZE_LIMIT}")));
    }
    Ok(path)
}
