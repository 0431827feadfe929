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
            "{place}: write a list `allow:` of `policy: NAMESPACE/NAME` and `workload: NAME`"
        ));
    };
    let mut entries = Vec::new();
    for node in list {
        let Value::Map(fields) = &node.value else {
            return Err(format!("{place}:{}: an entry is a map", node.at.line));
        };
        let mut entry = Entry { policy: None, workload: None };
        for (key, value) in fields {
            let field = match key.name.as_str() {
                "policy" => &mut entry.policy,
                "workload" => &mut entry.workload,
                other => return Err(format!("{place}:{}: `{other}` is no field of an entry", key.at.line)),
            };
            let Value::String(text) = &value.value else {
                return Err(format!("{place}:{}: `{}` is a text", value.at.line, key.name));
            };
            *field = Some(text.clone());
        }
        if entry.policy.is_none() && entry.workload.is_none() {
            return Err(format!(
                "{place}:{}: an entry without `policy` and `workload` allows all",
                node.at.line
            ));
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
        let intended = |what: &str| {
            self.0.iter().any(|entry| {
                entry.workload.as_deref().is_none_or(|name| name == workload)
                    && entry.policy.as_deref().is_none_or(|policy| what.contains(&format!(" {policy} rule ")))
            })
        };
        !all_told || newly().any(|line| !intended(&line.new.what) && !intended(&line.old.what))
    }
}
