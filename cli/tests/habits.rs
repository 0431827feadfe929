//! What scripts rely on: exit codes as docs/commands.md has them, and no colour where none is wanted.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::process::Command;

const GNOMON: &str = env!("CARGO_BIN_EXE_gnomon");

fn code(words: &str) -> Option<i32> {
    let mut command = Command::new(GNOMON);
    command.args(words.split(' ')).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
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

/// On a terminal, which Python makes.
#[test]
fn colour_is_for_terminals_and_for_those_who_want_it() {
    let script = "import pty,sys,os; os._exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let command = |no_colour: Option<&str>| {
        let mut command = Command::new("python3");
        command.args(["-c", script, GNOMON, "eval", "-p", "docs/first/orders.yaml", "-X", "POST"]);
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).env_remove("NO_COLOR");
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
