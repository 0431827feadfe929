//! The program behind `cargo xtask soak`, for a few seconds.
#![allow(clippy::unwrap_used, reason = "test code may be blunt")]

use std::process::Command;

#[test]
fn a_short_soak_passes_and_says_what_it_saw() {
    let output = Command::new(env!("CARGO_BIN_EXE_soak")).arg("4").output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    for line in [
        "answered 200 200 403 401 403 200 403 without the filter",
        "streams lived through updates, 100 at a time at most",
        "answers altered: 0; connections failed: 0",
        "calls of its that failed: 0",
        "passed",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    // Updates were taken and wrong ones refused while it ran.
    let counts = text.split(" a second; ").nth(1).unwrap();
    assert!(!counts.starts_with('0') && !counts.contains(" 0 wrong"), "{text}");
    let usage = Command::new(env!("CARGO_BIN_EXE_soak")).arg("long").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}
