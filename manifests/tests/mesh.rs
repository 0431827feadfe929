//! Workloads and meshes.

use gnomon_engine::{
    Diagnostic, Mesh, Workload, decode,
    workload::{
        ConnectionSettings, EscapedSlashes, IstioVersion, PathNormalization, ProviderKind, ProxyKind,
        Underscores,
    },
};
use gnomon_manifests::parse;

fn mesh(text: &str) -> (Mesh, Vec<Diagnostic>) {
    let (nodes, mut problems) = parse(text, "m");
    let mesh = decode::mesh(nodes.first().unwrap_or(&Default::default()), &"m".into(), &mut problems);
    (mesh, problems)
}

fn workload(text: &str) -> (Workload, Vec<Diagnostic>) {
    let (nodes, mut problems) = parse(text, "w");
    let workload = decode::workload(nodes.first().unwrap_or(&Default::default()), &"w".into(), &mut problems);
    (workload, problems)
}

#[test]
fn defaults() {
    for text in ["", "{}", "mesh: {}", "mesh:", "workload: {name: a}"] {
        assert_eq!(mesh(text), (Mesh::default(), vec![]), "{text:?}");
    }
    for text in ["", "{}", "workload: {}", "workload:", "mesh: {trustDomain: a}"] {
        assert_eq!(workload(text), (Workload::default(), vec![]), "{text:?}");
    }
}

#[test]
fn everything() {
    let (read, problems) = workload(
        "workload:\n  name: webapp\n  namespace: ns\n  labels: {b: c, a: d}\n  serviceAccount: sa\n  proxy: waypoint\n  \
         services: [webapp, other/x]\n  peerVerification: none\n  connectionSettings: {profile: EDGE, httpIdleTimeout: 1h, \
         httpMergeSlashes: false, httpPathWithEscapedSlashesAction: REJECT_REQUEST}\nmesh: {}\n",
    );
    assert_eq!(problems, []);
    let labels = vec![("a".to_string(), "d".to_string()), ("b".to_string(), "c".to_string())];
    let wanted = Workload {
        name: "webapp".into(),
        namespace: "ns".into(),
        labels,
        service_account: "sa".into(),
        proxy: ProxyKind::Waypoint,
        services: vec!["webapp".into(), "other/x".into()],
        verifies_peers: Some(false),
        connection_settings: Some(ConnectionSettings {
            edge: true,
            merge_slashes: Some(false),
            escaped_slashes: Some(EscapedSlashes::Reject),
            underscores: None,
        }),
    };
    assert_eq!(read, wanted);

    let (read, problems) = mesh(
        "rootNamespace: root\ntrustDomain: td\ntrustDomainAliases: [old]\nextensionProviders:\n- named\n\
         - name: http\n  envoyExtAuthzHttp: {service: a, port: 80}\n- {name: grpc, envoyExtAuthzGrpc: {service: a}}\n\
         - {name: only}\npathNormalization: {normalization: MERGE_SLASHES}\nnumTrustedProxies: 2\nistioVersion: 1.30.2\n\
         defaultConfig: {concurrency: 2, connectionSettings: {httpHeadersWithUnderscoresAction: \
         HEADERS_WITH_UNDERSCORES_DROP_HEADER}}\n",
    );
    assert_eq!(problems, []);
    assert_eq!((read.root_namespace.as_str(), read.trust_domain.as_str()), ("root", "td"));
    assert_eq!(read.trust_domain_aliases, ["old"]);
    assert_eq!(read.connection_settings.and_then(|own| own.underscores), Some(Underscores::Drop));
    assert_eq!(read.path_normalization, PathNormalization::MergeSlashes);
    assert_eq!((read.num_trusted_proxies, read.istio_version), (2, IstioVersion::minor(30).with_patch(2)));
    let kinds: Vec<_> =
        read.extension_providers.iter().map(|provider| (provider.name.as_str(), &provider.kind)).collect();
    assert!(matches!(
        kinds.as_slice(),
        [
            ("named", ProviderKind::Named),
            ("http", ProviderKind::Http(entry)),
            ("grpc", ProviderKind::Grpc(_)),
            ("only", ProviderKind::Named)
        ] if entry.get("service").is_some()
    ));
}

#[test]
fn words() {
    for (text, expected) in [
        ("NONE", PathNormalization::None),
        ("BASE", PathNormalization::Base),
        ("DEFAULT", PathNormalization::Base),
        ("{normalization: DECODE_AND_MERGE_SLASHES}", PathNormalization::DecodeAndMergeSlashes),
        ("{}", PathNormalization::Base),
    ] {
        let (read, problems) = mesh(&format!("pathNormalization: {text}"));
        assert_eq!((read.path_normalization, problems), (expected, vec![]), "{text}");
    }
    for (text, expected) in [
        ("1.24", "1.24"),
        ("'1.30'", "1.30"),
        ("1.30", "1.30"),
        ("v1.32.0", "1.32.0"),
        ("1.30.2", "1.30.2"),
        ("1.28.10-distroless", "1.28.10"),
        ("1.32-alpha.0", "1.32"),
    ] {
        let (read, problems) = mesh(&format!("istioVersion: {text}"));
        assert_eq!((read.istio_version.to_string(), problems), (expected.into(), vec![]), "{text}");
    }
}

#[test]
fn mistakes() {
    for (text, line, column, code) in [
        ("[1]", 1, 1, "wrong-type"),
        ("istioVersion: '1.23'", 1, 15, "unknown-version"),
        ("istioVersion: '1.30.x'", 1, 15, "unknown-version"),
        ("istioVersion: '1.30.2.1'", 1, 15, "unknown-version"),
        ("istioVersion: '2.30'", 1, 15, "unknown-version"),
        ("istioVersion: '2.0'", 1, 15, "unknown-version"),
        ("istioVersion: latest", 1, 15, "unknown-version"),
        ("istioVersion: [1]", 1, 15, "wrong-type"),
        ("pathNormalization: base", 1, 20, "unknown-value"),
        ("pathNormalization: {normalisation: BASE}", 1, 21, "unknown-field"),
        ("numTrustedProxies: -1", 1, 20, "out-of-range"),
        ("numTrustedProxies: 1.5", 1, 20, "out-of-range"),
        ("numTrustedProxies: '1'", 1, 20, "wrong-type"),
        ("trustDomain: ''", 1, 14, "empty-value"),
        ("trustdomain: a", 1, 1, "unknown-field"),
        ("extensionProviders: ['']", 1, 22, "empty-value"),
        ("extensionProviders: [1]", 1, 22, "wrong-type"),
        ("extensionProviders: [{envoyExtAuthzHttp: {}}]", 1, 22, "empty-value"),
        ("extensionProviders: [{name: a, envoyExtAuthzHttp: x}]", 1, 51, "wrong-type"),
        (
            "extensionProviders: [{name: a, envoyExtAuthzHttp: {}, envoyExtAuthzGrpc: {}}]",
            1,
            22,
            "conflicting-provider",
        ),
        ("extensionProviders: [{name: a, zipkin: {}}]", 1, 22, "other-provider"),
    ] {
        let (_, problems) = mesh(text);
        let [found] = problems.as_slice() else { panic!("{text}: {problems:?}") };
        assert_eq!((found.at.line, found.at.column, found.code), (line, column, code), "{text}: {found}");
    }
    for (text, line, column, code) in [
        ("proxy: envoy", 1, 8, "unknown-value"),
        ("labels: {a: 1}", 1, 13, "wrong-type"),
        ("labels: [a]", 1, 9, "wrong-type"),
        ("label: {a: b}", 1, 1, "unknown-field"),
        ("services: a", 1, 11, "wrong-type"),
        ("workload: {nmae: a}", 1, 12, "unknown-field"),
    ] {
        let (_, problems) = workload(text);
        let [found] = problems.as_slice() else { panic!("{text}: {problems:?}") };
        assert_eq!((found.at.line, found.at.column, found.code), (line, column, code), "{text}: {found}");
    }
}
