//! Forms of RBAC that others than Istio write, as sides of a comparison: random pairs, and every request of a small
//! alphabet put to the evaluation of both.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may be blunt")]

use gnomon_analysis::{
    diff::{Changes, Problem, of_workload},
    imported::Proxy,
};
use gnomon_engine::{Mesh, Node, Workload, jwt::SoftwareCrypto, prepare::RequestSpec, verdict::Outcome};
use gnomon_envoy_config::import::Imported;
use serde_json::{Value, json};
use std::{net::IpAddr, ops::RangeInclusive, sync::Arc};

const NOW: i64 = 1_795_000_000;

/// Choices, the same in every run.
struct Random {
    state: u64,
    made: usize,
    /// The choice of this number is made otherwise.
    other: Option<usize>,
}

impl Random {
    fn new(seed: u64, other: Option<usize>) -> Random {
        Random { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, made: 0, other }
    }

    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.made += 1;
        let other = usize::from(self.other == Some(self.made));
        (usize::try_from(self.state >> 33).unwrap() + other) % end
    }

    fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }
}

fn import(document: &Value) -> Imported {
    let node: Node = serde_json::from_value(document.clone()).unwrap();
    Imported::read(&node, &Arc::from("loaded.json"))
}

fn between(old: &Imported, new: &Imported) -> Result<Changes, Problem> {
    let (workload, mesh) = (&Workload::default(), &Mesh::default());
    let proxy = |imported| Proxy { imported, listener: None, workload, mesh };
    of_workload(proxy(old), proxy(new), NOW, &SoftwareCrypto, Default::default())
}

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

/// Requests that the random configurations can tell apart.
fn requests() -> Vec<RequestSpec> {
    let headers: [&[(&str, &str)]; 4] = [&[], &[("x-r", "u")], &[("x-r", "uv")], &[("x-s", "")]];
    let principals = [
        None,
        Some("td/ns/a/sa/b"),
        Some("td/ns/a/dc/d/svc/web"),
        Some("td/ns/a/dc/e/svc/api"),
        Some("td/x"),
    ];
    let mut all = Vec::new();
    for method in ["GET", "POST"] {
        for path in ["/", "/a", "/a/b", "/ab", "/b", "/a?x=1"] {
            for host in ["a.test", "b.a.test", "A.test:80", "c"] {
                for headers in headers {
                    for principal in principals {
                        for ip in ["10.0.0.1", "192.168.0.1"] {
                            let ip: IpAddr = ip.parse().unwrap();
                            all.push(RequestSpec {
                                method: method.into(),
                                path: path.into(),
                                host: Some(host.into()),
                                headers: headers
                                    .iter()
                                    .map(|(name, value)| ((*name).into(), (*value).into()))
                                    .collect(),
                                principal: principal.map(Into::into),
                                source_ip: Some(ip),
                                remote_ip: Some(ip),
                                destination_ip: Some("10.9.9.9".parse().unwrap()),
                                destination_port: Some(80),
                                sni: principal.map(|_| "s.test".into()),
                                ..RequestSpec::default()
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

/// Pairs of what `make` draws: a difference is found exactly where one of the requests shows one, or another that the
/// comparison has found and both evaluations confirm.
fn compare(seeds: RangeInclusive<u64>, make: impl Fn(&mut Random) -> Value) {
    let pairs = seeds.end() - seeds.start() + 1;
    let (workload, mesh) = (&Workload::default(), &Mesh::default());
    let requests = requests();
    let verdicts = |imported: &Imported, requests: &[&RequestSpec]| -> Vec<Outcome> {
        let proxy = Proxy { imported, listener: None, workload, mesh };
        requests.iter().map(|spec| proxy.report(spec, NOW, &SoftwareCrypto).unwrap().verdict).collect()
    };
    let (mut different, mut equivalent, mut beyond, mut seen) = (0, 0, 0, [0; 2]);
    for seed in seeds {
        let mut random = Random::new(seed, None);
        let old = make(&mut random);
        // Another one, or the same with a single choice made otherwise.
        let other = 1 + random.below(random.made);
        let new = match seed % 3 {
            0 => make(&mut random),
            _ => make(&mut Random::new(seed, Some(other))),
        };
        let told = || format!("seed {seed}\n{old:#}\n{new:#}");
        let (before, after) = (import(&old), import(&new));
        assert!(before.findings.is_empty() && after.findings.is_empty(), "{:?}\n{}", before.findings, told());
        let changes = match between(&before, &after) {
            Ok(changes) => changes,
            Err(why) => {
                assert!(why.to_string().contains("alternatives"), "{why}\n{}", told());
                beyond += 1;
                continue;
            }
        };
        // Every eighth request of all, others for each pair.
        let chosen: Vec<&RequestSpec> = requests.iter().skip(random.below(8)).step_by(8).collect();
        let (was, is) = (verdicts(&before, &chosen), verdicts(&after, &chosen));
        for ((spec, was), is) in chosen.into_iter().zip(was).zip(is) {
            let found = match (was, is) {
                (Outcome::Deny, Outcome::Allow) => &changes.newly_allowed,
                (Outcome::Allow, Outcome::Deny) => &changes.newly_denied,
                (a, b) => {
                    assert!(a == b && a != Outcome::Unknown, "{spec:?}\n{}", told());
                    seen[usize::from(a == Outcome::Allow)] += 1;
                    continue;
                }
            };
            assert!(found.is_some(), "not found: {spec:?}\n{}", told());
        }
        match changes.is_equivalent() {
            true => equivalent += 1,
            false => different += 1,
        }
    }
    println!(
        "{different} different, {equivalent} equivalent, {beyond} beyond; {seen:?} requests denied, allowed"
    );
    assert!(
        different * 4 > pairs
            && equivalent * 20 > pairs
            && beyond * 8 < pairs
            && seen.iter().all(|seen| *seen > 0)
    );
}

fn action(random: &mut Random) -> Value {
    let action = *random.one(&["ALLOW", "DENY", "LOG", "ALLOW", "DENY"]);
    let name = format!("{action}-{}", random.below(3));
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
fn text(random: &mut Random, texts: &[&str], expressions: &[&str]) -> Value {
    match random.below(6) {
        0 | 1 => json!({ "safeRegex": { "regex": random.one(expressions) } }),
        2 => json!({ "contains": random.one(texts), "ignoreCase": random.below(2) == 0 }),
        kind => {
            let form = ["exact", "prefix", "suffix"][kind - 3];
            json!({ form: random.one(texts), "ignoreCase": random.below(2) == 0 })
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

fn match_of(random: &mut Random, principal: bool, depth: usize) -> Value {
    if depth > 0 && random.below(3) == 0 {
        let [and, or, not, items] = if principal {
            ["andIds", "orIds", "notId", "ids"]
        } else {
            ["andRules", "orRules", "notRule", "rules"]
        };
        let inner = |random: &mut Random| match_of(random, principal, depth - 1);
        return match random.below(3) {
            0 => json!({ not: inner(random) }),
            which => json!({ [and, or][which - 1]: { items: [inner(random), inner(random)] } }),
        };
    }
    let header = |name: &str, test: Value| json!({ "header": { "name": name, "stringMatch": test } });
    match random.below(if principal { 2 } else { 5 }) {
        0 if principal => loop {
            let name = text(random, NAMES[0], NAMES[1]);
            // What is no SPIFFE id is refused.
            let begins = name.get("exact").or(name.get("prefix")).and_then(Value::as_str);
            if begins.is_none_or(|begins| begins.starts_with("spiffe://td/")) {
                break json!({ "authenticated": { "principalName": name } });
            }
        },
        0 => json!({ "urlPath": { "path": text(random, PATHS[0], PATHS[1]) } }),
        1 => header("x-r", text(random, VALUES[0], VALUES[1])),
        2 => header(":authority", text(random, HOSTS[0], HOSTS[1])),
        3 => header(":method", text(random, &["GET", "T", "P"], &["GET|PUT", "P.*", "[A-Z]{3}"])),
        _ => header(":path", text(random, &["/a?x", "?"], &["/a([?].*)?", "[^?]*"])),
    }
}

fn with_other_texts(seeds: RangeInclusive<u64>) {
    compare(seeds, |random| {
        let policies: Vec<(String, Value)> = (0..1 + random.below(3))
            .map(|number| {
                let policy = json!({ "permissions": [match_of(random, false, 2)], "principals": [match_of(random, true, 2)] });
                (number.to_string(), policy)
            })
            .collect();
        let action = random.one(&["ALLOW", "DENY"]);
        let policies: serde_json::Map<String, Value> = policies.into_iter().collect();
        let filter = json!({ "name": "envoy.filters.http.rbac", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": { "action": action, "policies": policies },
        }});
        listener(&json!([filter]), &Value::Null)
    });
}

fn predicate(random: &mut Random, depth: usize) -> Value {
    let many = |random: &mut Random| -> Vec<Value> {
        (0..2 + random.below(2)).map(|_| predicate(random, depth - 1)).collect()
    };
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => {
            let method = random.one(&["GET", "POST"]);
            json!({ "singlePredicate": { "input": header_input(":method"), "valueMatch": { "exact": method } } })
        }
        1 => {
            let form = random.one(&["exact", "prefix", "suffix"]);
            let text = random.one(&["u", "v", "uv"]);
            json!({ "singlePredicate": { "input": header_input("x-r"), "valueMatch": { *form: text } } })
        }
        2 => {
            let input = random.one(&["SourceIPInput", "DirectSourceIPInput"]);
            let range = json!({ "addressPrefix": random.one(&["10.0.0.0", "192.168.0.0"]), "prefixLen": 8 });
            json!({ "singlePredicate": {
                "input": typed(&format!("envoy.extensions.matching.common_inputs.network.v3.{input}"), &json!({})),
                "customMatch": typed("envoy.extensions.matching.input_matchers.ip.v3.Ip", &json!({ "cidrRanges": [range] })),
            }})
        }
        3 => {
            let (form, text) =
                random.one(&[("exact", "spiffe://td/x"), ("prefix", "spiffe://td/"), ("suffix", "/sa/b")]);
            json!({ "singlePredicate": {
                "input": typed("envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput", &json!({})),
                "valueMatch": { *form: text },
            }})
        }
        4 => {
            let (form, text) =
                random.one(&[("exact", "/a"), ("prefix", "/a"), ("prefix", "/a?"), ("suffix", "b")]);
            json!({ "singlePredicate": { "input": header_input(":path"), "valueMatch": { *form: text } } })
        }
        5 => json!({ "andMatcher": { "predicate": many(random) } }),
        6 => json!({ "orMatcher": { "predicate": many(random) } }),
        _ => json!({ "notMatcher": predicate(random, depth - 1) }),
    }
}

fn on_match(random: &mut Random, depth: usize) -> Value {
    if depth > 0 && random.below(4) == 0 {
        return json!({ "matcher": matcher(random, depth - 1) });
    }
    action(random)
}

fn matcher(random: &mut Random, depth: usize) -> Value {
    let mut found = match random.below(4) {
        0 => {
            let (map, input, keys): (&str, Value, &[&str]) = match random.below(3) {
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
                if random.below(3) > 0 {
                    entries[*key] = on_match(random, depth);
                }
            }
            json!({ "matcherTree": { "input": input, map: { "map": entries } } })
        }
        _ => {
            let entries: Vec<Value> = (0..1 + random.below(3))
                .map(|_| json!({ "predicate": predicate(random, 2), "onMatch": on_match(random, depth) }))
                .collect();
            json!({ "matcherList": { "matchers": entries } })
        }
    };
    if random.below(3) > 0 {
        found["onNoMatch"] = on_match(random, 0);
    }
    found
}

fn filter(matcher: &Value) -> Value {
    json!({ "name": "envoy.filters.http.rbac", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "matcher": matcher,
    }})
}

fn with_matchers(seeds: RangeInclusive<u64>) {
    compare(seeds, |random| {
        let filters: Vec<Value> = (0..1 + random.below(4) / 3).map(|_| filter(&matcher(random, 2))).collect();
        listener(&filters.into(), &Value::Null)
    });
}

fn route(random: &mut Random, number: usize) -> Value {
    let path = *random.one(&["/", "/a", "/a/b", "/b"]);
    let mut matching = match random.below(5) {
        0 => json!({ "path": path }),
        1 if path != "/" => json!({ "pathSeparatedPrefix": path }),
        2 => json!({ "safeRegex": { "regex": random.one(&["/a.*", "/[^/]*", "/a/?b"]) } }),
        _ => json!({ "prefix": path }),
    };
    match random.below(6) {
        0 => matching["caseSensitive"] = false.into(),
        1 => {
            let test = json!({ "name": ":method", "stringMatch": { "exact": random.one(&["GET", "POST"]) } });
            matching["headers"] = json!([test]);
        }
        2 => {
            let inverted = random.below(2) == 0;
            matching["headers"] =
                json!([{ "name": "x-r", "stringMatch": { "prefix": "u" }, "invertMatch": inverted }]);
        }
        _ => {}
    }
    let mut route = json!({ "name": format!("r{number}"), "match": matching, "route": { "cluster": "c" } });
    if random.below(4) > 0 {
        route["typedPerFilterConfig"] = changes(random);
    }
    route
}

/// What a route, a virtual host or all have for the filter.
fn changes(random: &mut Random) -> Value {
    let kind = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute";
    let config = match random.below(5) {
        0 => json!({ "@type": kind }),
        1 => json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true }),
        2 => {
            let policy =
                json!({ "permissions": [match_of(random, false, 1)], "principals": [{ "any": true }] });
            let action = random.one(&["ALLOW", "DENY"]);
            json!({ "@type": kind, "rbac": { "rules": { "action": action, "policies": { "p": policy } } } })
        }
        _ => json!({ "@type": kind, "rbac": { "matcher": matcher(random, 0) } }),
    };
    json!({ "envoy.filters.http.rbac": config })
}

fn with_routes(seeds: RangeInclusive<u64>) {
    compare(seeds, |random| {
        let domains = [&["*"][..], &["a.test"], &["*.test", "a.*"], &["*.a.test"], &["c", "c.*"]];
        let mut hosts = Vec::new();
        for (number, domains) in domains.iter().enumerate() {
            if number > 0 && random.below(2) == 0 {
                continue;
            }
            let routes: Vec<Value> = (0..1 + random.below(3)).map(|number| route(random, number)).collect();
            let mut host = json!({ "name": format!("h{number}"), "domains": domains, "routes": routes });
            if random.below(3) == 0 {
                host["typedPerFilterConfig"] = changes(random);
            }
            hosts.push(host);
        }
        let ports = random.below(2) == 0;
        let routes = json!({ "name": "all", "ignorePortInHostMatching": ports, "virtualHosts": hosts });
        let own = if random.below(2) == 0 { json!({}) } else { json!({ "matcher": matcher(random, 0) }) };
        let mut filter = json!({ "name": "envoy.filters.http.rbac", "typedConfig": own });
        filter["typedConfig"]["@type"] =
            "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC".into();
        listener(&json!([filter]), &routes)
    });
}

#[test]
fn matchers() {
    with_matchers(1..=60);
}

#[test]
fn texts_that_are_compared_otherwise() {
    with_other_texts(1..=60);
}

#[test]
fn routes() {
    with_routes(1..=60);
}

#[test]
#[ignore = "takes minutes"]
fn many_more() {
    for with in [with_matchers, with_other_texts, with_routes] {
        with(1_000..=4_000);
    }
}
