//! What real Envoy says that it has loaded, imported: the dump of every example's configuration must give the verdicts of
//! its policies.

use gnomon_analysis::{Runner, imported::Proxy};
use gnomon_engine::{
    Mesh, Workload,
    attach::verifies_peers,
    jwt::SoftwareCrypto,
    prepare::ProxySettings,
    request::Protocol,
    verdict::{Missing, Outcome, Report, Stage},
    workload::{IstioVersion, ProxyKind},
};
use gnomon_envoy_config::{export, import::Imported};
use gnomon_host_tests::{
    Bootstrap, Ca, ClientCert, Envoy, Listener, Names, ServerTls, config::Filters, config::cluster, tokens,
};
use gnomon_manifests::suite::{LoadedSuite, find, load};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// The clusters that filters name, and whether they are asked by gRPC.
fn clusters(value: &Value, found: &mut BTreeMap<String, bool>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("cluster", Some(cluster)) => _ = found.insert(cluster.into(), false),
                    ("clusterName", Some(cluster)) => _ = found.insert(cluster.into(), true),
                    _ => clusters(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| clusters(item, found)),
        _ => {}
    }
}

/// All that a dump can say.
fn told(report: &Report) -> impl PartialEq + std::fmt::Debug {
    let Report { verdict, status, stage, details, policy, dry_run, audit, .. } = report.clone();
    (verdict, status, stage, details, policy, dry_run, audit)
}

/// A case that the dump is asked: the listener's name, the case's, the verdict of the policies.
struct Asked<'s> {
    listener: String,
    name: String,
    version: IstioVersion,
    request: &'s gnomon_manifests::request::RequestSpec,
    expected: Report,
}

#[test]
fn the_dump_gives_the_verdicts_of_the_policies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (files, unread) = find(&[root.join("../examples"), root.join("corpus")]);
    assert!(unread.is_empty(), "{unread:?}");
    let loaded: Vec<LoadedSuite> = files
        .iter()
        .map(|file| load(file).unwrap_or_else(|wrong| panic!("{}: {wrong}", file.display())))
        .collect();
    let ca = Ca::new("cluster.local").unwrap();
    let identity = ca.issue(&Names::principal("cluster.local/ns/web/sa/web")).unwrap();
    let tls = ServerTls { identity, client_ca: ca.pem.clone(), client: ClientCert::Optional };
    let (mut listeners, mut asked) = (Vec::new(), Vec::new());
    let mut named = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let now = tokens::now();
    for (file, suite) in files.iter().zip(&loaded) {
        let mut runner = Runner::new(&SoftwareCrypto, now);
        for (index, (test, resources)) in suite.suite.tests.iter().zip(&suite.resources).enumerate() {
            // Nothing here listens on an internal address, and ztunnel has no filters.
            if matches!(
                test.workload.proxy,
                ProxyKind::Waypoint | ProxyKind::Ztunnel | ProxyKind::Agentgateway
            ) {
                continue;
            }
            let results = runner.test(test, resources).cases;
            for (case, result) in test.cases.iter().zip(results) {
                let protocol = case.request.protocol;
                let unknown_keys = result.report.verdict == Outcome::Unknown
                    && result.report.missing.iter().any(|missing| matches!(missing, Missing::KeySet(_)));
                let filters = export(resources, &test.workload, &test.mesh, protocol);
                // What is loaded is of one release, of an Envoy of today; what leads to no filters is not in them.

                let elsewhere = result.report.missing.contains(&Missing::PatchRelease)
                    || result.report.missing.contains(&Missing::Configuration)
                    || result.report.reason.contains("the proxy's own port")
                    || !verifies_peers(resources, &test.workload);
                // Stated claims stand for a good signature, also by the key that istiod makes up where an issuer leads to
                // none; the policies know that nobody has it, a dump does not tell.
                let invented = case.request.claims.is_some()
                    && result.report.details.as_deref()
                        == Some("jwt_authn_access_denied{Jwt_verification_fails}");
                if result.report.stage == Stage::Mtls
                    || invented
                    || resources.requires_tokens()
                    || unknown_keys
                    || elsewhere
                {
                    continue;
                }
                let suite = file.file_name().unwrap().to_string_lossy();
                let listener = format!("{suite}-{index}-{protocol:?}");
                if seen.insert(listener.clone()) {
                    filters.iter().for_each(|filter| clusters(filter, &mut named));
                    let filters = match protocol {
                        Protocol::Http => Filters::Http(filters),
                        Protocol::Tcp => Filters::Tcp(filters),
                    };
                    listeners.push(Listener {
                        filters,
                        tls: Some(tls.clone()),
                        proxy: test.workload.proxy,
                        // istiod configures hops for gateways only.
                        trusted_hops: match test.workload.proxy {
                            ProxyKind::Gateway => test.mesh.num_trusted_proxies,
                            _ => 0,
                        },
                        path: ProxySettings::of(&test.workload, &test.mesh).path,
                        underscores: ProxySettings::of(&test.workload, &test.mesh).underscores,
                        ..Listener::http(&listener, Vec::new())
                    });
                }
                let name = format!("{} [{}]", test.name, case.variant);
                let version = test.mesh.istio_version;
                asked.push(Asked {
                    listener,
                    name,
                    version,
                    request: &case.request,
                    expected: result.report,
                });
            }
        }
    }
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let clusters = named.iter().map(|(name, grpc)| cluster(name, nowhere, *grpc)).collect();
    let envoy =
        Envoy::start(&Bootstrap { clusters, ..Bootstrap::new(&Workload::default(), listeners) }).unwrap();
    let dump = envoy.admin_get("/config_dump").unwrap();
    drop(envoy);

    let (documents, problems) = gnomon_manifests::parse(&dump, "dump.json");
    assert_eq!(problems, []);
    let imported = Imported::read(documents.first().unwrap(), &Arc::from("dump.json"));
    assert_eq!(imported.listeners.len(), seen.len());
    assert_eq!(imported.findings, [], "everything that istiod writes is evaluated");
    let workload = Workload::default();
    let mut wrong = Vec::new();
    for Asked { listener, name, request, version, expected } in &asked {
        let mesh = Mesh { istio_version: *version, ..Mesh::default() };
        let proxy = Proxy { imported: &imported, listener: Some(listener), workload: &workload, mesh: &mesh };
        let report = proxy.report(request, now, &SoftwareCrypto).unwrap();
        if told(&report) != told(expected) {
            wrong.push(format!(
                "{listener}: {name}:\n  policies {:?}\n  dump {:?} {:?}",
                told(expected),
                told(&report),
                report.missing
            ));
        }
    }
    println!("{} cases against a dump of {} listeners, {} bytes", asked.len(), seen.len(), dump.len());
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), asked.len(), wrong.join("\n"));
    assert!(asked.len() > 300, "{}", asked.len());
}
