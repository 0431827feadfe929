//! `gnomon init`.

use crate::{Outcome, environment, eval::now, findings, sources::SourceArgs, style, yaml};
use gnomon_analysis::{
    bundle::{mesh_fields, workload_fields},
    diff::document,
    draft::{Drafted, Undrafted, draft},
    workloads::find,
};
use gnomon_engine::{Mesh, jwt::SoftwareCrypto};
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Write a suite for the policies as they are: for each rule a request that it decides, and one beside it
///
/// The verdicts are filled in as they are today and marked for review: what is wrong today is wrong in the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// Where to write it; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "policies.gnomon.yaml")]
    output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut sources = args.sources.clone();
    if sources.is_empty() {
        sources.policies.push(PathBuf::from("."));
    }
    let to_stdout = args.output == Path::new("-");
    if !to_stdout && args.output.exists() && !args.force {
        eprintln!(
            "error: {} is there already: give --output, or --force to write over it",
            args.output.display()
        );
        return Outcome::Failed;
    }
    let mut loaded = sources.load(args.environment.namespace());
    let (_, mesh) = args.environment.read(&mut loaded);
    if findings::print(&loaded, &mut Default::default(), "no suite was written") {
        return Outcome::Failed;
    }
    let workloads = find(&loaded.inventory, &loaded.resources, &mesh);
    let (drafted, without) = draft(&loaded.resources, &workloads, &mesh, now(), &SoftwareCrypto);
    if drafted.is_empty() {
        eprintln!("error: there is no rule to write a test for");
        tell(&without);
        return Outcome::Failed;
    }
    let folder = args.output.parent().filter(|_| !to_stdout).unwrap_or(Path::new(""));
    let text = suite(&sources, folder, &drafted, &mesh);
    if to_stdout {
        style::print(&text);
    } else if let Err(wrong) = fs::write(&args.output, &text) {
        eprintln!("error: {} cannot be written: {wrong}", args.output.display());
        return Outcome::Failed;
    }
    tell(&without);
    if !to_stdout {
        style::print(&format!(
            "{} in {}: review each verdict, then `gnomon test {}`\n",
            style::plural(drafted.len(), "test"),
            args.output.display(),
            style::shell_word(&args.output.to_string_lossy())
        ));
    }
    Outcome::Good
}

fn tell(without: &[Undrafted]) {
    for one in without {
        eprintln!("note: no test for {}: {}", style::safe(&one.rule), style::safe(&one.why));
    }
}

fn suite(sources: &SourceArgs, folder: &Path, drafted: &[Drafted<'_>], mesh: &Mesh) -> String {
    let mut head = Map::new();
    head.insert("name".into(), json!("what the policies do today"));
    let relative = |path: &PathBuf| from(folder, path).to_string_lossy().into_owned();
    head.insert("policies".into(), sources.policies.iter().map(relative).collect());
    if *mesh != Mesh::default() {
        head.insert("mesh".into(), mesh_fields(mesh));
    }
    let mut text = String::from(
        "# Drafted by `gnomon init`: for each rule a request that it decides, and one beside it that fares otherwise. The\n\
         # verdicts are those of today. Review each: is it what you want?\n",
    );
    text += &yaml::write(&Value::Object(head));
    text += "tests:\n";
    for one in drafted {
        let mut expect = Map::new();
        expect.insert("verdict".into(), json!(one.report.verdict));
        expect.insert("stage".into(), json!(one.report.stage));
        if let Some(policy) = &one.report.policy {
            expect.insert("policy".into(), json!(policy));
        }
        let mut workload = workload_fields(&one.workload.workload);
        if let Some(fields) = workload.as_object_mut() {
            fields.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
        }
        let place = style::place(&one.file, one.line);
        text += &format!("# review: {}\n", style::safe(&place));
        text += &format!("- name: {}\n", json!(one.name));
        // In the order in which people read it.
        let parts = [("workload", workload), ("request", document(&one.request)), ("expect", expect.into())];
        for (name, part) in parts {
            for line in yaml::write(&json!({ name: part })).lines() {
                text += &format!("  {line}\n");
            }
        }
    }
    text
}

/// A path as seen from a folder.
fn from(folder: &Path, path: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() || path.is_absolute() {
        return path.to_path_buf();
    }
    // Up from the folder to where both paths begin.
    let up: PathBuf = folder.components().map(|_| "..").collect();
    match path.strip_prefix(folder) {
        Ok(inner) if inner.as_os_str().is_empty() => PathBuf::from("."),
        Ok(inner) => inner.to_path_buf(),
        Err(_) => up.join(path),
    }
}
