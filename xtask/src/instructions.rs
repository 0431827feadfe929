//! The instructions that hot paths take, held against what `benches/instructions.tsv` allows.
//!
//! Counted by valgrind's callgrind, which gives the same number every time, unlike a clock. A path is run a few times
//! and then more often: the difference is what it costs without its preparation.

use crate::{
    packages,
    run::{Failure, output, run},
    workspace::Workspace,
};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

const LIST: &str = "benches/instructions.tsv";

/// One line of the list.
struct HotPath<'t> {
    name: &'t str,
    instructions: f64,
    percent: f64,
}

/// Counts, and fails where a path takes more or less than it may.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("    not counted: the list is for Linux on x86-64");
        return Ok(());
    }
    if output(Command::new("valgrind").arg("--version")).is_none()
        && !packages::install(&["valgrind"], "which counts instructions")?
    {
        println!(
            "    not counted: there is no valgrind here (`apt-get install valgrind`, `dnf install valgrind`)"
        );
        return Ok(());
    }
    let mut build = workspace.cargo();
    build.current_dir(workspace.root.join("benches"));
    run(build.args(["build", "--quiet", "--locked", "--release", "--bin", "hot_paths"]))?;
    let program = workspace.target.join("release/hot_paths");
    let list = fs::read_to_string(workspace.root.join(LIST))
        .map_err(|error| Failure::new(format!("{LIST}: {error}")))?;
    let mut wrong = Vec::new();
    // What begins with `filter-` are instructions of WebAssembly, which `--test wasm_filter instructions` counts.
    for line in list.lines().filter(|line| !line.starts_with('#') && !line.starts_with("filter-")) {
        let path =
            HotPath::read(line).ok_or_else(|| Failure::new(format!("{LIST} has a bad line: {line}")))?;
        let (few, many) = if path.name.starts_with("plan") { (1, 3) } else { (10, 1_010) };
        let counted =
            (count(&program, path.name, many)? - count(&program, path.name, few)?) / f64::from(many - few);
        let drift = (counted / path.instructions - 1.0) * 100.0;
        println!("    {:<22} {counted:>10.0} instructions, {drift:+.1} %", path.name);
        if drift.abs() > path.percent {
            wrong.push(format!("{}\t{counted:.0}\t{}", path.name, path.percent));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "hot paths have changed; where that is meant, {LIST} should say\n{}",
        wrong.join("\n")
    )))
}

impl HotPath<'_> {
    fn read(line: &str) -> Option<HotPath<'_>> {
        let mut parts = line.split('\t');
        let name = parts.next()?;
        Some(HotPath {
            name,
            instructions: parts.next()?.parse().ok()?,
            percent: parts.next()?.parse().ok()?,
        })
    }
}

/// All instructions of a run.
fn count(program: &Path, name: &str, times: u32) -> Result<f64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([name, &times.to_string()])
        .stdout(Stdio::null())
        .output()
        .map_err(|error| Failure::new(format!("valgrind could not be started: {error}")))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let total = text
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, total)| total.trim().parse().ok());
    total
        .filter(|_| output.status.success())
        .ok_or_else(|| Failure::new(format!("valgrind counted nothing:\n{text}")))
}
