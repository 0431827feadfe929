//! Running other programs, with a heading, the time taken and an error that names the command.

use std::{
    fmt,
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Why a command of ours could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    /// 1: something was found wanting; 2: could not run.
    pub(crate) code: u8,
}

impl Failure {
    /// Could not run: something is missing or a program failed.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure { text: text.into(), code: 1 }
    }

    /// Called in a way that makes no sense.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Failure { text: text.into(), code: 2 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xtask: {}", self.text)
    }
}

/// Runs it with our own standard streams; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let line = command_line(command);
    // What we printed must stand before what the program prints.
    std::io::stdout().flush().ok();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("`{line}` failed ({status})"))),
        Err(error) => Err(Failure::new(format!("`{line}` could not be started: {error}"))),
    }
}

/// What it prints on standard output, or `None` where it cannot be run or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command as one would type it.
pub(crate) fn command_line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// A line that says what begins, so that nobody stares at a silent terminal.
pub(crate) fn heading(text: &str) {
    println!("==> {text}");
    std::io::stdout().flush().ok();
}

/// Steps that all run, whatever became of the earlier ones, and their summary.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, Result<(), Failure>)>,
}

impl Steps {
    /// Runs one step under its heading.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), Failure>) {
        println!();
        heading(name);
        let start = Instant::now();
        let result = work();
        let taken = start.elapsed();
        match &result {
            Ok(()) => println!("    ok in {}", seconds(taken)),
            Err(failure) => println!("    FAILED in {}: {failure}", seconds(taken)),
        }
        self.done.push((name.to_owned(), taken, result));
    }

    /// Prints what became of every step; an error if one failed.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        println!("\n==> summary");
        for (name, taken, result) in &self.done {
            let word = if result.is_ok() { "ok" } else { "FAILED" };
            println!("    {word:<7} {:>8}  {name}", seconds(*taken));
        }
        let all: Duration = self.done.iter().map(|(_, taken, _)| *taken).sum();
        let failed: Vec<&str> =
            self.done.iter().filter(|(.., result)| result.is_err()).map(|(name, ..)| name.as_str()).collect();
        println!("    {} steps in {}, {} failed", self.done.len(), seconds(all), failed.len());
        if failed.is_empty() { Ok(()) } else { Err(Failure::new(format!("failed: {}", failed.join(", ")))) }
    }
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 { format!("{seconds:.1} s") } else { format!("{:.1} min", seconds / 60.0) }
}
