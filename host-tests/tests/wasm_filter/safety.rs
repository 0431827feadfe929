//! Whatever comes, the traffic goes on.

use super::*;

#[test]
fn hostile_requests_do_no_harm() {
    let key = TestKey::RsaKid;
    let mut policies = varied();
    policies.as_array_mut().unwrap().push(authentication(key));
    let mut configuration = configuration(policies);
    configuration["report"] =
        json!({"filterState": "all", "log": "all", "responseHeader": "x-gnomon-shadow"});
    let mut host = WasmHost::with(&configuration);
    let megabyte = [b"Bearer ".as_slice(), &vec![b'a'; 1 << 20]].concat();
    let dots = [b"Bearer ".as_slice(), &vec![b'.'; 1 << 20]].concat();
    let nested = format!("Bearer e30.{}.x", "W1tbW1tbW1tbW1tb".repeat(40_000));
    let long = vec![b'x'; 64 << 10];
    let many: Vec<(String, Vec<u8>)> = (0..2000).map(|n| (format!("x-{n}"), vec![b'v'; 16])).collect();
    let many: Vec<(&str, &[u8])> =
        many.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    let start: Vec<(&str, &[u8])> = vec![(":method", b"GET"), (":path", b"/api/x"), (":authority", b"a")];
    let with = |more: &[(&'static str, &'static [u8])]| [start.clone(), more.to_vec()].concat();
    let requests: Vec<Vec<(&str, &[u8])>> = vec![
        vec![],
        vec![("", b"")],
        vec![(":path", b"")],
        vec![(":path", b"?"), (":path", b"/secret"), (":method", b"")],
        with(&[("\u{0}", b"\0\0"), ("x-a", b"\xff\xfe\xf0\x28\x8c\x28"), ("x-a", b"")]),
        vec![(":method", b"\xff"), (":path", b"/\xff\xfe%\0"), (":authority", b"\xc3\x28")],
        [start.clone(), vec![("authorization", megabyte.as_slice())]].concat(),
        [start.clone(), vec![("authorization", dots.as_slice())]].concat(),
        [start.clone(), vec![("authorization", nested.as_bytes())]].concat(),
        [start.clone(), vec![("x-long", long.as_slice()), ("cookie", long.as_slice())]].concat(),
        vec![(":method", &long), (":path", &long), (":authority", &long)],
        [start.clone(), many].concat(),
    ];
    for lines in &requests {
        host.state().set_headers(lines);
        for details in [
            "via_upstream",
            NONE,
            "\u{fffd}\n\"}",
            "jwt_authn_access_denied{",
            "rbac_access_denied_matched_policy[",
        ] {
            host.state().answered(200, details);
            for steps in [Steps::All, Steps::OnlyLog] {
                host.state().forget();
                host.request(steps).expect("no trap");
                for (_, line) in &host.state().logs {
                    assert!(line.len() < 8192 && !line.contains('\n'), "{} bytes", line.len());
                }
            }
        }
    }
    // Properties that are no such thing.
    let names = [
        "source.address",
        "destination.address",
        "connection.mtls",
        "connection.uri_san_peer_certificate",
        "connection.requested_server_name",
        "metadata",
        "response.code",
        "response.code_details",
        "filter_state.gnomon.peer_uri_san",
    ];
    for bytes in [vec![0xff; 70_000], vec![0; 3], b":".to_vec(), b"[::1".to_vec(), vec![b','; 5000]] {
        for name in names {
            host.state().set(name, Property::Bytes(bytes.clone()));
        }
        for lines in &requests {
            host.state().set_headers(lines);
            host.request(Steps::All).expect("no trap");
        }
    }
    assert!(host.memory() < 64 << 20, "{} bytes", host.memory());
}

#[test]
fn every_host_call_may_fail() {
    let token =
        format!("Bearer {}", tokens::sign(TestKey::RsaKid, &json!({"iss": "me", "sub": "u"})).unwrap());
    let mut policies = varied();
    policies.as_array_mut().unwrap().push(authentication(TestKey::RsaKid));
    let mut configuration = configuration(policies);
    configuration["report"] =
        json!({"filterState": "all", "log": "all", "responseHeader": "x-gnomon-shadow"});
    configuration.as_object_mut().unwrap().remove("workload");
    let text = configuration.to_string();
    let prepare = |host: &mut WasmHost| {
        host.state().set_headers(&[
            (":method", b"GET"),
            (":path", b"/cart"),
            ("authorization", token.as_bytes()),
        ]);
        host.state().set("connection.mtls", Property::Bool(true));
        host.state()
            .set("connection.uri_san_peer_certificate", Property::Text("spiffe://a/ns/b/sa/c".into()));
        host.state().set("source.address", Property::Text("203.0.113.9:0".into()));
        host.state().set("xds.node.metadata.NAMESPACE", Property::Text("shop".into()));
        host.state().answered(200, "via_upstream");
    };
    let mut whole = WasmHost::start();
    prepare(&mut whole);
    assert!(whole.configure(text.as_bytes()).expect("no trap"));
    whole.request(Steps::All).expect("no trap");
    let calls = whole.state().calls.len();
    assert!(calls > 25, "{:?}", whole.state().calls);
    let mut faults: Vec<Fault> = [1, 2, 3, 4, 7, 10, 12, 4_000_000_000].map(Fault::All).into();
    for nth in 0..calls {
        faults.extend([1, 3, 10, 99].map(|status| Fault::Nth(nth, status)));
        faults.extend(
            [vec![], vec![0xff; 9], vec![1, 0, 0, 0, 255, 255, 255, 255]]
                .map(|bytes| Fault::Garbage(nth, bytes)),
        );
    }
    for fault in faults {
        let mut host = WasmHost::start();
        prepare(&mut host);
        host.state().fault = Some(fault.clone());
        host.configure(text.as_bytes()).unwrap_or_else(|trap| panic!("{fault:?}: {trap:?}"));
        for steps in [Steps::All, Steps::OnlyLog] {
            host.request(steps).unwrap_or_else(|trap| panic!("{fault:?}: {trap:?}"));
        }
        host.connection(1).unwrap_or_else(|trap| panic!("{fault:?}: {trap:?}"));
    }
    // A failure while a request is under way is counted, and what depends on it is unknown.
    let mut host = WasmHost::start();
    prepare(&mut host);
    assert!(host.configure(text.as_bytes()).expect("no trap"));
    host.state().set("connection.uri_san_peer_certificate", Property::Fails(3));
    let got = verdict(&mut host);
    assert_eq!(got["verdict"], "unknown", "{got}");
    assert!(host.state().metric("gnomon_errors_total") >= 1);
}

/// Of the streams that the proxy has created: the SDK's dispatcher takes it for granted that it speaks of no others.
#[test]
fn callbacks_in_any_order_do_no_harm() {
    let mut host = WasmHost::with(&configuration(varied()));
    get(&mut host, "/api/x");
    let id = host.create().expect("no trap");
    for _ in 0..3 {
        host.call::<u32, ()>("proxy_on_log", id).expect("no trap");
    }
    let total: i64 =
        host.state().metrics.iter().filter(|m| m.name.starts_with("gnomon_requests")).map(|m| m.value).sum();
    assert_eq!(total, 1, "a stream counts once");
    // As no proxy does: callbacks of requests and of connections, for the same streams.
    let ids = [0; 5].map(|_| host.create().expect("no trap"));
    for id in ids.into_iter().cycle().take(15) {
        host.continues("proxy_on_response_headers", id).expect("no trap");
        host.continues("proxy_on_downstream_data", id).expect("no trap");
        host.continues("proxy_on_request_headers", id).expect("no trap");
        host.call::<u32, ()>("proxy_on_log", id).expect("no trap");
        host.call::<(u32, u32), ()>("proxy_on_downstream_connection_close", (id, 9)).expect("no trap");
    }
    // A number may come again as soon as its stream is gone.
    for id in ids {
        host.delete(id).expect("no trap");
        host.call::<(u32, u32), ()>("proxy_on_context_create", (id, 1)).expect("no trap");
        host.continues("proxy_on_request_headers", id).expect("no trap");
        host.delete(id).expect("no trap");
    }
    host.request(Steps::All).expect("no trap");
    host.connection(2).expect("no trap");
}

/// The proxy enters the module for what it exports, and for nothing else.
#[test]
fn bodies_and_trailers_pass_by() {
    let mut host = WasmHost::with(&configuration(varied()));
    let id = host.create().expect("no trap");
    for half in ["request", "response"] {
        for part in ["body", "trailers"] {
            let name = format!("proxy_on_{half}_{part}");
            assert!(host.call::<(u32, u32, u32), u32>(&name, (id, 1, 0)).is_err(), "{name}");
        }
    }
}

#[test]
fn memory_does_not_grow() {
    let mut host = WasmHost::with(&configuration(varied()));
    get(&mut host, "/secret");
    host.state().answered(200, "via_upstream");
    let mut round = |count: usize| {
        for _ in 0..count {
            host.state().forget();
            host.request(Steps::All).expect("no trap");
            host.connection(1).expect("no trap");
        }
        host.memory()
    };
    let warm = round(500);
    assert_eq!(round(10_000), warm);
    assert!(warm < 5 << 20, "{warm} bytes");
}
