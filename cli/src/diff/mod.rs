//! `gnomon diff`.

mod allowed;
mod curl;
pub(crate) mod formats;
mod link;
pub(crate) mod source;
pub(crate) mod text;

use crate::{
    Outcome, environment, findings,
    loaded::{Configuration, workload_beside},
    style,
    workloads::{All, Asked, chosen},
};
use gnomon_analysis::diff::{Changes, Problem, State, of_versions};
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
    /// The policies before: a file, a folder, git:REF (at NEW's path), git:REF:PATH, or cluster:, cluster:CONTEXT. Or what
    /// a proxy has loaded: a file as `eval --envoy-config` reads it, as it is or as envoy:FILE
    #[arg(value_name = "OLD")]
    old: String,
    /// The policies after, in the same way
    #[arg(value_name = "NEW")]
    new: String,
    /// Of what a proxy has loaded the listener, or one of its filter chains [default: all that come in]
    #[arg(long, value_name = "NAME|PORT")]
    listener: Option<String>,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// Of objects of one name take the last one read, as `kubectl apply` does
    #[arg(long)]
    last_wins: bool,
    /// Exit 1 where a request is newly allowed, or tokens are checked with other keys
    #[arg(long)]
    deny_new_access: bool,
    /// New access that is intended: a file with a list `allow:` of `policy: NAMESPACE/NAME`, `issuer: ISSUER` and
    /// `workload: NAME`
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

/// Policies, read.
struct Read {
    loaded: Loaded,
    told: Workload,
    mesh: Mesh,
}

/// What a proxy has loaded, with what the options say of workload and mesh.
struct Around {
    configuration: Box<Configuration>,
    told: Workload,
    mesh: Mesh,
}

/// One side, read.
enum Side {
    Policies(Box<Read>),
    Loaded(Box<Around>),
}

pub(crate) fn run(args: &Args) -> Outcome {
    let sides = [(&args.old, &args.new), (&args.new, &args.old)];
    let mut read = Vec::new();
    let mut seen = Default::default();
    let mut broken = false;
    for (side, other) in sides {
        let found = match source::side(side, other, args.listener.as_ref(), args.last_wins) {
            Ok(found) => found,
            Err(why) => {
                if !why.is_empty() {
                    eprintln!("error: {}", style::safe(&why));
                }
                return Outcome::Failed;
            }
        };
        read.push(match found {
            source::Side::Policies(mut loaded) => {
                let (told, mesh) = args.environment.read(&mut loaded);
                broken |= findings::print(&loaded, &mut seen, "nothing was compared");
                Side::Policies(Box::new(Read { loaded: *loaded, told, mesh }))
            }
            source::Side::Loaded(configuration) => {
                configuration.tell_unread();
                let mut around = Loaded::default();
                let (told, mesh) = args.environment.read(&mut around);
                broken |= findings::print(&around, &mut seen, "nothing was compared");
                Side::Loaded(Box::new(Around { configuration, told, mesh }))
            }
        });
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
    let results = match compared(args, old, new) {
        Ok(results) => results,
        Err(why) => {
            eprintln!("error: {why}");
            return Outcome::Failed;
        }
    };
    let mut compared = Vec::new();
    let mut failed = false;
    for (name, workload, result, link) in results {
        match result {
            Ok(changes) => compared.push(Compared { name, workload, changes, link }),
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
            let files =
                [(new, &args.new), (old, &args.old)].into_iter().find_map(|(side, named)| match side {
                    Side::Policies(read) => {
                        let read = read.loaded.sources.keys().min().map(AsRef::as_ref);
                        read.or_else(|| (!named.contains(':')).then_some(named.as_str()))
                    }
                    Side::Loaded(_) => Some(named.strip_prefix("envoy:").unwrap_or(named)),
                });
            formats::sarif(&compared, files.unwrap_or("."))
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

/// A workload, what changes there, and the link that shows it, where one was asked for.
type Found = (String, Workload, Result<Changes, Problem>, Option<String>);

/// What comes of each workload, or of the proxy.
fn compared(args: &Args, old: &Side, new: &Side) -> Result<Vec<Found>, String> {
    let (now, crypto) = (crate::eval::now(), &SoftwareCrypto);
    let around = |side: &Around| {
        let told = args.environment.tells_workload().then(|| side.told.clone());
        side.configuration.around(told, side.mesh.clone(), args.environment.tells_mesh())
    };
    // Policies are read for the workload whose proxy it is, under the version that it has.
    let beside = |read: &Read, configuration: &Configuration| -> Result<(String, Workload, Mesh), String> {
        let version_is_told = args.environment.tells_mesh();
        let (_, mesh) = configuration.around(None, read.mesh.clone(), version_is_told);
        let (name, workload) =
            workload_beside(configuration, &args.environment, read.told.clone(), &read.loaded, &mesh)?;
        Ok((name, workload, mesh))
    };
    let has_policies = |side: &Side| matches!(side, Side::Policies(_));
    if args.link.is_some() && !(has_policies(old) && has_policies(new)) {
        return Err("a link holds policies, and one side is what a proxy has loaded: leave --link out".into());
    }
    Ok(match (old, new) {
        (Side::Policies(old), Side::Policies(new)) => {
            let mut found = Vec::new();
            for (name, before, after) in pairs(args, old, new)? {
                let states = [
                    State { resources: &old.loaded.resources, workload: &before, mesh: &old.mesh },
                    State { resources: &new.loaded.resources, workload: &after, mesh: &new.mesh },
                ];
                let changes = of_versions(states[0], states[1], now, crypto, Default::default());
                let differs = changes.as_ref().ok().filter(|changes| !changes.is_equivalent());
                let link = differs.zip(args.link.as_deref());
                let link = link.map(|(changes, page)| link::link(page, states, &name, changes));
                found.push((name, after, changes, link));
            }
            found
        }
        (Side::Loaded(old), Side::Loaded(new)) => {
            let ((a, of_a), (b, of_b)) = (around(old), around(new));
            let sides = (old.configuration.proxy(&a, &of_a), new.configuration.proxy(&b, &of_b));
            let changes = of_versions(sides.0, sides.1, now, crypto, Default::default());
            vec![(new.configuration.name.clone(), b, changes, None)]
        }
        (Side::Policies(old), Side::Loaded(new)) => {
            let (name, workload, mesh) = beside(old, &new.configuration)?;
            let state = State { resources: &old.loaded.resources, workload: &workload, mesh: &mesh };
            let proxy = new.configuration.proxy(&workload, &mesh);
            let changes = of_versions(state, proxy, now, crypto, Default::default());
            vec![(name, workload, changes, None)]
        }
        (Side::Loaded(old), Side::Policies(new)) => {
            let (name, workload, mesh) = beside(new, &old.configuration)?;
            let state = State { resources: &new.loaded.resources, workload: &workload, mesh: &mesh };
            let proxy = old.configuration.proxy(&workload, &mesh);
            let changes = of_versions(proxy, state, now, crypto, Default::default());
            vec![(name, workload, changes, None)]
        }
    })
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
