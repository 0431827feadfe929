//! Files that lines are written to, by a thread of their own: a disk that is slow makes no request wait.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    mem::take,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// What may wait to be written. Lines beyond that are dropped and counted.
const MOST_WAITING: usize = 4 << 20;
/// Between two writes, so that many lines go out at once.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the writer waits for lines before it looks whether anybody still has the file.
const PATIENCE: Duration = Duration::from_secs(1);

/// All files, one for each path: several loggers may write to one.
static ALL: Mutex<Vec<Weak<Sink>>> = Mutex::new(Vec::new());
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// One file.
#[derive(Debug)]
pub(crate) struct Sink {
    path: PathBuf,
    waiting: Mutex<Vec<u8>>,
    written: Condvar,
    /// Held while the file is written to: lines stay in their order.
    file: Mutex<Option<File>>,
}

/// The file under this path, opened to be appended to.
///
/// # Errors
///
/// It cannot be opened, in words.
pub(crate) fn open(path: &str) -> Result<Arc<Sink>, String> {
    let mut all = lock(&ALL);
    all.retain(|known| known.strong_count() > 0);
    let path = PathBuf::from(path);
    if let Some(known) = all.iter().filter_map(Weak::upgrade).find(|known| known.path == path) {
        return Ok(known);
    }
    let file = append(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let sink = Arc::new(Sink {
        path,
        waiting: Mutex::default(),
        written: Condvar::new(),
        file: Mutex::new(Some(file)),
    });
    all.push(Arc::downgrade(&sink));
    let weak = Arc::downgrade(&sink);
    let thread = thread::Builder::new().name("gnomon-requests".into());
    thread.spawn(move || run(&weak)).map_err(|error| format!("no thread to write with: {error}"))?;
    Ok(sink)
}

/// How many lines were dropped since this was asked last.
pub(crate) fn dropped() -> u64 {
    DROPPED.swap(0, Ordering::Relaxed)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Until nobody has the file any more.
fn run(sink: &Weak<Sink>) {
    while let Some(sink) = sink.upgrade() {
        let waiting = lock(&sink.waiting);
        if waiting.is_empty() {
            let waited = sink.written.wait_timeout(waiting, PATIENCE);
            drop(waited);
        } else {
            drop(waiting);
        }
        sink.flush();
        drop(sink);
        thread::sleep(PAUSE);
    }
}

impl Sink {
    /// Has a line written, soon.
    pub(crate) fn write(&self, line: &str) {
        let mut waiting = lock(&self.waiting);
        if waiting.len().saturating_add(line.len()) >= MOST_WAITING {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = waiting.is_empty();
        waiting.extend_from_slice(line.as_bytes());
        waiting.push(b'\n');
        drop(waiting);
        if first {
            self.written.notify_one();
        }
    }

    /// Writes what waits. Lines that the file does not take are dropped.
    pub(crate) fn flush(&self) {
        let mut file = lock(&self.file);
        let lines = take(&mut *lock(&self.waiting));
        if lines.is_empty() {
            return;
        }
        // Whoever rotates logs moves the file away.
        if !is_in_place(file.as_ref(), &self.path) {
            *file = append(&self.path).ok();
        }
        let taken = file.as_mut().is_some_and(|file| file.write_all(&lines).is_ok());
        if !taken {
            *file = None;
            let count = lines.iter().filter(|byte| **byte == b'\n').count();
            DROPPED.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Whether the open file is the one that stands under the path.
fn is_in_place(file: Option<&File>, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let of = |found: std::io::Result<fs::Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
        let open = file.and_then(|file| of(file.metadata()));
        open.is_some() && of(fs::metadata(path)) == open
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        file.is_some()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test code may be blunt")]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_in_order_and_follow_a_rotated_file() {
        let _alone = crate::tests::alone();
        let folder = std::env::temp_dir().join(format!("gnomon-sink-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("requests");
        let sink = open(path.to_str().unwrap()).unwrap();
        let same = open(path.to_str().unwrap()).unwrap();
        assert!(Arc::ptr_eq(&sink, &same));
        for number in 0..1000 {
            sink.write(&number.to_string());
        }
        sink.flush();
        let lines = |path: &Path| -> Vec<u32> {
            fs::read_to_string(path).unwrap().lines().map(|line| line.parse().unwrap()).collect()
        };
        assert_eq!(lines(&path), (0..1000).collect::<Vec<_>>());
        let moved = folder.join("requests.1");
        fs::rename(&path, &moved).unwrap();
        same.write("1000");
        same.flush();
        assert_eq!(lines(&path), [1000]);
        assert_eq!(lines(&moved).len(), 1000);
        let _before = dropped();
        sink.write(&"x".repeat(MOST_WAITING));
        assert_eq!(dropped(), 1);
        drop((sink, same));
        fs::remove_dir_all(&folder).unwrap();
        assert!(open(&format!("{}/x", path.display())).is_err(), "there is no such folder");
    }
}
