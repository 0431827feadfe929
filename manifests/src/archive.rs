//! Archives of a cluster: must-gather, `istioctl bug-report`, or whatever somebody packed.

use crate::{files::is_manifest, input};
use flate2::read::MultiGzDecoder;
use gnomon_engine::{Diagnostic, Position};
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    sync::Arc,
};

/// How much is unpacked of one archive: 2 GB.
const MAX_UNPACKED: u64 = 2 << 30;
/// How many entries of one archive are looked at.
const MAX_ENTRIES: usize = 200_000;
/// How much of a file without an ending is looked at to see what it is.
const BEGINNING: usize = 64;

/// By its name.
pub(crate) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    [".tar", ".tar.gz", ".tgz", ".gz"].iter().any(|end| name.ends_with(end))
}

/// Gives every manifest in the archive to `take`, with its name (`bug-report.tar.gz/cluster/crs`) and its bytes. Nothing is
/// written anywhere.
pub(crate) fn each(path: &Path, problems: &mut Vec<Diagnostic>, take: &mut dyn FnMut(&str, Vec<u8>)) {
    if let Err(wrong) = unpack(path, take) {
        let file = Arc::from(&*path.to_string_lossy());
        let message = format!("cannot be unpacked: {wrong}");
        problems.push(input::error("unreadable", &file, Position::default(), message, ""));
    }
}

fn unpack(path: &Path, take: &mut dyn FnMut(&str, Vec<u8>)) -> io::Result<()> {
    let name = path.to_string_lossy();
    let lower = name.to_ascii_lowercase();
    let file = BufReader::new(File::open(path)?);
    let is_tar = [".tar", ".tar.gz", ".tgz"].iter().any(|end| lower.ends_with(end));
    if !is_tar {
        let mut bytes = Vec::new();
        let largest = crate::dump::MAX_DUMP as u64 + 1;
        MultiGzDecoder::new(file).take(largest).read_to_end(&mut bytes)?;
        take(&name, bytes);
        return Ok(());
    }
    let packed: Box<dyn Read> =
        if lower.ends_with(".tar") { Box::new(file) } else { Box::new(MultiGzDecoder::new(file)) };
    let mut unpacked = Bounded { inner: packed, left: MAX_UNPACKED };
    let mut archive = tar::Archive::new(&mut unpacked);
    for (number, entry) in archive.entries()?.enumerate() {
        if number == MAX_ENTRIES {
            return Err(io::Error::other(format!("it has more than {MAX_ENTRIES} entries")));
        }
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let inner = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let own = inner.rsplit('/').next().unwrap_or_default();
        if own.starts_with('.') {
            continue;
        }
        let mut bytes = Vec::new();
        let plain = !own.contains('.');
        if plain {
            // `crs` and `k8s-resources` of a bug report.
            (&mut entry).take(BEGINNING as u64).read_to_end(&mut bytes)?;
            if !crate::dump::may_be(&bytes) {
                continue;
            }
        } else if !is_manifest(own) {
            continue;
        }
        entry.take(crate::dump::MAX_DUMP as u64 + 1).read_to_end(&mut bytes)?;
        take(&format!("{name}/{}", inner.trim_start_matches("./")), bytes);
    }
    Ok(())
}

/// Ends with an error where too much comes out of it.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!("more than {} GB come out of it", MAX_UNPACKED / 1024 / 1024 / 1024))
        })?;
        Ok(read)
    }
}
