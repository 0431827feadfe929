//! The native module that goes into Envoy.

use crate::{
    run::{Failure, command_line, heading, run},
    setup,
    workspace::Workspace,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the file is called; Envoy looks for `lib<name>.so` in its search path.
pub(crate) const FILE: &str = "libgnomon_envoy_module.so";

/// Builds it; its path.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let module = make(workspace, &workspace.target, &[])?;
    let path = workspace.installed().join(FILE);
    // A running proxy may have the old one mapped: it keeps that file, and this one is another.
    let new = path.with_extension("new");
    fs::create_dir_all(workspace.installed())
        .and_then(|()| fs::write(&new, &module))
        .and_then(|()| fs::rename(&new, &path))
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
    let size = module.len();
    let floor =
        glibc(&module).map_or_else(|| "no glibc".into(), |(major, minor)| format!("glibc {major}.{minor}"));
    println!("    {} is {size} bytes and needs {floor}", workspace.show(&path));
    Ok(path)
}

fn make(workspace: &Workspace, target: &Path, options: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut command = workspace.cargo();
    command.args(["build", "--package", "gnomon-envoy-module", "--profile", "module"]);
    command.args(options).arg("--target-dir").arg(target);
    run(&mut command)?;
    read(&target.join("module").join(FILE))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::new(format!("the build left no {}: {error}", path.display())))
}

/// Processors that the module is released for.
pub(crate) const PROCESSORS: [&str; 2] = ["x86_64", "aarch64"];
/// The oldest glibc that the released module works with: that of RHEL 8, Debian 10 and Ubuntu 18.10.
const FLOOR: (u32, u32) = (2, 28);
/// A C compiler and linker for every glibc and both processors, and what lets cargo use them. Only releases are built by
/// them.
const ZIG: [&str; 2] = ["ziglang==0.15.2", "cargo-zigbuild==0.24.1"];

/// What Rust calls Linux on a processor.
pub(crate) fn target(processor: &str) -> String {
    format!("{processor}-unknown-linux-gnu")
}

/// The module as it is released, for a processor, with these flags for the compiler.
pub(crate) fn release(
    workspace: &Workspace,
    folder: &Path,
    processor: &str,
    flags: &[String],
) -> Result<Vec<u8>, Failure> {
    let triple = target(processor);
    setup::rust_target(workspace, &triple)?;
    let zig = setup::python_package(workspace, "zig", &ZIG, "ziglang/zig")?;
    let environment = workspace.installed().join("zig");
    let flags: Vec<String> = flags.iter().map(|flag| format!("{flag:?}")).collect();
    let (major, minor) = FLOOR;
    let mut command = Command::new(environment.join("bin/cargo-zigbuild"));
    command.current_dir(&workspace.root).arg("zigbuild");
    command.args(["--package", "gnomon-envoy-module", "--profile", "module", "--locked"]);
    command.arg("--config").arg(format!("target.{triple}.rustflags=[{}]", flags.join(",")));
    command.args(["--target", &format!("{triple}.{major}.{minor}")]).arg("--target-dir").arg(folder);
    // What it keeps stays below the target folder.
    let kept = environment.join("kept");
    command.env("CARGO_ZIGBUILD_ZIG_PATH", zig).env("CARGO_ZIGBUILD_CACHE_DIR", &kept);
    command.env("ZIG_GLOBAL_CACHE_DIR", &kept).env("ZIG_LOCAL_CACHE_DIR", &kept);
    // They would replace ours.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    run(&mut command)?;
    let module = read(&folder.join(&triple).join("module").join(FILE))?;
    match glibc(&module) {
        Some(needed) if needed > FLOOR => Err(Failure::new(format!(
            "the module for {processor} needs glibc {}.{}, newer than {major}.{minor}",
            needed.0, needed.1
        ))),
        _ => Ok(module),
    }
}

/// The newest version of glibc that a function is taken from: a proxy with an older one does not load the module.
fn glibc(module: &[u8]) -> Option<(u32, u32)> {
    const NAME: &[u8] = b"\0GLIBC_";
    let names = module.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    let versions = names.filter_map(|(at, _)| {
        let rest = module.get(at + NAME.len()..)?;
        let version = std::str::from_utf8(rest.split(|byte| *byte == 0).next()?).ok()?;
        let (major, minor) = version.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    });
    versions.max()
}

/// Every hook in any order, and workers beside updates, under a sanitizer (nightly).
pub(crate) fn sanitize(workspace: &Workspace, sanitizer: &str, seconds: &str) -> Result<(), Failure> {
    if !matches!(sanitizer, "address" | "thread") {
        return Err(Failure::usage(format!("--sanitize wants address or thread, got {sanitizer}")));
    }
    if !seconds.parse().is_ok_and(|seconds: u32| (1..=86_400).contains(&seconds)) {
        return Err(Failure::usage(format!("--seconds wants a whole number, got {seconds}")));
    }
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = Command::new("rustup");
    // The toolchain that runs us is another one.
    command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    command.args(["run", "nightly", "cargo", "test", "--package", "gnomon-envoy-module", "--target", &host]);
    command.arg("--manifest-path").arg(workspace.root.join("Cargo.toml"));
    command.arg("--target-dir").arg(workspace.target.join("sanitizer"));
    if sanitizer == "thread" {
        // Every access has to be seen, the standard library's as well.
        let mut source = Command::new("rustup");
        source.args(["component", "add", "rust-src", "--toolchain", "nightly"]);
        heading(&command_line(&source));
        run(&mut source)?;
        command.arg("-Zbuild-std");
    }
    command.args(["--", "--nocapture", "--skip", "heap"]);
    command.env("RUSTFLAGS", format!("-Zsanitizer={sanitizer}"));
    // Panics are caught here on purpose, which a backtrace would only make slow.
    command.env("GNOMON_FUZZ_SECONDS", seconds).env("RUST_BACKTRACE", "0");
    heading(&command_line(&command));
    run(&mut command)
}
