//! An external authorization server as simple as Istio's sample: allows what carries `x-ext-authz: allow`.

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

/// A running one; it stops when dropped.
pub struct ExtAuthz {
    address: SocketAddr,
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
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                // One thread for each connection: Envoy keeps them open.
                std::thread::spawn(move || serve(&stream));
            }
        });
        Ok(ExtAuthz { address, stop, thread: Some(thread) })
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
fn serve(stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines();
    let mut allow = false;
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            allow |= name.eq_ignore_ascii_case("x-ext-authz") && value.trim() == "allow";
            continue;
        }
        let answer = if allow {
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 403 Forbidden\r\nx-ext-authz-check-result: denied\r\ncontent-length: 6\r\n\r\ndenied"
        };
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
        allow = false;
    }
}
