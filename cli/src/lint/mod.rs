//! `gnomon lint`.

pub(crate) mod config;
pub(crate) mod fixing;
mod known;
mod output;

use crate::{
    Outcome, environment,
    sources::{self, ClusterArgs, MadeArgs},
    style,
};
use config::{Config, FailOn};
use gnomon_analysis::lint::{self, Explanation, Finding, LINTS, Settings};
use gnomon_engine::{Diagnostic, Severity, versions, workload::IstioVersion};
use gnomon_manifests::{Loaded, read_file};
use known::{Known, base};
use output::Format;
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Report what Istio's admission would refuse, and what does not say what it seems to say
///
/// Exits 1 where there are errors; warnings alone are no failure, unless --fail-on says so. `gnomon.toml` in this folder or
/// one above it says what holds for a project: paths, exclude, mesh, istio-version, and [lint] with disable, only, fail-on,
/// baseline and severity by lint and path.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Policies: files, folders or - for standard input [default: those of gnomon.toml, else .]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The same paths, in the spelling of the other commands
    #[arg(short, long = "policies", value_name = "PATH", conflicts_with = "paths")]
    policies: Vec<PathBuf>,
    /// What this version of Istio refuses or cuts away, too: 1.27
    #[arg(long, value_name = "VERSION", value_parser = version)]
    istio_version: Option<IstioVersion>,
    /// A file with the mesh's settings: its root namespace, trust domain, normalization of paths, `istioVersion` [default:
    /// MeshConfig in the ConfigMap `istio`, where one is read]
    #[arg(long, value_name = "FILE")]
    mesh: Option<PathBuf>,
    /// Print what a code means, of a lint or of what Istio's admission refuses; without a code all lints
    #[arg(long, value_name = "CODE", num_args = 0..=1, default_missing_value = "")]
    explain: Option<String>,
    /// List what was passed over, with its place
    #[arg(short, long)]
    verbose: bool,
    /// For people (text on standard error, markdown for pull requests), for programs, or for a CI
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    #[command(flatten)]
    options: Options,
    /// The namespace of the cluster
    #[arg(help_heading = "Policies", short, long, value_name = "NS", requires = "cluster")]
    namespace: Option<String>,
    #[command(flatten)]
    made: MadeArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Exit 1 from this severity on [default: error]
    #[arg(help_heading = "In CI", long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Leave out the findings of this file; `--write-baseline` makes it
    #[arg(help_heading = "In CI", long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings into the file of --baseline, and report none
    #[arg(help_heading = "In CI", long)]
    write_baseline: bool,
    /// Only findings that are not there where the branch left this commit (by git): main
    #[arg(help_heading = "In CI", long, value_name = "COMMIT")]
    new_only: Option<String>,
    /// The configuration [default: gnomon.toml of this folder or one above]
    #[arg(help_heading = "In CI", long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Paths, mesh and version of this environment of the configuration
    #[arg(help_heading = "In CI", long, value_name = "NAME")]
    environment: Option<String>,
    /// Write what findings propose, where the finding is gone by it, no error is new and every case of the suites at hand
    /// passes as before
    #[arg(help_heading = "Mending", long)]
    fix: bool,
    /// Print what --fix would change, and change nothing
    #[arg(help_heading = "Mending", long, requires = "fix")]
    diff: bool,
}

/// What is looked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Not to look with these lints
    #[arg(help_heading = "In CI", long, value_name = "LINT,…", value_delimiter = ',', value_parser = code)]
    disable: Vec<String>,
    /// To look with these lints alone
    #[arg(help_heading = "In CI", long, value_name = "LINT,…", value_delimiter = ',', value_parser = code)]
    only: Vec<String>,
    #[arg(skip)]
    mesh: Option<PathBuf>,
    #[arg(skip)]
    version: Option<IstioVersion>,
    #[arg(skip)]
    config: Arc<Config>,
}

/// Where was looked, and how.
pub(crate) struct Looked<'o> {
    loaded: &'o Loaded,
    options: &'o Options,
}

/// What is reported.
struct Report<'r> {
    loaded: &'r Loaded,
    findings: &'r [Finding],
    /// Of a baseline or the base: known, and known but gone.
    known: Option<(usize, usize)>,
    verbose: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if let Some(code) = &args.explain {
        return explain(code);
    }
    match lint(args) {
        Ok(outcome) => outcome,
        Err(wrong) => {
            eprintln!("error: {}", wrong.trim_end());
            Outcome::Failed
        }
    }
}

fn lint(args: &Args) -> Result<Outcome, String> {
    let config = Config::find(args.config.as_deref())?.of(args.environment.as_deref())?;
    let options = Options {
        mesh: args.mesh.clone().or_else(|| config.mesh.clone()),
        version: match args.istio_version {
            Some(version) => Some(version),
            None => config.version()?,
        },
        config: Arc::new(config),
        ..args.options.clone()
    };
    let paths = paths(args, &options.config);
    let texts = |file: &str| read_file(Path::new(file)).ok();
    let mut loaded = read(args, &paths);
    let mut findings = look(&mut loaded, &options, &texts);
    // A file that is not there was not looked at: that is no finding about a policy.
    let unread = findings.iter().any(|found| found.diagnostic.code == "unreadable");
    let baseline = args.baseline.as_ref().or(options.config.lint.baseline.as_ref());
    if args.write_baseline {
        let Some(file) = baseline else { return Err("--write-baseline needs --baseline FILE".into()) };
        Known::of(&findings, None).write(file)?;
        println!("{} written to {}", style::plural(findings.len(), "finding"), file.display());
        return Ok(if unread { Outcome::Failed } else { Outcome::Good });
    }
    let before = Before::of(args, &options, &paths, baseline)?;
    let mut known = before.take_from(&mut findings);
    if args.fix {
        let mended = mend(&Looked { loaded: &loaded, options: &options }, &findings, &paths, args.diff)?;
        if args.diff {
            return Ok(if mended { Outcome::Bad } else { Outcome::Good });
        }
        // Lines have moved.
        loaded = read(args, &paths);
        findings = look(&mut loaded, &options, &texts);
        known = before.take_from(&mut findings);
    }
    args.output.print(&Report { loaded: &loaded, findings: &findings, known, verbose: args.verbose });
    let fail_on = args.fail_on.or(options.config.lint.fail_on).unwrap_or_default();
    let fails = |found: &Finding| match fail_on {
        FailOn::Error => found.diagnostic.severity == Severity::Error,
        FailOn::Warning => found.diagnostic.severity <= Severity::Warning,
        FailOn::Hint => true,
        FailOn::Never => false,
    };
    Ok(match findings.iter().any(fails) {
        _ if unread => Outcome::Failed,
        true => Outcome::Bad,
        false => Outcome::Good,
    })
}

/// What is known of the time before the change.
#[derive(Debug, Default)]
struct Before(Vec<Known>);

impl Before {
    fn of(
        args: &Args,
        options: &Options,
        paths: &[PathBuf],
        baseline: Option<&PathBuf>,
    ) -> Result<Before, String> {
        let mut before = Before::default();
        if let Some(reference) = &args.new_only {
            let base = base(reference)?;
            let there: Vec<PathBuf> = paths.iter().filter_map(|path| base.path(path)).collect();
            let mut loaded = read_files(args, &there);
            let texts = |file: &str| read_file(Path::new(file)).ok();
            let found = look(&mut loaded, options, &texts);
            before.0.push(Known::of(&found, Some(base.here())));
        }
        if let Some(file) = baseline {
            before.0.push(Known::read(file)?);
        }
        Ok(before)
    }

    /// Takes away what is known; how many that were, and how many that are known are not there any more.
    fn take_from(&self, findings: &mut Vec<Finding>) -> Option<(usize, usize)> {
        let counts = self.0.iter().map(|known| known.clone().take_from(findings));
        counts.reduce(|one, other| (one.0 + other.0, one.1 + other.1))
    }
}

fn paths(args: &Args, config: &Config) -> Vec<PathBuf> {
    let all = [&args.policies, &args.paths, &config.paths];
    let named = all.into_iter().find(|paths| !paths.is_empty()).cloned();
    named.unwrap_or_else(|| if args.cluster.cluster { Vec::new() } else { vec![".".into()] })
}

fn read(args: &Args, paths: &[PathBuf]) -> Loaded {
    // What is given beside a cluster is what would be applied to it.
    let namespace = args.namespace.as_deref();
    match args.cluster.cluster && !paths.is_empty() {
        true => sources::load(|loader| loader.last_wins(true), paths, &args.made, &args.cluster, namespace),
        false => sources::load(|loader| loader.apart(), paths, &args.made, &args.cluster, namespace),
    }
}

/// The same without the cluster.
fn read_files(args: &Args, paths: &[PathBuf]) -> Loaded {
    sources::load(|loader| loader.apart(), paths, &args.made, &ClusterArgs::default(), None)
}

/// All that is found: when reading, by the version, by lints. In the order of the files, then of the text.
fn look(loaded: &mut Loaded, options: &Options, texts: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let config = &options.config;
    exclude(loaded, config);
    // A cluster takes both, one after the other.
    let twice = loaded.diagnostics.iter_mut().filter(|found| found.code == "duplicate-object");
    twice.for_each(|found| found.severity = Severity::Warning);
    let mesh = match &options.mesh {
        Some(file) => Some(environment::mesh(file, loaded)),
        None => {
            let mut found = Vec::new();
            let mesh = loaded.inventory.mesh(&mut found).map(|(_, mesh)| mesh);
            loaded.diagnostics.extend(found);
            mesh
        }
    };
    let given = mesh.as_ref().filter(|_| options.mesh.is_some()).map(|mesh| mesh.istio_version);
    if let Some(version) = options.version.or(given) {
        let problems = versions::problems(&loaded.resources, version);
        loaded.resources = versions::known(&loaded.resources, version).into_owned();
        loaded.diagnostics.extend(problems);
    }
    let is_known = mesh.is_some();
    let mut mesh = mesh.unwrap_or_default();
    mesh.istio_version = options.version.unwrap_or(mesh.istio_version);
    let named = |codes: &[String], code: &str| codes.iter().any(|named| named == code);
    let disabled = |code: &str| named(&options.disable, code) || named(&config.lint.disable, code);
    let only = if options.only.is_empty() { &config.lint.only } else { &options.only };
    let wanted = |lint: &lint::Lint| !disabled(lint.code) && (only.is_empty() || named(only, lint.code));
    let mut settings = Settings::new(&mesh);
    settings.mesh_is_known = is_known;
    settings.wanted = &wanted;
    let found = in_each_cluster(loaded, &settings, texts);
    lint::supersede(&mut loaded.diagnostics, &found);
    let mut all: Vec<Finding> = loaded.diagnostics.iter().cloned().map(Finding::from).chain(found).collect();
    all.retain_mut(|found| {
        let Diagnostic { code, file, severity, .. } = &found.diagnostic;
        // What Istio refuses is refused, whatever anybody thinks of it.
        let refused = *severity == Severity::Error && !LINTS.iter().any(|lint| lint.code == *code);
        match config.severity(code, file, *severity).filter(|_| refused || !disabled(code)) {
            _ if refused => true,
            Some(severity) => {
                found.diagnostic.severity = severity;
                true
            }
            None => false,
        }
    });
    let ranks: HashMap<&str, usize> = loaded.files.iter().map(|file| &**file).zip(0..).collect();
    all.sort_by_key(|found| (ranks.get(&*found.diagnostic.file).copied(), found.diagnostic.at));
    for found in &all {
        // Texts without a finding were not kept.
        let file = &found.diagnostic.file;
        if !loaded.sources.contains_key(file)
            && let Some(text) = texts(file)
        {
            loaded.sources.insert(file.clone(), text.into());
        }
    }
    all
}

/// The code of a comment that silences nothing.
const UNUSED_IGNORE: &str = "unused-ignore";

/// What lints find in each of the clusters that a tree holds: what is in one of them says nothing about another.
fn in_each_cluster(
    loaded: &Loaded,
    settings: &Settings<'_>,
    texts: &dyn Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let clusters = loaded.clusters();
    let [only] = &clusters[..] else {
        let mut seen: HashMap<String, (usize, Finding)> = HashMap::new();
        let mut order = Vec::new();
        let mut holding: HashMap<Arc<str>, usize> = HashMap::new();
        for cluster in &clusters {
            for file in &cluster.loaded.files {
                *holding.entry(file.clone()).or_default() += 1;
            }
            for found in lint::findings(&cluster.loaded, settings, texts) {
                let key = format!("{:?}", found.diagnostic);
                let entry = seen.entry(key.clone()).or_insert_with(|| {
                    order.push(key);
                    (0, found)
                });
                entry.0 += 1;
            }
        }
        // A comment that one of them needs is needed.
        let everywhere = |count: usize, found: &Finding| {
            found.diagnostic.code != UNUSED_IGNORE
                || holding.get(&found.diagnostic.file).is_none_or(|all| count >= *all)
        };
        let mut found: Vec<Finding> = Vec::new();
        for key in order {
            found
                .extend(seen.remove(&key).filter(|(count, one)| everywhere(*count, one)).map(|(_, one)| one));
        }
        return found;
    };
    lint::findings(&only.loaded, settings, texts)
}

/// Takes away what is in files that the configuration excludes.
fn exclude(loaded: &mut Loaded, config: &Config) {
    let out: HashSet<Arc<str>> = loaded.files.iter().filter(|file| config.excludes(file)).cloned().collect();
    if out.is_empty() {
        return;
    }
    let resources = &mut loaded.resources;
    resources.authorization.retain(|policy| !out.contains(&policy.meta.file));
    resources.request_authentication.retain(|policy| !out.contains(&policy.meta.file));
    resources.peer_authentication.retain(|policy| !out.contains(&policy.meta.file));
    loaded.inventory = loaded.inventory.only(&|file| !out.contains(file));
    loaded.diagnostics.retain(|found| !out.contains(&found.file));
    loaded.files.retain(|file| !out.contains(file));
}

/// Mends, or shows what would be mended; whether there is anything.
fn mend(
    looked: &Looked<'_>,
    findings: &[Finding],
    paths: &[PathBuf],
    only_show: bool,
) -> Result<bool, String> {
    let done = fixing::mend(looked, findings, paths);
    for why in &done.refused {
        eprintln!("note: not mended: {}", style::safe(why));
    }
    for (file, (before, after)) in &done.texts {
        if only_show {
            style::print(&fixing::difference(file, before, after));
        } else {
            fs::write(Path::new(&**file), after).map_err(|wrong| format!("{file}: {wrong}"))?;
        }
    }
    if !only_show {
        let (findings, files) =
            (style::plural(done.mended.len(), "finding"), style::plural(done.texts.len(), "file"));
        eprintln!("mended {findings} in {files}");
    }
    Ok(!done.texts.is_empty())
}

fn explain(code: &str) -> Outcome {
    let codes = if code.is_empty() { LINTS.iter().map(|lint| lint.code).collect() } else { vec![code] };
    for known in codes {
        let Some(explanation) = lint::explain(known) else {
            eprintln!(
                "error: no finding has the code {known}; `gnomon lint --explain` lists the lints, and every finding says \
                 its code in brackets"
            );
            return Outcome::Failed;
        };
        style::print(&format!("{explanation}\n"));
        if let Explanation::Lint(lint) = explanation
            && !code.is_empty()
        {
            let shown = |text: &str| -> String { text.lines().map(|line| format!("    {line}\n")).collect() };
            let (bad, good) = (shown(lint.example.bad), shown(lint.example.good));
            style::print(&format!("  example:\n{bad}\n  mended:\n{good}\n"));
        }
    }
    Outcome::Good
}

fn version(text: &str) -> Result<IstioVersion, String> {
    let (oldest, newest) = (IstioVersion::OLDEST, IstioVersion::NEWEST);
    IstioVersion::parse(text).ok_or_else(|| {
        format!("write a version from {oldest} to {newest}, or a patch release such as 1.30.2")
    })
}

fn code(text: &str) -> Result<String, String> {
    match lint::explain(text) {
        Some(_) => Ok(text.into()),
        None => Err("no finding has this code; `gnomon lint --explain` lists the lints".into()),
    }
}
