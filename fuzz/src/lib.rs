//! Everything that Gnomon reads from outside, one function for each fuzz target. No input may make one panic, and what
//! else holds for every input is asserted.
//!
//! `fuzz_targets/` calls these under libFuzzer (`cargo xtask fuzz`); the test `fuzz_corpora` of the crate `host-tests` is
//! this very file, and runs the committed corpora through them on stable Rust.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "what a target finds is a panic, and the borrowed modules are used in part"
)]

extern crate alloc;

mod differences;
mod envoy;
mod jwt;
mod requests;
mod text;
mod verdicts;

pub use differences::differences;
pub use envoy::{envoy_configuration, filter_configuration, regexes};
pub use jwt::{key_sets, tokens};
pub use text::{inquiries, manifests, paths, requests, suites, templates};
pub use verdicts::{policies, request_attributes};

/// What is called with any bytes.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("manifests", manifests),
    ("suites", suites),
    ("requests", requests),
    ("inquiries", inquiries),
    ("filter_configuration", filter_configuration),
    ("tokens", tokens),
    ("key_sets", key_sets),
    ("envoy_configuration", envoy_configuration),
    ("request_attributes", request_attributes),
    ("policies", policies),
    ("differences", differences),
    ("paths", paths),
    ("templates", templates),
    ("regexes", regexes),
];

#[cfg(test)]
mod replay {
    use std::{fs, path::Path};

    /// Every input that was ever worth keeping, found ones included.
    #[test]
    fn the_corpora_run_clean() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        for (name, target) in super::TARGETS {
            let folder = fs::read_dir(corpora.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut inputs = 0;
            for entry in folder {
                let path = entry.unwrap().path();
                println!("{}", path.display());
                target(&fs::read(&path).unwrap());
                inputs += 1;
            }
            assert!(inputs >= 10, "{name} has only {inputs} inputs");
        }
    }
}
