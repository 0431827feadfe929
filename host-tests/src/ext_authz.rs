//! External authorization servers as simple as Istio's sample: they allow what carries `x-ext-authz: allow`, unless the
//! request says by [`ANSWER_HEADER`] what they are to answer.

mod grpc;

pub use grpc::GrpcExtAuthz;

use crate::err::{Context, Result};
use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// The request header that says what to answer to it: `allow`, `deny` or `error`.
pub const ANSWER_HEADER: &str = "x-gnomon-answer";

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// 200
    Allow,
    /// 403
    Deny,
    /// Nothing of use.
    Error,
}

impl Answers {
    /// As [`ANSWER_HEADER`] has it.
    pub fn word(self) -> &'static str {
        match self {
            Answers::Allow => "allow",
            Answers::Deny => "deny",
            Answers::Error => "error",
        }
    }

    fn of_word(word: &str) -> Option<Answers> {
        [Answers::Allow, Answers::Deny, Answers::Error].into_iter().find(|answers| answers.word() == word)
    }
}

/// A thread that serves each connection on one of its own; it stops when dropped.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// On a free port of the loopback.
    fn start(serve: impl Fn(&TcpStream) + Send + Sync + 'static) -> Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).or_cannot("listen for ext_authz")?;
        let address = listener.local_addr().or_cannot("ask for the ext_authz port")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let serve = Arc::new(serve);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                // One thread for each connection: Envoy keeps them open.
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(&stream));
            }
        });
        Ok(Server { address, stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread, which then sees that it is to stop.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A running one that speaks HTTP/1.1.
pub struct ExtAuthz(Server);

impl ExtAuthz {
    /// On a free port of the loopback.
    pub fn start() -> Result<ExtAuthz> {
        Server::start(serve).map(ExtAuthz)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }
}

/// Answers request after request. Checks have no body, so a request ends with its empty line.
fn serve(stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines();
    let (mut header, mut told) = (false, None);
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            header |= name.eq_ignore_ascii_case("x-ext-authz") && value.trim() == "allow";
            if name.eq_ignore_ascii_case(ANSWER_HEADER) {
                told = Answers::of_word(value.trim());
            }
            continue;
        }
        let by_header = if header { Answers::Allow } else { Answers::Deny };
        let answer = match told.unwrap_or(by_header) {
            Answers::Allow => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            Answers::Deny => {
                "HTTP/1.1 403 Forbidden\r\nx-ext-authz-check-result: denied\r\ncontent-length: 6\r\n\r\ndenied"
            }
            Answers::Error => return,
        };
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
        (header, told) = (false, None);
    }
}
