//! The examples at the end of every command's `--help` and man page. `cli/tests/habits.rs` runs each as it stands, from the
//! root of this repository.

use clap::builder::StyledStr;
use std::fmt::Write as _;

/// A command, and what it does.
pub(crate) type Example = (&'static str, &'static str);

/// By the name of the subcommand; empty: the program's own.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            (
                "gnomon lint examples/service-to-service",
                "what Istio refuses, and what does not say what it seems to say",
            ),
            ("gnomon eval -p docs/first/orders.yaml -X POST --path /orders", "one request"),
            ("gnomon test examples", "all suites below a folder"),
        ],
    ),
    (
        "eval",
        &[
            (
                "gnomon eval -p docs/first/orders.yaml -X POST --path /orders",
                "the one workload that is there",
            ),
            (
                "gnomon eval -p cli/tests/data/shop -w orders --path /orders/1 --principal cluster.local/ns/web/sa/web",
                "as the workload with this identity",
            ),
            (
                "gnomon eval -p examples/end-user-jwt/demo -n istio-system -l app=istio-ingressgateway --proxy gateway -r \
                 examples/end-user-jwt/requests/user-posts.yaml",
                "a request with a token, at a gateway",
            ),
            (
                "gnomon eval -p cli/tests/data/hops --via gateway -r cli/tests/data/hops/user.yaml",
                "through the ingress gateway to the workload",
            ),
            ("gnomon eval -p docs/first/orders.yaml -X POST --exit-code", "denied: exits 1"),
        ],
    ),
    (
        "why",
        &[
            (
                "gnomon why -p cli/tests/data/shop -w orders 'curl -XPOST https://shop.test/orders/1'",
                "from a curl command",
            ),
            ("gnomon why 'RBAC: access denied'", "from the body of a refusal"),
            ("gnomon why 'rbac_access_denied_matched_policy[none]'", "from the details in an access log"),
        ],
    ),
    (
        "drift",
        &[(
            "gnomon drift -p cli/tests/data/drift/policies.yaml --envoy-config cli/tests/data/drift/config_dump.json",
            "what is stale, missing or different: exits 1",
        )],
    ),
    (
        "describe",
        &[
            ("gnomon describe -p cli/tests/data/shop", "all workloads, as a table"),
            ("gnomon describe -p cli/tests/data/shop orders", "one of them"),
            ("gnomon describe -p cli/tests/data/shop -o html", "one page for a browser"),
        ],
    ),
    (
        "diff",
        &[
            ("gnomon diff cli/tests/data/diff/old.yaml cli/tests/data/diff/new.yaml", "two files or folders"),
            (
                "gnomon diff git:HEAD:examples/end-user-jwt/demo examples/end-user-jwt/demo",
                "the last commit and what is in the folder now",
            ),
            (
                "gnomon diff cli/tests/data/diff/old.yaml cli/tests/data/diff/new.yaml --deny-new-access -o markdown",
                "for a pull request; a request is newly allowed: exits 1",
            ),
        ],
    ),
    (
        "init",
        &[
            ("gnomon init -p docs/first/orders.yaml -o -", "to standard output"),
            (
                "gnomon init -p docs/first -o target/orders.gnomon.yaml --force",
                "to a file, whatever it holds",
            ),
        ],
    ),
    (
        "check",
        &[
            (
                "gnomon check cli/tests/data/diff/invariants.yaml -p cli/tests/data/diff/new.yaml",
                "one of them does not hold: exits 1",
            ),
            (
                "gnomon check --use no-plaintext --use only-from:namespaces=admin,jobs -p cli/tests/data/diff/new.yaml",
                "two that most meshes want, without a file",
            ),
            ("gnomon check --library", "what else there is"),
        ],
    ),
    (
        "who-can",
        &[
            ("gnomon who-can GET /reports/x -p cli/tests/data/diff/new.yaml", "everybody who may read it"),
            ("gnomon who-can DELETE -p cli/tests/data/diff/new.yaml --port 8080 -o json", "for programs"),
            (
                "gnomon who-can GET /api/orders/7 --to orders.shop --via gateway -p cli/tests/data/hops",
                "through the ingress gateway",
            ),
        ],
    ),
    (
        "matrix",
        &[
            ("gnomon matrix -p cli/tests/data/diff/new.yaml", "a table"),
            (
                "gnomon matrix -p cli/tests/data/diff/new.yaml --diff cli/tests/data/diff/old.yaml",
                "what has changed, for whom",
            ),
            (
                "gnomon matrix -p cli/tests/data/ports.yaml --by port,path",
                "apart for each port and kind of paths",
            ),
            ("gnomon matrix -p cli/tests/data/diff/new.yaml -o dot", "a drawing, for Graphviz"),
        ],
    ),
    (
        "upgrade",
        &[
            ("gnomon upgrade 1.28 1.32 -p cli/tests/data/diff/dotted.yaml", "what another version changes"),
            (
                "gnomon upgrade 1.28 1.32 -p cli/tests/data/diff/dotted.yaml --exit-code",
                "a verdict changes: exits 1",
            ),
        ],
    ),
    (
        "simplify",
        &[
            ("gnomon simplify cli/tests/data/simplify/policies.yaml", "what would go, and why it can"),
            (
                "gnomon simplify cli/tests/data/simplify/policies.yaml -o markdown --exit-code",
                "for a pull request; something can go: exits 1",
            ),
        ],
    ),
    (
        "test",
        &[
            ("gnomon test examples", "all suites below a folder"),
            ("gnomon test examples/end-user-jwt --filter token --verbose", "some of them, each test named"),
            (
                "gnomon test examples/service-to-service --coverage --fail-under 60",
                "what no test notices, and a failure below 60%",
            ),
            ("gnomon test examples -o junit", "for a CI"),
        ],
    ),
    (
        "lint",
        &[
            ("gnomon lint examples/service-to-service", "a folder"),
            (
                "gnomon lint examples/end-user-jwt --fail-on warning -o sarif",
                "for code scanning; warnings fail too: exits 1",
            ),
            ("gnomon lint --fix --diff cli/tests/data/lower-case.yaml", "what it would mend: exits 1"),
            ("gnomon lint --explain method-case", "what a finding means, with an example"),
        ],
    ),
    (
        "envoy-config",
        &[(
            "gnomon envoy-config -p examples/service-to-service/5-catalog-viewer -n istioinaction -l app=catalog -o yaml",
            "the filters of a sidecar",
        )],
    ),
    (
        "bundle",
        &[(
            "gnomon bundle -p examples/service-to-service/5-catalog-viewer -n istioinaction -l app=catalog --image \
             oci://registry.example.com/gnomon/filter:0.1.0",
            "a WasmPlugin, for kubectl apply",
        )],
    ),
    ("playground", &[("gnomon playground --port 0", "on any free port, until it is stopped")]),
    (
        "completions",
        &[
            ("gnomon completions bash", "in ~/.bashrc: source <(gnomon completions bash)"),
            ("gnomon completions zsh", "into a file _gnomon of a folder in $fpath"),
        ],
    ),
    ("man", &[("gnomon man -o target/man", "the pages of all commands, into a folder")]),
];

/// The command line, each command with its examples below its `--help`.
pub(crate) fn add(mut command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |sub| sub.after_long_help(text(of(&name))));
    }
    command.after_long_help(text(of("")))
}

/// Those of a subcommand, or with an empty name the program's own.
pub(crate) fn of(subcommand: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|(name, _)| *name == subcommand).map_or(&[], |(_, examples)| *examples)
}

fn text(examples: &[Example]) -> StyledStr {
    let mut text = String::from(if examples.is_empty() { "" } else { "EXAMPLES:" });
    for (command, what) in examples {
        let _ = write!(text, "\n  # {what}\n  $ {}", lines(command).join(" \\\n      "));
    }
    text.into()
}

/// A command in lines of at most 88 characters, for a shell to be continued with a backslash; no quoted blank is near
/// enough to the end of a line to be taken apart.
pub(crate) fn lines(command: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in command.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 88 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
