//! Load that leaves the server room: a fixed number of requests a second, and how long each answer takes.

use super::{Shot, TIMEOUT, open, read_some, whole};
use crate::err::{Context, Error, Result};
use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// A pause that is worth a sleep, from which one wakes up somewhat late.
const LONG: Duration = Duration::from_millis(1);

/// Sends a few requests a second, as [`paced`] does, from threads that sleep until one is due and until its answer comes:
/// for a process that shares its core with others and goes before them ([`crate::process::workers_apart`]).
///
/// An answer's time counts from when its request was sent, also where that was late: this process may be late by itself,
/// while it writes a large configuration. The longest time is the same: whoever makes a request overdue has let the one
/// before it wait for longer.
///
/// # Errors
///
/// As [`paced`].
pub fn sparse(
    to: SocketAddr,
    shot: &Shot,
    connections: usize,
    per_second: f64,
    time: Duration,
) -> Result<Vec<Duration>> {
    let interval = interval(connections, per_second)?;
    let one = |number: usize| -> io::Result<Vec<Duration>> {
        let mut client = Client::new(open(to)?, number);
        let start = Instant::now();
        let mut took = Vec::new();
        while interval * took.len() as u32 <= time {
            let due = start + interval * took.len() as u32 + client.moment(interval);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            client.due = Some(due);
            let answer = loop {
                if let Some(time) = client.step(shot)? {
                    break time;
                }
            };
            took.push(answer);
        }
        Ok(took)
    };
    let all: io::Result<Vec<Vec<Duration>>> = thread::scope(|scope| {
        let all: Vec<_> = (0..connections).map(|number| scope.spawn(move || one(number))).collect();
        all.into_iter().map(|one| one.join().unwrap_or_else(|_| Err(io::Error::other("broke off")))).collect()
    });
    let mut took: Vec<Duration> =
        all.or_cannot(format_args!("send {per_second:.0} requests a second to {to}"))?.concat();
    took.sort_unstable();
    Ok(took)
}

/// Between two requests of one connection.
fn interval(connections: usize, per_second: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(connections as f64 / per_second)
        .ok()
        .filter(|interval| !interval.is_zero())
        .ok_or_else(|| Error::new(format!("{per_second} requests a second cannot be sent")))
}

/// Sends so many requests a second over all the connections, for this time, and gives what each answer took, the shortest
/// first.
///
/// Each connection sends one request at a random moment of each of its intervals. A request that had to wait for the
/// answer before it has waited from when it was due: who is slow is not asked less. One thread looks after all
/// connections and sleeps only where nothing is due for long: threads that wait for their turn to run would measure just
/// that.
///
/// # Errors
///
/// A connection failed, or an answer was late by far or not the expected one.
pub fn paced(
    to: SocketAddr,
    shot: &Shot,
    connections: usize,
    per_second: f64,
    time: Duration,
) -> Result<Vec<Duration>> {
    let interval = interval(connections, per_second)?;
    send(to, shot, connections, interval, time)
        .or_cannot(format_args!("send {per_second:.0} requests a second to {to}"))
}

fn send(
    to: SocketAddr,
    shot: &Shot,
    connections: usize,
    interval: Duration,
    time: Duration,
) -> io::Result<Vec<Duration>> {
    let mut clients = Vec::with_capacity(connections);
    for number in 0..connections {
        let stream = open(to)?;
        stream.set_nonblocking(true)?;
        clients.push(Client::new(stream, number));
    }
    let start = Instant::now();
    for client in &mut clients {
        client.due = Some(start + client.moment(interval));
    }
    // Whole intervals only, so that each has its request.
    let intervals = (time.as_secs_f64() / interval.as_secs_f64()).ceil().max(0.0) as u32;
    let mut took = Vec::with_capacity(connections * intervals as usize);
    let mut turns = vec![0_u32; connections];
    while turns.iter().any(|turn| *turn < intervals) {
        for (client, turn) in clients.iter_mut().zip(&mut turns) {
            if *turn < intervals
                && let Some(time) = client.step(shot)?
            {
                took.push(time);
                *turn += 1;
                let due = start + interval * *turn + client.moment(interval);
                // Overdue before it could be sent: its wait has begun.
                client.sent = (due < Instant::now()).then_some(due);
                client.due = Some(due);
            }
        }
        let next = clients.iter().map(|client| client.due).min().flatten();
        // `None` is the least: an answer is awaited, or a connection is done with its requests.
        let pause = next.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        if pause > LONG { thread::sleep(pause - LONG) } else { thread::yield_now() }
    }
    took.sort_unstable();
    Ok(took)
}

/// One connection.
struct Client {
    stream: TcpStream,
    state: u64,
    got: Vec<u8>,
    /// When the next request is to be sent; `None` while an answer is awaited.
    due: Option<Instant>,
    /// From when its time counts, where that is not the moment of sending.
    sent: Option<Instant>,
}

impl Client {
    fn new(stream: TcpStream, number: usize) -> Client {
        Client { stream, state: number as u64, got: Vec::new(), due: None, sent: None }
    }

    /// A random moment of an interval. Knuth's constants for a linear congruence; its upper bits are good enough.
    fn moment(&mut self, interval: Duration) -> Duration {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        interval.mul_f64((self.state >> 40) as f64 / (1_u64 << 24) as f64)
    }

    /// Sends what is due, or reads what has come; how long the answer took, once it is whole.
    fn step(&mut self, shot: &Shot) -> io::Result<Option<Duration>> {
        let now = Instant::now();
        if let Some(due) = self.due {
            if now >= due {
                self.sent.get_or_insert(now);
                self.due = None;
                self.got.clear();
                // A few hundred bytes, into a buffer that is empty.
                self.stream.write_all(&shot.request)?;
            }
            return Ok(None);
        }
        let before = self.got.len();
        match read_some(&mut self.stream, &mut self.got) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let waited = self.sent.map_or(Duration::ZERO, |sent| now - sent);
                return if waited < TIMEOUT { Ok(None) } else { Err(io::ErrorKind::TimedOut.into()) };
            }
            other => other?,
        }
        if self.got.len() == before {
            return Err(io::Error::other("closed in place of an answer"));
        }
        if whole(&self.got).is_none_or(|length| self.got.len() < length) {
            return Ok(None);
        }
        if !shot.is_expected(&self.got) {
            return Err(io::Error::other(format!("answered {:?}", String::from_utf8_lossy(&self.got))));
        }
        Ok(self.sent.take().map(|sent| sent.elapsed()))
    }
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
        let shot = Shot::learn(serve(usize::MAX, ANSWER), &request).unwrap();
        let took = sparse(serve(usize::MAX, ANSWER), &shot, 4, 400.0, Duration::from_millis(250)).unwrap();
        assert!(took.len() >= 100 && took.is_sorted());
        let altered = sparse(
            serve(3, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno"),
            &shot,
            4,
            400.0,
            Duration::from_millis(250),
        );
        assert!(altered.unwrap_err().to_string().contains("no\""));
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
