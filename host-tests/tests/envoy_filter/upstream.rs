//! What stands behind Envoy: a server that answers, redirects, upgrades, holds requests back, and publishes keys.

use gnomon_host_tests::tokens::TestKey;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

/// One on a free port of the loopback, until the end of the process.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut first = String::new();
        if lines.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut upgrade = false;
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            upgrade |= line.to_ascii_lowercase().starts_with("upgrade:");
            if line.trim().is_empty() {
                break;
            }
        }
        let path = first.split(' ').nth(1).unwrap_or("/");
        let ok = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let answer = if upgrade {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n".into()
        } else if path.contains("/redirect") {
            let landing = path.replace("/redirect", "/landing");
            format!("HTTP/1.1 302 Found\r\nlocation: http://a.test{landing}\r\ncontent-length: 0\r\n\r\n")
        } else if path.contains("/hold") {
            // Until the other side has had enough.
            let _ = lines.read(&mut [0]);
            return;
        } else if path.contains("/keys") {
            ok(TestKey::RsaKid.jwks())
        } else {
            ok("upstream")
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
