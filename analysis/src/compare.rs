//! Comparison of a verdict with what a test expects.

use gnomon_engine::verdict::{Nearest, Report, ShadowResult};
use gnomon_manifests::suite::{Expect, ExpectNearest, ExpectShadow};
use serde_json::Value;

/// A field that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The field as in docs/formats.md, "Verdict": `status`, `dryRun.allow.result`, `nearest.unmet[0].got`.
    pub field: String,
    /// What the test expects.
    pub expected: Value,
    /// The actual value.
    pub got: Value,
}

/// Every named field that differs, in the order of docs/formats.md, "Verdict".
pub fn differences(expect: &Expect, report: &Report) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    if let Some(verdict) = expect.verdict {
        found.check("verdict", word(verdict), word(report.verdict));
    }
    if let Some(status) = expect.status {
        found.check("status", status.into(), report.status.into());
    }
    if let Some(stage) = expect.stage {
        found.check("stage", word(stage), word(report.stage));
    }
    found.text("details", &expect.details, report.details.as_deref());
    found.text("policy", &expect.policy, report.policy.as_deref());
    found.text("location", &expect.location, report.location.as_deref());
    found.text("reason", &expect.reason.clone().map(Some), Some(&report.reason));
    found.shadow("dryRun.allow", &expect.dry_run_allow, report.dry_run.allow.as_ref());
    found.shadow("dryRun.deny", &expect.dry_run_deny, report.dry_run.deny.as_ref());
    if let Some(audit) = expect.audit {
        found.check("audit", audit.into(), report.audit.into());
    }
    if let Some(missing) = &expect.missing {
        found.check("missing", missing.as_slice().into(), word(&report.missing));
    }
    found.nearest(&expect.nearest, report.nearest.as_ref());
    found.0
}

struct Found(Vec<Difference>);

impl Found {
    fn check(&mut self, field: &str, expected: Value, got: Value) {
        if expected != got {
            self.0.push(Difference { field: field.into(), expected, got });
        }
    }

    fn text(&mut self, field: &str, expected: &Option<Option<String>>, got: Option<&str>) {
        if let Some(expected) = expected {
            self.check(field, expected.as_deref().into(), got.into());
        }
    }

    fn shadow(&mut self, field: &str, expected: &Option<Option<ExpectShadow>>, got: Option<&ShadowResult>) {
        match (expected, got) {
            (None, _) | (Some(None), None) => {}
            (Some(Some(expected)), Some(got)) => {
                if let Some(result) = expected.result {
                    self.check(&format!("{field}.result"), result.into(), got.result.into());
                }
                self.text(&format!("{field}.policy"), &expected.policy, got.policy.as_deref());
            }
            (Some(None), Some(got)) => self.check(field, Value::Null, got.result.into()),
            (Some(Some(expected)), None) => {
                self.check(field, expected.result.unwrap_or("(a result)").into(), Value::Null);
            }
        }
    }

    fn nearest(&mut self, expected: &Option<Option<ExpectNearest>>, got: Option<&Nearest>) {
        let (expected, got) = match (expected, got) {
            (None, _) | (Some(None), None) => return,
            (Some(Some(expected)), Some(got)) => (expected, got),
            (Some(None), Some(got)) => return self.check("nearest", Value::Null, got.policy.as_str().into()),
            (Some(Some(expected)), None) => {
                let expected = expected.policy.as_deref().unwrap_or("(a rule)");
                return self.check("nearest", expected.into(), Value::Null);
            }
        };
        if let Some(policy) = &expected.policy {
            self.check("nearest.policy", policy.as_str().into(), got.policy.as_str().into());
        }
        let Some(unmet) = &expected.unmet else { return };
        if unmet.len() != got.unmet.len() {
            let fields: Vec<&str> = got.unmet.iter().map(|unmet| unmet.field.as_str()).collect();
            let expected = format!("{} of them", unmet.len());
            return self.check("nearest.unmet", expected.into(), fields.into());
        }
        for (index, (expected, got)) in unmet.iter().zip(&got.unmet).enumerate() {
            let field = |name: &str| format!("nearest.unmet[{index}].{name}");
            if let Some(name) = &expected.field {
                self.check(&field("field"), name.as_str().into(), got.field.as_str().into());
            }
            if let Some(values) = &expected.expected {
                self.check(&field("expected"), values.as_slice().into(), got.expected.as_slice().into());
            }
            self.text(&field("got"), &expected.got, got.got.as_deref());
        }
    }
}

/// A word as in docs/formats.md, "Verdict".
fn word(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// For people: strings without quotes, everything else as JSON.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
