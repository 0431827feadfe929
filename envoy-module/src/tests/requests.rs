//! The access logger: what it writes of a request, and what it keeps to itself.

use super::{
    Buffer, Envoys, Ours, alone, configure, envoy_dynamic_module_on_http_filter_config_destroy as destroy,
    request,
    stand_ins::{Fake, RECEIVED},
    *,
};
use crate::access;
use std::{fs, path::PathBuf};

// What the module exports.
unsafe extern "C" {
    pub(super) safe fn envoy_dynamic_module_on_access_logger_config_new(
        config: Envoys,
        name: Buffer,
        text: Buffer,
    ) -> Ours;
    pub(super) safe fn envoy_dynamic_module_on_access_logger_config_destroy(ours: Ours);
    pub(super) safe fn envoy_dynamic_module_on_access_logger_new(ours: Ours, logger: Envoys) -> Ours;
    pub(super) safe fn envoy_dynamic_module_on_access_logger_destroy(ours: Ours);
    pub(super) safe fn envoy_dynamic_module_on_access_logger_log(logger: Envoys, ours: Ours, when: u32);
    pub(super) safe fn envoy_dynamic_module_on_access_logger_flush(ours: Ours);
}

const DOWNSTREAM_END: u32 = 6;

/// Reads a header, the path, addresses and a cookie's neighbour.
fn text(file: &str, keys: &str) -> String {
    let when: Vec<String> =
        keys.split(' ').map(|key| format!(r#"{{"key": "{key}", "values": ["v"]}}"#)).collect();
    format!(
        r#"{{"workload": {{"namespace": "shop"}}, "requests": {{"file": "{file}", "headers": ["X-Request-Id"]}},
            "candidate": {{"resources": [{{
            "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {{"name": "a", "namespace": "shop"}},
            "spec": {{"rules": [{{"to": [{{"operation": {{"paths": ["/a"]}}}}], "when": [{}]}}]}}}}]}}}}"#,
        when.join(", ")
    )
}

struct Written {
    file: PathBuf,
    ours: Ours,
}

impl Written {
    fn new(name: &str, keys: &str) -> Written {
        Written::of_text(name, |file| text(file, keys))
    }

    fn of_text(name: &str, text: impl FnOnce(&str) -> String) -> Written {
        let file = std::env::temp_dir().join(format!("gnomon-requests-{}-{name}", std::process::id()));
        let _before = fs::remove_file(&file);
        let text = text(file.to_str().unwrap());
        let (name, text) = (Buffer::of(b"requests"), Buffer::of(text.as_bytes()));
        let config = Fake::default();
        let ours = envoy_dynamic_module_on_access_logger_config_new(config.at(), name, text);
        assert!(!ours.is_null());
        Written { file, ours }
    }

    /// The line about a stream, or none.
    fn of(&self, fake: &Fake) -> Option<String> {
        let logger = envoy_dynamic_module_on_access_logger_new(self.ours, fake.at());
        // Other times are passed over.
        for when in [1, 2, 4, 5, DOWNSTREAM_END] {
            envoy_dynamic_module_on_access_logger_log(fake.at(), logger, when);
            fake.hook_ends();
        }
        envoy_dynamic_module_on_access_logger_flush(logger);
        envoy_dynamic_module_on_access_logger_destroy(logger);
        let all = fs::read_to_string(&self.file).unwrap();
        fs::write(&self.file, "").unwrap();
        assert!(all.lines().count() <= 1, "{all}");
        all.lines().next().map(str::to_owned)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        envoy_dynamic_module_on_access_logger_config_destroy(self.ours);
        let _gone = fs::remove_file(&self.file);
    }
}

fn with(mut fake: Fake, lines: &[(&str, &str)]) -> Fake {
    fake.lines
        .extend(lines.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())));
    fake
}

#[test]
fn what_policies_read_is_written_and_nothing_else() {
    let _alone = alone();
    let written = Written::new("plain", "request.headers[x-tenant]");
    let lines =
        [("x-tenant", "v"), ("x-tenant", "w"), ("x-other", "o"), ("x-request-id", "7"), ("cookie", "c")];
    let line = written.of(&with(request("/a?token=secret"), &lines));
    let expected = r#"{"method":"GET","path":"/a","host":"shop","headers":{"x-tenant":["v","w"],"x-request-id":"7"},"source":{}}"#;
    assert_eq!(line.as_deref(), Some(expected));
}

#[test]
fn what_is_secret_is_not_written_but_counted() {
    let _alone = alone();
    let cookies = Written::new("secret", "request.headers[cookie] request.headers[authorization]");
    let _before = access::not_written();
    for line in [("cookie", "id=1"), ("authorization", "Bearer x.y.z")] {
        assert_eq!(cookies.of(&with(request("/a"), &[line])), None, "{line:?}");
    }
    for path in ["/reset/token=abc", "/x/eyJhbGciOiJIUzI1NiJ9.e30.x", "/proxy/user:secret@host"] {
        assert_eq!(cookies.of(&request(path)), None, "{path}");
    }
    assert_eq!(access::not_written(), 5);
    assert!(cookies.of(&request("/a")).is_some(), "without such a header");
}

#[test]
fn connections_that_no_policy_was_asked_about_are_not_written() {
    let _alone = alone();
    let connection = |received: u64, details: &str| Fake {
        numbers: [(RECEIVED, received)].into(),
        attributes: [(16, details.as_bytes().to_vec())].into(),
        ..Fake::default()
    };
    let written = Written::new("tcp", "connection.sni");
    let table = [
        (3, 7, "", true),
        (0, 7, "", true),
        (3, 0, "rbac_access_denied_matched_policy[none]", true),
        (3, 0, "ext_authz_denied", true),
        (0, 0, "filter_chain_not_found", true),
        // A connection that never sent anything, one without an upstream, a request that Envoy could not read.
        (3, 0, "", false),
        (3, 0, "upstream_connection_failure", false),
        (6, 7, "http1.codec_error", false),
    ];
    for (when, received, details, is_written) in table {
        let fake = connection(received, details);
        let _before = access::not_written();
        envoy_dynamic_module_on_access_logger_log(fake.at(), written.ours, when);
        fake.hook_ends();
        envoy_dynamic_module_on_access_logger_flush(written.ours);
        let lines = fs::read_to_string(&written.file).unwrap();
        fs::write(&written.file, "").unwrap();
        let expected = if is_written { "{\"protocol\":\"tcp\",\"source\":{}}\n" } else { "" };
        assert_eq!(lines, expected, "{when} {received} {details}");
        assert_eq!(access::not_written(), u64::from(!is_written), "{when} {received} {details}");
    }
}

/// A CUSTOM rule sees a header as the client sent it, which RequestAuthentication takes out before the request is over.
#[test]
fn what_is_taken_out_after_it_was_read_is_not_written() {
    let _alone = alone();
    let custom = |header: &str| {
        Written::of_text(&format!("custom-{header}"), |file| {
            format!(
                r#"{{"workload": {{"namespace": "shop"}}, "mesh": {{"extensionProviders": ["p"]}}, "requests": {{"file": "{file}"}},
                "candidate": {{"resources": [
                {{"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
                  "metadata": {{"name": "j", "namespace": "shop"}},
                  "spec": {{"jwtRules": [{{"issuer": "me", "jwksUri": "https://me.test/keys",
                    "outputClaimToHeaders": [{{"header": "x-claim", "claim": "group"}}]}}]}}}},
                {{"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
                  "metadata": {{"name": "c", "namespace": "shop"}},
                  "spec": {{"action": "CUSTOM", "provider": {{"name": "p"}},
                    "rules": [{{"when": [{{"key": "request.headers[{header}]", "values": ["v"]}}]}}]}}}}]}}}}"#
            )
        })
    };
    let fake = with(request("/a"), &[("x-claim", "v")]);
    fake.notes.borrow_mut().insert("gnomon/request".into(), b"{}".to_vec());
    let _before = access::not_written();
    assert_eq!(custom("X-Claim").of(&fake), None);
    assert_eq!(access::not_written(), 1);
    let line = custom("x-other").of(&fake);
    assert!(line.as_ref().is_some_and(|line| line.contains(r#""headers":{}"#)), "{line:?}");
}

/// A gateway adds the address that it is called from, and does so again when the line is asked about.
#[test]
fn what_a_gateway_adds_is_not_written() {
    let _alone = alone();
    let written = Written::of_text("edge", |file| {
        text(file, "request.headers[x-forwarded-for]").replacen(
            r#"{"namespace": "shop"}"#,
            r#"{"namespace": "shop", "proxy": "gateway"}"#,
            1,
        )
    });
    let of = |value: &str| {
        let fake = with(request("/a"), &[("x-forwarded-for", value)]);
        fake.notes.borrow_mut().insert("gnomon/source".into(), b"10.0.0.1".to_vec());
        written.of(&fake)
    };
    let line = of("203.0.113.9,192.0.2.1,10.0.0.1");
    let expected = r#""headers":{"x-forwarded-for":"203.0.113.9,192.0.2.1"},"source":{"ip":"10.0.0.1"}"#;
    assert!(line.as_ref().is_some_and(|line| line.contains(expected)), "{line:?}");
    let line = of("10.0.0.1");
    assert!(line.as_ref().is_some_and(|line| line.contains(r#""headers":{},"#)), "{line:?}");
    // Whose address that is nobody knows.
    assert_eq!(of("192.0.2.1"), None);
}

/// A request states no scheme: it follows from the connection, or from a target that was written out.
#[test]
fn a_scheme_that_a_policy_reads_cannot_be_written() {
    let _alone = alone();
    let written = Written::new("scheme", "request.headers[:scheme]");
    let _before = access::not_written();
    assert_eq!(written.of(&request("/a")), None);
    assert_eq!(access::not_written(), 1);
}

#[test]
fn claims_come_from_the_filter_and_none_without_it() {
    let _alone = alone();
    let rule = r#"{"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
        "metadata": {"name": "j", "namespace": "shop"},
        "spec": {"jwtRules": [{"issuer": "me", "jwks": "{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\", \"y\": \"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"}]}}, "#;
    let written = Written::new("claims", "request.auth.claims[group]");
    let config = Fake::default();
    let filter = configure(
        &config,
        &text("/dev/null", "request.auth.claims[group]").replacen("[{", &format!("[{rule}{{"), 1),
    );
    assert!(!filter.is_null());
    // A rule of the logger's reads tokens only where it has a RequestAuthentication itself.
    assert!(written.of(&request("/a")).is_some_and(|line| !line.contains("claims")));
    let fake = with(request("/a"), &[("authorization", "Bearer not.a.token")]);
    assert!(pass(filter, &fake));
    let noted = String::from_utf8(fake.notes.borrow()["gnomon/request"].clone()).unwrap();
    assert_eq!(noted, r#"{"token":"refused"}"#);
    destroy(filter);
}
