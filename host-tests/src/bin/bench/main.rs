//! `cargo xtask bench envoy`, `module` and `scale`: what the filter costs, measured in real Envoy.

mod chains;
mod figures;
mod module;
mod scale;
mod words;

use chains::Chains;
use gnomon_host_tests::{Result, err::Context, filter};
use std::{
    fs,
    process::{Command, ExitCode},
    time::Duration,
};
use words::grouped;

/// Each chain is measured so often, in turn with the others; the median counts.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rounds = |text: &str| text.parse().ok().filter(|rounds| *rounds > 0);
    let done = match arguments.as_slice() {
        ["envoy"] => figures::print(ROUNDS),
        ["envoy", text] if rounds(text).is_some() => figures::print(rounds(text).unwrap_or(ROUNDS)),
        ["module"] => module::print(module::ROUNDS),
        ["module", text] if rounds(text).is_some() => module::print(rounds(text).unwrap_or(ROUNDS)),
        ["module", "load", title, text] if rounds(text).is_some() => {
            let time = Duration::from_secs(rounds(text).unwrap_or(1) as u64);
            Chains::start_module().and_then(|chains| chains.load(title, time))
        }
        ["module", "updates"] => module::print_updates(),
        ["scale"] => scale::scale(),
        _ => {
            eprintln!(
                "bench: say envoy, envoy ROUNDS, module, module ROUNDS, module load CHAIN SECONDS, module updates, \
                 or scale"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The machine and the versions, for whoever compares.
fn environment() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processors = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = Command::new(gnomon_host_tests::envoy::binary()?)
        .arg("--version")
        .output()
        .or_cannot("ask Envoy its version")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    // `PATH  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
    let version = version.split_once("version: ").and_then(|(_, rest)| rest.split('/').nth(1));
    let version = version.unwrap_or("of an unknown version");
    let size = fs::metadata(filter::wasm()?).or_cannot("measure the filter")?.len();
    Ok(format!(
        "{} × {}, Linux {}; Envoy {version}, one worker, direct response; filter.wasm {} bytes",
        processors,
        field("model name").unwrap_or_else(|| "an unknown processor".into()),
        kernel.trim(),
        grouped(usize::try_from(size).unwrap_or(0)),
    ))
}
