//! Runs again whenever something changes.

use super::{Args, once};
use crate::{Outcome, style};
use std::{
    collections::BTreeMap,
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

/// Somebody who saves a file looks up after that.
const BETWEEN: Duration = Duration::from_millis(300);
/// How deep folders are looked through for new files.
const DEEPEST: usize = 16;

/// Never ends by itself. Looks at times and lengths of files: every system has these, in containers and on network
/// drives, too.
pub(super) fn run(args: &Args) -> Outcome {
    loop {
        if std::io::stdout().is_terminal() {
            style::print("\x1b[2J\x1b[H");
        }
        let (_, read) = once(args);
        let before = stamps(args, &read);
        eprintln!("watching {} (interrupt to end)", style::plural(before.len(), "file"));
        while stamps(args, &read) == before {
            thread::sleep(BETWEEN);
        }
    }
}

type Stamps = BTreeMap<PathBuf, Option<(SystemTime, u64)>>;

fn stamps(args: &Args, read: &[PathBuf]) -> Stamps {
    let mut stamps = Stamps::new();
    for path in &args.paths {
        look(path, &mut stamps, 0);
    }
    for path in read {
        stamps.entry(named(path)).or_insert_with(|| stamp(path));
    }
    stamps
}

fn look(path: &Path, stamps: &mut Stamps, depth: usize) {
    if !path.is_dir() {
        stamps.insert(named(path), stamp(path));
        return;
    }
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        let is_yaml =
            ["yaml", "yml", "json"].iter().any(|end| path.extension().is_some_and(|own| own == *end));
        match entry.file_type() {
            Ok(kind)
                if kind.is_dir()
                    && !hidden
                    && depth < DEEPEST
                    && name != "target"
                    && name != "node_modules" =>
            {
                look(&path, stamps, depth + 1);
            }
            Ok(_) if is_yaml => _ = stamps.insert(named(&path), stamp(&path)),
            _ => {}
        }
    }
}

/// One file has one name.
fn named(path: &Path) -> PathBuf {
    path.strip_prefix(".").unwrap_or(path).to_owned()
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
