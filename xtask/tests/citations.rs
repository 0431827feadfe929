//! No file cites a document, or a heading of one, that does not exist.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test, and the texts are this project's own")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is made, not written.
const GENERATED: [&str; 6] = ["target", "node_modules", ".git", "dist", "pkg", "artifacts"];
/// Files that may cite a document.
const TEXTS: [&str; 11] = ["rs", "ts", "svelte", "md", "toml", "yaml", "yml", "tsv", "txt", "html", "json"];

struct Cited {
    file: PathBuf,
    line: usize,
    what: String,
}

impl Cited {
    fn show(&self, root: &Path) -> String {
        let file = self.file.strip_prefix(root).unwrap_or(&self.file);
        format!("{}:{}: {}", file.display(), self.line, self.what)
    }
}

#[test]
fn every_cited_document_exists() {
    let root = root();
    let mut missing = Vec::new();
    let mut cited = 0;
    for file in texts(&root) {
        // This file cites what is missing on purpose.
        if file.ends_with(file!()) {
            continue;
        }
        let markdown = file.extension().is_some_and(|extension| extension == "md");
        let text = fs::read_to_string(&file).unwrap();
        for (index, line) in text.lines().enumerate() {
            let mut check = |target: &str, heading: Option<Heading<'_>>| {
                cited += 1;
                if let Some(problem) = problem(&root, &file, target, heading) {
                    missing.push(Cited { file: file.clone(), line: index + 1, what: problem }.show(&root));
                }
            };
            if markdown {
                links(line).for_each(|(target, anchor)| check(target, anchor.map(Heading::Anchor)));
            }
            // In code a bare name may be a file that the program writes.
            names(line)
                .filter(|(name, _)| markdown || name.contains('/'))
                .for_each(|(name, heading)| check(name, heading.map(Heading::Text)));
            assert!(!cites_by_number(line), "{}:{}: cites a section by number", file.display(), index + 1);
        }
    }
    assert!(cited > 100, "only {cited} citations found: does this test still look?");
    assert!(missing.is_empty(), "cited, but not there:\n{}", missing.join("\n"));
}

#[test]
fn finds_what_is_missing() {
    let root = root();
    let readme = root.join("README.md");
    assert_eq!(problem(&root, &readme, "docs/formats.md", Some(Heading::Text("Request"))), None);
    assert_eq!(
        problem(&root, &readme, "docs/formats.md", Some(Heading::Anchor("exit-codes-and-output"))),
        None
    );
    assert!(problem(&root, &readme, "docs/formats.md", Some(Heading::Text("Requests"))).is_some());
    assert!(problem(&root, &readme, "docs/formats.md", Some(Heading::Anchor("output"))).is_some());
    assert!(problem(&root, &readme, "docs/format.md", None).is_some());
    let line = r#"/// As in docs/formats.md, "Verdict"; see [x](a.md#b) and `c/d.md`."#;
    assert_eq!(
        names(line).collect::<Vec<_>>(),
        [("docs/formats.md", Some("Verdict")), ("a.md", None), ("c/d.md", None)]
    );
    assert_eq!(links(line).collect::<Vec<_>>(), [("a.md", Some("b"))]);
    assert!(cites_by_number("(formats \u{a7}4)") && !cites_by_number("RFC 8259 \u{a7}7"));
}

#[derive(Clone, Copy)]
enum Heading<'a> {
    /// As in a link.
    Anchor(&'a str),
    /// As in `docs/formats.md, "Request"`.
    Text(&'a str),
}

/// What is wrong with a citation in `file`; `None`: nothing.
fn problem(root: &Path, file: &Path, target: &str, heading: Option<Heading<'_>>) -> Option<String> {
    let found = if target.is_empty() { Some(file.to_path_buf()) } else { resolve(root, file, target) };
    let Some(found) = found else { return Some(format!("{target}: no such file")) };
    let heading = heading?;
    let text = fs::read_to_string(&found).unwrap_or_default();
    let mut headings = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| line.trim_start_matches('#').trim());
    let there = match heading {
        Heading::Text(text) => headings.any(|heading| heading == text),
        Heading::Anchor(anchor) => headings.any(|heading| slug(heading) == anchor),
    };
    let (Heading::Text(name) | Heading::Anchor(name)) = heading;
    (!there).then(|| format!("{target}: no heading {name:?}"))
}

/// Beside the file, in a folder above it (a crate's root), or at the root.
fn resolve(root: &Path, file: &Path, target: &str) -> Option<PathBuf> {
    let above = file.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
    above.map(|folder| folder.join(target)).find(|path| path.exists())
}

/// Relative links of a line of Markdown: the file and the anchor.
fn links(line: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).filter_map(|(target, _)| {
        let relative = !target.contains("://") && !target.starts_with("mailto:") && !target.contains(' ');
        let (file, anchor) =
            target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
        relative.then_some((file, anchor))
    })
}

/// Names of Markdown files in a line, each with the heading that follows it in quotes.
fn names(line: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let part = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    line.match_indices(".md").filter_map(move |(dot, _)| {
        let (before, after) = (&line[..dot], &line[dot + 3..]);
        let start = before
            .rfind(|c| !part(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let name = &line[start..dot + 3];
        // Patterns (`*.md`), other people's pages, and words that only begin alike.
        let foreign =
            before[..start].ends_with(['*', ':', '{', '}', '~', '$', '%']) || name.starts_with(['/', '.']);
        let whole = !after.starts_with(part) || after.starts_with('.') && !after[1..].starts_with(part);
        let heading =
            after.strip_prefix(", \"").and_then(|rest| rest.split_once('"')).map(|(heading, _)| heading);
        (!foreign && whole && dot > start).then_some((name, heading))
    })
}

fn cites_by_number(line: &str) -> bool {
    line.contains(concat!("formats ", "\u{a7}")) || line.contains(concat!("semantics ", "\u{a7}"))
}

/// A heading's anchor, as GitHub makes it.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn texts(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() {
                // Corpora of the fuzzer hold anything.
                let fuzzed = name == "corpus" && folder.ends_with("fuzz");
                if !fuzzed && !GENERATED.contains(&name.as_ref()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| TEXTS.iter().any(|text| *text == e))
                && name != "package-lock.json"
            {
                found.push(path);
            }
        }
    }
    found
}

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}
