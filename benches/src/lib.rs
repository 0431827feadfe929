//! Policies and a request for each, the same for every engine that is measured.
//!
//! Two sets. [`realistic`]: what a gateway of twenty teams has. [`worst`]: n rules of which the last matches, in a form
//! that other policy languages can say just as well.

pub mod differing;
mod module;
pub mod policies;
pub mod timing;

use gnomon_engine::{
    Mesh, Plan, Request, Workload,
    jwt::{Authentication, Edit, Json},
    plan::Verdict,
    request::{Header, Input, Peer},
    resource::Resources,
    workload::ProxyKind,
};

/// Policies and a request.
#[derive(Debug)]
pub struct World {
    /// What is to be compiled.
    pub resources: Resources,
    headers: Vec<(&'static str, String)>,
    peer: String,
    found: Authentication,
}

/// A compiled plan and its request.
#[derive(Debug)]
pub struct Case {
    /// The plan.
    pub plan: Plan,
    world: World,
}

impl World {
    /// Compiles the policies for a gateway.
    pub fn plan(&self) -> Plan {
        let workload =
            Workload { namespace: "shop".into(), proxy: ProxyKind::Gateway, ..Workload::default() };
        Plan::build(&self.resources, &workload, &Mesh::default())
    }

    /// With the plan.
    pub fn case(self) -> Case {
        Case { plan: self.plan(), world: self }
    }
}

/// Verdicts are asked for on one request, again and again.
pub struct Asking<'c> {
    case: &'c Case,
    request: Request<'c>,
}

impl Asking<'_> {
    /// The verdict.
    pub fn verdict(&self) -> Verdict<'_> {
        self.case.plan.evaluate_authenticated(&self.request, &self.case.world.found)
    }

    /// The verdict by asking every rule.
    pub fn verdict_linearly(&self) -> Verdict<'_> {
        self.case.plan.evaluate_linearly(&self.request, &NoKeys)
    }
}

struct NoKeys;

impl gnomon_engine::jwt::Crypto for NoKeys {
    fn verify(
        &self,
        _: gnomon_engine::jwt::Algorithm,
        _: &gnomon_engine::jwt::Key,
        _: &[u8],
        _: &[u8],
    ) -> gnomon_engine::jwt::Signature {
        gnomon_engine::jwt::Signature::Bad
    }
}

impl Case {
    /// Hands over the request.
    pub fn ask<T>(&self, then: impl FnOnce(&Asking<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> =
            self.world.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let names = [self.world.peer.as_bytes()];
        let request = Request {
            peer: Peer::Tls { names: &names, complete: true },
            source_ip: Input::Is([10, 1, 2, 3].into()),
            remote_ip: Input::Is([203, 0, 113, 7].into()),
            destination_ip: Input::Is([10, 0, 0, 1].into()),
            destination_port: Input::Is(8443),
            now: 1_900_000_000,
            ..Request::http(&headers)
        };
        then(&Asking { case: self, request })
    }
}

/// Headers as a browser's request has them behind a gateway.
fn headers(method: &str, host: &str, path: &str) -> Vec<(&'static str, String)> {
    [
        (":authority", host),
        (":path", path),
        (":method", method),
        (":scheme", "https"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "application/json"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "5b9e2f0a-7d7c-4d52-9a0f-0a3f5d0c8e11"),
        ("x-envoy-external-address", "203.0.113.7"),
    ]
    .map(|(name, value)| (name, value.to_string()))
    .into()
}

/// Twenty policies with five conditions each: who, whose token, which host, which path, which claim. Four of them are
/// DENY. The request is the eighteenth team's, and a policy of that team allows it.
pub fn realistic() -> World {
    let claims = vec![
        ("iss".to_string(), Json::String("https://id.example.com".into())),
        ("sub".to_string(), Json::String("u-1042".into())),
        ("aud".to_string(), Json::String("shop".into())),
        ("exp".to_string(), Json::Number(1_900_003_600.0)),
        ("email".to_string(), Json::String("someone@example.com".into())),
        (
            "groups".to_string(),
            Json::List(vec![Json::String("staff".into()), Json::String("team-17".into())]),
        ),
    ];
    World {
        resources: policies::realistic(),
        headers: headers("GET", "team-17.example.com:8443", "/api/v2/orders/81234/items?page=2"),
        peer: "spiffe://cluster.local/ns/team-17/sa/frontend".into(),
        found: Authentication {
            payload: Some(Json::Object(claims).into()),
            edits: vec![Edit::Remove("authorization".into())],
            ..Authentication::default()
        },
    }
}

/// `count` ALLOW policies: a principal, a method and the prefix of a path each; only the last matches.
pub fn worst(count: usize) -> World {
    let last = count.saturating_sub(1);
    World {
        resources: policies::worst(count),
        headers: headers("GET", "shop.example.com", &worst_path(last)),
        peer: format!("spiffe://{}", policies::principal(last)),
        found: Authentication::default(),
    }
}

/// The path that rule `number` of [`worst`] takes.
pub fn worst_path(number: usize) -> String {
    format!("{}orders/81234/items", policies::prefix(number))
}
