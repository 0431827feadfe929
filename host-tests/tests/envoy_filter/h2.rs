//! As much of an HTTP/2 client as sends one request and sees its end. What was answered stands in the access log.

use std::io::{self, Read, Write};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// Sends a request with these header lines, pseudo headers first, and waits for the end of the stream.
pub(crate) fn send(
    stream: &mut (impl Read + Write),
    lines: &[(&str, &str)],
    body: Option<&[u8]>,
) -> io::Result<()> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    let mut block = Vec::new();
    for (name, value) in lines {
        // A literal that no table learns.
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    let end = if body.is_none() { END_STREAM } else { 0 };
    frame(&mut bytes, HEADERS, END_HEADERS | end, 1, &block);
    if let Some(body) = body {
        frame(&mut bytes, DATA, END_STREAM, 1, body);
    }
    stream.write_all(&bytes)?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload)?;
        match kind {
            SETTINGS if flags & ACK == 0 => {
                let mut ack = Vec::new();
                frame(&mut ack, SETTINGS, ACK, 0, &[]);
                stream.write_all(&ack)?;
            }
            GO_AWAY => return Err(io::Error::other(format!("the server goes away: {payload:?}"))),
            RESET => return Ok(()),
            DATA | HEADERS if flags & END_STREAM != 0 && u32::from_be_bytes(id) == 1 => return Ok(()),
            _ => {}
        }
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    out.extend([a, b, c, kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// A length in seven bits and what is beyond (RFC 7541, 5.1), then the text as it is.
fn text(out: &mut Vec<u8>, text: &str) {
    if text.len() < 127 {
        out.push(text.len() as u8);
    } else {
        out.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend(text.as_bytes());
}
