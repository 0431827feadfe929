//! Texts that people write: manifests, suites, requests, paths and templates.

use crate::requests::several;
use gnomon_engine::{
    Mesh, Node, Plan, Severity, Workload, decode,
    jwt::SoftwareCrypto,
    path::{self, PathHandling},
    prepare::Prepared,
    request::Protocol,
    resource::{Resources, manifest},
    target::Target,
    template::{Template, is_template},
    workload::{PathNormalization, ProxyKind},
};
use gnomon_envoy_config::export;
use gnomon_manifests::{Colour, load_text, parse, request, suite};
use gnomon_oracle::strings;
use std::sync::Arc;

/// Any text as manifests: what is right is planned, exported and asked, and reads back as it was written.
pub fn manifests(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let read = load_text(text, "fuzz.yaml");
    let loaded = read.as_ref().unwrap_or_else(|wrong| &wrong.loaded);
    for found in &loaded.diagnostics {
        assert!(!loaded.render(found, Colour::Always).is_empty());
    }
    if read.is_err() {
        return;
    }
    let written = manifest::manifests(&loaded.resources);
    let (mut again, mut found) = (Resources::default(), Vec::new());
    for manifest in &written {
        let node: Node = serde_json::from_value(manifest.clone()).unwrap();
        decode::object(&node, &Arc::from(""), &mut again, &mut found);
    }
    let errors: Vec<_> = found.iter().filter(|found| found.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(manifest::manifests(&again), written);
    let mesh = Mesh::default();
    for proxy in [ProxyKind::Sidecar, ProxyKind::Gateway, ProxyKind::Waypoint, ProxyKind::Ztunnel] {
        let workload = Workload { proxy, namespace: mesh.root_namespace.clone(), ..Workload::default() };
        let plan = Plan::build(&loaded.resources, &workload, &mesh);
        several(|request| drop(plan.explain(request, &SoftwareCrypto)));
        export(&loaded.resources, &workload, &mesh, Protocol::Http);
        export(&loaded.resources, &workload, &mesh, Protocol::Tcp);
    }
}

/// Any text as a suite; its first cases are run without policies.
pub fn suites(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let file = Arc::from("fuzz.gnomon.yaml");
    let Ok(suite) = suite::from_text(text, &file) else { return };
    for test in suite.tests.iter().take(20) {
        let plan = Plan::build(&Resources::default(), &test.workload, &test.mesh);
        for case in test.cases.iter().take(20) {
            Prepared::new(&case.request, plan.authenticator(), &test.workload, &test.mesh, 0)
                .report(&plan, &SoftwareCrypto);
        }
    }
}

/// Any text as a file of requests.
pub fn requests(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let (documents, _) = parse(text, "fuzz.yaml");
    let (workload, mesh) = (Workload::default(), Mesh::default());
    let plan = Plan::build(&Resources::default(), &workload, &mesh);
    for document in &documents {
        let Ok(requests) = request::requests(&Arc::from("fuzz.yaml"), document) else { continue };
        for request in requests.as_slice().iter().take(20) {
            Prepared::new(request, plan.authenticator(), &workload, &mesh, 0).explain(&plan, &SoftwareCrypto);
        }
    }
}

/// Any target at each level of normalization.
pub fn paths(data: &[u8]) {
    let levels = [
        PathNormalization::None,
        PathNormalization::Base,
        PathNormalization::MergeSlashes,
        PathNormalization::DecodeAndMergeSlashes,
    ];
    for level in levels {
        let handling = PathHandling::from(level);
        if Target::check(b"GET", data).is_err() || !data.starts_with(b"/") {
            continue;
        }
        let Ok(once) = path::normalize(data, &handling) else { continue };
        assert!(once.starts_with(b"/"));
        // A character that no URL may hold becomes an escape of three.
        assert!(once.len() <= data.len() * 3);
        assert!(!once.contains(&b'#'));
        let bare = path::without_query(&once);
        if level != PathNormalization::None {
            let dots = |segment: &[u8]| segment == b"." || segment == b"..";
            assert!(!bare.split(|byte| *byte == b'/').any(dots), "{bare:?}");
            assert!(!bare.contains(&b'\\'));
        }
        // `/a/%2e%2e;x` needs two passes, and so does a `%` that begins no escape.
        let escapes = bare.iter().enumerate().all(|(at, byte)| {
            *byte != b'%' || bare.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        });
        if escapes && !bare.contains(&b';') {
            assert_eq!(path::normalize(&once, &handling).as_deref(), Ok(&*once), "{level:?}");
        }
    }
}

/// A line that is a template, and lines that are paths.
pub fn templates(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let Some(value) = lines.next() else { return };
    let Ok(template) = Template::parse(value) else { return };
    for line in lines {
        let matches = template.matches(line.as_bytes());
        assert!(!matches || template.is_valid());
        if is_template(value) && line.is_ascii() {
            assert_eq!(matches, strings::path(value, line), "{value:?} {line:?}");
        }
    }
}
