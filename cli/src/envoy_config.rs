//! `gnomon envoy-config`.

use crate::{Outcome, environment, findings, style, workloads, yaml};
use gnomon_engine::request::Protocol;
use gnomon_envoy_config::export;
use gnomon_manifests::Loader;
use serde_json::Value;
use std::path::PathBuf;

/// Print the filters that istiod generates for a workload, in their order
///
/// The RBAC, jwt_authn and ext_authz filters of the inbound chain, with protobuf's JSON names, as they stand in
/// `istioctl proxy-config listener -o json`. Exits 2 where a policy cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Policies: a file, a folder or - for standard input; as often as wanted
    #[arg(short, long = "policies", value_name = "PATH", required = true)]
    policies: Vec<PathBuf>,
    /// Of objects of one name take the last one read, as `kubectl apply` does
    #[arg(long)]
    last_wins: bool,
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
    let mut loader = Loader::new().last_wins(args.last_wins);
    args.policies.iter().for_each(|path| loader.path(path));
    let mut loaded = loader.finish();
    let (workload, mesh) = args.environment.read(&mut loaded);
    if findings::print(&loaded, &mut Default::default(), "nothing was generated") {
        return Outcome::Failed;
    }
    let Some(workload) = workloads::one(&args.environment, workload, &loaded, &mesh) else {
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
