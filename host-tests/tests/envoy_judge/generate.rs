//! Worlds out of a seed: a few policies for one workload and requests that have a chance to match them, because both
//! draw from the same few words.

use gnomon_engine::{
    Mesh, Workload,
    jwt::Json,
    request::Protocol,
    resource::{Resources, manifest::manifests},
    workload::{PathNormalization, ProxyKind},
};
use gnomon_host_tests::tokens::TestKey;
use gnomon_manifests::{load_text, request::RequestSpec};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A set of policies, the workload that they are for, and requests.
pub(crate) struct World {
    pub(crate) resources: Arc<Resources>,
    pub(crate) workload: Workload,
    pub(crate) mesh: Mesh,
    pub(crate) requests: Vec<RequestSpec>,
}

impl World {
    /// All that one request's verdict hangs on.
    pub(crate) fn describe(&self, request: usize) -> String {
        let policies: Vec<String> = manifests(&self.resources).iter().map(Value::to_string).collect();
        format!(
            "{}\n{:?}\n{:?}\n{:?}",
            policies.join("\n"),
            self.workload,
            self.mesh,
            self.requests.get(request)
        )
    }
}

/// SplitMix64: the same world for the same seed, everywhere.
pub(crate) struct Random(u64);

const PRINCIPALS: &[&str] = &[
    "cluster.local/ns/foo/sa/web",
    "cluster.local/ns/foo/sa/api",
    "cluster.local/ns/bar/sa/web",
    "other.td/ns/foo/sa/web",
];
const NAMESPACES: &[&str] = &["foo", "bar", "istio-system"];
const IPS: &[&str] = &["10.0.0.1", "10.0.0.2", "10.1.0.1", "192.168.1.9"];
const CIDRS: &[&str] =
    &["10.0.0.1", "10.0.0.0/24", "10.0.0.0/8", "192.168.0.0/16", "0.0.0.0/0", "2001:db8::/32"];
const HOSTS: &[&str] = &["a.test", "A.test", "a.test:8080", "b.a.test", "b.test"];
const METHODS: &[&str] = &["GET", "POST", "DELETE"];
const PORTS: &[&str] = &["8080", "9090"];
const VALUES: &[&str] = &["one", "two", "one,two"];
const GROUPS: &[&str] = &["admin", "user", "admins"];
const SNIS: &[&str] = &["a.test", "b.a.test", "db.test"];
const SUBJECTS: &[&str] = &["u1", "u2", "a/b"];
const ISSUER: &str = "https://issuer.test";
const OTHER_ISSUER: &str = "https://other.test";

/// What people write in policies …
const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/*",
    "/a*",
    "*b",
    "*",
    "/a//b",
    "/a%2Fb",
    "/a%20b",
    "/A",
    "/a/{*}",
    "/{**}",
    "/a/{**}/c",
];
/// … and what clients send.
const TARGETS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b?x=/c",
    "/a?x",
    "//a/b",
    "/a//b",
    "/a/./b",
    "/a/../b",
    "/x/%2e%2e/a/b",
    "/a%2Fb",
    "/a%2fb",
    "/%61/b",
    "/a%20b",
    "/a;x/b",
    "/a/..;x/b",
    "/a\\b",
    "/A",
    "/a/x/y/c",
    "/a/c",
    "/a#b",
];

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        // Mixed, or neighbouring seeds would go through the same numbers, one behind the other.
        Random(Random(seed).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// True in so many of a hundred cases.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        let place = self.below(from.len());
        from.get(place).copied().unwrap()
    }

    /// Policies that admission takes: what it refuses is drawn again.
    pub(crate) fn world(&mut self) -> World {
        let mut resources = self.resources();
        while resources.is_none() {
            resources = self.resources();
        }
        let levels = [
            PathNormalization::Base,
            PathNormalization::Base,
            PathNormalization::None,
            PathNormalization::MergeSlashes,
            PathNormalization::DecodeAndMergeSlashes,
        ];
        let level = self.below(levels.len());
        let mesh = Mesh {
            path_normalization: levels.get(level).copied().unwrap(),
            trust_domain_aliases: if self.chance(25) { vec!["other.td".into()] } else { Vec::new() },
            num_trusted_proxies: u32::from(self.chance(50)),
            ..Mesh::default()
        };
        let workload = Workload {
            name: "web".into(),
            namespace: "foo".into(),
            labels: vec![("app".into(), "web".into())],
            proxy: if self.chance(25) { ProxyKind::Gateway } else { ProxyKind::Sidecar },
            ..Workload::default()
        };
        let requests = (0..25).map(|_| self.request(&workload, &mesh)).collect();
        World { resources: Arc::new(resources.unwrap()), workload, mesh, requests }
    }

    fn resources(&mut self) -> Option<Resources> {
        let mut objects = Vec::new();
        for number in 0..=self.below(5) {
            objects.push(self.authorization_policy(number));
        }
        if self.chance(60) {
            objects.push(self.request_authentication());
        }
        if self.chance(25) {
            let mode = self.pick(&["STRICT", "PERMISSIVE"]);
            objects.push(json!({
                "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
                "metadata": {"name": "default", "namespace": "foo"}, "spec": {"mtls": {"mode": mode}},
            }));
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let loaded = load_text(&list.to_string(), "random.json");
        (!loaded.has_errors()).then_some(loaded.resources)
    }

    fn request_authentication(&mut self) -> Value {
        let mut rules = vec![self.jwt_rule(ISSUER)];
        if self.chance(30) {
            rules.push(self.jwt_rule(OTHER_ISSUER));
        }
        json!({
            "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"name": "jwt", "namespace": "foo"}, "spec": {"jwtRules": rules},
        })
    }

    fn jwt_rule(&mut self, issuer: &str) -> Value {
        let mut rule = json!({"issuer": issuer, "jwks": TestKey::Es256.jwks()});
        let fields = rule.as_object_mut().unwrap();
        if self.chance(30) {
            fields.insert("audiences".into(), json!(["web"]));
        }
        match self.below(5) {
            0 => _ = fields.insert("fromHeaders".into(), json!([{"name": "x-token", "prefix": "T "}])),
            1 => _ = fields.insert("fromParams".into(), json!(["token"])),
            2 => _ = fields.insert("fromCookies".into(), json!(["token"])),
            _ => {}
        }
        if self.chance(30) {
            fields.insert("forwardOriginalToken".into(), json!(true));
        }
        if self.chance(30) {
            fields.insert("outputClaimToHeaders".into(), json!([{"header": "x-group", "claim": "group"}]));
        }
        rule
    }

    fn authorization_policy(&mut self, number: usize) -> Value {
        let action = self.pick(&["ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "AUDIT"]);
        let mut spec = Map::new();
        spec.insert("action".into(), json!(action));
        if self.chance(40) {
            let label = self.pick(&["web", "web", "web", "other"]);
            spec.insert("selector".into(), json!({"matchLabels": {"app": label}}));
        }
        if action != "ALLOW" || self.chance(95) {
            let rules: Vec<Value> = (0..=self.below(3)).map(|_| self.rule()).collect();
            spec.insert("rules".into(), json!(rules));
        }
        let namespace = self.pick(&["foo", "foo", "foo", "istio-system", "bar"]);
        let mut metadata = json!({"name": format!("p{number}"), "namespace": namespace});
        if action != "AUDIT" && self.chance(15) {
            metadata
                .as_object_mut()
                .unwrap()
                .insert("annotations".into(), json!({"istio.io/dry-run": "true"}));
        }
        json!({
            "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": metadata, "spec": spec,
        })
    }

    fn rule(&mut self) -> Value {
        let mut rule = Map::new();
        if self.chance(60) {
            let from: Vec<Value> = (0..=self.below(2)).map(|_| json!({"source": self.source()})).collect();
            rule.insert("from".into(), json!(from));
        }
        if self.chance(60) {
            let to: Vec<Value> =
                (0..=self.below(2)).map(|_| json!({"operation": self.operation()})).collect();
            rule.insert("to".into(), json!(to));
        }
        if self.chance(40) {
            let when: Vec<Value> = (0..=self.below(2)).map(|_| self.condition()).collect();
            rule.insert("when".into(), json!(when));
        }
        Value::Object(rule)
    }

    fn source(&mut self) -> Value {
        let mut source = Map::new();
        for _ in 0..=self.below(2) {
            match self.below(7) {
                0 | 1 => self.field(&mut source, "principals", "notPrincipals", PRINCIPALS, true),
                2 => self.field(&mut source, "namespaces", "notNamespaces", NAMESPACES, true),
                3 => self.field(&mut source, "ipBlocks", "notIpBlocks", CIDRS, false),
                4 => self.field(&mut source, "remoteIpBlocks", "notRemoteIpBlocks", CIDRS, false),
                5 => self.request_principals(&mut source),
                _ => self.field(
                    &mut source,
                    "trustDomains",
                    "notTrustDomains",
                    &["cluster.local", "other.td"],
                    false,
                ),
            }
        }
        Value::Object(source)
    }

    fn request_principals(&mut self, source: &mut Map<String, Value>) {
        let any = [
            "*",
            "https://issuer.test/*",
            "https://issuer.test/u1",
            "*/u1",
            "https://*",
            "*u2",
            "https://other.test/*",
        ];
        self.field(source, "requestPrincipals", "notRequestPrincipals", &any, false);
    }

    fn operation(&mut self) -> Value {
        let mut operation = Map::new();
        for _ in 0..=self.below(2) {
            match self.below(5) {
                0 => self.field(&mut operation, "hosts", "notHosts", HOSTS, true),
                1 => self.field(&mut operation, "methods", "notMethods", METHODS, true),
                2 => self.field(&mut operation, "ports", "notPorts", PORTS, false),
                _ => self.field(&mut operation, "paths", "notPaths", PATHS, false),
            }
        }
        Value::Object(operation)
    }

    fn condition(&mut self) -> Value {
        let (key, from, shapes): (&str, &[&str], bool) = match self.below(13) {
            0 | 1 => ("request.headers[X-One]", VALUES, true),
            2 => ("request.headers[accept]", VALUES, true),
            3 => ("source.ip", CIDRS, false),
            4 => ("remote.ip", CIDRS, false),
            5 => ("destination.ip", CIDRS, false),
            6 => ("destination.port", PORTS, false),
            7 => ("connection.sni", SNIS, true),
            8 => ("request.auth.claims[group]", GROUPS, true),
            9 => ("request.auth.claims[nested][group]", GROUPS, true),
            10 => ("request.auth.audiences", &["web", "api"], true),
            11 => ("source.principal", PRINCIPALS, true),
            _ => ("source.namespace", NAMESPACES, true),
        };
        let mut condition = Map::new();
        condition.insert("key".into(), json!(key));
        self.field(&mut condition, "values", "notValues", from, shapes);
        Value::Object(condition)
    }

    /// Values, not-values or both; with `shapes`, sometimes with a `*` at an end or alone.
    fn field(
        &mut self,
        of: &mut Map<String, Value>,
        name: &str,
        not_name: &str,
        from: &[&str],
        shapes: bool,
    ) {
        let kind = self.below(10);
        if kind < 8 {
            of.insert(name.into(), self.values(from, shapes));
        }
        if kind > 6 {
            of.insert(not_name.into(), self.values(from, shapes));
        }
    }

    fn values(&mut self, from: &[&str], shapes: bool) -> Value {
        let count = 1 + self.below(2);
        (0..count)
            .map(|_| {
                let value = self.pick(from);
                let half = value.len() / 2;
                match self.below(8) {
                    0 if shapes => json!("*"),
                    1 if shapes => json!(format!("{}*", value.get(..half).unwrap_or(value))),
                    2 if shapes => json!(format!("*{}", value.get(half..).unwrap_or(value))),
                    _ => json!(value),
                }
            })
            .collect()
    }

    fn request(&mut self, workload: &Workload, mesh: &Mesh) -> RequestSpec {
        let ip = |text: &str| Some(text.parse().unwrap());
        let mut request = RequestSpec {
            method: self.pick(METHODS).into(),
            path: self.pick(TARGETS).into(),
            host: Some(self.pick(HOSTS).into()),
            source_ip: ip(self.pick(IPS)),
            destination_ip: ip(self.pick(IPS)),
            destination_port: Some(self.pick(PORTS).parse().unwrap()),
            ..RequestSpec::default()
        };
        if self.chance(70) {
            request.principal = Some(self.pick(PRINCIPALS).into());
            request.sni = self.chance(50).then(|| self.pick(SNIS).into());
        }
        if self.chance(15) {
            request.protocol = Protocol::Tcp;
            return request;
        }
        if self.chance(30) && (workload.proxy == ProxyKind::Sidecar || mesh.num_trusted_proxies > 0) {
            request.remote_ip = ip(self.pick(IPS));
        }
        for _ in 0..self.below(3) {
            let name = self.pick(&["x-one", "X-One", "accept", "x-group"]);
            request.headers.push((name.into(), self.pick(VALUES).into()));
        }
        match self.below(10) {
            0..5 => request.claims = Json::parse(self.claims().to_string().as_bytes()),
            5 => request.token = Some(self.pick(&["garbage", "a.b.c", "..", ""]).into()),
            _ => {}
        }
        request
    }

    fn claims(&mut self) -> Value {
        let issuer = self.pick(&[ISSUER, ISSUER, ISSUER, OTHER_ISSUER, "https://stranger.test"]);
        let mut claims = json!({"iss": issuer, "sub": self.pick(SUBJECTS)});
        let fields = claims.as_object_mut().unwrap();
        match self.below(4) {
            0 => _ = fields.insert("aud".into(), json!(["api", "web"])),
            1 => _ = fields.insert("aud".into(), json!(self.pick(&["web", "api"]))),
            _ => {}
        }
        match self.below(5) {
            0 => _ = fields.insert("group".into(), json!([self.pick(GROUPS), self.pick(GROUPS)])),
            1 => _ = fields.insert("group".into(), json!(7)),
            2 | 3 => _ = fields.insert("group".into(), json!(self.pick(GROUPS))),
            _ => {}
        }
        if self.chance(40) {
            fields.insert("nested".into(), json!({"group": self.pick(GROUPS)}));
        }
        match self.below(8) {
            0 => _ = fields.insert("exp".into(), json!(1_000_000)),
            1 => _ = fields.insert("nbf".into(), json!(4_000_000_000_u64)),
            2 => _ = fields.insert("exp".into(), json!(4_000_000_000_u64)),
            _ => {}
        }
        claims
    }
}
