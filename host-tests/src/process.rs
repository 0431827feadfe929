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
    taskset(&["--all-tasks", "--pid", "--cpu-list", &core.to_string(), &pid.to_string()])
}

/// Lets a process, and what it starts from now on, run on every core again.
///
/// # Errors
///
/// There is no `taskset`.
pub fn free(pid: u32) -> Result<()> {
    taskset(&["--all-tasks", "--pid", "--cpu-list", "0-4095", &pid.to_string()])
}

/// Lets a proxy's workers have the first core for themselves, and puts all else (its main thread, and this process) on the
/// second, where the main thread waits for whoever else wants to run: what then makes a request wait is not that the
/// machine has too few cores.
///
/// # Errors
///
/// There are not two cores, or no `taskset` and `renice`.
pub fn workers_apart(pid: u32) -> Result<()> {
    keep_to(pid, 1)?;
    keep_to(std::process::id(), 1)?;
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).or_cannot("list the proxy's threads")?;
    let mut workers: usize = 0;
    for task in tasks.flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let number = task.file_name().to_string_lossy().into_owned();
        if name.starts_with("wrk:worker") {
            taskset(&["--pid", "--cpu-list", "0", &number])?;
            workers = workers.saturating_add(1);
        } else {
            let mut command = Command::new("renice");
            command.args(["-n", "19", "-p", &number]).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().or_cannot("start renice")?;
        }
    }
    if workers == 0 { Err(Error::new(format!("process {pid} has no thread wrk:worker"))) } else { Ok(()) }
}

fn taskset(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("taskset");
    let done = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if done.or_cannot("start taskset")?.success() {
        Ok(())
    } else {
        Err(Error::new(format!("taskset {} failed", arguments.join(" "))))
    }
}

fn read(pid: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{name}");
    fs::read_to_string(&path).or_cannot(format_args!("read {path} (this measurement needs Linux)"))
}
