//! `gnomon upgrade`.

use crate::{
    Outcome,
    diff::{Compared, formats, text},
    environment, eval, findings,
    sources::SourceArgs,
    style,
    workloads::{All, chosen_or_tell},
};
use gnomon_analysis::{
    diff::{State, of_versions},
    upgrade::{self, Note, notes},
};
use gnomon_engine::{
    Mesh,
    jwt::SoftwareCrypto,
    workload::{IstioVersion, ProxyKind},
};
use serde_json::json;
use std::fmt::Write as _;

/// How many policies of a note are listed.
const LISTED: usize = 5;

/// Say which verdicts change when Istio is upgraded: the same policies under two versions
///
/// Asks about all requests, for each workload, and says which changes and which advisories concern these policies. Exits 0 whatever changes, 1 with --exit-code where a verdict does.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The version before: 1.30.2, or 1.30
    #[arg(value_name = "FROM", value_parser = version)]
    from: IstioVersion,
    /// The version after
    #[arg(value_name = "TO", value_parser = version)]
    to: IstioVersion,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// Exit 1 where a verdict changes
    #[arg(long)]
    exit_code: bool,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

fn version(text: &str) -> Result<IstioVersion, String> {
    IstioVersion::parse(text).ok_or_else(|| {
        format!(
            "write a version from {} to {}, as 1.30.2 or 1.30",
            IstioVersion::OLDEST,
            IstioVersion::NEWEST
        )
    })
}

pub(crate) fn run(args: &Args) -> Outcome {
    if !args.sources.are_given() {
        return Outcome::Failed;
    }
    let mut loaded = args.sources.load(args.environment.namespace());
    let environment = args.environment.within(&args.sources);
    let (told, mesh) = environment.read(&mut loaded);
    findings::show(&loaded, &mut Default::default());
    let all = if environment.tells_workload() { All::No } else { All::Yes };
    let asked = chosen_or_tell(&environment, told, all, &loaded, &mesh)
        .and_then(|asked| findings::unconcerned(asked, &loaded, &mesh, "nothing was compared"));
    let Some(asked) = asked else { return Outcome::Failed };
    let of = |istio_version| Mesh { istio_version, ..mesh.clone() };
    let (before, after) = (of(args.from), of(args.to));
    let (mut compared, mut failed) = (Vec::new(), false);
    for one in asked {
        let proxied = one.found.as_ref().is_none_or(|found| found.has_proxy);
        if !proxied || one.workload.proxy == ProxyKind::Agentgateway {
            continue;
        }
        let state = |mesh| State { resources: &loaded.resources, workload: &one.workload, mesh };
        match of_versions(state(&before), state(&after), eval::now(), &SoftwareCrypto, Default::default()) {
            Ok(changes) => {
                compared.push(Compared {
                    name: one.name(),
                    workload: one.workload.clone(),
                    changes,
                    link: None,
                });
            }
            Err(why) => {
                failed = true;
                eprintln!("error: {}: {}", style::safe(&one.name()), style::safe(&why.to_string()));
            }
        }
    }
    let notes = notes(&loaded.resources, args.from, args.to);
    style::print(&match args.output {
        Format::Text => text::write(false, &compared) + &concerning(&notes, args.from, args.to),
        Format::Json => formats::json_with(&compared, false, ("notes", json!(notes))),
    });
    let changes = compared.iter().any(|one| !one.changes.is_equivalent());
    match (failed, changes && args.exit_code) {
        (true, _) => Outcome::Failed,
        (_, true) => Outcome::Bad,
        _ => Outcome::Good,
    }
}

/// What changes between the two and concerns these policies, and what neither has mended.
fn concerning(notes: &[Note], from: IstioVersion, to: IstioVersion) -> String {
    let style = style::Style::of_stdout();
    let mut out = String::new();
    let mut titled = None;
    for note in notes {
        let open = note.state == upgrade::State::Open;
        if titled != Some(open) {
            titled = Some(open);
            let title = match open {
                false => format!("from {from} to {to}, what concerns these policies:"),
                true => format!("not mended in {to} either:"),
            };
            let _ = writeln!(out, "\n{}", style.strong(&title));
        }
        let what = match note.state {
            upgrade::State::New => note.what.to_owned(),
            upgrade::State::Lost => format!("no longer: {}", note.what),
            upgrade::State::Open => note.without.to_owned(),
        };
        let what = if open && !note.advisory.is_empty() { style.bad(&what) } else { what };
        let _ = writeln!(out, "  {what}");
        if !open {
            let _ = writeln!(out, "      without it: {}", note.without);
        }
        let advisory = if note.advisory.is_empty() { "" } else { ", " };
        let _ = writeln!(out, "      since {}{advisory}{}", note.since, note.advisory);
        let _ = writeln!(out, "      {}", style.faint(note.link));
        if !note.changes_verdicts {
            let _ = writeln!(out, "      {}", style.faint("no verdict shows it"));
        }
        for one in note.policies.iter().take(LISTED) {
            let place = style::place(&one.file, one.line);
            let place = if place.is_empty() { place } else { format!(" ({place})") };
            let _ = writeln!(out, "      {}{place}", style::safe(&one.policy));
        }
        if let more @ 1.. = note.policies.len().saturating_sub(LISTED) {
            let _ = writeln!(out, "      and {more} more");
        }
    }
    out
}
