//! Files and folders.
#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use gnomon_manifests::{Loaded, load};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is read, with or without errors.
fn read(paths: &[PathBuf]) -> Loaded {
    load(paths).unwrap_or_else(|wrong| *wrong.loaded)
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The names of the files read, without the folder.
    fn files(&self, loaded: &Loaded) -> Vec<String> {
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

fn policy(name: &str) -> String {
    format!("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}}}\n")
}

#[test]
fn a_folder() {
    let folder = Folder::new("a_folder");
    folder.write("b.yaml", policy("b"));
    folder.write("a.yml", policy("a"));
    folder.write("sub/c.json", r#"{"kind": "Service"}"#);
    folder.write("sub/tests.gnomon.yaml", "name: a suite\n");
    folder.write("notes.txt", "not: [read");
    folder.write(".hidden/d.yaml", "not: [read");
    folder.write(".e.yaml", "not: [read");
    let loaded = read(&[folder.0.clone(), folder.0.join("a.yml")]);
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(folder.files(&loaded), ["a.yml", "b.yaml", "sub/c.json"]);
    let names: Vec<_> = loaded.resources.authorization.iter().map(|read| read.meta.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(loaded.skipped.get("Service"), Some(&1));
}

#[test]
fn a_suite_that_is_named_is_read() {
    let folder = Folder::new("a_suite");
    let path = folder.write("tests.gnomon.yaml", policy("a"));
    assert_eq!(read(&[path]).resources.authorization.len(), 1);
}

#[test]
fn problems_name_their_file() {
    let folder = Folder::new("problems");
    let bad = folder.write("bad.yaml", "a: [\n");
    let bytes = folder.write("bytes.yaml", b"a: \xff");
    let missing = folder.0.join("missing.yaml");
    let empty = folder.0.join("empty");
    fs::create_dir_all(&empty).unwrap();
    let loaded = read(&[bad.clone(), bytes.clone(), missing.clone(), empty.clone()]);
    let found: Vec<_> = loaded.diagnostics.iter().map(|found| (found.code, found.file.to_string())).collect();
    let text = |path: &Path| path.to_string_lossy().to_string();
    assert_eq!(
        found,
        [
            ("yaml-syntax", text(&bad)),
            ("not-utf8", text(&bytes)),
            ("unreadable", text(&missing)),
            ("no-manifests", text(&empty)),
        ]
    );
    assert!(loaded.has_errors());
}

#[test]
fn the_same_object_in_two_files() {
    let folder = Folder::new("two_files");
    folder.write("a.yaml", policy("p"));
    folder.write("b.yaml", format!("# second\n{}", policy("p")));
    let loaded = read(std::slice::from_ref(&folder.0));
    let [found] = loaded.diagnostics.as_slice() else { panic!("{:?}", loaded.diagnostics) };
    assert_eq!((found.code, found.at.line), ("duplicate-object", 2));
    assert!(found.message.contains("a.yaml:1:1"), "{found}");
}

#[cfg(unix)]
#[test]
fn links_in_a_circle() {
    let folder = Folder::new("links");
    folder.write("sub/a.yaml", policy("a"));
    std::os::unix::fs::symlink(&folder.0, folder.0.join("sub/up")).unwrap();
    std::os::unix::fs::symlink("sub", folder.0.join("other")).unwrap();
    std::os::unix::fs::symlink("nowhere.yaml", folder.0.join("dangling.yaml")).unwrap();
    let loaded = read(std::slice::from_ref(&folder.0));
    assert_eq!(loaded.resources.authorization.len(), 1);
    let codes: Vec<_> = loaded.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["unreadable"]);
}

#[cfg(unix)]
#[test]
fn an_endless_file() {
    let loaded = read(&[PathBuf::from("/dev/zero")]);
    assert_eq!(loaded.diagnostics[0].code, "too-big");
}
