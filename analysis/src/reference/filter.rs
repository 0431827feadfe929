//! The configuration of the filter, as a table of its fields: a JSON Schema is made of it.
//!
//! What reads the configuration decides what it is; a table that says otherwise fails `shadow/tests/schema.rs`.

use super::{
    shape::{Entries, Names, Object, Shape, WRITTEN, document, field},
    written::{MANIFEST, MESH, WORKLOAD},
};
use Shape::{Boolean, Either, Integer, List, Number, Text, Words};

pub(super) fn configuration() -> String {
    document("The configuration of Gnomon's filter", Shape::Object(&FILTER))
}

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
            "requests",
            Shape::Object(&Object {
                name: "requests",
                doc: "What the native module's access logger writes.",
                fields: &[
                    field(
                        "file",
                        Text("/var/log/requests.jsonl"),
                        "The file that lines are appended to. Default: /dev/stdout.",
                    ),
                    field(
                        "headers",
                        List(&Text("x-request-id")),
                        "Headers that stand in the lines although no policy reads them.",
                    ),
                ],
                ..WRITTEN
            }),
            "What the native module's access logger writes.",
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
                    field(
                        "filterState",
                        Either(&[Words(&["none", "denied", "divergent", "all"]), Boolean]),
                        "Which requests get %FILTER_STATE(wasm.gnomon:PLAIN)%; true: all, false: none. \
                         Default: all.",
                    ),
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
