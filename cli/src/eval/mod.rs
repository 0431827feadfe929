//! `gnomon eval`.

mod way;

use crate::{
    Outcome, environment, explanation, findings, proxy,
    request_args::RequestArgs,
    sources::SourceArgs,
    style,
    tokens::TokenArgs,
    workloads::{All, Asked, chosen_or_tell, nothing_applies},
};
use gnomon_analysis::{
    Evaluator,
    advice::advice,
    lint::Finding,
    notes::{Judged, notes},
    suggest::{Refusal, Suggestion, suggestion},
};
use gnomon_engine::{
    Mesh, Node, Plan, Position, Severity, Value,
    attach::{NotApplied, NotAppliedReport, not_applied},
    node::Key,
    verdict,
    workload::ProxyKind,
};
use gnomon_manifests::{
    Loaded, merged, parse, read_file,
    request::{RequestSpec, Requests, json_lines, requests},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Say what the policies do with a request, and why
///
/// Exits 0 whatever the verdict (see --exit-code) and 2 where a policy or the request cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// In place of policies what a proxy has loaded: `istioctl proxy-config listener POD -o json`, Envoy's /config_dump,
    /// or a single filter; YAML or JSON, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["policies", "cluster"])]
    envoy_config: Option<PathBuf>,
    /// The listener of it, or one of its filter chains [default: the inbound one on destination.port, or the only one]
    #[arg(long, value_name = "NAME|PORT", requires = "envoy_config")]
    listener: Option<String>,
    /// The request, or a list of them: a YAML or JSON file, or - for standard input
    #[arg(short, long, value_name = "FILE")]
    request: Option<PathBuf>,
    #[command(flatten)]
    inline: RequestArgs,
    #[command(flatten)]
    tokens: TokenArgs,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// Ask about every workload that is among the manifests or that a policy names
    #[arg(long, conflicts_with_all = ["envoy_config", "labels", "proxy", "workload"])]
    all_workloads: bool,
    /// Follow the request through this ingress gateway to the workload that its routes lead to; `gateway` is the only one
    #[arg(long, value_name = "GATEWAY", conflicts_with_all = ["envoy_config", "namespace", "labels", "proxy", "workload", "all_workloads"])]
    via: Option<String>,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Exit 1 where a request is denied, 3 where the verdict is unknown
    #[arg(long)]
    exit_code: bool,
    /// Show every rule and every check, not only those that matter, and what was passed over
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Of so many requests at most it is said how the policies would have to change.
const SUGGESTED: usize = 20;
const NOTHING: &str = "nothing was evaluated";

pub(crate) fn run(args: &Args) -> Outcome {
    let stdin = Path::new("-");
    let inline = args.inline.node();
    if args.request.is_none() && inline.is_none() {
        eprintln!(
            "error: there is no request: give a file with --request, or say --path, --method, --host and the like"
        );
        return Outcome::Failed;
    }
    if args.request.as_deref() == Some(stdin)
        && args.sources.policies.iter().chain(&args.envoy_config).any(|path| path == stdin)
    {
        eprintln!("error: the policies and the request cannot both come from standard input");
        return Outcome::Failed;
    }
    if args.envoy_config.is_none() && !args.sources.are_given() {
        return Outcome::Failed;
    }
    let mut loaded = args.sources.load(args.environment.namespace());
    args.tokens.put_keys(&mut loaded);
    args.tokens.tell();
    let environment = args.environment.within(&args.sources);
    let (workload, mesh) = environment.read(&mut loaded);
    let requests = read_requests(args.request.as_deref(), inline.as_ref(), &mut loaded);
    findings::show(&loaded, &mut Default::default());
    let Some(requests) = requests else {
        let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
        findings::conclude(errors, NOTHING);
        return Outcome::Failed;
    };
    if args.output == Format::Text {
        findings::print_unread(&loaded, Some(args.verbose));
    }

    let now = now();
    if let Some(gateway) = &args.via {
        return way::run(args, gateway, &requests, &loaded, &mesh, now);
    }
    let answers = if let Some(file) = &args.envoy_config {
        let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
        if errors > 0 {
            findings::conclude(errors, NOTHING);
            return Outcome::Failed;
        }
        let listener = args.listener.as_deref();
        let around = (&workload, &mesh);
        let explained =
            proxy::explain(file, listener, requests.as_slice(), around, (now, &args.tokens), args.verbose);
        let Some(explained) = explained else { return Outcome::Failed };
        let asked = Asked { workload, found: None };
        vec![Answer {
            asked,
            explained,
            suggested: Vec::new(),
            notes: Vec::new(),
            advice: Vec::new(),
            not_applied: Vec::new(),
        }]
    } else {
        let all = if args.all_workloads { All::Yes } else { All::May };
        let chosen = chosen_or_tell(&environment, workload, all, &loaded, &mesh)
            .and_then(|chosen| findings::unconcerned(chosen, &loaded, &mesh, NOTHING));
        let Some(chosen) = chosen else { return Outcome::Failed };
        chosen
            .into_iter()
            .map(|asked| answer(asked, &requests, &loaded, &mesh, (now, &args.tokens)))
            .collect()
    };
    match args.output {
        Format::Text => {
            let texts: Vec<String> =
                answers.iter().map(|one| text(args, one, &requests, &loaded, &mesh)).collect();
            style::print(&texts.join("\n"));
        }
        Format::Json => style::print(&json(&requests, &answers, args.all_workloads)),
    }
    let explained = answers.iter().flat_map(|answer| &answer.explained);
    worst(args, explained.map(|explanation| explanation.report.verdict))
}

/// How the command ends, with `--exit-code`.
fn worst(args: &Args, verdicts: impl Iterator<Item = verdict::Outcome>) -> Outcome {
    let worst = verdicts.map(|verdict| match verdict {
        verdict::Outcome::Allow => Outcome::Good,
        verdict::Outcome::Deny => Outcome::Bad,
        verdict::Outcome::Unknown => Outcome::Unknown,
        // Nothing is served in answer to this request.
        verdict::Outcome::Redirect => Outcome::Bad,
    });
    // A denial is certain, so it outweighs what is not known.
    let worst = worst.max_by_key(|outcome| (*outcome == Outcome::Bad, *outcome)).unwrap_or(Outcome::Good);
    if args.exit_code { worst } else { Outcome::Good }
}

/// What is said about one workload.
struct Answer {
    asked: Asked,
    explained: Vec<verdict::Explanation>,
    /// For each request the change of a policy that lets it pass.
    suggested: Vec<Option<Suggestion>>,
    /// For each request what else mattered.
    notes: Vec<Vec<String>>,
    /// What lints say of the policies that were asked.
    advice: Vec<Finding>,
    not_applied: Vec<NotAppliedReport>,
}

fn answer(
    asked: Asked,
    requests: &Requests,
    loaded: &Loaded,
    mesh: &Mesh,
    (now, tokens): (i64, &TokenArgs),
) -> Answer {
    let workload = &asked.workload;
    let plan = Plan::build(&loaded.resources, workload, mesh);
    let explain = |spec: &RequestSpec| {
        let evaluator = Evaluator::Policies { plan: &plan, workload, mesh };
        // Policies always answer.
        evaluator.explain(spec, now, &tokens.crypto()).ok()
    };
    let explained: Vec<verdict::Explanation> = requests.as_slice().iter().filter_map(explain).collect();
    // For people, and for one request at a time: a file of hundreds has another purpose.
    let few = explained.len() <= SUGGESTED;
    let suggested =
        explained.iter().zip(requests.as_slice()).filter(|_| few).map(|(explanation, request)| {
            let resources = &loaded.resources;
            let refusal = Refusal { resources, workload, mesh, request, explanation };
            suggestion(refusal, &text_of, now, &tokens.crypto())
        });
    let suggested = suggested.collect();
    let crypto = tokens.crypto();
    let notes = explained.iter().zip(requests.as_slice()).filter(|_| few).map(|(explanation, request)| {
        let (resources, plan, crypto) = (&loaded.resources, &plan, &crypto);
        notes(Judged { resources, plan, workload, mesh, request, explanation, now, crypto })
    });
    let notes = notes.collect();
    let advice = if few { advice(loaded, workload, mesh, &explained, &text_of) } else { Vec::new() };
    let not_applied = not_applied(&loaded.resources, workload, mesh).iter().map(NotApplied::report).collect();
    Answer { asked, explained, suggested, notes, advice, not_applied }
}

/// The text of a file of policies.
fn text_of(file: &str) -> Option<String> {
    read_file(Path::new(file)).ok()
}

fn text(args: &Args, answer: &Answer, requests: &Requests, loaded: &Loaded, mesh: &Mesh) -> String {
    let Answer { asked, explained, suggested, notes, advice, not_applied } = answer;
    let style = style::Style::of_stdout();
    let writer = explanation::Writer {
        style,
        verbose: args.verbose,
        ztunnel: args.envoy_config.is_none() && asked.workload.proxy == ProxyKind::Ztunnel,
    };
    let mut text = String::new();
    if let Some(origin) = asked.origin() {
        text += &format!("{}\n", style.faint(&style::safe(&origin)));
    }
    if args.envoy_config.is_none()
        && let Some(nothing) = nothing_applies(asked, &loaded.resources, loaded, mesh)
    {
        text += &style.doubt(&nothing);
    }
    let verdicts: Vec<String> = requests
        .as_slice()
        .iter()
        .zip(explained)
        .enumerate()
        .map(|(number, (spec, explanation))| {
            let suggested = suggested.get(number).and_then(Option::as_ref);
            let notes = notes.get(number).map_or(&[][..], Vec::as_slice);
            writer.write(spec, explanation)
                + &writer.notes(notes)
                + &suggested.map_or(String::new(), |one| writer.suggestion(one))
        })
        .collect();
    text + &verdicts.join("\n") + &writer.advice(advice) + &writer.not_applied(not_applied)
}

/// The requests of the file, each with those of the options laid over it; or what the options say alone.
fn read_requests(path: Option<&Path>, inline: Option<&Node>, loaded: &mut Loaded) -> Option<Requests> {
    let mut file: Arc<str> = Arc::from("(options)");
    let mut document = Node { value: Value::Map(Vec::new()), at: Position::default() };
    if let Some(path) = path {
        let text = match read_file(path) {
            Ok(text) => text,
            Err(unread) => {
                loaded.diagnostics.push(*unread);
                return None;
            }
        };
        file = Arc::from(&*path.to_string_lossy());
        let text = json_lines(&text).unwrap_or(text);
        let (mut documents, problems) = parse(&text, &file);
        loaded.sources.insert(file.clone(), text.into());
        if !problems.is_empty() {
            // A text that is no YAML has no fields to complain about.
            loaded.diagnostics.extend(problems);
            return None;
        }
        // Several documents are a list.
        document = match documents.len() {
            0 | 1 => documents.pop().unwrap_or_default(),
            _ => Node { value: Value::List(documents), at: Position { line: 1, column: 1 } },
        };
    }
    if let Some(inline) = inline {
        document = laid_over(&document, inline);
    }
    match requests(&file, &document) {
        Ok(requests) => Some(requests),
        Err(problems) => {
            loaded.diagnostics.extend(problems);
            None
        }
    }
}

/// `inline` over the document's request, or over each of them.
fn laid_over(document: &Node, inline: &Node) -> Node {
    match &document.value {
        Value::List(items) => {
            let items = items.iter().map(|item| laid_over(item, inline)).collect();
            Node { value: Value::List(items), at: document.at }
        }
        Value::Map(entries) if document.get("request").is_some() => {
            let over = |(key, node): &(Key, Node)| match key.name.as_str() {
                "request" => (key.clone(), laid_over(node, inline)),
                _ => (key.clone(), node.clone()),
            };
            Node { value: Value::Map(entries.iter().map(over).collect()), at: document.at }
        }
        _ => merged(document, inline),
    }
}

/// What one stage said, in one line.
#[derive(serde::Serialize)]
struct Passage<'a> {
    stage: verdict::Stage,
    result: verdict::StageResult,
    summary: &'a str,
}

impl<'a> Passage<'a> {
    fn of(trace: &'a verdict::StageTrace) -> Self {
        Passage { stage: trace.stage, result: trace.result, summary: &trace.summary }
    }
}

/// One object for one request, a list for a list; with `named`, always a list, in which each names its workload.
fn json(requests: &Requests, answers: &[Answer], named: bool) -> String {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Printed<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        workload: Option<String>,
        #[serde(flatten)]
        report: &'a verdict::Report,
        stages: Vec<Passage<'a>>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        notes: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        suggestion: Option<&'a Suggestion>,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        not_applied: &'a [NotAppliedReport],
    }
    let mut reports: Vec<Printed<'_>> = Vec::new();
    for Answer { asked, explained, suggested, notes, advice: _, not_applied } in answers {
        // What the options say needs no name.
        let workload = asked.found.as_ref().map(|_| asked.name());
        reports.extend(explained.iter().enumerate().map(|(number, one)| Printed {
            workload: workload.clone(),
            report: &one.report,
            stages: one.stages.iter().map(Passage::of).collect(),
            notes: notes.get(number).map_or(&[][..], Vec::as_slice),
            suggestion: suggested.get(number).and_then(Option::as_ref),
            not_applied,
        }));
    }
    let text = match (requests, reports.as_slice()) {
        (Requests::One(_), [report]) if !named => serde_json::to_string_pretty(report),
        _ => serde_json::to_string_pretty(&reports),
    };
    text.unwrap_or_default() + "\n"
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
