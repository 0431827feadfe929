//! What goes with an element of a list, block or flow; with a list and its key; with a document.

use std::ops::Range;

/// The bytes that go with the element that `rest` begins with, of the text that both are. `None`: it is not clear where it
/// ends, or a comment would go with it, or would then stand at another one.
pub(super) fn extent(before: &str, rest: &str) -> Option<Range<usize>> {
    match rest.chars().next()? {
        '{' if before.rsplit('\n').next()?.trim() != "-" => flow(before, rest),
        _ => block(before, rest).or_else(|| flow(before, rest)),
    }
}

/// Elements of a list as they are written: those of a block with their lines and indentation, those of a flow without.
struct Written<'t> {
    range: Range<usize>,
    text: &'t str,
    indent: Option<usize>,
}

/// What the element becomes around the map that the text has at `at`, with all elements of another list behind it, of which
/// the first is around the map at `other`.
pub(super) fn taking(text: &str, at: usize, other: usize) -> Option<(Range<usize>, String)> {
    let (own, more) = (written(text, at, false)?, written(text, other, true)?);
    match (own.indent, more.indent) {
        (None, None) => Some((own.range, format!("{}, {}", own.text, more.text))),
        (Some(indent), Some(was)) => {
            let mut new = own.text.to_owned();
            if !new.ends_with('\n') {
                new.push('\n');
            }
            for line in more.text.lines() {
                let line = line.get(was..).unwrap_or_default();
                new += &format!("{:indent$}{line}\n", "");
            }
            Some((own.range, new))
        }
        _ => None,
    }
}

/// The element around the map at `at`, which stands behind its only key; or the list that it is the first one of.
fn written(text: &str, at: usize, whole_list: bool) -> Option<Written<'_>> {
    let start = key(text.get(..at)?.trim_end().strip_suffix(':')?)?;
    let kept = text.get(..start)?.trim_end();
    if let Some(kept) = kept.strip_suffix('{') {
        let range = match whole_list {
            false => kept.len()..kept.len().checked_add(closing(text.get(kept.len()..)?)?)?,
            true => {
                let open = kept.trim_end().strip_suffix('[')?.len();
                let end = open.checked_add(closing(text.get(open..)?)?)?;
                open.checked_add(1)?..end.checked_sub(1)?
            }
        };
        let text = text.get(range.clone())?.trim();
        return (!text.contains(['#', '\n'])).then_some(Written { range, text, indent: None });
    }
    let dash = text.get(..start)?.rsplit('\n').next()?;
    let indent = dash.len() - dash.trim_start_matches(' ').len();
    if dash.trim() != "-" {
        return None;
    }
    let from = start.checked_sub(dash.len())?;
    let mut end = from;
    for (number, line) in text.get(from..)?.split_inclusive('\n').enumerate() {
        let depth = line.len() - line.trim_start_matches(' ').len();
        let next = whole_list && depth == indent && line.trim_start().starts_with("- ");
        if number > 0 && (line.trim().is_empty() || depth <= indent && !next) {
            break;
        }
        end += line.len();
    }
    let text = text.get(from..end)?;
    (!whole_list || !text.contains('#')).then_some(Written { range: from..end, text, indent: Some(indent) })
}

fn block(before: &str, rest: &str) -> Option<Range<usize>> {
    let (above, dash) = before.rsplit_once('\n').unwrap_or(("", before));
    let indent = dash.len() - dash.trim_start_matches(' ').len();
    if dash.trim() != "-" || above.lines().next_back().is_some_and(|line| line.trim_start().starts_with('#'))
    {
        return None;
    }
    let mut end = 0;
    let mut at = 0;
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        let is_blank = line.trim().is_empty();
        let deeper = line.len() - line.trim_start_matches(' ').len() > indent;
        if number > 0 && !is_blank && !deeper {
            break;
        }
        at += line.len();
        if !is_blank {
            end = at;
        }
    }
    let element = rest.get(..end)?;
    let kept = before.strip_suffix(dash)?;
    (!element.contains('#')).then_some(kept.len()..before.len().checked_add(end)?)
}

fn flow(before: &str, rest: &str) -> Option<Range<usize>> {
    let (element, after) = rest.split_at_checked(closing(rest)?)?;
    if element.contains('#') {
        return None;
    }
    let all = before.len().checked_add(rest.len())?;
    let kept = before.trim_end();
    if let Some(kept) = kept.strip_suffix(',') {
        return Some(kept.len()..all.checked_sub(after.len())?);
    }
    // The first one: the comma behind it goes, too.
    let after = after.trim_start().strip_prefix(',')?.trim_start();
    let end = all.checked_sub(after.len())?;
    kept.ends_with('[').then_some(before.len()..end)
}

/// The bytes that go with the scalar of this length that `rest` begins with, an element of a list.
pub(super) fn scalar(before: &str, rest: &str, length: usize) -> Option<Range<usize>> {
    if before.rsplit('\n').next()?.trim() == "-" {
        return block(before, rest);
    }
    let end = before.len().checked_add(length)?;
    let kept = before.trim_end();
    if let Some(kept) = kept.strip_suffix(',') {
        return Some(kept.len()..end);
    }
    // The first one: the comma behind it goes, too.
    let after = rest.get(length..)?.trim_start().strip_prefix(',')?.trim_start();
    let all = before.len().checked_add(rest.len())?;
    kept.ends_with('[').then_some(before.len()..all.checked_sub(after.len())?)
}

/// The bytes that go with the element around the map that `rest` begins with, which stands behind its only key.
pub(super) fn around(before: &str, rest: &str) -> Option<Range<usize>> {
    let text = format!("{before}{rest}");
    let start = key(before.trim_end().strip_suffix(':')?)?;
    let kept = text.get(..start)?.trim_end();
    match kept.strip_suffix('{') {
        Some(kept) => flow(kept, text.get(kept.len()..)?),
        None => block(text.get(..start)?, text.get(start..)?),
    }
}

/// The bytes that go with the list whose first element `rest` begins with, and with its key.
pub(super) fn list(before: &str, rest: &str) -> Option<Range<usize>> {
    let text = format!("{before}{rest}");
    if let Some(kept) = before.trim_end().strip_suffix('[') {
        let start = key(kept.trim_end().strip_suffix(':')?)?;
        let end = kept.len().checked_add(closing(text.get(kept.len()..)?)?)?;
        let (head, tail) = (text.get(..start)?, text.get(end..)?);
        if text.get(start..end)?.contains('#') {
            return None;
        }
        let inside = head.trim_end();
        if let Some(kept) = inside.strip_suffix(',') {
            return Some(kept.len()..end);
        }
        if inside.ends_with('{') {
            let after = tail.trim_start().strip_prefix(',')?.trim_start();
            return Some(head.len()..text.len().checked_sub(after.len())?);
        }
        return lines(head, tail.trim_start_matches(' ').strip_prefix('\n')?, text.len());
    }
    // A block list: its key stands on the line above.
    let (above, dash) = before.rsplit_once('\n')?;
    if dash.trim() != "-" {
        return None;
    }
    let indent = dash.len() - dash.trim_start_matches(' ').len();
    let start = key(above.trim_end_matches(' ').strip_suffix(':')?)?;
    let mut end = 0;
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        let depth = line.len() - line.trim_start_matches(' ').len();
        let next = depth == indent && line.trim_start().starts_with("- ");
        if number > 0 && depth <= indent && !next {
            break;
        }
        end += line.len();
    }
    let (gone, tail) = rest.split_at_checked(end)?;
    if gone.contains('#') {
        return None;
    }
    lines(above.get(..start)?, tail, text.len())
}

/// What goes of a text of this length between what stands before a key of a block map and what follows on the next line:
/// the next key takes the place behind a dash.
fn lines(head: &str, tail: &str, length: usize) -> Option<Range<usize>> {
    let (above, line) = head.rsplit_once('\n').unwrap_or(("", head));
    if above.lines().next_back().is_some_and(|line| line.trim_start().starts_with('#')) {
        return None;
    }
    let next = length.checked_sub(tail.len())?;
    if line.trim().is_empty() {
        return Some(head.len().checked_sub(line.len())?..next);
    }
    let key = tail.trim_start_matches(' ');
    let same_map = line.trim() == "-" && tail.len() - key.len() == line.len();
    let is_key = key.starts_with(|letter: char| letter.is_ascii_alphabetic());
    (same_map && is_key).then_some(head.len()..length.checked_sub(key.len())?)
}

/// Where the key begins that the text ends with.
fn key(text: &str) -> Option<usize> {
    let start = text.trim_end_matches(|letter: char| letter.is_ascii_alphanumeric()).len();
    (start < text.len()).then_some(start)
}

/// The bytes that go with the document that `rest` begins with, its comments too; `None`: there is no other one.
pub(super) fn document(before: &str, rest: &str) -> Option<Range<usize>> {
    const SEPARATOR: &str = "---\n";
    let start = match before.rfind("\n---\n") {
        Some(at) => Some(at.checked_add(1 + SEPARATOR.len())?),
        None => before.starts_with(SEPARATOR).then_some(SEPARATOR.len()),
    };
    // What stands in a list is no document, and neither is what begins in another way.
    let above = before.get(start.unwrap_or_default()..)?;
    if !above.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return None;
    }
    let mut end = 0;
    let mut followed = false;
    for line in rest.split_inclusive('\n') {
        end += line.len();
        if line.trim_end() == "---" {
            followed = true;
            break;
        }
    }
    let kept = before.get(..start.unwrap_or_default())?;
    if followed && rest.get(end..).is_some_and(|after| !after.trim().is_empty()) {
        return Some(kept.len()..before.len().checked_add(end)?);
    }
    let kept = kept.strip_suffix(SEPARATOR)?;
    (!kept.trim().is_empty()).then_some(kept.len()..before.len().checked_add(rest.len())?)
}

/// How long the map or the scalar is that the text begins with.
fn closing(text: &str) -> Option<usize> {
    if !text.starts_with(['{', '[', '"', '\'']) {
        let plain = text.split([',', ']', '}', '\n']).next()?;
        return Some(plain.trim_end().len());
    }
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 && quote.is_none() {
            return Some(at + letter.len_utf8());
        }
    }
    None
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "a test, and the texts are its own")]
mod tests {
    use super::*;

    #[test]
    fn elements_go_and_the_others_stay() {
        for (text, at, expected) in [
            ("a:\n- b: 1\n  c: 2\n\n- d: 3\n", "b:", Some("a:\n\n- d: 3\n")),
            ("a:\n  - b: 1\n  - d: 3\ne: 4\n", "d:", Some("a:\n  - b: 1\ne: 4\n")),
            ("a:\n  - b: 1\n  - d: 3", "d:", Some("a:\n  - b: 1\n")),
            ("a: [{b: ']}'}, {c: 2}] # x", "{b", Some("a: [{c: 2}] # x")),
            ("a: [{b: 1}, {c: \"\\\"}\"}, {d: 3}]", "{c", Some("a: [{b: 1}, {d: 3}]")),
            ("a: [\n  {b: 1},\n  {c: 2}\n]", "{c", Some("a: [\n  {b: 1}\n]")),
            ("a: [{b: 1}]", "{b", None),
            ("a: [{b: 1}, {c: 2", "{c", None),
            ("a:\n- b: 1\n# of c\n- c: 2\n", "c: 2", None),
            ("a:\n- b: 1 # why\n- c: 2\n", "b:", None),
            ("a:\n-\n  b: 1\n- c: 2\n", "b:", None),
            ("a:\n- {b: 1}\n- {c: 2}\n", "{c", Some("a:\n- {b: 1}\n")),
        ] {
            let at = text.find(at).unwrap();
            let gone = extent(&text[..at], &text[at..]);
            let kept = gone.map(|gone| format!("{}{}", &text[..gone.start], &text[gone.end..]));
            assert_eq!(kept.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn elements_come_behind_others() {
        for (text, at, other, expected) in [
            (
                "- to: [{o: {p: [x]}}]\n- to: [{o: {p: [y]}}, {o: {p: [z]}}]\n",
                "{p: [x]",
                "{p: [y]",
                Some("- to: [{o: {p: [x]}}, {o: {p: [y]}}, {o: {p: [z]}}]\n"),
            ),
            (
                "- to:\n  - o:\n      p: [x] # why\n- to:\n    - o:\n        p: [y]\n        q: [z]\n    - o: {r: [s]}\n",
                "p: [x]",
                "p: [y]",
                Some(
                    "- to:\n  - o:\n      p: [x] # why\n  - o:\n      p: [y]\n      q: [z]\n  - o: {r: [s]}\n",
                ),
            ),
            // What would lose a comment, and what is written in another way.
            ("- to:\n  - o:\n      p: [x]\n- to:\n  - o:\n      p: [y] # why\n", "p: [x]", "p: [y]", None),
            ("- to:\n  - o:\n      p: [x]\n- to: [{o: {p: [y]}}]\n", "p: [x]", "{p: [y]", None),
        ] {
            let [at, other] = [at, other].map(|map| text.find(map).unwrap());
            let made = taking(text, at, other).map(|(range, new)| {
                // The second list goes with its rule.
                let rest = text[..text.rfind("- to:").unwrap()].get(range.end..).unwrap();
                format!("{}{new}{rest}", &text[..range.start])
            });
            assert_eq!(made.as_deref(), expected, "{text}");
        }
    }
}
