//! What the filter sees, and what it did.

use std::collections::BTreeMap;
use wasmtime::{StoreLimits, StoreLimitsBuilder};

/// A header line or a pair of a map, as bytes.
pub type Pair = (Vec<u8>, Vec<u8>);

/// A property's value before it is encoded.
#[derive(Clone, Debug)]
pub enum Property {
    /// A string; empty: not found, as in Envoy.
    Text(String),
    /// Any bytes.
    Bytes(Vec<u8>),
    /// An integer: 8 bytes, little endian.
    Integer(i64),
    /// A boolean: one byte.
    Bool(bool),
    /// A map of strings.
    Map(Vec<Pair>),
    /// The call fails with this status: 3 where there is a null inside.
    Fails(u32),
}

/// A metric that the filter has defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// 0 counter, 1 gauge.
    pub kind: u32,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: i64,
}

/// Which host calls fail.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The n-th from now on, counted from 0, with this status.
    Nth(usize, u32),
    /// All of this name, with this status.
    Named(&'static str, u32),
    /// All, with this status.
    All(u32),
    /// The n-th call answers *ok* and hands over these bytes, whatever was asked.
    Garbage(usize, Vec<u8>),
}

/// Everything around one instance.
#[derive(Debug)]
pub struct State {
    /// The plugin configuration.
    pub configuration: Vec<u8>,
    /// Request header lines, pseudo headers included, names in lower case.
    pub headers: Vec<Pair>,
    /// Properties by their path, joined with `.` (no part has one).
    pub properties: BTreeMap<String, Property>,
    /// The clock, in seconds.
    pub now: u64,
    /// How many nanoseconds pass whenever the filter looks at the clock, and have passed so.
    pub pace: u64,
    /// What has passed so.
    pub passed: u64,
    /// The most instructions between two looks at the clock, or the beginning or end of a callback.
    pub blind: u64,
    /// Fuel at the last look.
    fuel: u64,
    /// What the instance may have.
    pub limits: StoreLimits,
    /// There is a foreign function `verify_signature`.
    pub has_verify_signature: bool,
    /// Which calls fail.
    pub fault: Option<Fault>,

    /// The request header map is there.
    pub has_request_headers: bool,
    /// The response header map is there.
    pub has_response_headers: bool,

    /// Names of all host calls, in order.
    pub calls: Vec<&'static str>,
    /// Paths of all properties asked for, in order.
    pub asked: Vec<String>,
    /// Log lines with their level.
    pub logs: Vec<(u32, String)>,
    /// Metrics; the index is the id.
    pub metrics: Vec<Metric>,
    /// Filter state, without the `wasm.` in front.
    pub filter_state: BTreeMap<String, Vec<u8>>,
    /// Response headers set.
    pub response_headers: Vec<Pair>,
    /// Answers sent: status, details, body, header lines.
    pub replies: Vec<(u32, String, String, Vec<u8>)>,
    /// Streams closed: 0 a request, 2 a connection.
    pub closed: Vec<u32>,
    /// Requests sent to clusters, with their header lines; the index is the number of the call.
    pub sent: Vec<(String, Vec<u8>)>,
    /// Clusters that there are.
    pub clusters: Vec<String>,
    /// The answer to a call, while its callback runs.
    pub answer: Option<(Vec<Pair>, Vec<u8>)>,
    /// The period of the tick.
    pub tick: u32,
}

impl Default for State {
    fn default() -> Self {
        State {
            configuration: Vec::new(),
            headers: Vec::new(),
            properties: BTreeMap::new(),
            now: 1_700_000_000,
            pace: 0,
            passed: 0,
            blind: 0,
            fuel: 0,
            limits: StoreLimits::default(),
            has_verify_signature: true,
            fault: None,
            has_request_headers: false,
            has_response_headers: false,
            calls: Vec::new(),
            asked: Vec::new(),
            logs: Vec::new(),
            metrics: Vec::new(),
            filter_state: BTreeMap::new(),
            response_headers: Vec::new(),
            replies: Vec::new(),
            closed: Vec::new(),
            sent: Vec::new(),
            clusters: Vec::new(),
            answer: None,
            tick: 0,
        }
    }
}

impl State {
    /// The filter looks at the clock, with so much fuel left; or a callback begins, which forgets what was before.
    pub(super) fn looked(&mut self, fuel: u64, begins: bool) {
        if !begins {
            self.blind = self.blind.max(self.fuel.saturating_sub(fuel));
        }
        self.fuel = fuel;
    }

    /// The instance gets no more than so many bytes of memory.
    pub fn limit_memory(&mut self, bytes: usize) {
        self.limits = StoreLimitsBuilder::new().memory_size(bytes).build();
    }

    /// Replaces the request's header lines.
    pub fn set_headers(&mut self, lines: &[(&str, &[u8])]) {
        self.headers = lines.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
    }

    /// Sets a property by its dotted path.
    pub fn set(&mut self, path: &str, value: Property) {
        self.properties.insert(path.into(), value);
    }

    /// What the proxy says about the answer that was given.
    pub fn answered(&mut self, code: i64, details: &str) {
        self.set("response.code", Property::Integer(code));
        self.set("response.code_details", Property::Text(details.into()));
    }

    /// Forgets what the filter did, but for the metrics.
    pub fn forget(&mut self) {
        self.calls.clear();
        self.asked.clear();
        self.logs.clear();
        self.filter_state.clear();
        self.response_headers.clear();
        self.replies.clear();
        self.closed.clear();
    }

    /// A metric's value; 0 where it was never defined.
    pub fn metric(&self, name: &str) -> i64 {
        self.metrics.iter().find(|metric| metric.name == name).map_or(0, |metric| metric.value)
    }

    /// The filter state `gnomon` as JSON.
    pub fn verdict(&self) -> serde_json::Value {
        let bytes = self.filter_state.get("gnomon").expect("filter state is written");
        serde_json::from_slice(bytes).expect("it is JSON")
    }

    /// All lines that are JSON.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        self.logs.iter().filter_map(|(_, line)| serde_json::from_str(line).ok()).collect()
    }

    /// Counts a call; its status where it is to fail, or what it hands over.
    pub(super) fn enter(&mut self, name: &'static str) -> Entry {
        let number = self.calls.len();
        self.calls.push(name);
        match &self.fault {
            Some(Fault::Nth(nth, status)) if *nth == number => Entry::Fails(*status),
            Some(Fault::Named(named, status)) if *named == name => Entry::Fails(*status),
            Some(Fault::All(status)) => Entry::Fails(*status),
            Some(Fault::Garbage(nth, bytes)) if *nth == number => Entry::Answers(bytes.clone()),
            _ => Entry::Works,
        }
    }
}

/// What a call does.
pub(super) enum Entry {
    Works,
    Fails(u32),
    Answers(Vec<u8>),
}

/// Encodes a map as the ABI does.
pub fn encode_pairs(pairs: &[Pair]) -> Vec<u8> {
    let mut bytes = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(part);
        bytes.push(0);
    }
    bytes
}

impl Property {
    /// As the ABI has it; `Err` is a status.
    pub(super) fn encode(&self) -> Result<Vec<u8>, u32> {
        Ok(match self {
            Property::Text(text) => text.as_bytes().to_vec(),
            Property::Bytes(bytes) => bytes.clone(),
            Property::Integer(number) => number.to_le_bytes().to_vec(),
            Property::Bool(truth) => vec![u8::from(*truth)],
            Property::Map(pairs) => encode_pairs(pairs),
            Property::Fails(status) => return Err(*status),
        })
    }
}
