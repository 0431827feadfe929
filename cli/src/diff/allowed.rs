//! New access that is intended.

use gnomon_analysis::diff::{Change, Changes};
use gnomon_engine::{Node, Value};
use gnomon_manifests::{parse, read_file};
use std::{path::Path, sync::Arc};

/// The list.
#[derive(Debug, Default)]
pub(super) struct Intended(Vec<Entry>);

/// One entry; what is absent may be any.
#[derive(Debug)]
struct Entry {
    policy: Option<String>,
    workload: Option<String>,
    /// Whose keys may change.
    issuer: Option<String>,
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<Intended, String> {
    let place = path.to_string_lossy().into_owned();
    let text = read_file(path).map_err(|unread| format!("{place}: {}", unread.message))?;
    let (documents, problems) = parse(&text, &Arc::from(place.as_str()));
    if let Some(problem) = problems.first() {
        return Err(format!("{place}: {}", problem.message));
    }
    let list = documents.first().and_then(|document| document.get("allow")).and_then(Node::as_list);
    let Some(list) = list else {
        return Err(format!(
            "{place}: write a list `allow:` of `policy: NAMESPACE/NAME`, `issuer: ISSUER` and `workload: \
             NAME`"
        ));
    };
    let mut entries = Vec::new();
    for node in list {
        let Value::Map(fields) = &node.value else {
            return Err(format!("{place}:{}: an entry is a map", node.at.line));
        };
        let mut entry = Entry { policy: None, workload: None, issuer: None };
        for (key, value) in fields {
            let field = match key.name.as_str() {
                "policy" => &mut entry.policy,
                "workload" => &mut entry.workload,
                "issuer" => &mut entry.issuer,
                other => return Err(format!("{place}:{}: `{other}` is no field of an entry", key.at.line)),
            };
            let Value::String(text) = &value.value else {
                return Err(format!("{place}:{}: `{}` is a text", value.at.line, key.name));
            };
            *field = Some(text.clone());
        }
        match (&entry.policy, &entry.workload, &entry.issuer) {
            (None, None, None) => {
                return Err(format!(
                    "{place}:{}: an entry without `policy`, `issuer` and `workload` allows all",
                    node.at.line
                ));
            }
            (Some(_), _, Some(_)) => {
                return Err(format!(
                    "{place}:{}: `policy` is about rules, `issuer` about keys: make two entries of them",
                    node.at.line
                ));
            }
            _ => {}
        }
        entries.push(entry);
    }
    Ok(Intended(entries))
}

impl Intended {
    /// Is something newly allowed that is not intended?
    pub(super) fn leaves(&self, workload: &str, changes: &Changes) -> bool {
        let newly = || changes.summary.iter().filter(|line| line.change == Change::Allowed);
        let all_told = changes.complete || newly().next().is_none() && changes.newly_allowed.is_none();
        let here =
            || self.0.iter().filter(|entry| entry.workload.as_deref().is_none_or(|name| name == workload));
        let intended = |what: &str| {
            here().any(|entry| {
                entry.issuer.is_none()
                    && entry.policy.as_deref().is_none_or(|policy| what.contains(&format!(" {policy} rule ")))
            })
        };
        // Whoever has the new keys makes tokens that were refused before.
        let known = |issuer: &str| {
            let named = |entry: &Entry| {
                entry.policy.is_none() && entry.issuer.as_deref().is_none_or(|name| name == issuer)
            };
            here().any(named)
        };
        !all_told
            || changes.keys.iter().any(|keys| !known(&keys.issuer))
            || newly().any(|line| !intended(&line.new.what) && !intended(&line.old.what))
    }
}
