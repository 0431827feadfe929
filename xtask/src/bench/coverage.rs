//! `cargo xtask bench coverage`: `gnomon test --coverage` on 1,000 cases over 100 policies.

use crate::{
    run::{Failure, heading, run},
    workspace::Workspace,
};
use std::{
    fmt::Write,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const POLICIES: usize = 100;
const CASES: usize = 1_000;
/// How often it runs: the least and the middle are told.
const RUNS: usize = 5;

/// Prints how long it takes where the policies are for one workload, and where they are for several.
pub(crate) fn coverage(workspace: &Workspace) -> Result<(), Failure> {
    run(workspace.cargo().args(["build", "--release", "--package", "gnomon"]))?;
    heading(&format!("{CASES} cases over {POLICIES} policies"));
    println!("| policies for | changes noticed | least | middle |\n|---|---|---|---|");
    for workloads in [20, 1] {
        let folder = workspace.installed().join("coverage");
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
        // What is there may be of another version.
        let _absent = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(failed)?;
        fs::write(folder.join("policies.yaml"), policies(workloads)).map_err(failed)?;
        fs::write(folder.join("suite.gnomon.yaml"), suite(workloads)).map_err(failed)?;
        // What is expected is what comes out.
        gnomon(workspace, &folder, &["--update"])?;
        gnomon(workspace, &folder, &[])?;
        let mut times: Vec<Duration> = Vec::new();
        let mut counts = String::new();
        for _ in 0..RUNS {
            let start = Instant::now();
            counts = gnomon(workspace, &folder, &["--coverage"])?;
            times.push(start.elapsed());
        }
        times.sort();
        let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
        println!(
            "| {workloads} workload{} | {} | {:.2} s | {:.2} s |",
            if workloads == 1 { "" } else { "s" },
            counts.trim().lines().last().unwrap_or_default(),
            seconds(times.first()),
            seconds(times.get(RUNS / 2))
        );
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    Ok(())
}

/// Runs the tests of the folder; what it prints.
fn gnomon(workspace: &Workspace, folder: &Path, words: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new(workspace.target.join("release/gnomon"));
    let command = command.arg("test").args(words).current_dir(folder);
    let output = command.output().map_err(|error| Failure::new(error.to_string()))?;
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        // It shows failures before it writes what came out.
        Some(1) if words == ["--update"] => Ok(String::new()),
        code => Err(Failure::new(format!(
            "gnomon test {} ended with {code:?}: {}",
            words.join(" "),
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

/// Every fifth denies; rules have identities, methods, paths, and some a header.
fn policies(workloads: usize) -> String {
    let mut text = String::new();
    for number in 0..POLICIES {
        let app = number % workloads;
        let action = if number % 5 == 0 { "DENY" } else { "ALLOW" };
        let _ = write!(
            text,
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p{number}, namespace: \
             shop}}\nspec:\n  selector: {{matchLabels: {{app: a{app}}}}}\n  action: {action}\n  rules:\n"
        );
        for rule in 0..2 {
            let _ = write!(
                text,
                "  - from:\n    - source: {{principals: [cluster.local/ns/n{rule}/sa/c{number}, cluster.local/ns/n2/sa/d{}]}}\n    \
                 to:\n    - operation: {{methods: [GET, PUT], paths: [/p{number}/r{rule}/*, /shared/{}], notPaths: \
                 [/p{number}/r{rule}/internal]}}\n",
                number % 7,
                number % 11
            );
            if number % 3 == 0 {
                let _ =
                    writeln!(text, "    when: [{{key: 'request.headers[x-tenant]', values: [t{rule}, t9]}}]");
            }
        }
    }
    text
}

/// Of each policy ten requests: some that a rule of it matches, and some that miss it by one thing.
fn suite(workloads: usize) -> String {
    let mut text = String::from("policies: [policies.yaml]\ntests:\n");
    for number in 0..POLICIES {
        let app = number % workloads;
        for case in 0..CASES / POLICIES {
            let rule = case % 2;
            let (mut account, mut method, mut path) =
                (format!("n{rule}/sa/c{number}"), "GET", format!("/p{number}/r{rule}/x"));
            match case / 2 {
                1 => method = "PUT",
                2 => path = format!("/p{number}/r{rule}/internal"),
                3 => account = format!("n2/sa/d{}", number % 7),
                4 => method = "POST",
                _ => {}
            }
            let _ = write!(
                text,
                "- name: p{number} case {case}\n  workload: {{namespace: shop, labels: {{app: a{app}}}}}\n  request: {{method: \
                 {method}, path: {path}, source: {{principal: cluster.local/ns/{account}}}, headers: {{x-tenant: t{rule}}}}}\n  \
                 expect: allow\n"
            );
        }
    }
    text
}
