//! A proxy's own configuration in place of policies.

use crate::{findings, style, tokens::TokenArgs};
use gnomon_analysis::{Evaluator, imported::Proxy};
use gnomon_engine::{Mesh, Workload, verdict::Explanation};
use gnomon_manifests::{LoadedProxy, imported, request::RequestSpec};
use std::path::Path;

/// The verdict on each request, or `None` after an error was printed.
pub(crate) fn explain(
    file: &Path,
    listener: Option<&str>,
    requests: &[RequestSpec],
    (workload, mesh): (&Workload, &Mesh),
    (now, tokens): (i64, &TokenArgs),
    verbose: bool,
) -> Option<Vec<Explanation>> {
    let LoadedProxy { imported, findings: loaded } = match imported(file) {
        Ok(read) => read,
        Err(wrong) => {
            findings::print(&wrong.loaded, &mut Default::default(), "nothing was evaluated");
            return None;
        }
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
    let proxy = Evaluator::Loaded(Proxy { imported: &imported, listener, workload, mesh });
    let mut explained = Vec::with_capacity(requests.len());
    for request in requests {
        match proxy.explain(request, now, &tokens.crypto()) {
            Ok(explanation) => explained.push(explanation),
            Err(why) => {
                eprintln!("error: {}", style::safe(&why.to_string()));
                return None;
            }
        }
    }
    Some(explained)
}
