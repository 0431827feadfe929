//! Invariants as people write them (docs/formats.md, "Invariants").

use super::{BOTH, HTTP, Must, Requests, TCP, decoded, library, node, short};
use crate::workloads::Found;
use gnomon_engine::{
    Attribute, Diagnostic, Diagnostics, Node, Position, Severity, Value,
    decode::{Cursor, Fields, Reader, nearest},
    resource::{AuthorizationPolicy, FieldSet, Rule},
    workload::Workload,
};
use gnomon_manifests::request::strict;
use gnomon_symbolic::Kind;
use serde_json::json;
use std::sync::Arc;

/// An invariant, and where it is to hold.
#[derive(Clone, Debug)]
pub struct Invariant {
    /// For people.
    pub name: String,
    /// Whether none or each of the requests is allowed.
    pub must: Must,
    /// Which requests.
    pub requests: Requests,
    /// For which workloads: names, or `NAMESPACE/*`; empty: for all.
    pub workloads: Vec<String>,
    /// The file that it is in; empty where it is in none.
    pub file: Arc<str>,
    /// Where it begins.
    pub at: Position,
}

impl Invariant {
    /// It is to hold at this workload, which is called `name` where it was not found among manifests.
    pub fn concerns(&self, name: &str, workload: &Workload, found: Option<&Found>) -> bool {
        let means = |wanted: &String| match wanted.strip_suffix("/*") {
            Some(namespace) => workload.namespace == namespace,
            None => found.map_or(name == wanted, |found| found.is_called(wanted)),
        };
        self.workloads.is_empty() || self.workloads.iter().any(means)
    }
}

/// Reads a document with a list `invariants`.
///
/// # Errors
///
/// All that is wrong with any of them; an unknown field is an error here.
pub fn invariants(file: &Arc<str>, document: &Node) -> Result<Vec<Invariant>, Diagnostics> {
    let reader = Reader::new(file, "");
    let (mut all, mut found) = (Vec::new(), Vec::new());
    if let Some(mut fields) = reader.root(document).fields() {
        if fields.get("invariants").is_none() {
            let help = "write `invariants:` and below it a list";
            fields.cursor().error("missing-field", "there is no list `invariants`", help);
        } else {
            for one in fields.list("invariants") {
                all.extend(invariant(file, &one, &mut found));
            }
            fields.finish();
        }
    }
    found.splice(0..0, strict(reader.into_diagnostics()));
    match found.iter().any(|one| one.severity == Severity::Error) {
        true => Err(Diagnostics(found)),
        false => Ok(all),
    }
}

/// An invariant of the library: `NAME` or `NAME:PARAMETER=VALUE,…;PARAMETER=…`.
///
/// # Errors
///
/// There is none of that name, or its parameters are others.
pub fn used(text: &str) -> Result<Invariant, Diagnostics> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let mut with = serde_json::Map::new();
    for one in rest.split(';').filter(|one| !one.is_empty()) {
        let (parameter, values) = one.split_once('=').unwrap_or((one, ""));
        let values: Vec<&str> = values.split(',').filter(|value| !value.is_empty()).collect();
        with.insert(parameter.into(), json!(values));
    }
    let document = node(json!({"invariants": [{"use": name, "with": with}]}));
    let mut all = invariants(&Arc::from(""), &document)?;
    all.pop().ok_or_else(|| Diagnostics(Vec::new()))
}

/// What is wrong is reported to the cursor's reader, and of rules added to `found`.
fn invariant(file: &Arc<str>, cursor: &Cursor<'_>, found: &mut Vec<Diagnostic>) -> Option<Invariant> {
    let mut fields = cursor.clone().fields()?;
    let mut name = fields.string("name").map(|text| text.text);
    let workloads = fields.strings("workloads").into_iter().map(|text| text.text).collect();
    let one = match fields.get("use") {
        None => {
            let one = body(file, &mut fields, found);
            fields.finish();
            one
        }
        Some(wanted) => {
            let one = of_library(&wanted, &mut fields);
            fields.finish();
            one.map(|(called, one)| {
                name.get_or_insert(called);
                one
            })
        }
    };
    let (must, requests) = one?;
    let name = name.unwrap_or_else(|| format!("the invariant of line {}", cursor.at().line));
    Some(Invariant { name, must, requests, workloads, file: file.clone(), at: cursor.at() })
}

/// What it is called, and what it says.
fn of_library(wanted: &Cursor<'_>, fields: &mut Fields<'_>) -> Option<(String, (Must, Requests))> {
    let with = fields.get("with");
    let text = wanted.string()?.text;
    let Some(entry) = library().iter().find(|entry| entry.name == text) else {
        let names: Vec<&str> = library().iter().map(|entry| entry.name.as_str()).collect();
        let help = match nearest(&text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        wanted.error("unknown-value", format!("the library has no invariant `{text}`"), help);
        return None;
    };
    let (mut given, mut whole) = (Vec::new(), true);
    for (key, value) in with.map(|with| with.entries()).unwrap_or_default() {
        if entry.parameters.iter().any(|(name, _)| *name == key.name) {
            given.push((key.name.clone(), texts(value.node())));
        } else {
            let known: Vec<&str> = entry.parameters.iter().map(|(name, _)| name.as_str()).collect();
            let help = match &known[..] {
                [] => "it takes none".to_owned(),
                known => format!("it takes {}", known.join(", ")),
            };
            let message = format!("{text} has no parameter `{}`", key.name);
            value.report_key(key, "unknown-field", message, help);
            whole = false;
        }
    }
    for (name, default) in &entry.parameters {
        if default.value == Value::Null && !given.iter().any(|(known, _)| known == name) {
            let help = format!("write `with: {{{name}: […]}}`, or on the command line {text}:{name}=…");
            wanted.error("missing-field", format!("{text} needs `{name}`"), help);
            whole = false;
        }
    }
    if !whole {
        return None;
    }
    let (filled, file) = (entry.filled(&given), Arc::from("library"));
    let reader = Reader::new(&file, "");
    let mut inner = reader.root(&filled).fields()?;
    let mut wrong = Vec::new();
    let one = body(&file, &mut inner, &mut wrong);
    inner.finish();
    wrong.extend(strict(reader.into_diagnostics()));
    // What is wrong is what was given.
    for Diagnostic { message, .. } in &wrong {
        wanted.error("bad-parameter", format!("{text}: {message}"), "");
    }
    let told: Vec<String> = given
        .iter()
        .flat_map(|(_, value)| value.as_list().map_or(std::slice::from_ref(value), |items| items))
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect();
    let name = if told.is_empty() { text } else { format!("{text} ({})", told.join(", ")) };
    Some((name, one?))
}

/// One value or several, as a list of texts.
fn texts(value: &Node) -> Node {
    let text = |node: &Node| match &node.value {
        Value::Number(number) => Node { value: Value::String(number.clone()), at: node.at },
        _ => node.clone(),
    };
    let items = value.as_list().unwrap_or(std::slice::from_ref(value));
    Node { value: Value::List(items.iter().map(text).collect()), at: value.at }
}

/// What it says: `never`, `always` or `only`, and the protocol.
fn body(file: &Arc<str>, fields: &mut Fields<'_>, found: &mut Vec<Diagnostic>) -> Option<(Must, Requests)> {
    let kinds = fields.word("protocol", &[("http", HTTP), ("tcp", TCP), ("any", BOTH)]).unwrap_or(HTTP);
    let mut said = Vec::new();
    for (name, must) in [
        ("never", Must::Never),
        ("never allow", Must::Never),
        ("always", Must::Always),
        ("always allow", Must::Always),
    ] {
        if let Some(described) = fields.get(name) {
            let unless = described.node().as_map().and_then(|_| described.clone().fields()?.get("unless"));
            said.push((must, short::rules(&described), unless.map(|unless| short::rules(&unless))));
        }
    }
    if let Some(mut only) = fields.fields("only") {
        let may = only.get("may").map_or(Some(node(json!([{}]))), |may| short::rules(&may));
        let who = only.get("who").map(|who| short::rules(&who));
        if who.is_none() {
            let help = "write `who`, as in `only: {who: {namespaces: web}, may: {paths: /api/*}}`";
            only.cursor().error("missing-field", "`only` says nobody", help);
        }
        only.finish();
        said.push((Must::Never, may.filter(|_| who.is_some()), who));
    }
    if said.len() != 1 {
        let message = "an invariant is one of `never`, `always`, `only` and `use`";
        fields.cursor().error("missing-field", message, "write one of them");
        return None;
    }
    let (must, rules, except) = said.pop()?;
    let rules = rules?;
    let except = match except {
        Some(except) => Some(except?),
        None => None,
    };
    let mut whole = true;
    for described in [Some(&rules), except.as_ref()].into_iter().flatten() {
        let (policy, wrong) = decoded("ALLOW", described, &Workload::default(), file);
        let wrong = strict(wrong).into_iter().filter(|one| one.severity == Severity::Error);
        let before = found.len();
        found.extend(wrong.map(|wrong| Diagnostic { object: String::new(), ..wrong }));
        whole &= policy.is_some() && found.len() == before;
        let http_only = policy.as_ref().and_then(http_only).filter(|_| kinds.contains(&Kind::Tcp));
        if let Some((attribute, at)) = http_only {
            whole = false;
            let place = Node { value: Value::Null, at };
            let reader = Reader::new(file, "");
            let message = format!("connections have no {}", attribute.prose().noun);
            reader.root(&place).error("http-only", message, "write `protocol: http`");
            found.extend(reader.into_diagnostics());
        }
    }
    whole.then_some((must, Requests { rules, except, kinds }))
}

/// What of the rules HTTP alone has, and where.
fn http_only(policy: &AuthorizationPolicy) -> Option<(Attribute, Position)> {
    let of_rule = |rule: &Rule| {
        let fields =
            rule.from.iter().chain(&rule.to).flat_map(FieldSet::iter).map(|(attribute, _)| attribute);
        let keys = rule.when.iter().filter_map(|one| Some(Attribute::of_key(&one.key.text)?.0));
        let found = fields.chain(keys).find(|attribute| attribute.row().http_only);
        found.map(|attribute| (attribute, rule.at))
    };
    policy.rules.iter().find_map(of_rule)
}
