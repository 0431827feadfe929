//! A request out of options.

use gnomon_engine::{Node, Position, Value, node::Key};

/// What is asked, in few words; laid over each request of the file, if one is given.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestArgs {
    /// The method [default: GET]
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<String>,
    /// The path, with its query [default: /]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The host, with its port where clients send one
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// A TCP connection, not an HTTP request
    #[arg(long, conflicts_with_all = ["method", "path", "host", "headers", "token"])]
    tcp: bool,
    /// A header; as often as wanted
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// A token, sent as `authorization: Bearer …`
    #[arg(long, value_name = "JWT")]
    token: Option<String>,
    /// The caller's identity: cluster.local/ns/default/sa/sleep [default: none, plaintext]
    #[arg(long, value_name = "ID")]
    principal: Option<String>,
    /// The physical peer's address
    #[arg(long, value_name = "IP")]
    source_ip: Option<String>,
    /// The port that the proxy receives it on
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

impl RequestArgs {
    /// The request as a document, where anything was said.
    pub(crate) fn node(&self) -> Option<Node> {
        let mut entries = Vec::new();
        let texts =
            [("method", &self.method), ("path", &self.path), ("host", &self.host), ("token", &self.token)];
        if self.tcp {
            entries.push(entry("protocol", Value::String("tcp".into())));
        }
        for (name, value) in texts {
            entries.extend(value.clone().map(|value| entry(name, Value::String(value))));
        }
        let mut headers: Vec<(Key, Node)> = Vec::new();
        for (name, value) in &self.headers {
            let line = node(Value::String(value.clone()));
            match headers.iter_mut().find(|(key, _)| key.name == *name) {
                Some((_, Node { value: Value::List(lines), .. })) => lines.push(line),
                _ => headers.push(entry(name, Value::List(vec![line]))),
            }
        }
        let mut source = Vec::new();
        for (name, value) in [("principal", &self.principal), ("ip", &self.source_ip)] {
            source.extend(value.clone().map(|value| entry(name, Value::String(value))));
        }
        let port = self.port.map(|port| entry("port", Value::Number(port.to_string())));
        let parts = [("headers", headers), ("source", source), ("destination", port.into_iter().collect())];
        for (name, part) in parts {
            if !part.is_empty() {
                entries.push(entry(name, Value::Map(part)));
            }
        }
        (!entries.is_empty()).then(|| node(Value::Map(entries)))
    }
}

fn node(value: Value) -> Node {
    Node { value, at: Position::default() }
}

fn entry(name: &str, value: Value) -> (Key, Node) {
    (Key { name: name.into(), at: Position::default() }, node(value))
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_ascii_lowercase(), value.trim().into())),
        _ => Err("write a header as `name: value`".into()),
    }
}
