//! HTTP/1.1 as bytes: nothing is corrected on the way out.

use std::io::{self, Read};

/// More than any answer of Envoy's here; `/config_dump` is the largest.
const LIMIT: usize = 64 << 20;

/// A request, byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestBytes {
    /// As sent, valid or not.
    pub method: Vec<u8>,
    /// The request target, as sent.
    pub target: Vec<u8>,
    /// Header lines in order, `host` among them. Nothing is added, not even a `host` or a `content-length`.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body; who gives one gives its `content-length`.
    pub body: Vec<u8>,
}

impl RequestBytes {
    /// This method and target, no headers.
    pub fn new(method: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>) -> Self {
        RequestBytes { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A GET.
    pub fn get(target: impl Into<Vec<u8>>) -> Self {
        RequestBytes::new("GET", target)
    }

    /// With one more header line.
    #[must_use]
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == b"HEAD"
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = [&self.method[..], b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        for (name, value) in &self.headers {
            bytes.extend([&name[..], b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its code.
    pub status: u16,
    /// Header lines in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body, unchunked.
    pub body: Vec<u8>,
}

impl Response {
    /// The first line of this header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The server takes no more requests on this connection. Envoy says so and then waits for us to close first.
    pub fn is_last(&self) -> bool {
        self.header("connection") == Some("close")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads one response; `None` where the stream ends before it begins. `rest` holds what was read too much.
pub(super) fn read(stream: &mut impl Read, rest: &mut Vec<u8>, head: bool) -> io::Result<Option<Response>> {
    let mut input = Input { stream, rest };
    let Some(first) = input.line()? else { return Ok(None) };
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| bad(&format!("this is not HTTP: {first:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = input.line()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a header line without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response { status, headers, body: Vec::new() };
    let length = response.header("content-length").and_then(|text| text.parse().ok());
    response.body = if head || status == 204 || status == 304 {
        Vec::new()
    } else if response.header("transfer-encoding") == Some("chunked") {
        input.chunks()?
    } else if let Some(length) = length {
        input.exactly(length)?
    } else {
        input.until_end()?
    };
    Ok(Some(response))
}

fn bad(text: &str) -> io::Error {
    io::Error::other(text.to_owned())
}

struct Input<'a, R> {
    stream: &'a mut R,
    rest: &'a mut Vec<u8>,
}

impl<R: Read> Input<'_, R> {
    /// Reads on; false at the end of the stream.
    fn more(&mut self) -> io::Result<bool> {
        if self.rest.len() > LIMIT {
            return Err(bad("the response is too long"));
        }
        let mut buffer = [0; 16 << 10];
        let count = self.stream.read(&mut buffer)?;
        self.rest.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(count > 0)
    }

    /// A line without its end; `None` at the end of the stream.
    fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.rest.drain(..end.saturating_add(2)).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            if !self.more()? {
                return if self.rest.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < length {
            if !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.rest.drain(..length).collect())
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let length =
                usize::from_str_radix(line.trim(), 16).map_err(|_| bad("a chunk without a length"))?;
            body.extend(self.exactly(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
            if body.len() > LIMIT {
                return Err(bad("the response is too long"));
            }
        }
    }

    fn until_end(&mut self) -> io::Result<Vec<u8>> {
        while self.more()? {}
        Ok(std::mem::take(self.rest))
    }
}
