//! `cargo xtask test`: everything that has to hold, in one go.

use crate::{
    dependencies, filter, instructions, module, playground,
    run::{Failure, Steps, Tally, count, run},
    setup,
    workspace::Workspace,
};

const PAGE: &str = "the playground, in Chromium";

/// The page's tests alone.
pub(crate) fn playground(workspace: &Workspace) -> Result<(), Failure> {
    let mut steps = Steps::default();
    steps.tests(PAGE, |tests| page(workspace, tests));
    steps.finish()
}

fn page(workspace: &Workspace, tests: &mut Tally) -> Result<(), Failure> {
    playground::build(workspace)?;
    playground::test(workspace, tests)
}

/// Runs every step, whatever became of the others, and says at the end what failed.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Failure> {
    let envoy = setup::everything(workspace)?;
    let cargo = |words: &[&str]| run(workspace.cargo().args(words));
    let mut steps = Steps::default();

    steps.step("formatting", || {
        cargo(&["fmt", "--all", "--check"])?;
        cargo(&["fmt", "--manifest-path", "benches/Cargo.toml", "--check"])
    });
    steps.step("lints", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]));

    // A workspace of its own, which no build here looks at: this fails where the lock file has been left behind.
    steps.step("the lock file of the fuzz targets", || {
        cargo(&["fetch", "--quiet", "--locked", "--manifest-path", "fuzz/Cargo.toml"])
    });

    steps.step("licences and sources of dependencies", || dependencies::check(workspace));
    steps.step("the oldest Rust that is promised", || dependencies::oldest_rust(workspace));

    let packages = ["--package", "gnomon-engine", "--package", "gnomon-envoy-config"];
    let no_std = [&["build"], &packages[..], &["--no-default-features", "--target"]].concat();
    steps.step("the engine and Envoy's configuration without std", || {
        cargo(&[&no_std[..], &[setup::NO_STD_TARGET]].concat())?;
        // The proof stands with the first; this one is a courtesy where it can be had.
        match setup::rust_target(workspace, setup::NO_STD_EXTRA) {
            Ok(()) => cargo(&[&no_std[..], &[setup::NO_STD_EXTRA]].concat()),
            Err(failure) => {
                println!("    not built for {}: {failure}", setup::NO_STD_EXTRA);
                Ok(())
            }
        }
    });

    steps.step("the command line for Apple and Windows", || {
        for target in setup::OTHER_SYSTEMS {
            match setup::rust_target(workspace, target) {
                Ok(()) => cargo(&["check", "--quiet", "--package", "gnomon", "--target", target])?,
                Err(failure) => println!("    not checked for {target}: {failure}"),
            }
        }
        Ok(())
    });

    let mut wasm = None;
    steps.step("the filter for Envoy", || {
        wasm = Some(filter::build(workspace)?);
        filter::build_software_crypto(workspace)?;
        let filter =
            ["--package", "gnomon-envoy-filter", "--target", setup::FILTER_TARGET, "--", "-D", "warnings"];
        cargo(&[&["clippy"][..], &filter].concat())
    });
    let mut native = None;
    steps.step("the native module for Envoy", || {
        native = Some(module::build(workspace)?);
        Ok(())
    });
    steps.tests(PAGE, |tests| page(workspace, tests));
    steps.step("instructions of hot paths", || instructions::check(workspace));
    steps.tests("tests", |tests| {
        let mut command = workspace.cargo();
        command.args(["test", "--workspace", "--no-fail-fast"]).env("GNOMON_ENVOY", &envoy);
        // Without the filter the tests that need it fail and say so; the others still tell something.
        if let Some(wasm) = &wasm {
            command.env("GNOMON_FILTER_WASM", wasm);
        }
        if let Ok(promtool) = setup::promtool(workspace) {
            command.env("GNOMON_PROMTOOL", promtool);
        }
        count(&mut command, tests)
    });
    // What the wasm filter has just done in real Envoy, once more with the native module.
    steps.tests("the native module in real Envoy", |tests| {
        let Some(native) = &native else { return Err(Failure::new("the module was not built")) };
        let mut command = workspace.cargo();
        command.args(["test", "--package", "gnomon-host-tests", "--no-fail-fast"]);
        command.args(["--test", "envoy_filter", "--test", "envoy_judge"]);
        count(command.env("GNOMON_ENVOY", &envoy).env("GNOMON_FILTER_WASM", native), tests)
    });
    steps.finish()
}
