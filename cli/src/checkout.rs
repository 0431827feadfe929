//! What the files were at a commit, in a folder of its own for as long as they are read.

use std::{
    env, fs, io,
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The files of a commit. The folder goes away with it.
#[derive(Debug)]
pub(crate) struct Checkout {
    root: PathBuf,
    /// What the current folder is there.
    here: PathBuf,
}

impl Checkout {
    /// Unpacks a commit: the whole of it, since manifests refer to others outside of the current folder.
    ///
    /// # Errors
    ///
    /// In words: git is not there, this is no repository, there is no such commit, or nothing can be written.
    pub(crate) fn of(commit: &str) -> Result<Checkout, String> {
        if commit.is_empty() || commit.starts_with('-') {
            return Err(format!("`{commit}` names no commit"));
        }
        let id = git(&["rev-parse", "--verify", "--end-of-options", &format!("{commit}^{{commit}}")])?;
        let top = git(&["rev-parse", "--show-toplevel"])?;
        let prefix = git(&["rev-parse", "--show-prefix"])?;
        let root = own_folder().map_err(|wrong| format!("{}: {wrong}", env::temp_dir().display()))?;
        let here = root.join(prefix.trim_end_matches('\n'));
        // From here on the folder is removed whatever happens.
        let checkout = Checkout { root, here };
        let failed = |wrong: io::Error| format!("git archive: {wrong}");
        let mut archive = Command::new("git")
            .args(["-C", top.trim_end_matches('\n'), "archive", "--format=tar", id.trim()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let unpacked = archive.stdout.take().map(|out| tar::Archive::new(out).unpack(&checkout.root));
        let status = archive.wait().map_err(failed)?;
        match unpacked {
            Some(Err(wrong)) => Err(failed(wrong)),
            Some(Ok(())) if status.success() => Ok(checkout),
            _ => Err(format!("git archive of `{commit}` did not succeed")),
        }
    }

    /// What a path, as seen from the current folder, is there; `None`: it was not there, or is outside of the repository.
    pub(crate) fn path(&self, path: &Path) -> Option<PathBuf> {
        let current = env::current_dir().unwrap_or_default();
        let path = path.strip_prefix(&current).unwrap_or(path);
        let mut there = self.here.clone();
        for part in path.components() {
            match part {
                Component::Normal(name) => there.push(name),
                Component::ParentDir if there != self.root => _ = there.pop(),
                Component::CurDir => {}
                _ => return None,
            }
        }
        there.exists().then_some(there)
    }

    /// What the current folder is there.
    pub(crate) fn here(&self) -> &Path {
        &self.here
    }

    /// Does something as if the current folder were as it was then, so that files have their own names.
    ///
    /// # Errors
    ///
    /// The folder was not there.
    pub(crate) fn inside<T>(&self, work: impl FnOnce() -> T) -> Result<T, String> {
        let current = env::current_dir().map_err(|wrong| wrong.to_string())?;
        env::set_current_dir(&self.here).map_err(|_| "the current folder was not there yet".to_owned())?;
        let done = work();
        env::set_current_dir(&current).map_err(|wrong| format!("{}: {wrong}", current.display()))?;
        Ok(done)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.root);
    }
}

/// A new folder that nobody else has made, and that nobody else may read.
fn own_folder() -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("gnomon-{}-{}-{number}", std::process::id(), since.as_nanos());
    // Links on the way there would make two names of one file.
    let folder = fs::canonicalize(env::temp_dir())?.join(name);
    let builder = fs::DirBuilder::new();
    #[cfg(unix)]
    let builder = {
        let mut builder = builder;
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
    };
    builder.create(&folder)?;
    Ok(folder)
}

/// What git prints.
///
/// # Errors
///
/// What it says instead.
pub(crate) fn git(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").args(arguments).output().map_err(|wrong| format!("git: {wrong}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
