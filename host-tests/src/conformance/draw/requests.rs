//! Requests near the boundaries of the policies drawn before.

use super::{
    Draw, REQUESTS,
    mutate::{address, sample, target},
    words::{CIDRS_V4, CIDRS_V6, HEADERS, HOSTS, METHODS, PATHS, PORTS, PRINCIPALS, SNIS, VALUES},
};
use serde_json::{Map, Value, json};

/// How many HTTP requests agree in all that belongs to the connection.
const PER_CONNECTION: usize = 7;

/// What belongs to the connection.
type Ends = Map<String, Value>;

impl Draw {
    pub(super) fn requests(&mut self) -> Vec<Value> {
        self.setting.claims = self.random.chance(15);
        let mut requests = Vec::with_capacity(REQUESTS);
        while requests.len() < REQUESTS {
            let ends = self.ends();
            if self.random.chance(40) {
                let mut request = ends.clone();
                request.insert("protocol".into(), json!("tcp"));
                // Somebody else's TLS, passed through.
                if !request.contains_key("source.principal") && self.random.chance(25) {
                    request.insert("sni".into(), json!(self.sni()));
                }
                requests.push(self.finish(request));
            }
            for _ in 0..PER_CONNECTION {
                let request = self.http(ends.clone());
                requests.push(request);
            }
        }
        requests.truncate(REQUESTS);
        requests
    }

    fn ends(&mut self) -> Ends {
        let mut ends = Ends::new();
        // A connection has no mapped addresses, and a PROXY header that names one makes it IPv6.
        let source = self.ip().to_canonical();
        // Both ends are of one family.
        let mut destination = self.ip().to_canonical();
        if source.is_ipv6() != destination.is_ipv6() {
            destination =
                if source.is_ipv6() { [0xFD00, 0, 0, 0, 0, 0, 0, 9].into() } else { [10, 0, 0, 9].into() };
        }
        ends.insert("source.ip".into(), json!(source.to_string()));
        ends.insert("destination.ip".into(), json!(destination.to_string()));
        ends.insert("destination.port".into(), json!(self.port()));
        if self.random.chance(75) {
            ends.insert("source.principal".into(), json!(self.principal()));
            if self.random.chance(60) {
                ends.insert("sni".into(), json!(self.sni()));
            }
        }
        ends
    }

    fn http(&mut self, mut request: Ends) -> Value {
        let method = self.method();
        if method != "GET" || self.random.chance(20) {
            request.insert("method".into(), json!(method));
        }
        let pattern = match self.random.chance(80) && !self.named.paths.is_empty() {
            true => self.random.pick(&self.named.paths),
            false => self.random.pick(PATHS).to_owned(),
        };
        let mut path = target(&mut self.random, &pattern);
        // What no policy ever sees is drawn more rarely than it is in the words.
        if self.random.chance(88) {
            path = path.replace(|c: char| !c.is_ascii(), "e").replace("%00", "%20").replace(' ', "+");
            if !path.starts_with('/') {
                path.insert(0, '/');
            }
        }
        if self.setting.redirects && self.random.chance(60) {
            path.push_str(self.random.pick(&["%2Fb", "%5c..%2fa", "%2f"]));
        }
        request.insert("path".into(), json!(path));
        request.insert("host".into(), json!(self.host()));
        self.form(&mut request);
        for (name, value) in self.named.headers.clone() {
            let settable = !name.starts_with(':')
                && !["host", "authorization", "x-forwarded-for"].contains(&name.as_str());
            if settable && self.random.chance(60) {
                self.header(&mut request, &name, &value);
            }
        }
        if self.random.chance(15) {
            let (name, value) = (
                self.random.pick(&["X-One", "x-two", "accept", "Cookie", "x-claim"]),
                self.random.pick(VALUES),
            );
            self.header(&mut request, name, value);
        }
        if self.random.chance(3) && !request.contains_key("content-type") {
            self.line(&mut request, "content-type", "application/grpc");
        }
        if method == "OPTIONS" && self.random.chance(60) {
            self.line(&mut request, "origin", "http://b.test");
            self.line(&mut request, "access-control-request-method", "GET");
        }
        self.client(&mut request);
        self.tokens(&mut request);
        for (namespace, key, value) in self.named.metadata.clone() {
            if self.random.chance(60) {
                let value = self.metadata(&value);
                let metadata = request.entry("metadata").or_insert_with(|| json!({}));
                let of =
                    metadata.as_object_mut().map(|all| all.entry(namespace).or_insert_with(|| json!({})));
                if let Some(of) = of.and_then(Value::as_object_mut) {
                    of.insert(key, value);
                }
            }
        }
        self.finish(request)
    }

    /// Now and then another form than a method with a path: CONNECT, `*`, an absolute target, QUERY, an upgrade.
    fn form(&mut self, request: &mut Ends) {
        match self.random.below(100) {
            0..4 => {
                request.insert("method".into(), json!("CONNECT"));
                let mut host = self.host();
                if !host.contains(':') || self.random.chance(10) {
                    host.push_str(self.random.pick(&[":443", ":8080", ":80"]));
                }
                request.insert("host".into(), json!(host));
            }
            4 => {
                request.insert("path".into(), json!(self.random.pick(&["*", "*", "*/a"])));
                let method = self.random.pick(&["OPTIONS", "OPTIONS", "GET"]);
                request.insert("method".into(), json!(method));
            }
            5..9 => {
                let scheme = self.random.pick(&["http", "http", "http", "https", "HTTP"]);
                let user = self.random.pick(&["", "", "", "u@", "u:p@"]);
                let host = self.host();
                let path = request.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
                request.insert("path".into(), json!(format!("{scheme}://{user}{host}{path}")));
            }
            9 => {
                request.insert("method".into(), json!("QUERY"));
                match self.random.below(4) {
                    0 => {}
                    1 => self.line(request, "content-type", ""),
                    _ => self.line(request, "Content-Type", "application/sql"),
                }
            }
            10 => {
                let kind = self.random.pick(&["websocket", "WebSocket", "websocket", "h2c", "tls"]);
                self.line(request, "upgrade", kind);
                if self.random.chance(80) {
                    let connection = self.random.pick(&["upgrade", "keep-alive, Upgrade", "Upgrade, x-one"]);
                    self.line(request, "connection", connection);
                }
            }
            11 => self.line(request, "x_one", "one"),
            _ => {}
        }
    }

    /// Nested as requests are written, with what the provider will answer.
    fn finish(&mut self, mut request: Ends) -> Value {
        if let Some(provider) = self.setting.provider.clone() {
            let answer = self.random.pick(&["allow", "allow", "deny", "error"]);
            let mut answers = Map::new();
            answers.insert(provider, json!(answer));
            request.insert("extAuthz".into(), Value::Object(answers));
        }
        for (flat, outer, inner) in [
            ("source.ip", "source", "ip"),
            ("source.principal", "source", "principal"),
            ("destination.ip", "destination", "ip"),
            ("destination.port", "destination", "port"),
        ] {
            if let Some(value) = request.remove(flat) {
                let outer = request.entry(outer).or_insert_with(|| json!({}));
                if let Some(outer) = outer.as_object_mut() {
                    outer.insert(inner.into(), value);
                }
            }
        }
        Value::Object(request)
    }

    /// The client behind the peer.
    fn client(&mut self, request: &mut Ends) {
        match self.random.below(10) {
            0 | 1 if self.setting.proxy != "gateway" || self.setting.hops > 0 => {
                let client = self.ip();
                request.insert("remoteIp".into(), json!(client.to_string()));
            }
            2..5 => {
                let mut entries = Vec::new();
                for _ in 0..self.random.pick(&[1, 1, 2, 3]) {
                    let ip = self.ip();
                    entries.push(match self.random.below(12) {
                        0 => format!("{ip}:55"),
                        1 => "unknown".into(),
                        2 => String::new(),
                        3 => format!("[{ip}]"),
                        _ => ip.to_string(),
                    });
                }
                let separator = self.random.pick(&[", ", ",", " , "]);
                self.line(request, "x-forwarded-for", &entries.join(separator));
                if self.random.chance(20) {
                    let ip = self.ip();
                    self.line(request, "X-Forwarded-For", &ip.to_string());
                }
            }
            _ => {}
        }
    }

    fn header(&mut self, request: &mut Ends, name: &str, pattern: &str) {
        let name = match self.random.below(8) {
            0 => name.to_ascii_uppercase(),
            1 => name.to_ascii_lowercase(),
            _ => name.to_owned(),
        };
        let value = sample(&mut self.random, pattern);
        let name =
            if HEADERS.iter().any(|known| known.eq_ignore_ascii_case(&name)) { name } else { "x-two".into() };
        self.line(request, &name, &value);
        if self.random.chance(15) {
            let other = self.random.pick(VALUES);
            self.line(request, &name, other);
        }
    }

    fn metadata(&mut self, pattern: &str) -> Value {
        let plain = pattern.trim_start_matches('[').trim_end_matches(']');
        let text = sample(&mut self.random, plain);
        match self.random.below(6) {
            0 => json!([text, "other"]),
            1 => json!(5),
            2 => json!([]),
            3 => json!(["other", text]),
            _ => json!(text),
        }
    }

    fn method(&mut self) -> &'static str {
        let wanted = self.random.pick(&self.named.methods.clone());
        let known = METHODS.iter().find(|method| **method == wanted);
        match known {
            Some(method) if self.random.chance(60) => method,
            _ if self.random.chance(40) => "GET",
            _ => self.random.pick(METHODS),
        }
    }

    fn host(&mut self) -> String {
        let pattern = match self.random.chance(80) && !self.named.hosts.is_empty() {
            true => self.random.pick(&self.named.hosts.clone()),
            false => self.random.pick(HOSTS).to_owned(),
        };
        let host = sample(&mut self.random, &pattern);
        // An asterisk may stand in a host, as little else may.
        let odd = if self.random.chance(10) { "-.:[]_*" } else { "-.:" };
        let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || odd.contains(*c)).collect();
        if host.is_empty() { "a.test".into() } else { host }
    }

    fn port(&mut self) -> u16 {
        match self.named.ports.clone() {
            ports if !ports.is_empty() && self.random.chance(75) => {
                let port = self.random.pick(&ports);
                match self.random.below(6) {
                    0 => port.saturating_add(1),
                    1 => port.saturating_sub(1).max(1),
                    _ => port,
                }
            }
            _ => self.random.pick(PORTS),
        }
    }

    fn ip(&mut self) -> std::net::IpAddr {
        let range = match self.random.chance(75) && !self.named.ranges.is_empty() {
            true => self.random.pick(&self.named.ranges.clone()),
            false if self.random.chance(15) => self.random.pick(CIDRS_V6).to_owned(),
            false => self.random.pick(CIDRS_V4).to_owned(),
        };
        address(&mut self.random, &range).unwrap_or([10, 0, 0, 1].into())
    }

    fn sni(&mut self) -> String {
        let pattern = match self.random.chance(70) && !self.named.snis.is_empty() {
            true => self.random.pick(&self.named.snis.clone()),
            false => self.random.pick(SNIS).to_owned(),
        };
        let sni = sample(&mut self.random, &pattern);
        let label = |label: &str| {
            !label.is_empty()
                && label.len() < 60
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let letters =
            sni.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_alphabetic()));
        if letters && sni.split('.').all(label) { sni } else { "a.test".into() }
    }

    /// Whom the client's certificate names.
    fn principal(&mut self) -> String {
        let named = &self.named;
        let pick = self.random.below(10);
        let (td, principals) = (self.setting.trust_domain.clone(), named.principals.clone());
        let (namespaces, accounts, domains) =
            (named.namespaces.clone(), named.accounts.clone(), named.domains.clone());
        let random = &mut self.random;
        let written = match pick {
            0..4 if !principals.is_empty() => {
                let pattern = random.pick(&principals);
                let plain = pattern.strip_prefix("spiffe://").unwrap_or(&pattern).to_owned();
                match plain.strip_prefix('*') {
                    Some(rest) if rest.starts_with('/') => format!("{td}{rest}"),
                    _ => sample(random, &plain),
                }
            }
            4 | 5 if !namespaces.is_empty() => {
                let pattern = random.pick(&namespaces);
                format!("{td}/ns/{}/sa/web", sample(random, &pattern))
            }
            6 | 7 if !accounts.is_empty() => {
                let account = random.pick(&accounts);
                let (namespace, name) = account.split_once('/').unwrap_or(("foo", &account));
                format!("{td}/ns/{namespace}/sa/{}", sample(random, name))
            }
            8 if !domains.is_empty() => {
                let pattern = random.pick(&domains);
                format!("{}/ns/foo/sa/web", sample(random, &pattern))
            }
            _ => random.pick(PRINCIPALS).to_owned(),
        };
        let written: String = written
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-./_*".contains(c) { c } else { '-' })
            .collect();
        if written.is_empty() || written.starts_with('/') {
            PRINCIPALS.first().map_or_else(String::new, |p| (*p).into())
        } else {
            written
        }
    }
}
