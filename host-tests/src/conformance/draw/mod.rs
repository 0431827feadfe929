//! A world out of a seed: a few policies for one workload, and requests that are likely to be near a boundary of them,
//! because they are made of the policies' own values.

mod mutate;
mod policies;
mod requests;
mod tokens;
mod words;

use super::{random::Random, world::World};
use serde_json::{Map, Value, json};

/// How many requests a world has.
pub const REQUESTS: usize = 48;

/// What the policies of a world name: what its requests are made of.
#[derive(Debug, Default)]
struct Named {
    principals: Vec<String>,
    namespaces: Vec<String>,
    accounts: Vec<String>,
    domains: Vec<String>,
    ranges: Vec<String>,
    hosts: Vec<String>,
    methods: Vec<String>,
    paths: Vec<String>,
    ports: Vec<u16>,
    snis: Vec<String>,
    headers: Vec<(String, String)>,
    issuers: Vec<String>,
    subjects: Vec<String>,
    audiences: Vec<String>,
    presenters: Vec<String>,
    claims: Vec<(Vec<String>, String)>,
    metadata: Vec<(String, String, String)>,
    rules: Vec<tokens::Rule>,
}

/// Draws a world; the policies of some seeds Istio's admission refuses, and the world then cannot be read.
pub fn world(seed: u64) -> World {
    let mut draw = Draw { random: Random::new(seed), named: Named::default(), setting: Setting::default() };
    draw.world(seed)
}

struct Draw {
    random: Random,
    named: Named,
    setting: Setting,
}

/// What the rest has to fit.
#[derive(Debug, Default)]
struct Setting {
    proxy: &'static str,
    /// Of `istioVersion`: 1.x.
    minor: u32,
    trust_domain: String,
    hops: usize,
    provider: Option<String>,
    /// Tokens are given as claims, for us to sign and place.
    claims: bool,
    gateway_label: bool,
    /// The proxy redirects escaped slashes.
    redirects: bool,
}

impl Draw {
    fn world(&mut self, seed: u64) -> World {
        let (workload, mesh) = (self.workload(), self.mesh());
        self.setting.redirects &= self.setting.minor >= 31;
        let mut resources = Vec::new();
        for number in 0..self.random.pick(&[0, 1, 1, 2, 2, 3, 4]) {
            resources.push(self.request_authentication(number));
            if self.random.chance(70) {
                break;
            }
        }
        for number in 0..=self.random.below(5) {
            resources.push(self.authorization_policy(number));
        }
        // Without an ALLOW policy that applies most requests come to no decision at all.
        if self.random.chance(92) {
            resources.push(self.allow_policy());
        }
        if self.setting.proxy == "sidecar" && self.random.chance(85) {
            self.peer_authentications(&mut resources);
        }
        let tests: Vec<Value> = self
            .requests()
            .into_iter()
            .enumerate()
            .map(|(number, request)| json!({"name": number.to_string(), "request": request, "expect": "allow"}))
            .collect();
        World::new(json!({
            "name": format!("seed {seed}"),
            "workload": workload,
            "mesh": mesh,
            "resources": resources,
            "tests": tests,
        }))
    }

    fn workload(&mut self) -> Value {
        self.setting.proxy =
            self.random.pick(&["sidecar", "sidecar", "sidecar", "gateway", "gateway", "waypoint"]);
        let mut labels = Map::new();
        labels.insert("app".into(), json!("web"));
        if self.random.chance(30) {
            labels.insert("version".into(), json!(self.random.pick(&["v1", "", "v2"])));
        }
        self.setting.gateway_label = match self.setting.proxy {
            "gateway" => self.random.chance(50),
            "waypoint" => true,
            _ => false,
        };
        if self.setting.gateway_label {
            labels.insert("gateway.networking.k8s.io/gateway-name".into(), json!("gw"));
        }
        let mut workload =
            json!({"name": "web", "namespace": "foo", "labels": labels, "proxy": self.setting.proxy});
        let own = if self.setting.proxy == "gateway" { 85 } else { 10 };
        if let (Some(fields), true) = (workload.as_object_mut(), self.random.chance(own)) {
            fields.insert("connectionSettings".into(), self.connection_settings());
        }
        let services = self.setting.proxy == "waypoint" && self.random.chance(80);
        if let (Some(fields), true) = (workload.as_object_mut(), services) {
            fields
                .insert("services".into(), json!([self.random.pick(&["web", "foo/web", "bar/web", "api"])]));
        }
        workload
    }

    fn mesh(&mut self) -> Value {
        let mut mesh = Map::new();
        self.setting.minor =
            if self.random.chance(70) { 32 } else { 24 + u32::try_from(self.random.below(8)).unwrap_or(0) };
        if self.setting.minor < 32 {
            let version = match self.random.chance(60) {
                true => format!("1.{}.{}", self.setting.minor, self.random.below(10)),
                false => format!("1.{}", self.setting.minor),
            };
            mesh.insert("istioVersion".into(), json!(version));
        }
        self.setting.trust_domain =
            self.random.pick(&["cluster.local", "cluster.local", "corp.test"]).to_owned();
        if self.setting.trust_domain != "cluster.local" {
            mesh.insert("trustDomain".into(), json!(self.setting.trust_domain));
        }
        match self.random.below(6) {
            0 => _ = mesh.insert("trustDomainAliases".into(), json!(["other.td"])),
            1 => _ = mesh.insert("trustDomainAliases".into(), json!(["corp.test", "*.corp.test"])),
            2 => _ = mesh.insert("trustDomainAliases".into(), json!(["other.td", "cluster.local"])),
            _ => {}
        }
        let level = self.random.pick(&["BASE", "BASE", "NONE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]);
        if level != "BASE" {
            mesh.insert("pathNormalization".into(), json!(level));
        }
        self.setting.hops = self.random.pick(&[0, 0, 1, 2]);
        if self.setting.hops > 0 {
            mesh.insert("numTrustedProxies".into(), json!(self.setting.hops));
        }
        if self.random.chance(10) {
            mesh.insert("rootNamespace".into(), json!("bar"));
        }
        if self.random.chance(90) {
            let (name, provider) = self.provider();
            self.setting.provider = Some(name);
            mesh.insert("extensionProviders".into(), json!([provider]));
        }
        Value::Object(mesh)
    }

    fn connection_settings(&mut self) -> Value {
        let mut settings = Map::new();
        if self.random.chance(80) {
            settings.insert("profile".into(), json!("EDGE"));
            self.setting.redirects = self.setting.proxy == "gateway";
        }
        if self.random.chance(30) {
            settings.insert("httpMergeSlashes".into(), json!(self.random.chance(50)));
        }
        let actions = ["UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD", "REJECT_REQUEST", "KEEP_UNCHANGED"];
        if self.random.chance(25) {
            settings.insert("httpPathWithEscapedSlashesAction".into(), json!(self.random.pick(&actions)));
        }
        let actions = ["REJECT_REQUEST", "DROP_HEADER"];
        if self.random.chance(30) {
            let action = format!("HEADERS_WITH_UNDERSCORES_{}", self.random.pick(&actions));
            settings.insert("httpHeadersWithUnderscoresAction".into(), json!(action));
        }
        Value::Object(settings)
    }

    fn provider(&mut self) -> (String, Value) {
        let name = self.random.pick(&["authz", "authz", "authz-2", "Authz"]).to_owned();
        if self.random.chance(20) {
            return (name.clone(), json!(name));
        }
        let kind = self.random.pick(&["envoyExtAuthzHttp", "envoyExtAuthzGrpc"]);
        let mut entry = json!({"service": "authz.foo.svc.cluster.local", "port": 9000});
        if let Some(fields) = entry.as_object_mut() {
            if self.random.chance(30) {
                fields.insert("failOpen".into(), json!(true));
            }
            if self.random.chance(30) {
                fields.insert("statusOnError".into(), json!(self.random.pick(&["503", "401", "299", "200"])));
            }
            if kind == "envoyExtAuthzHttp" && self.random.chance(30) {
                fields.insert("pathPrefix".into(), json!(self.random.pick(&["/check", "check"])));
            }
            if kind == "envoyExtAuthzHttp" && self.random.chance(30) {
                fields.insert("includeRequestHeadersInCheck".into(), json!(["x-one"]));
            }
        }
        let mut provider = Map::new();
        provider.insert("name".into(), json!(name));
        provider.insert(kind.into(), entry);
        (name, Value::Object(provider))
    }
}
