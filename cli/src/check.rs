//! `gnomon check`.

use crate::{
    Outcome, environment, eval, findings,
    loaded::LoadedArgs,
    sources::SourceArgs,
    style,
    workloads::{All, Asked, chosen_or_tell},
};
use gnomon_analysis::{
    diff::{Changes, State, Witness, document},
    invariant::{Must, Requests, violations},
};
use gnomon_engine::{Node, Value as Field, jwt::SoftwareCrypto, request::Protocol};
use gnomon_manifests::{parse, read_file};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Prove that invariants hold for all requests, or show one for which they do not
///
/// An invariant is a rule as an AuthorizationPolicy has it, below `never` or `always`. Exits 1 where one does not hold.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The invariants: a file with a list `invariants:` of `name`, `never` or `always`, and `workloads`
    #[arg(value_name = "FILE")]
    invariants: PathBuf,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    loaded: LoadedArgs,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
}

/// One of them.
struct Invariant {
    name: String,
    must: Must,
    requests: Requests,
    /// For which workloads; empty: for all.
    workloads: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let invariants = match read(&args.invariants) {
        Ok(invariants) => invariants,
        Err(why) => {
            eprintln!("error: {}", style::safe(&why));
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
    for invariant in &invariants {
        for (name, one) in &asked {
            let found = one.found.as_ref();
            let means = |wanted: &String| found.map_or(name == wanted, |found| found.is_called(wanted));
            let proxied = found.is_none_or(|found| found.has_proxy);
            if !proxied || !(invariant.workloads.is_empty() || invariant.workloads.iter().any(means)) {
                continue;
            }
            let Invariant { must, requests, .. } = invariant;
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
                Ok(changes) => results.push(Checked { invariant, name, changes }),
                Err(why) => {
                    eprintln!("error: {}: {}", style::safe(name), style::safe(&why.to_string()));
                    return Outcome::Failed;
                }
            }
        }
    }
    style::print(&text(&invariants, &results));
    if results.iter().all(Checked::holds) { Outcome::Good } else { Outcome::Bad }
}

/// What came of an invariant at a workload.
struct Checked<'i> {
    invariant: &'i Invariant,
    name: &'i str,
    changes: Changes,
}

impl Checked<'_> {
    /// The request that shows that it does not hold.
    fn witness(&self) -> Option<&Witness> {
        let Changes { newly_allowed, newly_denied, newly_undecided, .. } = &self.changes;
        [newly_allowed, newly_denied, newly_undecided].into_iter().flatten().next()
    }

    fn holds(&self) -> bool {
        self.witness().is_none()
    }
}

fn text(invariants: &[Invariant], results: &[Checked<'_>]) -> String {
    let style = style::Style::of_stdout();
    let mut out = String::new();
    for invariant in invariants {
        let mut proven = 0_usize;
        for one in results.iter().filter(|one| std::ptr::eq(one.invariant, invariant)) {
            let Some(witness) = one.witness() else {
                proven += 1;
                continue;
            };
            let title = format!("✗ {} does not hold at {}", invariant.name, one.name);
            out += &format!("{}\n", style.bad(&style::safe(&title)));
            out += &format!("    {}\n", style::safe(&document(&witness.request).to_string()));
            out += &format!("    {}: {}\n", witness.new.verdict.name(), style::safe(&witness.new.reason));
            for line in one.changes.summary.iter().take(10) {
                out += &format!("    {}\n", style.faint(&style::safe(&line.requests)));
            }
        }
        if proven > 0 {
            let title = format!("✓ {} holds at {}", invariant.name, style::plural(proven, "workload"));
            out += &format!("{}\n", style.good(&style::safe(&title)));
        }
    }
    out
}

fn read(path: &Path) -> Result<Vec<Invariant>, String> {
    let place = path.to_string_lossy().into_owned();
    let text = read_file(path).map_err(|unread| format!("{place}: {}", unread.message))?;
    let (documents, problems) = parse(&text, &Arc::from(place.as_str()));
    if let Some(problem) = problems.first() {
        return Err(format!("{place}: {}", problem.message));
    }
    let list = documents.first().and_then(|document| document.get("invariants")).and_then(Node::as_list);
    let Some(list) = list else { return Err(format!("{place}: there is no list `invariants:`")) };
    list.iter().map(|node| invariant(node, &place)).collect()
}

fn invariant(node: &Node, place: &str) -> Result<Invariant, String> {
    let wrong = |at: &Node, why: &str| format!("{place}:{}: {why}", at.at.line);
    let Field::Map(fields) = &node.value else { return Err(wrong(node, "an invariant is a map")) };
    let (mut name, mut rule, mut workloads, mut protocol) = (None, None, Vec::new(), Protocol::Http);
    for (key, value) in fields {
        match (key.name.as_str(), &value.value) {
            ("name", Field::String(text)) => name = Some(text.clone()),
            ("never", _) if rule.is_none() => rule = Some((Must::Never, value)),
            ("always", _) if rule.is_none() => rule = Some((Must::Always, value)),
            ("protocol", Field::String(text)) if text == "tcp" => protocol = Protocol::Tcp,
            ("protocol", Field::String(text)) if text == "http" => {}
            ("workloads", Field::List(items)) => {
                for item in items {
                    let Field::String(text) = &item.value else {
                        return Err(wrong(item, "a workload is a text"));
                    };
                    workloads.push(text.clone());
                }
            }
            (other, _) => return Err(wrong(value, &format!("`{other}` is not expected here"))),
        }
    }
    let Some((must, value)) = rule else { return Err(wrong(node, "say `never` or `always`, with a rule")) };
    let rule = serde_json::to_value(value).map_err(|why| wrong(value, &why.to_string()))?;
    let requests = Requests::new(rule, protocol).map_err(|why| wrong(value, &why.to_string()))?;
    let name = name.unwrap_or_else(|| format!("the invariant of line {}", node.at.line));
    Ok(Invariant { name, must, requests, workloads })
}
