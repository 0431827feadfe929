//! `gnomon playground`: the page, served from inside the program.

use crate::Outcome;

/// Open the playground in a browser: policies, requests and why, without a network
///
/// Serves the page on this machine alone, until it is stopped. The page evaluates in the browser; nothing is sent
/// anywhere, not even here.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The port; 0 takes one that is free
    #[arg(short, long, default_value_t = 4321)]
    port: u16,
}

#[cfg(not(feature = "playground"))]
pub(crate) fn run(_: &Args) -> Outcome {
    eprintln!(
        "error: this gnomon was built without the playground: run `cargo xtask playground`, or build it in with \
         `cargo xtask playground --build && cargo install --path cli --features playground`"
    );
    Outcome::Failed
}

#[cfg(feature = "playground")]
pub(crate) fn run(args: &Args) -> Outcome {
    match serve::listen(args.port) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("error: cannot serve on port {}: {error}; --port 0 takes one that is free", args.port);
            Outcome::Failed
        }
    }
}

#[cfg(feature = "playground")]
mod serve {
    use std::{
        convert::Infallible,
        io::{self, BufRead, BufReader, Read, Write},
        net::{Ipv4Addr, TcpListener, TcpStream},
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    /// Paths as they are asked for, and contents.
    const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/playground.rs"));
    /// The longest head of a request that is read.
    const MOST: u64 = 16 * 1024;
    /// How many are answered at once; whoever comes then is turned away.
    const AT_ONCE: usize = 64;
    const PATIENCE: Duration = Duration::from_secs(10);

    const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
                          font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
                          form-action 'none'; frame-ancestors 'none'";

    pub(super) fn listen(port: u16) -> io::Result<Infallible> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        crate::style::print(&format!(
            "http://localhost:{}/  (Ctrl+C stops it)\n",
            listener.local_addr()?.port()
        ));
        static BUSY: AtomicUsize = AtomicUsize::new(0);
        loop {
            // One connection that failed is no reason to stop.
            let Ok((connection, _)) = listener.accept() else { continue };
            if BUSY.fetch_add(1, Ordering::Relaxed) < AT_ONCE {
                thread::spawn(move || {
                    let _ = answer(connection);
                    BUSY.fetch_sub(1, Ordering::Relaxed);
                });
            } else {
                BUSY.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// One request, one answer, and the connection is closed.
    fn answer(mut connection: TcpStream) -> io::Result<()> {
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        let mut head = BufReader::new(&connection).take(MOST);
        let mut first = String::new();
        head.read_line(&mut first)?;
        let mut line = String::new();
        while head.read_line(&mut line)? > 2 {
            line.clear();
        }
        let mut words = first.split_ascii_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let path = if path == "/" { "/index.html" } else { path };
        let file = FILES.iter().find(|(name, _)| *name == path);
        let (status, kind, content) = match (method, file) {
            ("GET" | "HEAD", Some((name, content))) => ("200 OK", kind(name), *content),
            ("GET" | "HEAD", None) => ("404 Not Found", "text/plain", b"not found\n".as_slice()),
            _ => ("405 Method Not Allowed", "text/plain", b"GET and HEAD only\n".as_slice()),
        };
        // Names below assets/ change with their contents.
        let keep = if path.starts_with("/assets/") { "max-age=31536000, immutable" } else { "no-cache" };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\ncache-control: {keep}\r\n\
             content-security-policy: {POLICY}\r\nx-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n\
             cross-origin-opener-policy: same-origin\r\nconnection: close\r\n\r\n",
            content.len()
        );
        connection.write_all(head.as_bytes())?;
        if method != "HEAD" {
            connection.write_all(content)?;
        }
        connection.flush()
    }

    fn kind(name: &str) -> &'static str {
        match name.rsplit('.').next().unwrap_or_default() {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "json" => "application/json",
            "svg" => "image/svg+xml",
            "wasm" => "application/wasm",
            _ => "application/octet-stream",
        }
    }
}
