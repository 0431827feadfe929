//! Programs that come from the system's own packages: Chromium, valgrind, Python's venv, Node.js.

use crate::run::{Failure, command_line, heading, output, run};
use std::{fs, path::Path, process::Command};

/// Installs Debian packages where that needs no question: apt-get is there, and we are root or may become root without
/// a password. Where it does not, nothing happens and the answer is false; the caller says what is missing.
///
/// # Errors
///
/// apt-get ran and failed.
pub(crate) fn install(packages: &[&str], why: &str) -> Result<bool, Failure> {
    if output(Command::new("apt-get").arg("--version")).is_none() {
        return Ok(false);
    }
    let root = output(Command::new("id").arg("-u")).as_deref() == Some("0");
    if !root && output(Command::new("sudo").args(["-n", "true"])).is_none() {
        return Ok(false);
    }
    heading(&format!("installing {} with apt-get, {why} (once)", packages.join(" ")));
    // sudo drops the environment, so the variable stands in the command.
    let apt = |words: &[&str]| {
        let mut command = Command::new(if root { "env" } else { "sudo" });
        command.args(if root { &[][..] } else { &["-n", "env"] });
        command.arg("DEBIAN_FRONTEND=noninteractive").arg("apt-get").args(words);
        command
    };
    // A list that is old or in part unreachable may still do; what it cannot do, the installation says.
    if let Err(failure) = run(&mut apt(&["-qq", "update"])) {
        println!("    {failure}");
    }
    let mut command = apt(&["-qq", "install", "-y", "--no-install-recommends"]);
    command.args(packages);
    run(&mut command).map_err(|_| Failure::new(format!("`{}` failed", command_line(&command))))?;
    Ok(true)
}

/// Takes a Debian package apart into a folder: nothing of it is installed, and no service of its starts. Where there is
/// no apt-get the answer is false.
///
/// # Errors
///
/// The package cannot be had, or not be unpacked.
pub(crate) fn unpack(package: &str, folder: &Path, why: &str) -> Result<bool, Failure> {
    if output(Command::new("apt-get").arg("--version")).is_none() {
        return Ok(false);
    }
    heading(&format!("unpacking Debian's {package} below the target folder, {why} (once)"));
    let part = folder.with_extension("part");
    let made = fs::remove_dir_all(&part).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    made.and_then(|()| fs::create_dir_all(&part))
        .map_err(|error| Failure::new(format!("cannot make {}: {error}", part.display())))?;
    let mut download = Command::new("apt-get");
    download.current_dir(&part).args(["-qq", "download", package]);
    if run(&mut download).is_err() {
        // The lists are missing or too old; only root may fetch others.
        run(Command::new("apt-get").args(["-qq", "update"]))?;
        run(&mut download)?;
    }
    let archives = fs::read_dir(&part).into_iter().flatten().flatten().map(|entry| entry.path());
    let archive = archives
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .last()
        .ok_or_else(|| Failure::new(format!("apt-get left no {package} in {}", part.display())))?;
    run(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&part))?;
    let moved = fs::remove_file(&archive).and_then(|()| fs::rename(&part, folder));
    moved.map_err(|error| Failure::new(format!("cannot move {}: {error}", part.display())))?;
    Ok(true)
}
