//! `gnomon envoy-config`.

use crate::{
    Outcome, environment, findings,
    sources::SourceArgs,
    style,
    workloads::{self, All, Asked},
    yaml,
};
use gnomon_engine::request::Protocol;
use gnomon_envoy_config::export;
use serde_json::Value;

/// Print the filters that istiod generates for a workload, in their order
///
/// The RBAC, jwt_authn and ext_authz filters of the inbound chain, with protobuf's JSON names, as they stand in
/// `istioctl proxy-config listener -o json`. Exits 2 where a policy cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// HTTP filters, or network filters of a TCP port
    #[arg(long, value_enum, default_value_t = Chain::Http)]
    protocol: Chain,
    #[command(flatten)]
    environment: environment::EnvironmentArgs,
    /// How to write them
    #[arg(short, long, value_enum, default_value_t = Format::Json)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Chain {
    Http,
    Tcp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Json,
    Yaml,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if !args.sources.are_given() {
        return Outcome::Failed;
    }
    let mut loaded = args.sources.load(args.environment.namespace());
    let environment = args.environment.within(&args.sources);
    let (workload, mesh) = environment.read(&mut loaded);
    findings::show(&loaded, &mut Default::default());
    findings::print_unread(&loaded, None);
    let asked = workloads::chosen_or_tell(&environment, workload, All::No, &loaded, &mesh)
        .and_then(|asked| findings::unconcerned(asked, &loaded, &mesh, "nothing was generated"));
    let Some(Asked { workload, .. }) = asked.and_then(|asked| asked.into_iter().next()) else {
        return Outcome::Failed;
    };
    let protocol = match args.protocol {
        Chain::Http => Protocol::Http,
        Chain::Tcp => Protocol::Tcp,
    };
    let filters = Value::Array(export(&loaded.resources, &workload, &mesh, protocol));
    style::print(&match args.output {
        // Cannot fail: all keys are strings.
        Format::Json => serde_json::to_string_pretty(&filters).unwrap_or_default() + "\n",
        Format::Yaml => yaml::write(&filters),
    });
    Outcome::Good
}
