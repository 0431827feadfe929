//! `gnomon lint`.

use crate::{Outcome, environment, findings, style};
use gnomon_analysis::lint::{self, LINTS};
use gnomon_engine::{Diagnostic, Severity, versions, workload::IstioVersion};
use gnomon_manifests::{Loaded, Loader, read_file};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Report what Istio's admission would refuse, and what does not say what it seems to say
///
/// Exits 1 where there are errors; warnings alone are no failure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Policies: files, folders or - for standard input
    #[arg(default_value = ".", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The same paths, in the spelling of the other commands
    #[arg(short, long = "policies", value_name = "PATH", conflicts_with = "paths")]
    policies: Vec<PathBuf>,
    /// What this version of Istio refuses or cuts away, too: 1.27
    #[arg(long, value_name = "VERSION", value_parser = version)]
    istio_version: Option<IstioVersion>,
    /// A file with the mesh's settings, for its `istioVersion` and `rootNamespace`
    #[arg(long, value_name = "FILE")]
    mesh: Option<PathBuf>,
    /// Print what a code means, of a lint or of what Istio's admission refuses; without a code all lints
    #[arg(long, value_name = "CODE", num_args = 0..=1, default_missing_value = "")]
    explain: Option<String>,
    /// List what was passed over, with its place
    #[arg(short, long)]
    verbose: bool,
    /// For people (on standard error), for programs, or for GitHub's annotations
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Github,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if let Some(code) = &args.explain {
        return explain(code);
    }
    let paths = if args.policies.is_empty() { &args.paths } else { &args.policies };
    let mut loader = Loader::new();
    paths.iter().for_each(|path| loader.path(path));
    let mut loaded = loader.finish();
    // A cluster takes both, one after the other.
    let twice = loaded.diagnostics.iter_mut().filter(|found| found.code == "duplicate-object");
    twice.for_each(|found| found.severity = Severity::Warning);
    let mesh = args.mesh.as_deref().map(|file| environment::mesh(file, &mut loaded));
    if let Some(version) = args.istio_version.or(mesh.as_ref().map(|mesh| mesh.istio_version)) {
        let problems = versions::problems(&loaded.resources, version);
        loaded.resources = versions::known(&loaded.resources, version).into_owned();
        add(&mut loaded, problems);
    }
    let texts = |file: &str| read_file(Path::new(file)).ok();
    let lints = lint::check(&loaded, &mesh.unwrap_or_default(), &texts);
    add(&mut loaded, lints);
    match args.output {
        Format::Text => {
            findings::show(&loaded, &mut Default::default());
            let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error);
            let (ours, theirs): (Vec<_>, Vec<_>) =
                errors.partition(|found| LINTS.iter().any(|lint| lint.code == found.code));
            let (refused, unread): (Vec<_>, Vec<_>) =
                theirs.into_iter().partition(|found| !found.object.is_empty());
            findings::conclude(refused.len(), "Istio would refuse what they are in");
            findings::conclude(unread.len(), "what they are in was not read");
            findings::conclude(ours.len(), "Istio takes what they are in, and it cannot be what was meant");
            findings::print_unread(&loaded, Some(args.verbose));
            style::print(&summary(&loaded));
        }
        Format::Json => {
            let all: Vec<Value> = loaded.diagnostics.iter().map(entry).collect();
            // Cannot fail: all keys are strings.
            style::print(&(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"));
        }
        Format::Github => style::print(&loaded.diagnostics.iter().map(annotation).collect::<String>()),
    }
    // A file that is not there was not looked at: that is no finding about a policy.
    let unread = loaded.diagnostics.iter().any(|found| found.code == "unreadable");
    match loaded.has_errors() {
        _ if unread => Outcome::Failed,
        true => Outcome::Bad,
        false => Outcome::Good,
    }
}

/// In the order of the files, then of the text.
fn add(loaded: &mut Loaded, found: Vec<Diagnostic>) {
    for finding in &found {
        // Texts without a finding were not kept.
        if !loaded.sources.contains_key(&finding.file)
            && let Ok(text) = read_file(Path::new(&*finding.file))
        {
            loaded.sources.insert(finding.file.clone(), text.into());
        }
    }
    let mut all = std::mem::take(&mut loaded.diagnostics);
    all.extend(found);
    loaded.sort(&mut all);
    loaded.diagnostics = all;
}

fn explain(code: &str) -> Outcome {
    let codes = if code.is_empty() { LINTS.iter().map(|lint| lint.code).collect() } else { vec![code] };
    for code in codes {
        let Some(explanation) = lint::explain(code) else {
            eprintln!(
                "error: no finding has the code {code}; `gnomon lint --explain` lists the lints, and every finding says \
                 its code in brackets"
            );
            return Outcome::Failed;
        };
        style::print(&format!("{explanation}\n"));
    }
    Outcome::Good
}

fn version(text: &str) -> Result<IstioVersion, String> {
    let (oldest, newest) = (IstioVersion::OLDEST, IstioVersion::NEWEST);
    IstioVersion::parse(text).ok_or_else(|| {
        format!("write a version from {oldest} to {newest}, or a patch release such as 1.30.2")
    })
}

fn summary(loaded: &Loaded) -> String {
    let resources = &loaded.resources;
    let policies = resources.authorization.len()
        + resources.request_authentication.len()
        + resources.peer_authentication.len();
    let count = |severity| loaded.diagnostics.iter().filter(|found| found.severity == severity).count();
    format!(
        "{} valid in {}, {}, {}\n",
        style::plural(policies, "policy"),
        style::plural(loaded.files.len(), "file"),
        style::plural(count(Severity::Error), "error"),
        style::plural(count(Severity::Warning), "warning"),
    )
}

fn entry(found: &Diagnostic) -> Value {
    json!({
        "severity": found.severity,
        "code": found.code,
        "file": found.file.as_ref(),
        "line": found.at.line,
        "column": found.at.column,
        "object": found.object,
        "field": found.field,
        "message": found.message,
        "help": found.help,
    })
}

/// A workflow command of GitHub Actions.
fn annotation(found: &Diagnostic) -> String {
    let level = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "notice",
    };
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let help = if found.help.is_empty() { String::new() } else { format!("; {}", found.help) };
    format!(
        "::{level} file={},line={},col={},title={}::{}\n",
        property(&found.file),
        found.at.line,
        found.at.column,
        property(found.code),
        data(&format!("{}{help}", found.message)),
    )
}
