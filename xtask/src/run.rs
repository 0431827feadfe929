//! Running other programs, with a heading, the time taken and an error that names the command.

use std::{
    fmt,
    io::{BufRead, BufReader, Write},
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

/// How many tests ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Adds what a line of cargo test (`test result: ok. 3 passed; 0 failed; …`) or of vitest (`Tests  1 failed |
    /// 3 passed (4)`) says of several tests; other lines say nothing.
    fn line(&mut self, line: &str) {
        let words = without_colour(line);
        let counts =
            words.strip_prefix("test result: ").or_else(|| words.trim_start().strip_prefix("Tests  "));
        let words: Vec<&str> = counts.unwrap_or_default().split_whitespace().collect();
        for pair in words.windows(2) {
            let [number, word] = *pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match word.trim_end_matches(';') {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                _ => {}
            }
        }
    }
}

/// Without the sequences by which terminals change colours.
fn without_colour(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| plain.push_str(part.split_once('m').map_or("", |(_, text)| text)));
    plain
}

/// Like [`run`], and counts the tests that it reports on standard output.
pub(crate) fn count(command: &mut Command, tests: &mut Tally) -> Result<(), Failure> {
    let line = command_line(command);
    std::io::stdout().flush().ok();
    let not_started = |error| Failure::new(format!("`{line}` could not be started: {error}"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(not_started)?;
    let mut out = std::io::stdout();
    for bytes in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).split(b'\n')) {
        let Ok(bytes) = bytes else { break };
        let text = String::from_utf8_lossy(&bytes);
        tests.line(&text);
        writeln!(out, "{text}").and_then(|()| out.flush()).ok();
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("`{line}` failed ({status})"))),
        Err(error) => Err(Failure::new(format!("`{line}` could not be waited for: {error}"))),
    }
}

/// What it prints on standard output, or `None` where it cannot be run or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What it prints on standard output; its errors go where ours go.
pub(crate) fn read(command: &mut Command) -> Result<String, Failure> {
    let line = command_line(command);
    std::io::stdout().flush().ok();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::new(format!("`{line}` could not be started: {error}")))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Failure::new(format!("`{line}` failed ({})", output.status))),
    }
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
    tests: Tally,
}

impl Steps {
    /// Runs one step under its heading.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), Failure>) {
        self.tests(name, |_| work());
    }

    /// The same for a step that runs tests, and counts them.
    pub(crate) fn tests(&mut self, name: &str, work: impl FnOnce(&mut Tally) -> Result<(), Failure>) {
        println!();
        heading(name);
        let start = Instant::now();
        let before = self.tests.failed;
        let result = work(&mut self.tests);
        // One that broke off before a test of it failed is a failure as well.
        if result.is_err() && self.tests.failed == before {
            self.tests.failed += 1;
        }
        let taken = start.elapsed();
        match &result {
            Ok(()) => println!("    ok in {}", seconds(taken)),
            Err(failure) => println!("    FAILED in {}: {failure}", seconds(taken)),
        }
        self.done.push((name.to_owned(), taken, result));
    }

    /// Prints what became of every step, and last the number of tests; an error if a step failed.
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
        if !failed.is_empty() {
            println!("    failed: {}", failed.join(", "));
        }
        let Tally { passed, failed: not } = self.tests;
        println!("\n{passed} passed, {not} failed");
        if failed.is_empty() { Ok(()) } else { Err(Failure::new(format!("{not} failed"))) }
    }
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 { format!("{seconds:.1} s") } else { format!("{:.1} min", seconds / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_as_their_runners_report_them() {
        for (line, passed, failed) in [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 1.00s",
                12,
                0,
            ),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", 3, 2),
            (
                "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[31m1 failed\u{1b}[39m\u{1b}[22m | 64 passed (65)",
                64,
                1,
            ),
            ("      Tests  77 passed (77)", 77, 0),
            (" Test Files  4 passed (4)", 0, 0),
            ("test 12 passed ... ok", 0, 0),
            ("26 passed in 5 suites (0.02 s)", 0, 0),
        ] {
            let mut tests = Tally::default();
            tests.line(line);
            assert_eq!(tests, Tally { passed, failed }, "{line}");
        }
    }
}
