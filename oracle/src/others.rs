//! Configurations in the forms of others than Istio: listeners with RBAC by matchers, by routes, and with texts that are
//! compared by expressions. What they can tell apart stands in [`METHODS`] and the like.

use crate::tape::Tape;
use serde_json::{Value, json};

pub const METHODS: [&str; 2] = ["GET", "POST"];
pub const TARGETS: [&str; 6] = ["/", "/a", "/a/b", "/ab", "/b", "/a?x=1"];
pub const AUTHORITIES: [&str; 4] = ["a.test", "b.a.test", "A.test:80", "c"];
pub const LINES: [&[(&str, &str)]; 4] = [&[], &[("x-r", "u")], &[("x-r", "uv")], &[("x-s", "")]];

/// A listener whose only filter chain has these HTTP filters.
fn listener(filters: &Value, routes: &Value) -> Value {
    let manager = json!({ "name": "envoy.filters.network.http_connection_manager", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "normalizePath": true,
        "routeConfig": routes,
        "httpFilters": filters,
    }});
    json!({ "name": "edge", "filterChains": [{ "filters": [manager] }] })
}

fn action(tape: &mut Tape<'_>) -> Value {
    let action = tape.of(&["ALLOW", "DENY", "LOG", "ALLOW", "DENY"]);
    let name = format!("{action}-{}", tape.below(3));
    json!({ "action": { "name": "a", "typedConfig": {
        "@type": "type.googleapis.com/envoy.config.rbac.v3.Action", "name": name, "action": action,
    }}})
}

fn typed(kind: &str, fields: &Value) -> Value {
    let mut config = fields.clone();
    config["@type"] = format!("type.googleapis.com/{kind}").into();
    json!({ "name": "n", "typedConfig": config })
}

fn header_input(name: &str) -> Value {
    typed("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", &json!({ "headerName": name }))
}

/// Texts that are compared in ways that no policy of Istio's has.
fn text(tape: &mut Tape<'_>, texts: &[&str], expressions: &[&str]) -> Value {
    match tape.below(6) {
        0 | 1 => json!({ "safeRegex": { "regex": tape.of(expressions) } }),
        2 => json!({ "contains": tape.of(texts), "ignoreCase": tape.below(2) == 0 }),
        kind => {
            let form = ["exact", "prefix", "suffix"][kind - 3];
            json!({ form: tape.of(texts), "ignoreCase": tape.below(2) == 0 })
        }
    }
}

const NAMES: [&[&str]; 2] = [
    &["spiffe://td/ns/a/dc/d/svc/web", "spiffe://td/n", "/svc/api", "spiffe://td/x", "/sa/", "SPIFFE://TD"],
    &[
        "^spiffe://td/ns/[^/]+/dc/[^/]+/svc/(web|db)$",
        "spiffe://[^/]+/ns/a/dc/e/svc/[^/]+",
        "spiffe://td/[a-z]",
        "spiffe://t./(ns/a|x)(/sa/b)?",
        ".*/ns/a/.*",
    ],
];
const VALUES: [&[&str]; 2] = [&["u", "v", "U"], &["^u.*$", "u?v?", "[^v]+", "(u|w)", ".+"]];
const PATHS: [&[&str]; 2] =
    [&["/a", "/A/b", "b", "/a/"], &["/a(/.*)?", "/[ab]", "(?:/a|/b).*", "/a[^/]*", "^/.*b$"]];
const HOSTS: [&[&str]; 2] = [&["a.test", "A.TEST", "b."], &["a\\.test(:\\d+)?", "[a-z.]+", ".*a.*"]];

fn match_of(tape: &mut Tape<'_>, principal: bool, depth: usize) -> Value {
    if depth > 0 && tape.below(3) == 0 {
        let [and, or, not, items] = if principal {
            ["andIds", "orIds", "notId", "ids"]
        } else {
            ["andRules", "orRules", "notRule", "rules"]
        };
        let inner = |tape: &mut Tape<'_>| match_of(tape, principal, depth - 1);
        return match tape.below(3) {
            0 => json!({ not: inner(tape) }),
            which => json!({ [and, or][which - 1]: { items: [inner(tape), inner(tape)] } }),
        };
    }
    let header = |name: &str, test: Value| json!({ "header": { "name": name, "stringMatch": test } });
    match tape.below(if principal { 2 } else { 5 }) {
        0 if principal => loop {
            let name = text(tape, NAMES[0], NAMES[1]);
            // What is no SPIFFE id is refused.
            let begins = name.get("exact").or(name.get("prefix")).and_then(Value::as_str);
            if begins.is_none_or(|begins| begins.starts_with("spiffe://td/")) {
                break json!({ "authenticated": { "principalName": name } });
            }
        },
        0 => json!({ "urlPath": { "path": text(tape, PATHS[0], PATHS[1]) } }),
        1 => header("x-r", text(tape, VALUES[0], VALUES[1])),
        2 => header(":authority", text(tape, HOSTS[0], HOSTS[1])),
        3 => header(":method", text(tape, &["GET", "T", "P"], &["GET|PUT", "P.*", "[A-Z]{3}"])),
        _ => header(":path", text(tape, &["/a?x", "?"], &["/a([?].*)?", "[^?]*"])),
    }
}

/// RBAC by policies that compare texts in ways that no policy of Istio's has.
pub fn texts(tape: &mut Tape<'_>) -> Value {
    let policies: Vec<(String, Value)> = (0..1 + tape.below(3))
        .map(|number| {
            let policy =
                json!({ "permissions": [match_of(tape, false, 2)], "principals": [match_of(tape, true, 2)] });
            (number.to_string(), policy)
        })
        .collect();
    let action = tape.of(&["ALLOW", "DENY"]);
    let policies: serde_json::Map<String, Value> = policies.into_iter().collect();
    let filter = json!({ "name": "envoy.filters.http.rbac", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": { "action": action, "policies": policies },
    }});
    listener(&json!([filter]), &Value::Null)
}

fn predicate(tape: &mut Tape<'_>, depth: usize) -> Value {
    let many = |tape: &mut Tape<'_>| -> Vec<Value> {
        (0..2 + tape.below(2)).map(|_| predicate(tape, depth - 1)).collect()
    };
    match tape.below(if depth == 0 { 5 } else { 8 }) {
        0 => {
            let method = tape.of(&["GET", "POST"]);
            json!({ "singlePredicate": { "input": header_input(":method"), "valueMatch": { "exact": method } } })
        }
        1 => {
            let form = tape.of(&["exact", "prefix", "suffix"]);
            let text = tape.of(&["u", "v", "uv"]);
            json!({ "singlePredicate": { "input": header_input("x-r"), "valueMatch": { *form: text } } })
        }
        2 => {
            let input = tape.of(&["SourceIPInput", "DirectSourceIPInput"]);
            let range = json!({ "addressPrefix": tape.of(&["10.0.0.0", "192.168.0.0"]), "prefixLen": 8 });
            json!({ "singlePredicate": {
                "input": typed(&format!("envoy.extensions.matching.common_inputs.network.v3.{input}"), &json!({})),
                "customMatch": typed("envoy.extensions.matching.input_matchers.ip.v3.Ip", &json!({ "cidrRanges": [range], "statPrefix": "ip" })),
            }})
        }
        3 => {
            let (form, text) =
                tape.of(&[("exact", "spiffe://td/x"), ("prefix", "spiffe://td/"), ("suffix", "/sa/b")]);
            json!({ "singlePredicate": {
                "input": typed("envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput", &json!({})),
                "valueMatch": { *form: text },
            }})
        }
        4 => {
            let (form, text) =
                tape.of(&[("exact", "/a"), ("prefix", "/a"), ("prefix", "/a?"), ("suffix", "b")]);
            json!({ "singlePredicate": { "input": header_input(":path"), "valueMatch": { *form: text } } })
        }
        5 => json!({ "andMatcher": { "predicate": many(tape) } }),
        6 => json!({ "orMatcher": { "predicate": many(tape) } }),
        _ => json!({ "notMatcher": predicate(tape, depth - 1) }),
    }
}

fn on_match(tape: &mut Tape<'_>, depth: usize) -> Value {
    if depth > 0 && tape.below(4) == 0 {
        return json!({ "matcher": matcher(tape, depth - 1) });
    }
    action(tape)
}

fn matcher(tape: &mut Tape<'_>, depth: usize) -> Value {
    let mut found = match tape.below(4) {
        0 => {
            let (map, input, keys): (&str, Value, &[&str]) = match tape.below(3) {
                0 => ("exactMatchMap", header_input(":method"), &["GET", "POST", "PUT"]),
                1 => ("prefixMatchMap", header_input("x-r"), &["u", "uv", "v"]),
                _ => (
                    "exactMatchMap",
                    typed(
                        "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput",
                        &json!({}),
                    ),
                    &["80", "81"],
                ),
            };
            let mut entries = json!({});
            for key in keys {
                // An empty map Envoy refuses.
                if tape.below(3) > 0 || *key == keys[0] {
                    entries[*key] = on_match(tape, depth);
                }
            }
            json!({ "matcherTree": { "input": input, map: { "map": entries } } })
        }
        _ => {
            let entries: Vec<Value> = (0..1 + tape.below(3))
                .map(|_| json!({ "predicate": predicate(tape, 2), "onMatch": on_match(tape, depth) }))
                .collect();
            json!({ "matcherList": { "matchers": entries } })
        }
    };
    if tape.below(3) > 0 {
        found["onNoMatch"] = on_match(tape, 0);
    }
    found
}

fn filter(matcher: &Value) -> Value {
    json!({ "name": "envoy.filters.http.rbac", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "matcher": matcher,
    }})
}

/// RBAC by matchers.
pub fn matchers(tape: &mut Tape<'_>) -> Value {
    let filters: Vec<Value> = (0..1 + tape.below(4) / 3).map(|_| filter(&matcher(tape, 2))).collect();
    listener(&filters.into(), &Value::Null)
}

fn route(tape: &mut Tape<'_>, number: usize) -> Value {
    let path = tape.of(&["/", "/a", "/a/b", "/b"]);
    let mut matching = match tape.below(5) {
        0 => json!({ "path": path }),
        1 if path != "/" => json!({ "pathSeparatedPrefix": path }),
        2 => json!({ "safeRegex": { "regex": tape.of(&["/a.*", "/[^/]*", "/a/?b"]) } }),
        _ => json!({ "prefix": path }),
    };
    match tape.below(6) {
        0 => matching["caseSensitive"] = false.into(),
        1 => {
            let test = json!({ "name": ":method", "stringMatch": { "exact": tape.of(&["GET", "POST"]) } });
            matching["headers"] = json!([test]);
        }
        2 => {
            let inverted = tape.below(2) == 0;
            matching["headers"] =
                json!([{ "name": "x-r", "stringMatch": { "prefix": "u" }, "invertMatch": inverted }]);
        }
        _ => {}
    }
    let mut route = json!({ "name": format!("r{number}"), "match": matching, "route": { "cluster": "c" } });
    if tape.below(4) > 0 {
        route["typedPerFilterConfig"] = changes(tape);
    }
    route
}

/// What a route, a virtual host or all have for the filter.
fn changes(tape: &mut Tape<'_>) -> Value {
    let kind = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute";
    let config = match tape.below(5) {
        0 => json!({ "@type": kind }),
        1 => json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true }),
        2 => {
            let policy =
                json!({ "permissions": [match_of(tape, false, 1)], "principals": [{ "any": true }] });
            let action = tape.of(&["ALLOW", "DENY"]);
            json!({ "@type": kind, "rbac": { "rules": { "action": action, "policies": { "p": policy } } } })
        }
        _ => json!({ "@type": kind, "rbac": { "matcher": matcher(tape, 0) } }),
    };
    json!({ "envoy.filters.http.rbac": config })
}

/// RBAC that routes bring.
pub fn routes(tape: &mut Tape<'_>) -> Value {
    let domains = [&["*"][..], &["a.test"], &["*.test", "a.*"], &["*.a.test"], &["c", "c.*"]];
    let mut hosts = Vec::new();
    for (number, domains) in domains.iter().enumerate() {
        if number > 0 && tape.below(2) == 0 {
            continue;
        }
        let routes: Vec<Value> = (0..1 + tape.below(3)).map(|number| route(tape, number)).collect();
        let mut host = json!({ "name": format!("h{number}"), "domains": domains, "routes": routes });
        if tape.below(3) == 0 {
            host["typedPerFilterConfig"] = changes(tape);
        }
        hosts.push(host);
    }
    let ports = tape.below(2) == 0;
    let routes = json!({ "name": "all", "ignorePortInHostMatching": ports, "virtualHosts": hosts });
    let own = if tape.below(2) == 0 { json!({}) } else { json!({ "matcher": matcher(tape, 0) }) };
    let mut filter = json!({ "name": "envoy.filters.http.rbac", "typedConfig": own });
    filter["typedConfig"]["@type"] = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC".into();
    listener(&json!([filter]), &routes)
}
