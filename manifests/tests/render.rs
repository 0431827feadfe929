//! Diagnostics as people see them.

use gnomon_manifests::{Colour, Loaded, load_text, render};

/// What is read, with or without errors.
fn read_text(text: &str, file: &str) -> Loaded {
    load_text(text, file).unwrap_or_else(|wrong| *wrong.loaded)
}

#[test]
fn with_the_line() {
    let text = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec:\n  rules:\n  \
                - to:\n    - operation: {methods: GET}\n";
    let loaded = read_text(text, "dir/p.yaml");
    assert_eq!(
        loaded.render(&loaded.diagnostics[0], Colour::Never),
        "\
dir/p.yaml:7:28: error[wrong-type]: expected a list of strings, got a string
7 |     - operation: {methods: GET}
  |                            ^^^ AuthorizationPolicy default/p, spec.rules[0].to[0].operation.methods
  |
  = help: put it in brackets: [\"GET\"]
"
    );
}

#[test]
fn without_the_line() {
    let mut found =
        read_text("kind: PeerAuthentication\nmetadata: {name: p}\n", "p.yaml").diagnostics.remove(0);
    assert_eq!(
        render(&found, "", Colour::Never),
        "p.yaml:1:1: error[missing-api-version]: the object has no apiVersion\n  in: PeerAuthentication default/p\n  \
         help: set it to security.istio.io/v1\n"
    );
    found.at = Default::default();
    found.file = "".into();
    assert!(render(&found, "a: b", Colour::Never).starts_with("error[missing-api-version]: "));
}

#[test]
fn odd_places() {
    let mut found = read_text("- 1", "f").diagnostics.remove(0);
    for source in ["", "a", "é\té", "\n\n", "\"", "'é", &"x".repeat(10_000)] {
        for line in 0..4 {
            for column in 0..6 {
                (found.at.line, found.at.column) = (line, column);
                for colour in [Colour::Never, Colour::Always] {
                    let drawn = render(&found, source, colour);
                    assert!(drawn.starts_with("f:"), "{drawn}");
                    assert!(drawn.len() < 1_000, "{drawn}");
                }
            }
        }
    }
}

#[test]
fn colour_is_asked_for() {
    let loaded = read_text("- 1", "f");
    assert!(loaded.render(&loaded.diagnostics[0], Colour::Always).contains('\u{1b}'));
    assert!(!loaded.render(&loaded.diagnostics[0], Colour::Never).contains('\u{1b}'));
}
