//! Advice on syntax errors: the parser says what it expected, not what is likely wrong.

use gnomon_engine::Position;

/// The parser's message without its preamble (`while scanning …,`).
pub(crate) fn message(info: &str) -> &str {
    match info.split_once(", ") {
        Some((preamble, rest)) if preamble.starts_with("while ") => rest,
        _ => info,
    }
}

/// What most likely went wrong at a place of the text.
pub(crate) fn help(info: &str, text: &str, at: Position) -> &'static str {
    let line =
        (at.line as usize).checked_sub(1).and_then(|index| text.lines().nth(index)).unwrap_or_default();
    let here = (at.column as usize).checked_sub(1).and_then(|index| line.chars().nth(index));
    match here {
        _ if line.contains("{{") || (text.contains("{{") && line.contains("- ")) => TEMPLATE,
        Some('*') => "put it in quotes: a value that begins with * stands for another one in YAML",
        Some('%' | '@' | '`' | '&' | '!') => "put it in quotes: YAML keeps this character for itself",
        _ if info.contains("tab") => "indent with spaces",
        _ if info.contains("mapping values are not allowed") => {
            "put the value in quotes if it contains a colon and a space; else look at the indentation"
        }
        _ if info.contains("did not find expected key") || info.contains("'-' indicator") => {
            "look at the indentation of this line"
        }
        _ if info.contains("escape") => "use single quotes, or write \\\\ for a backslash",
        _ => "",
    }
}

/// Used where braces are not valid YAML.
pub(crate) const TEMPLATE: &str =
    "this looks like a template of a Helm chart: give what `helm template` prints";
