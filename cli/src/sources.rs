//! Where the policies come from, for every command alike: files, what tools make of them, a cluster.

use crate::{
    cluster,
    progress::Progress,
    tool::{self, Failure},
};
use gnomon_manifests::{Loaded, Loader, Renderer};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How long `helm` or `kustomize` may take.
const RENDERING: Duration = Duration::from_secs(120);

const HEADING: &str = "Policies";

/// Where the policies come from.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SourceArgs {
    /// Policies and what they are for: a file, a folder, an archive (.tar.gz) or - for standard input; as often as wanted
    #[arg(help_heading = HEADING, short, long = "policies", value_name = "PATH")]
    pub(crate) policies: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) made: MadeArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Of objects of one name take the last one read, as `kubectl apply` does
    #[arg(help_heading = HEADING, long)]
    pub(crate) last_wins: bool,
}

/// What tools make of charts and kustomizations.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct MadeArgs {
    /// Render charts with your `helm template`, and kustomizations with your `kustomize build` or `kubectl kustomize`
    #[arg(help_heading = HEADING, long)]
    render: bool,
    /// Values for the charts; as often as wanted
    #[arg(help_heading = HEADING, long, value_name = "FILE", requires = "render")]
    values: Vec<PathBuf>,
}

/// The cluster that kubectl talks to.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ClusterArgs {
    /// Read the cluster with your `kubectl get`: its policies, workloads and mesh; files given as well replace objects of
    /// their names. Nothing is ever changed there
    #[arg(help_heading = HEADING, long)]
    pub(crate) cluster: bool,
    /// The kubectl context [default: the current one]
    #[arg(help_heading = HEADING, long, value_name = "CONTEXT", requires = "cluster")]
    pub(crate) context: Option<String>,
    /// All namespaces of the cluster; without it and with -n only that one and the root namespace
    #[arg(help_heading = HEADING, short = 'A', long, requires = "cluster")]
    pub(crate) all_namespaces: bool,
    /// How long each call of kubectl may take
    #[arg(help_heading = HEADING, long, value_name = "SECONDS", requires = "cluster", default_value_t = 60)]
    pub(crate) timeout: u64,
}

impl SourceArgs {
    /// Nothing says where policies are.
    pub(crate) fn is_empty(&self) -> bool {
        self.policies.is_empty() && !self.cluster.cluster
    }

    /// There is something to read; if not, says so.
    pub(crate) fn are_given(&self) -> bool {
        if self.is_empty() {
            eprintln!(
                "error: there are no policies: name a file or a folder with -p, or read the cluster with --cluster"
            );
        }
        !self.is_empty()
    }

    /// Everything that the options name. `namespace` is the one of `--namespace`.
    pub(crate) fn load(&self, namespace: Option<&str>) -> Loaded {
        // What is given beside a cluster is what would be applied to it.
        let last_wins = self.last_wins || (self.cluster.cluster && !self.policies.is_empty());
        load(|loader| loader.last_wins(last_wins), &self.policies, &self.made, &self.cluster, namespace)
    }

    /// The options again, as words of a command.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut pair = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        for path in &self.policies {
            pair("-p", &path.to_string_lossy());
        }
        for path in &self.made.values {
            pair("--values", &path.to_string_lossy());
        }
        if let Some(context) = &self.cluster.context {
            pair("--context", context);
        }
        let flags = [
            (self.made.render, "--render"),
            (self.cluster.cluster, "--cluster"),
            (self.cluster.all_namespaces, "-A"),
            (self.last_wins, "--last-wins"),
        ];
        words.extend(flags.iter().filter(|(given, _)| *given).map(|(_, name)| (*name).to_owned()));
        words
    }
}

/// What the loader makes of a cluster, of paths, and of what tools make of them; `set` says what it does with objects of one
/// name.
pub(crate) fn load(
    set: impl for<'l> FnOnce(Loader<'l>) -> Loader<'l>,
    paths: &[PathBuf],
    made: &MadeArgs,
    cluster: &ClusterArgs,
    namespace: Option<&str>,
) -> Loaded {
    let mut progress = Progress::new();
    let mut tools = Tools { values: &made.values, namespace };
    let mut counted = |count: usize| progress.tell(|| format!("reading manifests: {count} files"));
    let mut problems = Vec::new();
    let mut loader = set(Loader::new());
    if cluster.cluster {
        let namespace = namespace.filter(|_| !cluster.all_namespaces);
        cluster::read(&mut loader, cluster, namespace, &mut problems);
    }
    loader = loader.progress(&mut counted);
    if made.render {
        loader = loader.render(&mut tools);
    }
    paths.iter().for_each(|path| loader.path(path));
    let mut loaded = loader.finish();
    loaded.diagnostics.extend(problems);
    loaded
}

/// Helm and kustomize, as they are installed.
#[derive(Debug)]
pub(crate) struct Tools<'a> {
    values: &'a [PathBuf],
    namespace: Option<&'a str>,
}

/// What is said of a tool that is not there.
fn failed(tool: &str, instead: &str, failure: &Failure) -> String {
    match failure {
        Failure::Missing => {
            format!("`{tool}` is not installed: install it, or give what {instead} prints with -p")
        }
        other => format!("`{tool}` failed: {other}"),
    }
}

impl Renderer for Tools<'_> {
    fn chart(&mut self, folder: &Path, name: &str) -> Result<String, String> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let mut arguments = vec!["template".to_owned(), release(name), path(folder)];
        for values in self.values {
            arguments.extend(["--values".to_owned(), path(values)]);
        }
        if let Some(namespace) = self.namespace {
            arguments.push(format!("--namespace={namespace}"));
        }
        tool::run("helm", &arguments, RENDERING)
            .map_err(|failure| failed("helm template", "`helm template`", &failure))
    }

    fn kustomization(&mut self, folder: &Path) -> Result<String, String> {
        let folder = folder.to_string_lossy().into_owned();
        match tool::run("kustomize", &["build".to_owned(), folder.clone()], RENDERING) {
            Err(Failure::Missing) => tool::run("kubectl", &["kustomize".to_owned(), folder], RENDERING)
                .map_err(|failure| failed("kubectl kustomize", "`kustomize build`", &failure)),
            other => other.map_err(|failure| failed("kustomize build", "`kustomize build`", &failure)),
        }
    }
}

/// A name that helm takes: what else is in a chart's would be an option or an error.
fn release(name: &str) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name: String = name.chars().map(|c| c.to_ascii_lowercase()).filter(|c| fits(*c)).take(53).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "release".to_owned() } else { name.to_owned() }
}
