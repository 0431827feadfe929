//! Where things are.

use crate::run::Failure;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The workspace's folders.
pub(crate) struct Workspace {
    /// Where the workspace's Cargo.toml is.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever the user has put it.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Found from what cargo tells the programs that it runs.
    pub(crate) fn find() -> Result<Workspace, Failure> {
        // Set by `cargo run`; the value at compile time serves a binary that is called directly.
        let own = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&own)
            .parent()
            .filter(|root| root.join("Cargo.toml").is_file())
            .ok_or_else(|| Failure::new("no workspace here; call it as `cargo xtask`"))?
            .to_owned();
        let target = target_folder(&root);
        Ok(Workspace { root, target })
    }

    /// The cargo that runs us, in the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// What the set-up installs, apart from what rustup keeps.
    pub(crate) fn installed(&self) -> PathBuf {
        self.target.join("gnomon")
    }

    /// A path as a person wants to read it: relative to the root where it lies below.
    pub(crate) fn show<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// `CARGO_TARGET_DIR`, else the folder that our own binary was built in (a configuration file may have set it), by the
/// files that cargo puts there (neither is sure to be there), else the default.
fn target_folder(root: &Path) -> PathBuf {
    if let Some(folder) = env::var_os("CARGO_TARGET_DIR") {
        // A relative one is relative to where cargo was called, which is where we are.
        return std::path::absolute(&folder).unwrap_or_else(|_| folder.into());
    }
    let is_target =
        |folder: &&Path| ["CACHEDIR.TAG", ".rustc_info.json"].iter().any(|mark| folder.join(mark).is_file());
    let own = env::current_exe().ok();
    let found = own.as_deref().and_then(|own| own.ancestors().find(is_target));
    found.map_or_else(|| root.join("target"), Path::to_owned)
}
