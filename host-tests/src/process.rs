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

/// Lets a process, and what it starts from now on, run on every core again, and wait for its turn like others.
///
/// # Errors
///
/// There is no `taskset` or no `chrt`.
pub fn free(pid: u32) -> Result<()> {
    let pid = pid.to_string();
    // Whoever may not go before others never did.
    let _refused = quietly("chrt", &["--all-tasks", "--other", "--pid", "0", &pid])?;
    taskset(&["--all-tasks", "--pid", "--cpu-list", "0-4095", &pid])
}

/// Lets a proxy's workers have the first core for themselves, and puts all else (its main thread, and this process) on the
/// second, where the main thread waits whenever this process wants to run, by util-linux's `chrt`: what then makes a
/// request wait is not that the machine has too few cores. This process must not wait by running: nothing else would.
///
/// # Errors
///
/// There are not two cores, or no `taskset`, `renice` and `chrt`.
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
            quietly("renice", &["-n", "19", "-p", &number])?;
        }
    }
    if !quietly("chrt", &["--all-tasks", "--fifo", "--pid", "1", &std::process::id().to_string()])? {
        eprintln!("this process may not go before others: that it waits for its core is measured as well");
    }
    if workers == 0 { Err(Error::new(format!("process {pid} has no thread wrk:worker"))) } else { Ok(()) }
}

/// Whether a command has done what it should.
fn quietly(program: &str, arguments: &[&str]) -> Result<bool> {
    let mut command = Command::new(program);
    let done = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    Ok(done.or_cannot(format_args!("start {program}"))?.success())
}

fn taskset(arguments: &[&str]) -> Result<()> {
    if quietly("taskset", arguments)? {
        Ok(())
    } else {
        Err(Error::new(format!("taskset {} failed", arguments.join(" "))))
    }
}

fn read(pid: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{name}");
    fs::read_to_string(&path).or_cannot(format_args!("read {path} (this measurement needs Linux)"))
}
