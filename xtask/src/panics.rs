//! Does the filter contain a way into a panic that nobody has argued for?
//!
//! A panic ends the filter's instance: the request that met it is answered with 503, and what comes after passes the
//! filter by. So every call of a panicking function that the compiler has left in the module is looked up in
//! `envoy-filter/panics.txt`, which gives a reason for each. A call that is not listed fails the build.

use crate::run::Failure;
use rustc_demangle::demangle;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use wasmparser::{KnownCustom, Name, Operator, Parser, Payload, TypeRef};

/// What a function that panics is called.
const PANICS: [&str; 9] = [
    "core::panicking::",
    "rust_begin_unwind",
    "::unwrap_failed",
    "::expect_failed",
    "_fail",
    "::panic_already",
    "::handle_error",
    "::handle_alloc_error",
    "::capacity_overflow",
];

/// Checks a module that still has its names against the list.
pub(crate) fn check(module: &[u8], list: &Path) -> Result<(), Failure> {
    let calls =
        calls(module).map_err(|error| Failure::new(format!("cannot look into the filter: {error}")))?;
    if calls.is_empty() {
        return Err(Failure::new("the filter has no names of functions"));
    }
    let text = fs::read_to_string(list)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", list.display())))?;
    let entries = entries(&text);
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for (caller, callee) in &calls {
        let found = entries.iter().position(|(of, by)| matches(of, callee) && matches(by, caller));
        match found {
            Some(entry) => {
                used.insert(entry);
            }
            None => wrong.push(format!("{callee} | {caller}")),
        }
    }
    let unused = entries.iter().enumerate().filter(|(place, _)| !used.contains(place));
    // Which small functions are put into which others changes with every change of the code.
    unused.for_each(|(_, (callee, caller))| println!("    not needed now: {callee} | {caller}"));
    if wrong.is_empty() {
        println!("    {} ways into a panic, all argued for in {}", calls.len(), list.display());
        return Ok(());
    }
    let list = list.display();
    Err(Failure::new(format!(
        "panics (left) and who calls them, not as in {list}:\n  {}",
        wrong.join("\n  ")
    )))
}

/// Callee and caller of every entry; either may end in `*`.
fn entries(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .filter_map(|line| {
            let (callee, caller) = line.split_once(" | ")?;
            Some((callee.trim().to_owned(), caller.trim().to_owned()))
        })
        .collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

fn panics(name: &str) -> bool {
    PANICS.iter().any(|part| name.contains(part))
}

/// Every function that calls one that panics, with that one; but for those that only pass a panic on.
fn calls(bytes: &[u8]) -> wasmparser::Result<BTreeSet<(String, String)>> {
    let mut imported = 0;
    let mut names = BTreeMap::new();
    let mut found = Vec::new();
    let mut defined = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => {
                let caller: u32 = imported + defined;
                defined += 1;
                for operator in body.get_operators_reader()? {
                    if let Operator::Call { function_index } = operator? {
                        found.push((caller, function_index));
                    }
                }
            }
            Payload::CustomSection(section) => {
                let KnownCustom::Name(subsections) = section.as_known() else { continue };
                for subsection in subsections {
                    let Name::Function(map) = subsection? else { continue };
                    for naming in map {
                        let naming = naming?;
                        names.insert(naming.index, format!("{:#}", demangle(naming.name)));
                    }
                }
            }
            _ => {}
        }
    }
    let name = |index| names.get(&index).cloned().unwrap_or_default();
    let pairs = found.into_iter().map(|(caller, callee)| (name(caller), name(callee)));
    Ok(pairs.filter(|(caller, callee)| panics(callee) && !panics(caller)).collect())
}
