//! An external authorization server as simple as Istio's sample: allows what carries `x-ext-authz: allow`.

use crate::err::{Context, Result};
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// As Istio's sample: allow what carries `x-ext-authz: allow`.
    ByHeader,
    /// 200
    Allow,
    /// 403
    Deny,
    /// Nothing: the connection is closed.
    Error,
}

const ANSWERS: [Answers; 4] = [Answers::ByHeader, Answers::Allow, Answers::Deny, Answers::Error];

/// A running one; it stops when dropped.
pub struct ExtAuthz {
    address: SocketAddr,
    answers: Arc<AtomicU8>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ExtAuthz {
    /// On a free port of the loopback.
    pub fn start() -> Result<ExtAuthz> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).or_cannot("listen for ext_authz")?;
        let address = listener.local_addr().or_cannot("ask for the ext_authz port")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let answers = Arc::new(AtomicU8::new(0));
        let told = Arc::clone(&answers);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                // One thread for each connection: Envoy keeps them open.
                let told = Arc::clone(&told);
                std::thread::spawn(move || serve(&stream, &told));
            }
        });
        Ok(ExtAuthz { address, answers, stop, thread: Some(thread) })
    }

    /// From now on it answers so; at first by the header.
    pub fn answer(&self, answers: Answers) {
        let place = ANSWERS.iter().position(|other| *other == answers).unwrap_or(0);
        self.answers.store(u8::try_from(place).unwrap_or(0), Ordering::SeqCst);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ExtAuthz {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread, which then sees that it is to stop.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers request after request. Checks have no body, so a request ends with its empty line.
fn serve(stream: &TcpStream, told: &AtomicU8) {
    let mut lines = BufReader::new(stream).lines();
    let mut header = false;
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            header |= name.eq_ignore_ascii_case("x-ext-authz") && value.trim() == "allow";
            continue;
        }
        let allow = match ANSWERS.get(usize::from(told.load(Ordering::SeqCst))) {
            Some(Answers::Allow) => true,
            Some(Answers::Deny) => false,
            Some(Answers::Error) => return,
            Some(Answers::ByHeader) | None => header,
        };
        let answer = if allow {
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 403 Forbidden\r\nx-ext-authz-check-result: denied\r\ncontent-length: 6\r\n\r\ndenied"
        };
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
        header = false;
    }
}
