//! A text that was read: its lines, and the places in it.

use gnomon_engine::Position;
use std::{ops::Range, sync::OnceLock};

/// A text and where its lines begin: found once, however many lines are asked for.
#[derive(Clone, Debug, Default)]
pub struct Source {
    text: String,
    starts: OnceLock<Vec<usize>>,
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        Source { text, starts: OnceLock::new() }
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

impl Source {
    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A line by its number, counted from 1, without what ends it and without a byte order mark.
    pub fn line(&self, number: u32) -> Option<&str> {
        self.start_and_line(number).map(|(_, line)| line)
    }

    /// The bytes of the word or the quoted scalar that begins at a place, within its line.
    pub fn word(&self, at: Position) -> Option<Range<usize>> {
        let start = self.offset(at)?;
        let (line_start, line) = self.start_and_line(at.line)?;
        let inside = start.checked_sub(line_start)?;
        Some(start..start.saturating_add(word_length(line, inside)))
    }

    /// Where a place is, in bytes; the end of its line where the column is behind it.
    pub fn offset(&self, at: Position) -> Option<usize> {
        let (start, line) = self.start_and_line(at.line)?;
        let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
        let inside = line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte);
        start.checked_add(inside)
    }

    /// The place of a byte; `None` where no character begins.
    pub fn position(&self, offset: usize) -> Option<Position> {
        let line = self.starts().partition_point(|start| *start <= offset);
        let start = *self.starts().get(line.checked_sub(1)?)?;
        let before = self.text.get(start..offset)?.trim_start_matches(BYTE_ORDER_MARK);
        let column = before.chars().count().checked_add(1)?;
        Some(Position { line: u32::try_from(line).ok()?, column: u32::try_from(column).ok()? })
    }

    fn starts(&self) -> &[usize] {
        self.starts.get_or_init(|| {
            [0].into_iter()
                .chain(self.text.match_indices('\n').map(|(end, _)| end.saturating_add(1)))
                .collect()
        })
    }

    fn start_and_line(&self, number: u32) -> Option<(usize, &str)> {
        let starts = self.starts();
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let (start, next) = (*starts.get(index)?, starts.get(index.saturating_add(1)).copied());
        let line = self.text.get(start..next.unwrap_or(self.text.len()))?;
        if line.is_empty() {
            return None;
        }
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        match line.strip_prefix(BYTE_ORDER_MARK).filter(|_| index == 0) {
            Some(line) => Some((start.saturating_add(BYTE_ORDER_MARK.len_utf8()), line)),
            None => Some((start, line)),
        }
    }
}

/// From a byte of a line to the end of the word, or of the quotes, that begins there.
pub(crate) fn word_length(line: &str, start: usize) -> usize {
    let rest = line.get(start..).unwrap_or_default();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        let inner = rest.get(1..).and_then(|rest| rest.find(quote));
        return inner.map_or(1, |length| length + 2);
    }
    rest.find([' ', ',', ']', '}', ':', '#']).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let source = Source::from("\u{feff}a\r\n\n\u{feff}é".to_string());
        let lines: Vec<_> = (0..5).map(|number| source.line(number)).collect();
        assert_eq!(lines, [None, Some("a"), Some(""), Some("\u{feff}é"), None]);
        assert_eq!(Source::default().line(1), None);
        assert_eq!(Source::from("a\n".to_string()).line(2), None);
    }

    #[test]
    fn places() {
        let source = Source::from("\u{feff}é: [\"a b\"]\r\nb: c # d\n".to_string());
        for (line, column, word) in [(1, 1, "é"), (1, 5, "\"a b\""), (2, 4, "c"), (2, 99, "")] {
            let at = Position { line, column };
            let found = source.word(at).unwrap();
            assert_eq!(source.text().get(found.clone()), Some(word), "{line}:{column}");
            let expected = if column == 99 { Position { line: 2, column: 9 } } else { at };
            assert_eq!(source.position(found.start), Some(expected), "{line}:{column}");
        }
        assert_eq!((source.offset(Position { line: 3, column: 1 }), source.position(4)), (None, None));
    }
}
