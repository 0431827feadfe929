//! A diagnostic for people: the message, the line of the text and a caret.

use crate::{Source, source::word_length};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use gnomon_engine::{Diagnostic, Severity, decode::short};

/// Whether escape sequences may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Never,
    /// For a terminal.
    Always,
}

/// Lines longer than this are not shown: minified JSON.
const LONGEST: usize = 400;

/// Renders a diagnostic over several lines. The first one is `file:line:column: error[code]: message`; the source line
/// with a caret follows where `source` has it, then object, field and help.
pub fn render(diagnostic: &Diagnostic, source: &str, colour: Colour) -> String {
    draw(diagnostic, &Source::from(source.to_string()), colour)
}

/// As [`render`], for many findings in one text.
pub(crate) fn draw(diagnostic: &Diagnostic, source: &Source, colour: Colour) -> String {
    let mut head = String::new();
    if !diagnostic.file.is_empty() {
        head.push_str(&format!("{}:", diagnostic.file));
    }
    if diagnostic.at.line > 0 {
        head.push_str(&format!("{}:{}:", diagnostic.at.line, diagnostic.at.column));
    }
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Hint => Level::NOTE,
    };
    let word = diagnostic.severity.name();
    let label = label(diagnostic);
    let mut out = format!("{head}{}{word}[{}]: ", if head.is_empty() { "" } else { " " }, diagnostic.code);
    out.push_str(&diagnostic.message);
    out.push('\n');
    if let Some((line, column)) = source_line(diagnostic, source) {
        let end = line.get(column..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let end = column + word_length(line, column).max(end);
        let annotation = AnnotationKind::Primary.span(column..end).label(label);
        let snippet = Snippet::source(line).line_start(diagnostic.at.line as usize).annotation(annotation);
        let mut group = level.no_name().primary_title("").element(snippet);
        if !diagnostic.help.is_empty() {
            group = group.element(Level::HELP.message(&diagnostic.help));
        }
        let renderer = match colour {
            Colour::Never => Renderer::plain(),
            Colour::Always => Renderer::styled(),
        };
        let drawn = renderer.render(&[group]);
        // The title stands in our first line already.
        out.push_str(drawn.split_once('\n').map_or("", |(_, rest)| rest));
        out.push('\n');
    } else {
        for (name, text) in [("in", &label), ("help", &diagnostic.help)] {
            if !text.is_empty() {
                out.push_str(&format!("  {name}: {text}\n"));
            }
        }
    }
    out
}

/// `AuthorizationPolicy ns/name, spec.rules[0]`.
fn label(diagnostic: &Diagnostic) -> String {
    let parts = [diagnostic.object.as_str(), diagnostic.field.as_str()];
    short_join(parts.into_iter().filter(|part| !part.is_empty()))
}

fn short_join<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.map(short).collect::<Vec<_>>().join(", ")
}

/// The line that the diagnostic points at and the byte in it.
fn source_line<'s>(diagnostic: &Diagnostic, source: &'s Source) -> Option<(&'s str, usize)> {
    let column = usize::try_from(diagnostic.at.column).ok()?.checked_sub(1)?;
    let line = source.line(diagnostic.at.line)?;
    if line.len() > LONGEST {
        return None;
    }
    let byte = line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte);
    Some((line, byte))
}
