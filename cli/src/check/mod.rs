//! `gnomon check`.

mod formats;

use crate::{
    Outcome, environment, eval, findings,
    loaded::LoadedArgs,
    sources::SourceArgs,
    style,
    workloads::{All, Asked, chosen_or_tell},
};
use gnomon_analysis::{
    diff::{Changes, State, Witness},
    invariant::{Invariant, invariants, library, used, violations},
};
use gnomon_engine::{Diagnostics, Workload, jwt::SoftwareCrypto};
use gnomon_manifests::{Colour, parse, read_file, render};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Prove that invariants hold for all requests, or show one for which they do not
///
/// An invariant describes requests, by a rule as an AuthorizationPolicy has it or in few words, of which none or each must
/// be allowed. Exits 1 where one does not hold, or is for a workload that is not there.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The invariants: a file with a list `invariants:` (docs/formats.md, "Invariants")
    #[arg(value_name = "FILE", required_unless_present_any = ["used", "library"])]
    invariants: Option<PathBuf>,
    /// One of the library, with what it takes: no-plaintext, metrics-only-from:namespaces=monitoring,tracing
    #[arg(long = "use", value_name = "NAME[:PARAMETER=VALUE,…]")]
    used: Vec<String>,
    /// Say which invariants the library has
    #[arg(long)]
    library: bool,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    loaded: LoadedArgs,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// For people, for programs, or for a comment on a pull request
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

/// What came of an invariant at a workload.
struct Checked {
    /// What people call it.
    name: String,
    workload: Workload,
    changes: Changes,
}

impl Checked {
    /// The request that shows that it does not hold.
    fn witness(&self) -> Option<&Witness> {
        let Changes { newly_allowed, newly_denied, newly_undecided, .. } = &self.changes;
        [newly_allowed, newly_denied, newly_undecided].into_iter().flatten().next()
    }
}

/// An invariant, and what came of it; nothing: there is none of its workloads.
struct Answer {
    invariant: Invariant,
    at: Vec<Checked>,
}

impl Answer {
    fn holds(&self) -> bool {
        !self.at.is_empty() && self.at.iter().all(|one| one.witness().is_none())
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    if args.library {
        style::print(&formats::library(library()));
        return Outcome::Good;
    }
    let invariants = match read(args) {
        Ok(invariants) => invariants,
        Err(why) => {
            why.lines().for_each(|line| eprintln!("{}", style::safe(line)));
            return Outcome::Failed;
        }
    };
    let Ok(configuration) = args.loaded.read("nothing was checked") else { return Outcome::Failed };
    if configuration.is_none() && !args.sources.are_given() {
        return Outcome::Failed;
    }
    let mut loaded = args.sources.load(args.environment.namespace());
    let environment = args.environment.within(&args.sources);
    let (told, mesh) = environment.read(&mut loaded);
    findings::show(&loaded, &mut Default::default());
    let mut asked = Vec::new();
    let mut mesh = mesh;
    if let Some(configuration) = &configuration {
        configuration.tell_unread();
        let told = environment.tells_workload().then_some(told);
        let (workload, of_proxy) = configuration.around(told, mesh, environment.tells_mesh());
        mesh = of_proxy;
        asked.push((configuration.name.clone(), Asked { workload, found: None }));
    } else {
        let all = if environment.tells_workload() { All::No } else { All::Yes };
        let chosen = chosen_or_tell(&environment, told, all, &loaded, &mesh)
            .and_then(|asked| findings::unconcerned(asked, &loaded, &mesh, "nothing was checked"));
        let Some(chosen) = chosen else { return Outcome::Failed };
        asked.extend(chosen.into_iter().map(|one| (one.name(), one)));
    }
    let mut results = Vec::new();
    for invariant in invariants {
        let mut at = Vec::new();
        for (name, one) in &asked {
            let found = one.found.as_ref();
            let proxied = found.is_none_or(|found| found.has_proxy);
            if !proxied || !invariant.concerns(name, &one.workload, found) {
                continue;
            }
            let Invariant { must, requests, .. } = &invariant;
            let (now, crypto) = (eval::now(), &SoftwareCrypto);
            let changes = match &configuration {
                Some(configuration) => {
                    violations(configuration.proxy(&one.workload, &mesh), *must, requests, now, crypto)
                }
                None => {
                    let state = State { resources: &loaded.resources, workload: &one.workload, mesh: &mesh };
                    violations(state, *must, requests, now, crypto)
                }
            };
            match changes {
                Ok(changes) => {
                    at.push(Checked { name: name.clone(), workload: one.workload.clone(), changes })
                }
                Err(why) => {
                    eprintln!("error: {}: {}", style::safe(name), style::safe(&why.to_string()));
                    return Outcome::Failed;
                }
            }
        }
        results.push(Answer { invariant, at });
    }
    style::print(&match args.output {
        Format::Text => formats::text(&results),
        Format::Json => formats::json(&results),
        Format::Markdown => formats::markdown(&results),
    });
    if results.iter().all(Answer::holds) { Outcome::Good } else { Outcome::Bad }
}

/// Those of the file, then those of the library; or all that is wrong with them.
fn read(args: &Args) -> Result<Vec<Invariant>, String> {
    let mut all = match &args.invariants {
        Some(path) => of_file(path)?,
        None => Vec::new(),
    };
    for text in &args.used {
        all.extend([used(text).map_err(|wrong| told(&wrong, ""))?]);
    }
    Ok(all)
}

fn of_file(path: &Path) -> Result<Vec<Invariant>, String> {
    let text = read_file(path).map_err(|unread| format!("error: {}", unread.message))?;
    let place = path.to_string_lossy();
    let (documents, problems) = parse(&text, &place);
    if !problems.is_empty() {
        return Err(told(&Diagnostics(problems), &text));
    }
    let file = Arc::from(&*place);
    let mut all = Vec::new();
    for document in documents.iter().filter(|document| document.value != gnomon_engine::Value::Null) {
        all.extend(invariants(&file, document).map_err(|wrong| told(&wrong, &text))?);
    }
    match all.is_empty() {
        true => Err(format!("error: {place}: there is no list `invariants:`")),
        false => Ok(all),
    }
}

fn told(wrong: &Diagnostics, text: &str) -> String {
    let told: Vec<String> = wrong.0.iter().map(|one| render(one, text, Colour::Never)).collect();
    told.join("\n")
}
