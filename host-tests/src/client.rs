//! A blocking HTTP/1.1 client that sends exactly the bytes it is given, over TCP or TLS, from any address that a
//! PROXY protocol header can claim.

mod http;
mod tls;

pub use http::{RequestBytes, Response};
pub use tls::Tls;
pub(crate) use tls::{Sessions, can_ask_for};

use crate::err::{Context, Error, Result};
use socket2::{Domain, Socket, Type};
use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

/// For connecting, and for each read and write.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How to connect.
#[derive(Clone)]
pub struct Dial<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// Our own address, where it matters which: RBAC's `direct_remote_ip` (Istio's `ipBlocks`) is that of the socket,
    /// whatever a PROXY header claims. Linux lets anyone use all of 127.0.0.0/8.
    pub from: Option<IpAddr>,
    /// Addresses to claim: what `remote_ip`, `source_ip`, `destination_ip` and `destination_port` see.
    pub proxy: Option<Proxy>,
    /// TLS; `None` is plaintext.
    pub tls: Option<Tls<'a>>,
}

impl Dial<'_> {
    /// In plaintext from our own address.
    pub fn plain(to: SocketAddr) -> Self {
        Dial { to, from: None, proxy: None, tls: None }
    }
}

/// A PROXY protocol header. Port 0 of the source stands for the real port of the connection, so that the access log
/// still tells connections apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// The claimed client.
    pub source: SocketAddr,
    /// The claimed local address of the listener: what `destination.ip` and `destination.port` are.
    pub destination: SocketAddr,
    /// The binary form (2) rather than the text form (1).
    pub binary: bool,
}

impl Proxy {
    /// In the text form, with the connection's own source port.
    pub fn new(source: IpAddr, destination: SocketAddr) -> Self {
        Proxy { source: SocketAddr::new(source, 0), destination, binary: false }
    }

    fn bytes(&self, own_port: u16) -> Result<Vec<u8>> {
        let mut source = self.source;
        if source.port() == 0 {
            source.set_port(own_port);
        }
        let (family, name, addresses) = match (source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                (0x11, "TCP4", [source.octets(), destination.octets()].concat())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                (0x21, "TCP6", [source.octets(), destination.octets()].concat())
            }
            _ => return Err(Error::new("the addresses of a PROXY header must be of one family")),
        };
        let (from, to) = (source.port(), self.destination.port());
        if !self.binary {
            return Ok(format!("PROXY {name} {} {} {from} {to}\r\n", source.ip(), self.destination.ip())
                .into_bytes());
        }
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
        header.push(family);
        let length = u16::try_from(addresses.len()).unwrap_or(0).saturating_add(4);
        header.extend(length.to_be_bytes());
        header.extend(addresses);
        header.extend(from.to_be_bytes());
        header.extend(to.to_be_bytes());
        Ok(header)
    }
}

/// What came back: an answer, or the end of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP response.
    Http(Response),
    /// The connection was closed, reset or refused (in the TLS handshake) without one; the cause as the system or
    /// TLS has it.
    Closed(String),
}

impl Reply {
    /// The response; a closed connection is an error.
    pub fn response(self) -> Result<Response> {
        match self {
            Reply::Http(response) => Ok(response),
            Reply::Closed(cause) => {
                Err(Error::new(format!("the connection was closed without a response: {cause}")))
            }
        }
    }

    /// The status; `None` where the connection was closed.
    pub fn status(&self) -> Option<u16> {
        match self {
            Reply::Http(response) => Some(response.status),
            Reply::Closed(_) => None,
        }
    }
}

/// An open connection. It can carry one request after the other as long as the server keeps it.
pub struct Connection {
    stream: Stream,
    port: u16,
    /// Read beyond the end of a response.
    rest: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Connection {
    /// Connects and sends the PROXY header. The TLS handshake happens with the first bytes sent: a refusal is then a
    /// [`Reply::Closed`].
    pub fn open(dial: &Dial<'_>) -> Result<Connection> {
        let attempt = format_args!("connect to {}", dial.to);
        let mut tcp = connect(dial).or_cannot(attempt)?;
        let set = tcp.set_read_timeout(Some(TIMEOUT)).and_then(|()| tcp.set_write_timeout(Some(TIMEOUT)));
        set.and_then(|()| tcp.set_nodelay(true)).or_cannot("set the connection's options")?;
        let port = tcp.local_addr().or_cannot("ask for the connection's port")?.port();
        if let Some(proxy) = &dial.proxy {
            tcp.write_all(&proxy.bytes(port)?).or_cannot("send the PROXY header")?;
        }
        let stream = match &dial.tls {
            None => Stream::Plain(tcp),
            Some(tls) => Stream::Tls(Box::new(rustls::StreamOwned::new(tls.connection()?, tcp))),
        };
        Ok(Connection { stream, port, rest: Vec::new() })
    }

    /// The port of our end, by which [`crate::AccessLog::of_port`] finds this connection.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The protocol that the server has chosen in the TLS handshake, of those offered.
    pub fn protocol(&self) -> Option<&[u8]> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.conn.alpn_protocol(),
        }
    }

    /// Sends a request and reads the response. An error is a time-out or a response that is not HTTP.
    pub fn send(&mut self, request: &RequestBytes) -> Result<Reply> {
        // A server that refuses may close before it has read everything; what it said first still counts.
        let sent = self.stream.write_all(&request.bytes()).and_then(|()| self.stream.flush());
        let read = http::read(&mut self.stream, &mut self.rest, request.is_head());
        match (read, sent) {
            (Ok(Some(response)), _) => Ok(Reply::Http(response)),
            (Ok(None), Ok(())) => Ok(Reply::Closed("end of the stream".into())),
            (Ok(None), Err(error)) | (Err(error), _) if is_closed(&error) => {
                Ok(Reply::Closed(error.to_string()))
            }
            (Ok(None), Err(error)) | (Err(error), _) => Err(error).or_cannot("get a response"),
        }
    }

    /// For TCP: sends the bytes and reads until as many have come back, or the server closes. An echo of everything
    /// means let through; anything less, refused.
    pub fn exchange(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut back = Vec::new();
        let mut work = || -> io::Result<()> {
            self.stream.write_all(bytes)?;
            self.stream.flush()?;
            let mut buffer = [0; 4096];
            while back.len() < bytes.len() {
                let count = self.stream.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                back.extend_from_slice(buffer.get(..count).unwrap_or_default());
            }
            Ok(())
        };
        match work() {
            Err(error) if !is_closed(&error) => Err(error).or_cannot("exchange bytes"),
            _ => Ok(back),
        }
    }
}

fn connect(dial: &Dial<'_>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(dial.to), Type::STREAM, None)?;
    if let Some(from) = dial.from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect_timeout(&dial.to.into(), TIMEOUT)?;
    Ok(socket.into())
}

/// The other side ended it; anything else (a time-out) says nothing about what the other side thinks.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, NotConnected, UnexpectedEof,
    };
    // rustls reports the server's alerts (a refused certificate) as InvalidData.
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | InvalidData | NotConnected | UnexpectedEof
    )
}

/// For protocols that this client does not speak.
impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
