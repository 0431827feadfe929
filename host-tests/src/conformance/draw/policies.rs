//! Policies.

use super::{
    Draw,
    mutate::{near, template},
    words::{
        ACCOUNTS, AUDIENCES, CIDRS_V4, CIDRS_V6, CLAIMS, DOMAINS, GROUPS, HEADERS, HOSTS, ISSUERS, METADATA,
        METHOD_PATTERNS, METHODS, NAMESPACES, PATHS, PORTS, PRINCIPAL_PATTERNS, PRINCIPALS, PSEUDO_HEADERS,
        SNI_PATTERNS, SNIS, SUBJECTS, VALUES,
    },
};
use serde_json::{Map, Value, json};

/// What a field of a rule holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Principals,
    Namespaces,
    Accounts,
    Domains,
    Ranges,
    RequestPrincipals,
    Hosts,
    Methods,
    Paths,
    Ports,
    Snis,
    Audiences,
    Presenters,
}

impl Draw {
    pub(super) fn authorization_policy(&mut self, number: usize) -> Value {
        let custom = if self.setting.provider.is_some() { 25 } else { 2 };
        let action = match self.random.below(100) {
            value if value < custom => "CUSTOM",
            value if value < custom + 12 => "AUDIT",
            value if value < custom + 42 => "DENY",
            _ => "ALLOW",
        };
        let mut spec = Map::new();
        if action != "ALLOW" || self.random.chance(20) {
            spec.insert("action".into(), json!(action));
        }
        if action == "CUSTOM" {
            let known = self.setting.provider.clone().filter(|_| self.random.chance(95));
            spec.insert("provider".into(), json!({"name": known.unwrap_or_else(|| "nobody".into())}));
        }
        self.target(&mut spec);
        if action == "DENY" || action == "CUSTOM" || self.random.chance(96) {
            let count = self.random.pick(&[1, 1, 1, 2, 2, 3, 12]);
            let rules: Vec<Value> = (0..count).map(|_| self.rule(action)).collect();
            spec.insert("rules".into(), json!(rules));
        }
        let namespace = self.random.pick(&["foo", "foo", "foo", "istio-system", "bar"]);
        let name = self.random.pick(&["p", "q", "P", "p-a", "p.a"]);
        let mut metadata = json!({"name": format!("{name}{number}"), "namespace": namespace});
        if let (Some(fields), true) =
            (metadata.as_object_mut(), matches!(action, "ALLOW" | "DENY") && self.random.chance(18))
        {
            let word = self.random.pick(&["true", "true", "T", "1", "false"]);
            fields.insert("annotations".into(), json!({"istio.io/dry-run": word}));
        }
        object("AuthorizationPolicy", metadata, spec)
    }

    /// One that applies to the workload, with many rules.
    pub(super) fn allow_policy(&mut self) -> Value {
        let mut spec = Map::new();
        if self.setting.proxy == "waypoint" {
            let gateway = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"});
            spec.insert("targetRefs".into(), json!([gateway]));
        }
        let count = self.random.pick(&[1, 2, 3, 6]);
        let rules: Vec<Value> = (0..count).map(|_| self.rule("ALLOW")).collect();
        spec.insert("rules".into(), json!(rules));
        object("AuthorizationPolicy", json!({"name": "most", "namespace": "foo"}), spec)
    }

    /// Whom a policy is for: nobody in particular, labels, or targets.
    pub(super) fn target(&mut self, spec: &mut Map<String, Value>) {
        let references = match self.setting.proxy {
            "waypoint" => 92,
            "gateway" if self.setting.gateway_label => 40,
            _ => 3,
        };
        if self.random.chance(references) {
            let service = json!({"kind": "Service", "name": self.random.pick(&["web", "api"])});
            let gateway = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": self.random.pick(&["gw", "gw", "other"])});
            let class = json!({"group": "gateway.networking.k8s.io", "kind": "GatewayClass", "name": "istio-waypoint"});
            let reference = match (self.setting.proxy, self.random.below(4)) {
                ("waypoint", 0 | 1) => service,
                ("waypoint", 2) => class,
                _ => gateway,
            };
            spec.insert("targetRefs".into(), json!([reference]));
        } else if self.random.chance(40) {
            let labels = match self.random.below(5) {
                0 => json!({"app": "other"}),
                1 => json!({"app": "web", "version": "v1"}),
                2 => json!({"version": ""}),
                _ => json!({"app": "web"}),
            };
            spec.insert("selector".into(), json!({"matchLabels": labels}));
        }
    }

    fn rule(&mut self, action: &str) -> Value {
        let mut rule = Map::new();
        if self.random.chance(55) {
            let count = self.random.pick(&[1, 1, 1, 2, 3]);
            let from: Vec<Value> = (0..count).map(|_| json!({"source": self.source(action)})).collect();
            rule.insert("from".into(), json!(from));
        }
        if self.random.chance(60) {
            let count = self.random.pick(&[1, 1, 1, 2, 3]);
            let to: Vec<Value> = (0..count).map(|_| json!({"operation": self.operation()})).collect();
            rule.insert("to".into(), json!(to));
        }
        if self.random.chance(45) {
            let count = self.random.pick(&[1, 1, 2]);
            let when: Vec<Value> = (0..count).map(|_| self.condition(action)).collect();
            rule.insert("when".into(), json!(when));
        }
        Value::Object(rule)
    }

    fn source(&mut self, action: &str) -> Value {
        let mut source = Map::new();
        let accounts = self.random.chance(15) && self.setting.minor >= 25;
        for _ in 0..self.random.pick(&[1, 1, 1, 2, 3]) {
            let blocks = [("ipBlocks", "notIpBlocks"), ("remoteIpBlocks", "notRemoteIpBlocks")];
            let (names, field) = match self.random.below(12) {
                0 | 1 if self.setting.proxy == "waypoint" => (blocks[1], Field::Ranges),
                0 | 1 => (blocks[0], Field::Ranges),
                2 | 3 => (blocks[1], Field::Ranges),
                // The rest is none of what CUSTOM may ask.
                _ if action == "CUSTOM" => (blocks[1], Field::Ranges),
                4 | 5 => (("requestPrincipals", "notRequestPrincipals"), Field::RequestPrincipals),
                6 if self.setting.minor >= 30 => (("trustDomains", "notTrustDomains"), Field::Domains),
                _ if accounts => (("serviceAccounts", "notServiceAccounts"), Field::Accounts),
                7 | 8 => (("namespaces", "notNamespaces"), Field::Namespaces),
                _ => (("principals", "notPrincipals"), Field::Principals),
            };
            self.both(&mut source, names, field);
        }
        Value::Object(source)
    }

    fn operation(&mut self) -> Value {
        let mut operation = Map::new();
        for _ in 0..self.random.pick(&[1, 1, 1, 2, 3]) {
            let (names, field) = match self.random.below(7) {
                0 => (("hosts", "notHosts"), Field::Hosts),
                1 | 2 => (("methods", "notMethods"), Field::Methods),
                3 => (("ports", "notPorts"), Field::Ports),
                _ => (("paths", "notPaths"), Field::Paths),
            };
            self.both(&mut operation, names, field);
        }
        Value::Object(operation)
    }

    fn condition(&mut self, action: &str) -> Value {
        let custom = action == "CUSTOM";
        let mut condition = Map::new();
        let field = |key: &str, field: Field| (key.to_owned(), field);
        let (key, field) = match self.random.below(20) {
            0..4 => return self.header_condition(),
            4 => return self.metadata_condition(),
            5 if self.setting.proxy != "waypoint" => field("source.ip", Field::Ranges),
            5 | 6 => field("remote.ip", Field::Ranges),
            7 => field("destination.ip", Field::Ranges),
            8 => field("destination.port", Field::Ports),
            9 | 10 => field("connection.sni", Field::Snis),
            _ if custom => return self.header_condition(),
            11..15 => return self.claim_condition(),
            15 => field("request.auth.audiences", Field::Audiences),
            16 => field("request.auth.presenter", Field::Presenters),
            17 => field("request.auth.principal", Field::RequestPrincipals),
            18 => field("source.principal", Field::Principals),
            _ => match self.random.below(3) {
                0 if self.setting.minor >= 25 => field("source.serviceAccount", Field::Accounts),
                1 if self.setting.minor >= 30 => field("source.trustDomain", Field::Domains),
                _ => field("source.namespace", Field::Namespaces),
            },
        };
        condition.insert("key".into(), json!(key));
        self.both(&mut condition, ("values", "notValues"), field);
        Value::Object(condition)
    }

    fn header_condition(&mut self) -> Value {
        let name = match self.random.chance(75) {
            true => self.random.pick(HEADERS),
            false => self.random.pick(PSEUDO_HEADERS),
        };
        let value = |draw: &mut Self| {
            let value = match name {
                ":path" => draw.random.pick(PATHS),
                ":method" => draw.random.pick(METHODS),
                ":authority" | "host" => draw.random.pick(HOSTS),
                ":scheme" | "x-forwarded-proto" => draw.random.pick(&["http", "https", "HTTP", "*"]),
                "authorization" => draw.random.pick(&["*", "Bearer *", "Basic x"]),
                "x-forwarded-for" => draw.random.pick(&["10.0.0.1", "*", "203.0.113.*", "10.0.0.1,10.0.0.2"]),
                _ => draw.random.pick(VALUES),
            };
            let value = if value.is_empty() { "one" } else { value };
            draw.named.headers.push((name.to_owned(), value.to_owned()));
            value.to_owned()
        };
        self.pair(&format!("request.headers[{name}]"), value)
    }

    fn claim_condition(&mut self) -> Value {
        let mut path = vec![self.random.pick(CLAIMS).to_owned()];
        while self.random.chance(25) && path.len() < 3 {
            path.push(self.random.pick(CLAIMS).to_owned());
        }
        if self.random.chance(10) {
            path = vec![self.random.pick(&["iss", "sub", "aud", "azp", "exp"]).to_owned()];
        }
        let key: String = path.iter().map(|name| format!("[{name}]")).collect();
        let value = |draw: &mut Self| {
            let value = draw.random.pick(GROUPS);
            let value = if value.is_empty() { "admin" } else { value };
            let value = match draw.random.below(8) {
                0 => "*".into(),
                1 => format!("{}*", value.get(..2).unwrap_or(value)),
                2 => format!("*{}", value.get(1..).unwrap_or(value)),
                _ => value.to_owned(),
            };
            draw.named.claims.push((path.clone(), value.clone()));
            value
        };
        self.pair(&format!("request.auth.claims{key}"), value)
    }

    fn metadata_condition(&mut self) -> Value {
        let (filter, key) = self.random.pick(METADATA);
        let value = |draw: &mut Self| {
            let value =
                draw.random.pick(&["one", "[one]", "on*", "[*ne]", "*", "[*]", "[one", "two"]).to_owned();
            draw.named.metadata.push((format!("envoy.filters.{filter}"), key.to_owned(), value.clone()));
            value
        };
        self.pair(&format!("experimental.envoy.filters.{filter}[{key}]"), value)
    }

    fn pair(&mut self, key: &str, value: impl Fn(&mut Self) -> String) -> Value {
        let mut condition = Map::new();
        condition.insert("key".into(), json!(key));
        let kind = self.random.below(10);
        for (name, wanted) in [("values", kind < 8), ("notValues", kind > 6)] {
            if wanted {
                let count = self.random.pick(&[1, 1, 2]);
                let values: Vec<String> = (0..count).map(|_| value(self)).collect();
                condition.insert(name.into(), json!(values));
            }
        }
        Value::Object(condition)
    }

    /// Values, not-values or both.
    fn both(&mut self, of: &mut Map<String, Value>, (name, not_name): (&str, &str), field: Field) {
        let kind = self.random.below(10);
        for (name, wanted) in [(name, kind < 8), (not_name, kind > 6)] {
            if wanted {
                let count = self.random.pick(&[1, 1, 2, 3]);
                let values: Vec<String> = (0..count).map(|_| self.value(field)).collect();
                of.insert(name.into(), json!(values));
            }
        }
    }

    fn value(&mut self, field: Field) -> String {
        let value = self.plain(field);
        let free =
            !matches!(field, Field::Ranges | Field::Ports | Field::Accounts | Field::Domains | Field::Paths);
        let value = if free && self.random.chance(8) { near(&mut self.random, &value) } else { value };
        let value = if value.is_empty() { "x".into() } else { value };
        let named = &mut self.named;
        match field {
            Field::Principals => named.principals.push(value.clone()),
            Field::Namespaces => named.namespaces.push(value.clone()),
            Field::Accounts => named.accounts.push(value.clone()),
            Field::Domains => named.domains.push(value.clone()),
            Field::Ranges => named.ranges.push(value.clone()),
            Field::Hosts => named.hosts.push(value.clone()),
            Field::Methods => named.methods.push(value.clone()),
            Field::Paths => named.paths.push(value.clone()),
            Field::Ports => named.ports.extend(value.parse::<u16>()),
            Field::Snis => named.snis.push(value.clone()),
            Field::Audiences => named.audiences.push(value.clone()),
            Field::Presenters => named.presenters.push(value.clone()),
            Field::RequestPrincipals => {
                let (issuer, subject) = value.rsplit_once('/').unwrap_or((&value, ""));
                named.issuers.push(issuer.to_owned());
                named.subjects.push(subject.to_owned());
            }
        }
        value
    }

    fn plain(&mut self, field: Field) -> String {
        let random = &mut self.random;
        match field {
            Field::Principals if random.chance(40) => random.pick(PRINCIPAL_PATTERNS).into(),
            Field::Principals => random.pick(PRINCIPALS).into(),
            Field::Namespaces => random.pick(NAMESPACES).into(),
            Field::Accounts => random.pick(ACCOUNTS).into(),
            Field::Domains => random.pick(DOMAINS).into(),
            Field::Ranges if random.chance(25) => random.pick(CIDRS_V6).into(),
            Field::Ranges => random.pick(CIDRS_V4).into(),
            Field::Hosts => random.pick(HOSTS).into(),
            Field::Methods if random.chance(30) => random.pick(METHOD_PATTERNS).into(),
            Field::Methods => random.pick(METHODS).into(),
            Field::Paths if random.chance(25) => template(random),
            Field::Paths => random.pick(PATHS).into(),
            Field::Ports => random.pick(PORTS).to_string(),
            Field::Snis if random.chance(40) => random.pick(SNI_PATTERNS).into(),
            Field::Snis => random.pick(SNIS).into(),
            Field::Audiences | Field::Presenters => random.pick(AUDIENCES).into(),
            Field::RequestPrincipals => {
                let (issuer, subject) = (random.pick(ISSUERS), random.pick(SUBJECTS));
                let half = issuer.get(issuer.len() / 2..).unwrap_or(issuer);
                match random.below(10) {
                    0 => "*".into(),
                    1 => format!("{issuer}/*"),
                    2 => format!("*{half}/{subject}"),
                    3 => format!("*/{subject}"),
                    4 => format!("{issuer}/{}*", subject.get(..1).unwrap_or_default()),
                    5 => format!("*{}", subject.get(1..).unwrap_or("2")),
                    6 => format!("{}*", issuer.get(..issuer.len() / 2).unwrap_or(issuer)),
                    7 => issuer.into(),
                    _ => format!("{issuer}/{subject}"),
                }
            }
        }
    }

    pub(super) fn peer_authentications(&mut self, resources: &mut Vec<Value>) {
        const MODES: [&str; 5] = ["STRICT", "STRICT", "PERMISSIVE", "DISABLE", "UNSET"];
        for (number, namespace) in ["istio-system", "foo", "foo", "foo"].into_iter().enumerate() {
            if !self.random.chance(35) {
                continue;
            }
            let mut spec = Map::new();
            if self.random.chance(80) {
                spec.insert("mtls".into(), json!({"mode": self.random.pick(&MODES)}));
            }
            if number >= 2 {
                spec.insert(
                    "selector".into(),
                    json!({"matchLabels": {"app": self.random.pick(&["web", "web", "other"])}}),
                );
                if self.random.chance(60) {
                    let mut ports = Map::new();
                    for _ in 0..self.random.pick(&[1, 2]) {
                        let port = self.random.pick(&[8080_u16, 9090, 80, 443]);
                        self.named.ports.push(port);
                        ports.insert(port.to_string(), json!({"mode": self.random.pick(&MODES)}));
                    }
                    spec.insert("portLevelMtls".into(), Value::Object(ports));
                }
            }
            let day = self.random.below(9).saturating_add(1);
            let metadata = json!({
                "name": format!("mtls-{number}"), "namespace": namespace,
                "creationTimestamp": format!("2025-01-0{day}T00:00:00Z"),
            });
            resources.push(object("PeerAuthentication", metadata, spec));
        }
    }
}

pub(super) fn object(kind: &str, metadata: Value, spec: Map<String, Value>) -> Value {
    json!({"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
}
