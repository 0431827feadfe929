//! A verdict for people.

use crate::{
    style::{self, Style, plural, safe},
    tokens, words,
};
use gnomon_analysis::{lint::Finding, suggest::Suggestion};
use gnomon_engine::{
    attach::NotAppliedReport,
    request::Protocol,
    verdict::{
        Check, Explanation, Missing, Nearest, Outcome, Report, RuleTrace, ShadowResult, Stage, StageResult,
        StageTrace,
    },
};
use gnomon_manifests::request::RequestSpec;
use std::fmt::Write;

/// Rules shown of a stage unless everything is wanted.
const RULES: usize = 12;
/// Policies that do not apply, likewise.
const NOT_APPLIED: usize = 50;
/// So many in other namespaces are listed like the others.
const ELSEWHERE: usize = 5;
/// How reports call that reason.
const OTHER_NAMESPACE: &str = "other-namespace";

/// Writes explanations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) style: Style,
    /// Every rule with every check.
    pub(crate) verbose: bool,
    /// What is asked is ztunnel, which sees connections only.
    pub(crate) ztunnel: bool,
}

impl Writer {
    /// The verdict in one line, why, then the stages in order.
    pub(crate) fn write(&self, spec: &RequestSpec, explanation: &Explanation) -> String {
        let style = self.style;
        let report = &explanation.report;
        let mut out = String::new();
        let word = match report.verdict {
            Outcome::Allow => style.good("ALLOW"),
            Outcome::Deny => style.bad("DENY"),
            Outcome::Unknown => style.doubt("UNKNOWN"),
            Outcome::Redirect => style.doubt("REDIRECT"),
        };
        // A connection has no status.
        let status = report.status.filter(|_| spec.protocol == Protocol::Http && !self.ztunnel);
        let status = status.map_or(String::new(), |status| format!(" {status}"));
        let _ = writeln!(out, "{}{}  {}", style.strong(&word), style.strong(&status), safe(&headline(spec)));
        let _ = writeln!(out, "  {}", safe(&report.reason));
        if report.verdict == Outcome::Unknown {
            for missing in &report.missing {
                let _ = writeln!(
                    out,
                    "  {}",
                    style.doubt(&safe(&format!("{missing}: {}", tokens::remedy(missing))))
                );
            }
        } else {
            let of_connection =
                |missing: &Missing| matches!(missing, Missing::Field(field) if field.is_of_connection());
            let (addresses, others): (Vec<_>, Vec<_>) =
                report.missing.iter().partition(|one| of_connection(one));
            for (missing, so) in [
                (addresses, "and the verdict may depend on it"),
                (others, "but is refused whatever that is, if perhaps by another stage"),
            ] {
                if !missing.is_empty() {
                    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
                    let line = format!("the request does not state {}, {so}", missing.join(" and "));
                    let _ = writeln!(out, "  {}", style.doubt(&safe(&line)));
                }
            }
        }
        if let Some(details) = &report.details {
            let _ = writeln!(out, "  {}", style.faint(&safe(details)));
        }
        if let Some(nearest) = report.nearest.as_ref().filter(|nearest| !nearest.unmet.is_empty()) {
            let _ = writeln!(out, "  {}", nearest_words(nearest, explanation));
        }
        if report.nearest.is_none() && report.stage == Stage::Allow && is_out_of_reach(explanation) {
            let _ =
                writeln!(out, "  no request can match an ALLOW rule here, for the reasons in parentheses");
        }
        if !explanation.stages.is_empty() {
            out.push('\n');
        } else {
            // Nothing below shows them.
            for (action, said) in [("DENY", &report.dry_run.deny), ("ALLOW", &report.dry_run.allow)] {
                if let Some(ShadowResult { result, policy }) = said {
                    let by = policy.as_deref().map_or(String::new(), |policy| format!(" by {policy}"));
                    let line = format!("dry run of {action}: {result}{by}");
                    let _ = writeln!(out, "  {}", style.faint(&safe(&line)));
                }
            }
        }
        for stage in &explanation.stages {
            self.stage(&mut out, stage, report);
        }
        out
    }

    /// What else mattered.
    pub(crate) fn notes(&self, notes: &[String]) -> String {
        let mut out = String::new();
        if !notes.is_empty() {
            out.push('\n');
        }
        for note in notes {
            let _ = writeln!(out, "  {}", self.style.doubt(&safe(&format!("note: {note}"))));
        }
        out
    }

    /// What lints say of the policies that were asked.
    pub(crate) fn advice(&self, findings: &[Finding]) -> String {
        let mut out = String::new();
        if !findings.is_empty() {
            out.push('\n');
        }
        for Finding { diagnostic, .. } in findings {
            let place = style::place(&diagnostic.file, diagnostic.at.line);
            let help =
                if diagnostic.help.is_empty() { String::new() } else { format!("; {}", diagnostic.help) };
            let line = format!("{place}: {}{help} [{}]", diagnostic.message, diagnostic.code);
            let _ = writeln!(out, "  {}", self.style.doubt(&safe(&line)));
        }
        out
    }

    /// The change of a policy that would let the request pass, and what comes in with it.
    pub(crate) fn suggestion(&self, suggestion: &Suggestion) -> String {
        let mut out = String::from("\n");
        let place = style::place(&suggestion.file, suggestion.line);
        let _ = writeln!(out, "  if the request should pass, one way is to change {}:", safe(&place));
        for line in suggestion.patch.lines().skip(3) {
            let painted = match line.chars().next() {
                Some('+') => self.style.good(&safe(line)),
                Some('-') => self.style.bad(&safe(line)),
                _ => self.style.faint(&safe(line)),
            };
            let _ = writeln!(out, "      {painted}");
        }
        match (&suggestion.lets_in[..], suggestion.complete) {
            ([], _) => {}
            (lines, complete) => {
                let _ = writeln!(out, "  which lets in:");
                for line in lines {
                    let _ = writeln!(out, "      {}", safe(line));
                }
                if !complete {
                    let _ = writeln!(out, "      and more");
                }
            }
        }
        out
    }

    /// The policies that do not apply to the workload, each with the reason: the same for every request.
    pub(crate) fn not_applied(&self, policies: &[NotAppliedReport]) -> String {
        if policies.is_empty() {
            return String::new();
        }
        let verb = if policies.len() == 1 { "does" } else { "do" };
        let mut out = String::new();
        let line =
            format!("  · {} {verb} not apply to this workload", plural(policies.len(), "other policy"));
        let _ = writeln!(out, "{}", self.style.faint(&line));
        // What is in other namespaces is hardly ever the question, and there may be thousands of them.
        let elsewhere = |policy: &&NotAppliedReport| policy.reason == OTHER_NAMESPACE;
        let counted = if self.verbose { 0 } else { policies.iter().filter(elsewhere).count() };
        let counted = if counted > ELSEWHERE { counted } else { 0 };
        let listed: Vec<_> = policies.iter().filter(|policy| counted == 0 || !elsewhere(policy)).collect();
        let shown = if self.verbose { listed.len() } else { NOT_APPLIED };
        for policy in listed.iter().take(shown) {
            let line = format!("      {} {}: {}", policy.kind, policy.policy, policy.why);
            let _ = writeln!(out, "{}", self.style.faint(&safe(&line)));
        }
        if let more @ 1.. = listed.len().saturating_sub(shown) {
            let _ = writeln!(out, "{}", self.style.faint(&format!("      … and {more} more (--verbose)")));
        }
        if counted > 0 {
            let line = format!("      {counted} are in other namespaces (--verbose)");
            let _ = writeln!(out, "{}", self.style.faint(&line));
        }
        out
    }

    fn stage(&self, out: &mut String, stage: &StageTrace, report: &Report) {
        let style = self.style;
        let name = match stage.stage {
            Stage::Mtls => "mtls",
            Stage::Custom => "custom",
            Stage::Jwt => "jwt",
            Stage::Audit => "audit",
            Stage::Deny => "deny",
            Stage::Allow => "allow",
            Stage::None => "none",
        };
        let mark = match stage.result {
            StageResult::Passed => style.good("✓"),
            StageResult::Refused => style.bad("✗"),
            StageResult::Unknown => style.doubt("?"),
            StageResult::NotReached => style.faint("·"),
        };
        let summary = safe(&stage.summary);
        let faint = stage.result == StageResult::NotReached;
        let summary = if faint { style.faint(&summary) } else { summary };
        let _ = writeln!(out, "  {mark} {name:<6}  {summary}");
        let most = if self.verbose { usize::MAX } else { RULES };
        let mut rest = 0_usize;
        for (index, rule) in stage.rules.iter().enumerate() {
            // What matched is always of interest.
            if index < most || rule.matched == Some(true) { self.rule(out, rule) } else { rest += 1 }
        }
        if rest > 0 {
            let line = format!("      … {} more did not match (--verbose shows all)", plural(rest, "rule"));
            let _ = writeln!(out, "{}", style.faint(&line));
        }
        let dry_run = match stage.stage {
            Stage::Allow => report.dry_run.allow.as_ref(),
            Stage::Deny => report.dry_run.deny.as_ref(),
            _ => None,
        };
        if let Some(ShadowResult { result, policy }) = dry_run {
            let by = policy.as_deref().map_or(String::new(), |policy| format!(" by {policy}"));
            let _ = writeln!(out, "      {}", style.faint(&safe(&format!("dry run: {result}{by}"))));
        }
    }

    fn rule(&self, out: &mut String, rule: &RuleTrace) {
        let style = self.style;
        let (mark, word) = match rule.matched {
            Some(true) => ("●", "matched"),
            Some(false) => ("○", "did not match"),
            None => ("?", "cannot be known"),
        };
        let dry = if rule.dry_run { ", dry run only" } else { "" };
        let place = format!("  {}", style::place(&rule.file, rule.line));
        let place = place.trim_end();
        let title = safe(&format!("{} rule {}", rule.policy, rule.index));
        let title = if rule.matched == Some(true) { style.strong(&title) } else { title };
        let _ = writeln!(out, "      {mark} {title} {word}{dry}{}", style.faint(&safe(place)));
        for note in &rule.notes {
            let _ = writeln!(out, "          {}", style.doubt(&safe(note)));
        }
        let asks = [&rule.from, &rule.to].into_iter().flatten().any(|checks| !checks.is_empty());
        if rule.matched == Some(true) && !asks && rule.when.is_empty() {
            let _ =
                writeln!(out, "          {}", style.faint("it asks for nothing, so it matches everything"));
        }
        for (name, groups) in [("from", &rule.from), ("to", &rule.to)] {
            let met = |checks: &Vec<Check>| checks.iter().all(|check| check.met == Some(true));
            // Where one alternative holds, the others stood in nobody's way.
            let settled = groups.iter().any(met);
            let decisive = |checks: &Vec<Check>| rule.matched == Some(true) && met(checks);
            for (index, checks) in groups.iter().enumerate() {
                let label = if groups.len() > 1 { format!("{name}[{index}]") } else { String::new() };
                for check in checks {
                    let surprising = decisive(checks) && check.note.is_some();
                    if self.verbose || surprising || (!settled && check.met != Some(true)) {
                        self.check(out, check, &label);
                    }
                }
            }
        }
        for check in &rule.when {
            // A `not` that holds for a reason that does not show.
            let surprising = rule.matched == Some(true) && check.note.is_some();
            if self.verbose || surprising || check.met != Some(true) {
                self.check(out, check, "");
            }
        }
    }

    fn check(&self, out: &mut String, check: &Check, label: &str) {
        // What stands for "never" has no values; the rule's note says it.
        if check.expected.is_empty() && check.got.is_none() {
            return;
        }
        let style = self.style;
        let mark = match check.met {
            Some(true) => style.good("✓"),
            Some(false) => style.bad("✗"),
            None => style.doubt("?"),
        };
        let label = if label.is_empty() { String::new() } else { style.faint(&format!("{label} ")) };
        let (name, _) = words::noun(&check.field);
        let not = if check.negated { "not " } else { "" };
        let expected = match check.expected.as_slice() {
            [any] if any == "*" && check.negated => "none".into(),
            [any] if any == "*" => "any".into(),
            values => format!("{not}{}", safe(&words::values(values, "or"))),
        };
        let got = match &check.got {
            Some(got) => format!("got {}", safe(got)),
            None => "got nothing".into(),
        };
        let note = check.note.as_ref().map_or(String::new(), |note| format!(" ({})", safe(note)));
        let _ = writeln!(out, "          {mark} {label}{}: wants {expected}, {got}{note}", safe(&name));
    }
}

/// The request in a few words.
fn headline(spec: &RequestSpec) -> String {
    let mut line = match spec.protocol {
        Protocol::Http => {
            format!("{} {}{}", spec.method, spec.host.as_deref().unwrap_or_default(), spec.path)
        }
        Protocol::Tcp => "TCP connection".into(),
    };
    if let (Protocol::Tcp, Some(port)) = (spec.protocol, spec.destination_port) {
        let _ = write!(line, " to port {port}");
    }
    if let (Protocol::Tcp, Some(sni)) = (spec.protocol, &spec.sni) {
        let _ = write!(line, " for {sni}");
    }
    match &spec.principal {
        Some(principal) => {
            let _ = write!(line, " from {}", principal.strip_prefix("spiffe://").unwrap_or(principal));
        }
        None => line.push_str(" over plaintext"),
    }
    line
}

/// No ALLOW rule can be met, and a note says why.
fn is_out_of_reach(explanation: &Explanation) -> bool {
    let stage = explanation.stages.iter().find(|stage| stage.stage == Stage::Allow);
    let rules = stage.iter().flat_map(|stage| &stage.rules).filter(|rule| !rule.dry_run);
    let mut checks = rules.flat_map(|rule| rule.from.iter().chain(&rule.to).flatten().chain(&rule.when));
    explanation.report.verdict == Outcome::Deny && checks.any(|check| check.note.is_some())
}

/// "`api-read` rule 0 would match if method were GET".
fn nearest_words(nearest: &Nearest, explanation: &Explanation) -> String {
    let mut rules = explanation.stages.iter().flat_map(|stage| &stage.rules);
    let rule = rules.find(|rule| rule.id == nearest.policy);
    let name = match rule {
        Some(rule) => {
            let name = rule.policy.rsplit('/').next().unwrap_or(&rule.policy);
            format!("`{name}` rule {}", rule.index)
        }
        None => format!("`{}`", nearest.policy),
    };
    safe(&format!("{name} would match if {}", words::if_clause(&nearest.unmet)))
}
