//! As much of GitHub as the action talks to, on a port of this machine.

use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What the action writes with.
pub(crate) const TOKEN: &str = "a-token-of-the-test";

#[derive(Default)]
struct State {
    /// The type of its author, and its text; by number, from 1.
    comments: Vec<(String, String)>,
    writes: Vec<String>,
    requests: usize,
    refuses: bool,
    files: HashMap<String, Vec<u8>>,
}

pub(crate) struct GitHub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl GitHub {
    pub(crate) fn start() -> GitHub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &shared);
            }
        });
        GitHub { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn comments(&self) -> Vec<(String, String)> {
        self.state.lock().unwrap().comments.clone()
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        self.state.lock().unwrap().writes.clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    pub(crate) fn comment_of_a_person(&self, text: &str) {
        self.state.lock().unwrap().comments.push(("User".into(), text.into()));
    }

    pub(crate) fn refuse(&self) {
        self.state.lock().unwrap().refuses = true;
    }

    pub(crate) fn serve(&self, path: &str, bytes: Vec<u8>) {
        self.state.lock().unwrap().files.insert(path.into(), bytes);
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let (mut length, mut authorized) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => authorized = value == format!("Bearer {TOKEN}"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let words: Vec<&str> = first.split(' ').collect();
    let (status, answer) = answer(words[0], words[1], authorized, &body, &mut state.lock().unwrap());
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len())
        .unwrap();
    stream.write_all(&answer).unwrap();
}

fn answer(
    method: &str,
    target: &str,
    authorized: bool,
    body: &[u8],
    state: &mut State,
) -> (&'static str, Vec<u8>) {
    if let Some(file) = state.files.get(target) {
        return ("200 OK", file.clone());
    }
    state.requests += 1;
    let comment = |number: usize, author: &str, text: &str| {
        json!({
            "id": number,
            "user": {"type": author, "login": "somebody"},
            "body": text,
            "html_url": format!("https://github.example/{number}"),
        })
    };
    let (status, value) = if !authorized {
        ("401 Unauthorized", json!({}))
    } else if method == "GET" && target == "/repos/shop/policies/issues/7/comments?per_page=100&page=1" {
        let numbered = state.comments.iter().enumerate();
        let all = numbered.map(|(index, (author, text))| comment(index + 1, author, text)).collect();
        ("200 OK", Value::Array(all))
    } else if method == "GET" || state.refuses {
        ("403 Forbidden", json!({}))
    } else {
        state.writes.push(format!("{method} {target}"));
        let text = serde_json::from_slice::<Value>(body).unwrap()["body"].as_str().unwrap().to_owned();
        match target.strip_prefix("/repos/shop/policies/issues/comments/") {
            None => state.comments.push(("Bot".into(), text.clone())),
            Some(number) => state.comments[number.parse::<usize>().unwrap() - 1].1 = text.clone(),
        }
        (if method == "POST" { "201 Created" } else { "200 OK" }, comment(1, "Bot", &text))
    };
    (status, value.to_string().into_bytes())
}
