//! `cargo xtask fuzz`: the targets of the folder `fuzz` under libFuzzer, one after the other.

use crate::{
    run::{Failure, command_line, heading, output, run},
    workspace::Workspace,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What runs the targets; it is installed below the target folder.
const CARGO_FUZZ: &str = "cargo-fuzz@0.13.2";
/// How long a target runs where nothing else is said.
const MINUTES: u32 = 10;
/// Targets that read YAML or JSON know the words of the formats.
const WITH_WORDS: [&str; 5] =
    ["manifests", "suites", "requests", "filter_configuration", "envoy_configuration"];

/// Runs one target, or all of them; stops at the first that finds something.
pub(crate) fn fuzz(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    let (mut minutes, mut wanted, mut rest) = (MINUTES, Vec::new(), arguments.iter());
    while let Some(argument) = rest.next() {
        match *argument {
            "--minutes" => {
                minutes = rest
                    .next()
                    .and_then(|number| number.parse().ok())
                    .ok_or_else(|| Failure::usage("--minutes needs a number"))?;
            }
            name => wanted.push(name),
        }
    }
    let known = targets(workspace)?;
    if let Some(name) = wanted.iter().find(|name| !known.iter().any(|known| known == *name)) {
        return Err(Failure::usage(format!("there is no target {name}; there are {}", known.join(", "))));
    }
    let bin = install(workspace)?;
    for target in known.iter().filter(|name| wanted.is_empty() || wanted.contains(&name.as_str())) {
        heading(&format!("{target}, {minutes} min"));
        one(workspace, &bin, target, minutes)?;
    }
    Ok(())
}

/// The targets are the files of `fuzz/fuzz_targets`.
fn targets(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let folder = workspace.root.join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let names = entries.flatten().filter_map(|entry| {
        let path = entry.path();
        Some(path.file_stem()?.to_str()?.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

/// A nightly toolchain and cargo-fuzz; the folder of the latter.
fn install(workspace: &Workspace) -> Result<PathBuf, Failure> {
    if output(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])).is_none() {
        let mut command = Command::new("rustup");
        command.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
        heading(&format!("{} (once)", command_line(&command)));
        run(&mut command)?;
    }
    let root = workspace.installed().join("cargo-fuzz");
    let bin = root.join("bin");
    if !bin.join("cargo-fuzz").is_file() {
        heading("installing cargo-fuzz (once)");
        run(workspace.cargo().args(["install", CARGO_FUZZ, "--locked", "--root"]).arg(&root))?;
    }
    Ok(bin)
}

fn one(workspace: &Workspace, bin: &Path, target: &str, minutes: u32) -> Result<(), Failure> {
    let fuzz = workspace.root.join("fuzz");
    // What is found on the way stays out of the repository; what is worth keeping is copied by hand.
    let grown = workspace.installed().join("fuzz").join(target);
    fs::create_dir_all(&grown).map_err(|error| Failure::new(format!("{}: {error}", grown.display())))?;
    let mut path = vec![bin.to_path_buf()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(path).map_err(|error| Failure::new(format!("PATH: {error}")))?;
    let mut command = Command::new("rustup");
    // The toolchain that runs us is another one.
    command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN").env("PATH", path);
    command.args(["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir"]).arg(&fuzz);
    command.arg("--target-dir").arg(workspace.target.join("fuzz"));
    command.arg(target).arg(&grown).arg(fuzz.join("corpus").join(target)).arg("--");
    command.args([format!("-max_total_time={}", minutes.saturating_mul(60)), "-timeout=20".into()]);
    command.args(["-rss_limit_mb=3000", "-max_len=16384"]);
    if WITH_WORDS.contains(&target) {
        command.arg(format!("-dict={}", fuzz.join("words.dict").display()));
    }
    run(&mut command).map_err(|failure| {
        Failure::new(format!(
            "{failure}\n  the input is in {}: mend what it shows, and keep it as fuzz/corpus/{target}/NAME",
            fuzz.join("artifacts").join(target).display()
        ))
    })
}
