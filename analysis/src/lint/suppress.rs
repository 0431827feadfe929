//! `# gnomon-ignore: CODE reason`.

use super::{Finding, LINTS, Lint};
use gnomon_engine::{Diagnostic, Position, Severity};
use std::{collections::BTreeMap, sync::Arc};

/// What the comment begins with, behind `#`.
const MARK: &str = "gnomon-ignore:";

/// One comment.
#[derive(Debug, PartialEq, Eq)]
struct Ignore {
    /// Where the comment is.
    at: Position,
    /// The line that it is about.
    line: u32,
    code: String,
    has_reason: bool,
}

/// Takes away what comments ignore, and adds what is wrong with comments.
///
/// A comment about a lint that was not looked with is neither used nor unused.
pub(super) fn apply(
    files: &[Arc<str>],
    texts: &dyn Fn(&str) -> Option<String>,
    looked: &dyn Fn(&Lint) -> bool,
    found: &mut Vec<Finding>,
) {
    let mut ignores: BTreeMap<Arc<str>, Vec<(Ignore, bool)>> = BTreeMap::new();
    for file in files {
        let all = texts(file).map(|text| ignores_in(&text)).unwrap_or_default();
        if !all.is_empty() {
            ignores.insert(file.clone(), all.into_iter().map(|ignore| (ignore, false)).collect());
        }
    }
    found.retain(|finding| {
        let finding = &finding.diagnostic;
        let of_file = ignores.get_mut(&finding.file);
        let ignored = of_file.into_iter().flatten().find(|(ignore, _)| {
            ignore.has_reason && ignore.line == finding.at.line && ignore.code == finding.code
        });
        ignored.map(|(_, used)| *used = true).is_none()
    });
    for (file, ignores) in &ignores {
        for (ignore, used) in ignores {
            let code = &ignore.code;
            let lint = LINTS.iter().find(|lint| lint.code == code);
            let (finding, message, help) = if lint.is_none() {
                let help = "`gnomon lint --explain` lists the lints";
                ("unknown-lint", format!("`{code}` is not a lint"), help)
            } else if !ignore.has_reason {
                let help = "write why behind the code: the next reader has to judge it";
                (
                    "ignore-without-reason",
                    format!("nothing is ignored: `{code}` has no reason behind it"),
                    help,
                )
            } else if !used && lint.is_some_and(|lint| looked(lint)) {
                let help = "remove the comment, or move it to the line that the finding names";
                ("unused-ignore", format!("there is no finding `{code}` on line {}", ignore.line), help)
            } else {
                continue;
            };
            found.push(Finding::from(Diagnostic {
                severity: Severity::Warning,
                code: finding,
                file: file.clone(),
                at: ignore.at,
                object: String::new(),
                field: String::new(),
                message,
                help: help.into(),
            }));
        }
    }
}

/// The comments of a text. One on a line of its own is about the next line that is neither empty nor a comment.
fn ignores_in(text: &str) -> Vec<Ignore> {
    let mut found = Vec::new();
    // Most texts have none.
    if !text.contains(MARK) {
        return found;
    }
    // Those of comment lines that wait for their line.
    let mut waiting = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim_start();
        let alone = trimmed.starts_with('#');
        if !alone && !trimmed.is_empty() {
            if let Some(waiting) = found.len().checked_sub(waiting).and_then(|at| found.get_mut(at..)) {
                waiting.iter_mut().for_each(|ignore: &mut Ignore| ignore.line = number);
            }
            waiting = 0;
        }
        let Some((column, comment)) = comment(line) else { continue };
        let Some(rest) = comment.trim_start().strip_prefix(MARK) else { continue };
        let rest = rest.trim();
        let (code, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        found.push(Ignore {
            at: Position { line: number, column },
            line: number,
            code: code.into(),
            has_reason: reason.chars().any(|c| c.is_ascii_alphanumeric() || !c.is_ascii()),
        });
        waiting += usize::from(alone);
    }
    found
}

/// The column and the text behind the `#` of a comment: at the start of the line or behind a space.
fn comment(line: &str) -> Option<(u32, &str)> {
    // Everything in front of the mark may hold a `#` of its own, in quotes.
    let mark = line.find(MARK)?;
    let (before, _) = line.split_at_checked(mark)?;
    let hash = before.rfind('#')?;
    let (before, comment) = line.split_at_checked(hash)?;
    let begins = before.is_empty() || before.ends_with([' ', '\t']);
    let column = u32::try_from(before.chars().count()).ok()?.checked_add(1)?;
    begins.then_some((column, comment.strip_prefix('#')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_their_lines() {
        let text = "\
# gnomon-ignore: node-port the pod listens there
# gnomon-ignore: source-nat one node

ports: ['30000']
hosts: [a] # gnomon-ignore: host-without-port
key: '#gnomon-ignore: x y'
a: b # why not
";
        let all: Vec<_> = ignores_in(text)
            .into_iter()
            .map(|ignore| (ignore.at.line, ignore.at.column, ignore.line, ignore.code, ignore.has_reason))
            .collect();
        let ignore = |line, column, of, code: &str, reason| (line, column, of, code.to_owned(), reason);
        assert_eq!(
            all,
            [
                ignore(1, 1, 4, "node-port", true),
                ignore(2, 1, 4, "source-nat", true),
                ignore(5, 12, 5, "host-without-port", false),
            ]
        );
    }
}
