//! `gnomon.toml`: what a project says once.

use gnomon_analysis::lint::explain;
use gnomon_engine::{Severity, workload::IstioVersion};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

/// Its name.
const NAME: &str = "gnomon.toml";

/// What is in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Config {
    /// What is read where the command line names nothing; relative to the file's folder, as all paths here.
    pub(crate) paths: Vec<PathBuf>,
    /// Globs of files of which nothing is read.
    exclude: Vec<String>,
    /// A file with the mesh's settings.
    pub(crate) mesh: Option<PathBuf>,
    /// The version of Istio.
    istio_version: Option<String>,
    /// What belongs to the lints.
    pub(crate) lint: Lints,
    /// Others in place of the above, by name.
    environments: BTreeMap<String, Environment>,
    /// Where the file is.
    #[serde(skip)]
    folder: PathBuf,
}

/// `[lint]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Lints {
    /// Lints not to look with.
    pub(crate) disable: Vec<String>,
    /// The only lints to look with.
    pub(crate) only: Vec<String>,
    /// What fails the command.
    pub(crate) fail_on: Option<FailOn>,
    /// Findings that are known.
    pub(crate) baseline: Option<PathBuf>,
    /// How much the findings of a lint matter.
    severity: BTreeMap<String, Level>,
    /// The same for the files below some paths; a later one wins.
    path: Vec<OfPath>,
}

/// `[[lint.path]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OfPath {
    /// A glob.
    path: String,
    severity: BTreeMap<String, Level>,
}

/// `[environments.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Environment {
    paths: Vec<PathBuf>,
    mesh: Option<PathBuf>,
    istio_version: Option<String>,
}

/// How much a finding matters, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warning,
    Hint,
    Off,
}

/// From which severity on the command fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FailOn {
    /// Errors.
    #[default]
    Error,
    /// Warnings, too.
    Warning,
    /// Everything.
    Hint,
    /// Nothing that is found.
    Never,
}

impl Config {
    /// The file named; else `gnomon.toml` of this folder or one above it, up to the repository's; else nothing is said.
    /// What is wrong with it comes in words.
    pub(crate) fn find(named: Option<&Path>) -> Result<Config, String> {
        let file = match named {
            Some(file) => file.to_owned(),
            None => match nearest() {
                Some(file) => file,
                None => return Ok(Config::default()),
            },
        };
        let text = fs::read_to_string(&file).map_err(|wrong| format!("{}: {wrong}", file.display()))?;
        let mut config: Config =
            toml::from_str(&text).map_err(|wrong| format!("{}: {wrong}", file.display()))?;
        let all =
            config.lint.severity.keys().chain(config.lint.path.iter().flat_map(|one| one.severity.keys()));
        if let Some(code) =
            all.chain(&config.lint.disable).chain(&config.lint.only).find(|code| explain(code).is_none())
        {
            return Err(format!(
                "{}: no finding has the code `{code}`; `gnomon lint --explain` lists them",
                file.display()
            ));
        }
        for glob in config.exclude.iter().chain(config.lint.path.iter().map(|one| &one.path)) {
            glob::Pattern::new(glob).map_err(|wrong| format!("{}: `{glob}`: {wrong}", file.display()))?;
        }
        config.folder = file.parent().map(Path::to_owned).unwrap_or_default();
        Ok(config)
    }

    /// With the paths, the mesh and the version of an environment in place of its own.
    pub(crate) fn of(mut self, environment: Option<&str>) -> Result<Config, String> {
        if let Some(name) = environment {
            let Some(found) = self.environments.get(name).cloned() else {
                let known: Vec<&str> = self.environments.keys().map(String::as_str).collect();
                return Err(format!("{NAME} has no environment `{name}`, but: {}", known.join(", ")));
            };
            if !found.paths.is_empty() {
                self.paths = found.paths;
            }
            self.mesh = found.mesh.or(self.mesh);
            self.istio_version = found.istio_version.or(self.istio_version);
        }
        let own = self.paths.iter().map(|path| self.folder.join(path)).collect();
        self.paths = own;
        self.mesh = self.mesh.map(|path| self.folder.join(path));
        self.lint.baseline = self.lint.baseline.map(|path| self.folder.join(path));
        Ok(self)
    }

    /// The version of Istio that it says.
    pub(crate) fn version(&self) -> Result<Option<IstioVersion>, String> {
        let Some(text) = &self.istio_version else { return Ok(None) };
        match IstioVersion::parse(text) {
            Some(version) => Ok(Some(version)),
            None => Err(format!("{NAME}: istio-version `{text}` is not one whose semantics are known")),
        }
    }

    /// Nothing is to be read of a file.
    pub(crate) fn excludes(&self, file: &str) -> bool {
        !self.exclude.is_empty() && self.exclude.iter().any(|glob| matches(glob, &self.relative(file)))
    }

    /// How much a finding of this code in this file matters; `None`: not at all.
    pub(crate) fn severity(&self, code: &str, file: &str, own: Severity) -> Option<Severity> {
        let Lints { severity, path, .. } = &self.lint;
        let mut level = severity.get(code);
        if !path.is_empty() {
            let relative = self.relative(file);
            let of_path = path.iter().filter(|one| matches(&one.path, &relative));
            level = of_path.filter_map(|one| one.severity.get(code)).next_back().or(level);
        }
        match level {
            None => Some(own),
            Some(Level::Error) => Some(Severity::Error),
            Some(Level::Warning) => Some(Severity::Warning),
            Some(Level::Hint) => Some(Severity::Hint),
            Some(Level::Off) => None,
        }
    }

    /// The file as seen from the folder of the configuration.
    fn relative(&self, file: &str) -> String {
        let whole = |path: &Path| {
            env::current_dir().map(|folder| folder.join(path)).unwrap_or_else(|_| path.to_owned())
        };
        let (file, folder) = (whole(Path::new(file)), whole(&self.folder));
        let inside = file.strip_prefix(&folder).unwrap_or(&file);
        inside.to_string_lossy().trim_start_matches("./").replace('\\', "/")
    }
}

/// A glob means what it names and what is below.
fn matches(glob: &str, file: &str) -> bool {
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let fits = |glob: &str| glob::Pattern::new(glob).is_ok_and(|pattern| pattern.matches_with(file, options));
    let glob = glob.trim_end_matches('/');
    fits(glob) || fits(&format!("{glob}/**"))
}

fn nearest() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    for folder in here.ancestors() {
        let file = folder.join(NAME);
        if file.is_file() {
            // As people would name it.
            return Some(if folder == here { PathBuf::from(NAME) } else { file });
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_mean_what_is_below_them() {
        for (glob, file, expected) in [
            ("legacy", "legacy/a/b.yaml", true),
            ("legacy/", "legacy/a.yaml", true),
            ("legacy", "other/legacy/a.yaml", false),
            ("**/charts/**", "a/charts/b.yaml", true),
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a/b.yaml", false),
        ] {
            assert_eq!(matches(glob, file), expected, "{glob} {file}");
        }
    }

    #[test]
    fn a_later_path_wins() {
        let config: Config = toml::from_str(
            "[lint.severity]\nnode-port = 'error'\n[[lint.path]]\npath = 'old'\nseverity = {node-port = 'off'}\n",
        )
        .unwrap();
        assert_eq!(config.severity("node-port", "new/a.yaml", Severity::Warning), Some(Severity::Error));
        assert_eq!(config.severity("node-port", "old/a.yaml", Severity::Warning), None);
        assert_eq!(config.severity("source-nat", "old/a.yaml", Severity::Warning), Some(Severity::Warning));
    }
}
