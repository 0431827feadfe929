//! The formats that people write and those that Gnomon prints, as tables of their fields: JSON Schemas are made of them.
//!
//! What reads a format decides what it is; a table that says otherwise fails `analysis/tests/schemas.rs` or, for the
//! filter, `shadow/tests/schema.rs`.

use super::shape::{Entries, Field, Names, Object, Origin, Shape, document, field};
use Shape::{
    Any, AnyMap, AnyNumber, Boolean, Either, FilledList, FilledText, Integer, List, Number, OrNull, Text,
    Words,
};

pub(super) fn request() -> String {
    const WRAPPED: Object = Object {
        name: "wrappedRequest",
        doc: "A request below the key `request`.",
        fields: &[field("request", OrNull(&Shape::Object(&REQUEST)), "The request.")],
        required: &["request"],
        ..WRITTEN
    };
    const ONE: Shape = Either(&[Shape::Object(&REQUEST), Shape::Object(&WRAPPED)]);
    const LIST: Shape = List(&OrNull(&ONE));
    const FILE: Object = Object {
        name: "requestFile",
        doc: "A request, or a list of them, below the key `request`.",
        fields: &[field(
            "request",
            OrNull(&Either(&[Shape::Object(&REQUEST), LIST])),
            "The request, or the requests.",
        )],
        required: &["request"],
        ..WRITTEN
    };
    document("A request, or a list of them", Either(&[Shape::Object(&REQUEST), Shape::Object(&FILE), LIST]))
}

pub(super) fn suite() -> String {
    document("A suite of tests for gnomon test", Shape::Object(&SUITE))
}

pub(super) fn workload() -> String {
    document("A workload", OrNull(&Either(&[Shape::Object(&WORKLOAD), Shape::Object(&ENVIRONMENT)])))
}

pub(super) fn mesh() -> String {
    document("The settings of a mesh", OrNull(&Either(&[Shape::Object(&MESH), Shape::Object(&ENVIRONMENT)])))
}

pub(super) fn filter_configuration() -> String {
    document("The configuration of Gnomon's filter", Shape::Object(&FILTER))
}

pub(super) fn verdict() -> String {
    const ONE: Shape = Shape::Object(&VERDICT);
    document("What gnomon eval -o json prints", Either(&[ONE, List(&ONE)]))
}

pub(super) fn test_results() -> String {
    document("What gnomon test -o json prints", Shape::Object(&RESULTS))
}

pub(super) fn difference() -> String {
    document("What gnomon diff -o json prints", Shape::Object(&DIFFERENCE))
}

/// What most objects are: fields as it is, of which none must be there.
const WRITTEN: Object = Object {
    name: "",
    doc: "",
    origin: Origin::Written,
    fields: &[],
    required: &[],
    needs: &[],
    filled: false,
};
const FOREIGN: Object = Object { origin: Origin::Foreign, ..WRITTEN };
const PRINTED: Object = Object { origin: Origin::Printed, ..WRITTEN };

const TEXT: Shape = Text("x");
/// An HTTP token, or the one pseudo header that a request has no field for.
const HEADER_NAME: &str = "^([-!#$%&'*+.^_`|~0-9A-Za-z]+|:protocol)$";

const REQUEST: Object = Object {
    name: "request",
    doc: "A request. What is absent is absent, as it would be on the wire.",
    fields: &[
        field("protocol", Words(&["http", "tcp"]), "Default: http."),
        field("method", FilledText("GET"), "Default: GET."),
        field("path", Text("/api/catalog?page=1"), "The target as sent, with its query. Default: /."),
        field("host", Text("webapp.istioinaction"), "The :authority."),
        field(
            "headers",
            Shape::Entries(&Entries {
                names: Names::Like(HEADER_NAME),
                example: "x-ext-authz",
                of: OrNull(&Either(&[Text("allow"), List(&TEXT)])),
                filled: false,
            }),
            "Header lines by name. A list is several lines.",
        ),
        field(
            "token",
            Text("eyJhbGciOiJub25lIn0.e30."),
            "Short for the header `authorization: Bearer …`. Excludes `claims`.",
        ),
        field(
            "claims",
            AnyMap,
            "Stands for a token with these claims and a good signature. Excludes `token`.",
        ),
        field(
            "source",
            Shape::Object(&Object {
                name: "source",
                doc: "Who sends it.",
                fields: &[
                    field(
                        "principal",
                        Text("cluster.local/ns/default/sa/sleep"),
                        "The identity in the peer's certificate. Absent: there is none.",
                    ),
                    field("ip", Text("10.10.0.13"), "The address of the connection."),
                ],
                ..WRITTEN
            }),
            "Who sends it.",
        ),
        field(
            "remoteIp",
            Text("203.0.113.9"),
            "The original client. Default: as Envoy derives it from x-forwarded-for, else `source.ip`.",
        ),
        field(
            "destination",
            Shape::Object(&Object {
                name: "destination",
                doc: "Where the connection leads.",
                fields: &[
                    field("ip", Text("10.10.0.3"), "The address."),
                    field("port", Integer(Some(0), Some(65_535)), "The port."),
                ],
                ..WRITTEN
            }),
            "Where the connection leads.",
        ),
        field("sni", Text("httpbin.org"), "The server name of the TLS handshake."),
        field(
            "time",
            Either(&[Text("2025-05-04T07:04:01Z"), Integer(None, None)]),
            "The clock for `exp` and `nbf`, or seconds since 1970. Default: now.",
        ),
        field(
            "extAuthz",
            Shape::Entries(&Entries {
                names: Names::Any,
                example: "sample-ext-authz-http",
                of: OrNull(&Words(&["allow", "deny", "error"])),
                filled: false,
            }),
            "What each CUSTOM provider would answer.",
        ),
        field(
            "metadata",
            Shape::Entries(&Entries {
                names: Names::Any,
                example: "envoy.filters.http.x",
                of: OrNull(&AnyMap),
                filled: false,
            }),
            "Dynamic metadata by filter, for conditions on experimental.envoy.filters.*.",
        ),
    ],
    ..WRITTEN
};

const WORKLOAD: Object = Object {
    name: "workload",
    doc: "Whom the policies are evaluated for.",
    fields: &[
        field("name", Text("webapp"), "For people."),
        field("namespace", Text("istioinaction"), "Default: default."),
        field(
            "labels",
            Shape::Entries(&Entries { names: Names::Any, example: "app", of: Text("webapp"), filled: false }),
            "What selectors look at. Default: none.",
        ),
        field("serviceAccount", Text("webapp"), "Its service account."),
        field(
            "proxy",
            Words(&["sidecar", "gateway", "waypoint", "ztunnel", "agentgateway"]),
            "What enforces the policies. Default: sidecar.",
        ),
        field(
            "services",
            List(&Text("webapp")),
            "For targetRefs on a waypoint: name, namespace/name, or either behind `Service/` or `ServiceEntry/`.",
        ),
        field(
            "peerVerification",
            Words(&["certificate", "none"]),
            "none: client certificates are taken without being verified. Default: certificate.",
        ),
        field(
            "connectionSettings",
            Shape::Object(&CONNECTION_SETTINGS),
            "ProxyConfig's own, in place of the mesh's.",
        ),
    ],
    ..WRITTEN
};

const MESH: Object = Object {
    name: "mesh",
    doc: "The settings of the mesh that verdicts depend on.",
    fields: &[
        field("rootNamespace", FilledText("istio-system"), "Default: istio-system."),
        field("trustDomain", FilledText("cluster.local"), "Default: cluster.local."),
        field("trustDomainAliases", List(&Text("old.example")), "Other names of the trust domain."),
        field(
            "extensionProviders",
            List(&Either(&[FilledText("sample-ext-authz-http"), Shape::Object(&PROVIDER)])),
            "The CUSTOM providers that the mesh knows: names, or MeshConfig's own entries.",
        ),
        field(
            "pathNormalization",
            Either(&[
                PATH_NORMALIZATION,
                Shape::Object(&Object {
                    name: "pathNormalization",
                    doc: "As MeshConfig writes it.",
                    fields: &[field("normalization", PATH_NORMALIZATION, "Default: BASE.")],
                    ..WRITTEN
                }),
            ]),
            "What proxies do to a path before they match it. Default: BASE.",
        ),
        field(
            "connectionSettings",
            Shape::Object(&CONNECTION_SETTINGS),
            "Those of proxies without settings of their own.",
        ),
        field(
            "defaultConfig",
            Shape::Object(&Object {
                name: "defaultConfig",
                doc: "MeshConfig's own place for the settings of all proxies; the others in it bear on no verdict.",
                fields: &[field("connectionSettings", Shape::Object(&CONNECTION_SETTINGS), "As in `mesh`.")],
                ..FOREIGN
            }),
            "MeshConfig's own place for connectionSettings.",
        ),
        field(
            "numTrustedProxies",
            Integer(Some(0), Some(4_294_967_295)),
            "Hops in front of a gateway, for X-Forwarded-For. Default: 0.",
        ),
        field(
            "istioVersion",
            Either(&[Text("1.30.4"), AnyNumber(1.31)]),
            "Whose semantics: a patch release, or a minor version, in quotes. Default: the newest known.",
        )
        .example(r#""1.30.4""#),
        field(
            "gatewayApiHttpRouteAuth",
            Boolean,
            "istiod's ENABLE_GATEWAY_API_HTTPROUTE_AUTH (1.32). Default: false.",
        ),
    ],
    ..WRITTEN
};

/// DEFAULT is MeshConfig's zero value, the same as BASE.
const PATH_NORMALIZATION: Shape =
    Words(&["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES", "DEFAULT"]);

const PROVIDER: Object = Object {
    name: "extensionProvider",
    doc: "An entry of MeshConfig's extensionProviders. One that is no external authorizer is passed over.",
    fields: &[
        field("name", FilledText("sample-ext-authz-http"), "What CUSTOM policies call it."),
        field("envoyExtAuthzHttp", AnyMap, "An authorizer that is asked over HTTP. Excludes the other kind."),
        field("envoyExtAuthzGrpc", AnyMap, "An authorizer that is asked over gRPC. Excludes the other kind."),
    ],
    required: &["name"],
    ..FOREIGN
};

const CONNECTION_SETTINGS: Object = Object {
    name: "connectionSettings",
    doc: "connectionSettings of Istio's ProxyConfig (1.31).",
    fields: &[
        field(
            "profile",
            Text("EDGE"),
            "EDGE means something on gateways; no other profile bears on a verdict.",
        ),
        field("httpMergeSlashes", Boolean, "Whether slashes in a row are made one."),
        field(
            "httpPathWithEscapedSlashesAction",
            Words(&[
                "PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED",
                "KEEP_UNCHANGED",
                "REJECT_REQUEST",
                "UNESCAPE_AND_REDIRECT",
                "UNESCAPE_AND_FORWARD",
            ]),
            "What becomes of a path with %2F or %5C.",
        ),
        field(
            "httpHeadersWithUnderscoresAction",
            Words(&[
                "HEADERS_WITH_UNDERSCORES_UNSPECIFIED",
                "HEADERS_WITH_UNDERSCORES_ALLOW",
                "HEADERS_WITH_UNDERSCORES_REJECT_REQUEST",
                "HEADERS_WITH_UNDERSCORES_DROP_HEADER",
            ]),
            "What becomes of headers with an underscore in their name.",
        ),
        field("listenerPerConnectionBufferLimitBytes", Any, NO_BEARING),
        field("clusterPerConnectionBufferLimitBytes", Any, NO_BEARING),
        field("globalDownstreamMaxConnections", Any, NO_BEARING),
        field("httpIdleTimeout", Any, NO_BEARING),
        field("httpMaxConnectionDuration", Any, NO_BEARING),
        field("httpMaxStreamDuration", Any, NO_BEARING),
        field("httpStreamIdleTimeout", Any, NO_BEARING),
        field("httpRequestTimeout", Any, NO_BEARING),
        field("httpRequestHeadersTimeout", Any, NO_BEARING),
        field("httpDrainTimeout", Any, NO_BEARING),
        field("httpMaxConcurrentStreams", Any, NO_BEARING),
        field("http2InitialStreamWindowSize", Any, NO_BEARING),
        field("http2InitialConnectionWindowSize", Any, NO_BEARING),
    ],
    ..WRITTEN
};
const NO_BEARING: &str = "Bears on no verdict.";

const ENVIRONMENT: Object = Object {
    name: "workloadAndMesh",
    doc: "A workload and a mesh in one file.",
    fields: &[
        field("workload", Shape::Object(&WORKLOAD), "Whom the policies are evaluated for."),
        field("mesh", Shape::Object(&MESH), "The settings of the mesh."),
    ],
    ..WRITTEN
};

const POLICIES: Field = field(
    "policies",
    List(&Text("policies/")),
    "Files, folders or globs with policies, relative to the suite's file.",
);
const RESOURCES: Field =
    field("resources", List(&Shape::Object(&MANIFEST)), "Policies and what belongs to them, as manifests.");
const SOURCE: Field = field(
    "source",
    Text("https://istio.io/latest/docs/reference/config/security/jwt/"),
    "Who says what is expected: a document, a source file or an issue of Istio's or Envoy's.",
);

const MANIFEST: Object = Object {
    name: "manifest",
    doc: "A Kubernetes object.",
    fields: &[
        field("apiVersion", Text("security.istio.io/v1"), "Its group and version."),
        field("kind", Text("AuthorizationPolicy"), "Its kind."),
        field("metadata", AnyMap, "Its name, its namespace, its labels.").example(r#"{"name": "read"}"#),
        field("spec", AnyMap, "What it says."),
    ],
    required: &["apiVersion", "kind", "metadata"],
    ..FOREIGN
};

const SUITE: Object = Object {
    name: "suite",
    doc: "Policies, and the verdicts that are expected of them.",
    fields: &[
        field("name", Text("end-user JWT at the ingress gateway"), "Default: the file's name."),
        field("description", TEXT, "What the suite is about."),
        SOURCE,
        POLICIES,
        RESOURCES,
        field(
            "envoyConfig",
            Text("config_dump.json"),
            "In place of policies: the file with the configuration that a proxy has loaded.",
        ),
        field("listener", Text("virtualInbound"), "A listener or filter chain of `envoyConfig`."),
        field("workload", Shape::Object(&WORKLOAD), "Whom the policies are evaluated for."),
        field("mesh", Shape::Object(&MESH), "The settings of the mesh."),
        field("defaults", Shape::Object(&REQUEST), "Merged under each request."),
        field("tests", FilledList(&Shape::Object(&TEST)), "The tests."),
    ],
    required: &["tests"],
    needs: &[("listener", "envoyConfig")],
    ..WRITTEN
};

const TEST: Object = Object {
    name: "test",
    doc: "A request, or a matrix of them, and the verdict that is expected.",
    fields: &[
        field("name", Text("a user reads"), "For people."),
        field("why", TEXT, "Why the verdict is what it is."),
        field("description", TEXT, "An older spelling of `why`."),
        SOURCE,
        POLICIES,
        RESOURCES,
        field("workload", Shape::Object(&WORKLOAD), "Merged over the suite's, key by key."),
        field("mesh", Shape::Object(&MESH), "Merged over the suite's, key by key."),
        field(
            "request",
            Shape::Object(&REQUEST),
            "Merged over the suite's defaults, key by key; null takes a default back.",
        ),
        field(
            "matrix",
            Shape::Entries(&Entries {
                names: Names::Dotted(&REQUEST),
                example: "method",
                of: FilledList(&Any),
                filled: true,
            }),
            "Dotted fields of the request, each with the values to try. One case for each combination; null deletes a field.",
        )
        .example(r#"{"method": ["GET"]}"#),
        field("expect", EXPECT, "What of the verdict is compared."),
        field(
            "except",
            List(&Shape::Object(&Object {
                name: "exception",
                doc: "Combinations of a matrix that expect something else.",
                fields: &[
                    field(
                        "when",
                        Shape::Entries(&Entries {
                            names: Names::Dotted(&REQUEST),
                            example: "method",
                            of: Any,
                            filled: true,
                        }),
                        "Dotted fields of the request and the value that each must have, or a list of values.",
                    )
                    .example(r#"{"method": "GET"}"#),
                    field("expect", EXPECT, "What is expected of these."),
                ],
                required: &["when", "expect"],
                ..WRITTEN
            })),
            "For a matrix: combinations that expect something else. The first that fits counts.",
        ),
    ],
    required: &["expect"],
    needs: &[("except", "matrix")],
    ..WRITTEN
};

const OUTCOME: Shape = Words(&["allow", "deny", "unknown", "redirect"]);
const DECIDING_STAGE: Shape = Words(&["mtls", "custom", "jwt", "deny", "allow", "none"]);
const DRY_RUN_RESULT: Shape = Words(&["allowed", "denied"]);
const EXPECT: Shape = Either(&[OUTCOME, Shape::Object(&EXPECTATION)]);

const EXPECTATION: Object = Object {
    name: "expectation",
    doc: "Only the fields that are named are compared; a field named null must be null.",
    fields: &[
        field("verdict", OUTCOME, "What is decided."),
        field("status", Integer(Some(100), Some(599)), "The status of the answer; null: there is no answer."),
        field("stage", DECIDING_STAGE, "Which stage decides."),
        field("details", TEXT, "Envoy's %RESPONSE_CODE_DETAILS%."),
        field("policy", TEXT, "The id of the rule that matches."),
        field("location", TEXT, "Where a redirect leads."),
        field("reason", TEXT, "The sentence for people. Its wording may change."),
        field("audit", Boolean, "Whether an AUDIT rule matches."),
        field("missing", List(&Text("source.ip")), "What an unknown verdict depends on."),
        field(
            "dryRun",
            Shape::Object(&Object {
                name: "expectedDryRun",
                doc: "What dry-run policies would say.",
                fields: &[
                    field("allow", Shape::Object(&EXPECTED_RESULT), "The ALLOW policies."),
                    field("deny", Shape::Object(&EXPECTED_RESULT), "The DENY policies."),
                ],
                ..WRITTEN
            }),
            "What dry-run policies would say.",
        ),
        field(
            "nearest",
            Shape::Object(&Object {
                name: "expectedNearest",
                doc: "The ALLOW rule that comes nearest.",
                fields: &[
                    field("policy", TEXT, "Its id."),
                    field(
                        "unmet",
                        List(&Shape::Object(&Object {
                            name: "expectedUnmet",
                            doc: "A condition that is not met.",
                            fields: &[
                                field("field", Text("to.operation.methods"), "The field of the policy."),
                                field("expected", List(&TEXT), "Its values."),
                                field("got", TEXT, "What the request has; null: nothing."),
                            ],
                            ..WRITTEN
                        })),
                        "All that it lacks, in order.",
                    ),
                ],
                ..WRITTEN
            }),
            "The ALLOW rule that comes nearest, for a refusal by the ALLOW stage.",
        ),
    ],
    filled: true,
    ..WRITTEN
};

const EXPECTED_RESULT: Object = Object {
    name: "expectedResult",
    doc: "What the dry-run policies of one action say.",
    fields: &[
        field("result", DRY_RUN_RESULT, "Envoy's word."),
        field("policy", TEXT, "The id of the rule that matches."),
    ],
    ..WRITTEN
};

const FILTER: Object = Object {
    name: "filterConfiguration",
    doc: "pluginConfig of a WasmPlugin or TrafficExtension, or the JSON configuration of a plain Envoy wasm filter.",
    fields: &[
        field(
            "mode",
            Words(&["shadow", "enforce"]),
            "Whether the candidate's verdict is only compared, or carried out. Default: shadow.",
        ),
        field("candidate", SET, "The policies to evaluate."),
        field("baseline", SET, "Policies to compare with, in place of what the proxy enforces."),
        field("workload", Shape::Object(&WORKLOAD), "Default: what the proxy says of itself."),
        field("mesh", Shape::Object(&MESH), "The settings of the mesh."),
        field(
            "keySets",
            Shape::Object(&Object {
                name: "keySets",
                doc: "How key sets are fetched.",
                fields: &[
                    field(
                        "clusters",
                        Shape::Entries(&Entries {
                            names: Names::Any,
                            example: "https://issuer.example/jwks",
                            of: Text("issuer"),
                            filled: false,
                        }),
                        "Envoy's cluster for each jwksUri. Default: the one that Istio has for the host.",
                    ),
                    field(
                        "timeoutSeconds",
                        Integer(Some(1), Some(60)),
                        "How long a fetch may take. Default: 5.",
                    ),
                    field(
                        "refreshSeconds",
                        Integer(Some(1), Some(86_400)),
                        "How long a key set is good. Default: 1200.",
                    ),
                ],
                ..WRITTEN
            }),
            "How key sets are fetched.",
        ),
        field(
            "trustNative",
            Boolean,
            "Believe the claims that jwt_authn has left in the dynamic metadata. Default: false.",
        ),
        field(
            "customInFront",
            Boolean,
            "Envoy's own ext_authz stands in front for every CUSTOM policy. Default: false.",
        ),
        field(
            "report",
            Shape::Object(&Object {
                name: "report",
                doc: "What is written.",
                fields: &[
                    field(
                        "log",
                        Words(&["none", "denied", "divergent", "all"]),
                        "Which requests get a line in the proxy's log. Default: divergent.",
                    ),
                    field("sample", Number(0, 1), "The share of those lines that is written. Default: 1."),
                    field(
                        "linesPerSecond",
                        Integer(Some(1), Some(10_000)),
                        "For each policy and result. Default: 10.",
                    ),
                    field("claims", List(&Text("sub")), "Claims whose values stand in log lines."),
                    field(
                        "policies",
                        Integer(Some(0), Some(10_000)),
                        "How many get counters of their own. Default: 100.",
                    ),
                    field(
                        "responseHeader",
                        Text("x-gnomon-shadow"),
                        "A response header with the verdict, for debugging: begins with x-. Default: none.",
                    ),
                    field("filterState", Boolean, "%FILTER_STATE(wasm.gnomon:PLAIN)%. Default: true."),
                ],
                ..WRITTEN
            }),
            "What is written.",
        ),
    ],
    required: &["candidate"],
    ..WRITTEN
};

const SET: Shape = Either(&[
    Shape::Object(&Object {
        name: "policySet",
        doc: "A set of policies.",
        fields: &[field(
            "resources",
            List(&Shape::Object(&MANIFEST)),
            "AuthorizationPolicy, RequestAuthentication and PeerAuthentication.",
        )],
        required: &["resources"],
        ..WRITTEN
    }),
    Shape::Object(&Object {
        name: "packedPolicySet",
        doc: "A set of policies, made small.",
        fields: &[field(
            "gzip",
            // An empty list.
            Text("H4sIAAAAAAAC/4uOBQApu0wNAgAAAA=="),
            "The list as JSON text, gzipped, in base64. gnomon bundle writes it.",
        )],
        required: &["gzip"],
        ..WRITTEN
    }),
]);

const NULLABLE_TEXT: Shape = OrNull(&TEXT);
const LINE: Shape = Integer(Some(0), None);

const VERDICT: Object = Object {
    name: "verdict",
    doc: "A verdict on a request.",
    fields: &[
        field("verdict", OUTCOME, "What is decided."),
        field(
            "status",
            OrNull(&Integer(Some(100), Some(599))),
            "200 for allow, that of the refusal for deny; null where nothing is answered.",
        ),
        field("stage", DECIDING_STAGE, "Which stage decided."),
        field("details", NULLABLE_TEXT, "Envoy's %RESPONSE_CODE_DETAILS% of a refusal."),
        field("policy", NULLABLE_TEXT, "The id of the matched rule as Envoy reports it."),
        field("location", TEXT, "Where a redirect leads; only with that verdict."),
        field("reason", TEXT, "One sentence for people; its wording may change."),
        field(
            "dryRun",
            Shape::Object(&Object {
                name: "dryRun",
                doc: "What dry-run policies would have said.",
                fields: &[
                    field("allow", OrNull(&Shape::Object(&RESULT)), "The ALLOW policies."),
                    field("deny", OrNull(&Shape::Object(&RESULT)), "The DENY policies."),
                ],
                required: &["allow", "deny"],
                ..PRINTED
            }),
            "What dry-run policies would have said.",
        ),
        field("audit", Boolean, "An AUDIT rule matched."),
        field("missing", List(&Text("source.ip")), "What an unknown verdict depends on."),
        field(
            "nearest",
            OrNull(&Shape::Object(&Object {
                name: "nearest",
                doc: "The ALLOW rule that came nearest.",
                fields: &[
                    field("policy", TEXT, "Its id."),
                    field(
                        "unmet",
                        List(&Shape::Object(&Object {
                            name: "unmet",
                            doc: "A condition that was not met.",
                            fields: &[
                                field("field", Text("to.operation.methods"), "The field of the policy."),
                                field(
                                    "expected",
                                    List(&TEXT),
                                    "Those of its values that some request can have.",
                                ),
                                field("got", NULLABLE_TEXT, "What the request had."),
                                field("note", TEXT, "Why that does not match, where the values do not tell."),
                            ],
                            required: &["field", "expected", "got"],
                            ..PRINTED
                        })),
                        "All that it lacked.",
                    ),
                ],
                required: &["policy", "unmet"],
                ..PRINTED
            })),
            "For a refusal by the ALLOW stage, the rule that came nearest; null where no request can match any.",
        ),
        field(
            "stages",
            List(&Shape::Object(&Object {
                name: "passage",
                doc: "What one stage said.",
                fields: &[
                    field(
                        "stage",
                        Words(&["mtls", "custom", "jwt", "audit", "deny", "allow", "none"]),
                        "Which one.",
                    ),
                    field(
                        "result",
                        Words(&["passed", "refused", "unknown", "notReached"]),
                        "What became of the request there.",
                    ),
                    field("summary", TEXT, "One line for people; of the tokens, what each lacked."),
                ],
                required: &["stage", "result", "summary"],
                ..PRINTED
            })),
            "The stages in the order of evaluation, those without any policy left out.",
        ),
        field("notes", List(&TEXT), "What else mattered, one sentence each; their wording may change."),
        field(
            "suggestion",
            Shape::Object(&Object {
                name: "suggestion",
                doc: "A change of a policy that would let a refused request pass.",
                fields: &[
                    field("policy", TEXT, "The id of the rule."),
                    field("file", TEXT, "The file."),
                    field("line", LINE, "The first line that changes."),
                    field("patch", TEXT, "The change, as diff -u writes it."),
                    field("letsIn", List(&TEXT), "Which requests come in with it, in words."),
                    field("complete", Boolean, "Whether all of them are named."),
                ],
                required: &["policy", "file", "line", "patch", "letsIn", "complete"],
                ..PRINTED
            }),
            "How the policy that came nearest could change; left out where one more value in a list is not enough.",
        ),
        field(
            "notApplied",
            List(&Shape::Object(&NOT_APPLIED)),
            "The policies that do not apply to the workload.",
        ),
        field(
            "workload",
            TEXT,
            "What the workload is called, where it was found among the manifests or named by a policy.",
        ),
    ],
    required: &[
        "verdict", "status", "stage", "details", "policy", "reason", "dryRun", "audit", "missing", "nearest",
    ],
    ..PRINTED
};

const RESULT: Object = Object {
    name: "dryRunResult",
    doc: "What the dry-run policies of one action would have said.",
    fields: &[
        field("result", DRY_RUN_RESULT, "Envoy's word."),
        field("policy", NULLABLE_TEXT, "The id of the matched rule."),
    ],
    required: &["result", "policy"],
    ..PRINTED
};

const NOT_APPLIED: Object = Object {
    name: "notApplied",
    doc: "A policy that does not apply to the workload.",
    fields: &[
        field(
            "kind",
            Words(&["AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication"]),
            "What kind of policy it is.",
        ),
        field("policy", Text("shop/catalog"), "Its namespace and name."),
        field("file", TEXT, "Its file; empty where there is none."),
        field("line", LINE, "Its line; 0 where not known."),
        field("reason", Text("other-namespace"), "Why, as a word."),
        field("why", TEXT, "Why, in words."),
    ],
    required: &["kind", "policy", "file", "line", "reason", "why"],
    ..PRINTED
};

const COUNT: Shape = Integer(Some(0), None);

const RESULTS: Object = Object {
    name: "results",
    doc: "What came of all suites.",
    fields: &[
        field("passed", COUNT, "How many cases are as expected."),
        field("failed", COUNT, "How many are not."),
        field("broken", COUNT, "How many suites could not be read."),
        field(
            "suites",
            List(&Shape::Object(&Object {
                name: "suiteResult",
                doc: "What came of a suite.",
                fields: &[
                    field("file", TEXT, "The suite's file."),
                    field("name", TEXT, "The suite's name."),
                    field("tests", List(&Shape::Object(&CASE)), "One for each case."),
                ],
                required: &["file", "name", "tests"],
                ..PRINTED
            })),
            "One for each suite.",
        ),
    ],
    required: &["passed", "failed", "broken", "suites"],
    ..PRINTED
};

const CASE: Object = Object {
    name: "caseResult",
    doc: "What came of a case.",
    fields: &[
        field("name", TEXT, "The test's name, with the case's place in the matrix."),
        field("line", LINE, "The line of the expectation."),
        field("column", LINE, "Its column."),
        field("passed", Boolean, "All is as expected."),
        field("why", TEXT, "Why that is expected."),
        field("source", TEXT, "Who says so."),
        field(
            "differences",
            List(&Shape::Object(&Object {
                name: "difference",
                doc: "A field of the verdict that is not as expected.",
                fields: &[
                    field("field", Text("status"), "The field."),
                    field("expected", Any, "What was expected."),
                    field("got", Any, "What there is."),
                ],
                required: &["field", "expected", "got"],
                ..PRINTED
            })),
            "What is not as expected.",
        ),
        field("got", Shape::Object(&VERDICT), "The verdict."),
    ],
    required: &["name", "line", "column", "passed", "differences", "got"],
    ..PRINTED
};

const DIFFERENCE: Object = Object {
    name: "comparison",
    doc: "What a change of policies changes.",
    fields: &[
        field("equivalent", Boolean, "Every request fares as before, at every workload that was compared."),
        field("workloads", List(&Shape::Object(&COMPARED)), "One for each workload."),
    ],
    required: &["equivalent", "workloads"],
    ..PRINTED
};

const COMPARED: Object = Object {
    name: "compared",
    doc: "What changes at a workload.",
    fields: &[
        field(
            "workload",
            Shape::Object(&Object {
                name: "comparedWorkload",
                doc: "The workload.",
                fields: &[
                    field("name", Text("shop/orders"), "What it is called."),
                    field("namespace", Text("shop"), "Its namespace."),
                    field("labels", AnyMap, "Its labels."),
                    field(
                        "proxy",
                        Words(&["sidecar", "gateway", "waypoint", "ztunnel"]),
                        "What enforces the policies.",
                    ),
                ],
                required: &["name", "namespace", "labels", "proxy"],
                ..PRINTED
            }),
            "The workload.",
        ),
        field("equivalent", Boolean, "Every request fares as before."),
        field("newlyAllowed", OrNull(&Shape::Object(&WITNESS)), "A smallest request that is newly allowed."),
        field("newlyDenied", OrNull(&Shape::Object(&WITNESS)), "A smallest request that is newly denied."),
        field(
            "newlyUndecided",
            OrNull(&Shape::Object(&WITNESS)),
            "A smallest request whose verdict is newly unknown.",
        ),
        field("complete", Boolean, "The summary has the whole difference; false: it was cut."),
        field(
            "summary",
            List(&Shape::Object(&CHANGE)),
            "The difference in lines that do not overlap; not sorted by importance.",
        ),
    ],
    required: &[
        "workload",
        "equivalent",
        "newlyAllowed",
        "newlyDenied",
        "newlyUndecided",
        "complete",
        "summary",
    ],
    ..PRINTED
};

const SAID: Object = Object {
    name: "said",
    doc: "What one side says.",
    fields: &[field("verdict", OUTCOME, "What is decided."), field("reason", TEXT, "Why, for people.")],
    required: &["verdict", "reason"],
    ..PRINTED
};

const WITNESS: Object = Object {
    name: "witness",
    doc: "A request that shows a difference; the engine has confirmed it on both sides.",
    fields: &[
        field("request", Shape::Object(&REQUEST), "The request, as gnomon eval takes it."),
        field("old", Shape::Object(&SAID), "What the old side says."),
        field("new", Shape::Object(&SAID), "What the new side says."),
        field("curl", Text("curl http://example.com/"), "With --curl, the request as a command."),
    ],
    required: &["request", "old", "new"],
    ..PRINTED
};

const DECIDES: Object = Object {
    name: "deciding",
    doc: "What decides on one side.",
    fields: &[
        field("what", Text("ALLOW shop/read rule 0"), "The rule or stage, for people."),
        field("file", TEXT, "The rule's file; empty where there is none."),
        field("line", LINE, "The rule's line; 0 where there is none."),
    ],
    required: &["what", "file", "line"],
    ..PRINTED
};

const CHANGE: Object = Object {
    name: "change",
    doc: "Requests that fare otherwise, and what decides about them.",
    fields: &[
        field("change", Words(&["newlyAllowed", "newlyDenied", "newlyUndecided"]), "Which way."),
        field("protocol", Words(&["http", "tcp"]), "HTTP requests, or TCP connections."),
        field("requests", Text("GET /reports/*"), "Which requests, for people."),
        field("old", Shape::Object(&DECIDES), "What decides on the old side."),
        field("new", Shape::Object(&DECIDES), "What decides on the new side."),
        field("because", List(&TEXT), "What was done to the rules that decide, for people."),
        field("example", Shape::Object(&REQUEST), "One of these requests."),
    ],
    required: &["change", "protocol", "requests", "old", "new", "because", "example"],
    ..PRINTED
};
