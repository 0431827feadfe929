//! What comes out of proxies, and into them.

use crate::requests::several;
use gnomon_analysis::imported::Proxy;
use gnomon_engine::{
    Mesh, Plan, Severity, Workload,
    jwt::{Json, SoftwareCrypto},
    regex::Regex,
    request::Header,
    workload::IstioVersion,
};
use gnomon_envoy_config::import::{Imported, Selected};
use gnomon_manifests::{Colour, parse, render, request::RequestSpec};
use gnomon_shadow::{
    config,
    host::{Change, Fetch, Hash, Host, Level, MetricKind, Property, Refused, Reply},
    node::Node,
};
use std::sync::Arc;

/// A proxy that tells nothing.
struct Silent;

const NOTHING: Refused = Refused(1);

impl Host for Silent {
    fn log(&self, _: Level, _: &str) {}
    fn now(&self) -> Result<u64, Refused> {
        Err(NOTHING)
    }
    fn tick_every(&self, _: u32) -> Result<(), Refused> {
        Err(NOTHING)
    }
    fn configuration(&self) -> Result<Vec<u8>, Refused> {
        Err(NOTHING)
    }
    fn instance(&self) -> (Vec<u8>, Vec<u8>) {
        Default::default()
    }
    fn node(&self) -> Node {
        Node {
            kind: None,
            namespace: Ok(None),
            service_account: Ok(None),
            name: None,
            labels: Some(Vec::new()),
        }
    }
    fn request_headers(&self, _: &mut dyn FnMut(&[Header<'_>])) -> Result<(), Refused> {
        Err(NOTHING)
    }
    fn property(&self, _: Property) -> Result<Option<Vec<u8>>, Refused> {
        Err(NOTHING)
    }
    fn peer_names(&self) -> Result<Option<Vec<Vec<u8>>>, Refused> {
        Err(NOTHING)
    }
    fn mutual_tls(&self) -> Result<Option<bool>, Refused> {
        Err(NOTHING)
    }
    fn is_outbound(&self) -> Result<bool, Refused> {
        Err(NOTHING)
    }
    fn response_status(&self) -> Result<Option<u16>, Refused> {
        Err(NOTHING)
    }
    fn metadata(&self) -> Result<Vec<(String, Json)>, Refused> {
        Err(NOTHING)
    }
    fn has_verified_claims(&self) -> Result<bool, Refused> {
        Err(NOTHING)
    }
    fn provider_was_asked(&self) -> Result<bool, Refused> {
        Err(NOTHING)
    }
    fn change_request(&self, _: &[u8], _: Change<'_>) -> Result<(), Refused> {
        Err(NOTHING)
    }
    fn set_response_header(&self, _: &[u8], _: &[u8]) -> Result<(), Refused> {
        Err(NOTHING)
    }
    fn reply(&self, _: &Reply) -> Result<(), Refused> {
        Err(NOTHING)
    }
    fn close_request(&self) -> Result<(), Refused> {
        Err(NOTHING)
    }
    fn close_connection(&self) -> Result<(), Refused> {
        Err(NOTHING)
    }
    fn note(&self, _: &str, _: &[u8]) -> Result<(), Refused> {
        Err(NOTHING)
    }
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Result<Option<bool>, Refused> {
        Err(NOTHING)
    }
    fn fetch(&self, _: &Fetch<'_>) -> Result<u32, Refused> {
        Err(NOTHING)
    }
    fn define_metric(&self, _: MetricKind, _: &str) -> Result<u32, Refused> {
        Err(NOTHING)
    }
    fn define_labelled(&self, _: &str, _: [(&str, &str); 2]) -> Result<u32, Refused> {
        Err(NOTHING)
    }
    fn record_metric(&self, _: u32, _: u64) -> Result<(), Refused> {
        Err(NOTHING)
    }
    fn increment_metric(&self, _: u32, _: i64) -> Result<(), Refused> {
        Err(NOTHING)
    }
}

/// Any bytes as the filter's configuration: refused with a reason, or good for a plan.
pub fn filter_configuration(data: &[u8]) {
    let config = config::read(&Silent, data);
    let refused = config.diagnostics.iter().any(|found| found.severity == Severity::Error);
    assert_eq!(refused, config.loaded.is_none());
    if let Some(loaded) = config.loaded {
        assert!((0.0..=1.0).contains(&loaded.settings.report.sample));
        let plan = Plan::build(&loaded.resources, &loaded.workload, &loaded.mesh);
        several(|request| drop(plan.evaluate(request, &SoftwareCrypto).report()));
    }
}

/// Any text as a proxy's configuration; each of its chains is asked, and the whole as well.
pub fn envoy_configuration(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let (documents, _) = parse(text, "fuzz.json");
    let Some(document) = documents.first() else { return };
    let imported = Imported::read(document, &Arc::from("fuzz.json"));
    for found in &imported.findings {
        assert!(!render(found, text, Colour::Never).is_empty());
    }
    for chain in imported.listeners.iter().flat_map(|listener| &listener.chains).take(20) {
        several(|request| drop(chain.evaluate(request, IstioVersion::NEWEST, &SoftwareCrypto)));
    }
    several(|request| {
        if let Ok(Selected::Chain(chain)) = imported.select(None, request) {
            chain.evaluate(request, IstioVersion::minor(24), &SoftwareCrypto);
        }
    });
    let spec = RequestSpec { method: "GET".into(), path: "/a".into(), ..RequestSpec::default() };
    let (workload, mesh) = (&Workload::default(), &Mesh::default());
    drop(Proxy { imported: &imported, listener: None, workload, mesh }.report(&spec, 0, &SoftwareCrypto));
}

/// A line that is an expression, and the rest, which it may match.
pub fn regexes(data: &[u8]) {
    let (pattern, value) = match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &data[..0]),
    };
    // Time is value × program.
    let value = &value[..value.len().min(256)];
    let Ok(pattern) = core::str::from_utf8(pattern) else { return };
    let quoted: String = pattern.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
    if quoted.len() < 20_000 {
        let literal = Regex::new(&quoted).expect("it is a literal");
        assert!(literal.matches(pattern.as_bytes()));
        assert_eq!(literal.matches(value), value == pattern.as_bytes());
    }
    let Ok(regex) = Regex::new(pattern) else { return };
    let matches = regex.matches(value);
    // What changes nothing.
    for same in
        [format!("(?:{pattern})"), format!("(?:{pattern})|(?:{pattern})"), format!("(?:{pattern}){{1}}")]
    {
        // A comment of flags or a quotation without its end takes in what follows.
        if pattern.contains("\\Q") {
            continue;
        }
        if let Ok(regex) = Regex::new(&same) {
            assert_eq!(regex.matches(value), matches, "{same}");
        }
    }
}
