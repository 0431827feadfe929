//! `gnomon` alone: what to do first in this folder.

use crate::{Outcome, style};
use gnomon_analysis::workloads::find;
use gnomon_engine::Mesh;
use gnomon_manifests::{Loader, suite};
use std::path::{Path, PathBuf};

pub(crate) fn run() -> Outcome {
    let here = Path::new(".");
    let mut loader = Loader::new().last_wins(true);
    loader.path(here);
    let loaded = loader.finish();
    let (suites, _) = suite::find(&[PathBuf::from(here)]);
    let resources = &loaded.resources;
    let policies = resources.authorization.len()
        + resources.request_authentication.len()
        + resources.peer_authentication.len();
    let mesh = loaded.inventory.mesh(&mut Vec::new()).map_or_else(Mesh::default, |(_, mesh)| mesh);
    let workloads = find(&loaded.inventory, resources, &mesh);
    let counted = [
        style::plural(policies, "policy"),
        style::plural(workloads.len(), "workload"),
        style::plural(suites.len(), "suite"),
    ];
    let mut text = format!("{} in this folder\n\n", counted.join(", "));
    let line = |command: &str, what: &str| format!("  {command:<42} {what}\n");
    if policies > 0 {
        text += &line("gnomon describe -p .", "what holds at each workload");
        text += &line("gnomon lint .", "what Istio refuses, and what does not say what it seems to");
        let workload = match &workloads[..] {
            [] | [_] => String::new(),
            [first, ..] => format!(" -w {}", style::safe(&first.handle())),
        };
        text += &line(
            &format!("gnomon eval -p .{workload} --path /"),
            "what the policies do with a request, and why",
        );
        text +=
            &line("gnomon why -p . 'curl …'", "what refused a request: a curl, a line of a log, an error");
    } else {
        text += "  There are no policies here: name a file or a folder with -p, as in\n\n";
        text += &line("gnomon eval -p PATH --path /", "what the policies do with a request, and why");
        text += &line(
            "gnomon why 'RBAC: access denied'",
            "what refused a request: a curl, a line of a log, an error",
        );
    }
    if suites.is_empty() && !resources.authorization.is_empty() {
        text += &line("gnomon init", "write a suite of tests, a request or two for each rule");
    }
    if !suites.is_empty() {
        text += &line("gnomon test", "run the suites");
    }
    text += &line("gnomon help", "everything else");
    style::print(&text);
    Outcome::Good
}
