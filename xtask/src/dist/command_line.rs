//! The command line as programs that need nothing else: an archive for each kind of machine.

use super::{
    Artefact, Source,
    archive::{Entry, gzip, tar},
    krew, list, provenance,
    sbom::{self, Built},
    sums, without_paths, write,
};
use crate::{
    run::{Failure, heading, output, run},
    setup,
    workspace::Workspace,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// People download it in every run of a pipeline.
const SIZE_LIMIT: usize = 15_000_000;

/// What a machine of this kind can build: on Linux without a linker of the system's, for both kinds of processors.
const TARGETS: &[&str] = if cfg!(target_os = "linux") {
    &["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"]
} else if cfg!(target_os = "macos") {
    &["x86_64-apple-darwin", "aarch64-apple-darwin"]
} else {
    &["x86_64-pc-windows-msvc"]
};

pub(super) fn archive_name(target: &str) -> String {
    format!("gnomon-{target}.tar.gz")
}

/// This part of a release alone, in `target/dist-command-line`.
pub(crate) fn alone(workspace: &Workspace) -> Result<(), Failure> {
    let source = Source::of(workspace)?;
    let mut artefacts = make(workspace, &source)?;
    artefacts.push(provenance::statement(workspace, "dist --command-line", &artefacts, &source)?);
    artefacts.push(sums(&artefacts));
    let folder = workspace.target.join("dist-command-line");
    write(&folder, &artefacts)?;
    list(workspace, &folder, &artefacts);
    Ok(())
}

/// The archives of several machines in one folder: their manifest for krew, and the checksums of all that is there.
pub(crate) fn gather(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let mut artefacts = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && ![krew::FILE, "SHA256SUMS"].contains(&path.as_str()) {
            artefacts.push(Artefact { path, bytes: fs::read(entry.path()).map_err(failed)? });
        }
    }
    artefacts.sort_by(|a, b| a.path.cmp(&b.path));
    artefacts.push(krew::manifest(&artefacts, &krew::releases()));
    artefacts.push(sums(&artefacts));
    for Artefact { path, bytes } in artefacts.iter().rev().take(2) {
        fs::write(folder.join(path), bytes).map_err(failed)?;
        println!("{}", folder.join(path).display());
    }
    Ok(())
}

/// The archives, a bill of materials for each, and the manifest for krew.
pub(super) fn make(workspace: &Workspace, source: &Source) -> Result<Vec<Artefact>, Failure> {
    let licence = fs::read(workspace.root.join("LICENSE"))
        .map_err(|error| Failure::new(format!("LICENSE: {error}")))?;
    let mut programs = Vec::new();
    for target in TARGETS {
        setup::rust_target(workspace, target)?;
        heading(&format!("building gnomon for {target}, free of paths"));
        let built = program(workspace, target)?;
        if built.bytes.len() > SIZE_LIMIT {
            let (name, size) = (built.name, built.bytes.len());
            return Err(Failure::new(format!("{name} for {target} is {size} bytes, more than {SIZE_LIMIT}")));
        }
        programs.push((target, built));
    }
    // The text is the same everywhere: the program that runs here says it.
    let own = programs.iter().find(|(target, _)| target.starts_with(env::consts::ARCH));
    let (_, own) = own.ok_or_else(|| Failure::new("none of the programs built here runs here"))?;
    let words = words(workspace, &own.path)?;
    let mut artefacts = Vec::new();
    for (target, Program { name, bytes, .. }) in &programs {
        let built = Built { package: "gnomon", features: "", target };
        let bill = sbom::bill(workspace, &built, bytes, source)?;
        let mut files =
            vec![Entry { name: "LICENSE", mode: 0o644, bytes: &licence }, Entry { name, mode: 0o755, bytes }];
        files.extend(words.iter().map(|(name, bytes)| Entry { name, mode: 0o644, bytes }));
        artefacts.push(Artefact { path: format!("gnomon-{target}.cdx.json"), bytes: bill });
        artefacts.push(Artefact { path: archive_name(target), bytes: gzip(&tar(&files)) });
    }
    artefacts.push(krew::manifest(&artefacts, &krew::releases()));
    Ok(artefacts)
}

/// Manual pages and completions, by their paths in the archive: what a package puts below `share`.
fn words(workspace: &Workspace, program: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let silent = |what: &str| Failure::new(format!("{} prints no {what}", program.display()));
    let folder = workspace.target.join("dist-build/man");
    let _ = fs::remove_dir_all(&folder);
    output(Command::new(program).args(["man", "--output"]).arg(&folder))
        .ok_or_else(|| silent("manual pages"))?;
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let mut words = Vec::new();
    for page in fs::read_dir(&folder).map_err(failed)? {
        let page = page.map_err(failed)?;
        let name = format!("man/man1/{}", page.file_name().to_string_lossy());
        words.push((name, fs::read(page.path()).map_err(failed)?));
    }
    for (shell, name) in [("bash", "gnomon.bash"), ("fish", "gnomon.fish"), ("zsh", "_gnomon")] {
        let script = output(Command::new(program).args(["completions", shell]));
        let script = script.ok_or_else(|| silent("completions"))?;
        words.push((format!("completions/{shell}/{name}"), script.into_bytes()));
    }
    words.sort();
    Ok(words)
}

/// A program that was built.
struct Program {
    /// Its file's name on its system.
    name: &'static str,
    path: PathBuf,
    bytes: Vec<u8>,
}

fn program(workspace: &Workspace, target: &str) -> Result<Program, Failure> {
    let name = if target.contains("windows") { "gnomon.exe" } else { "gnomon" };
    let mut flags = without_paths(workspace)?;
    if target.ends_with("musl") {
        // Rust brings the C library and the linker: nothing of this machine gets in, and other processors are no matter.
        flags.extend(["-Clinker=rust-lld".into(), "-Clink-self-contained=yes".into()]);
    }
    let flags: Vec<String> = flags.iter().map(|flag| format!("{flag:?}")).collect();
    let config = format!("target.{target}.rustflags=[{}]", flags.join(","));
    let folder = workspace.target.join("dist-build");
    let mut command = workspace.cargo();
    // They would replace ours.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.args(["build", "--package", "gnomon", "--release", "--locked", "--target", target]);
    command.args(["--config", &config, "--config", "profile.release.strip=true"]);
    run(command.arg("--target-dir").arg(&folder))?;
    let path = folder.join(target).join("release").join(name);
    let bytes = fs::read(&path)
        .map_err(|error| Failure::new(format!("the build left no {}: {error}", path.display())))?;
    Ok(Program { name, path, bytes })
}
