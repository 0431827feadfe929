//! `--fix`: writes what findings propose, where nothing else changes by it.
//!
//! A fix is kept only if, with it, its findings are gone, no error is new, and every case of the suites at hand that
//! passed before passes still.

use super::{Looked, look};
use crate::eval::now;
use gnomon_analysis::{
    Runner,
    lint::{self, Finding},
};
use gnomon_engine::{Severity, jwt::SoftwareCrypto};
use gnomon_manifests::{
    Loader, read_file,
    suite::{find, load_texts},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What is written, and what is left as it is.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The texts before and after, by file.
    pub(crate) texts: BTreeMap<Arc<str>, (String, String)>,
    /// The numbers of the findings that are mended.
    pub(crate) mended: BTreeSet<usize>,
    /// Fixes that were not kept, with the reason.
    pub(crate) refused: Vec<String>,
}

/// Tries all fixes together; where that is not right, each lint's by themselves.
pub(crate) fn mend(looked: &Looked<'_>, findings: &[Finding], paths: &[PathBuf]) -> Outcome {
    let with_fix: BTreeSet<usize> = findings
        .iter()
        .enumerate()
        .filter(|(_, found)| !found.fix.is_empty())
        .map(|(number, _)| number)
        .collect();
    let suites = Suites::find(paths);
    let mut outcome = Outcome::default();
    let mut now = BTreeMap::new();
    match attempt(looked, findings, &with_fix, &now, &suites) {
        Ok((texts, mended)) => {
            now = texts;
            outcome.mended = mended;
        }
        Err(_) => {
            let codes: BTreeSet<&str> =
                with_fix.iter().filter_map(|number| Some(findings.get(*number)?.diagnostic.code)).collect();
            for code in codes {
                let of_code = |number: &&usize| {
                    findings.get(**number).is_some_and(|found| found.diagnostic.code == code)
                };
                let numbers: BTreeSet<usize> = with_fix.iter().filter(of_code).copied().collect();
                // Places move with what is written: one file takes the fixes of one lint at a time.
                let touched = |number: &usize| {
                    findings
                        .get(*number)
                        .is_some_and(|found| found.fix.iter().any(|edit| now.contains_key(&edit.file)))
                };
                let numbers: BTreeSet<usize> =
                    numbers.into_iter().filter(|number| !touched(number)).collect();
                if numbers.is_empty() {
                    outcome
                        .refused
                        .push(format!("{code}: another lint's fix changes the same files; run again"));
                    continue;
                }
                match attempt(looked, findings, &numbers, &now, &suites) {
                    Ok((texts, mended)) => {
                        now.extend(texts);
                        outcome.mended.extend(mended);
                    }
                    Err(why) => outcome.refused.push(format!("{code}: {why}")),
                }
            }
        }
    }
    for (file, after) in now {
        let before = read_file(Path::new(&*file)).unwrap_or_default();
        outcome.texts.insert(file, (before, after));
    }
    outcome
}

type Texts = BTreeMap<Arc<str>, String>;

/// The texts with these fixes, and which of them are in; or why they are not right.
fn attempt(
    looked: &Looked<'_>,
    findings: &[Finding],
    numbers: &BTreeSet<usize>,
    already: &Texts,
    suites: &Suites,
) -> Result<(Texts, BTreeSet<usize>), String> {
    let order: Vec<usize> = numbers.iter().copied().collect();
    let chosen: Vec<Finding> = order.iter().filter_map(|number| findings.get(*number).cloned()).collect();
    let text = |file: &str| already.get(file).cloned().or_else(|| read_file(Path::new(file)).ok());
    let fixed = lint::apply(&chosen, &text);
    let mended: BTreeSet<usize> = fixed.mended.iter().filter_map(|at| order.get(*at).copied()).collect();
    if fixed.texts.is_empty() {
        return Err("the values do not stand where they were found".into());
    }
    let mut texts: Texts = already.clone();
    texts.extend(fixed.texts);
    let after = look_at_texts(looked, &texts);
    let errors = |findings: &[Finding]| {
        findings.iter().filter(|found| found.diagnostic.severity == Severity::Error).count()
    };
    if errors(&after) > errors(findings) {
        return Err("there would be another error".into());
    }
    let codes = chosen.iter().map(|found| found.diagnostic.code).collect::<BTreeSet<_>>();
    for code in codes {
        let count =
            |findings: &[Finding]| findings.iter().filter(|found| found.diagnostic.code == code).count();
        let gone = mended
            .iter()
            .filter(|number| findings.get(**number).is_some_and(|found| found.diagnostic.code == code));
        if count(&after) + gone.count() > count(findings) {
            return Err("the finding would still be there".into());
        }
    }
    if let Some(suite) = &suites.untried {
        return Err(format!("{suite} cannot be run with the fix before it is written"));
    }
    match suites.fails_with(&texts) {
        Some(case) => Err(format!("`{case}` passes now, and would fail")),
        None => Ok((texts, mended)),
    }
}

/// What is found where some files have other texts.
fn look_at_texts(looked: &Looked<'_>, texts: &Texts) -> Vec<Finding> {
    let mut loader = Loader::new();
    for file in &looked.loaded.files {
        match texts.get(file).cloned().or_else(|| read_file(Path::new(&**file)).ok()) {
            Some(text) => loader.text(&text, file),
            None => loader.path(Path::new(&**file)),
        }
    }
    let mut loaded = loader.finish();
    let text = |file: &str| texts.get(file).cloned().or_else(|| read_file(Path::new(file)).ok());
    look(&mut loaded, looked.options, &text)
}

/// The suites at hand, and which of their cases pass.
struct Suites {
    files: BTreeMap<String, String>,
    suites: Vec<String>,
    passing: BTreeSet<String>,
    /// A suite that runs from its files, and cannot be run with other texts.
    untried: Option<String>,
}

impl Suites {
    fn find(paths: &[PathBuf]) -> Suites {
        let (found, _) = find(paths);
        let mut suites =
            Suites { files: BTreeMap::new(), suites: Vec::new(), passing: BTreeSet::new(), untried: None };
        for suite in found {
            if let Ok(text) = read_file(&suite) {
                let name = suite.to_string_lossy().into_owned();
                suites.files.insert(name.clone(), text);
                suites.suites.push(name);
            }
        }
        let runs = |name: &&String| {
            suites.load(name, &Texts::new()).is_none()
                && gnomon_manifests::suite::load(Path::new(name)).is_ok()
        };
        suites.untried = suites.suites.iter().find(runs).cloned();
        suites.passing = suites.passed(&Texts::new());
        suites
    }

    /// A case that passes, and does not with these texts.
    fn fails_with(&self, texts: &Texts) -> Option<String> {
        let after = self.passed(texts);
        self.passing.iter().find(|case| !after.contains(*case)).cloned()
    }

    fn passed(&self, texts: &Texts) -> BTreeSet<String> {
        let mut passed = BTreeSet::new();
        for name in &self.suites {
            let Some(loaded) = self.load(name, texts) else { continue };
            let mut runner = Runner::of(&loaded, &SoftwareCrypto, now());
            for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
                let results = runner.test(test, resources);
                let good = test.cases.iter().zip(results.cases).filter(|(_, result)| result.passed());
                passed.extend(good.map(|(case, _)| format!("{name}: {} {}", test.name, case.variant)));
            }
        }
        passed
    }

    /// A suite with the policies that it names as they would be.
    fn load(&self, name: &str, texts: &Texts) -> Option<gnomon_manifests::suite::LoadedSuite> {
        let mut files = self.files.clone();
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        below(folder, &mut files, 0);
        files.extend(
            texts.iter().map(|(file, text)| (file.trim_start_matches("./").to_owned(), text.clone())),
        );
        load_texts(&files, name).ok()
    }
}

/// The manifests below a suite's folder, by their paths.
fn below(folder: &Path, files: &mut BTreeMap<String, String>, depth: usize) {
    const DEEPEST: usize = 16;
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(here) else { return };
    for entry in entries.flatten() {
        let path = folder.join(entry.file_name());
        let is_yaml =
            path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth < DEEPEST {
            below(&path, files, depth + 1);
        } else if is_yaml && let Ok(text) = read_file(&path) {
            files.entry(path.to_string_lossy().into_owned()).or_insert(text);
        }
    }
}

/// A unified difference.
pub(crate) fn difference(file: &str, before: &str, after: &str) -> String {
    // `git apply` takes no `./`.
    let file = file.trim_start_matches("./");
    let (old, new) = (format!("a/{file}"), format!("b/{file}"));
    similar::TextDiff::from_lines(before, after).unified_diff().header(&old, &new).to_string()
}
