//! The shadow in a proxy that is a struct: what a shell has to do, and that no proxy-wasm is needed for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code may be blunt")]

use gnomon_engine::{jwt::Json, request::Header};
use gnomon_shadow::{
    host::{Change, Fetch, Hash, Host, Level, MetricKind, Property, Refused, Reply},
    instances::Instances,
    node::Node,
    stream::Next,
};
use std::{cell::RefCell, collections::BTreeMap};

#[derive(Default)]
struct Proxy {
    configuration: String,
    headers: Vec<(&'static str, &'static str)>,
    /// What was done with the request.
    status: Option<u16>,
    details: String,
    now: u64,
    names: RefCell<Vec<String>>,
    counts: RefCell<BTreeMap<u32, i64>>,
    notes: RefCell<BTreeMap<String, String>>,
    replies: RefCell<Vec<Reply>>,
    logs: RefCell<Vec<String>>,
}

impl Proxy {
    fn count(&self, name: &str) -> i64 {
        let names = self.names.borrow();
        let id = names.iter().position(|known| known == name).unwrap_or_else(|| panic!("no metric {name}"));
        self.counts.borrow().get(&(id as u32)).copied().unwrap_or(0)
    }
}

impl Host for Proxy {
    fn log(&self, _: Level, line: &str) {
        self.logs.borrow_mut().push(line.into());
    }
    fn now(&self) -> Result<u64, Refused> {
        Ok(self.now)
    }
    fn tick_every(&self, _: u32) -> Result<(), Refused> {
        Ok(())
    }
    fn configuration(&self) -> Result<Vec<u8>, Refused> {
        Ok(self.configuration.clone().into_bytes())
    }
    fn instance(&self) -> (Vec<u8>, Vec<u8>) {
        (b"native".to_vec(), Vec::new())
    }
    fn node(&self) -> Node {
        let namespace = Ok(Some("shop".into()));
        Node { kind: None, namespace, service_account: Ok(None), name: None, labels: Some(Vec::new()) }
    }
    fn request_headers(&self, read: &mut dyn FnMut(&[Header<'_>])) -> Result<(), Refused> {
        let lines = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        read(&lines.collect::<Vec<_>>());
        Ok(())
    }
    fn property(&self, property: Property) -> Result<Option<Vec<u8>>, Refused> {
        Ok((property == Property::ResponseDetails).then(|| self.details.clone().into_bytes()))
    }
    fn peer_names(&self) -> Result<Option<Vec<Vec<u8>>>, Refused> {
        Ok(None)
    }
    fn mutual_tls(&self) -> Result<Option<bool>, Refused> {
        Ok(None)
    }
    fn is_outbound(&self) -> Result<bool, Refused> {
        Ok(false)
    }
    fn response_status(&self) -> Result<Option<u16>, Refused> {
        Ok(self.status)
    }
    fn metadata(&self) -> Result<Vec<(String, Json)>, Refused> {
        Ok(Vec::new())
    }
    fn has_verified_claims(&self) -> Result<bool, Refused> {
        Ok(false)
    }
    fn provider_was_asked(&self) -> Result<bool, Refused> {
        Ok(false)
    }
    fn change_request(&self, _: &[u8], _: Change<'_>) -> Result<(), Refused> {
        Ok(())
    }
    fn set_response_header(&self, _: &[u8], _: &[u8]) -> Result<(), Refused> {
        Ok(())
    }
    fn reply(&self, reply: &Reply) -> Result<(), Refused> {
        let Reply { status, details, body, challenge } = reply;
        let (details, body, challenge) = (details.clone(), body.clone(), challenge.clone());
        self.replies.borrow_mut().push(Reply { status: *status, details, body, challenge });
        Ok(())
    }
    fn close_request(&self) -> Result<(), Refused> {
        Ok(())
    }
    fn close_connection(&self) -> Result<(), Refused> {
        Ok(())
    }
    fn note(&self, key: &str, value: &[u8]) -> Result<(), Refused> {
        self.notes.borrow_mut().insert(key.into(), String::from_utf8_lossy(value).into_owned());
        Ok(())
    }
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Result<Option<bool>, Refused> {
        Ok(None)
    }
    fn fetch(&self, _: &Fetch<'_>) -> Result<u32, Refused> {
        Err(Refused(1))
    }
    fn define_metric(&self, _: MetricKind, name: &str) -> Result<u32, Refused> {
        let mut names = self.names.borrow_mut();
        let known = names.iter().position(|known| known == name);
        Ok(known.unwrap_or_else(|| {
            names.push(name.into());
            names.len() - 1
        }) as u32)
    }
    fn define_labelled(&self, name: &str, labels: [(&str, &str); 2]) -> Result<u32, Refused> {
        self.define_metric(MetricKind::Counter, &format!("{name}{labels:?}"))
    }
    fn record_metric(&self, id: u32, value: u64) -> Result<(), Refused> {
        self.counts.borrow_mut().insert(id, value as i64);
        Ok(())
    }
    fn increment_metric(&self, id: u32, offset: i64) -> Result<(), Refused> {
        *self.counts.borrow_mut().entry(id).or_default() += offset;
        Ok(())
    }
}

const ONLY_A: &str = r#"{"report": {"filterState": "all"}, "candidate": {"resources": [{
    "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
    "metadata": {"name": "a", "namespace": "shop"},
    "spec": {"rules": [{"to": [{"operation": {"paths": ["/a"]}}]}]}
}]}}"#;

fn configured(configuration: &str) -> (Proxy, Instances) {
    let proxy = Proxy { configuration: configuration.into(), ..Proxy::default() };
    let mut instances = Instances::default();
    assert!(instances.configure(&proxy, 1, configuration.len()));
    (proxy, instances)
}

#[test]
fn a_request_is_evaluated_compared_and_counted() {
    let (mut proxy, mut instances) = configured(ONLY_A);
    for (path, verdict, result) in [("/a", "allow", "agree"), ("/b", "deny", "would_deny")] {
        proxy.headers = vec![(":method", "GET"), (":path", path), (":authority", "shop")];
        (proxy.status, proxy.details) = (Some(200), "via_upstream".into());
        let mut stream = instances.begins(1).unwrap();
        assert_eq!(stream.request_headers(&proxy), Next::Continue);
        stream.log(&proxy);
        let state: serde_json::Value = serde_json::from_str(&proxy.notes.borrow()["gnomon"]).unwrap();
        assert_eq!((&state["verdict"], &state["result"]), (&verdict.into(), &result.into()), "{path}");
    }
    assert_eq!(proxy.count("gnomon_requests_agree_total"), 1);
    assert_eq!(proxy.count("gnomon_requests_would_deny_total"), 1);
    assert_eq!(proxy.logs.borrow().iter().filter(|line| line.starts_with("{\"gnomon\"")).count(), 1);
}

#[test]
fn an_update_is_built_in_slices_and_enforced_when_it_is_there() {
    let (mut proxy, mut instances) = configured(ONLY_A);
    proxy.configuration = ONLY_A.replace("\"/a\"", "\"/b\"").replacen('{', "{\"mode\": \"enforce\", ", 1);
    assert!(instances.configure(&proxy, 2, proxy.configuration.len()));
    instances.tick(&proxy, 2);
    proxy.headers = vec![(":method", "GET"), (":path", "/a"), (":authority", "shop")];
    let mut stream = instances.begins(2).unwrap();
    assert_eq!(stream.request_headers(&proxy), Next::Pause);
    let replies = proxy.replies.borrow();
    assert_eq!((replies[0].status, &*replies[0].body), (403, "RBAC: access denied"));
    assert_eq!(proxy.count("gnomon_config_not_applied_total"), 0);
}
