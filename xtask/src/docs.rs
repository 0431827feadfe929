//! `cargo xtask docs`: the outputs that documents show, written anew by the commands that stand above them.
//!
//! A block begins with `<!-- output: COMMAND -->` and ends with `<!-- end -->`; what stands between is replaced by the
//! command and what it printed. `gnomon` is the one built here.

use crate::{
    run::{Failure, heading, run},
    setup,
    workspace::Workspace,
};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const BEGIN: &str = "<!-- output: ";
const END: &str = "<!-- end -->";

/// Rewrites every document.
pub(crate) fn docs(workspace: &Workspace) -> Result<(), Failure> {
    setup::everything(workspace)?;
    run(workspace.cargo().args(["build", "--package", "gnomon"]))?;
    // The reference of attributes, the page's completion and the JSON Schema, from the engine's table.
    let mut reference = workspace.cargo();
    reference.args(["run", "--quiet", "--package", "gnomon-analysis", "--example", "reference", "--"]);
    run(reference.arg(&workspace.root))?;
    let mut files = vec![workspace.root.join("README.md")];
    for folder in ["docs", "examples"] {
        markdown(&workspace.root.join(folder), &mut files)
            .map_err(|error| Failure::new(error.to_string()))?;
    }
    for file in files {
        rewrite(workspace, &file)?;
    }
    Ok(())
}

fn markdown(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            markdown(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn rewrite(workspace: &Workspace, file: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(format!("{}: {error}", file.display()));
    let old = fs::read_to_string(file).map_err(failed)?;
    let mut new = String::new();
    let mut rest = old.as_str();
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let parts =
            after.split_once(" -->").and_then(|(command, after)| Some((command, after.split_once(END)?.1)));
        let Some((command, after)) = parts else {
            return Err(Failure::new(format!("{}: `{BEGIN}` without its `{END}`", file.display())));
        };
        heading(command);
        let printed = output(workspace, command)?;
        new.push_str(&format!(
            "{before}{BEGIN}{command} -->\n```console\n$ {command}\n{printed}\n```\n{END}"
        ));
        rest = after;
    }
    new.push_str(rest);
    if new != old {
        fs::write(file, new).map_err(failed)?;
        println!("    {} rewritten", file.display());
    }
    Ok(())
}

/// Puts figures between the lines ``<!-- figures of `COMMAND` -->`` and `<!-- end -->` of a document.
pub(crate) fn figures(workspace: &Workspace, path: &Path, command: &str, text: &str) -> Result<(), Failure> {
    let wrong = |error: io::Error| Failure::new(format!("{}: {error}", workspace.show(path)));
    let old = fs::read_to_string(path).map_err(wrong)?;
    let begin = format!("<!-- figures of `{command}` -->\n");
    let parts = old.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        return Err(Failure::new(format!("{} lacks the line {begin}or its {END}", workspace.show(path))));
    };
    fs::write(path, format!("{before}{begin}\n{}\n\n{END}{after}", text.trim())).map_err(wrong)?;
    println!("\nwrote {}", workspace.show(path));
    Ok(())
}

/// What the command prints on standard output, without colour and without what xtask says about its own steps.
fn output(workspace: &Workspace, command: &str) -> Result<String, Failure> {
    let path = env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", workspace.target.join("debug").display());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(&workspace.root).env("PATH", path).env("NO_COLOR", "1");
    let output = shell.stderr(Stdio::inherit()).output().map_err(|error| Failure::new(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // The steps come first; what they prepared follows an empty line.
    let shown =
        if text.starts_with("==>") { text.split_once("\n\n").map_or("", |(_, shown)| shown) } else { &text };
    Ok(shown.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_has_its_end() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = vec![root.join("README.md")];
        for folder in ["docs", "examples"] {
            markdown(&root.join(folder), &mut files).unwrap();
        }
        assert!(files.len() > 10, "{files:?}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for block in text.split(BEGIN).skip(1) {
                assert!(block.contains(END), "{}: {}", file.display(), block.lines().next().unwrap_or(""));
            }
        }
    }
}
