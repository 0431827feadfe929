//! Writes the files that are made from the tables of attributes and formats, below the folder given: `cargo xtask docs` calls it.

use gnomon_analysis::reference::FILES;
use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::args().nth(1).unwrap_or_else(|| ".".into()));
    for (path, text) in FILES {
        let (path, text) = (root.join(path), text());
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        println!("    {} rewritten", path.display());
    }
    Ok(())
}
