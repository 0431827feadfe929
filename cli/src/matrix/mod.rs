//! `gnomon matrix`.

mod drawing;
mod formats;

use crate::{
    Outcome,
    diff::source,
    environment, eval, findings, gateway,
    sources::SourceArgs,
    style,
    workloads::{All, Asked, chosen_or_tell},
};
use gnomon_analysis::{
    diff::{Change, State, document},
    hops::{self, World},
    invariant::Unanswered,
    matrix::{
        Caller, Cell, May, Part, by_both, by_path, by_port, callers, cell, cell_through, change, lines,
    },
};
use gnomon_engine::{
    Mesh,
    attach::{Attachment, Policy, attachments},
    jwt::SoftwareCrypto,
    resource::{AuthorizationPolicy, Resources},
    workload::ProxyKind,
};
use gnomon_manifests::Loaded;
use serde_json::Value;

/// Say who may do what: callers by workloads, each cell for all requests at once
///
/// Callers are the accounts of the manifests and those that policies name, every other identity, plaintext, and a token of
/// each issuer over plaintext; all but the last without a valid token. Cells are about HTTP requests, at ztunnel about
/// connections.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// Apart for each port of a workload, and for each kind of paths that policies name
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    by: Vec<By>,
    /// Ask about HTTP requests, or about TCP connections
    #[arg(long, value_enum, default_value_t = Protocol::Http)]
    protocol: Protocol,
    /// Say what comes through this ingress gateway, of requests as they come to it; `gateway` is the only one
    #[arg(long, value_name = "GATEWAY", conflicts_with_all = ["by", "diff"])]
    via: Option<String>,
    /// Show only what changed since: a file, a folder, git:REF or git:REF:PATH, cluster: or cluster:CONTEXT
    #[arg(long, value_name = "OLD")]
    diff: Option<String>,
    /// For people, for programs, or as a drawing: `dot` for Graphviz, `svg` for a page
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Dot,
    Svg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Port,
    Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Protocol {
    Http,
    Tcp,
}

/// A workload, or a part of what it can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// What the workload is called.
    pub(crate) workload: String,
    /// Which part.
    pub(crate) part: Part,
    /// Through which gateway.
    pub(crate) gateway: Option<String>,
    /// What of it is not known.
    pub(crate) unknown: Vec<String>,
    /// An entry for each caller.
    pub(crate) entries: Vec<Entry>,
}

impl Column {
    /// For people.
    pub(crate) fn title(&self) -> String {
        match (&self.gateway, &*self.part.name) {
            (Some(gateway), _) => format!("{} through {gateway}", self.workload),
            (None, "") => self.workload.clone(),
            (None, part) => format!("{}, {part}", self.workload),
        }
    }
}

/// What is said of a caller at a workload.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// `everything`, `nothing`, `something`, `unknown`; of a change `more`, `less`, `other`, `same`; `none`: no question.
    pub(crate) word: &'static str,
    /// What exactly.
    pub(crate) requests: Vec<String>,
    pub(crate) complete: bool,
    /// One that is allowed, or newly allowed.
    pub(crate) example: Option<Value>,
}

/// All of it.
pub(crate) struct Matrix {
    pub(crate) callers: Vec<String>,
    /// By workload, and in that by part.
    pub(crate) columns: Vec<Column>,
    pub(crate) is_change: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if !args.sources.are_given() {
        return Outcome::Failed;
    }
    let mut loaded = args.sources.load(args.environment.namespace());
    let environment = args.environment.within(&args.sources);
    let (told, mesh) = environment.read(&mut loaded);
    let mut seen = Default::default();
    findings::show(&loaded, &mut seen);
    let old = match args.diff.as_deref().map(|side| old(args, side)).transpose() {
        Ok(old) => old,
        Err(why) => {
            eprintln!("error: {}", style::safe(&why));
            return Outcome::Failed;
        }
    };
    if let Some((old, _)) = &old
        && findings::print(old, &mut seen, "nothing was compared")
    {
        return Outcome::Failed;
    }
    let all = if environment.tells_workload() { All::No } else { All::Yes };
    let asked = chosen_or_tell(&environment, told, all, &loaded, &mesh)
        .and_then(|asked| findings::unconcerned(asked, &loaded, &mesh, "nothing was evaluated"));
    let Some(asked) = asked else { return Outcome::Failed };
    let mut sides = vec![(&loaded.inventory, &loaded.resources)];
    sides.extend(old.as_ref().map(|(old, _)| (&old.inventory, &old.resources)));
    let callers = callers(&sides, &mesh);
    let mut matrix = Matrix {
        callers: callers.iter().map(|one| one.name.clone()).collect(),
        columns: Vec::new(),
        is_change: old.is_some(),
    };
    if let Some(named) = &args.via {
        if let Err(why) = through(named, &asked, &callers, (&loaded, &mesh), &mut matrix) {
            eprintln!("error: {why}");
            return Outcome::Failed;
        }
        print(args, &matrix);
        return Outcome::Good;
    }
    for one in asked.iter().filter(|one| concerns(one)) {
        let mut policies = applying(&loaded.resources, one, &mesh);
        policies.extend(old.iter().flat_map(|(old, mesh)| applying(&old.resources, one, mesh)));
        for part in parts(args, one, &loaded, &policies) {
            match row(one, &callers, &part, (&loaded, &mesh), old.as_ref()) {
                Ok(entries) => {
                    let (gateway, unknown) = (None, Vec::new());
                    matrix.columns.push(Column { workload: one.name(), part, gateway, unknown, entries });
                }
                Err(why) => {
                    let name = style::safe(&one.name());
                    eprintln!("error: {name}: {}", style::safe(&why.to_string()));
                    return Outcome::Failed;
                }
            }
        }
    }
    print(args, &matrix);
    Outcome::Good
}

fn print(args: &Args, matrix: &Matrix) {
    style::print(&match args.output {
        Format::Text => formats::text(matrix),
        Format::Json => formats::json(matrix),
        Format::Markdown => formats::markdown(matrix),
        Format::Dot => drawing::dot(matrix),
        Format::Svg => drawing::svg(matrix),
    });
}

/// What comes through a gateway to each workload.
fn through(
    named: &str,
    asked: &[Asked],
    callers: &[Caller],
    (loaded, mesh): (&Loaded, &Mesh),
    matrix: &mut Matrix,
) -> Result<(), String> {
    let all = hops::gateways(&loaded.inventory);
    let gateway = gateway::chosen(&all, named)?;
    let (now, crypto) = (eval::now(), &SoftwareCrypto);
    let world = World { inventory: &loaded.inventory, resources: &loaded.resources, mesh, now, crypto };
    for one in asked.iter().filter(|one| concerns(one) && one.workload != gateway.workload) {
        let (mut entries, mut unknown) = (Vec::new(), Vec::new());
        for caller in callers {
            let (cell, why) = cell_through(world, gateway, &one.workload, caller)
                .map_err(|why| format!("{}: {}", style::safe(&one.name()), style::safe(&why.to_string())))?;
            entries.push(of_cell(cell));
            unknown.extend(why);
        }
        unknown.sort();
        unknown.dedup();
        let (part, gateway) = (Part::everything(false), Some(gateway.workload.display_name()));
        matrix.columns.push(Column { workload: one.name(), part, gateway, unknown, entries });
    }
    Ok(())
}

/// The other side, with its mesh.
fn old(args: &Args, side: &str) -> Result<(Loaded, Mesh), String> {
    let own = args.sources.policies.first().map(|path| path.to_string_lossy().into_owned());
    let mut loaded = source::read(side, own.as_deref().unwrap_or("."), args.sources.last_wins)?;
    let (_, mesh) = args.environment.read(&mut loaded);
    Ok((loaded, mesh))
}

/// The policies that apply to it.
fn applying<'r>(resources: &'r Resources, asked: &'r Asked, mesh: &'r Mesh) -> Vec<&'r AuthorizationPolicy> {
    let all = attachments(resources, &asked.workload, mesh).into_iter();
    let applying = all.filter(|(_, attachment)| !matches!(attachment, Attachment::Not(_)));
    applying
        .filter_map(|(policy, _)| match policy {
            Policy::Authorization(policy) => Some(policy),
            Policy::RequestAuthentication(_) | Policy::PeerAuthentication(_) => None,
        })
        .collect()
}

/// What the workload is asked, by part.
fn parts(args: &Args, asked: &Asked, loaded: &Loaded, policies: &[&AuthorizationPolicy]) -> Vec<Part> {
    let is_tcp = args.protocol == Protocol::Tcp || asked.workload.proxy == ProxyKind::Ztunnel;
    let known = || {
        let all = loaded.inventory.workloads();
        all.iter().find(|one| one.workload == asked.workload).map(|one| one.ports()).unwrap_or_default()
    };
    let ports = match args.by.contains(&By::Port) {
        true => by_port(&known(), policies, is_tcp),
        false => vec![Part::everything(is_tcp)],
    };
    match args.by.contains(&By::Path) {
        true => by_both(&ports, &by_path(policies)),
        false => ports,
    }
}

/// A proxy asks policies there.
fn concerns(asked: &Asked) -> bool {
    asked.found.as_ref().is_none_or(|found| found.has_proxy)
        && asked.workload.proxy != ProxyKind::Agentgateway
}

fn row(
    asked: &Asked,
    callers: &[Caller],
    part: &Part,
    (loaded, mesh): (&Loaded, &Mesh),
    old: Option<&(Loaded, Mesh)>,
) -> Result<Vec<Entry>, Unanswered> {
    let state = State { resources: &loaded.resources, workload: &asked.workload, mesh };
    let before = old.map(|(old, mesh)| State { resources: &old.resources, workload: &asked.workload, mesh });
    callers
        .iter()
        .map(|caller| match before {
            None => entry(state, caller, part),
            Some(before) => changed(before, state, caller, part),
        })
        .collect()
}

/// There is nothing to ask.
fn none() -> Entry {
    Entry { word: "none", requests: Vec::new(), complete: true, example: None }
}

fn entry(state: State<'_>, caller: &Caller, part: &Part) -> Result<Entry, Unanswered> {
    let cell = cell(state, caller, part, eval::now(), &SoftwareCrypto)?;
    Ok(cell.map_or_else(none, of_cell))
}

fn of_cell(cell: Cell) -> Entry {
    let word = match cell.may {
        May::Everything => "everything",
        May::Something => "something",
        May::Nothing => "nothing",
        May::Unknown => "unknown",
    };
    let example = cell.example.as_ref().map(document);
    Entry { word, requests: cell.requests, complete: cell.complete, example }
}

fn changed(old: State<'_>, new: State<'_>, caller: &Caller, part: &Part) -> Result<Entry, Unanswered> {
    let changes = change(old, new, caller, part, eval::now(), &SoftwareCrypto)?;
    let Some(changes) = changes else { return Ok(none()) };
    let word = match (&changes.newly_allowed, &changes.newly_denied, &changes.newly_undecided) {
        (None, None, None) if changes.keys.is_empty() => "same",
        (Some(_), None, None) => "more",
        (None, Some(_), None) => "less",
        _ => "other",
    };
    let mut requests = Vec::new();
    let ways =
        [(Change::Allowed, "now"), (Change::Denied, "no longer"), (Change::Undecided, "not known any more")];
    for (way, title) in ways {
        requests.extend(lines(&changes, &[way], caller).into_iter().map(|line| format!("{title}: {line}")));
    }
    requests.extend(changes.keys.iter().map(ToString::to_string));
    let witness = changes.newly_allowed.or(changes.newly_denied);
    let example = witness.map(|witness| document(&witness.request));
    Ok(Entry { word, requests, complete: changes.complete, example })
}
