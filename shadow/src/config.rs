//! The plugin configuration (`docs/filter.md`): JSON text to resources, workload, mesh and what to write.
//!
//! The text is JSON, as Istio passes `pluginConfig` on; the resources in it are manifests. Everything that is wrong is
//! reported, in the words of the command line.

use crate::{compare::Comparison, gzip, host::Host, node::Node as Proxy};
use alloc::{format, string::String, sync::Arc, vec, vec::Vec};
use core::fmt::Display;
use gnomon_engine::{
    Diagnostic, Mesh, Node, Position, Severity, Value, Workload,
    decode::{self, Cursor, Fields, Reader},
    json::{self, JsonError},
    outline::{self, Keys, Outline},
    request::ExtAuthzAnswer,
    resource::{AuthorizationPolicy, Resources},
    slices::{self, AtOnce, Pace},
    verdict::Outcome,
    workload::ProxyKind,
};

/// What may come out of `candidate.gzip`: 40,000 policies or so, more than any proxy has use for.
const MAX_UNPACKED: usize = 16 << 20;

/// About which requests something is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// None.
    None,
    /// Those that the candidate refuses.
    Denied,
    /// Those where the candidate and what was enforced differ.
    #[default]
    Divergent,
    /// All.
    All,
}

impl Wanted {
    /// Whether this one is among them, by the candidate's verdict and how that compares.
    pub fn has(self, verdict: Outcome, result: Comparison) -> bool {
        match self {
            Wanted::None => false,
            Wanted::Denied => verdict == Outcome::Deny,
            Wanted::Divergent => result.diverges(),
            Wanted::All => true,
        }
    }
}

/// `report`.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Which requests get a line.
    pub log: Wanted,
    /// The share of those that is written, 0 to 1.
    pub sample: f64,
    /// The response header for debugging, in lower case; empty: none.
    pub response_header: String,
    /// Which requests get filter state.
    pub filter_state: Wanted,
    /// How many lines a second each worker writes at most.
    pub lines_per_second: u32,
    /// How many policies get metrics of their own.
    pub policies: usize,
    /// Claims whose values are logged; none unless asked for.
    pub claims: Vec<String>,
}

/// `requests`: where the native module's access logger writes to.
#[cfg(feature = "threads")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// The file that lines are appended to.
    pub file: String,
    /// Headers that stand in them although no policy reads them, in lower case.
    pub headers: Vec<String>,
}

#[cfg(feature = "threads")]
impl Default for Requests {
    fn default() -> Self {
        Requests { file: "/dev/stdout".into(), headers: Vec::new() }
    }
}

/// `keySets`: how key sets are fetched from `jwksUri`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetSettings {
    /// Clusters of the proxy's by address; for others the one that Istio would have.
    pub clusters: Vec<(String, String)>,
    /// In milliseconds.
    pub timeout: u32,
    /// In seconds.
    pub refresh: u64,
}

impl Default for KeySetSettings {
    /// As istiod configures `jwt_authn`.
    fn default() -> Self {
        KeySetSettings { clusters: Vec::new(), timeout: 5000, refresh: 20 * 60 }
    }
}

impl Default for Report {
    fn default() -> Self {
        Report {
            log: Wanted::Divergent,
            sample: 1.0,
            response_header: String::new(),
            filter_state: Wanted::All,
            lines_per_second: 10,
            policies: 100,
            claims: Vec::new(),
        }
    }
}

/// What is asked for at every request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The workload as people call it.
    pub workload: String,
    /// What kind of proxy this is.
    pub proxy: ProxyKind,
    /// The listener may be an outbound one, which has no policies.
    pub check_direction: bool,
    /// The verdict is carried out, not only compared.
    pub enforce: bool,
    /// CUSTOM providers whose own filters stand in front, and have let pass what comes here: what each has answered.
    pub providers_in_front: Vec<(String, ExtAuthzAnswer)>,
    /// Claims that the proxy's own `jwt_authn` has verified are believed.
    pub trust_native: bool,
    /// How key sets are fetched.
    pub key_sets: KeySetSettings,
    /// What the native module's access logger writes.
    #[cfg(feature = "threads")]
    pub requests: Requests,
    /// What to write.
    pub report: Report,
}

/// A configuration without errors.
#[derive(Debug)]
pub struct Loaded {
    /// The candidate.
    pub resources: Resources,
    /// What it is compared with, where that is not what the proxy enforces.
    pub baseline: Option<Resources>,
    /// Whom it is evaluated for.
    pub workload: Workload,
    /// The mesh around it.
    pub mesh: Mesh,
    /// The rest.
    pub settings: Settings,
}

impl Loaded {
    /// How many policies there are.
    pub fn policies(&self) -> usize {
        let Resources { authorization, request_authentication, peer_authentication, .. } = &self.resources;
        authorization.len() + request_authentication.len() + peer_authentication.len()
    }
}

/// What came of reading one.
#[derive(Debug)]
pub struct Config {
    /// All that is to be said about it.
    pub diagnostics: Vec<Diagnostic>,
    /// `None` where one of these is an error.
    pub loaded: Option<Loaded>,
}

/// Reads a configuration; what it leaves out about the workload comes from the proxy's node metadata.
pub fn read(host: &dyn Host, text: &[u8]) -> Config {
    slices::all(read_in_slices(&host.node(), text, &AtOnce))
}

/// The same with pauses. Of large sets only one policy at a time is made a tree.
pub async fn read_in_slices(proxy: &Proxy, text: &[u8], pace: &dyn Pace) -> Config {
    let outline = outline::outline(text, KEYS, pace).await;
    let node = match parse(&outline.text) {
        Ok(node) => node,
        Err(error) => return broken(text, error),
    };
    let reader = Reader::new(&Arc::default(), "");
    let mut set = SetReader { outline: &outline, pace, found: Vec::new(), broken: None };
    let loaded = match reader.root(&node).fields() {
        Some(fields) => Some(read_fields(proxy, fields, &mut set).await),
        None => None,
    };
    if let Some(error) = set.broken {
        return broken(text, error);
    }
    let mut found = reader.into_diagnostics();
    found.append(&mut set.found);
    let refused = found.iter().any(|found| found.severity == Severity::Error);
    Config { diagnostics: found, loaded: loaded.filter(|_| !refused) }
}

/// The text is read once more, in one piece, for the place of what is wrong with it.
fn broken(text: &[u8], error: JsonError) -> Config {
    match core::str::from_utf8(text) {
        Ok(whole) => {
            let error = json::parse(whole).err().unwrap_or(error);
            refused(not_json(text, &error.message, error.at))
        }
        Err(error) => refused(not_json(text, &error, Position::default())),
    }
}

/// A part of a text.
fn parse(part: &[u8]) -> Result<Node, JsonError> {
    let not_utf8 = |_| JsonError { at: Position::default(), message: "it is not UTF-8" };
    json::parse(core::str::from_utf8(part).map_err(not_utf8)?)
}

async fn read_fields(proxy: &Proxy, mut fields: Fields<'_>, set: &mut SetReader<'_>) -> Loaded {
    let enforce = fields.word("mode", &[("shadow", false), ("enforce", true)]).unwrap_or(false);
    let mut resources = Resources::default();
    match fields.get("candidate") {
        Some(candidate) => set.read(candidate, &mut resources).await,
        None => {
            let help = "give the policies to evaluate as candidate.resources";
            fields.cursor().error("missing-field", "`candidate` is missing", help);
        }
    }
    let baseline = match fields.get("baseline") {
        Some(baseline) => {
            let mut resources = Resources::default();
            set.read(baseline, &mut resources).await;
            Some(resources)
        }
        None => None,
    };
    let providers_in_front = match fields.bool("customInFront") {
        Some(true) => providers(&resources).into_iter().map(|name| (name, ExtAuthzAnswer::Allow)).collect(),
        _ => Vec::new(),
    };
    if enforce && providers_in_front.is_empty() && !providers(&resources).is_empty() {
        fields.cursor().error(
            "custom-not-enforced",
            "the candidate has CUSTOM policies, which this filter cannot enforce",
            "put Envoy's own ext_authz in front of it and say customInFront: true",
        );
    }
    let given = fields.get("workload");
    let mut workload = given.clone().map(decode::workload_at).unwrap_or_default();
    let in_mesh = match proxy.complete(given.map(|cursor| cursor.node()), &mut workload) {
        Ok(in_mesh) => in_mesh,
        Err(what) => {
            let message = format!("the proxy does not tell the workload's {what}");
            fields.cursor().error("no-node-metadata", message, format!("write it as workload.{what}"));
            false
        }
    };
    let mesh = fields.get("mesh").map(decode::mesh_at).unwrap_or_default();
    let report = fields.fields("report").map(read_report).unwrap_or_default();
    #[cfg(feature = "threads")]
    let requests = fields.fields("requests").map(read_requests).unwrap_or_default();
    let key_sets = fields.fields("keySets").map(read_key_sets).unwrap_or_default();
    let trust_native = fields.bool("trustNative").unwrap_or(false);
    fields.finish();
    let settings = Settings {
        workload: workload.display_name(),
        proxy: workload.proxy,
        check_direction: in_mesh && workload.proxy == ProxyKind::Sidecar,
        enforce,
        providers_in_front,
        trust_native,
        key_sets,
        report,
        #[cfg(feature = "threads")]
        requests,
    };
    Loaded { resources, baseline, workload, mesh, settings }
}

/// What is read by parts.
const KEYS: Keys<'_> = Keys { lists: "resources", strings: "gzip" };

/// Reads `candidate` and `baseline`.
struct SetReader<'a> {
    /// What was cut out of the text, by number.
    outline: &'a Outline<'a>,
    pace: &'a dyn Pace,
    /// What is to be said about the objects.
    found: Vec<Diagnostic>,
    /// An element that is not JSON.
    broken: Option<JsonError>,
}

impl SetReader<'_> {
    async fn read(&mut self, set: Cursor<'_>, resources: &mut Resources) {
        let Some(mut set) = set.fields() else { return };
        match (set.get("resources"), set.get("gzip")) {
            (Some(list), None) => self.resources(&list, resources).await,
            (None, Some(packed)) => self.packed(&packed, resources).await,
            (Some(_), Some(packed)) => {
                packed.error("conflicting-fields", "`resources` and `gzip` exclude each other", "give one");
            }
            (None, None) => set.cursor().error(
                "missing-field",
                "`resources` is missing",
                "list the policies to evaluate there; an empty list allows everything",
            ),
        }
        set.finish();
        for (kind, first, again) in resources.duplicates(self.pace).await {
            let twice = Diagnostic {
                severity: Severity::Error,
                code: "duplicate-object",
                file: again.file.clone(),
                at: again.at,
                object: format!("{kind} {}/{}", first.namespace, first.name),
                field: String::new(),
                message: "the object is there twice".into(),
                help: "remove or rename one of them".into(),
            };
            self.found.push(twice);
        }
    }

    /// A list that was cut out, and has its number in its place.
    async fn resources(&mut self, list: &Cursor<'_>, resources: &mut Resources) {
        let Some(items) = list.list() else { return };
        let number = items.first().and_then(|item| match &item.node().value {
            Value::Number(number) => number.parse::<usize>().ok(),
            _ => None,
        });
        let elements =
            number.and_then(|number| self.outline.lists.get(number)).map_or(&[][..], Vec::as_slice);
        self.elements(&list.path(), elements, resources).await;
    }

    async fn elements(&mut self, path: &str, elements: &[&[u8]], resources: &mut Resources) {
        let file = Arc::default();
        for (index, text) in elements.iter().enumerate() {
            slices::step(self.pace).await;
            let node = match parse(text) {
                Ok(node) => node,
                Err(error) => {
                    self.broken = Some(error);
                    return;
                }
            };
            let path = format!("{path}[{index}]");
            let mut found = Vec::new();
            let tally = decode::object(&node, &file, resources, &mut found);
            let reader = Reader::new(&file, "");
            let at = reader.at_path(&node, path.as_str());
            if node.value == Value::Null {
                at.wrong_type("a Kubernetes object");
            }
            // A folder may hold anything; what somebody put into this list was meant to count.
            for (kind, _) in tally.skipped.iter().filter(|_| found.is_empty()) {
                at.warning("other-kind", format!("{kind} is not evaluated"), "it is skipped");
            }
            for mut diagnostic in found {
                // A named object is found by its name, as on the command line; another only by its place here.
                if diagnostic.object.is_empty() {
                    let dot = if diagnostic.field.is_empty() { "" } else { "." };
                    diagnostic.field = format!("{path}{dot}{}", diagnostic.field);
                }
                self.found.push(diagnostic);
            }
            self.found.append(&mut reader.into_diagnostics());
        }
    }

    /// The same list as base64 of gzipped JSON text, for sets that would not fit into a Kubernetes object.
    async fn packed(&mut self, packed: &Cursor<'_>, resources: &mut Resources) {
        // A long one was cut out, and has a mark in its place.
        let cut = |mark: &str| {
            let place = (0..self.outline.strings.len()).position(|number| outline::mark(number) == mark)?;
            self.outline.strings.get(place).copied()
        };
        let written = match &packed.node().value {
            Value::String(text) => Some(text.as_bytes()),
            Value::Number(mark) => cut(mark),
            _ => None,
        };
        let Some(text) = written else { return packed.wrong_type("a string") };
        let is_cut = packed.node().as_str().is_none();
        // Nobody escapes what is base64, but whoever did would mean the same.
        let mut escaped = false;
        for part in text.chunks(4096).filter(|_| is_cut) {
            slices::step(self.pace).await;
            escaped |= part.iter().any(|byte| *byte < b' ' || *byte == b'\\');
        }
        let read = if escaped { parse(&[b"\"", text, b"\""].concat()) } else { Ok(Node::default()) };
        let text = match &read {
            Ok(node) => node.as_str().map_or(text, str::as_bytes),
            Err(error) => {
                self.broken = Some(*error);
                return;
            }
        };
        let broken = |why: &dyn Display| {
            let help =
                "`gnomon bundle` writes this field; so does `gzip | base64` from the JSON text of the list";
            packed.error("bad-gzip", why, help);
        };
        let bytes = match gzip::unpack_in_slices(text, MAX_UNPACKED, self.pace).await {
            Ok(bytes) => bytes,
            Err(why) => return broken(&why),
        };
        let not_json =
            |error: JsonError| broken(&format_args!("what is in it is not JSON: {}", error.message));
        slices::need(self.pace, bytes.len() / 2).await;
        match outline::list(&bytes, self.pace).await {
            Some(elements) => {
                self.elements(&packed.path(), &elements, resources).await;
                if let Some(error) = self.broken.take() {
                    not_json(error);
                }
            }
            None => match parse(&bytes) {
                Ok(node) => {
                    let reader = Reader::new(&Arc::default(), "");
                    reader.at_path(&node, packed.path()).wrong_type("a list");
                    self.found.append(&mut reader.into_diagnostics());
                }
                Err(error) => not_json(error),
            },
        }
    }
}

/// The providers of all CUSTOM policies.
fn providers(resources: &Resources) -> Vec<String> {
    let provider = |policy: &AuthorizationPolicy| Some(policy.provider.as_ref()?.text.clone());
    resources.authorization.iter().filter_map(provider).collect()
}

fn read_key_sets(mut fields: Fields<'_>) -> KeySetSettings {
    let default = KeySetSettings::default();
    let seconds = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let settings = KeySetSettings {
        clusters: fields.string_map("clusters"),
        timeout: seconds(fields.integer("timeoutSeconds", 1..=60)).map_or(default.timeout, |it| it * 1000),
        refresh: seconds(fields.integer("refreshSeconds", 1..=86_400)).map_or(default.refresh, u64::from),
    };
    fields.finish();
    settings
}

#[cfg(feature = "threads")]
fn read_requests(mut fields: Fields<'_>) -> Requests {
    let default = Requests::default();
    let file = fields.string("file").map_or(default.file, |file| file.text);
    let headers = fields.strings("headers").into_iter().map(|name| name.text.to_ascii_lowercase()).collect();
    fields.finish();
    Requests { file, headers }
}

fn read_report(mut fields: Fields<'_>) -> Report {
    let words = [
        ("none", Wanted::None),
        ("denied", Wanted::Denied),
        ("divergent", Wanted::Divergent),
        ("all", Wanted::All),
    ];
    let default = Report::default();
    let number = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let report = Report {
        log: fields.word("log", &words).unwrap_or(default.log),
        sample: fields.number("sample", 0..=1).unwrap_or(default.sample),
        response_header: fields.get("responseHeader").and_then(response_header).unwrap_or_default(),
        filter_state: fields
            .get("filterState")
            .and_then(|cursor| filter_state(&cursor, &words))
            .unwrap_or(default.filter_state),
        lines_per_second: number(fields.integer("linesPerSecond", 1..=10_000))
            .unwrap_or(default.lines_per_second),
        policies: number(fields.integer("policies", 0..=10_000))
            .map_or(default.policies, |most| most as usize),
        claims: fields.strings("claims").into_iter().map(|claim| claim.text).collect(),
    };
    fields.finish();
    report
}

/// A word, or `true` for all requests and `false` for none.
fn filter_state(cursor: &Cursor<'_>, words: &[(&str, Wanted)]) -> Option<Wanted> {
    match cursor.node().value {
        Value::Bool(true) => Some(Wanted::All),
        Value::Bool(false) => Some(Wanted::None),
        _ => cursor.word(words),
    }
}

/// A header of its own, never one that means something to anybody: `x-…`, letters, digits and hyphens.
fn response_header(cursor: Cursor<'_>) -> Option<String> {
    let name = cursor.string()?.text.to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let own = name.starts_with("x-") && !name.starts_with("x-envoy") && !name.starts_with("x-forwarded");
    if name.is_empty() || (own && name.len() <= 64 && name.bytes().all(plain)) {
        return Some(name);
    }
    let message = format!("the debugging header may not be called {}", decode::quoted(&name));
    cursor.error("bad-header-name", message, "call it x-gnomon-shadow, or leave it out");
    None
}

fn refused(why: Diagnostic) -> Config {
    Config { diagnostics: vec![why], loaded: None }
}

fn not_json(text: &[u8], error: &dyn Display, at: Position) -> Diagnostic {
    let mut diagnostic = Diagnostic {
        severity: Severity::Error,
        code: "bad-json",
        file: "".into(),
        at,
        object: String::new(),
        field: String::new(),
        message: format!("the plugin configuration is not JSON: {error}"),
        help:
            "Istio passes pluginConfig on as JSON; for a plain Envoy write the JSON text into a StringValue"
                .into(),
    };
    if text.is_empty() {
        diagnostic.at = Position::default();
        diagnostic.message = "the plugin configuration is empty".into();
        diagnostic.help = "give the policies to evaluate as candidate.resources".into();
    }
    diagnostic
}
