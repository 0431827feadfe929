//! Colour where a terminal is, and nowhere else.

use gnomon_manifests::Colour;
use std::io::{IsTerminal, Write};

/// Paints, or does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    coloured: bool,
}

impl Style {
    /// For standard output: coloured on a terminal, unless `NO_COLOR` is set to something.
    pub(crate) fn of_stdout() -> Self {
        Style { coloured: wanted() && std::io::stdout().is_terminal() }
    }

    fn paint(self, codes: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{codes}m{text}\x1b[0m") } else { text.into() }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn doubt(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// For diagnostics, which go to standard error.
pub(crate) fn stderr_colour() -> Colour {
    if wanted() && std::io::stderr().is_terminal() { Colour::Always } else { Colour::Never }
}

fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints to standard output. Whoever closes the pipe has read enough, so that is no error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// `text` without control characters: it may come from a request, and a terminal obeys them.
pub(crate) fn safe(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// `text` as one word of a shell's command: names out of manifests may hold anything, and people copy what they read.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=@,+%".contains(character);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", safe(text).replace('\'', "'\\''")),
    }
}

/// `file:line`; a cluster's objects have no lines.
pub(crate) fn place(file: &str, line: u32) -> String {
    if line == 0 || file.is_empty() { file.to_owned() } else { format!("{file}:{line}") }
}

/// `1 error`, `2 errors`; `1 policy`, `2 policies`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}
