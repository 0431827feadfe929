//! Every case of the corpus and the examples, exported to Envoy's configuration and imported again: the verdict must be
//! that of the policies.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may be blunt")]

use gnomon_analysis::{Runner, imported::Proxy};
use gnomon_engine::{
    Mesh, Node, Workload,
    attach::verifies_peers,
    jwt::SoftwareCrypto,
    prepare::ProxySettings,
    request::Protocol,
    verdict::{Missing, Outcome, Report, Stage},
    workload::{ProxyKind, Underscores},
};
use gnomon_envoy_config::{export, import::Imported};
use gnomon_manifests::suite::{Test, find, load};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};

/// 2026-11-21: the clock of requests without a time.
const NOW: i64 = 1_795_000_000;

/// The filters in a listener as a proxy has it.
fn listener(filters: Vec<Value>, protocol: Protocol, test: &Test) -> Value {
    let filters = match protocol {
        Protocol::Tcp => filters,
        Protocol::Http => {
            let gateway = test.workload.proxy == ProxyKind::Gateway;
            let settings = ProxySettings::of(&test.workload, &test.mesh);
            let underscores = match settings.underscores {
                Underscores::Allow => "ALLOW",
                Underscores::Reject => "REJECT_REQUEST",
                Underscores::Drop => "DROP_HEADER",
            };
            vec![json!({ "name": "envoy.filters.network.http_connection_manager", "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "httpFilters": filters,
                "normalizePath": settings.path.normalize,
                "mergeSlashes": settings.path.merge_slashes,
                "pathWithEscapedSlashesAction": settings.path.escaped_slashes,
                "commonHttpProtocolOptions": {"headersWithUnderscoresAction": underscores},
                "useRemoteAddress": gateway,
                "xffNumTrustedHops": if gateway { test.mesh.num_trusted_proxies } else { 0 },
            }})]
        }
    };
    let mut listener = json!({ "name": "l", "filterChains": [{ "filters": filters }] });
    if test.workload.proxy == ProxyKind::Waypoint {
        listener["internalListener"] = json!({});
    }
    listener
}

/// Names in snake case, as Envoy's own examples have them.
fn snake(value: &Value) -> Value {
    let name = |key: &String| {
        let mut out = String::new();
        for character in key.chars() {
            if character.is_ascii_uppercase() {
                out.push('_');
            }
            out.push(character.to_ascii_lowercase());
        }
        out
    };
    match value {
        // Keys of maps are no field names.
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| match key.as_str() {
                "policies" | "providers" => {
                    let entries = value.as_object().unwrap().iter();
                    (key.clone(), entries.map(|(key, value)| (key.clone(), snake(value))).collect())
                }
                _ => (name(key), snake(value)),
            })
            .collect(),
        Value::Array(items) => items.iter().map(snake).collect(),
        other => other.clone(),
    }
}

/// Claims count as well signed, and no key set of a proxy's can say that nobody signs with it.
const UNVERIFIED: &str = "jwt_authn_access_denied{Jwt_verification_fails}";

fn told(report: &Report) -> Value {
    let mut told = serde_json::to_value(report).unwrap();
    let fields = told.as_object_mut().unwrap();
    ["reason", "nearest", "missing"].iter().for_each(|name| _ = fields.remove(*name));
    told
}

fn import(listener: &Value) -> Imported {
    let node: Node = serde_json::from_value(listener.clone()).unwrap();
    Imported::read(&node, &Arc::from("exported"))
}

fn run(folder: &str, at_least: usize) {
    let (files, unread) = find(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)]);
    assert!(unread.is_empty(), "{unread:?}");
    let (mut compared, mut beyond) = (0, 0);
    let mut wrong = Vec::new();
    for file in &files {
        let loaded = load(file).unwrap_or_else(|wrong| panic!("{}: {wrong}", file.display()));
        let mut runner = Runner::new(&SoftwareCrypto, NOW);
        for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
            let native = runner.test(test, resources);
            for (case, native) in test.cases.iter().zip(native.cases) {
                let native = native.report;
                let protocol = case.request.protocol;
                let keys = |missing: &Missing| matches!(missing, Missing::KeySet(_) | Missing::Configuration);
                // Mutual TLS is not in the filters; ztunnel has none; keys that nobody has, istiod replaces by a bad one;
                // what Envoy refuses it does not run.
                if native.stage == Stage::Mtls
                    || resources.requires_tokens()
                    || (case.request.claims.is_some() && native.details.as_deref() == Some(UNVERIFIED))
                    || test.workload.proxy == ProxyKind::Ztunnel
                    || (native.verdict == Outcome::Unknown && native.missing.iter().any(keys))
                    // What is loaded is of one release; what leads to no filters is not in them.
                    || native.missing.contains(&Missing::PatchRelease)
                    || native.reason.contains("the proxy's own port")
                {
                    beyond += 1;
                    continue;
                }
                let filters = export(resources, &test.workload, &test.mesh, protocol);
                let camel = listener(filters, protocol, test);
                for written in [snake(&camel), camel] {
                    let imported = import(&written);
                    let verifies_peers = Some(verifies_peers(resources, &test.workload));
                    let workload = &Workload { verifies_peers, ..Workload::default() };
                    let version = test.mesh.istio_version;
                    let mesh = &Mesh { istio_version: version, ..Mesh::default() };
                    let proxy = Proxy { imported: &imported, listener: None, workload, mesh };
                    let report = proxy.report(&case.request, NOW, &SoftwareCrypto).unwrap();
                    compared += 1;
                    if told(&native) != told(&report) || !imported.findings.is_empty() {
                        wrong.push(format!(
                            "{}: {} [{}]:\n  policies {}\n  imported {}\n  {:?} {:?}",
                            file.display(),
                            test.name,
                            case.variant,
                            told(&native),
                            told(&report),
                            report.missing,
                            imported.findings.first().map(ToString::to_string),
                        ));
                    }
                }
            }
        }
    }
    println!("{compared} compared, {beyond} beyond");
    assert!(wrong.is_empty(), "{} of {compared} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= at_least, "only {compared}");
    assert!(beyond * 5 <= compared, "{beyond} of {compared} left out");
}

#[test]
fn corpus() {
    run("host-tests/corpus", 700);
}

#[test]
fn examples() {
    run("examples", 180);
}
