//! What to change in the policies so that a refused request passes: a patch of the YAML at its place.
//!
//! Only what a rule's author could have written is proposed: one more value in the lists of the ALLOW rule that came
//! nearest. The patch is applied to the text, the text is read again and the request evaluated again; a patch that does not
//! let it pass is not shown. What else it lets in is what the exact comparison of both sets says ([`crate::diff`]).

use crate::{
    Evaluator,
    diff::{Change, State, of_workload},
};
use gnomon_engine::order::sort_by;
use gnomon_engine::{
    Mesh, Plan, Workload,
    jwt::Crypto,
    prepare::RequestSpec,
    resource::Resources,
    verdict::{Check, Explanation, Outcome, RuleTrace, Stage, Unmet},
};
use gnomon_manifests::Loader;
use gnomon_symbolic::Limits;
use serde::Serialize;

/// Lines around a change.
const CONTEXT: usize = 2;
/// How many sorts of requests are named that a change lets in.
const NAMED: usize = 4;

/// A change of one file of policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Suggestion {
    /// The rule: `ns[shop]-policy[orders]-rule[0]`.
    pub policy: String,
    /// The file.
    pub file: String,
    /// The first line that changes.
    pub line: u32,
    /// As `diff -u` writes it, for `patch -p0`.
    pub patch: String,
    /// The file with the change.
    #[serde(skip)]
    pub text: String,
    /// Which other requests it lets in, in words; empty where that is not known.
    pub lets_in: Vec<String>,
    /// All of them are named.
    pub complete: bool,
}

/// Where a request was refused, and by what.
#[derive(Clone, Copy)]
pub struct Refusal<'a> {
    /// The policies.
    pub resources: &'a Resources,
    /// Whom the request reached.
    pub workload: &'a Workload,
    /// The mesh.
    pub mesh: &'a Mesh,
    /// The request.
    pub request: &'a RequestSpec,
    /// What was said of it.
    pub explanation: &'a Explanation,
}

impl std::fmt::Debug for Refusal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refusal").field("request", self.request).finish_non_exhaustive()
    }
}

/// The change of the rule that came nearest. `text` gives the text of a file. `None`: the request was not refused for want of
/// an ALLOW rule, or no value more in a list would do.
pub fn suggestion(
    refusal: Refusal<'_>,
    text: &dyn Fn(&str) -> Option<String>,
    now: i64,
    crypto: &dyn Crypto,
) -> Option<Suggestion> {
    let report = &refusal.explanation.report;
    let nearest = report.nearest.as_ref().filter(|_| report.stage == Stage::Allow)?;
    let stage = refusal.explanation.stages.iter().find(|stage| stage.stage == Stage::Allow)?;
    let rule = stage.rules.iter().find(|rule| rule.id == nearest.policy)?;
    let old = text(&rule.file)?;
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    let mut edits = nearest.unmet.iter().map(|unmet| Edit::of(unmet, rule)).collect::<Option<Vec<_>>>()?;
    sort_by(&mut edits, |a, b| (b.line, b.column).cmp(&(a.line, a.column)));
    if edits.is_empty() {
        return None;
    }
    edits.iter().try_for_each(|edit| edit.apply(&mut lines))?;
    let end = if old.contains("\r\n") { "\r\n" } else { "\n" };
    let new = lines.join(end) + end;
    let changed = replaced(refusal.resources, &rule.file, &new)?;
    let plan = Plan::build(&changed, refusal.workload, refusal.mesh);
    let evaluator = Evaluator::Policies { plan: &plan, workload: refusal.workload, mesh: refusal.mesh };
    if evaluator.report(refusal.request, now, crypto).ok()?.verdict != Outcome::Allow {
        return None;
    }
    let state = |resources| State { resources, workload: refusal.workload, mesh: refusal.mesh };
    let found = of_workload(state(refusal.resources), state(&changed), now, crypto, Limits::default()).ok();
    let (mut lets_in, mut complete) = (Vec::new(), found.is_some());
    if let Some(changes) = found {
        let allowed = changes.summary.iter().filter(|line| line.change == Change::Allowed);
        lets_in = allowed.map(|line| line.requests.clone()).collect();
        complete = changes.complete && lets_in.len() <= NAMED;
        lets_in.truncate(NAMED);
    }
    let line = edits.iter().map(|edit| edit.line).min()?;
    Some(Suggestion {
        policy: rule.id.clone(),
        file: rule.file.clone(),
        line: u32::try_from(line).ok()?,
        patch: patch(&rule.file, &old, &new),
        text: new,
        lets_in,
        complete,
    })
}

/// The policies with those of one file as its new text has them; `None`: it has other policies, or wrong ones.
fn replaced(resources: &Resources, file: &str, text: &str) -> Option<Resources> {
    let mut loader = Loader::new();
    loader.text(text, file);
    let loaded = loader.finish();
    if loaded.has_errors() {
        return None;
    }
    let mut changed = resources.clone();
    let mut count = 0_usize;
    for policy in &mut changed.authorization {
        if &*policy.meta.file == file {
            let same = |one: &&_| {
                let one: &gnomon_engine::resource::AuthorizationPolicy = one;
                one.meta.name == policy.meta.name && one.meta.at == policy.meta.at
            };
            let new = loaded.resources.authorization.iter().find(same)?;
            // A namespace may come from elsewhere (kustomize).
            let meta = policy.meta.clone();
            *policy = new.clone();
            policy.meta = meta;
            count += 1;
        }
    }
    (count > 0).then_some(changed)
}

/// A value to be put into a list.
#[derive(Debug)]
struct Edit {
    line: usize,
    column: usize,
    value: String,
}

impl Edit {
    /// What would meet a condition; `None`: a value more does not.
    fn of(unmet: &Unmet, rule: &RuleTrace) -> Option<Edit> {
        let got = unmet.got.as_ref()?;
        let all = rule.from.iter().chain(&rule.to).flatten().chain(&rule.when);
        let is_it = |check: &&Check| {
            check.met == Some(false)
                && !check.negated
                && check.field == unmet.field
                && unmet.expected.iter().all(|value| check.expected.contains(value))
        };
        let check = all.into_iter().find(is_it)?;
        let (line, column) = (usize::try_from(check.line).ok()?, usize::try_from(check.column).ok()?);
        (line > 0 && column > 0 && !got.is_empty()).then(|| Edit { line, column, value: scalar(got) })
    }

    /// Puts it behind the first value of the list.
    fn apply(&self, lines: &mut Vec<String>) -> Option<()> {
        let index = self.line.checked_sub(1)?;
        let line = lines.get(index)?;
        let start = line.char_indices().nth(self.column.checked_sub(1)?)?.0;
        let (before, first) = (line.get(..start)?, line.get(start..)?);
        if before.trim_end().ends_with('-') && !before.contains(['[', '{']) {
            // `- GET`: one more line of the list.
            let indent = before.get(..before.rfind('-')?)?;
            // `- - GET` and `methods: - GET` are nobody's style.
            if !indent.trim().is_empty() {
                return None;
            }
            lines.insert(index.checked_add(1)?, format!("{indent}- {}", self.value));
            return Some(());
        }
        let end = start.checked_add(scalar_length(first)?)?;
        let (head, tail) = (line.get(..end)?, line.get(end..)?);
        if !tail.trim_start().starts_with([',', ']']) {
            return None;
        }
        let changed = format!("{head}, {}{tail}", self.value);
        *lines.get_mut(index)? = changed;
        Some(())
    }
}

/// How long the first value of a list in brackets is.
fn scalar_length(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    let (_, first) = characters.next()?;
    if !matches!(first, '"' | '\'') {
        return text.find([',', ']']).map(|end| text.get(..end).unwrap_or_default().trim_end().len());
    }
    let mut escaped = false;
    for (place, character) in characters {
        match character {
            _ if escaped => escaped = false,
            '\\' if first == '"' => escaped = true,
            _ if character == first => return place.checked_add(1),
            _ => {}
        }
    }
    None
}

/// A string as YAML: bare where it can be nothing else.
fn scalar(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !["true", "false", "yes", "no", "on", "off", "y", "n", "null"]
            .contains(&text.to_ascii_lowercase().as_str());
    // JSON's strings are YAML's.
    if bare { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// The difference of two texts that have lines changed and added in a few places.
fn patch(file: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let least = old.len().min(new.len()).saturating_sub(same);
    let tail = old.iter().rev().zip(new.iter().rev()).take(least).take_while(|(a, b)| a == b).count();
    let start = same.saturating_sub(CONTEXT);
    let end = |lines: &[&str]| lines.len().saturating_sub(tail);
    let after = CONTEXT.min(tail);
    let length = |lines: &[&str]| end(lines).saturating_add(after).saturating_sub(start);
    let mut text = format!(
        "--- {file}\n+++ {file}\n@@ -{},{} +{},{} @@\n",
        start.saturating_add(1),
        length(&old),
        start.saturating_add(1),
        length(&new)
    );
    let mut add = |sign: char, lines: Option<&[&str]>| {
        for line in lines.unwrap_or_default() {
            text.push(sign);
            text.push_str(line);
            text.push('\n');
        }
    };
    add(' ', old.get(start..same));
    // Between changes that are apart lines are the same: told as such where they are in step.
    let (olds, news) =
        (old.get(same..end(&old)).unwrap_or_default(), new.get(same..end(&new)).unwrap_or_default());
    let mut rest = news;
    for line in olds {
        match rest.iter().position(|other| other == line) {
            Some(place) => {
                add('+', rest.get(..place));
                add(' ', Some(&[line]));
                rest = rest.get(place.saturating_add(1)..).unwrap_or_default();
            }
            None => {
                add('-', Some(&[line]));
                // A line that was changed stands where it stood.
                if let Some((changed, others)) = rest.split_first() {
                    add('+', Some(&[changed]));
                    rest = others;
                }
            }
        }
    }
    add('+', Some(rest));
    add(' ', old.get(end(&old)..end(&old).saturating_add(after)));
    text
}

#[cfg(test)]
mod tests {
    use super::{patch, scalar, scalar_length};

    #[test]
    fn values() {
        for (text, written) in [
            ("GET", "GET"),
            ("/a/b-c.d", "/a/b-c.d"),
            ("8080", "\"8080\""),
            ("no", "\"no\""),
            ("a b", "\"a b\""),
            ("*", "\"*\""),
            ("", "\"\""),
            ("10.0.0.1", "\"10.0.0.1\""),
        ] {
            assert_eq!(scalar(text), written);
        }
        for (text, length) in [
            ("GET]", Some(3)),
            ("GET , x]", Some(3)),
            ("\"a\\\"b\", c]", Some(6)),
            ("'a']", Some(3)),
            ("\"a", None),
            ("GET", None),
        ] {
            assert_eq!(scalar_length(text), length, "{text}");
        }
    }

    #[test]
    fn patches() {
        let old = "a\nb\nc\nd\ne\nf\n";
        assert_eq!(
            patch("x", old, "a\nb\nc\nC\nd\ne\nf\n"),
            "--- x\n+++ x\n@@ -2,4 +2,5 @@\n b\n c\n+C\n d\n e\n"
        );
        assert_eq!(
            patch("x", old, "a\nB\nc\nd\nD\ne\nf\n"),
            "--- x\n+++ x\n@@ -1,6 +1,7 @@\n a\n-b\n+B\n c\n d\n+D\n e\n f\n"
        );
        assert_eq!(patch("x", "a\n", "a\nb\n"), "--- x\n+++ x\n@@ -1,1 +1,2 @@\n a\n+b\n");
    }
}
