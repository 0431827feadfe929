//! What is being done, where it takes longer than a second and somebody is looking.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// Nobody needs to be told of what takes no longer.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN: Duration = Duration::from_millis(100);

/// One line on standard error, which goes away again.
#[derive(Debug)]
pub(crate) struct Progress {
    next: Instant,
    terminal: bool,
    shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Progress {
            next: Instant::now() + PATIENCE,
            terminal: std::io::stderr().is_terminal() && !dumb,
            shown: false,
        }
    }

    /// Shows `text` in place of what was shown before.
    pub(crate) fn tell(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if !self.terminal || now < self.next {
            return;
        }
        (self.next, self.shown) = (now + BETWEEN, true);
        let mut out = std::io::stderr().lock();
        let _closed = write!(out, "\r\x1b[K{}", text()).and_then(|()| out.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let mut out = std::io::stderr().lock();
            let _closed = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}
