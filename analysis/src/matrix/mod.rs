//! Who may do what: callers × workloads, each cell for all requests of the caller at once.
//!
//! A caller is a set of requests, taken out of all of them by a DENY policy for the rest. A cell is then a comparison
//! ([`diff`](crate::diff)) with a workload that lets nobody in, and one with a workload without policies: what it says is
//! exact, and each request that it shows is confirmed by the engine.

mod part;

pub use part::{Part, by_both, by_path, by_port};

use crate::{
    diff::{Change, Changes, State, compiled, of_kinds},
    hops::{Senders, World, passages},
    invariant::{Unanswered, node, policy},
};
use gnomon_engine::{
    Mesh, Workload,
    jwt::Crypto,
    prepare::RequestSpec,
    resource::{FieldSet, Resources, Text},
    workload::ProxyKind,
};
use gnomon_manifests::inventory::{Candidate, Inventory};
use gnomon_symbolic::Limits;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who sends requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// For people: `jobs/batch`, `other identities`, `plaintext`, `token of https://issuer.example`.
    pub name: String,
    /// The rules that match what others send.
    others: Vec<Value>,
    /// The same where nothing is known of tokens.
    other_connections: Vec<Value>,
    /// Of whom it has a token.
    issuer: Option<String>,
    /// Different senders: who of them is told with what they may do.
    are_many: bool,
}

/// What a caller may do at a workload.
#[derive(Clone, Debug)]
pub struct Cell {
    /// How much.
    pub may: May,
    /// Which requests, where it is neither everything nor nothing; and those of which nobody knows.
    pub requests: Vec<String>,
    /// All are told; false: the first ones.
    pub complete: bool,
    /// One that is allowed, confirmed.
    pub example: Option<RequestSpec>,
}

/// How much a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// All of it.
    Everything,
    /// Some requests.
    Something,
    /// None.
    Nothing,
    /// Nothing for certain, and of some requests the verdict is not known.
    Unknown,
}

/// The callers: the accounts of manifests and policies, every other identity, plaintext, and a token of each issuer.
pub fn callers(all: &[(&Inventory, &Resources)], mesh: &Mesh) -> Vec<Caller> {
    let mut accounts = BTreeSet::new();
    let mut issuers = BTreeSet::new();
    for (inventory, resources) in all {
        let own = |namespace: &str, name: &str| format!("{}/ns/{namespace}/sa/{name}", mesh.trust_domain);
        accounts.extend(inventory.service_accounts.iter().map(|meta| own(&meta.namespace, &meta.name)));
        let workloads = inventory.workloads();
        accounts.extend(
            workloads
                .iter()
                .filter(|one| !one.workload.service_account.is_empty())
                .map(|one| own(&one.workload.namespace, &one.workload.service_account)),
        );
        for policy in &resources.authorization {
            let named = policy.rules.iter().flat_map(|rule| {
                let sets = rule.from.iter().flat_map(FieldSet::iter).map(|(_, values)| values);
                sets.chain(rule.when.iter().map(|condition| &condition.values))
            });
            let texts = named.flat_map(|values| values.values.iter().chain(&values.not_values));
            accounts.extend(texts.filter(is_principal).map(|text| text.text.clone()));
        }
        let rules = resources.request_authentication.iter().flat_map(|policy| &policy.rules);
        issuers.extend(rules.map(|rule| rule.issuer.text.clone()));
    }
    let no_token = || json!({"from": [{"source": {"requestPrincipals": ["*"]}}]});
    let from = |source: Value| json!({"from": [{"source": source}]});
    let caller = |name: String, others: Vec<Value>| {
        let mut with = others.clone();
        with.push(no_token());
        Caller { name, others: with, other_connections: others, issuer: None, are_many: false }
    };
    let mut found: Vec<Caller> = accounts
        .iter()
        .map(|account| caller(short(account, mesh), vec![from(json!({"notPrincipals": [account]}))]))
        .collect();
    let mut other = vec![from(json!({"notPrincipals": ["*"]}))];
    if !accounts.is_empty() {
        other.push(from(json!({"principals": accounts})));
    }
    found.push(Caller { are_many: true, ..caller("other identities".into(), other) });
    let identified = || from(json!({"principals": ["*"]}));
    found.push(caller("plaintext".into(), vec![identified()]));
    found.extend(issuers.iter().map(|issuer| Caller {
        name: format!("token of {issuer}"),
        others: vec![identified(), from(json!({"notRequestPrincipals": [format!("{issuer}/*")]}))],
        other_connections: vec![identified()],
        issuer: Some(issuer.clone()),
        are_many: false,
    }));
    found
}

/// `td/ns/a/sa/b`, written out.
fn is_principal(text: &&Text) -> bool {
    let parts: Vec<&str> = text.text.split('/').collect();
    matches!(parts[..], [_, "ns", _, "sa", _]) && !text.text.contains('*') && !parts.contains(&"")
}

fn short(account: &str, mesh: &Mesh) -> String {
    let own = account.strip_prefix(&mesh.trust_domain).and_then(|rest| rest.strip_prefix("/ns/"));
    match own.and_then(|rest| rest.split_once("/sa/")) {
        Some((namespace, name)) => format!("{namespace}/{name}"),
        None => account.to_owned(),
    }
}

/// What the caller may do at the workload, in this part of what it can be asked; at ztunnel, connections. `None`: the
/// caller has a token, of which connections know nothing.
///
/// # Errors
///
/// See [`Unanswered`].
pub fn cell(
    state: State<'_>,
    caller: &Caller,
    part: &Part,
    now: i64,
    crypto: &dyn Crypto,
) -> Result<Option<Cell>, Unanswered> {
    let ask = |old: &Resources, new: &Resources| compared([(state, old), (state, new)], part, now, crypto);
    let Some(own) = with(state, state.resources, caller, part)? else { return Ok(None) };
    let deny = policy("DENY", &node(json!([{}])), state.workload, "").map_err(Unanswered::BadRule)?;
    let mut nobody = own.clone();
    nobody.authorization.push(deny);
    let allowed = ask(&nobody, &own)?;
    let requests = lines(&allowed, &[Change::Allowed, Change::Undecided], caller);
    let Some(witness) = allowed.newly_allowed else {
        let may = if allowed.newly_undecided.is_some() { May::Unknown } else { May::Nothing };
        let requests = if may == May::Unknown { requests } else { Vec::new() };
        return Ok(Some(Cell { may, requests, complete: allowed.complete, example: None }));
    };
    let tokens = &state.resources.request_authentication;
    let free = Resources {
        request_authentication: tokens.clone(),
        services: state.resources.services.clone(),
        unverified: state.resources.unverified.clone(),
        ..Resources::default()
    };
    let Some(free) = with(state, &free, caller, part)? else { return Ok(None) };
    let refused = ask(&free, &own)?;
    let everything = refused.newly_denied.is_none() && refused.newly_undecided.is_none();
    let example = Some(witness.request);
    Ok(Some(match everything {
        true => Cell { may: May::Everything, requests: Vec::new(), complete: true, example },
        false => Cell { may: May::Something, requests, complete: allowed.complete, example },
    }))
}

/// What the caller may send to a workload through a gateway, as it comes to the gateway; and what of it is not known. No part
/// of it is told as [`May::Everything`]: what a route leads there is part of the answer.
///
/// # Errors
///
/// See [`Unanswered`].
pub fn cell_through<'a>(
    world: World<'a>,
    gateway: &'a Candidate<'a>,
    target: &'a Workload,
    caller: &Caller,
) -> Result<(Cell, Vec<String>), Unanswered> {
    let others: Vec<&Value> = caller.others.iter().collect();
    let denying = policy("DENY", &node(json!(others)), &gateway.workload, "").map_err(Unanswered::BadRule)?;
    let [others, _] = compiled(denying, &[], &gateway.workload, world.mesh);
    let found = passages(world, gateway, target, &Senders::Others(&others)).map_err(Unanswered::Problem)?;
    let mut cell = Cell { may: May::Nothing, requests: Vec::new(), complete: true, example: None };
    for passage in &found.all {
        cell.may = May::Something;
        cell.complete &= passage.changes.complete;
        for line in lines(&passage.changes, &[Change::Allowed, Change::Undecided], caller) {
            if !cell.requests.contains(&line) {
                cell.requests.push(line);
            }
        }
        let witness = passage.changes.newly_allowed.as_ref();
        cell.example = cell.example.or_else(|| witness.map(|witness| witness.request.clone()));
    }
    Ok((cell, found.unknown))
}

/// What changes for the caller at the workload. `None` as for [`cell`].
///
/// # Errors
///
/// See [`Unanswered`].
pub fn change(
    old: State<'_>,
    new: State<'_>,
    caller: &Caller,
    part: &Part,
    now: i64,
    crypto: &dyn Crypto,
) -> Result<Option<Changes>, Unanswered> {
    let (before, after) = (with(old, old.resources, caller, part)?, with(new, new.resources, caller, part)?);
    match (before, after) {
        (Some(a), Some(b)) => {
            let mut changes = compared([(old, &a), (new, &b)], part, now, crypto)?;
            // Whoever else it is sends no token.
            let own =
                |issuer: &str| caller.issuer.as_deref().is_some_and(|own| issuer.is_empty() || own == issuer);
            changes.keys.retain(|keys| own(&keys.issuer));
            Ok(Some(changes))
        }
        _ => Ok(None),
    }
}

/// The lines of a summary that are of one of these ways, each once; without who sends the requests, where the caller says
/// it.
pub fn lines(changes: &Changes, ways: &[Change], caller: &Caller) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in changes.summary.iter().filter(|line| ways.contains(&line.change)) {
        let unknown = line.change == Change::Undecided && ways.len() > 1;
        let said = if caller.are_many { &line.requests } else { &line.operation };
        let text = if unknown { format!("not known: {said}") } else { said.clone() };
        if !lines.contains(&text) {
            lines.push(text);
        }
    }
    lines
}

fn compared(
    [(a, old), (b, new)]: [(State<'_>, &Resources); 2],
    part: &Part,
    now: i64,
    crypto: &dyn Crypto,
) -> Result<Changes, Unanswered> {
    let states = (State { resources: old, ..a }, State { resources: new, ..b });
    let changes = of_kinds(part.kinds(), states.0, states.1, now, crypto, Limits::default());
    changes.map_err(Unanswered::Problem)
}

/// The policies with one that denies what others send, and what is of other parts.
fn with(
    state: State<'_>,
    resources: &Resources,
    caller: &Caller,
    part: &Part,
) -> Result<Option<Resources>, Unanswered> {
    let layer_4 = state.workload.proxy == ProxyKind::Ztunnel || part.is_tcp;
    if layer_4 && caller.issuer.is_some() {
        return Ok(None);
    }
    let callers = if layer_4 { &caller.other_connections } else { &caller.others };
    let rules: Vec<&Value> = callers.iter().chain(&part.others).collect();
    let denying = policy("DENY", &node(json!(rules)), state.workload, "").map_err(Unanswered::BadRule)?;
    let mut resources = resources.clone();
    resources.authorization.push(denying);
    Ok(Some(resources))
}
