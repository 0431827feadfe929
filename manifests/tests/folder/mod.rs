//! Folders for tests.
#![allow(dead_code, reason = "each test has its own use of it")]

use gnomon_manifests::Loaded;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A folder of its own, removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The names of the files read, without the folder.
    pub(crate) fn files(&self, loaded: &Loaded) -> Vec<String> {
        let name =
            |file: &str| Path::new(file).strip_prefix(&self.0).unwrap().to_string_lossy().replace('\\', "/");
        loaded.files.iter().map(|file| name(file)).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
