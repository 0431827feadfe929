//! Bytes to text: the size, the encoding, files and standard input.

use crate::dump::{self, MAX_DUMP};
use gnomon_engine::{Diagnostic, Position, Severity};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

/// The largest text that is read: 32 MB.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;

pub(crate) fn too_big() -> String {
    format!("larger than {} MB", MAX_BYTES / 1024 / 1024)
}

pub(crate) fn error(
    code: &'static str,
    file: &Arc<str>,
    at: Position,
    message: impl Into<String>,
    help: &str,
) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code,
        file: file.clone(),
        at,
        object: String::new(),
        field: String::new(),
        message: message.into(),
        help: help.into(),
    }
}

/// UTF-8 out of bytes; the error names the place of the first byte that is not.
pub fn decode_bytes(bytes: Vec<u8>, file: &str) -> Result<String, Box<Diagnostic>> {
    decode(bytes, file, MAX_BYTES)
}

/// The same, with more room for what may be a list of a cluster's objects.
pub(crate) fn decode_text(bytes: Vec<u8>, file: &str) -> Result<String, Box<Diagnostic>> {
    let largest = if dump::may_be(&bytes) { MAX_DUMP } else { MAX_BYTES };
    decode(bytes, file, largest)
}

fn decode(bytes: Vec<u8>, file: &str, largest: usize) -> Result<String, Box<Diagnostic>> {
    let file = Arc::from(file);
    if bytes.len() > largest {
        return Err(Box::new(error(
            "too-big",
            &file,
            Position::default(),
            too_big(),
            "split it into several files",
        )));
    }
    let utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    String::from_utf8(bytes).map_err(|wrong| {
        let good = wrong.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(wrong.as_bytes().get(..good).unwrap_or_default());
        let last = before.rsplit('\n').next().unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let at = Position { line: count(line), column: count(last.chars().count().saturating_add(1)) };
        let message = if utf16 { "this is UTF-16, not UTF-8" } else { "this is not UTF-8" };
        Box::new(error("not-utf8", &file, at, message, "save the file as UTF-8"))
    })
}

/// Reads a file, or standard input where `path` is `-`, up to [`MAX_BYTES`].
pub fn read_file(path: &Path) -> Result<String, Box<Diagnostic>> {
    decode_bytes(bytes(path, false)?, &path.to_string_lossy())
}

/// The same, with more room for what may be a list of a cluster's objects.
pub(crate) fn read_text(path: &Path) -> Result<String, Box<Diagnostic>> {
    decode_text(bytes(path, true)?, &path.to_string_lossy())
}

/// A file that is no text, or too long for one, names policies.
pub(crate) fn mentions_policies(path: &Path) -> bool {
    bytes(path, false).is_ok_and(|bytes| names_policies(&bytes))
}

/// The same of what was read.
pub(crate) fn names_policies(bytes: &[u8]) -> bool {
    crate::document::mentions_policies(&String::from_utf8_lossy(bytes))
}

/// At most one byte more than is allowed, so that the excess shows.
fn bytes(path: &Path, dumps: bool) -> Result<Vec<u8>, Box<Diagnostic>> {
    let name = path.to_string_lossy();
    let read = if name == "-" {
        read(io::stdin().lock(), dumps)
    } else {
        File::open(path).and_then(|file| read(file, dumps))
    };
    read.map_err(|wrong| {
        let message = format!("cannot be read: {wrong}");
        Box::new(error("unreadable", &Arc::from(&*name), Position::default(), message, ""))
    })
}

fn read(mut from: impl Read, dumps: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let beginning = MAX_BYTES as u64 + 1;
    (&mut from).take(beginning).read_to_end(&mut bytes)?;
    if dumps && bytes.len() > MAX_BYTES && dump::may_be(&bytes) {
        from.take(MAX_DUMP as u64 - MAX_BYTES as u64).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
