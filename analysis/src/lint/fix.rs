//! Writes what findings propose into the texts.

mod element;

use super::{Edit, Finding};
use gnomon_engine::Position;
use std::{collections::BTreeMap, sync::Arc};

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
    // By file and place, so that they can be applied from the end.
    let mut edits: BTreeMap<(Arc<str>, Position), &Edit> = BTreeMap::new();
    let mut texts: BTreeMap<Arc<str>, Option<String>> = BTreeMap::new();
    for (number, finding) in findings.iter().enumerate() {
        let fits = |edit: &Edit, texts: &BTreeMap<Arc<str>, Option<String>>| {
            let text = texts.get(&edit.file).and_then(Option::as_deref)?;
            splice(text, edit)
        };
        for edit in &finding.fix {
            texts.entry(edit.file.clone()).or_insert_with(|| text(&edit.file));
        }
        let free = |edit: &Edit| !edits.contains_key(&(edit.file.clone(), edit.at));
        if !finding.fix.is_empty()
            && finding.fix.iter().all(|edit| free(edit) && fits(edit, &texts).is_some())
        {
            edits.extend(finding.fix.iter().map(|edit| ((edit.file.clone(), edit.at), edit)));
            fixed.mended.push(number);
        }
    }
    for ((file, _), edit) in edits.into_iter().rev() {
        let now = fixed.texts.get(&file).cloned().or_else(|| texts.get(&file).cloned().flatten());
        if let Some(now) = now.as_deref().and_then(|now| splice(now, edit)) {
            fixed.texts.insert(file, now);
        }
    }
    fixed
}

/// The text with the scalar replaced; `None`: it is not there as it is said to be.
fn splice(text: &str, edit: &Edit) -> Option<String> {
    let start = offset(text, edit.at)?;
    let (before, rest) = text.split_at_checked(start)?;
    if edit.new.is_empty() {
        return element::without(before, rest);
    }
    let length = scalar(rest, &edit.old)?;
    let (_, after) = rest.split_at_checked(length)?;
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
    Some(format!("{before}{}{after}", values.join(&separator)))
}

/// Where a place begins, in bytes.
fn offset(text: &str, at: Position) -> Option<usize> {
    let line = usize::try_from(at.line.checked_sub(1)?).ok()?;
    let column = usize::try_from(at.column.checked_sub(1)?).ok()?;
    let mut start = 0;
    for _ in 0..line {
        start += text.get(start..)?.find('\n')? + 1;
    }
    let rest = text.get(start..)?.lines().next()?;
    let inside = rest.char_indices().nth(column).map(|(offset, _)| offset)?;
    Some(start + inside)
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
    let ends = behind.is_empty() || behind.starts_with([',', ']', '}', '\n', '\r', ' ', '\t']);
    ends.then_some(whole.len())
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

    fn edit(line: u32, column: u32, old: &str, new: &[&str]) -> Edit {
        let new = new.iter().map(|text| (*text).to_owned()).collect();
        Edit { file: "f".into(), at: Position { line, column }, old: old.into(), new }
    }

    #[test]
    fn scalars_are_replaced_where_they_stand() {
        for (text, edit, expected) in [
            ("a: [get, PUT] # why", edit(1, 5, "get", &["GET"]), Some("a: [GET, PUT] # why")),
            ("a: ['x']", edit(1, 5, "x", &["y", "y:*"]), Some("a: ['y', 'y:*']")),
            ("a: [\"x\"]", edit(1, 5, "x", &["y:*"]), Some("a: [\"y:*\"]")),
            ("a:\n  - x # c\n", edit(2, 5, "x", &["x", "x:*"]), Some("a:\n  - x\n  - \"x:*\" # c\n")),
            ("é: [x]", edit(1, 5, "x", &["y"]), Some("é: [y]")),
            ("a: xy", edit(1, 4, "x", &["y"]), None),
            ("a: x", edit(1, 4, "x", &["y", "z"]), None),
            ("a: x", edit(2, 1, "x", &["y"]), None),
            ("a: x", edit(0, 0, "x", &["y"]), None),
        ] {
            assert_eq!(splice(text, &edit).as_deref(), expected, "{text}");
        }
    }
}
