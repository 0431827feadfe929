//! Takes an element out of a list, block or flow.

use std::ops::Range;

/// The bytes that go with the element that `rest` begins with, of the text that both are. `None`: it is not clear where it
/// ends, or a comment would go with it, or would then stand at another one.
pub(super) fn extent(before: &str, rest: &str) -> Option<Range<usize>> {
    match rest.chars().next()? {
        '{' => flow(before, rest),
        _ => block(before, rest).or_else(|| flow(before, rest)),
    }
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
        ] {
            let at = text.find(at).unwrap();
            let gone = extent(&text[..at], &text[at..]);
            let kept = gone.map(|gone| format!("{}{}", &text[..gone.start], &text[gone.end..]));
            assert_eq!(kept.as_deref(), expected, "{text}");
        }
    }
}
