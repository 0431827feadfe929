//! What a process has used, from Linux's `/proc`.

use crate::err::{Context, Error, Result};
use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

/// Processor time of all its threads so far. Linux counts in hundredths of a second for programs to read, whatever its
/// own clock does.
pub fn cpu(pid: u32) -> Result<Duration> {
    let text = read(pid, "stat")?;
    // The name in brackets may hold anything; the fields behind it are counted from 3.
    let fields: Vec<&str> = text.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
    match (ticks(14), ticks(15)) {
        (Some(user), Some(system)) => Ok(Duration::from_millis((user + system) * 10)),
        _ => Err(Error::new(format!("/proc/{pid}/stat says nothing about processor time: {text}"))),
    }
}

/// Resident memory in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let text = read(pid, "status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes
        .map(|kilobytes| kilobytes << 10)
        .ok_or_else(|| Error::new(format!("/proc/{pid}/status says nothing about memory")))
}

/// Keeps all threads of a process to one core, by util-linux's `taskset`; those that it starts later stay there too.
///
/// # Errors
///
/// There is no such core, or no `taskset`.
pub fn keep_to(pid: u32, core: usize) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--pid", "--cpu-list", &core.to_string(), &pid.to_string()]);
    let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status().or_cannot("start taskset")?;
    if done.success() { Ok(()) } else { Err(Error::new(format!("taskset knows no core {core}"))) }
}

fn read(pid: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{name}");
    fs::read_to_string(&path).or_cannot(format_args!("read {path} (this measurement needs Linux)"))
}
