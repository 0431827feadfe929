//! Load for Envoy: a few keep-alive connections that send the same requests over and over and look at every byte that
//! comes back.
//!
//! A thread for each connection, blocking: at sixteen of them that is no slower than anything cleverer, and what Envoy
//! itself spends is measured in its own process.

mod paced;

pub use paced::{paced, sparse};

use crate::{
    client::RequestBytes,
    err::{Context, Error, Result},
};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// For each read and write.
const TIMEOUT: Duration = Duration::from_secs(10);
/// As long as any response here could ever be.
const LONGEST: usize = 64 << 10;

/// A request and its answer, both as bytes.
#[derive(Clone, Debug)]
pub struct Shot {
    request: Vec<u8>,
    /// The date in it stands for any.
    expected: Vec<u8>,
}

/// What a load brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that were answered.
    pub requests: u64,
    /// Answers that were not, byte for byte, what was expected.
    pub altered: u64,
    /// Connections that failed.
    pub errors: u64,
    /// The first of these, in words.
    pub first: Option<String>,
}

impl Shot {
    /// Learns from a server what the answer is.
    pub fn learn(from: SocketAddr, request: &RequestBytes) -> Result<Shot> {
        let request = request.bytes();
        let attempt = format!("learn what {from} answers");
        let mut stream = open(from).or_cannot(&attempt)?;
        stream.write_all(&request).or_cannot(&attempt)?;
        let mut expected = Vec::new();
        while whole(&expected).is_none_or(|length| expected.len() < length) {
            let before = expected.len();
            read_some(&mut stream, &mut expected).or_cannot(&attempt)?;
            if expected.len() == before || before > LONGEST {
                return Err(Error::new(format!("cannot {attempt}: no end of the answer")));
            }
        }
        Ok(Shot { request, expected })
    }

    /// Another request that is answered the same.
    pub fn with_request(&self, request: &RequestBytes) -> Shot {
        Shot { request: request.bytes(), expected: self.expected.clone() }
    }

    /// The status of the expected answer.
    pub fn status(&self) -> String {
        String::from_utf8_lossy(self.expected.get(9..12).unwrap_or_default()).into_owned()
    }

    fn is_expected(&self, got: &[u8]) -> bool {
        const DATE: &[u8] = b"\r\ndate: ";
        // `Sun, 06 Nov 1994 08:49:37 GMT`
        const DATE_LENGTH: usize = 29;
        if got.len() != self.expected.len() {
            return false;
        }
        let Some(date) = find(&self.expected, DATE) else { return got == self.expected };
        let from = date + DATE.len();
        let parts = |bytes: &'_ [u8]| {
            let (head, rest) = bytes.split_at_checked(from).unwrap_or_default();
            (head.to_vec(), rest.get(DATE_LENGTH..).unwrap_or_default().to_vec())
        };
        parts(got) == parts(&self.expected)
    }
}

/// Sends `shots` in turn on every one of the connections until `stop`, or for a time. The connections begin as far from
/// each other as can be.
pub fn run(to: SocketAddr, shots: &[Shot], connections: usize, stop: &AtomicBool) -> Tally {
    let counts = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];
    let first = Mutex::new(None);
    thread::scope(|scope| {
        for number in 0..connections {
            let (counts, first) = (&counts, &first);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let [requests, altered, errors] = counts;
                    let mut counted = Tally::default();
                    let begin = number * shots.len() / connections;
                    let ended = connection(to, shots, begin, stop, &mut counted);
                    requests.fetch_add(counted.requests, Ordering::Relaxed);
                    altered.fetch_add(counted.altered, Ordering::Relaxed);
                    let failed = ended.err().map(|error| {
                        errors.fetch_add(1, Ordering::Relaxed);
                        error.to_string()
                    });
                    if let (Some(what), Ok(mut first)) = (counted.first.or(failed), first.lock()) {
                        first.get_or_insert(what);
                        // Nothing is gained by failing a hundred thousand times.
                        thread::sleep(Duration::from_millis(10));
                    }
                }
            });
        }
    });
    let [requests, altered, errors] = counts.map(AtomicU64::into_inner);
    Tally { requests, altered, errors, first: first.into_inner().unwrap_or_default() }
}

/// [`run`] for this long, and how long it really was.
pub fn run_for(to: SocketAddr, shots: &[Shot], connections: usize, time: Duration) -> (Tally, Duration) {
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let tally = thread::scope(|scope| {
        let load = scope.spawn(|| run(to, shots, connections, &stop));
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        load.join().unwrap_or_default()
    });
    (tally, start.elapsed())
}

/// One connection until `stop`, an error, or an answer that is not the expected one.
fn connection(
    to: SocketAddr,
    shots: &[Shot],
    begin: usize,
    stop: &AtomicBool,
    tally: &mut Tally,
) -> io::Result<()> {
    let mut stream = open(to)?;
    let mut got = Vec::with_capacity(LONGEST);
    // With the date as it was last: what differs from these is looked at more closely.
    let mut last: Vec<Vec<u8>> = shots.iter().map(|shot| shot.expected.clone()).collect();
    let mut turn = begin;
    while !stop.load(Ordering::Relaxed) {
        let place = turn % shots.len().max(1);
        turn = place + 1;
        let (Some(shot), Some(last)) = (shots.get(place), last.get_mut(place)) else { break };
        got.clear();
        stream.write_all(&shot.request)?;
        while got.len() < last.len() {
            let before = got.len();
            read_some(&mut stream, &mut got)?;
            if got.len() == before {
                return Err(io::Error::other(format!("closed after {:?}", String::from_utf8_lossy(&got))));
            }
            // A shorter answer than expected would be waited for in vain.
            if got.len() < last.len() && whole(&got).is_some_and(|length| got.len() >= length) {
                break;
            }
        }
        tally.requests += 1;
        if got == *last {
            continue;
        }
        if shot.is_expected(&got) {
            last.clone_from(&got);
        } else {
            tally.altered += 1;
            let (got, expected) = (String::from_utf8_lossy(&got), String::from_utf8_lossy(&shot.expected));
            tally.first = Some(format!("answered {got:?} in place of {expected:?}"));
            break;
        }
    }
    Ok(())
}

fn open(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

fn read_some(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 4 << 10];
    let count = stream.read(&mut buffer)?;
    into.extend_from_slice(buffer.get(..count).unwrap_or_default());
    Ok(())
}

/// The length of the answer that begins here, as far as its head is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"\r\ncontent-length: ";
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let digits = find(bytes, LENGTH).and_then(|at| bytes.get(at + LENGTH.len()..head)).unwrap_or_default();
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    Some(head + digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(expected: &[u8]) -> Shot {
        Shot { request: Vec::new(), expected: expected.to_vec() }
    }

    #[test]
    fn only_the_date_may_differ() {
        let one = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: envoy\r\n\r\nok";
        let shot = shot(one);
        let text = String::from_utf8_lossy(one).into_owned();
        assert!(shot.is_expected(one));
        assert!(shot.is_expected(text.replace("08:49:37", "08:49:38").as_bytes()));
        for (from, to) in
            [("200", "201"), ("envoy", "evnoy"), ("\r\nok", "\r\nko"), ("ok", "o"), ("ok", "oka")]
        {
            assert!(!shot.is_expected(text.replace(from, to).as_bytes()), "{from} {to}");
        }
        assert_eq!(whole(one), Some(one.len()));
        assert_eq!(whole(&one[..40]), None);
        assert_eq!(shot.status(), "200");
    }
}
