//! A command line of curl.

use super::{Inquiry, Kind, put, put_value};
use serde_json::{Map, Value};

/// It begins with `curl`, maybe behind a prompt or variables.
pub(super) fn is(text: &str) -> bool {
    let text = text.trim_start_matches(['$', '#', '>', ' ']);
    let command = text.split_whitespace().find(|word| !word.contains('='));
    command.is_some_and(|word| word == "curl" || word.ends_with("/curl"))
}

/// Options that take a value and say nothing about the request that a proxy sees.
const IGNORED: [&str; 27] = [
    "-o",
    "--output",
    "-w",
    "--write-out",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--cacert",
    "--capath",
    "--cert",
    "-E",
    "--key",
    "--cert-type",
    "--key-type",
    "-x",
    "--proxy",
    "--resolve",
    "--connect-to",
    "--interface",
    "--retry-delay",
    "-D",
    "--dump-header",
    "-c",
    "--cookie-jar",
    "--unix-socket",
    "--max-redirs",
];

pub(super) fn read(text: &str) -> Result<Inquiry, String> {
    let words = words(text)?;
    let begin = words.iter().position(|word| word == "curl" || word.ends_with("/curl")).unwrap_or(0);
    let mut words = words.into_iter().skip(begin.saturating_add(1));
    let mut read = Read::default();
    let mut only_addresses = false;
    while let Some(word) = words.next() {
        if only_addresses || !word.starts_with('-') || word == "-" {
            read.url.get_or_insert(word);
            continue;
        }
        if word == "--" {
            only_addresses = true;
            continue;
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, own) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let mut value = || own.clone().or_else(|| words.next()).unwrap_or_default();
            read.option(&format!("--{name}"), &mut value);
            continue;
        }
        // Short options in one word; what follows one that takes a value is its value.
        for (at, letter) in word.char_indices().skip(1) {
            let rest = word.get(at.saturating_add(letter.len_utf8())..).unwrap_or_default().to_owned();
            let mut taken = false;
            let mut value = || {
                taken = true;
                if rest.is_empty() { words.next().unwrap_or_default() } else { rest.clone() }
            };
            read.option(&format!("-{letter}"), &mut value);
            if taken {
                break;
            }
        }
    }
    read.finish()
}

#[derive(Default)]
struct Read {
    url: Option<String>,
    method: Option<String>,
    headers: Vec<(String, String)>,
    data: Vec<String>,
    get: bool,
    head: bool,
    upload: bool,
    query: Vec<String>,
    certificate: bool,
    notes: Vec<String>,
}

impl Read {
    fn option(&mut self, name: &str, value: &mut dyn FnMut() -> String) {
        match name {
            "-X" | "--request" => self.method = Some(value()),
            "-H" | "--header" => {
                let line = value();
                match line.split_once(':') {
                    // `Name:` takes a header away that curl would send itself.
                    Some((name, text)) if !text.trim().is_empty() => self.header(name, text.trim()),
                    _ => {}
                }
            }
            "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-ascii" | "--data-urlencode" => {
                self.data.push(value());
                self.default_header("content-type", "application/x-www-form-urlencoded");
            }
            "--json" => {
                self.data.push(value());
                self.default_header("content-type", "application/json");
                self.default_header("accept", "application/json");
            }
            "-F" | "--form" | "--form-string" => {
                self.data.push(value());
                self.default_header("content-type", "multipart/form-data");
            }
            "-T" | "--upload-file" => {
                self.upload = true;
                value();
            }
            "-G" | "--get" => self.get = true,
            "-I" | "--head" => self.head = true,
            "-A" | "--user-agent" => {
                let agent = value();
                self.header("user-agent", &agent);
            }
            "-e" | "--referer" => {
                let from = value();
                self.header("referer", &from);
            }
            "-b" | "--cookie" => {
                let cookie = value();
                match cookie.contains('=') {
                    true => self.header("cookie", &cookie),
                    false => self.notes.push("cookies of a file are not read".into()),
                }
            }
            "-u" | "--user" => {
                // What it stands for is nobody's business here: only that it is there, and its kind.
                value();
                self.header("authorization", "Basic …");
            }
            "--oauth2-bearer" => {
                let token = value();
                self.header("authorization", &format!("Bearer {token}"));
            }
            "--url" => {
                let url = value();
                self.url.get_or_insert(url);
            }
            "--url-query" => self.query.push(value()),
            _ if IGNORED.contains(&name) => {
                value();
                self.certificate |= matches!(name, "--cert" | "-E");
            }
            _ => {}
        }
    }

    fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.trim().to_ascii_lowercase(), value.to_owned()));
    }

    fn default_header(&mut self, name: &str, value: &str) {
        if !self.headers.iter().any(|(known, _)| known == name) {
            self.header(name, value);
        }
    }

    fn finish(mut self) -> Result<Inquiry, String> {
        let url = self.url.take().ok_or("the curl command has no address")?;
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
        if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            return Err(format!("curl asks by `{scheme}`, of which policies say nothing"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (user, authority) = match authority.rsplit_once('@') {
            Some((_, authority)) => (true, authority),
            None => (false, authority),
        };
        if user {
            self.default_header("authorization", "Basic …");
        }
        let mut path = match target.starts_with('/') {
            true => target.to_owned(),
            false => format!("/{target}"),
        };
        let mut query = self.query.clone();
        if self.get {
            query.append(&mut self.data);
            self.headers.retain(|(name, _)| name != "content-type");
        }
        for part in query {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(&part);
        }
        // A client leaves the port of its scheme out.
        let default = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
        let authority = authority.strip_suffix(default).unwrap_or(authority).to_owned();
        let method = self.method.clone().unwrap_or_else(|| {
            let default = match (self.head, self.upload, self.data.is_empty()) {
                (true, _, _) => "HEAD",
                (_, true, _) => "PUT",
                (_, _, false) => "POST",
                _ => "GET",
            };
            default.to_owned()
        });
        self.default_header("user-agent", "curl/8.0");
        self.default_header("accept", "*/*");
        let mut request = Map::new();
        put(&mut request, &["method"], &method);
        put(&mut request, &["path"], &path);
        let mut host = authority;
        let mut headers: Map<String, Value> = Map::new();
        for (name, value) in self.headers {
            if name == "host" {
                host = value;
                continue;
            }
            match headers.get_mut(&name) {
                Some(Value::Array(lines)) => lines.push(value.into()),
                _ => {
                    headers.insert(name, Value::Array(vec![value.into()]));
                }
            }
        }
        put(&mut request, &["host"], &host);
        put_value(&mut request, &["headers"], Value::Object(headers));
        if self.certificate {
            self.notes.push("whose certificate curl shows is not read: say it with --principal".into());
        }
        Ok(Inquiry {
            kind: Kind::Curl,
            request: Some(Value::Object(request)),
            answer: None,
            tls: false,
            silent: &["source.principal", "source.ip", "destination.port"],
            notes: self.notes,
        })
    }
}

/// The words of a command as a shell reads them: quotes, escapes, lines that go on.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.trim_start_matches(['$', '#', '>', ' ']).chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('\'') => break,
                        Some(other) => word.push(other),
                        None => return Err("a single quote is not closed".into()),
                    }
                }
            }
            // `$'…'` with its escapes, as browsers copy it.
            '$' if characters.peek() == Some(&'\'') => {
                characters.next();
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('\'') => break,
                        Some('\\') => match characters.next() {
                            Some('n') => word.push('\n'),
                            Some('t') => word.push('\t'),
                            Some('r') => word.push('\r'),
                            Some(other) => word.push(other),
                            None => return Err("a quote is not closed".into()),
                        },
                        Some(other) => word.push(other),
                        None => return Err("a quote is not closed".into()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('"') => break,
                        Some('\\') => match characters.next() {
                            Some('\n') => {}
                            Some(other @ ('"' | '\\' | '$' | '`')) => word.push(other),
                            Some(other) => word.extend(['\\', other]),
                            None => return Err("a double quote is not closed".into()),
                        },
                        Some(other) => word.push(other),
                        None => return Err("a double quote is not closed".into()),
                    }
                }
            }
            // The line goes on, also where a copy has lost the line's end.
            '\\' if matches!(characters.peek(), Some('\n' | '\r') | None) => {
                while characters.next_if(|next| matches!(next, '\r' | '\n')).is_some() {}
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            // What follows is another command.
            '|' | ';' | '&' if word.is_none() => break,
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(text: &str) -> Value {
        let mut request = super::super::read(text).unwrap().request.unwrap();
        let headers = request["headers"].as_object_mut().unwrap();
        headers.retain(|name, value| {
            (name != "user-agent" || value != &json!(["curl/8.0"]))
                && (name != "accept" || value != &json!(["*/*"]))
        });
        request
    }

    #[test]
    fn what_people_paste() {
        let cases = [
            (
                "curl https://shop.test/a?b=1#c",
                json!({"method": "GET", "path": "/a?b=1", "host": "shop.test", "headers": {}}),
            ),
            (
                "$ curl -sSv -XDELETE shop.test:8080",
                json!({"method": "DELETE", "path": "/", "host": "shop.test:8080", "headers": {}}),
            ),
            (
                "curl -H 'X-A: 1' -H \"x-a: 2\" --header=Host:\\ other.test http://10.0.0.1:80/x",
                json!({"method": "GET", "path": "/x", "host": "other.test", "headers": {"x-a": ["1", "2"]}}),
            ),
            (
                "curl -d a=b \\\n  --oauth2-bearer abc https://shop.test:443/orders",
                json!({"method": "POST", "path": "/orders", "host": "shop.test", "headers": {
                    "content-type": ["application/x-www-form-urlencoded"], "authorization": ["Bearer abc"],
                }}),
            ),
            (
                "curl -G -d a=b -d c https://shop.test/x?y",
                json!({"method": "GET", "path": "/x?y&a=b&c", "host": "shop.test", "headers": {}}),
            ),
            (
                "curl -I -o /dev/null http://u:p@shop.test | jq .",
                json!({"method": "HEAD", "path": "/", "host": "shop.test", "headers": {"authorization": ["Basic …"]}}),
            ),
            (
                "TOKEN=x curl --json '{}' -u me:secret a.test",
                json!({"method": "POST", "path": "/", "host": "a.test", "headers": {
                "content-type": ["application/json"], "accept": ["application/json"], "authorization": ["Basic …"]}}),
            ),
            (
                "curl $'http://a.test/it\\'s' -b 'a=1; b=2'",
                json!({"method": "GET", "path": "/it's", "host": "a.test", "headers": {"cookie": ["a=1; b=2"]}}),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(request(text), expected, "{text}");
        }
        for text in ["curl", "curl -X GET", "curl 'http://a.test", "curl ftp://a.test/x"] {
            assert!(super::super::read(text).is_err(), "{text}");
        }
    }
}
