//! Drawings: a graph for Graphviz, and a table in SVG that needs nothing else.

use super::{Entry, Matrix, formats::said};
use crate::{diff::text::escaped, style::safe};
use std::fmt::Write as _;

/// Arrows from callers to the workloads where they may do anything.
pub(super) fn dot(matrix: &Matrix) -> String {
    let quoted = |text: &str| format!("\"{}\"", safe(text).replace('\\', "\\\\").replace('"', "\\\""));
    let mut out =
        String::from("digraph matrix {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (at, caller) in matrix.callers.iter().enumerate() {
        let _ = writeln!(out, "  c{at} [label={}, style=rounded];", quoted(caller));
    }
    for (number, column) in matrix.columns.iter().enumerate() {
        let _ = writeln!(out, "  w{number} [label={}];", quoted(&column.title()));
        for (at, entry) in column.entries.iter().enumerate() {
            let style = match entry.word {
                "nothing" | "same" | "none" => continue,
                "unknown" => ", style=dashed",
                "everything" => ", penwidth=2",
                _ => "",
            };
            let lines: Vec<String> = said(entry).iter().map(|line| quoted(line)).collect();
            let label: Vec<&str> = lines.iter().map(|line| line.trim_matches('"')).collect();
            let _ = writeln!(out, "  c{at} -> w{number} [label=\"{}\"{style}];", label.join("\\n"));
        }
    }
    out.push_str("}\n");
    out
}

const LINE: usize = 16;
const PADDING: usize = 8;
/// How wide a letter is, about.
const LETTER: usize = 7;
/// Letters of a line; longer ones are cut, and whole in the title.
const LONGEST: usize = 48;

/// A column for each workload, a row for each caller.
pub(super) fn svg(matrix: &Matrix) -> String {
    let cut = |text: &str| match text.chars().count() > LONGEST {
        true => text.chars().take(LONGEST - 1).chain(['…']).collect(),
        false => text.to_owned(),
    };
    let mut columns: Vec<Vec<Vec<String>>> = Vec::new();
    let callers = matrix.callers.iter().map(|name| vec![cut(name)]);
    columns.push(std::iter::once(vec![String::new()]).chain(callers).collect());
    for column in &matrix.columns {
        let name = column.title();
        let cells = column.entries.iter().map(|entry| words(entry).iter().map(|line| cut(line)).collect());
        columns.push(std::iter::once(vec![cut(&name)]).chain(cells).collect());
    }
    let longest = |column: &Vec<Vec<String>>| column.iter().flatten().map(|line| line.chars().count()).max();
    let widths: Vec<usize> =
        columns.iter().map(|column| longest(column).unwrap_or(0) * LETTER + 2 * PADDING).collect();
    let tallest = |row: usize| columns.iter().filter_map(|column| column.get(row)).map(Vec::len).max();
    let heights: Vec<usize> =
        (0..=matrix.callers.len()).map(|row| tallest(row).unwrap_or(1) * LINE + PADDING).collect();
    let (width, height): (usize, usize) = (widths.iter().sum(), heights.iter().sum());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n<title>Who may do what</title>\n"
    );
    let mut left = 0;
    for (at, (column, width)) in columns.iter().zip(&widths).enumerate() {
        let mut top = 0;
        for (row, (lines, height)) in column.iter().zip(&heights).enumerate() {
            let entry = at.checked_sub(1).and_then(|at| matrix.columns.get(at));
            let entry = entry.and_then(|column| column.entries.get(row.checked_sub(1)?));
            let _ = writeln!(
                out,
                "<g><rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"{}\" stroke=\"#bbb\"/>",
                colour(entry)
            );
            if let Some(entry) = entry {
                let _ = writeln!(out, "<title>{}</title>", escaped(&said(entry).join("; ")));
            }
            for (number, line) in lines.iter().enumerate() {
                let (x, y) = (left + PADDING, top + (number + 1) * LINE);
                let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\">{}</text>", escaped(line));
            }
            out.push_str("</g>\n");
            top += height;
        }
        left += width;
    }
    out.push_str("</svg>\n");
    out
}

fn words(entry: &Entry) -> Vec<String> {
    match entry.word {
        "same" | "none" => vec![String::new()],
        _ => said(entry),
    }
}

fn colour(entry: Option<&Entry>) -> &'static str {
    match entry.map(|entry| entry.word) {
        None => "#f4f4f4",
        Some("everything" | "more" | "other") => "#f6d5d0",
        Some("something" | "less") => "#fbf0c8",
        Some("unknown") => "#e4dcf5",
        Some("nothing") => "#dcefdc",
        Some(_) => "#ffffff",
    }
}
