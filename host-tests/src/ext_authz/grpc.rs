//! The same over gRPC: as much of HTTP/2 and of `envoy.service.auth.v3` as one question and its answer need.
//!
//! Header blocks are never looked at: the request that is asked about stands in the message, with its headers.

use super::{ANSWER_HEADER, Answers, Server};
use crate::err::Result;
use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

/// What connections are to be answered, by the client's port.
type Told = Arc<Mutex<HashMap<u16, Answers>>>;

/// A running server; it stops when dropped.
pub struct GrpcExtAuthz {
    server: Server,
    told: Told,
}

impl GrpcExtAuthz {
    /// On a free port of the loopback.
    pub fn start() -> Result<GrpcExtAuthz> {
        let told = Told::default();
        let known = Arc::clone(&told);
        // A connection that breaks has nobody to tell.
        let server = Server::start(move |stream| _ = serve(stream, &known))?;
        Ok(GrpcExtAuthz { server, told })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// What to answer about the TCP connection that claims to come from this port: it has no headers.
    pub fn tell(&self, port: u16, answers: Answers) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(port, answers);
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
/// On DATA and HEADERS.
const END_STREAM: u8 = 1;
/// On SETTINGS and PING.
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
/// More than any check here.
const LARGEST: usize = 1 << 20;

fn serve(mut stream: &TcpStream, told: &Told) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.read_exact(&mut [0; PREFACE])?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    let mut messages: HashMap<u32, Vec<u8>> = HashMap::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let id = u32::from_be_bytes(id) & 0x7FFF_FFFF;
        let mut payload = vec![0; usize::try_from(length).unwrap_or(LARGEST).min(LARGEST)];
        stream.read_exact(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
            PING if flags & ACK == 0 => stream.write_all(&frame(PING, ACK, 0, &payload))?,
            DATA => {
                // What was taken may be sent again.
                if length > 0 {
                    stream.write_all(&frame(WINDOW_UPDATE, 0, 0, &length.to_be_bytes()))?;
                }
                messages.entry(id).or_default().extend(payload);
                if flags & END_STREAM != 0 {
                    let message = messages.remove(&id).unwrap_or_default();
                    let check = message.get(5..).unwrap_or_default();
                    stream.write_all(&reply(id, answers(check, told)))?;
                }
            }
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let [_, a, b, c] = length;
    [&[a, b, c, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// A `CheckResponse`, or the trailers of an error.
fn reply(stream: u32, answers: Answers) -> Vec<u8> {
    // `:status: 200` out of HPACK's static table, then literals that it shall not remember.
    let mut headers = vec![0x88, 0x0F, 0x10, 16];
    headers.extend(b"application/grpc");
    let trailers = |status: &str| {
        let length = u8::try_from(status.len()).unwrap_or(0);
        [&[0, 11][..], b"grpc-status", &[length], status.as_bytes()].concat()
    };
    // CheckResponse.status, a google.rpc.Status with its code.
    let message: &[u8] = match answers {
        Answers::Allow => &[0x0A, 0],
        Answers::Deny => &[0x0A, 2, 8, 7],
        Answers::Error => {
            headers.extend(trailers("13"));
            return frame(HEADERS, END_HEADERS | END_STREAM, stream, &headers);
        }
    };
    let length = u32::try_from(message.len()).unwrap_or(0);
    let body = [&[0], &length.to_be_bytes()[..], message].concat();
    [
        frame(HEADERS, END_HEADERS, stream, &headers),
        frame(DATA, 0, stream, &body),
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &trailers("0")),
    ]
    .concat()
}

/// By the request's header, for TCP by the client's port; otherwise as Istio's sample.
fn answers(check: &[u8], told: &Told) -> Answers {
    let attributes = Message(check).one(1);
    let headers = Message(Message(Message(attributes).one(4)).one(2));
    let header = |name: &str| {
        let entry = headers.all(3).find(|entry| Message(entry).one(1) == name.as_bytes());
        entry.and_then(|entry| std::str::from_utf8(Message(entry).one(2)).ok())
    };
    let by_header = header(ANSWER_HEADER).and_then(Answers::of_word);
    let port = || {
        let socket = Message(Message(Message(Message(attributes).one(1)).one(1)).one(1));
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        u16::try_from(socket.number(3)?).ok().and_then(|port| told.get(&port).copied())
    };
    let sample = || if header("x-ext-authz") == Some("allow") { Answers::Allow } else { Answers::Deny };
    by_header.or_else(port).unwrap_or_else(sample)
}

/// The wire form of a protobuf message.
#[derive(Clone, Copy)]
struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    /// A field of bytes, a string or a message; empty where it is not there.
    fn one(self, field: u64) -> &'a [u8] {
        self.all(field).next().unwrap_or_default()
    }

    fn all(self, field: u64) -> impl Iterator<Item = &'a [u8]> {
        self.fields().filter(move |(number, _, _)| *number == field).map(|(_, _, bytes)| bytes)
    }

    fn number(self, field: u64) -> Option<u64> {
        self.fields().find(|(number, _, _)| *number == field).map(|(_, value, _)| value)
    }

    /// Number, value of a varint, bytes of a field with a length.
    fn fields(self) -> impl Iterator<Item = (u64, u64, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let key = varint(&mut rest)?;
            let mut bytes: &[u8] = &[];
            let mut value = 0;
            let length = match key & 7 {
                0 => {
                    value = varint(&mut rest)?;
                    0
                }
                1 => 8,
                2 => usize::try_from(varint(&mut rest)?).ok()?,
                5 => 4,
                _ => return None,
            };
            (bytes, rest) = rest.split_at_checked(length).unwrap_or((bytes, &[]));
            Some((key >> 3, value, bytes))
        })
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
