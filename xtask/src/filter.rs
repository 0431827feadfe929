//! The filter that goes into Envoy.

use crate::{
    run::{Failure, run},
    setup::FILTER_TARGET,
    workspace::Workspace,
};
use std::{fs, path::PathBuf};

/// Every proxy of a mesh fetches the file, and every worker thread holds a copy.
const SIZE_LIMIT: u64 = 362_000;

/// Builds it and checks its size; its path.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
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
