//! Writes what findings propose into the texts.

mod element;

use super::{Edit, Finding, Goes};
use gnomon_manifests::Source;
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// What became of the fixes of some findings.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Fixed {
    /// The texts that changed, by file.
    pub texts: BTreeMap<Arc<str>, String>,
    /// The numbers of the findings whose fix is in them.
    pub mended: Vec<usize>,
}

/// Applies every fix that fits: its values stand where they are said to stand, and no other fix changes them.
/// Everything else in the texts stays as it is, comments and indentation too.
pub fn apply(findings: &[Finding], text: &dyn Fn(&str) -> Option<String>) -> Fixed {
    let mut fixed = Fixed::default();
    let mut texts: BTreeMap<Arc<str>, Option<Source>> = BTreeMap::new();
    // What becomes of each file, in its order; no two overlap.
    let mut changes: BTreeMap<Arc<str>, BTreeMap<usize, Replacement>> = BTreeMap::new();
    for (number, finding) in findings.iter().enumerate() {
        for edit in &finding.fix {
            texts.entry(edit.file.clone()).or_insert_with(|| text(&edit.file).map(Source::from));
        }
        let made: Option<Vec<(Arc<str>, Replacement)>> = finding
            .fix
            .iter()
            .map(|edit| {
                let made = replacement(texts.get(&edit.file)?.as_ref()?, edit)?;
                let free = changes.get(&edit.file).is_none_or(|others| is_free(others, &made.range));
                free.then(|| (edit.file.clone(), made))
            })
            .collect();
        let Some(made) = made.filter(|made| !made.is_empty()) else { continue };
        for (file, replacement) in made {
            changes.entry(file).or_default().insert(replacement.range.start, replacement);
        }
        fixed.mended.push(number);
    }
    for (file, changes) in changes {
        let Some(Some(source)) = texts.get(&file) else { continue };
        let (mut now, mut from) = (String::new(), 0);
        for Replacement { range, text } in changes.into_values() {
            now.push_str(source.text().get(from..range.start).unwrap_or_default());
            now.push_str(&text);
            from = range.end;
        }
        now.push_str(source.text().get(from..).unwrap_or_default());
        fixed.texts.insert(file, now);
    }
    fixed
}

/// Bytes of a text, and what stands in their place when it is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replacement {
    /// The bytes.
    pub range: Range<usize>,
    /// What they become.
    pub text: String,
}

/// Whether nothing else changes these bytes.
fn is_free(others: &BTreeMap<usize, Replacement>, range: &Range<usize>) -> bool {
    others.range(..range.end).next_back().is_none_or(|(_, other)| other.range.end <= range.start)
        && !others.contains_key(&range.start)
}

/// What an edit does to the text; `None`: the value is not there as it is said to be, or a comment would go with it.
pub fn replacement(source: &Source, edit: &Edit) -> Option<Replacement> {
    let start = source.offset(edit.at)?;
    let (before, rest) = source.text().split_at_checked(start)?;
    if edit.new.is_empty() {
        let range = match edit.goes {
            Goes::Nothing { takes } => {
                let (range, text) = element::taking(source.text(), start, source.offset(takes)?)?;
                return Some(Replacement { range, text });
            }
            Goes::Element if edit.old.is_empty() => element::extent(before, rest)?,
            Goes::Element => element::scalar(before, rest, scalar(rest, &edit.old)?)?,
            Goes::Around => element::around(before, rest)?,
            Goes::List => element::list(before, rest)?,
            Goes::Document => element::document(before, rest)?,
        };
        return Some(Replacement { range, text: String::new() });
    }
    let length = scalar(rest, &edit.old)?;
    let line = before.rsplit('\n').next()?;
    // An element of a block list stands behind its dash.
    let block = line.trim_start().starts_with("- ") && line.trim_end().ends_with('-');
    if edit.new.len() > 1 && !block && !line.contains(['[', ',']) && !line.trim().is_empty() {
        return None;
    }
    let separator = if block {
        let indent: String = line.chars().take_while(|letter| *letter == ' ').collect();
        format!("\n{indent}- ")
    } else {
        ", ".to_owned()
    };
    let values: Vec<String> = edit.new.iter().map(|value| written(value, rest)).collect();
    Some(Replacement { range: start..start.checked_add(length)?, text: values.join(&separator) })
}

/// The length of the scalar that the text begins with, where it says this.
fn scalar(rest: &str, says: &str) -> Option<usize> {
    let quoted = |quote: char| format!("{quote}{says}{quote}");
    let whole = match rest.chars().next()? {
        quote @ ('"' | '\'') => quoted(quote),
        _ => says.to_owned(),
    };
    let behind = rest.strip_prefix(&whole)?;
    // A longer scalar is another one.
    let ends = |text: &str| text.is_empty() || text.starts_with([',', ']', '}', '\n', '\r', ' ', '\t']);
    // A key stands before its colon.
    let is_key = behind.strip_prefix(':').is_some_and(ends);
    (ends(behind) || is_key).then_some(whole.len())
}

/// A value in the quotes of the one that it replaces, or in quotes where it needs them.
fn written(value: &str, replaced: &str) -> String {
    let plain = value.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '/')
        && value.chars().all(|letter| letter.is_ascii_alphanumeric() || "/-_.".contains(letter))
        && value.chars().any(|letter| letter.is_ascii_alphabetic() || letter == '/');
    match replaced.chars().next() {
        Some(quote @ '\'') if !value.contains(['\'', '\\']) => format!("{quote}{value}{quote}"),
        Some('"') => format!("{value:?}"),
        _ if plain => value.to_owned(),
        _ => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gnomon_engine::{Diagnostic, Position, Severity};

    fn edit(line: u32, column: u32, old: &str, new: &[&str]) -> Edit {
        let new = new.iter().map(|text| (*text).to_owned()).collect();
        Edit { file: "f".into(), at: Position { line, column }, old: old.into(), new, goes: Goes::Element }
    }

    fn finding(edit: Edit) -> Finding {
        Finding {
            diagnostic: Diagnostic {
                severity: Severity::Error,
                code: "method-case",
                file: edit.file.clone(),
                at: edit.at,
                object: String::new(),
                field: String::new(),
                message: String::new(),
                help: String::new(),
            },
            related: Vec::new(),
            fix: vec![edit],
        }
    }

    #[test]
    fn what_goes_takes_its_commas_and_dashes_along() {
        let at = |text: &str, of: &str| {
            let (before, _) = text.split_at(text.find(of).unwrap());
            let line = 1 + before.matches('\n').count() as u32;
            let column = 1 + before.rsplit('\n').next().unwrap().chars().count() as u32;
            Position { line, column }
        };
        for (goes, text, of, old, expected) in [
            (Goes::Element, "a: [x, y]", "y", "y", Some("a: [x]")),
            (Goes::Element, "a: [x, y] # why", "x", "x", Some("a: [y] # why")),
            (Goes::Element, "a: ['x', \"y\", z]", "\"y\"", "y", Some("a: ['x', z]")),
            (Goes::Element, "a:\n- x\n- y\n", "x", "x", Some("a:\n- y\n")),
            (Goes::Element, "a:\n- x # why\n- y\n", "x", "x", None),
            (Goes::Element, "a: [x]", "x", "x", None),
            (
                Goes::Around,
                "f:\n- source:\n    p: [x]\n- source:\n    p: [y]\n",
                "p: [x]",
                "",
                Some("f:\n- source:\n    p: [y]\n"),
            ),
            (
                Goes::Around,
                "f: [{source: {p: [x]}}, {source: {p: [y]}}]",
                "{p: [y]",
                "",
                Some("f: [{source: {p: [x]}}]"),
            ),
            (Goes::List, "s: {p: [x], q: [y]}", "x", "x", Some("s: {q: [y]}")),
            (Goes::List, "s: {p: [x], q: [y, z]}", "y", "y", Some("s: {p: [x]}")),
            (Goes::List, "s:\n  p: [x]\n  q: [y]\n", "x", "x", Some("s:\n  q: [y]\n")),
            (Goes::List, "s:\n  p:\n  - x\n  - z\n  q: [y]\n", "x", "x", Some("s:\n  q: [y]\n")),
            (Goes::List, "- p: [x]\n  q: [y]\n", "x", "x", Some("- q: [y]\n")),
            (Goes::List, "s:\n  # why\n  p: [x]\n  q: [y]\n", "x", "x", None),
            (Goes::List, "- p: [x]\n- q: [y]\n", "x", "x", None),
            (Goes::Document, "a: 1\n---\nb: 2\n---\nc: 3\n", "b", "", Some("a: 1\n---\nc: 3\n")),
            (Goes::Document, "a: 1\n---\nb: 2\n", "b", "", Some("a: 1\n")),
            (Goes::Document, "a: 1\n---\nb: 2\n", "a", "", Some("b: 2\n")),
            (Goes::Document, "a: 1\n", "a", "", None),
            (Goes::Document, "# of a\na: 1\n---\n# of b\nb: 2\n", "b: 2", "", Some("# of a\na: 1\n")),
            (Goes::Document, "kind: List\nitems:\n- a: 1\n- b: 2\n---\nc: 3\n", "a: 1", "", None),
            (Goes::Document, "a: 1\n--- # next\nb: 2\n---\nc: 3\n", "b: 2", "", None),
            (Goes::Document, "a: 1\r\n---\r\nb: 2\r\n---\r\nc: 3\r\n", "b: 2", "", None),
        ] {
            let edit = Edit { at: at(text, of), goes, ..edit(0, 0, old, &[]) };
            let made = replacement(&Source::from(text.to_owned()), &edit);
            let after = made.map(|Replacement { range, text: new }| {
                let (head, tail) = (text.get(..range.start).unwrap(), text.get(range.end..).unwrap());
                format!("{head}{new}{tail}")
            });
            assert_eq!(after.as_deref(), expected, "{goes:?} {text}");
        }
    }

    #[test]
    fn scalars_are_replaced_where_they_stand() {
        for (text, edit, expected) in [
            ("a: [get, PUT] # why", edit(1, 5, "get", &["GET"]), Some("a: [GET, PUT] # why")),
            ("a: ['x']", edit(1, 5, "x", &["y", "y:*"]), Some("a: ['y', 'y:*']")),
            ("a: [\"x\"]", edit(1, 5, "x", &["y:*"]), Some("a: [\"y:*\"]")),
            ("a:\n  - x # c\n", edit(2, 5, "x", &["x", "x:*"]), Some("a:\n  - x\n  - \"x:*\" # c\n")),
            ("é: [x]", edit(1, 5, "x", &["y"]), Some("é: [y]")),
            ("a: [x, 'x, y', x] # c", edit(1, 8, "x, y", &[]), Some("a: [x, x] # c")),
            ("a: [x, y, x]", edit(1, 11, "x", &[]), Some("a: [x, y]")),
            ("a: [x, y]", edit(1, 5, "x", &[]), Some("a: [y]")),
            ("a:\n- x\n- x\n", edit(3, 3, "x", &[]), Some("a:\n- x\n")),
            ("ab: {c: d}", edit(1, 1, "ab", &["a"]), Some("a: {c: d}")),
            ("a: {'b': c}", edit(1, 5, "b", &["d"]), Some("a: {'d': c}")),
            ("a: x:y", edit(1, 4, "x", &["y"]), None),
            ("a: xy", edit(1, 4, "x", &["y"]), None),
            ("a: x", edit(1, 4, "x", &["y", "z"]), None),
            ("a: x", edit(2, 1, "x", &["y"]), None),
            ("a: x", edit(0, 0, "x", &["y"]), None),
        ] {
            let fixed = apply(&[finding(edit)], &|_| Some(text.into()));
            assert_eq!(fixed.texts.get("f").map(String::as_str), expected, "{text}");
        }
    }

    /// A value that changes, in an element that goes: one of both.
    #[test]
    fn what_overlaps_is_left_for_the_next_time() {
        let text = "rules:\n- to: [get]\n- to: [PUT]\n";
        let (value, element) = (edit(2, 8, "get", &["GET"]), edit(2, 3, "", &[]));
        let findings = [finding(value), finding(element)];
        for (order, expected) in
            [([0, 1], "rules:\n- to: [GET]\n- to: [PUT]\n"), ([1, 0], "rules:\n- to: [PUT]\n")]
        {
            let findings: Vec<Finding> = order.iter().map(|at| findings[*at].clone()).collect();
            let fixed = apply(&findings, &|_| Some(text.into()));
            assert_eq!((fixed.mended, fixed.texts["f"].as_str()), (vec![0], expected));
        }
    }
}
