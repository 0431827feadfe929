//! The two sides: paths, or what a commit has at a path.

use crate::sources::{self, ClusterArgs, MadeArgs};
use gnomon_manifests::{Loaded, Loader};
use std::{path::Path, process::Command};

/// How long each call of kubectl may take, in seconds.
const TIMEOUT: u64 = 60;

/// Reads a side: `cluster:` or `cluster:CONTEXT`, a file, a folder, `git:REF` (at the other side's path) or `git:REF:PATH`.
pub(crate) fn read(side: &str, other: &str, last_wins: bool) -> Result<Loaded, String> {
    let mut loader = Loader::new().last_wins(last_wins);
    if let Some(context) = side.strip_prefix("cluster:") {
        let context = Some(context.to_owned()).filter(|context| !context.is_empty());
        let args = ClusterArgs { cluster: true, context, timeout: TIMEOUT, ..ClusterArgs::default() };
        return Ok(sources::load(|loader| loader, &[], &MadeArgs::default(), &args, None));
    }
    let Some(rest) = side.strip_prefix("git:") else {
        loader.path(Path::new(side));
        return Ok(loader.finish());
    };
    let (commit, path) = match rest.split_once(':') {
        Some((commit, path)) => (commit, path),
        None if other.starts_with("git:") => (rest, other.splitn(3, ':').nth(2).unwrap_or(".")),
        None => (rest, other),
    };
    if commit.is_empty() || commit.starts_with('-') {
        return Err(format!("`{side}` names no commit: write git:REF or git:REF:PATH"));
    }
    let list = git(&["ls-tree", "-r", "-z", "--name-only", commit, "--", path])?;
    let ends = ["yaml", "yml", "json"];
    let mut found = false;
    for name in list.split('\0').filter(|name| !name.is_empty()) {
        if !ends.iter().any(|end| Path::new(name).extension().is_some_and(|own| own == *end)) {
            continue;
        }
        found = true;
        // Paths of ls-tree are as seen from here.
        let text = git(&["show", &format!("{commit}:./{name}")])?;
        loader.text(&text, name);
    }
    if !found {
        return Err(format!("`{side}`: no manifests at {path} there"));
    }
    Ok(loader.finish())
}

fn git(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(arguments)
        .output()
        .map_err(|error| format!("git cannot be started: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git {}: {}", arguments.join(" "), why.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
