//! `cargo xtask dist`: what is released, in `target/dist`, the same bytes wherever it is made.
//!
//! Nothing in an artefact may tell where or when it was built: paths are replaced at compilation, the one date is that of
//! the commit (or `SOURCE_DATE_EPOCH`), archives have no owners and no times. `--check` builds everything once more in
//! another folder and compares.

mod archive;
mod command_line;
mod image;
mod krew;
mod provenance;
mod sbom;

use crate::{
    filter, module, playground,
    run::{Failure, heading, output},
    setup,
    workspace::Workspace,
};
pub(crate) use command_line::{alone as command_line, gather};
use sbom::Built;
use sha2::{Digest, Sha256};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A file of the release, by its path below the folder.
struct Artefact {
    path: String,
    bytes: Vec<u8>,
}

/// Makes everything; with `check`, a second time from another folder, which must give the same.
pub(crate) fn dist(workspace: &Workspace, check: bool) -> Result<(), Failure> {
    setup::rust_target(workspace, setup::FILTER_TARGET)?;
    let source = Source::of(workspace)?;
    let artefacts = make(workspace, &source)?;
    let folder = workspace.target.join("dist");
    write(&folder, &artefacts)?;
    list(workspace, &folder, &artefacts);
    println!("\nThe image goes to a registry with any tool that reads OCI layouts, one of these:");
    let layout = workspace.show(&folder.join("gnomon-filter-image")).to_string();
    println!("    crane push {layout} REGISTRY/gnomon/filter:{VERSION}");
    println!("    skopeo copy oci:{layout} docker://REGISTRY/gnomon/filter:{VERSION}");
    if check { compare(workspace, &source, &artefacts) } else { Ok(()) }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The modules that are released, each with the features that make it.
const MODULES: &[(&str, &str)] = &[
    ("gnomon-filter", ""),
    // Also checks what Envoy itself does not; twice as large.
    ("gnomon-filter-software-crypto", "software-crypto"),
];

/// All artefacts, in the order in which they are listed. What else is to be released is made here.
fn make(workspace: &Workspace, source: &Source) -> Result<Vec<Artefact>, Failure> {
    let mut artefacts = Vec::new();
    for (name, features) in MODULES {
        heading(&format!("building {name}, free of paths"));
        let wasm = wasm(workspace, features)?;
        artefacts.extend(image::filter(name, &wasm, source));
        let built = Built { package: "gnomon-envoy-filter", features, target: setup::FILTER_TARGET };
        let bill = sbom::bill(workspace, &built, &wasm, source)?;
        artefacts.push(Artefact { path: format!("{name}.cdx.json"), bytes: bill });
        artefacts.push(Artefact { path: format!("{name}.wasm"), bytes: wasm });
    }
    artefacts.extend(native(workspace, source)?);
    artefacts.extend(command_line::make(workspace, source)?);
    artefacts.extend(page(workspace)?);
    artefacts.sort_by(|a, b| a.path.cmp(&b.path));
    artefacts.push(provenance::statement(workspace, "dist", &artefacts, source)?);
    artefacts.push(sums(&artefacts));
    Ok(artefacts)
}

/// The checksums of all, in the form that `sha256sum --check` reads.
fn sums(artefacts: &[Artefact]) -> Artefact {
    let line = |file: &Artefact| format!("{}  {}\n", sha256(&file.bytes), file.path);
    Artefact { path: "SHA256SUMS".into(), bytes: artefacts.iter().map(line).collect::<String>().into_bytes() }
}

/// The native module for both kinds of processors, with its image.
fn native(workspace: &Workspace, source: &Source) -> Result<Vec<Artefact>, Failure> {
    if !cfg!(target_os = "linux") {
        println!("    the native module is only made on Linux");
        return Ok(Vec::new());
    }
    let folder = workspace.target.join("dist-build");
    let (mut artefacts, mut modules) = (Vec::new(), Vec::new());
    for processor in module::PROCESSORS {
        let name = format!("gnomon-envoy-module-{processor}");
        heading(&format!("building {name}, free of paths"));
        let bytes = module::release(workspace, &folder, processor, &without_paths(workspace)?)?;
        let target = module::target(processor);
        let built = Built { package: "gnomon-envoy-module", features: "", target: &target };
        let bill = sbom::bill(workspace, &built, &bytes, source)?;
        artefacts.push(Artefact { path: format!("{name}.cdx.json"), bytes: bill });
        artefacts.push(Artefact { path: format!("{name}.so"), bytes: bytes.clone() });
        modules.push((processor, bytes));
    }
    // Only one of them can be tried where this runs.
    let mut interfaces = modules.iter().map(|(_, bytes)| module::interface(bytes));
    let first = interfaces.next().unwrap_or_default();
    if first.is_empty() || interfaces.any(|other| other != first) {
        return Err(Failure::new("the modules for different processors have different functions for Envoy"));
    }
    artefacts.extend(image::module("gnomon-envoy-module", &modules, source));
    Ok(artefacts)
}

/// This part of a release alone, in `target/dist-module`; the one for our own processor is tried in Envoy.
pub(crate) fn module_alone(workspace: &Workspace) -> Result<(), Failure> {
    let mut artefacts = native(workspace, &Source::of(workspace)?)?;
    artefacts.push(sums(&artefacts));
    let folder = workspace.target.join("dist-module");
    write(&folder, &artefacts)?;
    list(workspace, &folder, &artefacts);
    for processor in module::PROCESSORS {
        let name = format!("gnomon-envoy-module-{processor}.so");
        if !module::tried(workspace, &folder.join(&name))? {
            println!("    {name} is for another processor than this one, and has not been run");
        }
    }
    Ok(())
}

fn list(workspace: &Workspace, folder: &Path, artefacts: &[Artefact]) {
    println!("\n{}:", workspace.show(folder));
    for Artefact { path, bytes } in artefacts {
        println!("    {:>9}  {path}", bytes.len());
    }
}

/// What the artefacts say about where they come from.
struct Source {
    /// RFC 3339.
    date: String,
    /// The commit; empty where there is no repository.
    revision: String,
    /// Whether the work tree differs from it.
    modified: bool,
}

impl Source {
    fn of(workspace: &Workspace) -> Result<Source, Failure> {
        let git = |words: &[&str]| {
            output(Command::new("git").current_dir(&workspace.root).args(words)).unwrap_or_default()
        };
        let epoch = env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| git(&["log", "-1", "--format=%ct"]));
        let seconds = epoch.trim().parse::<u64>().map_err(|_| {
            Failure::new(format!(
                "the date of a release is its commit's, and there is no repository here: set SOURCE_DATE_EPOCH to \
                 seconds since 1970 (it is {epoch:?})"
            ))
        })?;
        let modified = !git(&["status", "--porcelain"]).trim().is_empty();
        Ok(Source {
            date: rfc3339(seconds),
            revision: git(&["rev-parse", "HEAD"]).trim().to_owned(),
            modified,
        })
    }
}

/// The page for browsers, file by file.
fn page(workspace: &Workspace) -> Result<Vec<Artefact>, Failure> {
    let folder = playground::build_release(workspace)?;
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let mut artefacts = Vec::new();
    let mut waiting = vec![folder.clone()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(&folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            artefacts.push(Artefact {
                path: format!("playground/{name}"),
                bytes: fs::read(&path).map_err(failed)?,
            });
        }
    }
    Ok(artefacts)
}

/// Compiler flags that leave no trace of this machine.
pub(crate) fn without_paths(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let home = home.ok_or_else(|| Failure::new("there is no home folder; set CARGO_HOME"))?;
    let mut flags: Vec<String> = Vec::new();
    // The last one that fits is taken: the folder of one registry goes before the home folder that it is in.
    flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
    for registry in fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten() {
        flags.push(format!("--remap-path-prefix={}=/crates", registry.path().display()));
    }
    flags.push(format!("--remap-path-prefix={}=/gnomon", workspace.root.display()));
    Ok(flags)
}

/// The filter without a trace of this machine.
fn wasm(workspace: &Workspace, features: &str) -> Result<Vec<u8>, Failure> {
    let flags = without_paths(workspace)?;
    let quoted: Vec<String> = flags.iter().map(|flag| format!("{flag:?}")).collect();
    // Added to the flags of .cargo/config.toml; RUSTFLAGS would replace them.
    let config = format!("target.{}.rustflags=[{}]", setup::FILTER_TARGET, quoted.join(","));
    // A folder of its own, so that other builds do not have to begin anew.
    let target = workspace.target.join("dist-build");
    filter::make(workspace, &target, &["--config", &config, "--locked", "--features", features])
}

fn write(folder: &Path, artefacts: &[Artefact]) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| failed(folder, error))?;
    }
    for Artefact { path, bytes } in artefacts {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// The same sources in another folder, of another depth, built from nothing.
fn compare(workspace: &Workspace, source: &Source, artefacts: &[Artefact]) -> Result<(), Failure> {
    let elsewhere = env::temp_dir().join(format!("gnomon-dist-{}/a/longer/path", std::process::id()));
    heading(&format!("once more, in {}", elsewhere.display()));
    let again = copy(&workspace.root, &elsewhere).and_then(|()| {
        let copied = Workspace { root: elsewhere.clone(), target: elsewhere.join("target") };
        make(&copied, source)
    });
    if let Some(top) = elsewhere.ancestors().nth(3) {
        let _ = fs::remove_dir_all(top);
    }
    let again = again?;
    let mut different = Vec::new();
    for Artefact { path, bytes } in artefacts {
        if !again.iter().any(|other| other.path == *path && other.bytes == *bytes) {
            different.push(path.as_str());
        }
    }
    println!("\n{} files compared, {} different", artefacts.len(), different.len());
    match different.is_empty() {
        true => Ok(()),
        false => {
            Err(Failure::new(format!("two builds of the same sources differ in {}", different.join(", "))))
        }
    }
}

/// What git knows of, as it is in the work tree.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let list = output(Command::new("git").current_dir(from).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .ok_or_else(|| {
        Failure::new("the check copies what git knows of, and `git ls-files` does not work here")
    })?;
    for name in list.lines() {
        let (source, target) = (from.join(name), to.join(name));
        // Removed and not yet committed.
        if !source.is_file() {
            continue;
        }
        let parent = target.parent().unwrap_or(to);
        fs::create_dir_all(parent)
            .and_then(|()| fs::copy(&source, &target))
            .map_err(|error| Failure::new(format!("cannot copy {name} to {}: {error}", to.display())))?;
    }
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `text` as a JSON string. Nothing here holds control characters.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Seconds since 1970 as a date (the civil calendar from days, after H. Hinnant).
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_256_629, "2026-11-21T10:23:49Z"),
        ] {
            assert_eq!(rfc3339(seconds), date);
        }
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
