//! The corpus and the examples through the built filter: every case, with a signed token for its claims.

use super::*;
use gnomon_engine::{prepare::Prepared, request::Protocol, verdict::Outcome, workload::ProxyKind};
use gnomon_host_tests::candidate;
use gnomon_manifests::{request::RequestSpec, suite};
use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

/// Stand in for what a case does not state.
const SOMEBODY: [&str; 2] = ["198.51.100.77", "2001:db8:7777::1"];
const SOMEWHERE: [&str; 2] = ["198.51.100.78", "2001:db8:7777::2"];
const SOME_PORT: u16 = 45_454;

#[test]
fn the_filter_answers_as_the_suites_expect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut compared, mut beyond, mut wrong) = (0, 0, Vec::new());
    for file in suite::find(&[root.join("corpus"), root.join("../examples")]).0 {
        let loaded = suite::load(&file).unwrap_or_else(|wrong| panic!("{wrong}"));
        let mut last: Option<(Arc<Resources>, suite::Test, bool, WasmHost)> = None;
        for (test, resources) in loaded.suite.tests.iter().zip(&loaded.resources) {
            for case in &test.cases {
                let signs = case.request.claims.is_some();
                let own =
                    if signs { candidate::with_our_keys(resources) } else { Resources::clone(resources) };
                let plan = Plan::build(&own, &test.workload, &test.mesh);
                let request = stated(
                    &candidate::signed(&case.request, &own, &plan, case.request.time.unwrap_or(NOW)).unwrap(),
                );
                let ready = Prepared::new(&request, plan.authenticator(), &test.workload, &test.mesh, NOW);
                // What reaches the filter has been made of the request by a proxy of one release.
                let unseen =
                    ready.rejected().is_some() || ready.is_at_own_port() || ready.depends_on_release();
                if unseen || !request.metadata.is_empty() {
                    beyond += 1;
                    continue;
                }
                let report = ready.report(&plan, &SoftwareCrypto);

                let same = last.as_ref().is_some_and(|(r, t, s, _)| {
                    Arc::ptr_eq(r, resources)
                        && t.workload == test.workload
                        && t.mesh == test.mesh
                        && *s == signs
                });
                if !same {
                    let configuration = candidate::configuration(&own, &test.workload, &test.mesh);
                    last = Some((resources.clone(), test.clone(), signs, WasmHost::with(&configuration)));
                }
                let Some((.., host)) = &mut last else { continue };
                host.state().forget();
                describe(host, &request, &ready, test.workload.proxy);
                match request.protocol {
                    Protocol::Http => host.request(Steps::All).unwrap(),
                    Protocol::Tcp => host.connection(1).unwrap(),
                }
                let got = host.state().verdict();
                let expected = serde_json::to_value(&report).unwrap();
                let fields: &[&str] = match report.verdict {
                    Outcome::Unknown => &["verdict"],
                    _ => &["verdict", "status", "stage", "policy"],
                };
                compared += 1;
                for field in fields.iter().filter(|field| got[**field] != expected[**field]) {
                    let name =
                        format!("{}:{}: {} [{}]", file.display(), test.at.line, test.name, case.variant);
                    wrong.push(format!(
                        "{name}: {field}: the filter {}, native {}",
                        got[*field], expected[*field]
                    ));
                }
            }
        }
    }
    println!("{compared} cases, {beyond} that no filter sees");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 400 && beyond * 20 < compared, "{compared} cases, {beyond} that no filter sees");
}

const NOW: i64 = 1_750_000_000;

/// The request with addresses, which every connection has, and without what nobody tells the filter.
fn stated(request: &RequestSpec) -> RequestSpec {
    let mut request = request.clone();
    let v6 =
        [request.source_ip, request.destination_ip, request.remote_ip].iter().flatten().any(IpAddr::is_ipv6);
    let [somebody, somewhere] =
        [SOMEBODY, SOMEWHERE].map(|[four, six]| (if v6 { six } else { four }).parse().unwrap());
    request.source_ip.get_or_insert(somebody);
    request.destination_ip.get_or_insert(somewhere);
    request.destination_port.get_or_insert(SOME_PORT);
    request.ext_authz.clear();
    request
}

/// Sets the host's state to what Envoy says about this request.
fn describe(host: &mut WasmHost, request: &RequestSpec, ready: &Prepared<'_>, proxy: ProxyKind) {
    let state = host.state();
    state.properties.clear();
    state.now = u64::try_from(request.time.unwrap_or(NOW)).unwrap();
    ready.with_request(|seen| {
        state.headers = seen.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let source = request.source_ip.unwrap();
        let remote = if let Input::Is(remote) = seen.remote_ip { remote } else { source };
        // Port 0 says that the address was derived from x-forwarded-for.
        let port = if source == remote { 4711 } else { 0 };
        state.set("source.address", Property::Text(SocketAddr::new(remote, port).to_string()));
        let physical = SocketAddr::new(source, 4711).to_string();
        state.set("filter_state.gnomon.direct_remote_address", Property::Text(physical));
        let local = SocketAddr::new(request.destination_ip.unwrap(), request.destination_port.unwrap());
        state.set("destination.address", Property::Text(local.to_string()));
        state.set(
            "connection.requested_server_name",
            Property::Text(String::from_utf8_lossy(seen.sni).into()),
        );
        let name = match seen.peer {
            Peer::Tls { names: [name, ..], .. } => String::from_utf8_lossy(name).into_owned(),
            _ => String::new(),
        };
        state.set("connection.mtls", Property::Bool(!name.is_empty()));
        if proxy == ProxyKind::Waypoint && !name.is_empty() {
            state.set("filter_state.io.istio.peer_principal", Property::Text(name));
        } else {
            state.set("filter_state.gnomon.peer_uri_san", Property::Text(name.clone()));
            state.set("connection.uri_san_peer_certificate", Property::Text(name));
        }
    });
    state.answered(200, "via_upstream");
}
