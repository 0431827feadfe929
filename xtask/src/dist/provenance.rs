//! Where the artefacts come from: an in-toto statement (v1) with the predicate SLSA provenance (v1).
//!
//! It is not signed here: the release workflow has GitHub attest the same files, with its own identity as the builder.

use super::{Artefact, Source, VERSION, quote, sha256};
use crate::{
    run::{Failure, output},
    workspace::Workspace,
};
use std::{collections::BTreeMap, env, fs, process::Command};

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// What `cargo xtask dist` means by its parameters.
const BUILD_TYPE: &str = "urn:gnomon:build:cargo-xtask-dist:v1";
/// Whoever ran the command, on a machine that nobody vouches for.
const LOCAL: &str = "urn:gnomon:builder:local";

/// The statement about these artefacts, made by `cargo xtask COMMAND`.
pub(super) fn statement(
    workspace: &Workspace,
    command: &str,
    artefacts: &[Artefact],
    source: &Source,
) -> Result<Artefact, Failure> {
    let lock = fs::read(workspace.root.join("Cargo.lock"))
        .map_err(|error| Failure::new(format!("Cargo.lock: {error}")))?;
    let rustc = output(Command::new("rustc").current_dir(&workspace.root).arg("--version"));
    let rustc = rustc.ok_or_else(|| Failure::new("`rustc --version` does not run"))?;
    let made =
        Made { command, lock: &sha256(&lock), rustc: rustc.trim(), github: github(&env::vars().collect()) };
    let text = write(&made, artefacts, source);
    // The statements of several machines lie in one folder in the end.
    let path = format!("gnomon-{}-{}.intoto.json", env::consts::OS, env::consts::ARCH);
    Ok(Artefact { path, bytes: text.into_bytes() })
}

/// What is known of the run.
struct Made<'a> {
    command: &'a str,
    lock: &'a str,
    rustc: &'a str,
    github: Option<GitHub>,
}

/// A run of GitHub's.
struct GitHub {
    repository: String,
    reference: String,
    workflow: String,
    run: String,
}

/// From the variables that GitHub sets for a step.
fn github(variables: &BTreeMap<String, String>) -> Option<GitHub> {
    let get = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    get("GITHUB_ACTIONS")?;
    let repository = format!("{}/{}", get("GITHUB_SERVER_URL")?, get("GITHUB_REPOSITORY")?);
    let attempt = get("GITHUB_RUN_ATTEMPT").map_or("1", String::as_str);
    Some(GitHub {
        run: format!("{repository}/actions/runs/{}/attempts/{attempt}", get("GITHUB_RUN_ID")?),
        workflow: format!("{}/{}", get("GITHUB_SERVER_URL")?, get("GITHUB_WORKFLOW_REF")?),
        reference: get("GITHUB_REF")?.clone(),
        repository,
    })
}

fn write(made: &Made<'_>, artefacts: &[Artefact], source: &Source) -> String {
    let subjects: Vec<String> = artefacts
        .iter()
        .map(|file| {
            let (name, digest) = (quote(&file.path), sha256(&file.bytes));
            format!("    {{\"name\": {name}, \"digest\": {{\"sha256\": \"{digest}\"}}}}")
        })
        .collect();
    let github = made.github.as_ref();
    let repository =
        github.map_or("git+file:.".to_owned(), |run| format!("git+{}@{}", run.repository, run.reference));
    let mut materials = Vec::new();
    if !source.revision.is_empty() {
        // What a work tree holds beside its commit is said, so that nobody takes the one for the other.
        let modified = if source.modified { ", \"annotations\": {\"modified\": true}" } else { "" };
        materials.push(format!(
            "        {{\"uri\": {}, \"digest\": {{\"gitCommit\": {}}}{modified}}}",
            quote(&repository),
            quote(&source.revision)
        ));
    }
    materials.push(format!(
        "        {{\"name\": \"Cargo.lock\", \"digest\": {{\"sha256\": {}}}}}",
        quote(made.lock)
    ));
    let builder = github.map_or(LOCAL, |run| &run.workflow);
    let metadata = github
        .map(|run| format!(",\n      \"metadata\": {{\"invocationId\": {}}}", quote(&run.run)))
        .unwrap_or_default();
    format!(
        "{{\n  \"_type\": \"{STATEMENT}\",\n  \"subject\": [\n{}\n  ],\n  \"predicateType\": \"{PREDICATE}\",\n  \
         \"predicate\": {{\n    \"buildDefinition\": {{\n      \"buildType\": \"{BUILD_TYPE}\",\n      \
         \"externalParameters\": {{\"command\": {}, \"version\": \"{VERSION}\"}},\n      \
         \"internalParameters\": {{\"rustc\": {}, \"sourceDate\": {}}},\n      \"resolvedDependencies\": [\n{}\n      ]\n    \
         }},\n    \"runDetails\": {{\n      \"builder\": {{\"id\": {}}}{metadata}\n    }}\n  }}\n}}\n",
        subjects.join(",\n"),
        quote(&format!("cargo xtask {}", made.command)),
        quote(made.rustc),
        quote(&source.date),
        materials.join(",\n"),
        quote(builder),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn stated(github: Option<GitHub>, source: &Source) -> Value {
        let artefacts = [Artefact { path: "gnomon.wasm".into(), bytes: b"abc".to_vec() }];
        let made = Made { command: "dist", lock: "12", rustc: "rustc 1.95.0", github };
        serde_json::from_str(&write(&made, &artefacts, source)).expect("JSON")
    }

    /// Against <https://slsa.dev/spec/v1.0/provenance>: the fields that have to be there, and what verifiers compare.
    #[test]
    fn a_run_of_githubs_is_the_builder() {
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_REF", "refs/tags/v1.0.0"),
            ("GITHUB_WORKFLOW_REF", "o/r/.github/workflows/release.yml@refs/tags/v1.0.0"),
            ("GITHUB_RUN_ID", "7"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let source = Source { date: "2026-01-02T03:04:05Z".into(), revision: "abc".into(), modified: false };
        let statement = stated(github(&variables), &source);
        assert_eq!(
            statement,
            json!({
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{
                    "name": "gnomon.wasm",
                    "digest": {"sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                }],
                "predicateType": "https://slsa.dev/provenance/v1",
                "predicate": {
                    "buildDefinition": {
                        "buildType": BUILD_TYPE,
                        "externalParameters": {"command": "cargo xtask dist", "version": VERSION},
                        "internalParameters": {"rustc": "rustc 1.95.0", "sourceDate": "2026-01-02T03:04:05Z"},
                        "resolvedDependencies": [
                            {"uri": "git+https://github.com/o/r@refs/tags/v1.0.0", "digest": {"gitCommit": "abc"}},
                            {"name": "Cargo.lock", "digest": {"sha256": "12"}},
                        ],
                    },
                    "runDetails": {
                        "builder": {"id": "https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1.0.0"},
                        "metadata": {"invocationId": "https://github.com/o/r/actions/runs/7/attempts/1"},
                    },
                },
            })
        );
    }

    #[test]
    fn a_work_tree_says_that_it_is_one() {
        let source = Source { date: String::new(), revision: "abc".into(), modified: true };
        let statement = stated(github(&BTreeMap::new()), &source);
        let predicate = &statement["predicate"];
        assert_eq!(predicate["runDetails"], json!({"builder": {"id": LOCAL}}));
        assert_eq!(
            predicate["buildDefinition"]["resolvedDependencies"][0],
            json!({"uri": "git+file:.", "digest": {"gitCommit": "abc"}, "annotations": {"modified": true}})
        );
    }
}
