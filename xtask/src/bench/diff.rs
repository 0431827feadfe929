//! `cargo xtask bench diff`: what comparing two sets of policies over all requests costs, natively and in V8 as the page
//! has it.

use crate::{
    docs,
    run::{Failure, heading, output, run},
    setup,
    verdicts::{Figure, benches, read},
    workspace::Workspace,
};
use std::{fmt::Write as _, process::Command};

/// Measures and prints a table; with `write`, `docs/performance.md` gets it.
pub(crate) fn diff(workspace: &Workspace, write: bool) -> Result<(), Failure> {
    heading("comparing natively");
    let mut native = benches(workspace, "run");
    native.args(["--release", "--bin", "compare_plans"]);
    let native = read(&mut native)?;

    setup::rust_target(workspace, setup::BROWSER_TARGET)?;
    heading("comparing in V8, built as the page is");
    let mut module = benches(workspace, "rustc");
    module.args(["--profile", "wasm", "--lib", "--crate-type", "cdylib", "--target", setup::BROWSER_TARGET]);
    run(&mut module)?;
    let module = workspace.target.join(setup::BROWSER_TARGET).join("wasm/gnomon_benches.wasm");
    let node = output(Command::new("node").arg("--version"));
    let in_v8 = match &node {
        Some(_) => {
            let script = workspace.root.join("benches/compare_plans.mjs");
            read(Command::new("node").arg(script).arg(&module))?
        }
        None => {
            println!("    no `node` here, so V8 is left out: install Node.js 20 or newer and try again");
            Vec::new()
        }
    };
    heading("the same question to Cedar's symbolic compiler and cvc5 (the first build takes minutes)");
    setup::python_package(workspace, "cvc5", &[CVC5], "cvc5/__init__.py")?;
    let python = workspace.installed().join("cvc5/bin/python");
    let script = workspace.root.join("benches/interactive_cvc5.py");
    let mut cedar = benches(workspace, "bench");
    cedar.args(["--bench", "compare_cedar"]);
    cedar.env("GNOMON_SOLVER", format!("{}\n{}", python.display(), script.display()));
    let beside = read(&mut cedar)?;
    let table = table(&native, &in_v8, &beside);
    println!("\n{table}");
    if write {
        let path = workspace.root.join("docs/performance.md");
        docs::figures(workspace, &path, "cargo xtask bench diff --write", &table)?;
    }
    Ok(())
}

/// Its wheel has no program; a script makes one of it.
const CVC5: &str = "cvc5==1.4.2";

fn table(native: &[Figure], in_v8: &[Figure], beside: &[Figure]) -> String {
    let mut text = String::from("| policies | changed | native | in V8 | |\n|---|---|---|---|---|\n");
    for one in native {
        let other = in_v8.iter().find(|other| (&other.what, other.count) == (&one.what, one.count));
        let (time, ratio) = match other {
            Some(other) => (milliseconds(other.value), format!("{:.1} ×", other.value / one.value)),
            None => ("-".into(), String::new()),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {time} | {ratio} |",
            thousands(one.count),
            one.what,
            milliseconds(one.value)
        );
    }
    text.push_str("\nBeside Cedar, one policy changed, both directions with a request:\n\n");
    text.push_str("| policies | here | Cedar's symbolic compiler and cvc5 | |\n|---|---|---|---|\n");
    for one in beside.iter().filter(|one| one.engine == "native") {
        let other = beside.iter().find(|other| other.engine == "cedar" && other.count == one.count);
        let Some(other) = other else { continue };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} × |",
            thousands(one.count),
            milliseconds(one.value),
            milliseconds(other.value),
            other.value / one.value
        );
    }
    text
}

fn milliseconds(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.1} ms"),
        value if value < 1_000.0 => format!("{value:.0} ms"),
        value => format!("{:.1} s", value / 1_000.0),
    }
}

fn thousands(count: usize) -> String {
    match count {
        1_000.. => format!("{},{:03}", count / 1_000, count % 1_000),
        _ => count.to_string(),
    }
}
