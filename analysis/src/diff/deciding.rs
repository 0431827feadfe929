//! What decides about a part of a difference, and what was done to it.

use super::words;
use gnomon_engine::{
    Plan,
    plan::{Origin, Rule},
    request::Protocol,
    resource::MtlsMode,
    verdict::Report,
};
use gnomon_symbolic::Reason;
use serde::Serialize;

/// What decides on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deciding {
    /// In words: `DENY rule 0 of shop/no-delete`.
    pub what: String,
    /// The file; empty where there is none.
    pub file: String,
    /// The line; 0 where there is none.
    pub line: u32,
}

/// A reason in words.
pub(super) fn deciding(reason: Reason<'_>, plan: &Plan) -> Deciding {
    let plain = |what: &str| Deciding { what: what.into(), file: String::new(), line: 0 };
    let of = |action: &str, rule: &Rule| match is_unnamed(&rule.origin) {
        // It follows from the configuration, which says how.
        true => plain(rule.notes.first().map_or("", String::as_str)),
        false => Deciding {
            what: format!("{action} {}", rule.origin),
            file: rule.origin.policy.file.to_string(),
            line: rule.origin.at.line,
        },
    };
    match reason {
        Reason::Gate => plain(&gate(plan)),
        Reason::Tokens => plain("RequestAuthentication"),
        Reason::NoneAllows => plain("no ALLOW rule matches"),
        Reason::NothingRefuses => plain("nothing refuses it"),
        Reason::Custom(rule) => of("CUSTOM", rule),
        Reason::Denied(rule) => of("DENY", rule),
        Reason::Allowed(rule) => of("ALLOW", rule),
        _ => plain("it is not known"),
    }
}

/// What a verdict on one request names as its reason.
pub(super) fn decided(report: &Report, plan: &Plan) -> Deciding {
    let stages = plan.stages(Protocol::Http);
    let found = stages.iter().flat_map(|stage| stage.rules.iter().map(move |rule| (stage.stage, rule)));
    let mut named =
        found.filter(|(_, rule)| report.policy.as_deref() == Some(&*rule.id) && !is_unnamed(&rule.origin));
    match named.next() {
        Some((stage, rule)) => Deciding {
            what: format!("{} {}", stage.name().to_ascii_uppercase(), rule.origin),
            file: rule.origin.policy.file.to_string(),
            line: rule.origin.at.line,
        },
        None => Deciding { what: report.reason.clone(), file: String::new(), line: 0 },
    }
}

/// No policy has such a rule.
fn is_unnamed(origin: &Origin) -> bool {
    origin.policy.name.is_empty()
}

/// What was done to the rule that decides: the one that allows now or allowed before, and the one that denies.
pub(super) fn because(
    plans: [&Plan; 2],
    protocol: Protocol,
    old: Reason<'_>,
    new: Reason<'_>,
) -> Vec<String> {
    let mut because: Vec<String> = Vec::new();
    let [before, after] = plans;
    let rule = |reason: Reason<'_>| match reason {
        Reason::Custom(rule) | Reason::Denied(rule) | Reason::Allowed(rule) => Some(rule.origin.clone()),
        _ => None,
    };
    for (origin, is_new) in [(rule(new), true), (rule(old), false)] {
        let Some(origin) = origin.filter(|origin| !is_unnamed(origin)) else { continue };
        let name = origin.to_string();
        let find = |plan: &Plan, protocol| -> Option<Rule> {
            let stages = plan.stages(protocol);
            let mut rules = stages.iter().filter(|stage| !stage.dry_run).flat_map(|stage| stage.rules);
            rules
                .find(|rule| {
                    let of = &rule.origin;
                    of.index == origin.index
                        && of.policy.name == origin.policy.name
                        && of.policy.namespace == origin.policy.namespace
                })
                .cloned()
        };
        // A rule that only requests can match is none for connections, and is there all the same.
        let both = |protocol| find(before, protocol).zip(find(after, protocol));
        let (old, new) = match both(protocol).or_else(|| both(Protocol::Http)) {
            Some((old, new)) => (Some(old), Some(new)),
            None => (find(before, protocol), find(after, protocol)),
        };
        match (old, new) {
            (Some(a), Some(b)) => {
                for text in words::rule_change(&a, &b) {
                    because.push(format!("{name} {text}"));
                }
            }
            (None, Some(_)) if is_new => because.push(format!("{name} is new")),
            (Some(_), None) if !is_new => because.push(format!("{name} is gone")),
            _ => {}
        }
    }
    because.dedup();
    if matches!(old, Reason::Tokens) || matches!(new, Reason::Tokens) || because.is_empty() {
        because.extend(issuers(before, after));
    }
    because
}

/// How the gate refuses, where there is one way.
fn gate(plan: &Plan) -> String {
    let mut ways: Vec<String> = Vec::new();
    for (mode, by) in plan.peer_modes().into_iter().flat_map(|modes| modes.modes) {
        let mode = match mode {
            MtlsMode::Permissive => continue,
            MtlsMode::Strict => "STRICT",
            MtlsMode::Disable => "DISABLE",
        };
        let way = format!("mutual TLS mode {mode} of PeerAuthentication {}", by.unwrap_or("(default)"));
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    match &ways[..] {
        [one] => one.clone(),
        _ => "mutual TLS (PeerAuthentication)".into(),
    }
}

/// What was done to the issuers whose tokens are believed.
fn issuers(before: &Plan, after: &Plan) -> Vec<String> {
    let rules = |plan: &Plan| -> Vec<(String, Vec<String>)> {
        let rules = plan.authenticator().rules();
        rules.map(|rule| (rule.issuer().to_owned(), rule.audiences().to_vec())).collect()
    };
    let (before, after) = (rules(before), rules(after));
    let name =
        |issuer: &str| if issuer.is_empty() { "any issuer".to_owned() } else { format!("issuer {issuer}") };
    let has = |rules: &[(String, Vec<String>)], issuer: &str| rules.iter().any(|(known, _)| known == issuer);
    let mut changes = Vec::new();
    for (issuer, audiences) in &after {
        if !has(&before, issuer) {
            changes.push(format!("RequestAuthentication now has {}", name(issuer)));
        } else if !before.contains(&(issuer.clone(), audiences.clone())) {
            let list = if audiences.is_empty() { "any".to_owned() } else { audiences.join(", ") };
            changes
                .push(format!("RequestAuthentication now takes of {} the audiences: {list}", name(issuer)));
        }
    }
    for (issuer, _) in before.iter().filter(|(issuer, _)| !has(&after, issuer)) {
        changes.push(format!("RequestAuthentication no longer has {}", name(issuer)));
    }
    changes
}
