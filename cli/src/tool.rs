//! Running the programs that people have: kubectl, helm, kustomize.

use std::{
    fmt,
    io::{self, Read},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How much one may print: 1 GB.
const MAX_OUTPUT: u64 = 1 << 30;
/// How much of what went wrong is read.
const MAX_ERRORS: u64 = 64 * 1024;
/// How often it is looked whether a program has ended.
const PATIENCE: Duration = Duration::from_millis(5);

/// Why a program gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is not installed.
    Missing,
    /// It did not end in time.
    Late(Duration),
    /// It printed more than is read.
    TooLong,
    /// What it wrote to standard error.
    Failed(String),
    /// It could not be run.
    Io(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Missing => f.write_str("it is not installed, or not in PATH"),
            Failure::Late(limit) => write!(f, "it did not end within {} s", limit.as_secs()),
            Failure::TooLong => write!(f, "it printed more than {} MB", MAX_OUTPUT / 1024 / 1024),
            Failure::Failed(text) => f.write_str(text.trim()),
            Failure::Io(wrong) => write!(f, "it cannot be run: {wrong}"),
        }
    }
}

/// What a program prints. It gets no input, no shell stands between, and it is stopped after `limit`.
pub(crate) fn run(program: &str, arguments: &[String], limit: Duration) -> Result<String, Failure> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|wrong| match wrong.kind() {
        io::ErrorKind::NotFound => Failure::Missing,
        _ => Failure::Io(wrong),
    })?;
    // Read apart: a full pipe would stop it.
    let out = child.stdout.take().map(|pipe| reader(pipe, MAX_OUTPUT));
    let errors = child.stderr.take().map(|pipe| reader(pipe, MAX_ERRORS));
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait().map_err(Failure::Io)? {
            Some(status) => break status,
            None if Instant::now() < deadline => thread::sleep(PATIENCE),
            None => {
                // It may have ended by itself meanwhile.
                let _ended = child.kill();
                let _status = child.wait();
                return Err(Failure::Late(limit));
            }
        }
    };
    let text = |from: Option<mpsc::Receiver<Vec<u8>>>| {
        // What it has started may still hold the pipe.
        from.and_then(|from| from.recv_timeout(Duration::from_secs(5)).ok()).unwrap_or_default()
    };
    let (out, errors) = (text(out), text(errors));
    if !status.success() {
        let said = String::from_utf8_lossy(&errors).into_owned();
        return Err(Failure::Failed(if said.trim().is_empty() { status.to_string() } else { said }));
    }
    if out.len() as u64 > MAX_OUTPUT {
        return Err(Failure::TooLong);
    }
    String::from_utf8(out).map_err(|_| Failure::Failed("it printed something that is not UTF-8".into()))
}

fn reader(pipe: impl Read + Send + 'static, largest: u64) -> mpsc::Receiver<Vec<u8>> {
    let (done, read) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut pipe = pipe;
        let _end = (&mut pipe).take(largest + 1).read_to_end(&mut bytes);
        let _nobody_waits = done.send(bytes);
        // The rest, so that it does not wait for a reader.
        let _end = io::copy(&mut pipe, &mut io::sink());
    });
    read
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Failure, run};
    use std::time::{Duration, Instant};

    fn sh(script: &str, limit: u64) -> Result<String, Failure> {
        run("sh", &["-c".into(), script.into()], Duration::from_millis(limit))
    }

    #[test]
    fn programs() {
        assert_eq!(sh("echo a", 10_000).unwrap(), "a\n");
        assert!(matches!(run("gnomon-no-such-program", &[], Duration::ZERO), Err(Failure::Missing)));
        let Err(Failure::Failed(said)) = sh("echo wrong >&2; exit 3", 10_000) else { panic!() };
        assert_eq!(said, "wrong\n");
        let Err(Failure::Failed(said)) = sh("exit 3", 10_000) else { panic!() };
        assert!(said.contains('3'), "{said}");
        let start = Instant::now();
        assert!(matches!(sh("sleep 60", 100), Err(Failure::Late(_))));
        assert!(start.elapsed() < Duration::from_secs(30));
        // More than a pipe holds.
        assert_eq!(sh("head -c 1000000 /dev/zero | tr '\\0' a", 30_000).unwrap().len(), 1_000_000);
        assert!(matches!(sh("printf '\\377'", 10_000), Err(Failure::Failed(_))));
    }
}
