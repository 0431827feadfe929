//! The two sides: paths, what a commit has at a path, a cluster, or what a proxy has loaded.

use crate::checkout::Checkout;
use crate::loaded::{self, Configuration};
use crate::sources::{self, ClusterArgs, MadeArgs};
use gnomon_manifests::{Loaded, Loader};
use std::{env, path::Path};

/// How long each call of kubectl may take, in seconds.
const TIMEOUT: u64 = 60;

/// A side, read.
pub(crate) enum Side {
    /// Policies, and what is around them.
    Policies(Box<Loaded>),
    /// What a proxy has loaded.
    Loaded(Box<Configuration>),
}

/// Reads a side: as [`read`], or a proxy's configuration as `envoy:FILE`, or as a file that holds one.
///
/// # Errors
///
/// Why it cannot be read; empty where that has been printed.
pub(crate) fn side(
    side: &str,
    other: &str,
    listener: Option<&String>,
    last_wins: bool,
) -> Result<Side, String> {
    let file = side.strip_prefix("envoy:").map(Path::new);
    let found = || Some(Path::new(side)).filter(|file| loaded::is_configuration(file));
    match file.or_else(found) {
        Some(file) => loaded::read(file, listener.cloned(), "nothing was compared")
            .map(|read| Side::Loaded(Box::new(read)))
            .map_err(|()| String::new()),
        None => read(side, other, last_wins).map(|loaded| Side::Policies(Box::new(loaded))),
    }
}

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
    let there = Checkout::of(commit).map_err(|why| format!("`{side}`: {why}"))?;
    let path = Path::new(path);
    if there.path(path).is_none() {
        return Err(format!("`{side}`: there is no {} there", path.display()));
    }
    let current = env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(&current).unwrap_or(path);
    there.inside(|| {
        loader.path(path);
        loader.finish()
    })
}
