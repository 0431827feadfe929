//! The native module that goes into Envoy.

use crate::{
    run::{Failure, run},
    workspace::Workspace,
};
use std::{fs, path::PathBuf};

/// What the file is called; Envoy looks for `lib<name>.so` in its search path.
pub(crate) const FILE: &str = "libgnomon_envoy_module.so";

/// Builds it; its path.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let mut command = workspace.cargo();
    command.args(["build", "--package", "gnomon-envoy-module", "--profile", "module"]);
    command.arg("--target-dir").arg(&workspace.target);
    run(&mut command)?;
    let built = workspace.target.join("module").join(FILE);
    let path = workspace.installed().join(FILE);
    // A running proxy may have the old one mapped: it keeps that file, and this one is another.
    let new = path.with_extension("new");
    let copied = fs::create_dir_all(workspace.installed())
        .and_then(|()| fs::copy(&built, &new))
        .and_then(|size| fs::rename(&new, &path).map(|()| size));
    let size = copied.map_err(|error| {
        Failure::new(format!("cannot copy {} to {}: {error}", built.display(), path.display()))
    })?;
    println!("    {} is {size} bytes", workspace.show(&path));
    Ok(path)
}
