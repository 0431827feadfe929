//! `cargo xtask bench`: what a verdict costs, natively and in WebAssembly, beside other engines, in one run; and what
//! `gnomon test` takes for ten thousand cases.

mod document;
mod plot;

use crate::{
    run::{self, Failure, command_line, heading, output, run},
    setup,
    workspace::Workspace,
};
use std::{
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
    time::Instant,
};

/// One line of what a benchmark prints.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) engine: String,
    pub(crate) what: String,
    pub(crate) count: usize,
    pub(crate) value: f64,
    unit: String,
}

/// How many cases the suite for `gnomon test` has.
const CASES: usize = 10_000;

/// Measures all and prints a table; with `write`, `docs/performance.md` and its plots are written anew, too.
pub(crate) fn bench(workspace: &Workspace, write: bool) -> Result<(), Failure> {
    let mut figures = Vec::new();
    heading("verdicts here, in Cedar and in regorus (the first build takes minutes)");
    let mut native = benches(workspace, "bench");
    native.args(["--bench", "verdicts"]);
    figures.extend(read(&mut native)?);

    setup::rust_target(workspace, setup::BROWSER_TARGET)?;
    heading("verdicts in WebAssembly");
    let mut module = benches(workspace, "rustc");
    module.args(["--release", "--lib", "--crate-type", "cdylib", "--target", setup::BROWSER_TARGET]);
    run(&mut module)?;
    let module = workspace.target.join(setup::BROWSER_TARGET).join("release/gnomon_benches.wasm");
    if output(Command::new("node").arg("--version")).is_some() {
        let script = workspace.root.join("benches/verdicts.mjs");
        figures.extend(read(Command::new("node").arg(script).arg(&module))?);
    } else {
        println!("    no `node` here, so V8 is left out: install Node.js 20 or newer and try again");
    }
    let mut wasmtime = workspace.cargo();
    wasmtime.args([
        "run",
        "--quiet",
        "--package",
        "gnomon-host-tests",
        "--example",
        "verdicts_in_wasmtime",
        "--",
    ]);
    figures.extend(read(wasmtime.arg(&module))?);

    heading("gnomon test");
    figures.push(suite(workspace)?);

    println!("\n{}", document::table(&figures));
    if write { document::write(workspace, &figures) } else { Ok(()) }
}

/// Cargo in the workspace of the benches.
pub(crate) fn benches(workspace: &Workspace, verb: &str) -> Command {
    let mut command = workspace.cargo();
    command.current_dir(workspace.root.join("benches")).args([verb, "--quiet", "--locked"]);
    command
}

/// Runs a benchmark and reads what it prints.
pub(crate) fn read(command: &mut Command) -> Result<Vec<Figure>, Failure> {
    let text = run::read(command)?;
    let figures: Option<Vec<Figure>> = text.lines().map(Figure::read).collect();
    let line = command_line(command);
    figures.ok_or_else(|| Failure::new(format!("`{line}` printed what is no list of figures:\n{text}")))
}

impl Figure {
    fn read(line: &str) -> Option<Figure> {
        let mut parts = line.split('\t');
        let (engine, what) = (parts.next()?.into(), parts.next()?.into());
        let (count, value) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Figure { engine, what, count, value, unit: parts.next()?.into() })
    }
}

/// Ten thousand cases from cold: the time of the whole process, reading included, at its best of three.
fn suite(workspace: &Workspace) -> Result<Figure, Failure> {
    run(workspace.cargo().args(["build", "--quiet", "--release", "--package", "gnomon"]))?;
    let folder = workspace.installed().join("bench");
    let at = |error: std::io::Error| Failure::new(format!("cannot write to {}: {error}", folder.display()));
    fs::create_dir_all(&folder).map_err(at)?;
    fs::write(folder.join("policies.yaml"), policies_text()).map_err(at)?;
    fs::write(folder.join("bench.gnomon.yaml"), suite_text()).map_err(at)?;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let mut gnomon = Command::new(workspace.target.join("release/gnomon"));
        gnomon.arg("test").arg(&folder).stdout(Stdio::null());
        let start = Instant::now();
        run(&mut gnomon)?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(Figure {
        engine: "gnomon test".into(),
        what: "suite".into(),
        count: CASES,
        value: best,
        unit: "s".into(),
    })
}

/// A hundred policies.
fn policies_text() -> String {
    let mut text = String::new();
    for team in 0..100 {
        let _ = write!(
            text,
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
             metadata: {{name: team-{team}, namespace: shop}}\nspec:\n  rules:\n  \
             - from: [{{source: {{principals: [\"cluster.local/ns/team-{team}/sa/client\"]}}}}]\n    \
             to: [{{operation: {{methods: [GET], paths: [\"/teams/{team}/*\"]}}}}]\n"
        );
    }
    text
}

/// A test for each case, every other of which is refused.
fn suite_text() -> String {
    let mut text = String::from(
        "name: bench\npolicies: [policies.yaml]\nworkload: {namespace: shop, proxy: gateway}\ntests:\n",
    );
    for case in 0..CASES {
        let team = case % 100;
        let (path, verdict) = if case % 2 == 0 { (team, "allow") } else { (team + 1, "deny") };
        let _ = write!(
            text,
            "- name: case {case}\n  request:\n    path: /teams/{path}/{case}\n    source: \
             {{principal: cluster.local/ns/team-{team}/sa/client}}\n  expect: {{verdict: {verdict}}}\n"
        );
    }
    text
}
