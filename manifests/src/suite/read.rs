use super::{MAX_CASES, Sources, Suite, Test, matrix};
use crate::{
    merge::{merged, merged_request},
    request::{finish, strict},
};
use gnomon_engine::order::sort_by;
use gnomon_engine::{
    Diagnostic, Diagnostics, Mesh, Node, Severity, Workload,
    decode::{self, Fields, Reader},
};
use std::sync::Arc;

pub(super) fn suite(file: &Arc<str>, document: &Node) -> Result<Suite, Diagnostics> {
    let reader = Reader::new(file, "");
    let mut found = Vec::new();
    let suite = read(file, &reader, document, &mut found);
    found.splice(0..0, strict(reader.into_diagnostics()));
    match suite {
        Some(suite) if !found.iter().any(|found| found.severity == Severity::Error) => Ok(suite),
        _ => {
            sort_by(&mut found, |a, b| a.at.cmp(&b.at));
            Err(found.into())
        }
    }
}

/// What all tests of the suite share.
struct Shared {
    source: String,
    workload_node: Node,
    mesh_node: Node,
    workload: Arc<Workload>,
    mesh: Arc<Mesh>,
    defaults: Node,
}

fn read(file: &Arc<str>, reader: &Reader, document: &Node, found: &mut Vec<Diagnostic>) -> Option<Suite> {
    let mut fields = reader.root(document).fields()?;
    let name = fields.string("name").map(|text| text.text);
    let description = fields.string("description").map(|text| text.text).unwrap_or_default();
    let source = fields.string("source").map(|text| text.text).unwrap_or_default();
    let sources = sources(&mut fields);
    let envoy_config = fields.string("envoyConfig");
    let listener = fields.string("listener").map(|text| text.text);
    if envoy_config.is_some() && !sources.is_empty() {
        let help = "remove one of them";
        fields.cursor().error("two-sources", "a suite has either policies or `envoyConfig`", help);
    }
    if listener.is_some() && envoy_config.is_none() {
        fields.cursor().error("no-envoy-config", "`listener` is one of `envoyConfig`", "add it");
    }
    let mut section = |name: &'static str| fields.get(name).map(|c| c.node().clone()).unwrap_or(empty());
    let (workload_node, mesh_node, defaults) = (section("workload"), section("mesh"), section("defaults"));
    let shared = Shared {
        source: source.clone(),
        workload: Arc::new(workload(file, "", &workload_node, found)),
        mesh: Arc::new(mesh(file, "", &mesh_node, found)),
        workload_node,
        mesh_node,
        defaults,
    };
    let mut room = MAX_CASES;
    let mut tests = Vec::new();
    match fields.get("tests") {
        Some(list) => {
            let items = list.list().unwrap_or_default();
            if items.is_empty() && list.node().as_list().is_some() {
                list.error("no-tests", "a suite needs at least one test", "");
            }
            for item in items {
                if let Some(fields) = item.fields() {
                    tests.push(test(file, fields, &shared, &mut room, found));
                }
            }
        }
        None => fields.cursor().error(
            "no-tests",
            "a suite needs `tests`",
            "add a list of `- name:`, `request:`, `expect:`",
        ),
    }
    fields.finish();
    let name = name.unwrap_or_else(|| {
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        name.strip_suffix(".gnomon.yaml").unwrap_or(name).into()
    });
    Some(Suite { file: file.clone(), name, description, source, sources, envoy_config, listener, tests })
}

fn test(
    file: &Arc<str>,
    mut fields: Fields<'_>,
    shared: &Shared,
    room: &mut usize,
    found: &mut Vec<Diagnostic>,
) -> Test {
    let at = fields.cursor().at();
    let name = fields.string("name").map(|text| text.text).unwrap_or_else(|| fields.cursor().path());
    let object = format!("test \"{}\"", decode::short(&name));
    let mut words = |name: &'static str| fields.string(name).map(|text| text.text);
    let (why, description, source) = (words("why"), words("description"), words("source"));
    if why.is_some() && description.is_some() {
        fields.cursor().error("two-reasons", "both `why` and `description` are given", "keep `why`");
    }
    let description = why.or(description).unwrap_or_default();
    let source = source.unwrap_or_else(|| shared.source.clone());
    let sources = sources(&mut fields);
    let own_workload = fields.get("workload").map(|cursor| merged(&shared.workload_node, cursor.node()));
    let workload = match own_workload {
        Some(node) => Arc::new(workload(file, &object, &node, found)),
        None => shared.workload.clone(),
    };
    let own_mesh = fields.get("mesh").map(|cursor| merged(&shared.mesh_node, cursor.node()));
    let mesh = match own_mesh {
        Some(node) => Arc::new(mesh(file, &object, &node, found)),
        None => shared.mesh.clone(),
    };
    let request = fields.get("request").map(|cursor| merged_request(&shared.defaults, cursor.node()));
    let request = request.unwrap_or_else(|| shared.defaults.clone());
    let cases = matrix::cases(file, &object, &mut fields, &request, room, found);
    fields.finish();
    Test { at, name, description, source, sources, workload, mesh, cases }
}

fn sources(fields: &mut Fields<'_>) -> Sources {
    let policies = fields.strings("policies");
    let resources = fields.list("resources").into_iter().map(|cursor| cursor.node().clone()).collect();
    Sources { policies, resources }
}

fn empty() -> Node {
    Node { value: gnomon_engine::Value::Map(Vec::new()), at: Default::default() }
}

/// `workload` below its key, strictly.
fn workload(file: &Arc<str>, object: &str, node: &Node, found: &mut Vec<Diagnostic>) -> Workload {
    let reader = Reader::new(file, object);
    let workload = decode::workload_at(reader.at_path(node, "workload"));
    keep(finish(reader, workload), found)
}

/// `mesh` below its key, strictly.
fn mesh(file: &Arc<str>, object: &str, node: &Node, found: &mut Vec<Diagnostic>) -> Mesh {
    let reader = Reader::new(file, object);
    let mesh = decode::mesh_at(reader.at_path(node, "mesh"));
    keep(finish(reader, mesh), found)
}

fn keep<T: Default>(read: Result<T, Diagnostics>, found: &mut Vec<Diagnostic>) -> T {
    read.unwrap_or_else(|problems| {
        found.extend(problems);
        T::default()
    })
}
