//! The project's own commands: `cargo xtask <command>`. Each one sets up what it needs first.

mod bench;
mod callbacks;
mod conformance;
mod demo;
mod dependencies;
mod dist;
mod docs;
mod filter;
mod fuzz;
mod instructions;
mod module;
mod packages;
mod panics;
mod playground;
mod run;
mod setup;
mod test;
mod verdicts;
mod workspace;

use run::Failure;
use std::process::ExitCode;
use workspace::Workspace;

const HELP: &str = "\
cargo xtask <command>

  demo [--module] [--keep]
                  real Envoy enforces today's policies, the shadow filter judges tomorrow's: a table of both
                  --module takes the native module in the place of the filter
                  --keep leaves Envoy running and prints how to reach it
  test            formatting, clippy, no_std and wasm builds, all tests, those in real Envoy included
  fuzz [TARGET…] [--minutes N]
                  what reads input from outside under libFuzzer (nightly), 10 minutes each
  bench [--write] what a verdict costs here, in WebAssembly and in other engines: a table
                  --write puts it and its plot into docs/performance.md
  bench instructions
                  the instructions of hot paths against benches/instructions.tsv, under valgrind
  bench envoy [--write]
                  what the filter costs beside Envoy's own RBAC: tables (five minutes)
                  --write puts them into docs/performance.md
  bench module [--write]
                  what the native module costs: processor time, latency, memory, updates (eight minutes)
                  --write puts the tables into docs/performance.md
  bench diff [--write]
                  what it costs to compare two sets of policies over all requests, natively, in V8 and in Cedar: tables
                  --write puts it into docs/performance.md
  bench scale     how long, how large, how fast large policy sets are: a table
  bench coverage  how long it takes to change each part of 100 policies under 1,000 cases
  bench trees     the first answer on a repository of 30,000 files, and on a cluster's dump
  soak [--minutes N | --seconds N], soak --module [--seconds N]
                  full load and configuration updates: nothing altered, nothing lost, memory flat (10 minutes)
  dist [--check]  the filter, its image, the page, the command line, checksums, bills of materials and provenance, in
                  target/dist
                  --check builds them again in another folder and compares every byte
  dist --command-line
                  the command line alone, in target/dist-command-line: an archive for each kind of machine that this
                  one builds for, and a manifest for krew (GNOMON_RELEASES=<url> says where archives will be)
  dist --module   the native module alone, in target/dist-module: for both kinds of processors, with its image,
                  checksums and bills of materials (on Linux)
  dist --gather FOLDER
                  the manifest for krew and the checksums of archives that several machines have made
  conformance [--cases N] [--seed S] [--out FOLDER]
                  random policies and requests: the engine's answers against real Envoy's; a disagreement is made
                  small and written as a suite
  conformance --listeners N [--seed S]
                  random listeners as istiod writes them: the filter chains that gnomon and real Envoy choose
  conformance --pairs N [--seed S]
                  random pairs of policy sets over a tiny alphabet: `gnomon diff` against every request of it
  conformance --solver N [--seed S]
                  random pairs of policy sets: whether they differ, by `gnomon diff` and by z3
  filter [--software-crypto]
                  build the Envoy filter and check its size
                  --software-crypto builds the larger one, which also checks PS*, EdDSA and HS* signatures
  module          build the native module for Envoy
  module --sanitize address|thread [--seconds N]
                  its hooks in any order, and workers beside updates, under a sanitizer (nightly)
  module --conformance N
                  random policies and requests: the module in front of Envoy's own filters sees all of them agree
  playground [--build | --test | --port N]
                  build the page for browsers and serve it; --build only builds web-playground/app/dist, --test runs
                  its tests in Chromium
  dependencies    licences and sources by cargo-deny, and a check with the oldest Rust that is promised
  docs            write the outputs that documents show anew
  fmt             format everything
  setup           install what all of these need: Rust targets, rustfmt, clippy, Envoy in a Python environment, promtool

What is installed outside rustup stays below the target folder, but for Python, Chromium and valgrind: where they are
missing and apt-get may be called without a password, it installs them; elsewhere you are told what to do.
GNOMON_ENVOY=<path> uses an Envoy of your own, GNOMON_CHROMIUM=<path> a Chromium, GNOMON_PROMTOOL=<path> a promtool.";

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
        ["demo", "--module"] => demo::module(&Workspace::find()?, false),
        ["demo", "--module", "--keep"] => demo::module(&Workspace::find()?, true),
        ["test"] => test::test(&Workspace::find()?),
        ["bench", "instructions"] => instructions::check(&Workspace::find()?),
        ["bench"] => verdicts::bench(&Workspace::find()?, false),
        ["bench", "--write"] => verdicts::bench(&Workspace::find()?, true),
        ["bench", "envoy"] => bench::envoy(&Workspace::find()?, false),
        ["bench", "envoy", "--write"] => bench::envoy(&Workspace::find()?, true),
        ["bench", "module"] => bench::module(&Workspace::find()?, false),
        ["bench", "module", "--write"] => bench::module(&Workspace::find()?, true),
        ["bench", "diff"] => bench::diff(&Workspace::find()?, false),
        ["bench", "diff", "--write"] => bench::diff(&Workspace::find()?, true),
        ["bench", "scale"] => bench::scale(&Workspace::find()?),
        ["bench", "coverage"] => bench::coverage(&Workspace::find()?),
        ["bench", "trees"] => bench::trees(&Workspace::find()?),
        ["soak"] => bench::soak(&Workspace::find()?, 600),
        ["soak", "--module"] => bench::soak_module(&Workspace::find()?, 600),
        ["soak", "--module", "--seconds", number] => {
            let wrong = || Failure::usage(format!("--seconds wants a whole number, got {number}"));
            let count = number.parse().ok().filter(|count| (1..=86_400).contains(count)).ok_or_else(wrong)?;
            bench::soak_module(&Workspace::find()?, count)
        }
        ["soak", unit @ ("--minutes" | "--seconds"), number] => {
            let count: u64 = number
                .parse()
                .ok()
                .filter(|count| (1..=86_400).contains(count))
                .ok_or_else(|| Failure::usage(format!("{unit} wants a whole number, got {number}")))?;
            bench::soak(&Workspace::find()?, if *unit == "--minutes" { count * 60 } else { count })
        }
        ["dist"] => dist::dist(&Workspace::find()?, false),
        ["dist", "--check"] => dist::dist(&Workspace::find()?, true),
        ["dist", "--command-line"] => dist::command_line(&Workspace::find()?),
        ["dist", "--module"] => dist::module_alone(&Workspace::find()?),
        ["dist", "--gather", folder] => dist::gather(std::path::Path::new(folder)),
        ["conformance", "--pairs", pairs] => conformance::pairs(&Workspace::find()?, pairs, "1"),
        ["conformance", "--pairs", pairs, "--seed", seed] => {
            conformance::pairs(&Workspace::find()?, pairs, seed)
        }
        ["conformance", "--solver", pairs] => conformance::solver(&Workspace::find()?, pairs, "1"),
        ["conformance", "--solver", pairs, "--seed", seed] => {
            conformance::solver(&Workspace::find()?, pairs, seed)
        }
        ["conformance", rest @ ..] => conformance::conformance(&Workspace::find()?, rest),
        ["filter"] => {
            let workspace = Workspace::find()?;
            setup::rust_target(&workspace, setup::FILTER_TARGET)?;
            filter::build(&workspace).map(drop)
        }
        ["filter", "--software-crypto"] => {
            let workspace = Workspace::find()?;
            setup::rust_target(&workspace, setup::FILTER_TARGET)?;
            filter::build_software_crypto(&workspace).map(drop)
        }
        ["module"] => module::build(&Workspace::find()?).map(drop),
        ["module", "--sanitize", sanitizer] => module::sanitize(&Workspace::find()?, sanitizer, "60"),
        ["module", "--sanitize", sanitizer, "--seconds", seconds] => {
            module::sanitize(&Workspace::find()?, sanitizer, seconds)
        }
        ["module", "--conformance", cases] => conformance::module(&Workspace::find()?, cases),
        ["fuzz", rest @ ..] => fuzz::fuzz(&Workspace::find()?, rest),
        ["playground"] => playground::serve(&Workspace::find()?, None),
        ["playground", "--build"] => playground::build(&Workspace::find()?).map(drop),
        ["playground", "--test"] => test::playground(&Workspace::find()?),
        ["playground", "--port", port] => playground::serve(&Workspace::find()?, Some(port)),
        ["dependencies"] => {
            let workspace = Workspace::find()?;
            dependencies::check(&workspace)?;
            dependencies::oldest_rust(&workspace)
        }
        ["docs"] => docs::docs(&Workspace::find()?),
        ["fmt"] => {
            let workspace = Workspace::find()?;
            setup::components(&workspace)?;
            run::run(workspace.cargo().args(["fmt", "--all"]))?;
            run::run(workspace.cargo().args(["fmt", "--manifest-path", "benches/Cargo.toml"]))
        }
        ["setup"] => setup::everything(&Workspace::find()?).map(drop),
        other => Err(Failure::usage(format!("unknown command: {}\n\n{HELP}", other.join(" ")))),
    }
}
