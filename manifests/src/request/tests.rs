use super::*;
use gnomon_engine::Position;

fn read(json: &str) -> Result<Requests, Vec<String>> {
    let node: Node = serde_json::from_str(json).unwrap();
    requests(&"r.json".into(), &node)
        .map_err(|found| found.0.iter().map(|d| format!("{}: {}", d.field, d.message)).collect())
}

fn one(json: &str) -> RequestSpec {
    match read(json) {
        Ok(Requests::One(request)) => *request,
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn shapes() {
    for (json, expected) in [
        ("{}", Some(1)),
        (r#"{"request": null}"#, Some(1)),
        (r#"{"request": {"path": "/x"}}"#, Some(1)),
        ("[]", Some(0)),
        (r#"[{"path": "/x"}, {"request": {"path": "/y"}}]"#, Some(2)),
        (r#"{"request": [{"path": "/x"}, {"path": "/y"}, {}]}"#, Some(3)),
        ("null", None),
        (r#""GET /""#, None),
        ("[1]", None),
        (r#"{"request": {}, "method": "GET"}"#, None),
    ] {
        assert_eq!(read(json).ok().map(|requests| requests.as_slice().len()), expected, "{json}");
    }
}

#[test]
fn defaults() {
    let request = one("{}");
    assert_eq!((request.method.as_str(), request.path.as_str(), request.host), ("GET", "/", None));
    assert_eq!((request.protocol, request.principal, request.time), (Protocol::Http, None, None));
}

#[test]
fn every_field() {
    let request = one(r#"{"protocol": "tcp", "method": "PUT", "path": "/a?b", "host": "h:1",
            "headers": {"X-Two": ["a", "b"], "x-one": "c", "x-none": null},
            "claims": {"iss": "i", "n": 5, "deep": {"list": ["x", true]}, "null": null},
            "source": {"principal": "spiffe://td/ns/a/sa/b", "ip": "10.0.0.1"}, "remoteIp": "2001:db8::1",
            "destination": {"ip": "10.0.0.2", "port": 8080}, "sni": "s",
            "time": "1970-01-01T00:01:00Z", "extAuthz": {"p": "deny", "q": null},
            "metadata": {"envoy.filters.x": {"k": "v"}}}"#);
    let text = |text: &str| Json::String(text.into());
    let expected = RequestSpec {
        at: Position::default(),
        protocol: Protocol::Tcp,
        method: "PUT".into(),
        path: "/a?b".into(),
        host: Some("h:1".into()),
        headers: vec![
            ("X-Two".into(), "a".into()),
            ("X-Two".into(), "b".into()),
            ("x-one".into(), "c".into()),
        ],
        token: None,
        claims: Some(Json::Object(vec![
            ("iss".into(), text("i")),
            ("n".into(), Json::Number(5.0)),
            (
                "deep".into(),
                Json::Object(vec![("list".into(), Json::List(vec![text("x"), Json::Bool(true)]))]),
            ),
            ("null".into(), Json::Null),
        ])),
        principal: Some("spiffe://td/ns/a/sa/b".into()),
        source_ip: "10.0.0.1".parse().ok(),
        remote_ip: "2001:db8::1".parse().ok(),
        destination_ip: "10.0.0.2".parse().ok(),
        destination_port: Some(8080),
        sni: Some("s".into()),
        time: Some(60),
        ext_authz: vec![("p".into(), ExtAuthzAnswer::Deny)],
        metadata: vec![("envoy.filters.x".into(), Json::Object(vec![("k".into(), text("v"))]))],
    };
    assert_eq!(request, expected);
    assert_eq!(one(r#"{"time": 60}"#).time, Some(60));
}

#[test]
fn refusals() {
    for (json, expected) in [
        (r#"{"verb": "GET"}"#, "verb: unknown field `verb`"),
        (r#"{"source": {"principle": "x"}}"#, "source.principle: unknown field `principle`"),
        (r#"[{}, {"pathh": "/"}]"#, "[1].pathh: unknown field `pathh`"),
        (r#"{"request": [{}], "pathh": "/"}"#, "pathh: unknown field `pathh`"),
        (r#"{"request": [{"pathh": "/"}]}"#, "request[0].pathh: unknown field `pathh`"),
        (r#"{"method": "GE T"}"#, "method: \"GE T\" is no method"),
        (r#"{"headers": {"a b": "c"}}"#, "headers.a b: \"a b\" is no header name"),
        (r#"{"headers": {":path": "/"}}"#, "headers.:path: \":path\" is no header name"),
        (r#"{"headers": {"a": "b\r\nc: d"}}"#, "headers.a: contains a line break or NUL"),
        (r#"{"headers": {"a": 5}}"#, "headers.a: expected a string, got a number"),
        (r#"{"source": {"ip": "10.0.0.1:80"}}"#, "source.ip: \"10.0.0.1:80\" is no IP address"),
        (
            r#"{"destination": {"port": 65536}}"#,
            "destination.port: expected a whole number from 0 to 65535, got 65536",
        ),
        (r#"{"time": "yesterday"}"#, "time: \"yesterday\" is no point in time"),
        (r#"{"token": "t", "claims": {}}"#, "claims: both `token` and `claims` are given"),
        (
            r#"{"token": "t", "headers": {"Authorization": "x"}}"#,
            "token: both `token` and the header `authorization` are given",
        ),
        (r#"{"claims": ["x"]}"#, "claims: expected a map, got a list"),
        (r#"{"extAuthz": {"p": "maybe"}}"#, "extAuthz.p: expected one of allow, deny, error, got \"maybe\""),
        (r#"{"protocol": "udp"}"#, "protocol: expected one of http, tcp, got \"udp\""),
    ] {
        assert_eq!(read(json), Err(vec![expected.to_string()]), "{json}");
    }
    assert_eq!(
        read(r#"{"verb": "GET", "source": {"ip": 1}, "time": true}"#).map_err(|found| found.len()),
        Err(3)
    );
}

#[test]
fn json_lines_are_a_list() {
    let read = |text: &str| {
        let list = json_lines(text).unwrap();
        let (mut documents, problems) = crate::tree::parse(&list, "requests.jsonl");
        assert_eq!((documents.len(), problems), (1, Vec::new()), "{list}");
        requests(&"requests.jsonl".into(), &documents.pop().unwrap())
    };
    let two = read("{\"path\": \"/a\"}\n\n{\"path\": \"/b\", \"headers\": {\"x\": \"[,]\"}}\n").unwrap();
    let paths: Vec<&str> = two.as_slice().iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/a", "/b"]);
    let wrong = read("{\"path\": \"/a\"}\n{\"pathh\": \"/b\"}").unwrap_err().to_string();
    assert!(wrong.contains("requests.jsonl:2"), "{wrong}");
    for other in ["", "{\"path\": \"/a\"}", "{\n\"path\": \"/a\"\n}", "path: /a\nmethod: GET\n", "[]\n[]"] {
        assert_eq!(json_lines(other), None, "{other}");
    }
}
