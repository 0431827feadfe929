//! What the project is built from: licences and sources, and the oldest Rust that it promises.

use crate::{
    run::{Failure, heading, output, run},
    workspace::Workspace,
};
use std::{env, ffi::OsString, fs, process::Command};

/// Looks at the dependency graph; found in PATH in any version, else installed in this one.
const CARGO_DENY: &str = "0.20.2";

/// The `rust-version` of the workspace, with the patch release that rustup wants.
const OLDEST_RUST: &str = "1.89.0";

/// What users build and depend on. The tests' own crates may want a newer Rust (wasmtime does).
const SHIPPED: [&str; 6] = [
    "gnomon-engine",
    "gnomon-envoy-config",
    "gnomon-manifests",
    "gnomon-shadow",
    "gnomon-analysis",
    "gnomon",
];

/// Licences, sources and duplicates as deny.toml has them; advisories too where their database can be fetched.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let program = cargo_deny(workspace)?;
    let deny = |what: &[&str]| {
        let mut command = Command::new(&program);
        command.current_dir(&workspace.root).args(["--log-level", "error", "check"]).args(what);
        command
    };
    run(&mut deny(&["bans", "licenses", "sources"]))?;
    // The database is a git repository elsewhere: without a way to it nothing is known, and that is no failure of ours.
    let fetched = output(Command::new(&program).current_dir(&workspace.root).args(["fetch", "db"]));
    match fetched {
        Some(_) => run(&mut deny(&["--disable-fetch", "advisories"])),
        None => {
            println!("    advisories not checked: their database cannot be reached from here");
            Ok(())
        }
    }
}

fn cargo_deny(workspace: &Workspace) -> Result<OsString, Failure> {
    if output(Command::new("cargo-deny").arg("--version")).is_some() {
        return Ok("cargo-deny".into());
    }
    let root = workspace.installed().join("tools");
    let own = root.join("bin").join(format!("cargo-deny{}", env::consts::EXE_SUFFIX));
    if output(Command::new(&own).arg("--version")).is_none() {
        heading(&format!("installing cargo-deny {CARGO_DENY} into {} (once)", workspace.show(&root)));
        let mut command = workspace.cargo();
        // Unoptimized: it runs for a second and is built in a third of the time.
        command.args(["install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--debug", "--quiet"]);
        command.args(["--no-default-features", "--root"]).arg(&root);
        run(command.env("CARGO_TARGET_DIR", root.join("build")))?;
        fs::remove_dir_all(root.join("build")).ok();
    }
    Ok(own.into())
}

/// What is shipped builds with the oldest Rust that Cargo.toml promises.
pub(crate) fn oldest_rust(workspace: &Workspace) -> Result<(), Failure> {
    let with = |arguments: &[&str]| {
        let mut command = Command::new("rustup");
        // The cargo that runs us says which toolchain it belongs to.
        command
            .current_dir(&workspace.root)
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .args(arguments);
        command
    };
    if output(&mut with(&["run", OLDEST_RUST, "cargo", "--version"])).is_none() {
        heading(&format!("installing Rust {OLDEST_RUST} (once)"));
        let install = ["toolchain", "install", OLDEST_RUST, "--profile", "minimal", "--no-self-update"];
        if output(&mut with(&install)).is_none() {
            println!("    not checked with Rust {OLDEST_RUST}: rustup cannot install it here");
            return Ok(());
        }
    }
    let mut check = with(&["run", OLDEST_RUST, "cargo", "check", "--locked", "--quiet"]);
    check.env("CARGO_TARGET_DIR", workspace.target.join("oldest-rust"));
    run(check.args(SHIPPED.iter().flat_map(|package| ["--package", package])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_rust_is_the_one_promised() {
        let manifest = include_str!("../../Cargo.toml");
        let promised = OLDEST_RUST.strip_suffix(".0").unwrap();
        assert!(manifest.contains(&format!("rust-version = \"{promised}\"\n")), "{promised}");
    }
}
