//! The filter that goes into Envoy.

use crate::{
    callbacks, panics,
    run::{Failure, run},
    setup::FILTER_TARGET,
    workspace::Workspace,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every proxy of a mesh fetches the file, and every worker thread holds a copy. It was 425 kB before what older releases
/// of Istio wrote as regular expressions was evaluated as such, and attachment came with its reasons: to be brought down
/// again.
const SIZE_LIMIT: usize = 525_000;

/// Builds it, checks its size and that it cannot panic; its path.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let path = workspace.installed().join("filter.wasm");
    let module = make(workspace, &workspace.target, &[])?;
    let size = module.len();
    println!("    {} is {size} bytes (limit {SIZE_LIMIT})", workspace.show(&path));
    if size > SIZE_LIMIT {
        return Err(Failure::new(format!("the filter is {size} bytes, more than {SIZE_LIMIT}")));
    }
    write(&path, module)?;
    // The same module with the names of its functions, in a folder of its own.
    let named = workspace.installed().join("named");
    let named = make(workspace, &named, &["--quiet", "--config", "profile.wasm.strip=\"debuginfo\""])?;
    panics::check(&named, &workspace.root.join("envoy-filter/panics.txt"))?;
    Ok(path)
}

/// The larger module, which checks in WebAssembly what Envoy itself does not, built in a folder of its own; its path.
pub(crate) fn build_software_crypto(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let path = workspace.installed().join("filter-software-crypto.wasm");
    let folder = workspace.installed().join("software-crypto");
    let module = make(workspace, &folder, &["--features", "software-crypto"])?;
    println!("    {} is {} bytes and checks PS*, EdDSA and HS* too", workspace.show(&path), module.len());
    write(&path, module)?;
    Ok(path)
}

fn write(path: &Path, module: Vec<u8>) -> Result<(), Failure> {
    // Where nothing else has been set up yet, the folder is not there.
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, module))
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
}

/// The module as it is released, built in a target folder with cargo's `options`.
pub(crate) fn make(workspace: &Workspace, target: &Path, options: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut command = workspace.cargo();
    // They would replace the flags of .cargo/config.toml.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.args(["build", "--package", "gnomon-envoy-filter", "--target", FILTER_TARGET]);
    command.args(["--profile", "wasm"]).args(options).arg("--target-dir").arg(target);
    run(&mut command)?;
    let path = target.join(FILTER_TARGET).join("wasm/gnomon_envoy_filter.wasm");
    let module = fs::read(&path)
        .map_err(|error| Failure::new(format!("the build left no {}: {error}", path.display())))?;
    callbacks::trim(&module)
}
