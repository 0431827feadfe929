//! A text that was read, for showing lines of it.

use std::sync::OnceLock;

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

impl Source {
    /// A line by its number, counted from 1, without what ends it and without a byte order mark.
    pub fn line(&self, number: u32) -> Option<&str> {
        let starts = self.starts.get_or_init(|| {
            [0].into_iter()
                .chain(self.text.match_indices('\n').map(|(end, _)| end.saturating_add(1)))
                .collect()
        });
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let (start, next) = (*starts.get(index)?, starts.get(index.saturating_add(1)).copied());
        let line = self.text.get(start..next.unwrap_or(self.text.len()))?;
        if line.is_empty() {
            return None;
        }
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        Some(if index == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line })
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn lines() {
        let source = Source::from("\u{feff}a\r\n\n\u{feff}é".to_string());
        let lines: Vec<_> = (0..5).map(|number| source.line(number)).collect();
        assert_eq!(lines, [None, Some("a"), Some(""), Some("\u{feff}é"), None]);
        assert_eq!(Source::default().line(1), None);
        assert_eq!(Source::from("a\n".to_string()).line(2), None);
    }
}
