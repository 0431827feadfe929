//! Expected against got, in the fields that a test names.

use gnomon_engine::verdict::{Nearest, Report, ShadowResult};
use gnomon_manifests::suite::{Expect, ExpectNearest, ExpectShadow};
use std::fmt::Debug;

/// A field that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field as formats §4 has it: `status`, `dryRun.allow.result`, `nearest.unmet[0].got`.
    pub field: String,
    /// What the test expects, as JSON.
    pub expected: String,
    /// What came out, as JSON.
    pub got: String,
}

/// Every named field that differs, in the order of formats §4.
pub fn differences(expect: &Expect, report: &Report) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    let word = |value: &dyn Debug| format!("{value:?}").to_ascii_lowercase();
    if let Some(verdict) = &expect.verdict {
        found.check("verdict", word(verdict), word(&report.verdict));
    }
    if let Some(status) = &expect.status {
        found.check("status", number(*status), number(report.status));
    }
    if let Some(stage) = &expect.stage {
        found.check("stage", word(stage), word(&report.stage));
    }
    found.text("details", &expect.details, report.details.as_deref());
    found.text("policy", &expect.policy, report.policy.as_deref());
    found.text("reason", &expect.reason.clone().map(Some), Some(&report.reason));
    found.shadow("dryRun.allow", &expect.dry_run_allow, report.dry_run.allow.as_ref());
    found.shadow("dryRun.deny", &expect.dry_run_deny, report.dry_run.deny.as_ref());
    if let Some(audit) = expect.audit {
        found.check("audit", audit.to_string(), report.audit.to_string());
    }
    if let Some(missing) = &expect.missing {
        found.check("missing", list(missing), list(&report.missing));
    }
    found.nearest(&expect.nearest, report.nearest.as_ref());
    found.0
}

struct Found(Vec<Difference>);

impl Found {
    fn check(&mut self, field: &str, expected: String, got: String) {
        if expected != got {
            self.0.push(Difference { field: field.into(), expected, got });
        }
    }

    fn text(&mut self, field: &str, expected: &Option<Option<String>>, got: Option<&str>) {
        if let Some(expected) = expected {
            self.check(field, string(expected.as_deref()), string(got));
        }
    }

    fn shadow(&mut self, field: &str, expected: &Option<Option<ExpectShadow>>, got: Option<&ShadowResult>) {
        match (expected, got) {
            (None, _) | (Some(None), None) => {}
            (Some(Some(expected)), Some(got)) => {
                if let Some(result) = expected.result {
                    self.check(&format!("{field}.result"), string(Some(result)), string(Some(got.result)));
                }
                self.text(&format!("{field}.policy"), &expected.policy, got.policy.as_deref());
            }
            (Some(None), Some(got)) => self.check(field, "null".into(), string(Some(got.result))),
            (Some(Some(expected)), None) => {
                self.check(
                    field,
                    expected.result.map_or("a result".into(), |r| string(Some(r))),
                    "null".into(),
                );
            }
        }
    }

    fn nearest(&mut self, expected: &Option<Option<ExpectNearest>>, got: Option<&Nearest>) {
        let (expected, got) = match (expected, got) {
            (None, _) | (Some(None), None) => return,
            (Some(Some(expected)), Some(got)) => (expected, got),
            (Some(None), Some(got)) => {
                return self.check("nearest", "null".into(), string(Some(&got.policy)));
            }
            (Some(Some(expected)), None) => {
                let expected =
                    expected.policy.as_deref().map_or("a rule".into(), |policy| string(Some(policy)));
                return self.check("nearest", expected, "null".into());
            }
        };
        if let Some(policy) = &expected.policy {
            self.check("nearest.policy", string(Some(policy)), string(Some(&got.policy)));
        }
        let Some(unmet) = &expected.unmet else { return };
        if unmet.len() != got.unmet.len() {
            let fields: Vec<String> = got.unmet.iter().map(|unmet| unmet.field.clone()).collect();
            return self.check("nearest.unmet", format!("{} of them", unmet.len()), list(&fields));
        }
        for (index, (expected, got)) in unmet.iter().zip(&got.unmet).enumerate() {
            let field = |name: &str| format!("nearest.unmet[{index}].{name}");
            if let Some(name) = &expected.field {
                self.check(&field("field"), string(Some(name)), string(Some(&got.field)));
            }
            if let Some(values) = &expected.expected {
                self.check(&field("expected"), list(values), list(&got.expected));
            }
            self.text(&field("got"), &expected.got, got.got.as_deref());
        }
    }
}

fn number(value: Option<u16>) -> String {
    value.map_or("null".into(), |value| value.to_string())
}

/// A string as JSON has it, near enough for people.
fn string(value: Option<&str>) -> String {
    value.map_or("null".into(), |value| format!("{value:?}"))
}

fn list(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| string(Some(value))).collect();
    format!("[{}]", values.join(", "))
}
