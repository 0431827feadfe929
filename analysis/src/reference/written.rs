//! The formats that people write for the command line and the page, as tables of their fields: JSON Schemas are made of them.
//!
//! What reads a format decides what it is; a table that says otherwise fails `analysis/tests/schemas.rs`.

use super::shape::{Entries, FOREIGN, Field, Names, Object, Shape, TEXT, WRITTEN, document, field};
use Shape::{
    Any, AnyMap, AnyNumber, Boolean, Either, FilledList, FilledText, Integer, List, OrNull, Text, Words,
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

pub(super) fn invariants() -> String {
    const FILE: Object = Object {
        name: "invariants",
        doc: "What must hold for all requests.",
        fields: &[field("invariants", List(&Shape::Object(&INVARIANT)), "The invariants.")],
        required: &["invariants"],
        ..WRITTEN
    };
    document("Invariants for gnomon check", Shape::Object(&FILE))
}

/// A rule, or words that describe requests; or several rules.
const DESCRIBED: Shape = Either(&[AnyMap, List(&AnyMap)]);

const INVARIANT: Object = Object {
    name: "invariant",
    doc: "One of `never`, `always`, `only` and `use`.",
    fields: &[
        field("name", Text("metrics are read by monitoring alone"), "For people."),
        field(
            "never",
            DESCRIBED,
            "None of these requests is allowed: a rule (from, to, when), a list of rules, or words ({path: /admin/*, token: \
             none}); beside them `unless`, for those that do not count.",
        ),
        field("never allow", DESCRIBED, "The same as never."),
        field("always", DESCRIBED, "Each of these requests is allowed."),
        field("always allow", DESCRIBED, "The same as always."),
        field(
            "only",
            Shape::Object(&Object {
                name: "only",
                doc: "Nobody else may.",
                fields: &[
                    field("who", DESCRIBED, "Who may."),
                    field("may", DESCRIBED, "Send what. Default: anything."),
                ],
                required: &["who"],
                ..WRITTEN
            }),
            "Nobody else may.",
        ),
        field("use", Text("no-plaintext"), "One of the library, which gnomon check --library lists."),
        field("with", AnyMap, "What that one takes."),
        field("workloads", List(&TEXT), "Where it must hold: names, or NAMESPACE/*. Default: everywhere."),
        field("protocol", Words(&["http", "tcp", "any"]), "Default: http."),
    ],
    needs: &[("with", "use")],
    ..WRITTEN
};

pub(super) fn workload() -> String {
    document("A workload", OrNull(&Either(&[Shape::Object(&WORKLOAD), Shape::Object(&ENVIRONMENT)])))
}

pub(super) fn mesh() -> String {
    document("The settings of a mesh", OrNull(&Either(&[Shape::Object(&MESH), Shape::Object(&ENVIRONMENT)])))
}

/// An HTTP token, or the one pseudo header that a request has no field for.
const HEADER_NAME: &str = "^([-!#$%&'*+.^_`|~0-9A-Za-z]+|:protocol)$";

pub(super) const REQUEST: Object = Object {
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

pub(super) const WORKLOAD: Object = Object {
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

pub(super) const MESH: Object = Object {
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

pub(super) const MANIFEST: Object = Object {
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

pub(super) const OUTCOME: Shape = Words(&["allow", "deny", "unknown", "redirect"]);
pub(super) const DECIDING_STAGE: Shape = Words(&["mtls", "custom", "jwt", "deny", "allow", "none"]);
pub(super) const DRY_RUN_RESULT: Shape = Words(&["allowed", "denied"]);
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
