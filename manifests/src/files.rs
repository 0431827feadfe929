//! Which files a path stands for.

use crate::input::error;
use gnomon_engine::{Diagnostic, Position};
use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many files a folder may hold below it.
const MAX_FILES: usize = 100_000;
/// A folder of other people's packages: tens of thousands of files, and no manifests.
const PACKAGES: &str = "node_modules";
/// How deep folders may nest: symbolic links are followed.
const MAX_FOLDERS: usize = 64;

/// The manifest files below a folder, sorted by path: `*.yaml`, `*.yml`, `*.json`, but no suites (`*.gnomon.yaml`) and
/// nothing hidden, nor packages of Node.js. Every folder is visited once, however many links lead to it.
pub(crate) fn below(folder: &Path, problems: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut visited = HashSet::new();
    let mut waiting = vec![(folder.to_path_buf(), 0_usize)];
    while let Some((folder, depth)) = waiting.pop() {
        let first = fs::canonicalize(&folder).map(|path| visited.insert(path)).unwrap_or(true);
        if !first {
            continue;
        }
        if depth > MAX_FOLDERS {
            problems.push(unreadable(&folder, &format!("folders nest deeper than {MAX_FOLDERS}")));
            continue;
        }
        let entries = match fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(wrong) => {
                problems.push(unreadable(&folder, &format!("cannot be read: {wrong}")));
                continue;
            }
        };
        for path in entries.into_iter().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
            if name.starts_with('.') {
                continue;
            }
            // A dangling link has no metadata; it is left for the reader to complain about.
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() && name == PACKAGES => {}
                Ok(meta) if meta.is_dir() => waiting.push((path, depth + 1)),
                Ok(meta) if !meta.is_file() => {}
                _ if is_manifest(&name) => found.push(path),
                _ => {}
            }
        }
        if found.len() > MAX_FILES {
            problems.push(unreadable(&folder, &format!("more than {MAX_FILES} files")));
            break;
        }
    }
    found.sort();
    found
}

pub(crate) fn is_manifest(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return name == "Kustomization" };
    matches!(ending, "yaml" | "yml" | "json") && !stem.ends_with(".gnomon")
}

fn unreadable(path: &Path, message: &str) -> Diagnostic {
    error("unreadable", &Arc::from(&*path.to_string_lossy()), Position::default(), message, "")
}
