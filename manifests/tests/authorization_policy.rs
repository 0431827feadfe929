//! Admission of AuthorizationPolicies: each row of the rules, with the exact place of each problem.

mod common;

use common::{check, object};
use gnomon_engine::{
    Attribute,
    resource::{Action, Target, TargetKind},
};

/// A spec, and what is wrong with it.
type Row = (&'static str, &'static str, &'static [&'static str]);

fn run(rows: &[Row]) {
    for (name, spec, expected) in rows {
        let loaded = check(name, &object("AuthorizationPolicy", spec), expected);
        let errors = expected.iter().any(|line| line.starts_with('!'));
        assert_eq!(
            loaded.resources.authorization.is_empty(),
            errors,
            "{name}: an object with errors is left out"
        );
    }
}

#[test]
fn actions_and_providers() {
    run(&[
        ("allow nothing", "{}", &[]),
        ("allow all", "rules: [{}]", &[]),
        ("empty rules", "rules: []", &[]),
        ("null is absent", "rules: null\naction: null\nselector: ~", &[]),
        ("unknown action", "action: «deny\nrules: [{}]", &["!unknown-value spec.action"]),
        ("action of a wrong type", "action: «1", &["!wrong-type spec.action"]),
        ("deny without rules", "action: «DENY", &["!deny-without-rules spec.action"]),
        ("deny with empty rules", "action: DENY\nrules: «[]", &["!deny-without-rules spec.rules"]),
        (
            "custom without rules",
            "action: «CUSTOM\nprovider: {name: x}",
            &["!custom-without-rules spec.action"],
        ),
        ("custom without provider", "«action: CUSTOM\nrules: [{}]", &["!custom-without-provider spec"]),
        (
            "custom with an empty provider",
            "action: CUSTOM\nprovider: «{name: \"\"}\nrules: [{}]",
            &["!custom-without-provider spec.provider"],
        ),
        ("custom", "action: CUSTOM\nprovider: {name: x}\nrules: [{}]", &[]),
        (
            "provider on allow",
            "provider: «{name: x}\nrules: [{}]",
            &["!provider-without-custom spec.provider"],
        ),
        ("provider on audit", "action: AUDIT\nprovider: «{}", &["!provider-without-custom spec.provider"]),
    ]);
}

#[test]
fn custom_looks_at_less() {
    run(&[
        (
            "fields",
            "action: CUSTOM\nprovider: {name: x}\nrules:\n- from:\n  - source:\n      namespaces: «[a]\n      \
             notPrincipals: «[a]\n      requestPrincipals: «[a]\n      trustDomains: «[a]\n      ipBlocks: [1.2.3.4]\n\
             - from:\n  - source:\n      notServiceAccounts: «[a]",
            &[
                "!unsupported-with-custom spec.rules[0].from[0].source.namespaces",
                "!unsupported-with-custom spec.rules[0].from[0].source.notPrincipals",
                "!unsupported-with-custom spec.rules[0].from[0].source.requestPrincipals",
                "!unsupported-with-custom spec.rules[0].from[0].source.trustDomains",
                "!unsupported-with-custom spec.rules[1].from[0].source.notServiceAccounts",
            ],
        ),
        (
            "keys",
            "action: CUSTOM\nprovider: {name: x}\nrules:\n- when:\n  - {key: «source.principal, values: [a]}\n  \
             - {key: «'request.auth.claims[a]', values: [a]}\n  - {key: 'request.headers[a]', values: [a]}",
            &[
                "!unsupported-with-custom spec.rules[0].when[0].key",
                "!unsupported-with-custom spec.rules[0].when[1].key",
            ],
        ),
    ]);
}

#[test]
fn empty_and_null() {
    run(&[
        ("empty from and to are absent", "rules:\n- from: []\n  to: []\n  when: []", &[]),
        ("null rule", "rules:\n- {}\n-«", &["!null-element spec.rules[1]"]),
        ("null from", "rules:\n- from: [«null]", &["!null-element spec.rules[0].from[0]"]),
        ("null to", "rules:\n- to: [«~]", &["!null-element spec.rules[0].to[0]"]),
        ("null when", "rules:\n- when: [«null]", &["!null-element spec.rules[0].when[0]"]),
        ("empty from", "rules:\n- from: [«{}]", &["!missing-source spec.rules[0].from[0]"]),
        ("empty to", "rules:\n- to: [«{}]", &["!missing-operation spec.rules[0].to[0]"]),
        ("null source", "rules:\n- from: [«{source: null}]", &["!missing-source spec.rules[0].from[0]"]),
        ("empty source", "rules:\n- from: [{source: «{}}]", &["!empty-source spec.rules[0].from[0].source"]),
        (
            "source of empty lists",
            "rules:\n- from: [{source: «{namespaces: [], principals: null}}]",
            &["!empty-source spec.rules[0].from[0].source"],
        ),
        (
            "empty operation",
            "rules:\n- to: [{operation: «{}}]",
            &["!empty-operation spec.rules[0].to[0].operation"],
        ),
        (
            "a typo leaves a source empty",
            "rules:\n- from:\n  - source:\n      ««principal: [a]",
            &[
                "!empty-source spec.rules[0].from[0].source",
                "?unknown-field spec.rules[0].from[0].source.principal",
            ],
        ),
    ]);
}

#[test]
fn wrong_types_and_unknown_fields() {
    run(&[
        ("rules is a map", "rules: «{from: []}", &["!wrong-type spec.rules"]),
        ("a rule is a string", "rules: [«x]", &["!wrong-type spec.rules[0]"]),
        (
            "methods is a string",
            "rules: [{to: [{operation: {methods: «GET}}]}]",
            &["!wrong-type spec.rules[0].to[0].operation.methods"],
        ),
        (
            "a port is a number",
            "rules: [{to: [{operation: {ports: [\"81\", «80]}}]}]",
            &["!wrong-type spec.rules[0].to[0].operation.ports[1]"],
        ),
        (
            "a namespace is a boolean for Kubernetes",
            "rules: [{from: [{source: {namespaces: [«on, «no, \"yes\"]}}]}]",
            &[
                "!wrong-type spec.rules[0].from[0].source.namespaces[0]",
                "!wrong-type spec.rules[0].from[0].source.namespaces[1]",
            ],
        ),
        (
            "unknown fields everywhere",
            "rules:\n- «form: []\n  from:\n  - source: {namespaces: [a], «namespace: [a]}\n    «not: x\n\
             «rule: []\naction: ALLOW",
            &[
                "?unknown-field spec.rules[0].form",
                "?unknown-field spec.rules[0].from[0].source.namespace",
                "?unknown-field spec.rules[0].from[0].not",
                "?unknown-field spec.rule",
            ],
        ),
    ]);
    check(
        "outermost fields",
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\n«specs: {}\nspec: «[]\n",
        &["?unknown-field specs", "!wrong-type spec"],
    );
}

#[test]
fn values_of_sources() {
    run(&[
        (
            "empty values",
            "rules: [{from: [{source: {principals: [a, «\"\"], notNamespaces: [«''], ipBlocks: [«\"\"]}}]}]",
            &[
                "!empty-value spec.rules[0].from[0].source.principals[1]",
                "!empty-value spec.rules[0].from[0].source.notNamespaces[0]",
                "!empty-value spec.rules[0].from[0].source.ipBlocks[0]",
            ],
        ),
        (
            "addresses",
            "rules:\n- from:\n  - source:\n      ipBlocks: [10.0.0.1, 10.1.2.3/8, '::1', 'fd00::/8', \
             '::ffff:1.2.3.4', 0.0.0.0/0]\n      notIpBlocks: [«10.0.0, «10.0.0.01, «a]\n      \
             remoteIpBlocks: [«10.0.0.0/33, «10.0.0.0/, «10.0.0.0/08, «10.0/8]\n      \
             notRemoteIpBlocks: ['fe80::1%eth0', «'fe80::1%', «'10.0.0.1%eth0', «'fe80::1%eth0/64', «'::/129']",
            &[
                "!bad-ip spec.rules[0].from[0].source.notIpBlocks[0]",
                "!bad-ip spec.rules[0].from[0].source.notIpBlocks[1]",
                "!bad-ip spec.rules[0].from[0].source.notIpBlocks[2]",
                "!bad-cidr spec.rules[0].from[0].source.remoteIpBlocks[0]",
                "!bad-cidr spec.rules[0].from[0].source.remoteIpBlocks[1]",
                "!bad-cidr spec.rules[0].from[0].source.remoteIpBlocks[2]",
                "!bad-cidr spec.rules[0].from[0].source.remoteIpBlocks[3]",
                "!bad-ip spec.rules[0].from[0].source.notRemoteIpBlocks[1]",
                "!bad-ip spec.rules[0].from[0].source.notRemoteIpBlocks[2]",
                "!bad-cidr spec.rules[0].from[0].source.notRemoteIpBlocks[3]",
                "!bad-cidr spec.rules[0].from[0].source.notRemoteIpBlocks[4]",
            ],
        ),
        (
            "service accounts",
            "rules: [{from: [{source: {serviceAccounts: [a, b/a, «'*', «a/b/c, «/a, «a/]}}]}]",
            &[
                "!bad-service-account spec.rules[0].from[0].source.serviceAccounts[2]",
                "!bad-service-account spec.rules[0].from[0].source.serviceAccounts[3]",
                "!bad-service-account spec.rules[0].from[0].source.serviceAccounts[4]",
                "!bad-service-account spec.rules[0].from[0].source.serviceAccounts[5]",
            ],
        ),
        (
            "seventeen service accounts",
            "rules: [{from: [{source: {notServiceAccounts: «[a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]}}]}]",
            &["!too-many-items spec.rules[0].from[0].source.notServiceAccounts"],
        ),
        (
            "service accounts beside other identities",
            "rules: [{from: [{source: {serviceAccounts: «[a], namespaces: []}}]}]",
            &["!conflicting-identities spec.rules[0].from[0].source.serviceAccounts"],
        ),
        (
            "service accounts beside trust domains",
            "rules: [{from: [{source: {serviceAccounts: [a], trustDomains: [b], ipBlocks: [1.2.3.4]}}]}]",
            &[],
        ),
        (
            "trust domains",
            "rules: [{from: [{source: {trustDomains: [a, '*', 'a*', '*a', «'a*b', «'*a*', «a/b]}}]}]",
            &[
                "!bad-trust-domain spec.rules[0].from[0].source.trustDomains[4]",
                "!bad-trust-domain spec.rules[0].from[0].source.trustDomains[5]",
                "!bad-trust-domain spec.rules[0].from[0].source.trustDomains[6]",
            ],
        ),
        ("a wildcard inside is a literal", "rules: [{from: [{source: {principals: ['a*b']}}]}]", &[]),
    ]);
}

#[test]
fn values_of_operations() {
    run(&[
        (
            "ports",
            "rules: [{to: [{operation: {ports: ['0', '080', '65535', «'65536', «'-1', «'+1', «'1_0', «'', «http, «'*']}}]}]",
            &[
                "!bad-port spec.rules[0].to[0].operation.ports[3]",
                "!bad-port spec.rules[0].to[0].operation.ports[4]",
                "!bad-port spec.rules[0].to[0].operation.ports[5]",
                "!bad-port spec.rules[0].to[0].operation.ports[6]",
                "!empty-value spec.rules[0].to[0].operation.ports[7]",
                "!bad-port spec.rules[0].to[0].operation.ports[8]",
                "!bad-port spec.rules[0].to[0].operation.ports[9]",
            ],
        ),
        (
            "path templates",
            "rules:\n- to:\n  - operation:\n      paths: ['/a/{*}', '/a/{**}', '/{*}/b/{*}', '/{*}/{**}/', '/a*', '*']\n      \
             notPaths: [«'/{**}/b/{*}', «'/{**}/{**}', «'/{id}', «'/a{*}', «'/a//{*}', «'/a*/{*}', «'/é/{*}', '/é', «'']",
            &[
                "!bad-path-template spec.rules[0].to[0].operation.notPaths[0]",
                "!bad-path-template spec.rules[0].to[0].operation.notPaths[1]",
                "!bad-path-template spec.rules[0].to[0].operation.notPaths[2]",
                "!bad-path-template spec.rules[0].to[0].operation.notPaths[3]",
                "!bad-path-template spec.rules[0].to[0].operation.notPaths[4]",
                "!bad-path-template spec.rules[0].to[0].operation.notPaths[5]",
                "!bad-path-template spec.rules[0].to[0].operation.notPaths[6]",
                "!empty-value spec.rules[0].to[0].operation.notPaths[8]",
            ],
        ),
        (
            "a template that Envoy refuses",
            "rules: [{to: [{operation: {paths: [«'a/{*}']}}]}]",
            &["?template-without-slash spec.rules[0].to[0].operation.paths[0]"],
        ),
        (
            "empty hosts and methods",
            "rules: [{to: [{operation: {hosts: [«''], notMethods: [«'']}}]}]",
            &[
                "!empty-value spec.rules[0].to[0].operation.hosts[0]",
                "!empty-value spec.rules[0].to[0].operation.notMethods[0]",
            ],
        ),
    ]);
}

#[test]
fn conditions() {
    run(&[
        ("no key", "rules: [{when: [«{values: [a]}]}]", &["!missing-key spec.rules[0].when[0]"]),
        (
            "empty key",
            "rules: [{when: [{key: «'', values: [a]}]}]",
            &["!missing-key spec.rules[0].when[0].key"],
        ),
        ("no values", "rules: [{when: [«{key: source.ip}]}]", &["!missing-values spec.rules[0].when[0]"]),
        (
            "empty values",
            "rules: [{when: [«{key: source.ip, values: [], notValues: null}]}]",
            &["!missing-values spec.rules[0].when[0]"],
        ),
        (
            "every key",
            "rules:\n- when:\n  - {key: source.ip, values: [10.0.0.0/8]}\n  - {key: remote.ip, values: ['::1']}\n  \
             - {key: source.namespace, values: [a]}\n  - {key: source.serviceAccount, values: [a/b]}\n  \
             - {key: source.principal, values: ['*']}\n  - {key: source.trustDomain, notValues: [a/b]}\n  \
             - {key: request.auth.principal, values: [a]}\n  - {key: request.auth.audiences, values: [a]}\n  \
             - {key: request.auth.presenter, values: [a]}\n  - {key: 'request.auth.claims[a][b]', values: [a]}\n  \
             - {key: 'request.headers[x]', values: [a]}\n  - {key: destination.ip, values: [1.2.3.4]}\n  \
             - {key: destination.port, values: ['80']}\n  - {key: connection.sni, values: [a]}\n  \
             - {key: 'experimental.envoy.filters.a[b]', values: [a]}\n  - {key: 'request.headersX[a]', values: [a]}",
            &[],
        ),
        (
            "unknown and replaced keys",
            "rules:\n- when:\n  - {key: «request.method, values: [a]}\n  - {key: «source.Ip, values: [a]}\n  \
             - {key: «destination.namespace, values: [a]}\n  - {key: «'destination.labels[a]', values: [a]}\n  \
             - {key: «destination.user, values: [a]}\n  - {key: «'source.labels[a]', values: [a]}",
            &[
                "!unknown-attribute spec.rules[0].when[0].key",
                "!unknown-attribute spec.rules[0].when[1].key",
                "!replaced-attribute spec.rules[0].when[2].key",
                "!replaced-attribute spec.rules[0].when[3].key",
                "!replaced-attribute spec.rules[0].when[4].key",
                "!unknown-attribute spec.rules[0].when[5].key",
            ],
        ),
        (
            "keys without a good name in brackets",
            "rules:\n- when:\n  - {key: «request.headers, values: [a]}\n  - {key: «'request.headers[]', values: [a]}\n  \
             - {key: «'request.auth.claims[a', values: [a]}\n  - {key: «experimental.envoy.filters.a, values: [a]}",
            &[
                "!bad-attribute-key spec.rules[0].when[0].key",
                "!bad-attribute-key spec.rules[0].when[1].key",
                "!bad-attribute-key spec.rules[0].when[2].key",
                "!bad-attribute-key spec.rules[0].when[3].key",
            ],
        ),
        (
            "values fit the key",
            "rules:\n- when:\n  - {key: source.ip, values: [«x]}\n  - {key: destination.port, notValues: [«x]}\n  \
             - {key: source.serviceAccount, values: [«'*']}\n  - {key: source.trustDomain, values: [«'a*b']}\n  \
             - {key: 'request.headers[x]', values: [«'']}",
            &[
                "!bad-ip spec.rules[0].when[0].values[0]",
                "!bad-port spec.rules[0].when[1].notValues[0]",
                "!bad-service-account spec.rules[0].when[2].values[0]",
                "!bad-trust-domain spec.rules[0].when[3].values[0]",
                "!empty-value spec.rules[0].when[4].values[0]",
            ],
        ),
    ]);
}

#[test]
fn a_deny_that_reaches_tcp() {
    const WARNS: &[&str] = &["?deny-blocks-tcp spec.rules[0]"];
    run(&[
        ("methods", "action: DENY\nrules: [«{to: [{operation: {methods: [GET]}}]}]", WARNS),
        (
            "methods on a port",
            "action: DENY\nrules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}]",
            &[],
        ),
        (
            "request principals",
            "action: DENY\nrules: [«{from: [{source: {notRequestPrincipals: ['*']}}]}]",
            WARNS,
        ),
        ("namespaces", "action: DENY\nrules: [{from: [{source: {namespaces: [a]}}]}]", &[]),
        // Istio forgets them in its list, and warns.
        ("trust domains", "action: DENY\nrules: [«{from: [{source: {trustDomains: [a]}}]}]", WARNS),
        ("a header", "action: DENY\nrules: [{when: [{key: 'request.headers[a]', values: [a]}]}]", &[]),
        ("allow", "rules: [{to: [{operation: {methods: [GET]}}]}]", &[]),
    ]);
}

#[test]
fn targets() {
    const REF: &str = "!bad-target-kind spec.targetRefs[0].kind";
    run(&[
        ("selector", "selector: {matchLabels: {app: a, empty: ''}}", &[]),
        (
            "selector and refs",
            "selector: {matchLabels: {a: b}}\ntargetRefs: «[{kind: Service, name: a}]",
            &["!conflicting-targets spec.targetRefs"],
        ),
        // As the CRD counts: by presence.
        (
            "selector and no refs",
            "selector: {matchLabels: {a: b}}\ntargetRefs: «[]",
            &["!conflicting-targets spec.targetRefs"],
        ),
        ("empty selector", "selector: «{}", &["?empty-selector spec.selector"]),
        ("no labels", "selector: «{matchLabels: {}}", &["?empty-selector spec.selector"]),
        (
            "empty key",
            "selector: {matchLabels: {«'': b}}",
            &["!empty-label-key spec.selector.matchLabels[\"\"]"],
        ),
        (
            "wildcard key",
            "selector: {matchLabels: {«'a*': b}}",
            &["!wildcard-in-selector spec.selector.matchLabels.a*"],
        ),
        (
            "wildcard value",
            "selector: {matchLabels: {a: «'*'}}",
            &["!wildcard-in-selector spec.selector.matchLabels.a"],
        ),
        (
            "long value",
            "selector: {matchLabels: {a: «xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}}",
            &["!label-too-long spec.selector.matchLabels.a"],
        ),
        (
            "label of a wrong type",
            "selector: {matchLabels: {a: «1}}",
            &["!wrong-type spec.selector.matchLabels.a"],
        ),
        (
            "misspelt labels",
            "selector: «{«matchLabel: {a: b}}",
            &["?empty-selector spec.selector", "?unknown-field spec.selector.matchLabel"],
        ),
        (
            "ref without a name",
            "targetRefs: [«{kind: Service}]",
            &["!missing-target-name spec.targetRefs[0]"],
        ),
        (
            "ref with an empty name",
            "targetRef: {kind: Service, name: «''}",
            &["!missing-target-name spec.targetRef.name"],
        ),
        (
            "ref to another namespace",
            "targetRefs: [{kind: Service, name: a, namespace: «ns}]",
            &["!cross-namespace-target spec.targetRefs[0].namespace"],
        ),
        ("ref to a pod", "targetRefs: [{kind: «Pod, name: a}]", &[REF]),
        ("ref to a gateway of no group", "targetRefs: [{kind: «Gateway, name: a}]", &[REF]),
        ("null ref", "targetRefs: [«null]", &["!null-element spec.targetRefs[0]"]),
        ("core service", "targetRefs: [{group: core, kind: Service, name: a}]", &[]),
    ]);
}

#[test]
fn dry_run() {
    let text = |kind: &str, annotation: &str, spec: &str| {
        format!(
            "apiVersion: security.istio.io/v1beta1\nkind: {kind}\nmetadata:\n  name: p\n  annotations:\n    other: x\n    \
             istio.io/dry-run: {annotation}\nspec: {spec}\n"
        )
    };
    const FIELD: &str = "metadata.annotations[\"istio.io/dry-run\"]";
    for spelling in ["1", "t", "T", "TRUE", "true", "True"] {
        let annotation = format!("'{spelling}'");
        let loaded = check(spelling, &text("AuthorizationPolicy", &annotation, "{}"), &[]);
        assert!(loaded.resources.authorization[0].dry_run, "{spelling}");
    }
    for spelling in ["0", "f", "F", "FALSE", "false", "False"] {
        let annotation = format!("'{spelling}'");
        let loaded = check(spelling, &text("AuthorizationPolicy", &annotation, "{}"), &[]);
        assert!(!loaded.resources.authorization[0].dry_run, "{spelling}");
    }
    for (kind, annotation, spec, code) in [
        ("AuthorizationPolicy", "«'yes'", "{}", "!bad-dry-run"),
        ("AuthorizationPolicy", "«''", "{}", "!bad-dry-run"),
        ("AuthorizationPolicy", "«true", "{}", "!wrong-type"),
        ("AuthorizationPolicy", "«'true'", "{action: AUDIT}", "!unsupported-dry-run"),
        (
            "AuthorizationPolicy",
            "«'true'",
            "{action: CUSTOM, provider: {name: a}, rules: [{}]}",
            "!unsupported-dry-run",
        ),
        ("PeerAuthentication", "«'true'", "{}", "!unsupported-dry-run"),
        ("RequestAuthentication", "«'false'", "{}", "!unsupported-dry-run"),
    ] {
        check(annotation, &text(kind, annotation, spec), &[&format!("{code} {FIELD}")]);
    }
}

#[test]
fn what_is_read() {
    let spec = "action: DENY\ntargetRefs:\n- {group: gateway.networking.k8s.io, kind: Gateway, name: g}\nrules:\n\
                - from: [{source: {principals: [a, b], notNamespaces: [c]}}]\n  to: [{operation: {ports: ['80']}}]\n  \
                when: [{key: 'request.headers[x]', notValues: [v]}]\n- {}";
    let loaded = check("all", &object("AuthorizationPolicy", spec), &[]);
    let [policy] = loaded.resources.authorization.as_slice() else { panic!("one policy") };
    assert_eq!((policy.meta.namespace.as_str(), policy.meta.name.as_str()), ("ns", "p"));
    assert_eq!(policy.action, Action::Deny);
    let Target::Refs(refs) = &policy.target else { panic!("refs") };
    assert_eq!((refs[0].kind, refs[0].name.as_str(), refs[0].at.line), (TargetKind::Gateway, "g", 7));
    assert_eq!(policy.rules.len(), 2);
    let rule = &policy.rules[0];
    let texts = |texts: &[gnomon_engine::resource::Text]| {
        texts.iter().map(|text| text.text.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts(&rule.from[0].get(Attribute::Principal).values), "a b");
    assert_eq!(texts(&rule.from[0].get(Attribute::Namespace).not_values), "c");
    assert_eq!(texts(&rule.to[0].get(Attribute::Port).values), "80");
    assert_eq!(rule.when[0].key.text, "request.headers[x]");
    assert_eq!(texts(&rule.when[0].values.not_values), "v");
    let place = rule.from[0].get(Attribute::Principal).values[1].at;
    assert_eq!((place.line, place.column), (9, 38));
}

/// A list of `n` equal elements.
fn many(n: usize, element: &str) -> String {
    format!("[{}]", vec![element; n].join(","))
}

#[test]
fn how_many_and_how_long() {
    const SOURCE: &str = "{source: {namespaces: [a]}}";
    const OPERATION: &str = "{operation: {methods: [GET]}}";
    const REF: &str = "{kind: Service, name: a}";
    let account = |n: usize| format!("a/{}", "b".repeat(n - 2));
    for (name, before, value, code) in [
        ("512 rules", "rules: ", many(512, "{}"), ""),
        ("513 rules", "rules: ", many(513, "{}"), "!too-many-items spec.rules"),
        ("512 sources", "rules:\n- from: ", many(512, SOURCE), ""),
        ("513 sources", "rules:\n- from: ", many(513, SOURCE), "!too-many-items spec.rules[0].from"),
        // The CRD sets no bound here.
        ("513 operations", "rules:\n- to: ", many(513, OPERATION), ""),
        ("16 references", "targetRefs: ", many(16, REF), ""),
        ("17 references", "targetRefs: ", many(17, REF), "!too-many-items spec.targetRefs"),
        (
            "320 characters",
            "rules:\n- from:\n  - source:\n      serviceAccounts:\n      - ",
            account(320),
            "",
        ),
        (
            "321 characters",
            "rules:\n- from:\n  - source:\n      serviceAccounts:\n      - ",
            account(321),
            "!bad-service-account spec.rules[0].from[0].source.serviceAccounts[0]",
        ),
        ("253 characters", "targetRef: ", format!("{{kind: Service, name: {}}}", "a".repeat(253)), ""),
        (
            "254 characters",
            "targetRefs:\n- kind: Service\n  name: ",
            "a".repeat(254),
            "!target-name-too-long spec.targetRefs[0].name",
        ),
        ("own namespace, not set", "targetRef: ", "{kind: Service, name: a, namespace: ''}".into(), ""),
        ("63 characters", "selector:\n  matchLabels:\n    a: ", "x".repeat(63), ""),
        (
            "64 characters",
            "selector:\n  matchLabels:\n    a: ",
            "x".repeat(64),
            "!label-too-long spec.selector.matchLabels.a",
        ),
    ] {
        let mark = if code.is_empty() { "" } else { "«" };
        let expected: &[&str] = if code.is_empty() { &[] } else { &[code] };
        check(name, &object("AuthorizationPolicy", &format!("{before}{mark}{value}")), expected);
    }
}

/// CUSTOM knows neither who the peer nor who the end user is.
#[test]
fn every_field_and_key_that_custom_lacks() {
    const HEAD: &str = "action: CUSTOM\nprovider: {name: x}\nrules:\n";
    for (field, not) in [
        ("namespaces", "notNamespaces"),
        ("serviceAccounts", "notServiceAccounts"),
        ("trustDomains", "notTrustDomains"),
        ("principals", "notPrincipals"),
        ("requestPrincipals", "notRequestPrincipals"),
    ] {
        for field in [field, not] {
            let spec = format!("{HEAD}- from:\n  - source:\n      {field}: «[a]");
            let code = format!("!unsupported-with-custom spec.rules[0].from[0].source.{field}");
            check(field, &object("AuthorizationPolicy", &spec), &[&code]);
        }
    }
    for field in ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"] {
        let spec = format!("{HEAD}- from:\n  - source:\n      {field}: [1.2.3.4]");
        check(field, &object("AuthorizationPolicy", &spec), &[]);
    }
    for key in [
        "source.namespace",
        "source.serviceAccount",
        "source.trustDomain",
        "source.principal",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "request.auth.claims[a]",
    ] {
        let spec = format!("{HEAD}- when:\n  - {{key: «'{key}', values: [a]}}");
        let code = "!unsupported-with-custom spec.rules[0].when[0].key";
        check(key, &object("AuthorizationPolicy", &spec), &[code]);
    }
    for (key, value) in [
        ("source.ip", "1.2.3.4"),
        ("remote.ip", "1.2.3.4"),
        ("destination.ip", "1.2.3.4"),
        ("destination.port", "80"),
        ("connection.sni", "a"),
        ("request.headers[a]", "a"),
        ("experimental.envoy.filters.a[b]", "a"),
    ] {
        let spec = format!("{HEAD}- when:\n  - {{key: '{key}', values: ['{value}']}}");
        check(key, &object("AuthorizationPolicy", &spec), &[]);
    }
}
