//! `kubectl gnomon`: kubectl runs a program called `kubectl-gnomon`, and people expect it to look at their cluster.

use std::{ffi::OsString, path::Path};

/// The program's name as a plugin.
const NAME: &str = "kubectl-gnomon";
/// Commands that read policies.
const READING: [&str; 9] =
    ["eval", "why", "describe", "check", "who-can", "upgrade", "lint", "envoy-config", "bundle"];
/// Options that say where from.
const SOURCES: [&str; 5] = ["-p", "--policies", "--envoy-config", "--cluster", "--explain"];

/// How the program was called, where it was as a plugin.
pub(crate) fn called(arguments: &[OsString]) -> bool {
    let program = arguments.first().map(Path::new).and_then(Path::file_stem);
    program.is_some_and(|name| name == NAME)
}

/// The arguments with `--cluster`, where they name nothing else to read.
pub(crate) fn with_cluster(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    let reads = arguments.get(1).is_some_and(|command| READING.contains(&text(command).as_str()));
    let says = |word: &OsString| {
        let word = text(word);
        SOURCES.iter().any(|source| {
            let rest = word.strip_prefix(source);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('=') || *source == "-p")
        })
    };
    if reads && !arguments.iter().skip(2).any(says) {
        arguments.insert(2, "--cluster".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::{called, with_cluster};
    use std::ffi::OsString;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn what_a_plugin_reads() {
        for (text, cluster) in [
            ("kubectl-gnomon eval --path /", true),
            ("kubectl-gnomon describe", true),
            ("kubectl-gnomon eval -p a.yaml", false),
            ("kubectl-gnomon eval -pa.yaml", false),
            ("kubectl-gnomon eval --policies=a.yaml", false),
            ("kubectl-gnomon eval --cluster", false),
            ("kubectl-gnomon test", false),
            ("kubectl-gnomon --help", false),
            ("kubectl-gnomon", false),
        ] {
            let given = words(text);
            let mut expected = given.clone();
            if cluster {
                expected.insert(2, "--cluster".into());
            }
            assert_eq!(with_cluster(given), expected, "{text}");
        }
        assert!(
            called(&words("/usr/bin/kubectl-gnomon.exe x")) && !called(&words("gnomon x")) && !called(&[])
        );
    }
}
