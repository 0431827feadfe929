//! What a folder's files are for one another: charts of Helm, patches of kustomize.

use crate::{Chart, input, tree::parse};
use gnomon_engine::Node;
use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

/// How many folders above a given one may be the chart that it belongs to.
const ABOVE: usize = 8;

/// What is around the files of one folder.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// By folder.
    pub(crate) charts: BTreeMap<PathBuf, Chart>,
    /// Files that kustomize lays over objects.
    patches: HashSet<PathBuf>,
}

impl Surroundings {
    /// Of a folder and the manifests below it.
    pub(crate) fn of(root: &Path, files: &[PathBuf]) -> Self {
        let mut surroundings = Surroundings::default();
        for file in files {
            let Some(folder) = file.parent() else { continue };
            match name(file) {
                "Chart.yaml" => surroundings.chart(folder, file),
                "kustomization.yaml" | "kustomization.yml" | "Kustomization" => {
                    surroundings.kustomization(folder, file)
                }
                _ => {}
            }
        }
        // The folder may be a part of a chart: `templates`.
        let above = fs::canonicalize(root).unwrap_or_default();
        let chart = above.ancestors().skip(1).take(ABOVE).find(|folder| folder.join("Chart.yaml").is_file());
        if let Some(chart) = chart.filter(|_| surroundings.charts.is_empty())
            && let Ok(inner) = above.strip_prefix(chart)
            && inner.starts_with("templates")
        {
            let read = described(chart, &chart.join("Chart.yaml"));
            surroundings.charts.insert(root.to_path_buf(), read);
        }
        surroundings
    }

    fn chart(&mut self, folder: &Path, file: &Path) {
        self.charts.insert(folder.to_path_buf(), described(folder, file));
    }

    fn kustomization(&mut self, folder: &Path, file: &Path) {
        let Some(document) = first(file) else { return };
        let list = |name: &str| document.get(name).and_then(Node::as_list).unwrap_or_default();
        let written = list("patchesStrategicMerge").iter().filter_map(Node::as_str);
        let named = ["patches", "patchesJson6902"].into_iter().flat_map(list);
        let named = named.filter_map(|patch| patch.get("path").and_then(Node::as_str));
        // Some are written in the kustomization itself: they are no paths.
        let paths = written.chain(named).filter(|path| !path.contains('\n'));
        self.patches.extend(paths.filter_map(|path| fs::canonicalize(folder.join(path)).ok()));
    }

    pub(crate) fn is_patch(&self, file: &Path) -> bool {
        !self.patches.is_empty() && fs::canonicalize(file).is_ok_and(|file| self.patches.contains(&file))
    }

    /// The chart that has this file as a template.
    pub(crate) fn template_of(&mut self, file: &Path) -> Option<&mut Chart> {
        let folder = self.nearest(file)?.to_path_buf();
        let inner = file.strip_prefix(&folder).ok()?;
        // Where the templates alone were asked for, their folder stands for the chart.
        let inside = inner.starts_with("templates") || folder.join("Chart.yaml").metadata().is_err();
        self.charts.get_mut(&folder).filter(|_| inside)
    }

    /// `Chart.yaml`, or values of a chart.
    pub(crate) fn describes_chart(&self, file: &Path) -> bool {
        let folder = self.nearest(file);
        folder.is_some()
            && file.parent() == folder
            && (name(file) == "Chart.yaml" || name(file).starts_with("values"))
    }

    fn nearest<'f>(&self, file: &'f Path) -> Option<&'f Path> {
        if self.charts.is_empty() {
            return None;
        }
        file.ancestors().skip(1).find(|folder| self.charts.contains_key(*folder))
    }
}

fn described(folder: &Path, file: &Path) -> Chart {
    let written = first(file).and_then(|document| Some(document.get("name")?.as_str()?.to_owned()));
    let of_folder = || folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    let name = written.unwrap_or_else(of_folder);
    Chart { folder: folder.to_string_lossy().into_owned(), name, policies: 0 }
}

/// The first document of a file, where it can be read.
fn first(file: &Path) -> Option<Node> {
    let text = input::read_file(file).ok()?;
    parse(&text, "").0.into_iter().next()
}

fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
