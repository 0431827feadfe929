//! `gnomon upgrade`.

use crate::{
    Outcome,
    diff::{Compared, formats, text},
    environment, eval, findings,
    sources::SourceArgs,
    style,
    workloads::{All, chosen_or_tell},
};
use gnomon_analysis::diff::{State, of_workload};
use gnomon_engine::{
    Mesh,
    jwt::SoftwareCrypto,
    workload::{IstioVersion, ProxyKind},
};

/// Say which verdicts change when Istio is upgraded: the same policies under two versions
///
/// Asks about all requests, for each workload. Exits 0 whatever changes, 1 with --exit-code where a verdict does.
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
        match of_workload(state(&before), state(&after), eval::now(), &SoftwareCrypto, Default::default()) {
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
    style::print(&match args.output {
        Format::Text => text::write(false, &compared),
        Format::Json => formats::json(&compared, false),
    });
    let changes = compared.iter().any(|one| !one.changes.is_equivalent());
    match (failed, changes && args.exit_code) {
        (true, _) => Outcome::Failed,
        (_, true) => Outcome::Bad,
        _ => Outcome::Good,
    }
}
