//! Archives of files that belong to nobody and are of no time.

use flate2::{Compression, GzBuilder};
use std::io::Write;

/// A file in an archive.
pub(super) struct Entry<'a> {
    /// Less than a hundred bytes.
    pub(super) name: &'a str,
    pub(super) mode: u32,
    pub(super) bytes: &'a [u8],
}

const BLOCK: usize = 512;

/// The files, one after the other.
pub(super) fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        out.extend(header(entry));
        out.extend_from_slice(entry.bytes);
        // Up to whole blocks.
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty ones are the end.
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn header(entry: &Entry<'_>) -> Vec<u8> {
    let mut header = Vec::with_capacity(BLOCK);
    let mut field = |text: &str, width: usize| {
        header.extend_from_slice(text.as_bytes());
        header.resize(header.len() + width.saturating_sub(text.len()), 0);
    };
    field(entry.name, 100);
    field(&format!("{:07o}", entry.mode), 8);
    field("0000000", 8);
    field("0000000", 8);
    field(&format!("{:011o}", entry.bytes.len()), 12);
    field("00000000000", 12);
    // The checksum counts itself as blanks.
    field("        ", 8);
    field("0", 1);
    field("", 100);
    field("ustar\x0000", 8);
    field("", BLOCK - 265);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header.splice(148..156, format!("{sum:06o}\0 ").into_bytes());
    header
}

/// Without a name and a time.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().operating_system(255).write(Vec::new(), Compression::best());
    // Into memory: nothing can fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
