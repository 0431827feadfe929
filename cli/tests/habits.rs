//! What scripts rely on: exit codes as docs/commands.md has them, and no colour where none is wanted; and that what help,
//! manual pages and completions say is so.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::process::Command;

const GNOMON: &str = env!("CARGO_BIN_EXE_gnomon");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn printed(words: &[&str]) -> String {
    let output = Command::new(GNOMON).args(words).current_dir(ROOT).env("NO_COLOR", "1").output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The names of the subcommands, as `gnomon --help` lists them.
fn subcommands() -> Vec<String> {
    let help = printed(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<String> =
        names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect();
    assert!(names.len() >= 16 && names.contains(&"who-can".to_owned()), "{names:?}");
    names
}

/// The examples below a command's help: what is said of each, and the command.
fn examples(help: &str) -> Vec<(String, String)> {
    let text = help.split("EXAMPLES:\n").nth(1).unwrap_or_default().replace("\\\n      ", "");
    let mut lines = text.lines();
    let mut examples = Vec::new();
    while let (Some(what), Some(command)) = (lines.next(), lines.next()) {
        let what = what.strip_prefix("  # ").unwrap();
        examples.push((what.to_owned(), command.strip_prefix("  $ ").unwrap().to_owned()));
    }
    examples
}

/// Every command has some, and they do what they say, as they stand, where this repository is.
#[test]
fn the_examples_of_help_run() {
    let path = std::path::Path::new(GNOMON).parent().unwrap();
    let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    let mut helps = vec![(String::new(), printed(&["--help"]))];
    helps.extend(subcommands().into_iter().map(|name| (name.clone(), printed(&[&name, "--help"]))));
    for (name, help) in helps {
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{name} has no examples");
        for (what, command) in examples {
            assert!(command.starts_with(format!("gnomon {name}").trim_end()), "{name}: {command}");
            // The page is built apart, and served until it is stopped.
            if name == "playground" {
                continue;
            }
            let mut shell = Command::new("sh");
            shell.args(["-c", &command]).current_dir(ROOT).env("PATH", &path).env("NO_COLOR", "1");
            let output = shell.output().unwrap();
            let expected = i32::from(what.ends_with(": exits 1"));
            let (out, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(expected), "{command}: {err}");
            assert!(!out.is_empty() || command.contains(" -o target/"), "{command} prints nothing");
        }
    }
}

/// The pages have what help has, in their order, and all their lines are roff: a request or text.
#[test]
fn manual_pages_say_what_help_says() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    let _ = std::fs::remove_dir_all(&folder);
    printed(&["man", "--output", folder.to_str().unwrap()]);
    let mut names = subcommands();
    let mut written: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| Some(file.strip_prefix("gnomon-")?.strip_suffix(".1")?.to_owned()))
        .collect();
    names.sort();
    written.sort();
    assert_eq!(written, names);
    for name in names {
        let page = std::fs::read_to_string(folder.join(format!("gnomon-{name}.1"))).unwrap();
        assert_eq!(page, printed(&["man", &name]));
        let plain = page.replace("\\e\n    ", "").replace("\\-", "-").replace("\\(aq", "'");
        for (what, command) in examples(&printed(&[&name, "--help"])) {
            assert!(plain.contains(&format!("\n{what}\n")), "{name}: {what}");
            assert!(plain.contains(&format!("\n{command}\n")), "{name}: {command} in {plain}");
        }
        let sections: Vec<&str> = plain.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert!(
            sections.starts_with(&["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"]),
            "{name}: {sections:?}"
        );
        assert!(
            sections.contains(&"EXAMPLES") && sections.contains(&"\"EXIT STATUS\""),
            "{name}: {sections:?}"
        );
    }
    assert_eq!(code("man nothing"), Some(2));
}

/// In bash, as a person would press the key; the other shells' scripts name every command.
#[test]
fn completions_complete() {
    let complete = |line: &str| {
        let words: Vec<String> = line.split(' ').map(|word| format!("'{word}'")).collect();
        let script = format!(
            "source <('{GNOMON}' completions bash); COMP_WORDS=({}); COMP_CWORD={}; COMP_LINE='{line}'; \
             COMP_POINT={}; _gnomon gnomon '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len() - 1,
            line.len(),
            words.last().unwrap().trim_matches('\''),
            words.get(words.len().wrapping_sub(2)).map_or("", |word| word.trim_matches('\'')),
        );
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("gnomon wh"), ["why", "who-can"]);
    assert_eq!(complete("gnomon ev"), ["eval"]);
    assert_eq!(complete("gnomon lint --fail"), ["--fail-on"]);
    assert_eq!(complete("gnomon lint --fail-on w"), ["warning"]);
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        for name in subcommands() {
            assert!(script.contains(&name), "{shell}: {name}");
        }
    }
}

fn code(words: &str) -> Option<i32> {
    let mut command = Command::new(GNOMON);
    command.args(words.split(' ')).current_dir(ROOT);
    command.output().unwrap().status.code()
}

/// The table of docs/commands.md, below "Exit codes": a code, and commands that end with it.
#[test]
fn exit_codes_are_those_of_the_documentation() {
    let documented = include_str!("../../docs/commands.md").split("## Exit codes").nth(1).unwrap();
    let mut tried = 0;
    for line in documented.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let expected = line.trim_start_matches("| ").split(' ').next().unwrap().parse().unwrap();
        for command in line.split('`').skip(1).step_by(2).filter_map(|words| words.strip_prefix("gnomon ")) {
            assert_eq!(code(command), Some(expected), "{command}");
            tried += 1;
        }
    }
    assert_eq!(tried, 9, "commands of the table");
}

/// Options of a command, each time it is called.
type Lines = &'static [&'static str];

/// What each command exits with, and what makes it: nothing fails, a difference or finding, what cannot be read or asked.
/// Completions and manual pages find nothing; `playground` serves until it is stopped, and only has the last.
const CODES: &[(&str, Lines, Lines, Lines)] = &[
    (
        "eval",
        &["-p docs/first/orders.yaml -X POST"],
        &["-p docs/first/orders.yaml -X POST --exit-code"],
        &["-p nowhere", "-p docs/first -r nowhere"],
    ),
    (
        "why",
        &[
            "rbac_access_denied_matched_policy[none]",
            "-p cli/tests/data/shop -w orders rbac_access_denied_matched_policy[none]",
        ],
        &[],
        &["-p nowhere rbac_access_denied_matched_policy[none]", "nothing-that-is-known"],
    ),
    (
        "describe",
        &["-p cli/tests/data/shop"],
        &[],
        &["-p nowhere", "-p cli/tests/data/shop no-such-workload"],
    ),
    (
        "diff",
        &["cli/tests/data/diff/old.yaml cli/tests/data/diff/new.yaml"],
        &["cli/tests/data/diff/old.yaml cli/tests/data/diff/new.yaml --deny-new-access"],
        &["nowhere docs/first", "git:no-such-commit docs/first", "docs/first docs/first --allow nowhere"],
    ),
    (
        "drift",
        &[],
        &["-p cli/tests/data/drift/policies.yaml --envoy-config cli/tests/data/drift/config_dump.json"],
        &[
            "-p docs/first --envoy-config nowhere",
            "-p nowhere --envoy-config cli/tests/data/drift/config_dump.json",
        ],
    ),
    ("init", &["-p docs/first/orders.yaml -o -"], &[], &["-p nowhere -o -"]),
    (
        "check",
        &["cli/tests/data/diff/invariants.yaml -p cli/tests/data/diff/old.yaml"],
        &["cli/tests/data/diff/invariants.yaml -p cli/tests/data/diff/new.yaml"],
        &["nowhere -p docs/first", "cli/tests/data/diff/invariants.yaml -p nowhere"],
    ),
    ("who-can", &["GET /reports/x -p cli/tests/data/diff/new.yaml"], &[], &["GET / -p nowhere"]),
    ("matrix", &["-p cli/tests/data/diff/new.yaml"], &[], &["-p nowhere"]),
    (
        "upgrade",
        &["1.28 1.32 -p cli/tests/data/diff/dotted.yaml"],
        &["1.28 1.32 -p cli/tests/data/diff/dotted.yaml --exit-code"],
        &["1.28 1.32 -p nowhere", "1.28 later -p docs/first"],
    ),
    (
        "simplify",
        &["cli/tests/data/simplify/policies.yaml", "cli/tests/data/diff/new.yaml --exit-code"],
        &["cli/tests/data/simplify/policies.yaml --exit-code"],
        &["nowhere"],
    ),
    (
        "test",
        &["examples/end-user-jwt"],
        &["cli/tests/data/failing.suite.yaml"],
        &["nowhere", "docs/first", "cli/tests/data/broken.suite.yaml"],
    ),
    (
        "lint",
        &["docs/first"],
        &["cli/tests/data/lower-case.yaml", "cli/tests/data/bad-policies.yaml"],
        &["nowhere", "docs/first --only no-such-lint", "docs/first --config nowhere"],
    ),
    ("envoy-config", &["-p docs/first/orders.yaml -n shop -l app=orders"], &[], &["-p nowhere"]),
    (
        "bundle",
        &[
            "-p examples/service-to-service/5-catalog-viewer -n istioinaction -l app=catalog --image oci://registry.example.com/filter:1",
        ],
        &[],
        &["-p nowhere -n shop --image oci://registry.example.com/filter:1"],
    ),
    ("playground", &[], &[], &["--port none"]),
    ("completions", &["bash"], &[], &["no-such-shell"]),
    ("man", &["eval"], &[], &["no-such-command"]),
];

#[test]
fn every_command_exits_as_documented() {
    let named: Vec<&str> = CODES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(named, subcommands(), "a command without its codes");
    for (name, good, failing, wrong) in CODES {
        for (expected, all) in [(0, good), (1, failing), (2, wrong)] {
            for rest in *all {
                assert_eq!(code(&format!("{name} {rest}")), Some(expected), "gnomon {name} {rest}");
            }
        }
        assert_eq!(code(&format!("{name} --no-such-option")), Some(2), "{name}");
    }
}

/// Of every command, on a terminal: what it finds, and what it says when it cannot.
#[test]
fn no_command_colours_where_none_is_wanted() {
    let script = "
import pty, sys, shlex
for line in sys.stdin:
    sys.stdout.write('\\n@@ ' + line); sys.stdout.flush()
    pty.spawn(shlex.split(line), lambda fd: __import__('os').read(fd, 65536), lambda fd: b'')
";
    let all = CODES.iter().flat_map(|(name, good, failing, wrong)| {
        let lines = good.iter().chain(*failing).chain(wrong.first());
        lines.map(move |rest| format!("{GNOMON} {name} '{}'\n", rest.replace(' ', "' '")))
    });
    let all: String = all.collect();
    let mut python = Command::new("python3");
    python.args(["-c", script]).current_dir(ROOT).env("NO_COLOR", "1").env("TERM", "xterm-256color");
    python.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut running = python.spawn().unwrap();
    std::io::Write::write_all(&mut running.stdin.take().unwrap(), all.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && out.matches("\n@@ ").count() >= 30, "{out}");
    for part in out.split("\n@@ ").skip(1) {
        assert!(part.lines().count() > 1, "nothing was printed: {part}");
        assert!(!part.contains('\u{1b}'), "{part:?}");
    }
}

/// On a terminal, which Python makes.
#[test]
fn colour_is_for_terminals_and_for_those_who_want_it() {
    let script = "import pty,sys,os; os._exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let command = |no_colour: Option<&str>| {
        let mut command = Command::new("python3");
        command.args(["-c", script, GNOMON, "eval", "-p", "docs/first/orders.yaml", "-X", "POST"]);
        command.current_dir(ROOT).env_remove("NO_COLOR");
        no_colour.map(|value| command.env("NO_COLOR", value));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for (value, coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let out = command(value);
        assert!(out.contains("DENY") && out.contains('\u{1b}') == coloured, "{value:?}: {out:?}");
    }
}

/// Whoever closes the pipe has read enough.
#[cfg(unix)]
#[test]
fn a_pipe_that_is_closed_is_no_error() {
    let script =
        format!("{} lint --explain | head -n 1; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_gnomon"));
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && err.is_empty(), "{}{err}", output.status);
}
