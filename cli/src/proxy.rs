//! A proxy's own configuration in place of policies.

use crate::{findings, style};
use gnomon_analysis::imported::Proxy;
use gnomon_engine::{Mesh, Workload, jwt::SoftwareCrypto, verdict::Explanation};
use gnomon_manifests::{Loaded, imported, request::RequestSpec};
use std::path::Path;

/// The verdict on each request, or `None` after an error was printed.
pub(crate) fn explain(
    file: &Path,
    listener: Option<&str>,
    requests: &[RequestSpec],
    (workload, mesh): (&Workload, &Mesh),
    now: i64,
    verbose: bool,
) -> Option<Vec<Explanation>> {
    let mut loaded = Loaded::default();
    let imported = imported(file, &mut loaded);
    let Some(imported) = imported else {
        findings::print(&loaded, &mut Default::default(), "nothing was evaluated");
        return None;
    };
    let named = loaded.diagnostics.len();
    if verbose {
        findings::print(&loaded, &mut Default::default(), "nothing was evaluated");
    } else if named > 0 {
        eprintln!(
            "note: {} of {} {} not evaluated (--verbose lists them); a verdict that depends on one is unknown",
            style::plural(named, "part"),
            style::safe(&file.to_string_lossy()),
            if named == 1 { "is" } else { "are" }
        );
    }
    let proxy = Proxy { imported: &imported, listener, workload, mesh };
    let mut explained = Vec::with_capacity(requests.len());
    for request in requests {
        match proxy.report(request, now, &SoftwareCrypto) {
            Ok(report) => explained.push(Explanation { report, stages: Vec::new() }),
            Err(why) => {
                eprintln!("error: {}", style::safe(&why));
                return None;
            }
        }
    }
    Some(explained)
}
