//! `cargo xtask bench trees`: the first answer on a large repository, and on a cluster's dump.

use crate::{
    run::{Failure, heading, run},
    workspace::Workspace,
};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

#[path = "../../../cli/tests/monorepo/tree.rs"]
mod tree;

/// Lines that fill the files that concern nobody: together 200 MB.
const FILLING: usize = 70;
/// How often each command runs: the least and the middle are told.
const RUNS: usize = 5;

/// Makes both below `target/gnomon`, and prints how long each command takes.
pub(crate) fn trees(workspace: &Workspace) -> Result<(), Failure> {
    run(workspace.cargo().args(["build", "--release", "--package", "gnomon"]))?;
    let folder = workspace.installed().join("trees");
    let (repository, dump) = (folder.join("repository"), folder.join("dump.yaml"));
    heading("writing a repository of 30,000 files, and a dump of 10,000 objects");
    let failed = |error: std::io::Error| Failure::new(error.to_string());
    // What is there may be of another version.
    let _absent = fs::remove_dir_all(&folder);
    fs::create_dir_all(&repository).map_err(failed)?;
    tree::write(&repository, FILLING).map_err(failed)?;
    fs::write(&dump, tree::dump()).map_err(failed)?;
    let request = ["-w", "team5/s5", "--path", "/"];
    let of_dump = ["-w", "team7/s2007-x", "--path", "/"];
    println!("| command | least | middle |\n|---|---|---|");
    for (name, path, words) in [
        ("lint", &repository, &["lint"][..]),
        ("eval", &repository, &[&["eval"][..], &request].concat()),
        ("describe", &repository, &["describe"]),
        ("lint", &dump, &["lint"]),
        ("eval", &dump, &[&["eval"][..], &of_dump].concat()),
    ] {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            times.push(timed(workspace, path, words)?);
        }
        times.sort();
        let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
        let what = if path == &dump { "dump of 10,000 objects" } else { "30,000 files" };
        println!(
            "| `{name}`, {what} | {:.2} s | {:.2} s |",
            seconds(times.first()),
            seconds(times.get(RUNS / 2))
        );
    }
    fs::remove_dir_all(&folder).map_err(failed)
}

fn timed(workspace: &Workspace, path: &Path, words: &[&str]) -> Result<Duration, Failure> {
    let program = workspace.root.join("target/release/gnomon");
    let mut command = Command::new(program);
    command.args(words).arg("-p").arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|error| Failure::new(error.to_string()))?;
    let took = start.elapsed();
    match status.code() {
        Some(0 | 1) => Ok(took),
        code => Err(Failure::new(format!("gnomon {} ended with {code:?}", words.join(" ")))),
    }
}
