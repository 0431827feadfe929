//! Where the suites are.

use super::load::is_suite;
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// How deep folders may nest: symbolic links are followed.
const MAX_FOLDERS: usize = 64;

/// Folders that hold no sources, but often very many files.
const NEVER: [&str; 3] = ["target", "node_modules", "vendor"];

/// The suites below `paths`, each once, in order; and what could not be read. A file that is named is a suite, whatever
/// it is called; hidden folders are not searched.
pub fn find(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let mut visited = HashSet::new();
    for path in paths {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                let before = found.len();
                below(path, &mut found, &mut problems, &mut visited);
                if let Some(found) = found.get_mut(before..) {
                    found.sort();
                }
            }
            Ok(_) => found.push(path.clone()),
            Err(wrong) => problems.push(format!("{}: {wrong}", path.display())),
        }
    }
    let mut seen = HashSet::new();
    found.retain(|path| fs::canonicalize(path).map_or(true, |path| seen.insert(path)));
    (found, problems)
}

fn below(
    folder: &Path,
    found: &mut Vec<PathBuf>,
    problems: &mut Vec<String>,
    visited: &mut HashSet<PathBuf>,
) {
    let mut waiting = vec![(folder.to_path_buf(), 0_usize)];
    while let Some((folder, depth)) = waiting.pop() {
        if depth > MAX_FOLDERS || !fs::canonicalize(&folder).is_ok_and(|real| visited.insert(real)) {
            continue;
        }
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(wrong) => {
                problems.push(format!("{}: {wrong}", folder.display()));
                continue;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().to_string();
            // `.` as a path stays `.` in what is shown, without a needless `./` in front.
            let path = if folder == Path::new(".") { PathBuf::from(&name) } else { folder.join(&name) };
            let is_folder = fs::metadata(&path).is_ok_and(|meta| meta.is_dir());
            if is_folder && !name.starts_with('.') && !NEVER.contains(&name.as_str()) {
                waiting.push((path, depth + 1));
            } else if !is_folder && is_suite(&path) {
                found.push(path);
            }
        }
    }
}
