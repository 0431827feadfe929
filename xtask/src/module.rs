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
    if self::processor(&module) != Some(processor) {
        return Err(Failure::new(format!("what was built is no 64-bit ELF file for {processor}")));
    }
    match glibc(&module) {
        Some(needed) if needed > FLOOR => Err(Failure::new(format!(
            "the module for {processor} needs glibc {}.{}, newer than {major}.{minor}",
            needed.0, needed.1
        ))),
        _ => Ok(module),
    }
}

/// Which of the processors an ELF file is for.
fn processor(module: &[u8]) -> Option<&'static str> {
    // The magic number, 64 bits, little-endian; a shared object; the machine.
    let [0x7F, b'E', b'L', b'F', 2, 1, .., 3, 0, low, high] = module.get(..20)? else { return None };
    match u16::from_le_bytes([*low, *high]) {
        62 => Some("x86_64"),
        183 => Some("aarch64"),
        _ => None,
    }
}

/// The functions that it gives to Envoy and wants of it, sorted.
pub(crate) fn interface(module: &[u8]) -> Vec<String> {
    const PREFIX: &[u8] = b"\0envoy_dynamic_module_";
    let begins = module.windows(PREFIX.len()).enumerate().filter(|(_, window)| *window == PREFIX);
    let names = begins.filter_map(|(at, _)| {
        let name = module.get(at + 1..)?.split(|byte| *byte == 0).next()?;
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        name.iter().all(is_name).then(|| String::from_utf8_lossy(name).into_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Puts a released module before a real Envoy, in which it allows and denies what Envoy's own filters do. `false`: it is for
/// another processor than ours.
pub(crate) fn tried(workspace: &Workspace, module: &Path) -> Result<bool, Failure> {
    if processor(&read(module)?) != Some(std::env::consts::ARCH) {
        return Ok(false);
    }
    let envoy = setup::envoy(workspace)?;
    heading(&format!("{} in Envoy", workspace.show(module)));
    let mut command = workspace.cargo();
    command.args(["test", "--quiet", "--package", "gnomon-host-tests", "--test", "envoy_filter", "--"]);
    command.args(["--exact", "enforced::answers_are_those_of_envoys_own_filters"]);
    command.arg("written_connections::each_line_about_a_connection_fares_as_the_connection_did");
    run(command.env("GNOMON_ENVOY", envoy).env("GNOMON_FILTER_WASM", module))?;
    Ok(true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is_for() {
        let file = |machine: u16, kind: u8| {
            let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
            bytes.extend([kind, 0]);
            bytes.extend(machine.to_le_bytes());
            bytes.extend(
                b"\0envoy_dynamic_module_on_b\0envoy_dynamic_module_callback_a\0x\0GLIBC_2.17\0GLIBC_2.4\0",
            );
            bytes.extend(b"\0envoy_dynamic_module_on_b\0envoy_dynamic_module_ is no name\0");
            bytes
        };
        assert_eq!(processor(&file(62, 3)), Some("x86_64"));
        assert_eq!(processor(&file(183, 3)), Some("aarch64"));
        assert_eq!(processor(&file(40, 3)), None, "32 bits of ARM");
        assert_eq!(processor(&file(62, 2)), None, "a program");
        assert_eq!(processor(b"\x7fELF"), None);
        assert_eq!(interface(&file(62, 3)), ["envoy_dynamic_module_callback_a", "envoy_dynamic_module_on_b"]);
        assert_eq!(glibc(&file(62, 3)), Some((2, 17)));
    }
}
