//! Helm's charts in a tree, and what `helm template` makes of them.

use crate::{
    input,
    tree::{self, Document, parse},
};
use gnomon_engine::{Node, Position};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many folders above a given one may be the chart that it belongs to.
const ABOVE: usize = 8;

/// A Helm chart whose templates were not rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// Its folder.
    pub folder: String,
    /// The name in `Chart.yaml`; that of the folder, where there is none.
    pub name: String,
    /// How many of its templates make a kind that decides over requests.
    pub policies: usize,
    /// A library: its templates are for other charts.
    pub(crate) library: bool,
}

/// The charts of a tree, by folder.
#[derive(Debug, Default)]
pub(crate) struct Charts(pub(crate) BTreeMap<PathBuf, Chart>);

impl Charts {
    /// Of a folder and the manifests below it.
    pub(crate) fn of(root: &Path, files: &[PathBuf]) -> Self {
        let described = files.iter().filter(|file| name(file) == "Chart.yaml");
        let charts = described.filter_map(|file| Some((file.parent()?.to_path_buf(), chart(file.parent()?))));
        let mut charts = Charts(charts.collect());
        // The folder may be a part of a chart: `templates`.
        let above = fs::canonicalize(root).unwrap_or_default();
        let around = above.ancestors().skip(1).take(ABOVE).find(|folder| folder.join("Chart.yaml").is_file());
        if let Some(around) = around.filter(|_| charts.0.is_empty())
            && let Ok(inner) = above.strip_prefix(around)
            && inner.starts_with("templates")
        {
            charts.0.insert(root.to_path_buf(), chart(around));
        }
        charts
    }

    /// The charts that are in no other one and that make something by themselves.
    pub(crate) fn outermost(&self) -> Vec<(PathBuf, String)> {
        let inside = |folder: &Path| folder.ancestors().skip(1).any(|above| self.0.contains_key(above));
        let own = self.0.iter().filter(|(folder, chart)| {
            !chart.library && !inside(folder) && folder.join("Chart.yaml").is_file()
        });
        own.map(|(folder, chart)| (folder.clone(), chart.name.clone())).collect()
    }

    /// The chart that has this file as a template.
    pub(crate) fn template_of<'f>(&self, file: &'f Path) -> Option<&'f Path> {
        let folder = self.nearest(file)?;
        let inner = file.strip_prefix(folder).ok()?;
        // Where the templates alone were asked for, their folder stands for the chart.
        let inside = inner.starts_with("templates") || folder.join("Chart.yaml").metadata().is_err();
        inside.then_some(folder)
    }

    /// `Chart.yaml`, or values of a chart.
    pub(crate) fn describes_chart(&self, file: &Path) -> bool {
        let folder = self.nearest(file);
        folder.is_some()
            && file.parent() == folder
            && (name(file) == "Chart.yaml" || name(file).starts_with("values"))
    }

    fn nearest<'f>(&self, file: &'f Path) -> Option<&'f Path> {
        if self.0.is_empty() {
            return None;
        }
        file.ancestors().skip(1).find(|folder| self.0.contains_key(*folder))
    }
}

fn chart(folder: &Path) -> Chart {
    let document = first(&folder.join("Chart.yaml"));
    let field = |name: &str| Some(document.as_ref()?.get(name)?.as_str()?.to_owned());
    let of_folder = || folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    Chart {
        folder: folder.to_string_lossy().into_owned(),
        name: field("name").unwrap_or_else(of_folder),
        policies: 0,
        library: field("type").as_deref() == Some("library"),
    }
}

/// The first document of a file, where it can be read.
pub(crate) fn first(file: &Path) -> Option<Node> {
    let text = input::read_file(file).ok()?;
    parse(&text, "").0.into_iter().next()
}

pub(crate) fn name(file: &Path) -> &str {
    file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// A part of what `helm template` printed.
pub(crate) struct Part<'t> {
    /// The template that it comes from: `shop/templates/authz.yaml`, the chart's name first.
    source: Option<&'t str>,
    text: &'t str,
    /// The line of the whole on which it begins, counted from 0.
    line: usize,
}

/// Cuts what `helm template` printed at its documents.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let mut source = None;
    let (mut start, mut offset, mut first) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            found.extend(text.get(start..offset).map(|text| Part { source, text, line: first }));
            (start, first) = (offset, number);
        } else if let Some(path) = line.strip_prefix("# Source: ") {
            source = Some(path.trim());
        }
        offset += line.len();
    }
    found.extend(text.get(start..).map(|text| Part { source, text, line: first }));
    found
}

impl Part<'_> {
    /// The file that it comes from, in the chart's folder.
    pub(crate) fn template(&self, chart: &Path) -> Option<PathBuf> {
        let (_, inner) = self.source?.split_once('/')?;
        let file = chart.join(inner);
        file.is_file().then_some(file)
    }

    /// Its documents, with the places that they have in the template or, where that is not known, in all that was printed.
    pub(crate) fn documents(
        &self,
        template: Option<&str>,
        file: &Arc<str>,
    ) -> (Vec<Document>, Vec<gnomon_engine::Diagnostic>) {
        let (mut documents, mut last) = tree::documents(self.text, file);
        let lines = template.map(|template| origins(self.text, template));
        let place = |at: Position| match &lines {
            _ if at.line == 0 => at,
            Some(lines) => {
                let index = usize::try_from(at.line).unwrap_or(0).saturating_sub(1);
                let (line, exact) = lines.get(index).copied().unwrap_or((1, false));
                Position { line, column: if exact { at.column } else { 1 } }
            }
            None => {
                let above = u32::try_from(self.line).unwrap_or(u32::MAX);
                Position { line: at.line.saturating_add(above), column: at.column }
            }
        };
        for document in &mut documents {
            tree::place(&mut document.node, &place);
            document.problems.iter_mut().for_each(|problem| problem.at = place(problem.at));
        }
        last.iter_mut().for_each(|problem| problem.at = place(problem.at));
        (documents, last)
    }
}

/// For each line that was printed the line of the template that most likely made it, and whether it is the same text.
///
/// Both are gone through side by side: a line that stands in the template comes from there; of another one the key
/// (`paths:`) tells; what neither tells comes from where the line before came from. What a loop prints again is looked for
/// from the template's beginning.
fn origins(printed: &str, template: &str) -> Vec<(u32, bool)> {
    let lines: Vec<&str> = template.lines().collect();
    let key = |line: &str| {
        let line = line.trim().trim_start_matches("- ");
        let (key, _) = line.split_once(':')?;
        (!key.is_empty() && !key.contains(['{', ' ', '"'])).then(|| key.to_owned())
    };
    let mut next = 0;
    let mut last = 0;
    let mut found = Vec::new();
    for line in printed.lines() {
        let text = line.trim();
        let from = |begin: usize, is: &dyn Fn(&str) -> bool| {
            lines.iter().enumerate().skip(begin).find(|(_, line)| is(line)).map(|(number, _)| number)
        };
        let same = |other: &str| !text.is_empty() && other.trim() == text;
        let keyed = key(text);
        let alike = |other: &str| keyed.is_some() && key(other) == keyed;
        let place = from(next, &same)
            .map(|number| (number, true))
            .or_else(|| from(next, &alike).map(|number| (number, false)))
            .or_else(|| from(0, &same).map(|number| (number, true)))
            .or_else(|| from(0, &alike).map(|number| (number, false)));
        let exact = match place {
            Some((number, exact)) => {
                (last, next) = (number, number.saturating_add(1));
                // The same text, but perhaps indented otherwise.
                exact && lines.get(number).is_some_and(|template| *template == line)
            }
            None => false,
        };
        found.push((u32::try_from(last).unwrap_or(u32::MAX).saturating_add(1), exact));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{origins, parts};

    #[test]
    fn lines_of_a_template() {
        let template = "{{- if .Values.on }}\nkind: A\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  rules:\n  \
                        {{- range .Values.paths }}\n  - to:\n    - operation:\n        paths: [{{ . }}]\n  {{- end }}\n{{- \
                        end }}\n";
        let printed = "---\n# Source: c/templates/a.yaml\nkind: A\nmetadata:\n  name: x\nspec:\n  rules:\n  - to:\n    \
                       - operation:\n        paths: [/a]\n  - to:\n    - operation:\n        paths: [/b]\n";
        let found = origins(printed, template);
        let lines: Vec<u32> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 1, 2, 3, 4, 5, 6, 8, 9, 10, 8, 9, 10]);
        assert!(found[2].1 && !found[4].1);
    }

    #[test]
    fn documents_and_their_sources() {
        let text = "---\n# Source: c/templates/a.yaml\na: 1\n---\nb: 2\n---\n# Source: c/charts/d/templates/x.yaml\nc: 3\n";
        let found: Vec<_> = parts(text).iter().map(|part| (part.source, part.line)).collect();
        assert_eq!(
            found,
            [
                (None, 0),
                (Some("c/templates/a.yaml"), 0),
                (Some("c/templates/a.yaml"), 3),
                (Some("c/charts/d/templates/x.yaml"), 5)
            ]
        );
    }
}
