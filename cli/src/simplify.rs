//! `gnomon simplify`.

use crate::{
    Outcome,
    diff::formats::cell,
    environment, eval, findings,
    lint::fixing::difference,
    style,
    workloads::{All, chosen_or_tell},
};
use gnomon_analysis::{
    diff::{State, of_workload},
    lint::{
        self, Finding, Settings,
        redundant::{self, Names},
    },
};
use gnomon_engine::{
    Mesh, Workload,
    jwt::SoftwareCrypto,
    resource::manifest::manifests,
    workload::{PathNormalization, ProxyKind},
};
use gnomon_manifests::{Loaded, Loader, read_file};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Make policies smaller without changing a verdict, proven for all requests
///
/// Values, conditions, rules and policies go that others cover, and rules that differ in one place become one. The texts
/// stay as they are otherwise, comments and order too. That every request fares as before is proven for all workloads, as
/// by `gnomon diff`, before anything is printed. Prints what would change.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policies: files and folders
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// Write it into the files
    #[arg(long)]
    write: bool,
    /// Exit 1 where something can be made smaller
    #[arg(long, conflicts_with = "write")]
    exit_code: bool,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

type Texts = BTreeMap<Arc<str>, String>;

/// Rounds of steps; each one makes the texts smaller.
const ROUNDS: usize = 1_000;

/// What became of it.
#[derive(Default)]
struct Smaller {
    texts: Texts,
    /// What was done, each with its place in the files as they are.
    steps: Vec<Finding>,
    left: Vec<Finding>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut loaded = load(&args.paths, &Texts::new());
    let (told, mesh) = args.environment.read(&mut loaded);
    if findings::print(&loaded, &mut Default::default(), "nothing was made smaller") {
        return Outcome::Failed;
    }
    if manifests(&loaded.resources) != manifests(&by_files(&args.paths, &Texts::new()).resources) {
        eprintln!(
            "error: what the policies say is not all in their files (a kustomization or a chart makes some of it); nothing \
             was made smaller. Name the files themselves, or write out what is made of them first"
        );
        return Outcome::Failed;
    }
    let mesh_is_known = args.environment.knows_mesh(&loaded);
    let all = if args.environment.tells_workload() { All::No } else { All::Yes };
    let Some(asked) = chosen_or_tell(&args.environment, told, all, &loaded, &mesh) else {
        return Outcome::Failed;
    };
    let mut settings = Settings::new(&mesh);
    settings.mesh_is_known = mesh_is_known;
    let known = asked.into_iter().filter(|one| one.found.as_ref().is_none_or(|found| found.has_proxy));
    let mut asked: Vec<(String, Workload)> = known.map(|one| (one.name(), one.workload)).collect();
    // Whatever else there may be in the mesh.
    for workload in redundant::targets(&loaded.resources) {
        if !asked.iter().any(|(_, known)| *known == workload) {
            asked.push((format!("any workload like {}", workload.display_name()), workload));
        }
    }
    asked.retain(|(_, workload)| workload.proxy != ProxyKind::Agentgateway);
    let mut meshes = vec![mesh.clone()];
    if !mesh_is_known {
        meshes.push(Mesh { path_normalization: PathNormalization::None, ..mesh.clone() });
    }
    let proven = |smaller: &Smaller| -> Result<(), String> {
        let after = load(&args.paths, &smaller.texts);
        prove(&loaded, &after, &asked, &meshes)
    };
    // Steps of one round are made at once; where that is not right, one at a time.
    let mut smaller = make_smaller(&args.paths, &settings, usize::MAX);
    let mut proof = proven(&smaller);
    if proof.is_err() {
        smaller = make_smaller(&args.paths, &settings, 1);
        proof = proven(&smaller);
    }
    if let Err(why) = proof {
        eprintln!("error: {}; nothing was changed", style::safe(&why));
        return Outcome::Failed;
    }
    style::print(&match args.output {
        Format::Text => text(&smaller, asked.len()),
        Format::Json => json(&smaller, asked.len()),
        Format::Markdown => markdown(&smaller, asked.len()),
    });
    if args.write {
        for (file, text) in &smaller.texts {
            if let Err(why) = fs::write(Path::new(&**file), text) {
                eprintln!("error: cannot write {}: {why}", style::safe(file));
                return Outcome::Failed;
            }
        }
    }
    if args.exit_code && !smaller.steps.is_empty() { Outcome::Bad } else { Outcome::Good }
}

/// The manifests, some of them with other texts.
fn load(paths: &[PathBuf], texts: &Texts) -> Loaded {
    if !texts.is_empty() {
        return by_files(paths, texts);
    }
    let mut loader = Loader::new();
    paths.iter().for_each(|path| loader.path(path));
    loader.finish()
}

/// The same files, each by itself.
fn by_files(paths: &[PathBuf], texts: &Texts) -> Loaded {
    let mut loader = Loader::new();
    for file in &load(paths, &Texts::new()).files {
        match texts.get(file).cloned().or_else(|| read_file(Path::new(&**file)).ok()) {
            Some(text) => loader.text(&text, file),
            None => loader.path(Path::new(&**file)),
        }
    }
    loader.finish()
}

/// Takes steps until there are none.
fn make_smaller(paths: &[PathBuf], settings: &Settings<'_>, most: usize) -> Smaller {
    let mut smaller = Smaller::default();
    let written = |file: &str| read_file(Path::new(file)).ok();
    let mut names = Names::of(&load(paths, &Texts::new()).resources);
    for _ in 0..ROUNDS {
        let loaded = load(paths, &smaller.texts);
        let now = |file: &str| smaller.texts.get(file).cloned().or_else(|| written(file));
        let mut steps = redundant::steps(&loaded, settings, &now, &names, most);
        steps.findings.truncate(most);
        let fixed = lint::apply(&steps.findings, &now);
        let changed = fixed.texts.iter().any(|(file, text)| now(file).as_ref() != Some(text));
        let lines: BTreeMap<Arc<str>, Lines> = files(steps.findings.iter().chain(&steps.left))
            .into_iter()
            .filter_map(|file| Some((file.clone(), Lines::of(&written(&file)?, &now(&file)?))))
            .collect();
        smaller.left = std::mem::take(&mut steps.left);
        smaller.left.iter_mut().for_each(|one| as_written(one, &lines));
        if !changed {
            break;
        }
        let taken: BTreeSet<usize> = fixed.mended.iter().copied().collect();
        names.take(&steps, &taken);
        let made = steps.findings.into_iter().enumerate().filter(|(number, _)| taken.contains(number));
        smaller.steps.extend(made.map(|(_, mut finding)| {
            as_written(&mut finding, &lines);
            finding
        }));
        smaller.texts.extend(fixed.texts);
    }
    smaller
}

fn files<'f>(findings: impl Iterator<Item = &'f Finding>) -> BTreeSet<Arc<str>> {
    let mut files = BTreeSet::new();
    for finding in findings {
        files.insert(finding.diagnostic.file.clone());
        files.extend(finding.related.iter().map(|related| related.file.clone()));
    }
    files
}

/// Which line of a file as it is each line of the smaller one was.
struct Lines(Vec<u32>);

impl Lines {
    fn of(before: &str, now: &str) -> Lines {
        let difference = similar::TextDiff::from_lines(before, now);
        let mut lines = Vec::new();
        for operation in difference.ops() {
            let (old, new) = (operation.old_range(), operation.new_range());
            for number in 0..new.len() {
                let line = old.start + number.min(old.len().saturating_sub(1));
                lines.push(u32::try_from(line + 1).unwrap_or(u32::MAX));
            }
        }
        Lines(lines)
    }

    fn line(&self, now: u32) -> u32 {
        let known = usize::try_from(now).ok().and_then(|now| self.0.get(now.checked_sub(1)?));
        known.copied().unwrap_or(now)
    }
}

fn as_written(finding: &mut Finding, lines: &BTreeMap<Arc<str>, Lines>) {
    let line = |file: &Arc<str>, now: u32| lines.get(file).map_or(now, |lines| lines.line(now));
    let found = &mut finding.diagnostic;
    found.at.line = line(&found.file, found.at.line);
    for related in &mut finding.related {
        related.at.line = line(&related.file, related.at.line);
    }
}

/// Every request fares as before, at all workloads, with either proxy in front of those that could have both.
fn prove(
    before: &Loaded,
    after: &Loaded,
    asked: &[(String, Workload)],
    meshes: &[Mesh],
) -> Result<(), String> {
    for (name, workload) in asked {
        let mut workloads = vec![workload.clone()];
        if workload.proxy == ProxyKind::Sidecar {
            workloads.push(Workload { proxy: ProxyKind::Ztunnel, ..workload.clone() });
        }
        for (workload, mesh) in workloads.iter().flat_map(|one| meshes.iter().map(move |mesh| (one, mesh))) {
            let [old, new] = [before, after].map(|side| State { resources: &side.resources, workload, mesh });
            match of_workload(old, new, eval::now(), &SoftwareCrypto, Default::default()) {
                Ok(changes) if changes.is_equivalent() => {}
                Ok(_) => return Err(format!("{name}: internal error: a request would fare otherwise")),
                Err(why) => return Err(format!("{name}: it cannot be proven that nothing changes: {why}")),
            }
        }
    }
    Ok(())
}

/// The texts as they are and as they would be, as differences.
fn differences(smaller: &Smaller) -> Vec<(&str, String)> {
    let mut all = Vec::new();
    for (file, after) in &smaller.texts {
        let before = read_file(Path::new(&**file)).unwrap_or_default();
        all.push((&**file, difference(file, &before, after)));
    }
    all
}

/// `shop/orders`.
fn policy(finding: &Finding) -> &str {
    finding.diagnostic.object.split_once(' ').map_or("", |(_, name)| name)
}

fn conclusion(smaller: &Smaller, workloads: usize) -> String {
    match smaller.steps.len() {
        0 => "nothing can be made smaller".to_owned(),
        steps => format!(
            "{}; proven: every request fares as before, at {} and at all others",
            style::plural(steps, "step"),
            style::plural(workloads, "workload")
        ),
    }
}

fn text(smaller: &Smaller, workloads: usize) -> String {
    let mut out = String::new();
    for (_, difference) in differences(smaller) {
        difference.lines().for_each(|line| out += &(style::safe(line) + "\n"));
    }
    for (steps, mark) in [(&smaller.steps, ""), (&smaller.left, "left as it is: ")] {
        if !steps.is_empty() && !out.is_empty() {
            out.push('\n');
        }
        for finding in steps {
            let found = &finding.diagnostic;
            let place = style::place(&found.file, found.at.line);
            let (policy, field, message) = (policy(finding), &found.field, &found.message);
            let line = format!("{mark}{policy} {field}: {message}");
            let _ = writeln!(out, "{place}: {}", style::safe(&line));
            for related in &finding.related {
                let place = style::place(&related.file, related.at.line);
                let _ = writeln!(out, "    {}: {place}", style::safe(&related.message));
            }
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out + &conclusion(smaller, workloads) + "\n"
}

/// The format of docs/formats.md, "Simplification".
fn json(smaller: &Smaller, workloads: usize) -> String {
    let told = |findings: &[Finding]| -> Vec<Value> {
        let one = |finding: &Finding| {
            let found = &finding.diagnostic;
            let covered_by = finding.related.iter().map(|related| {
                json!({"rule": related.message, "file": related.file.as_ref(), "line": related.at.line})
            });
            json!({
                "file": found.file.as_ref(),
                "line": found.at.line,
                "policy": policy(finding),
                "field": found.field,
                "message": found.message,
                "coveredBy": covered_by.collect::<Vec<_>>(),
            })
        };
        findings.iter().map(one).collect()
    };
    let files = differences(smaller).into_iter();
    let files = files.map(|(file, difference)| json!({"file": file, "difference": difference}));
    let value = json!({
        "smaller": !smaller.steps.is_empty(),
        "workloads": workloads,
        "steps": told(&smaller.steps),
        "left": told(&smaller.left),
        "files": files.collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

fn markdown(smaller: &Smaller, workloads: usize) -> String {
    let mut out = format!("## Simplification\n\n{}.\n", conclusion(smaller, workloads));
    for (steps, title) in [(&smaller.steps, "goes"), (&smaller.left, "left as it is")] {
        if steps.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n| {title} | field | why |\n|---|---|---|");
        for finding in steps {
            let found = &finding.diagnostic;
            let place = style::place(&found.file, found.at.line);
            let _ = writeln!(
                out,
                "| {} ({}) | {} | {} |",
                cell(policy(finding)),
                cell(&place),
                cell(&found.field),
                cell(&found.message)
            );
        }
    }
    for (_, difference) in differences(smaller) {
        out.push_str("\n````diff\n");
        difference.lines().for_each(|line| out += &(style::safe(line).replace("````", "` ` ` `") + "\n"));
        out.push_str("````\n");
    }
    out
}
