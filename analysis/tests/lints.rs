//! Each lint beyond its example: what else it finds, and what it leaves alone.
#![expect(clippy::unwrap_used, reason = "a test")]

use gnomon_analysis::lint::{self, LINTS, Settings};
use gnomon_engine::Mesh;
use gnomon_manifests::load_text;
use std::collections::BTreeSet;

/// How many findings of the lint there are.
fn count(code: &str, text: &str) -> usize {
    let loaded = load_text(text, "p.yaml").map_err(|wrong| format!("{wrong}\n{text}")).unwrap();
    let mesh = loaded.inventory.mesh(&mut Vec::new()).map(|(_, mesh)| mesh);
    let is_known = mesh.is_some();
    let mesh = mesh.unwrap_or_default();
    let mut settings = Settings::new(&mesh);
    settings.mesh_is_known = is_known;
    // By itself: what another one says better is taken away.
    let only = |lint: &lint::Lint| lint.code == code;
    settings.wanted = &only;
    let found = lint::findings(&loaded, &settings, &|_| Some(text.to_owned()));
    found.iter().filter(|found| found.diagnostic.code == code).count()
}

/// An object of `shop`, or of another namespace: `KIND NAMESPACE/NAME SPEC`.
fn object(line: &str) -> String {
    let mut parts = line.splitn(3, ' ');
    let (kind, name, spec) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap_or("{}"));
    let (namespace, name) = name.split_once('/').unwrap_or(("shop", name));
    let (version, kind) = match kind {
        "AP" => ("security.istio.io/v1", "AuthorizationPolicy"),
        "RA" => ("security.istio.io/v1", "RequestAuthentication"),
        "PA" => ("security.istio.io/v1", "PeerAuthentication"),
        "Deployment" => ("apps/v1", kind),
        "Gateway" | "VirtualService" | "EnvoyFilter" | "ServiceEntry" => ("networking.istio.io/v1", kind),
        "ApiGateway" => ("gateway.networking.k8s.io/v1", "Gateway"),
        "ServiceRole" | "ClusterRbacConfig" => ("rbac.istio.io/v1alpha1", kind),
        _ => ("v1", kind),
    };
    // A namespace's labels, and a ConfigMap's data, are no spec.
    let rest = match kind {
        "Namespace" => format!("metadata: {{name: {name}, labels: {spec}}}"),
        "ConfigMap" => {
            format!("metadata: {{name: {name}, namespace: {namespace}}}\ndata: {{mesh: '{spec}'}}")
        }
        _ => format!("metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}"),
    };
    format!("apiVersion: {version}\nkind: {kind}\n{rest}\n")
}

/// A policy of `shop` with one rule, `ACTION RULE`, and objects below it.
fn text(lines: &[&str]) -> String {
    let one = |line: &&str| match line.split_once(' ') {
        Some((action @ ("ALLOW" | "DENY"), rule)) => {
            let rule = match rule.split_once(": ") {
                Some(("to", operation)) => format!("{{to: [{{operation: {{{operation}}}}}]}}"),
                Some(("from", source)) => format!("{{from: [{{source: {{{source}}}}}]}}"),
                Some(("when", condition)) => format!("{{when: [{{{condition}}}]}}"),
                _ => rule.to_owned(),
            };
            object(&format!("AP p {{action: {action}, rules: [{rule}]}}"))
        }
        _ => object(line),
    };
    lines.iter().map(one).collect::<Vec<_>>().join("---\n")
}

const WEB: &str = "Deployment web {template: {metadata: {labels: {app: web}}, spec: {}}}";
const SERVICE: &str = "Service web {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}";
const AMBIENT: &str = "Namespace shop {istio.io/dataplane-mode: ambient}";
const WAYPOINT: &str = "ApiGateway waypoint {gatewayClassName: istio-waypoint, listeners: [{name: m, port: 15008, protocol: HBONE}]}";
const ISSUER: &str = "RA r {jwtRules: [{issuer: 'https://issuer.test'}]}";

/// The lint, how much it finds, and in what.
const CASES: &[(&str, usize, &[&str])] = &[
    ("literal-star", 1, &["ALLOW to: paths: ['/a*b']"]),
    ("literal-star", 1, &["ALLOW from: principals: ['cluster.local/*/sa/a']"]),
    ("literal-star", 1, &["ALLOW to: paths: ['*foo*']"]),
    ("literal-star", 0, &["ALLOW to: paths: ['/v1/{*}/a', '/f/{**}', '/a*', '*', '*.js']"]),
    ("literal-star", 0, &["ALLOW from: namespaces: ['a*b*'], requestPrincipals: ['*x/*']"]),
    ("spiffe-prefix", 1, &["DENY from: notPrincipals: ['spiffe://td/ns/a/sa/b']"]),
    ("spiffe-prefix", 0, &["ALLOW from: principals: ['spiffe://td/ns/a/sa/b']", AMBIENT, WEB]),
    ("spiffe-prefix", 0, &["ALLOW when: key: 'request.headers[x]', values: ['spiffe://a']"]),
    ("principal-shape", 1, &["ALLOW from: principals: [web]"]),
    ("principal-shape", 1, &["ALLOW from: principals: ['system:serviceaccount:a:b']"]),
    ("principal-shape", 1, &["ALLOW from: principals: [cluster.local/sa/a]"]),
    ("principal-shape", 0, &["ALLOW from: principals: ['*', 'td/ns/a/sa/b', '*/sa/a', 'td/ns/a/*', 'td/*']"]),
    ("regular-expression", 1, &["ALLOW to: hosts: ['^a$']"]),
    ("regular-expression", 1, &["ALLOW to: paths: ['/(a|b)']"]),
    ("regular-expression", 0, &["ALLOW to: paths: ['/a.b', '/$value', '/a(b)', '/.well-known/*']"]),
    ("query-in-path", 1, &["DENY to: notPaths: ['/a#b']"]),
    ("query-in-path", 0, &["ALLOW to: paths: ['/a%3Fb']"]),
    ("path-without-slash", 1, &["ALLOW to: paths: ['https://a/b']"]),
    ("path-without-slash", 0, &["ALLOW to: paths: ['*', '/', '*/x', '/{*}']"]),
    ("path-not-normalized", 2, &["ALLOW to: paths: ['/a/../b', '/a/./*']"]),
    ("path-not-normalized", 0, &["ALLOW to: paths: ['/a//b', '/a%2Fb', '/a..b', '/..*']"]),
    (
        "path-not-normalized",
        1,
        &[
            "ALLOW to: paths: ['/a//b']",
            "ConfigMap istio-system/istio pathNormalization: {normalization: MERGE_SLASHES}",
        ],
    ),
    (
        "path-not-normalized",
        0,
        &[
            "ALLOW to: paths: ['/a/../b']",
            "ConfigMap istio-system/istio pathNormalization: {normalization: NONE}",
        ],
    ),
    (
        "misplaced-field",
        2,
        &["AP p {rules: [{to: [{operation: {methods: [GET], requestPrincipals: ['*']}, from: []}]}]}"],
    ),
    ("misspelt-field", 1, &["PA a {mTLS: {mode: STRICT}}"]),
    ("misspelt-field", 1, &["PA a {peers: [{mtls: {}}]}"]),
    (
        "misspelt-field",
        1,
        &["RA r {jwtRules: [{issuer: 'https://issuer.test', jwksURI: 'https://issuer.test/k'}]}"],
    ),
    ("misspelt-field", 1, &["RA r {jwtRules: [{issuer: 'https://issuer.test', forward: true}]}"]),
    ("misspelt-field", 1, &["ALLOW to: methods: [GET], path: [/]"]),
    ("misspelt-field", 1, &["AP p {rules: [{conditions: [{key: source.ip, values: [10.0.0.1]}]}]}"]),
    ("misspelt-field", 1, &["AP p {rules: [{operations: [{methods: [GET]}]}]}"]),
    ("misspelt-field", 0, &["ALLOW to: methods: [GET], colour: [red]", "AP q {selector: {app: web}}"]),
    ("misplaced-field", 1, &["AP p {jwtRules: []}"]),
    ("misplaced-field", 1, &["RA r {rules: []}"]),
    (
        "misplaced-field",
        1,
        &["AP p {selector: {matchExpressions: [{key: app, operator: In, values: [web]}]}}"],
    ),
    (
        "nots-allow-everybody",
        1,
        &["AP p {rules: [{to: [{operation: {notPaths: [/a]}}, {operation: {notPaths: [/b]}}]}]}"],
    ),
    (
        "nots-allow-everybody",
        0,
        &["AP p {rules: [{to: [{operation: {notPaths: ['/a*']}}]}, {to: [{operation: {notPaths: [/ab]}}]}]}"],
    ),
    (
        "nots-allow-everybody",
        0,
        &[
            "AP p {rules: [{to: [{operation: {notPaths: [/a], methods: [GET]}}]}, {to: [{operation: {notPaths: [/b]}}]}]}",
        ],
    ),
    (
        "nots-deny-everybody",
        1,
        &[
            "AP p {action: DENY, rules: [{to: [{operation: {notPaths: [/a]}}]}, {to: [{operation: {notPaths: [/b]}}]}]}",
        ],
    ),
    (
        "nots-deny-everybody",
        0,
        &[
            "AP p {action: DENY, rules: [{from: [{source: {notIpBlocks: [10.0.0.0/8]}}]}, {from: [{source: {notIpBlocks: [10.1.0.0/16]}}]}]}",
        ],
    ),
    ("padded-value", 2, &["ALLOW to: methods: ['GET '], paths: [' /a']"]),
    ("padded-value", 1, &["ALLOW from: namespaces: [\"web\\n\"]"]),
    ("padded-value", 0, &["ALLOW to: methods: [GET], paths: ['/a b']"]),
    ("list-in-value", 3, &["ALLOW to: methods: ['GET,POST', 'GET|PUT', 'GET PUT']"]),
    ("list-in-value", 2, &["ALLOW to: paths: ['/a,/b'], hosts: ['a.test, b.test']"]),
    ("list-in-value", 1, &["ALLOW from: namespaces: ['a;b']"]),
    ("list-in-value", 0, &["ALLOW to: paths: ['/a,b', '/x;v=1', '/a|b']"]),
    ("list-in-value", 0, &["ALLOW when: key: 'request.headers[accept]', values: ['a, b']"]),
    ("negated-value", 3, &["DENY to: methods: ['!GET'], paths: ['!/a'], notHosts: ['!a.test']"]),
    ("negated-value", 1, &["ALLOW when: key: 'request.headers[x]', values: ['!a']"]),
    ("negated-value", 0, &["ALLOW to: paths: ['/a!', '/!/b']"]),
    ("path-parameter", 3, &["ALLOW to: paths: ['/a/:id/b', '/a/<id>', '/a/:id/*']"]),
    ("path-parameter", 0, &["ALLOW to: paths: ['/v1/users:list', '/a/:', '/a/:9x-y', '/a/{*}']"]),
    ("placeholder", 3, &["ALLOW from: namespaces: ['${NS}', '{{ .Values.ns }}', '<namespace>']"]),
    ("placeholder", 2, &["ALLOW from: principals: ['cluster.local/ns/$NS/sa/a', 'td/ns/__NS__/sa/a']"]),
    (
        "placeholder",
        2,
        &[
            "RA r {jwtRules: [{issuer: 'https://YOUR_DOMAIN.auth0.com/', jwksUri: 'https://<tenant>.auth0.com/k'}]}",
        ],
    ),
    ("placeholder", 0, &["ALLOW to: paths: ['/$metadata', '/a/<id>', '/user@a.test'], hosts: ['todo.test']"]),
    ("namespace-shape", 0, &["ALLOW from: namespaces: ['${NS}', 'a, b', 'a ']"]),
    ("principal-shape", 1, &["ALLOW from: principals: ['cluster.local/ns/Web/sa/a']"]),
    ("url-in-hosts", 2, &["ALLOW when: key: connection.sni, values: ['a.test:443', 'https://a.test']"]),
    ("url-in-hosts", 0, &["ALLOW when: key: connection.sni, values: [a.test, '*.a.test']"]),
    ("url-in-hosts", 0, &["ALLOW to: hosts: ['a.test:8443']"]),
    ("unknown-method", 4, &["ALLOW to: methods: [ANY, grpc, READ, OPTION]"]),
    ("regular-expression", 0, &["ALLOW to: hosts: ['*.*.test']"]),
    ("misplaced-field", 1, &["RA r {issuer: 'https://issuer.test'}"]),
    (
        "misplaced-field",
        0,
        &["ALLOW to: methods: [GET], colour: [red]", "ALLOW to: methods: [GET], path: [/]"],
    ),
    (
        "misplaced-field",
        0,
        &["RA r {selector: {matchLabels: {app: web}}, jwtRules: []}", "PA a {mtls: {mode: STRICT}}"],
    ),
    ("method-case", 2, &["ALLOW to: methods: [Get], notMethods: [post]"]),
    ("method-case", 0, &["ALLOW to: methods: [GET, 'P*', purge]"]),
    ("path-in-methods", 0, &["ALLOW to: methods: [POST]"]),
    ("unknown-method", 2, &["ALLOW to: methods: [DELETED, PUST]"]),
    ("unknown-method", 0, &["ALLOW to: methods: [GET, PUT, PURGE, PROPFIND, REPORT]"]),
    ("url-in-hosts", 1, &["ALLOW to: hosts: [a.test/b]"]),
    ("url-in-hosts", 0, &["ALLOW to: hosts: [a.test, 'a.test:443', '*.b']"]),
    ("cidr-in-header", 0, &["ALLOW when: key: 'request.headers[x]', values: [10.0.0.1, a/b]"]),
    ("cidr-in-header", 0, &["ALLOW from: ipBlocks: [10.0.0.0/8]"]),
    ("dotted-claim", 1, &["ALLOW when: key: 'request.auth.claims[a.b]', values: [c]"]),
    ("dotted-claim", 0, &["ALLOW when: key: 'request.auth.claims[kubernetes.io][namespace]', values: [c]"]),
    ("dotted-claim", 0, &["ALLOW when: key: 'request.auth.claims[https://a.test/role]', values: [c]"]),
    ("typed-claim", 1, &["ALLOW when: key: 'request.auth.claims[level]', values: ['5']"]),
    ("typed-claim", 0, &["ALLOW when: key: 'request.auth.claims[role]', values: [trusted, '5a']"]),
    ("typed-claim", 0, &["ALLOW when: key: 'request.headers[x]', values: ['true']"]),
    ("unknown-trust-domain", 0, &["ALLOW from: principals: [old.test/ns/a/sa/b]"]),
    (
        "unknown-trust-domain",
        0,
        &[
            "ALLOW from: principals: [cluster.local/ns/a/sa/b, '*/ns/a/sa/b', new.test/ns/a/sa/b, was.test/ns/a/sa/b]",
            "ConfigMap istio-system/istio {trustDomain: new.test, trustDomainAliases: [was.test]}",
        ],
    ),
    ("unknown-service-account", 1, &["ALLOW from: serviceAccounts: [shop/wbe]", WEB, "ServiceAccount web"]),
    ("unknown-service-account", 0, &["ALLOW from: serviceAccounts: [shop/wbe]", WEB]),
    (
        "unknown-service-account",
        0,
        &["ALLOW from: principals: [cluster.local/ns/shop/sa/default, cluster.local/ns/other/sa/x]", WEB],
    ),
    ("unknown-service-account", 0, &["ALLOW from: serviceAccounts: [runner]", WEB, "ServiceAccount runner"]),
    ("unknown-namespace", 0, &["ALLOW from: namespaces: [shpo]", "Namespace shop {}", "Namespace web {}"]),
    (
        "unknown-namespace",
        0,
        &[
            "ALLOW from: namespaces: [istio-system, 'a*']",
            "Namespace shop {}",
            "Namespace web {}",
            "Namespace c {}",
        ],
    ),
    ("namespace-shape", 2, &["ALLOW from: namespaces: [Web, a.b]"]),
    ("namespace-shape", 0, &["ALLOW from: namespaces: [web-1, 'a*']"]),
    ("every-namespace", 1, &["ALLOW from: namespaces: ['*sa']"]),
    ("every-namespace", 0, &["ALLOW from: namespaces: ['*', '*ab', 'a*', '*-a']"]),
    ("request-principal-shape", 2, &["ALLOW from: requestPrincipals: ['*.test/*', issuer]"]),
    ("request-principal-shape", 1, &["ALLOW from: requestPrincipals: ['https://issuer.test']", ISSUER]),
    (
        "request-principal-shape",
        0,
        &["ALLOW from: requestPrincipals: ['*', 'a/b', 'a/*', '*/b', 'https://a*']"],
    ),
    ("malformed-key", 0, &["ALLOW when: key: 'request.auth.claims[a][b]', values: [c]"]),
    ("cookie-value", 1, &["DENY when: key: 'request.headers[Cookie]', values: ['*a']"]),
    ("cookie-value", 0, &["ALLOW when: key: 'request.headers[x-cookie]', values: [a]"]),
    ("mapped-address", 0, &["ALLOW from: ipBlocks: ['2001:db8::1', 10.1.2.3]"]),
    ("host-bits", 1, &["ALLOW when: key: remote.ip, values: ['2001:db8::1/32']"]),
    ("host-bits", 0, &["ALLOW from: ipBlocks: [10.1.2.3, 10.0.0.0/8, 10.1.2.3/32]"]),
    ("port-zero", 0, &["ALLOW to: ports: ['80']"]),
    ("split-rule", 1, &["ALLOW {from: [{source: {namespaces: [a]}}]}, {to: [{operation: {paths: [/a]}}]}"]),
    (
        "split-rule",
        0,
        &["ALLOW {from: [{source: {namespaces: [a]}}]}, {to: [{operation: {paths: [/healthz]}}]}"],
    ),
    ("split-rule", 0, &["ALLOW {from: [{source: {namespaces: [a]}}]}, {to: [{operation: {ports: ['80']}}]}"]),
    ("split-rule", 0, &["DENY {from: [{source: {namespaces: [a]}}]}, {from: [{source: {namespaces: [b]}}]}"]),
    ("allows-nothing", 0, &["AP allow-nothing {}"]),
    ("allows-nothing", 0, &["AP default-deny {}"]),
    ("allows-nothing", 1, &["AP allow-web {selector: {matchLabels: {app: web}}}"]),
    ("denies-everything", 0, &["DENY {}"]),
    ("denies-everything", 0, &["DENY {}", "AP istio-system/q {rules: [{}]}"]),
    ("denies-everything", 1, &["DENY {}", "AP q {selector: {matchLabels: {app: a}}, rules: [{}]}"]),
    ("unconditional-rule", 0, &["ALLOW {}"]),
    ("duplicate-value", 1, &["DENY from: notNamespaces: [a, b, a]"]),
    ("duplicate-value", 0, &["ALLOW to: methods: [GET, HEAD]"]),
    ("covered-value", 1, &["ALLOW to: hosts: ['*.a.test', b.a.test]"]),
    ("covered-value", 1, &["ALLOW to: methods: ['*', GET]"]),
    // The second star is a character.
    ("covered-value", 0, &["ALLOW to: paths: ['/dex/**', '/dex/x']"]),
    ("covered-value", 1, &["ALLOW to: paths: ['/dex/*', '/dex/**']"]),
    ("covered-value", 0, &["ALLOW to: paths: ['/a/*', /a, '/b*'], hosts: [a.test, 'a.test:*']"]),
    (
        "duplicate-rule",
        0,
        &["ALLOW {to: [{operation: {methods: [GET]}}]}, {to: [{operation: {methods: [PUT]}}]}"],
    ),
    ("duplicate-policy", 0, &["ALLOW {}", "AP q {action: DENY, rules: [{}]}"]),
    ("duplicate-policy", 0, &["ALLOW {}", "AP q {selector: {matchLabels: {a: b}}, rules: [{}]}"]),
    ("contradiction", 1, &["ALLOW to: paths: [/a], notPaths: ['/a*']"]),
    (
        "contradiction",
        1,
        &["ALLOW {when: [{key: connection.sni, values: [a]}, {key: connection.sni, values: [b]}]}"],
    ),
    (
        "contradiction",
        0,
        &[
            "ALLOW {when: [{key: 'request.headers[x]', values: [a]}, {key: 'request.headers[x]', values: [b]}]}",
        ],
    ),
    (
        "contradiction",
        0,
        &[
            "ALLOW {to: [{operation: {ports: ['1']}}, {operation: {paths: [/a]}}], when: [{key: destination.port, values: ['2']}]}",
        ],
    ),
    ("contradiction", 0, &["ALLOW to: paths: ['/a*'], notPaths: [/a/b]"]),
    ("excludes-everything", 1, &["ALLOW to: paths: [/a], notMethods: ['*']"]),
    ("excludes-everything", 0, &["DENY from: notPrincipals: ['*'], notRequestPrincipals: ['*']"]),
    ("excluded-value", 0, &["ALLOW from: namespaces: [a], notNamespaces: [b]"]),
    ("star-says-nothing", 0, &["ALLOW from: principals: ['*']"]),
    ("star-says-nothing", 0, &["DENY to: notMethods: ['*']"]),
    (
        "nots-deny-everybody",
        0,
        &["DENY {from: [{source: {notNamespaces: [a]}}]}, {to: [{operation: {notPaths: [/a]}}]}"],
    ),
    (
        "nots-deny-everybody",
        0,
        &["ALLOW {from: [{source: {notNamespaces: [a]}}]}, {from: [{source: {notNamespaces: [b]}}]}"],
    ),
    ("exact-path", 1, &["ALLOW to: notPaths: [/admin/]"]),
    ("exact-path", 0, &["ALLOW to: paths: [/admin]"]),
    ("exact-path", 0, &["DENY to: paths: [/a.html, '/b*', /, '/c', '/c/*', '/d/{**}', '/d', '/d/*']"]),
    ("subtree-without-root", 0, &["DENY to: paths: ['/*', '/a/*', /a]"]),
    ("subtree-without-root", 1, &["ALLOW to: notPaths: ['/a/*']"]),
    ("head-beside-get", 0, &["ALLOW to: methods: [GET]"]),
    ("head-beside-get", 0, &["DENY to: methods: [POST]"]),
    ("head-beside-get", 1, &["ALLOW to: notMethods: [GET]"]),
    ("not-identity-in-plaintext", 1, &["ALLOW from: notPrincipals: [a/ns/b/sa/c]"]),
    ("not-identity-in-plaintext", 0, &["ALLOW from: notNamespaces: [bad]", "PA d {mtls: {mode: STRICT}}"]),
    (
        "not-identity-in-plaintext",
        0,
        &["ALLOW from: notNamespaces: [bad]", "PA istio-system/d {mtls: {mode: STRICT}}"],
    ),
    ("not-identity-in-plaintext", 0, &["ALLOW from: namespaces: ['b*'], notNamespaces: [bad]"]),
    (
        "not-identity-in-plaintext",
        0,
        &[
            "ALLOW from: notNamespaces: [bad]",
            "AP q {action: DENY, rules: [{from: [{source: {notPrincipals: ['*']}}]}]}",
        ],
    ),
    (
        "not-identity-in-plaintext",
        0,
        &[
            "ALLOW from: notNamespaces: [bad]",
            "PA d {selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}",
        ],
    ),
    ("deny-identity-in-plaintext", 1, &["DENY from: principals: [a/ns/b/sa/c]"]),
    ("deny-identity-in-plaintext", 0, &["DENY from: notPrincipals: [a/ns/b/sa/c]"]),
    (
        "deny-identity-in-plaintext",
        0,
        &["DENY from: namespaces: [a]", "AP q {rules: [{from: [{source: {principals: ['*']}}]}]}"],
    ),
    ("authorization-header", 1, &["DENY when: key: 'request.headers[Authorization]', notValues: ['*']"]),
    ("authorization-header", 0, &["ALLOW when: key: 'request.headers[x-authorization]', values: [a]"]),
    ("header-as-identity", 1, &["ALLOW when: key: 'request.headers[X-Forwarded-User]', values: ['*']"]),
    ("header-as-identity", 0, &["DENY when: key: 'request.headers[x-user]', values: [a]"]),
    ("header-as-identity", 0, &["ALLOW when: key: 'request.headers[user-agent]', values: [a]"]),
    ("header-as-identity", 0, &["ALLOW when: key: 'request.headers[x-version]', values: [a]"]),
    (
        "header-as-identity",
        0,
        &[
            "ALLOW when: key: 'request.headers[x-user]', values: [a]",
            "RA r {jwtRules: [{issuer: i, jwksUri: 'https://i.test', outputClaimToHeaders: [{header: X-User, claim: sub}]}]}",
        ],
    ),
    ("forwarded-for-header", 0, &["ALLOW when: key: 'request.headers[x-forwarded-for]', values: ['*']"]),
    ("forwarded-for-header", 0, &["ALLOW when: key: 'request.headers[x-forwarded-proto]', values: [https]"]),
    ("raw-path-header", 0, &["ALLOW to: paths: [/a]"]),
    ("service-port", 0, &["ALLOW to: ports: ['8080', '9090']", WEB, SERVICE]),
    ("service-port", 1, &["DENY to: ports: ['80']", WEB, SERVICE]),
    ("service-port", 0, &["ALLOW to: ports: ['80']", SERVICE]),
    (
        "service-port",
        0,
        &[
            "ALLOW to: ports: ['80']",
            "Deployment web {template: {metadata: {labels: {app: web}}, spec: {containers: [{ports: [{containerPort: 80}]}]}}}",
            SERVICE,
        ],
    ),
    (
        "envoy-filter-name",
        1,
        &[
            "EnvoyFilter f {configPatches: [{match: {listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.rbac}}}}}}]}",
        ],
    ),
    (
        "envoy-filter-name",
        0,
        &[
            "EnvoyFilter f {configPatches: [{match: {listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}}}]}",
        ],
    ),
    ("absent-claim-passes", 1, &["ALLOW from: notRequestPrincipals: [a/b]"]),
    (
        "absent-claim-passes",
        0,
        &[
            "ALLOW {when: [{key: 'request.auth.claims[a]', notValues: [b]}, {key: 'request.auth.claims[iss]', values: [i]}]}",
        ],
    ),
    (
        "absent-claim-passes",
        0,
        &[
            "ALLOW from: notRequestPrincipals: [a/b]",
            "AP q {action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}",
        ],
    ),
    ("absent-claim-passes", 0, &["DENY from: notRequestPrincipals: ['*']"]),
    ("paths-not-normalized-by-mesh", 0, &["DENY to: paths: [/a, '/a/*']"]),
    ("suffix-without-dot", 0, &["ALLOW to: hosts: ['*.a.test', '*', '*-x']"]),
    ("suffix-without-dot", 0, &["DENY to: hosts: ['*a.test']"]),
    ("open-identity-prefix", 0, &["ALLOW from: principals: ['td/ns/a/*', 'td/ns/dev-*', '*', 'td/*']"]),
    ("token-without-authentication", 1, &["ALLOW when: key: 'request.auth.claims[a]', values: [b]"]),
    (
        "token-without-authentication",
        0,
        &[
            "ALLOW from: requestPrincipals: ['*']",
            "RA istio-system/r {jwtRules: [{issuer: 'https://i.test'}]}",
            WEB,
        ],
    ),
    (
        "token-without-authentication",
        1,
        &["ALLOW from: requestPrincipals: ['*']", "RA other/r {jwtRules: [{issuer: 'https://i.test'}]}"],
    ),
    (
        "token-without-authentication",
        0,
        &[
            "AP p {targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: g}], rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}",
            "RA r {selector: {matchLabels: {gateway.networking.k8s.io/gateway-name: g}}, jwtRules: [{issuer: 'https://i.test'}]}",
        ],
    ),
    ("token-not-required", 0, &[ISSUER]),
    ("token-not-required", 0, &[ISSUER, "AP q {action: CUSTOM, provider: {name: p}, rules: [{}]}"]),
    (
        "token-not-required",
        0,
        &[
            ISSUER,
            "AP istio-system/q {action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}",
        ],
    ),
    (
        "one-issuer-two-keys",
        1,
        &[
            "RA a {jwtRules: [{issuer: i, jwksUri: 'https://a.test'}]}",
            "RA istio-system/b {jwtRules: [{issuer: i, jwksUri: 'https://b.test'}]}",
        ],
    ),
    (
        "one-issuer-two-keys",
        0,
        &[
            "RA a {jwtRules: [{issuer: i, audiences: [a], jwksUri: 'https://a.test'}, {issuer: i, audiences: [b], jwksUri: 'https://a.test'}]}",
        ],
    ),
    (
        "one-issuer-two-keys",
        0,
        &[
            "RA a {selector: {matchLabels: {a: b}}, jwtRules: [{issuer: i, jwksUri: 'https://a.test'}]}",
            "RA b {selector: {matchLabels: {a: c}}, jwtRules: [{issuer: i, jwksUri: 'https://b.test'}]}",
        ],
    ),
    ("issuer-without-keys", 0, &[ISSUER]),
    (
        "token-not-forwarded",
        0,
        &[
            "RA istio-system/g {selector: {matchLabels: {istio: ingressgateway}}, jwtRules: [{issuer: 'https://other.test'}]}",
            ISSUER,
        ],
    ),
    ("token-not-forwarded", 0, &["RA istio-system/g {jwtRules: [{issuer: 'https://issuer.test'}]}", ISSUER]),
    (
        "custom-before-token",
        0,
        &[
            "AP q {action: CUSTOM, provider: {name: p}, rules: [{when: [{key: 'request.headers[x]', values: [a]}]}]}",
            ISSUER,
        ],
    ),
    ("token-without-subject", 0, &["ALLOW from: requestPrincipals: ['*']", ISSUER]),
    (
        "claim-route-without-authentication",
        1,
        &[
            "VirtualService v {hosts: [a], http: [{match: [{withoutHeaders: {'@request.auth.claims.a': {}}}]}]}",
        ],
    ),
    (
        "claim-route-without-authentication",
        0,
        &["VirtualService v {hosts: [a], gateways: [g], http: [{match: [{headers: {x-a: {exact: b}}}]}]}"],
    ),
    (
        "claim-route-without-authentication",
        0,
        &[
            "VirtualService v {hosts: [a], gateways: [g], http: [{match: [{headers: {'@request.auth.claims.a': {exact: b}}}]}]}",
            ISSUER,
        ],
    ),
    (
        "keys-over-http",
        0,
        &[
            "RA r {jwtRules: [{issuer: i, jwksUri: 'http://keys.auth.svc.cluster.local/k'}, {issuer: j, jwksUri: 'http://keys/k'}, {issuer: k, jwksUri: 'https://a.test'}]}",
        ],
    ),
    ("issuer-pattern", 0, &[ISSUER]),
    (
        "keys-from-discovery-document",
        0,
        &["RA r {jwtRules: [{issuer: i, jwksUri: 'https://a.test/.well-known/jwks.json'}]}"],
    ),
    (
        "authorization-without-prefix",
        0,
        &["RA r {jwtRules: [{issuer: 'https://i.test', fromHeaders: [{name: x-token}]}]}"],
    ),
    ("shared-issuer-any-audience", 0, &["RA r {jwtRules: [{issuer: 'https://securetoken.google.com/p'}]}"]),
    (
        "output-claim-name",
        0,
        &[
            "RA r {jwtRules: [{issuer: 'https://i.test', outputClaimToHeaders: [{header: x, claim: realm_access.roles}]}]}",
        ],
    ),
    (
        "unknown-issuer",
        1,
        &["ALLOW when: key: 'request.auth.claims[iss]', values: ['https://other.test']", ISSUER],
    ),
    ("unknown-issuer", 0, &["ALLOW from: requestPrincipals: ['https://issuer.test/*', '*']", ISSUER]),
    ("unknown-issuer", 0, &["ALLOW from: requestPrincipals: ['https://a.test/*']"]),
    (
        "unknown-issuer",
        0,
        &[
            "ALLOW from: requestPrincipals: ['https://a.test/*']",
            "RA r {jwtRules: [{jwksUri: 'https://a.test'}]}",
        ],
    ),
    ("selector-selects-nothing", 0, &["AP q {selector: {matchLabels: {app: x}}, rules: [{}]}"]),
    ("selector-selects-nothing", 1, &["PA q {selector: {matchLabels: {app: x}}, mtls: {mode: STRICT}}", WEB]),
    (
        "selector-selects-nothing",
        0,
        &["AP q {selector: {matchLabels: {istio: ingressgateway}}, rules: [{}]}", WEB],
    ),
    ("namespace-without-workloads", 0, &["ALLOW {}", WEB]),
    ("target-not-found", 0, &["AP q {targetRefs: [{kind: Service, group: '', name: other}], rules: [{}]}"]),
    (
        "target-not-found",
        1,
        &["AP q {targetRefs: [{kind: Service, group: '', name: other}], rules: [{}]}", SERVICE],
    ),
    (
        "target-without-waypoint",
        0,
        &["AP q {targetRefs: [{kind: Service, group: '', name: web}], rules: [{}]}", WEB, SERVICE, WAYPOINT],
    ),
    (
        "target-without-waypoint",
        0,
        &["AP q {targetRefs: [{kind: Service, group: '', name: web}], rules: [{}]}", AMBIENT, WEB, SERVICE],
    ),
    ("selector-on-waypoint", 0, &["AP q {selector: {matchLabels: {app: web}}, rules: [{}]}", WEB, WAYPOINT]),
    (
        "http-at-ztunnel",
        1,
        &["ALLOW {from: [{source: {namespaces: [a]}}], to: [{operation: {methods: [GET]}}]}", AMBIENT, WEB],
    ),
    ("http-at-ztunnel", 0, &["ALLOW from: namespaces: [a]", AMBIENT, WEB]),
    ("http-at-ztunnel", 0, &["ALLOW to: methods: [GET]", WEB]),
    ("not-at-ztunnel", 1, &["AP q {action: AUDIT, rules: [{}]}", AMBIENT, WEB]),
    ("not-at-ztunnel", 0, &["ALLOW {}", AMBIENT, WEB]),
    ("trust-domain-at-ztunnel", 0, &["ALLOW from: trustDomains: [a.test]", WEB]),
    ("source-ip-at-waypoint", 0, &["ALLOW from: ipBlocks: [10.0.0.0/8]", WEB]),
    (
        "source-ip-at-waypoint",
        1,
        &[
            "AP q {targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: waypoint}], rules: [{when: [{key: source.ip, values: [10.0.0.1]}]}]}",
            WAYPOINT,
        ],
    ),
    (
        "gateway-class-target",
        1,
        &[
            "RA q {targetRefs: [{kind: GatewayClass, group: gateway.networking.k8s.io, name: istio-waypoint}]}",
        ],
    ),
    (
        "agentgateway-target",
        0,
        &[
            "AP q {targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: waypoint}], rules: [{}]}",
            WAYPOINT,
        ],
    ),
    (
        "workload-without-proxy",
        1,
        &[
            "AP q {selector: {matchLabels: {app: web}}, rules: [{}]}",
            "Deployment web {template: {metadata: {labels: {app: web}}, spec: {hostNetwork: true}}}",
        ],
    ),
    ("workload-without-proxy", 0, &["AP q {selector: {matchLabels: {app: web}}, rules: [{}]}", WEB]),
    ("peer-selector-in-root", 0, &["PA istio-system/q {mtls: {mode: STRICT}}"]),
    (
        "two-peer-authentications",
        0,
        &[
            "PA a {mtls: {mode: STRICT}}",
            "PA b {selector: {matchLabels: {a: b}}, mtls: {mode: STRICT}}",
            "PA other/c {mtls: {mode: STRICT}}",
        ],
    ),
    (
        "two-peer-authentications",
        1,
        &[
            "PA a {selector: {matchLabels: {a: b}}, mtls: {mode: STRICT}}",
            "PA b {selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: DISABLE}}}",
        ],
    ),
    ("peer-authentication-on-gateway", 0, &["PA a {mtls: {mode: STRICT}}"]),
    ("disable-at-ztunnel", 0, &["PA a {mtls: {mode: STRICT}}", AMBIENT, WEB]),
    ("disable-at-ztunnel", 0, &["PA a {mtls: {mode: DISABLE}}", WEB]),
    (
        "port-mtls-of-service-port",
        0,
        &[
            "PA a {selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: DISABLE}, 9999: {mode: DISABLE}}}",
            WEB,
            SERVICE,
        ],
    ),
    ("http-on-tcp-service", 0, &["DENY to: methods: [GET]", WEB, SERVICE]),
    (
        "http-on-tcp-service",
        0,
        &[
            "DENY from: namespaces: [a]",
            WEB,
            "Service db {selector: {app: web}, ports: [{name: tcp, port: 1}]}",
        ],
    ),
    ("tcp-port-refused", 0, &["ALLOW to: methods: [GET]", WEB, SERVICE]),
    (
        "tcp-port-refused",
        0,
        &[
            "ALLOW from: namespaces: [a]",
            WEB,
            "Service db {selector: {app: web}, ports: [{name: tcp, port: 1}]}",
        ],
    ),
    (
        "two-custom-providers",
        0,
        &[
            "AP a {selector: {matchLabels: {app: a}}, action: CUSTOM, provider: {name: a}, rules: [{}]}",
            "AP b {selector: {matchLabels: {app: b}}, action: CUSTOM, provider: {name: b}, rules: [{}]}",
            "AP other/c {action: CUSTOM, provider: {name: c}, rules: [{}]}",
        ],
    ),
    (
        "two-custom-providers",
        1,
        &[
            "AP a {selector: {matchLabels: {app: web}}, action: CUSTOM, provider: {name: a}, rules: [{}]}",
            "AP b {selector: {matchLabels: {tier: front}}, action: CUSTOM, provider: {name: b}, rules: [{}]}",
            "Deployment web {template: {metadata: {labels: {app: web, tier: front}}, spec: {}}}",
        ],
    ),
    (
        "gateway-refused",
        0,
        &[
            "AP istio-system/p {rules: [{from: [{source: {namespaces: [a]}}]}]}",
            "Deployment istio-system/egress {template: {metadata: {labels: {istio: egressgateway}, annotations: {inject.istio.io/templates: gateway}}, spec: {}}}",
        ],
    ),
    ("gateway-refused", 0, &["AP istio-system/p {rules: [{from: [{source: {namespaces: [a]}}]}]}", WEB]),
    ("probe-not-rewritten", 0, &["ALLOW from: namespaces: [a]", WEB]),
    // Together they cover the third one; a policy of all the namespace applies wherever it does.
    (
        "idle-rule",
        1,
        &[
            "AP p {rules: [{to: [{operation: {methods: [GET]}}]}, {to: [{operation: {notMethods: [GET]}}]}]}",
            "AP q {selector: {matchLabels: {app: a}}, rules: [{to: [{operation: {hosts: [a.test]}}]}]}",
        ],
    ),
    // The other way round it does not.
    (
        "idle-rule",
        0,
        &[
            "AP p {selector: {matchLabels: {app: a}}, rules: [{to: [{operation: {paths: ['/*']}}]}]}",
            "AP q {rules: [{to: [{operation: {paths: [/a]}}]}]}",
        ],
    ),
    ("idle-rule", 1, &["ALLOW to: methods: [GET], notMethods: ['G*']"]),
    (
        "idle-rule",
        1,
        &["ALLOW to: paths: ['/a/*']", "AP q {action: DENY, rules: [{to: [{operation: {paths: ['/a*']}}]}]}"],
    ),
    // A second lock, and a rehearsal.
    (
        "idle-rule",
        0,
        &["ALLOW to: paths: ['/a/*']", "AP q {action: DENY, rules: [{to: [{operation: {paths: [/b]}}]}]}"],
    ),
    (
        "idle-rule",
        0,
        &["ALLOW to: paths: ['/a/*']", "AP q {action: AUDIT, rules: [{to: [{operation: {paths: [/a/b]}}]}]}"],
    ),
    // Nothing has a token here, and nobody says that it stays so.
    ("idle-rule", 0, &["ALLOW from: requestPrincipals: ['*'], notRequestPrincipals: ['*']"]),
    ("idle-rule", 1, &["ALLOW from: requestPrincipals: ['*'], notRequestPrincipals: ['*']", ISSUER]),
    (
        "idle-rule",
        0,
        &[
            "ALLOW from: requestPrincipals: ['*'], notRequestPrincipals: ['*']",
            "RA r {selector: {matchLabels: {app: a}}, jwtRules: [{issuer: 'https://issuer.test'}]}",
        ],
    ),
    // Without normalization a path may look like that.
    ("idle-rule", 0, &["ALLOW to: paths: ['/a/../b']"]),
    ("idle-rule", 1, &["ALLOW to: paths: ['/a/../b']", "ConfigMap istio-system/istio {trustDomain: a.test}"]),
    // Another rule decides the same about the value, a list excepts what the rule does not match, a condition repeats one.
    (
        "idle-value",
        1,
        &[
            "AP p {rules: [{to: [{operation: {methods: [GET]}}]}, {to: [{operation: {methods: [GET, POST], paths: [/a]}}]}]}",
        ],
    ),
    ("idle-value", 1, &["ALLOW from: namespaces: [a], notNamespaces: [b]"]),
    (
        "idle-value",
        1,
        &[
            "AP p {rules: [{from: [{source: {namespaces: [a]}}, {source: {namespaces: [a], principals: ['cluster.local/ns/a/sa/x']}}]}]}",
        ],
    ),
    (
        "idle-value",
        1,
        &[
            "AP p {action: DENY, rules: [{to: [{operation: {ports: ['80']}}], when: [{key: destination.port, values: ['80', '81']}]}]}",
        ],
    ),
    // A policy of all the namespace applies wherever it does; the other way round it does not.
    (
        "idle-value",
        1,
        &[
            "AP p {rules: [{to: [{operation: {methods: [GET]}}]}]}",
            "AP q {selector: {matchLabels: {app: a}}, rules: [{to: [{operation: {methods: [GET, PUT]}}]}]}",
        ],
    ),
    (
        "idle-value",
        0,
        &[
            "AP p {selector: {matchLabels: {app: a}}, rules: [{to: [{operation: {methods: [GET]}}]}]}",
            "AP q {rules: [{to: [{operation: {methods: [GET, PUT]}}]}]}",
        ],
    ),
    // What is denied anyway, what another action decides, and what is needed.
    (
        "idle-value",
        0,
        &[
            "ALLOW to: methods: [GET, PUT]",
            "AP q {action: DENY, rules: [{to: [{operation: {methods: [PUT]}}]}]}",
        ],
    ),
    ("idle-value", 0, &["ALLOW to: methods: [GET, PUT], notPaths: [/a]"]),
    // Whole rules are the matter of idle-rule, and what one list says twice of covered-value.
    (
        "idle-value",
        0,
        &[
            "AP p {rules: [{to: [{operation: {methods: [GET]}}]}, {to: [{operation: {methods: [GET], paths: [/a]}}]}]}",
        ],
    ),
    ("idle-value", 0, &["ALLOW to: paths: ['/a*', /ab]"]),
    // Somewhere other tokens may be checked.
    (
        "idle-value",
        0,
        &[
            "AP p {rules: [{from: [{source: {requestPrincipals: ['https://issuer.test/*'], notRequestPrincipals: ['https://x.test/*']}}]}]}",
            "RA r {selector: {matchLabels: {app: a}}, jwtRules: [{issuer: 'https://issuer.test'}]}",
        ],
    ),
    ("removed-kind", 1, &["ClusterRbacConfig default {mode: 'ON'}"]),
    ("dry-run-misspelled", 0, &["ALLOW {}"]),
];

#[test]
fn what_each_lint_finds_and_leaves_alone() {
    let mut wrong = Vec::new();
    for (code, wanted, lines) in CASES {
        let text = text(lines);
        let found = count(code, &text);
        if found != *wanted {
            wrong.push(format!("{code}: {found} in place of {wanted}\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_lint_has_a_case_that_it_leaves_alone() {
    // Those of `lint.rs`.
    let there = [
        "host-without-port",
        "http-on-tcp",
        "node-port",
        "source-nat",
        "tls-towards-peers",
        "unverified-peers",
    ];
    let quiet: BTreeSet<&str> =
        CASES.iter().filter(|(_, count, _)| *count == 0).map(|(code, ..)| *code).collect();
    let without: Vec<&str> = LINTS
        .iter()
        .map(|lint| lint.code)
        .filter(|code| !quiet.contains(code) && !there.contains(code))
        .collect();
    // What has no near miss but the mended example: the good half of it is the case.
    assert_eq!(without, ["gateway-class-target", "removed-kind"]);
    assert!(LINTS.len() >= 66);
}

/// The level that it belongs to, and what the policy means without it.
#[test]
fn misplaced_fields() {
    for (line, left, home) in [
        (
            "AP p {rules: [{to: [{operation: {methods: [GET]}, when: [{key: source.ip, values: [10.0.0.1]}]}]}]}",
            "the rule goes by its other conditions and allows more than it seems to",
            "spec.rules[0].when",
        ),
        (
            "AP p {action: DENY, rules: [{operation: {methods: [GET]}}]}",
            "the rule has no conditions and denies every request",
            "spec.rules[0].to[].operation",
        ),
        (
            "AP p {rules: [{to: [{operation: {methods: [GET], namespaces: [a]}}]}]}",
            "the rule goes by its other conditions and allows more than it seems to",
            "spec.rules[0].from[].source.namespaces",
        ),
        (
            "AP p {rules: [{from: [{source: {namespaces: [a], from: [{source: {namespaces: [b]}}]}}]}]}",
            "the rule goes by its other conditions",
            "spec.rules[0].from",
        ),
        (
            "AP p {to: [{operation: {methods: [GET]}}]}",
            "the policy has no rules and allows nothing",
            "spec.rules[].to",
        ),
        (
            "AP p {rules: [{selector: {matchLabels: {app: web}}, to: [{operation: {methods: [GET]}}]}]}",
            "the policy applies to every workload of shop",
            "spec.selector",
        ),
        (
            "AP p {selector: {app: web}, rules: [{}]}",
            "the policy applies to every workload of shop",
            "spec.selector.matchLabels.app",
        ),
        (
            "AP p {rules: [{action: DENY, to: [{operation: {methods: [GET]}}]}]}",
            "the policy stays ALLOW: what its rules match is let in",
            "spec.action",
        ),
        (
            "AP p {selector: {labels: {app: web}}, rules: [{}]}",
            "the policy applies to every workload of shop",
            "spec.selector.matchLabels",
        ),
        (
            "RA r {issuer: 'https://issuer.test'}",
            "the policy has no rules, and no token is looked at",
            "spec.jwtRules[].issuer",
        ),
        ("PA a {mode: STRICT}", "the policy sets no mode", "spec.mtls.mode"),
        (
            "PA a {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT, portLevelMtls: {80: {mode: DISABLE}}}}",
            "every port goes by the mode of the policy",
            "spec.portLevelMtls",
        ),
    ] {
        let mut loaded = load_text(&object(line), "p.yaml").map_err(|wrong| wrong.to_string()).unwrap();
        let all = lint::findings(&loaded, &Settings::new(&Mesh::default()), &|_| None);
        let found = all.iter().map(|found| &found.diagnostic).find(|found| found.code == "misplaced-field");
        let found = found.unwrap_or_else(|| panic!("{line}: nothing found"));
        assert!(found.message.ends_with(&format!(": {left}")), "{line}: {}", found.message);
        assert_eq!(found.help, format!("write it as `{home}`"), "{line}");
        // It is said once.
        let unknown = |loaded: &gnomon_manifests::Loaded| {
            loaded.diagnostics.iter().filter(|read| read.code == "unknown-field").count()
        };
        assert_eq!(unknown(&loaded), 1, "{line}");
        lint::supersede(&mut loaded.diagnostics, &all);
        assert_eq!(unknown(&loaded), 0, "{line}");
    }
}

/// A rule that matches nothing because of a value is told so by the value alone, and each other one by itself.
#[test]
fn a_cause_is_told_and_not_its_consequence() {
    for (line, wanted) in [
        ("ALLOW to: methods: [get]", &["method-case"][..]),
        ("ALLOW to: hosts: ['<<__name__>>.<<__domain__>>']", &["placeholder"]),
        ("ALLOW from: principals: ['td/ns/a/sa/b'], namespaces: [c]", &["idle-rule"]),
        (
            "AP p {rules: [{to: [{operation: {methods: [get]}}]}, {from: [{source: {principals: ['td/ns/a/sa/b'], namespaces: [c]}}]}]}",
            &["method-case", "idle-rule"],
        ),
    ] {
        let loaded = load_text(&text(&[line]), "p.yaml").map_err(|wrong| wrong.to_string()).unwrap();
        let found = lint::findings(&loaded, &Settings::new(&Mesh::default()), &|_| None);
        let codes: Vec<&str> = found.iter().map(|found| found.diagnostic.code).collect();
        let codes: Vec<&str> = codes.into_iter().filter(|code| *code != "split-rule").collect();
        assert_eq!(codes, wanted, "{line}");
    }
}

/// What a fix makes of a policy. By it the finding is gone, and nothing is wrong that was not.
#[test]
fn fixes() {
    let issuer = "RA r {jwtRules: [{issuer: 'https://issuer.test', forward: true}]}";
    for (code, line, expected) in [
        ("path-without-slash", "DENY to: paths: ['api/*']", "paths: ['/api/*']"),
        ("method-case", "ALLOW to: methods: [get]", "methods: [GET]"),
        (
            "spiffe-prefix",
            "ALLOW from: principals: ['spiffe://td/ns/a/sa/b']",
            "principals: ['td/ns/a/sa/b']",
        ),
        ("literal-star", "ALLOW to: paths: ['/a/**']", "paths: ['/a/*']"),
        ("literal-star", "ALLOW to: paths: ['/a/*/b']", ""),
        ("url-in-hosts", "ALLOW to: hosts: ['https://a.test']", "hosts: ['a.test']"),
        ("url-in-hosts", "ALLOW to: hosts: ['a.test/']", "hosts: ['a.test']"),
        ("url-in-hosts", "ALLOW to: hosts: ['a.test/admin']", ""),
        ("url-in-hosts", "ALLOW when: key: connection.sni, values: ['a.test:443']", "values: ['a.test']"),
        ("query-in-path", "ALLOW to: paths: ['/a?*']", "paths: ['/a']"),
        ("query-in-path", "ALLOW to: paths: ['/a?admin=1']", ""),
        ("host-without-port", "DENY to: hosts: [a.test]", "hosts: [a.test, \"a.test:*\"]"),
        ("subtree-without-root", "DENY to: paths: [/a/*]", "paths: [/a, \"/a/*\"]"),
        ("exact-path", "DENY to: paths: [/a]", "paths: [/a, \"/a/*\"]"),
        ("duplicate-value", "ALLOW to: methods: [GET, PUT, GET]", "methods: [GET, PUT]"),
        ("padded-value", "ALLOW to: methods: ['GET ']", "methods: ['GET']"),
        ("list-in-value", "ALLOW to: methods: ['GET,PUT']", "methods: ['GET', 'PUT']"),
        ("path-parameter", "ALLOW to: paths: ['/a/:id/b']", "paths: ['/a/{*}/b']"),
        (
            "dotted-claim",
            "ALLOW when: key: 'request.auth.claims[a.b]', values: [x]",
            "key: 'request.auth.claims[a][b]'",
        ),
        ("misspelt-field", "PA a {mTLS: {mode: STRICT}}", "{mtls: {mode: STRICT}}"),
        (
            "misspelt-field",
            "ALLOW from: namespaces: [web], notIPBlocks: [10.0.0.0/8]",
            "notIpBlocks: [10.0.0.0/8]",
        ),
        ("misspelt-field", issuer, "forwardOriginalToken: true"),
    ] {
        let before = text(&[line]);
        let look = |text: &str| {
            let mut loaded = load_text(text, "p.yaml").map_err(|wrong| wrong.to_string()).unwrap();
            lint::check(&mut loaded, &Settings::new(&Mesh::default()), &|_| None)
        };
        let found: Vec<_> = look(&before).into_iter().filter(|found| found.diagnostic.code == code).collect();
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        let fixed = lint::apply(&found, &|_| Some(before.clone()));
        let Some(after) = fixed.texts.get("p.yaml") else {
            assert_eq!(expected, "", "{line}: no fix");
            continue;
        };
        assert!(!expected.is_empty() && after.contains(expected), "{line}: {after}");
        let left = look(after);
        let wrong = |found: &&lint::Finding| {
            found.diagnostic.code == code || found.diagnostic.severity == gnomon_engine::Severity::Error
        };
        assert!(!left.iter().any(|found| wrong(&found)), "{line}: {left:?}");
    }
}

/// Linting is linear: no figure is asserted, but with something quadratic in it this takes minutes.
#[test]
fn ten_thousand_policies() {
    let mut all = String::new();
    for number in 0..10_000 {
        let namespace = number % 40;
        all.push_str(&format!(
            "---\n{}",
            object(&format!("AP n{namespace}/p{number} {{selector: {{matchLabels: {{app: a{number}}}}}, rules: [{{from: [{{source: {{principals: [cluster.local/ns/a/sa/b{number}]}}}}], to: [{{operation: {{methods: [GET], paths: ['/v1/{number}/*']}}}}]}}]}}"))
        ));
    }
    let loaded = load_text(&all, "p.yaml").unwrap();
    let found = lint::findings(&loaded, &Settings::new(&Mesh::default()), &|_| None);
    assert_eq!(found.len(), 0, "{:?}", found.first());
}
