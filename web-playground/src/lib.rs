//! The engine for the browser, as wasm-bindgen exports it. A thin shell: texts in, JSON out.

use gnomon_analysis::materialize;
use gnomon_engine::{
    Diagnostic, Mesh, Plan, Severity, Workload, decode, jwt::SoftwareCrypto, verdict::Explanation,
};
use gnomon_manifests::{load_text, parse, request::requests};
use serde::Serialize;
use std::sync::Arc;
use wasm_bindgen::prelude::wasm_bindgen;

/// What [`evaluate`] answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// One for each request, in order; empty where something is wrong.
    pub verdicts: Vec<Explanation>,
    /// Everything that is wrong or doubtful, in all three texts.
    pub diagnostics: Vec<Finding>,
}

/// A diagnostic as an editor wants it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Which text: `policies`, `setting` or `request`.
    pub text: String,
    /// Error or warning.
    pub severity: Severity,
    /// The kind of finding: `unknown-field`.
    pub code: &'static str,
    /// From 1; 0 where not known.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The object, as `AuthorizationPolicy ns/name`.
    pub object: String,
    /// The field's path.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// The version of Gnomon.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Evaluates requests against policies, both as YAML or JSON text, as formats has them.
///
/// `setting` holds `workload:` and `mesh:`, both optional; empty for the defaults. `now` is the clock in seconds since
/// 1970, for requests without `time`. The answer is the JSON of [`Answer`]; wrong input is in its diagnostics, never
/// an exception.
#[wasm_bindgen]
pub fn evaluate(policies: &str, setting: &str, request: &str, now: f64) -> String {
    let answer = answer(policies, setting, request, now);
    // Cannot fail: no map with keys that are not strings.
    serde_json::to_string(&answer).unwrap_or_default()
}

/// [`evaluate`], as a value.
#[expect(clippy::cast_possible_truncation, reason = "a clock in whole seconds; out of range it saturates")]
pub fn answer(policies: &str, setting: &str, request: &str, now: f64) -> Answer {
    let mut found = Vec::new();
    let loaded = load_text(policies, "policies");
    found.extend(loaded.diagnostics);
    let (workload, mesh) = read_setting(setting, &mut found);
    let file: Arc<str> = "request".into();
    let (documents, problems) = parse(request, &file);
    found.extend(problems);
    let mut specs = Vec::new();
    for document in &documents {
        match requests(&file, document) {
            Ok(read) => specs.extend(read.as_slice().to_vec()),
            Err(problems) => found.extend(problems),
        }
    }
    let mut verdicts = Vec::new();
    if !found.iter().any(|finding| finding.severity == Severity::Error) {
        let plan = Plan::build(&loaded.resources, &workload, &mesh);
        verdicts.extend(specs.iter().map(|spec| {
            materialize(spec, &plan, &workload, &mesh, now as i64).explain(&plan, &SoftwareCrypto)
        }));
    }
    Answer { verdicts, diagnostics: found.into_iter().map(Finding::from).collect() }
}

fn read_setting(text: &str, found: &mut Vec<Diagnostic>) -> (Workload, Mesh) {
    let file: Arc<str> = "setting".into();
    let (documents, problems) = parse(text, &file);
    found.extend(problems);
    let Some(document) = documents.first() else { return Default::default() };
    let part = |name| document.get(name);
    let workload = part("workload").map(|node| decode::workload(node, &file, found)).unwrap_or_default();
    let mesh = part("mesh").map(|node| decode::mesh(node, &file, found)).unwrap_or_default();
    (workload, mesh)
}

impl From<Diagnostic> for Finding {
    fn from(found: Diagnostic) -> Self {
        Finding {
            text: found.file.as_ref().into(),
            severity: found.severity,
            code: found.code,
            line: found.at.line,
            column: found.at.column,
            object: found.object,
            field: found.field,
            message: found.message,
            help: found.help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const POLICY: &str = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: shop}\nspec:\n  rules:\n  - to: [{operation: {methods: [GET]}}]\n";

    #[test]
    fn a_verdict_with_its_way() {
        let setting = "workload: {namespace: shop}\n";
        let json: Value = serde_json::from_str(&evaluate(POLICY, setting, "method: POST\n", 0.0)).unwrap();
        assert_eq!(json.pointer("/verdicts/0/verdict").unwrap(), "deny");
        assert_eq!(json.pointer("/verdicts/0/nearest/unmet/0/field").unwrap(), "to.operation.methods");
        assert_eq!(json.pointer("/verdicts/0/stages/1/rules/0/line").unwrap(), 6);
        let elsewhere = answer(POLICY, "", "[{}, {}]", 0.0);
        assert_eq!(elsewhere.verdicts.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_said_for_each_text() {
        let wrong = answer(&POLICY.replace("[GET]", "GET"), "mesh: {trustDomian: x}", "methd: GET", 0.0);
        assert!(wrong.verdicts.is_empty());
        let places: Vec<_> = wrong.diagnostics.iter().map(|f| (f.text.as_str(), f.code, f.line)).collect();
        assert_eq!(
            places,
            [("policies", "wrong-type", 6), ("setting", "unknown-field", 1), ("request", "unknown-field", 1)]
        );
    }
}
