//! `gnomon diff`.

mod allowed;
mod curl;
pub(crate) mod formats;
mod link;
pub(crate) mod source;
pub(crate) mod text;

use crate::{
    Outcome, environment, findings, style,
    workloads::{All, Asked, chosen},
};
use gnomon_analysis::diff::{Changes, Problem, State, of_workload};
use gnomon_engine::{Mesh, Workload, jwt::SoftwareCrypto, workload::ProxyKind};
use gnomon_manifests::Loaded;
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

/// Say what a change of policies changes: for all requests, with a request that shows it
///
/// Compares what two sets of policies make of every request, for each workload. Exits 0 whatever the difference (see
/// --deny-new-access) and 2 where something cannot be read or compared.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policies before: a file, a folder, git:REF (at NEW's path), git:REF:PATH, or cluster:, cluster:CONTEXT
    #[arg(value_name = "OLD")]
    old: String,
    /// The policies after, in the same way
    #[arg(value_name = "NEW")]
    new: String,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// Of objects of one name take the last one read, as `kubectl apply` does
    #[arg(long)]
    last_wins: bool,
    /// Exit 1 where a request is newly allowed
    #[arg(long)]
    deny_new_access: bool,
    /// New access that is intended: a file with a list `allow:` of `policy: NAMESPACE/NAME` and `workload: NAME`
    #[arg(long, value_name = "FILE", requires = "deny_new_access")]
    allow: Option<PathBuf>,
    /// Print the requests as commands of curl too
    #[arg(long)]
    curl: bool,
    /// Print a link for each workload that opens the playground with the policies of both sides and these requests, at
    /// the page's address [default: where `gnomon playground` serves it]
    ///
    /// Of the files only the policies that can apply to the workload are in the link; whoever has it can read them.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = link::HERE)]
    link: Option<String>,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Markdown,
    Sarif,
    Html,
}

/// What came of one workload.
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) workload: Workload,
    pub(crate) changes: Changes,
    /// What opens it in the playground.
    pub(crate) link: Option<String>,
}

/// One side, read.
struct Read {
    loaded: Loaded,
    told: Workload,
    mesh: Mesh,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let sides = [(&args.old, &args.new), (&args.new, &args.old)];
    let mut read = Vec::new();
    let mut seen = Default::default();
    let mut broken = false;
    for (side, other) in sides {
        let mut loaded = match source::read(side, other, args.last_wins) {
            Ok(loaded) => loaded,
            Err(why) => {
                eprintln!("error: {}", style::safe(&why));
                return Outcome::Failed;
            }
        };
        let (told, mesh) = args.environment.read(&mut loaded);
        broken |= findings::print(&loaded, &mut seen, "nothing was compared");
        read.push(Read { loaded, told, mesh });
    }
    let [old, new] = &read[..] else { return Outcome::Failed };
    if broken {
        return Outcome::Failed;
    }
    let exempt = match args.allow.as_deref().map(allowed::read).transpose() {
        Ok(exempt) => exempt.unwrap_or_default(),
        Err(why) => {
            eprintln!("error: {}", style::safe(&why));
            return Outcome::Failed;
        }
    };
    let pairs = match pairs(args, old, new) {
        Ok(pairs) => pairs,
        Err(why) => {
            eprintln!("error: {why}");
            return Outcome::Failed;
        }
    };
    let mut compared = Vec::new();
    let mut failed = false;
    for (name, before, after) in pairs {
        let state = |side: &'_ Read, workload| -> (Workload, Mesh) { (workload, side.mesh.clone()) };
        let ((a, of_a), (b, of_b)) = (state(old, before), state(new, after));
        let states = [
            State { resources: &old.loaded.resources, workload: &a, mesh: &of_a },
            State { resources: &new.loaded.resources, workload: &b, mesh: &of_b },
        ];
        let now = crate::eval::now();
        match of_workload(states[0], states[1], now, &SoftwareCrypto, Default::default()) {
            Ok(changes) => {
                let link = args.link.as_deref().filter(|_| !changes.is_equivalent());
                let link = link.map(|page| link::link(page, states, &name, &changes));
                compared.push(Compared { name, workload: b.clone(), changes, link });
            }
            Err(why) => {
                failed = true;
                let bug = matches!(why, Problem::Unconfirmed(_));
                let kind = if bug { "" } else { "not compared: " };
                eprintln!("error: {}: {kind}{}", style::safe(&name), style::safe(&why.to_string()));
            }
        }
    }
    let output = match args.output {
        Format::Text => text::write(args.curl, &compared),
        Format::Json => formats::json(&compared, args.curl),
        Format::Markdown => formats::markdown(&compared),
        Format::Sarif => {
            let files = [new, old].into_iter().find_map(|side| side.loaded.sources.keys().min());
            formats::sarif(&compared, files.map_or(".", |file| file))
        }
        Format::Html => formats::html(&compared),
    };
    style::print(&output);
    let unwanted = args.deny_new_access && compared.iter().any(|one| exempt.leaves(&one.name, &one.changes));
    match (failed, unwanted) {
        (true, _) => Outcome::Failed,
        (_, true) => Outcome::Bad,
        _ => Outcome::Good,
    }
}

/// The workloads of both sides by name. One that only one side knows is asked about on both: policies may be for it.
fn pairs(args: &Args, old: &Read, new: &Read) -> Result<Vec<(String, Workload, Workload)>, String> {
    let all = if args.environment.tells_workload() { All::No } else { All::Yes };
    let of = |side: &Read| chosen(&args.environment, side.told.clone(), all, &side.loaded, &side.mesh);
    let (before, after) = (of(old), of(new));
    let (before, after) = match (before, after) {
        (Err(_), Err(why)) => return Err(why),
        (before, after) => (before.unwrap_or_default(), after.unwrap_or_default()),
    };
    let asked = |one: &Asked| {
        let proxied = one.found.as_ref().is_none_or(|found| found.has_proxy);
        proxied && one.workload.proxy != ProxyKind::Agentgateway
    };
    let mut pairs: Vec<(String, Workload, Workload)> = Vec::new();
    let mut known: HashMap<String, &Asked> = HashMap::new();
    for one in &before {
        known.entry(one.name()).or_insert(one);
    }
    for one in after.iter().filter(|one| asked(one)) {
        let name = one.name();
        let workload = known.get(&name).map_or(&one.workload, |other| &other.workload);
        pairs.push((name, workload.clone(), one.workload.clone()));
    }
    let there: HashSet<String> = after.iter().map(Asked::name).collect();
    for one in before.iter().filter(|one| asked(one)) {
        let name = one.name();
        if !there.contains(&name) {
            pairs.push((name, one.workload.clone(), one.workload.clone()));
        }
    }
    Ok(pairs)
}
