//! With the feature `playground`: the built page, as a table of files that the program carries.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_PLAYGROUND").is_none() {
        return Ok(());
    }
    println!("cargo::rerun-if-env-changed=GNOMON_PLAYGROUND_DIST");
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = match env::var_os("GNOMON_PLAYGROUND_DIST") {
        Some(named) => PathBuf::from(named),
        None => own.join("../web-playground/app/dist"),
    };
    println!("cargo::rerun-if-changed={}", dist.display());
    if !dist.join("index.html").is_file() {
        return Err(format!(
            "the feature `playground` carries the built page, and there is none in {}: run `cargo xtask playground \
             --build` first, or set GNOMON_PLAYGROUND_DIST to its folder",
            dist.display()
        ));
    }
    let table = table(&dist).map_err(|error| format!("cannot read {}: {error}", dist.display()))?;
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("playground.rs");
    fs::write(&out, table).map_err(|error| format!("cannot write {}: {error}", out.display()))
}

/// An expression: a slice of paths, as they are asked for, and contents.
fn table(dist: &Path) -> io::Result<String> {
    let mut waiting = vec![dist.canonicalize()?];
    let root = dist.canonicalize()?;
    let mut entries = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            entries.push(format!("    (\"/{name}\", include_bytes!({:?}).as_slice()),\n", path));
        }
    }
    entries.sort();
    Ok(format!("&[\n{}]\n", entries.concat()))
}
