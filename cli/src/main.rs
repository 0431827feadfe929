//! `gnomon`: what would these Istio policies do with this request, and why?
#![forbid(unsafe_code)]

mod bundle;
mod check;
mod checkout;
mod cluster;
mod completions;
mod describe;
mod diff;
mod drift;
mod environment;
mod envoy_config;
mod eval;
mod examples;
mod explanation;
mod findings;
mod gateway;
mod init;
mod lint;
mod loaded;
mod man;
mod matrix;
mod playground;
mod plugin;
mod progress;
mod proxy;
mod request_args;
mod sarif;
mod simplify;
mod sources;
mod start;
mod style;
mod test;
mod tokens;
mod tool;
mod upgrade;
mod who_can;
mod why;
mod words;
mod workloads;
mod yaml;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// What would these Istio policies do with this request, and why?
///
/// Reads AuthorizationPolicy, RequestAuthentication and PeerAuthentication as you have them and gives the verdict that
/// Istio's proxies would give, with the reason. Nothing is installed, and a cluster is only read, where you say so.
#[derive(Debug, Parser)]
#[command(name = "gnomon", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Eval(Box<eval::Args>),
    Why(Box<why::Args>),
    Describe(Box<describe::Args>),
    Diff(Box<diff::Args>),
    Drift(Box<drift::Args>),
    Init(Box<init::Args>),
    Check(Box<check::Args>),
    WhoCan(Box<who_can::Args>),
    Matrix(Box<matrix::Args>),
    Upgrade(Box<upgrade::Args>),
    Simplify(Box<simplify::Args>),
    Test(test::Args),
    Lint(lint::Args),
    EnvoyConfig(envoy_config::Args),
    Bundle(Box<bundle::Args>),
    Playground(playground::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// How a command ends (the exit codes are a contract).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// 0: all expectations met, nothing found.
    Good,
    /// 1: an expectation not met; with `--exit-code`, a denial.
    Bad,
    /// 3: with `--exit-code`, a verdict that nobody can know.
    Unknown,
    /// 2: could not run.
    Failed,
}

fn main() -> ExitCode {
    let Some(command) = parse().command else { return start::run().into() };
    let outcome = match command {
        Command::Eval(args) => eval::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Describe(args) => describe::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Drift(args) => drift::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::WhoCan(args) => who_can::run(&args),
        Command::Matrix(args) => matrix::run(&args),
        Command::Upgrade(args) => upgrade::run(&args),
        Command::Simplify(args) => simplify::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::EnvoyConfig(args) => envoy_config::run(&args),
        Command::Bundle(args) => bundle::run(&args),
        Command::Playground(args) => playground::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    outcome.into()
}

/// What the program takes, with examples.
fn command() -> clap::Command {
    examples::add(Cli::command())
}

/// The command line; help and errors end the program.
fn parse() -> Cli {
    let arguments: Vec<_> = std::env::args_os().collect();
    let matches = if plugin::called(&arguments) {
        command().bin_name("kubectl gnomon").get_matches_from(plugin::with_cluster(arguments))
    } else {
        command().get_matches_from(arguments)
    };
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Good => 0,
            Outcome::Bad => 1,
            Outcome::Failed => 2,
            Outcome::Unknown => 3,
        })
    }
}
