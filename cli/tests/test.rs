//! `gnomon test` while somebody writes suites: choosing, stopping, watching, writing what came out.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

const SUITE: &str = "\
name: reading
resources:
- apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: read, namespace: default}
  spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}
tests:
- name: everybody reads
  expect: allow
- name: everybody writes # they should not
  request: {method: POST}
  expect: {verdict: allow, status: 200}
- name: who may do what
  matrix: {method: [GET, PUT]}
  expect: allow
";

fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("test-{name}"));
    let _old = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    files.iter().for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
    command.arg("test").args(arguments).current_dir(folder).env("NO_COLOR", "1");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(folder, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_project_says_where_its_suites_are() {
    let folder = folder("configured", &[("a.gnomon.yaml", SUITE), ("gnomon.toml", "paths = ['other']\n")]);
    let (code, _, errors) = run(&folder, &[]);
    assert!(code == 2 && errors.contains("error: other: "), "{code} {errors}");
    assert_eq!(run(&folder, &["a.gnomon.yaml"]).0, 1, "what is named comes first");
    fs::write(folder.join("gnomon.toml"), "paths = ['a.gnomon.yaml']\n").unwrap();
    let (code, out, _) = run(&folder, &[]);
    assert!(code == 1 && out.contains("a.gnomon.yaml"), "{code} {out}");
    fs::write(folder.join("gnomon.toml"), "pathes = []\n").unwrap();
    let (code, _, errors) = run(&folder, &[]);
    assert!(code == 2 && errors.contains("gnomon.toml") && errors.contains("pathes"), "{code} {errors}");
}

#[test]
fn a_failure_is_told_in_words() {
    let folder = folder("words", &[("a.gnomon.yaml", SUITE)]);
    let (code, out, _) = run(&folder, &[]);
    assert_eq!(code, 1);
    for words in [
        "the request was to be allowed, and is denied with 403",
        "status   expected 200, got 403",
        "nearest: ns[default]-policy[read]-rule[0] would match if method were GET",
        "2 passed, 2 failed in 1 suite",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let (_, markdown, _) = run(&folder, &["-o", "markdown"]);
    assert!(markdown.starts_with("**gnomon test**: 2 passed, 2 failed in 1 suite\n"), "{markdown}");
    assert!(
        markdown.contains("| who may do what [method=PUT]<br>`a.gnomon.yaml:15` | the request was"),
        "{markdown}"
    );
}

#[test]
fn tests_are_chosen_by_name() {
    let folder =
        folder("filter", &[("a.gnomon.yaml", SUITE), ("b.gnomon.yaml", &SUITE.replace("reading", "other"))]);
    for (filter, code, says) in [
        ("everybody READS", 0, "2 passed in 2 suites"),
        ("method=GET", 0, "2 passed in 2 suites"),
        ("b.gnomon", 1, "2 passed, 2 failed in 1 suite"),
        ("writes", 1, "0 passed, 2 failed in 2 suites"),
    ] {
        let (exit, out, _) = run(&folder, &["--filter", filter]);
        assert!(exit == code && out.contains(says), "{filter}: {exit} {out}");
    }
    let (code, _, told) = run(&folder, &["--filter", "nobody"]);
    assert!(code == 2 && told.contains("no test has `nobody` in its name"), "{told}");
}

#[test]
fn results_come_in_the_order_of_the_files_however_many_run_at_once() {
    let names: Vec<String> = (0..40).map(|number| format!("s{number:02}.gnomon.yaml")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), SUITE)).collect();
    let folder = folder("order", &files);
    let (_, out, _) = run(&folder, &[]);
    let told: Vec<&str> =
        out.lines().filter(|line| line.starts_with('✗')).filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(told, names);
    let (code, out, _) = run(&folder, &["--fail-fast"]);
    assert!(code == 1 && out.contains(" suites not run after the failure"), "{out}");
    assert!(out.lines().filter(|line| line.starts_with('✗')).count() < names.len());
}

#[test]
fn what_came_out_is_written_after_it_is_shown() {
    let folder = folder("update", &[("a.gnomon.yaml", SUITE)]);
    let (code, out, told) = run(&folder, &["--update"]);
    assert!(out.contains("2 failed"), "{out}");
    assert!(told.contains("updated what 1 case expect in 1 suite\nleft 1 case as they are"), "{told}");
    assert_eq!(code, 1, "one is left");
    let text = fs::read_to_string(folder.join("a.gnomon.yaml")).unwrap();
    assert_eq!(text, SUITE.replace("{verdict: allow, status: 200}", "{verdict: deny, status: 403}"));
    let (code, out, _) = run(&folder, &[]);
    assert!(code == 1 && out.contains("3 passed, 1 failed"), "{out}");
}

/// Ends with the test, however that ends.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// The lines of a stream as they come.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.take_while(|line| send.send(line.clone()).is_ok()).count()
    });
    receive
}

/// Waits for a line with these words, and not for ever.
fn until(lines: &Receiver<String>, words: &str) -> bool {
    std::iter::from_fn(|| lines.recv_timeout(Duration::from_secs(30)).ok()).any(|line| line.contains(words))
}

#[test]
fn a_change_runs_the_tests_again() {
    let folder = folder("watch", &[("a.gnomon.yaml", SUITE)]);
    let mut child = Watching(
        command(&folder, &["--watch"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
    );
    let told = lines(child.0.stderr.take().unwrap());
    let out = lines(child.0.stdout.take().unwrap());
    assert!(until(&out, "2 passed, 2 failed"));
    assert!(until(&told, "watching 1 file"));
    let changed = SUITE.replace("methods: [GET]", "methods: [GET, POST]");
    fs::write(folder.join("a.gnomon.yaml"), changed).unwrap();
    assert!(until(&out, "3 passed, 1 failed"));
}
