//! Programs that come from the system's own packages: Chromium, valgrind, Python's venv, Node.js.

use crate::run::{Failure, command_line, heading, output, run};
use std::process::Command;

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
