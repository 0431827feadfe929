//! Load that leaves the server room: a fixed number of requests a second, and how long each answer takes.

use super::{LONGEST, Shot, open, read_some, whole};
use crate::err::{Context, Error, Result};
use std::{
    io::{self, Write},
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

/// Sends so many requests a second over all the connections, for this time, and gives what each answer took, the shortest
/// first.
///
/// Each connection sends one request at a random moment of each of its intervals. A request that had to wait for the
/// answer before it has waited from when it was due: who is slow is not asked less. A client that slept too long, on the
/// other hand, is no fault of the server's.
///
/// # Errors
///
/// A connection failed, or an answer was not the expected one.
pub fn paced(
    to: SocketAddr,
    shot: &Shot,
    connections: usize,
    per_second: f64,
    time: Duration,
) -> Result<Vec<Duration>> {
    let interval = Duration::try_from_secs_f64(connections as f64 / per_second)
        .ok()
        .filter(|interval| !interval.is_zero())
        .ok_or_else(|| Error::new(format!("{per_second} requests a second cannot be sent")))?;
    let start = Instant::now() + Duration::from_millis(50);
    let all: io::Result<Vec<Vec<Duration>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| scope.spawn(move || connection(to, shot, number, interval, start, start + time)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a client broke down"))))
            .collect()
    });
    let mut took = all.or_cannot(format_args!("send {per_second:.0} requests a second to {to}"))?.concat();
    took.sort_unstable();
    Ok(took)
}

fn connection(
    to: SocketAddr,
    shot: &Shot,
    number: usize,
    interval: Duration,
    start: Instant,
    end: Instant,
) -> io::Result<Vec<Duration>> {
    let mut stream = open(to)?;
    let (mut took, mut got) = (Vec::new(), Vec::with_capacity(LONGEST));
    // Knuth's constants for a linear congruence; its upper bits are good enough.
    let mut state = number as u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    let mut from = start;
    while from < end {
        let due = from + interval.mul_f64(random());
        from += interval;
        let now = Instant::now();
        let mut sent = due;
        if now < due {
            thread::sleep(due - now);
            sent = Instant::now();
        }
        got.clear();
        stream.write_all(&shot.request)?;
        while whole(&got).is_none_or(|length| got.len() < length) {
            let before = got.len();
            read_some(&mut stream, &mut got)?;
            if got.len() == before {
                return Err(io::Error::other("closed in place of an answer"));
            }
        }
        took.push(sent.elapsed());
        if !shot.is_expected(&got) {
            return Err(io::Error::other(format!("answered {:?}", String::from_utf8_lossy(&got))));
        }
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::RequestBytes;
    use std::{io::Read, net::TcpListener};

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// Answers each request, the n-th of each connection with these bytes.
    fn serve(nth: usize, odd: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut count = 0;
                    while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {
                        let answer = if count == nth { odd } else { ANSWER };
                        count += 1;
                        if stream.write_all(answer).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    #[test]
    fn every_interval_has_its_request_and_every_answer_is_looked_at() {
        let request = RequestBytes::get("/").header("host", "a");
        let send = |to| {
            let shot = Shot::learn(to, &request)?;
            paced(to, &shot, 4, 400.0, Duration::from_millis(250))
        };
        // 25 intervals of 10 ms on each connection, however long the answers take.
        let took = send(serve(usize::MAX, ANSWER)).unwrap();
        assert_eq!(took.len(), 100);
        assert!(took.is_sorted());
        let altered = send(serve(3, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno"));
        assert!(altered.unwrap_err().to_string().contains("no\""));
        let nothing = paced(
            ([127, 0, 0, 1], 1).into(),
            &Shot::learn(serve(9, ANSWER), &request).unwrap(),
            1,
            0.0,
            Duration::ZERO,
        );
        assert!(nothing.unwrap_err().to_string().contains("cannot be sent"));
    }
}
