//! What people read: the access-log format of the README, and lines of the log.

use super::*;

/// The text behind `accessLogFormat:` in the README.
fn documented_format() -> String {
    let readme = include_str!("../../../envoy-filter/README.md");
    let line = readme.lines().find_map(|line| line.trim().strip_prefix("accessLogFormat: '")).unwrap();
    line.strip_suffix('\'').unwrap().to_owned()
}

#[test]
fn the_documented_access_log_shows_the_candidates_verdict() {
    let resources = json!([deny_paths("no", &["/no"])]);
    let bootstrap = Bootstrap::new(&workload(), vec![Listener::http("web", vec![shadow(&resources)])]);
    let mut path = None;
    let envoy = Envoy::start_with(|log| {
        let file = log.with_file_name("documented.log");
        let mut bootstrap = bootstrap.to_json(log);
        let filters = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"];
        let logs = filters[0]["typed_config"]["access_log"].as_array_mut().unwrap();
        logs.push(json!({"name": "envoy.access_loggers.file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": file.to_string_lossy(),
            "log_format": {"text_format_source": {"inline_string": format!("{}\n", documented_format())}},
        }}));
        path = Some(file);
        bootstrap
    })
    .unwrap();
    for target in ["/yes", "/no"] {
        let request = get(target, target);
        Connection::open(&Dial::plain(to(&envoy, "web")))
            .unwrap()
            .send(&request)
            .unwrap()
            .response()
            .unwrap();
    }
    let lines = until("two lines", &envoy, || {
        let text = std::fs::read_to_string(path.as_ref()?).ok()?;
        (text.lines().count() == 2).then_some(text)
    });
    let table = [
        ("/yes", "allow", "agree", None),
        ("/no", "deny", "would_deny", Some("ns[shop]-policy[no]-rule[0]")),
    ];
    for (line, (target, verdict, result, policy)) in lines.lines().zip(table) {
        assert!(line.contains(&format!("\"GET {target}\" 200 direct_response gnomon=")), "{line}");
        let state: Value = serde_json::from_str(line.split_once("gnomon=").unwrap().1).unwrap();
        assert_eq!((&state["verdict"], &state["result"]), (&json!(verdict), &json!(result)), "{line}");
        assert_eq!(state["policy"], json!(policy), "{line}");
    }
    // And the log has one line about the one that differs, where Istio's default level shows it.
    let log = until("the log", &envoy, || Some(envoy.log()).filter(|log| log.contains("{\"gnomon\":")));
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("{\"gnomon\":")).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains(if is_module() { "[warning][dynamic_modules]" } else { "[warning][wasm]" })
            && lines[0].contains("would_deny"),
        "{lines:#?}"
    );
}
