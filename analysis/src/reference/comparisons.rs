//! The formats that Gnomon prints about all requests at once, as tables of their fields, as in [`printed`](super::printed).

use super::{
    shape::{Field, Object, PRINTED, Shape, TEXT, document, field},
    written::{OUTCOME, REQUEST},
};
use Shape::{AnyMap, Boolean, Integer, List, OrNull, Text, Words};

pub(super) fn difference() -> String {
    document("What gnomon diff -o json prints", Shape::Object(&DIFFERENCE))
}

pub(super) fn drift() -> String {
    document("What gnomon drift -o json prints", Shape::Object(&DRIFT))
}

pub(super) fn who_can() -> String {
    document("What gnomon who-can -o json prints", List(&Shape::Object(&WHO_CAN)))
}

pub(super) fn check() -> String {
    document("What gnomon check -o json prints", Shape::Object(&CHECK))
}

pub(super) fn matrix() -> String {
    document("What gnomon matrix -o json prints", List(&Shape::Object(&MATRIX)))
}

const LINE: Shape = Integer(Some(0), None);

const DIFFERENCE: Object = Object {
    name: "comparison",
    doc: "What a change of policies changes.",
    fields: &[
        field("equivalent", Boolean, "Every request fares as before, at every workload that was compared."),
        field("workloads", List(&Shape::Object(&COMPARED)), "One for each workload."),
        field(
            "notes",
            List(&Shape::Object(&NOTE)),
            "Of gnomon upgrade: what differs between the versions, or is mended in neither, and concerns these policies.",
        ),
    ],
    required: &["equivalent", "workloads"],
    ..PRINTED
};

const NOTE: Object = Object {
    name: "note",
    doc: "What versions of Istio do differently, and for which policies.",
    fields: &[
        field("what", TEXT, "What versions that have it do."),
        field("without", TEXT, "What the others do."),
        field("since", Text("1.28.5, 1.29.1"), "The releases that brought it."),
        field("advisory", TEXT, "The advisory that it mends; empty: none."),
        field("link", TEXT, "Where to read about it."),
        field(
            "state",
            Words(&["new", "lost", "open"]),
            "Only the second version has it, only the first, or neither.",
        ),
        field("changesVerdicts", Boolean, "Verdicts depend on it; false: it mends what no request shows."),
        field(
            "policies",
            List(&Shape::Object(&Object {
                name: "concerned",
                doc: "A policy that is concerned.",
                fields: &[
                    field("policy", Text("AuthorizationPolicy shop/orders"), "Which."),
                    field("file", TEXT, "Its file; empty: none."),
                    field("line", LINE, "Where in it; 0: not known."),
                ],
                required: &["policy", "file", "line"],
                ..PRINTED
            })),
            "Those that it is about.",
        ),
    ],
    required: &["what", "without", "since", "advisory", "link", "state", "changesVerdicts", "policies"],
    ..PRINTED
};

const COMPARED_WORKLOAD: Object = Object {
    name: "comparedWorkload",
    doc: "The workload.",
    fields: &[
        field("name", Text("shop/orders"), "What it is called."),
        field("namespace", Text("shop"), "Its namespace."),
        field("labels", AnyMap, "Its labels."),
        field("proxy", Words(&["sidecar", "gateway", "waypoint", "ztunnel"]), "What enforces the policies."),
    ],
    required: &["name", "namespace", "labels", "proxy"],
    ..PRINTED
};

/// What a difference has, of a workload or of what a proxy has loaded.
const CHANGES: [Field; 6] = [
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
];

const COMPARED: Object = {
    let [equivalent, allowed, denied, undecided, complete, summary] = CHANGES;
    Object {
        name: "compared",
        doc: "What changes at a workload.",
        fields: &[
            field("workload", Shape::Object(&COMPARED_WORKLOAD), "The workload."),
            equivalent,
            allowed,
            denied,
            undecided,
            complete,
            summary,
            field(
                "except",
                List(&Text("headers of several lines")),
                "What two versions of Istio read differently before any policy is asked, of which only some requests were \
                 tried; absent: nothing.",
            ),
            field(
                "keys",
                List(&Shape::Object(&KEY_CHANGE)),
                "Issuers whose tokens are checked with other keys than before; absent: none.",
            ),
            field(
                "link",
                Text("http://localhost:4321/#s=q1a"),
                "With --link, where there is a difference, the address that opens it in the playground.",
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
    }
};

const KEY_CHANGE: Object = Object {
    name: "keyChange",
    doc: "An issuer whose tokens both sides check, with other keys: of what only one side's keys have signed, the other \
          refuses. No request shows it, for want of the private keys.",
    fields: &[
        field("issuer", Text("https://accounts.example.com"), "The issuer; empty: a rule for any."),
        field("old", Text("https://accounts.example.com/jwks.json"), "Where the old side has its keys from."),
        field("new", Text("jwks with kid-2"), "Where the new side has them from."),
    ],
    required: &["issuer", "old", "new"],
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

const DRIFT: Object = Object {
    name: "drift",
    doc: "What a proxy has loaded beside what is declared.",
    fields: &[
        field("equivalent", Boolean, "Every request fares as declared."),
        field("workload", Shape::Object(&COMPARED_WORKLOAD), "Whose proxy it is."),
        field("objects", List(&Shape::Object(&DRIFTED)), "The objects that are not as declared."),
        field(
            "complete",
            Boolean,
            "Rules of one name were compared with each other; false: there are more than 1,000.",
        ),
        field(
            "settings",
            List(&TEXT),
            "Settings of the HTTP connection manager that are not as declared, for people.",
        ),
        field(
            "difference",
            OrNull(&Shape::Object(&LOADED)),
            "As gnomon diff prints it for a workload: old is what is declared, new what is loaded. null: not compared, since \
             settings differ.",
        ),
    ],
    required: &["equivalent", "workload", "objects", "complete", "settings", "difference"],
    ..PRINTED
};

const LOADED: Object = Object {
    name: "loadedDifference",
    doc: "What fares otherwise than declared.",
    fields: &CHANGES,
    required: &["equivalent", "newlyAllowed", "newlyDenied", "newlyUndecided", "complete", "summary"],
    ..PRINTED
};

const DRIFTED: Object = Object {
    name: "driftedObject",
    doc: "An object that is not as declared.",
    fields: &[
        field(
            "kind",
            Words(&["AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication", "RBAC policy"]),
            "Its kind; RBAC policy: one of Envoy's that no policy of Istio's has made.",
        ),
        field("name", Text("shop/orders"), "namespace/name; empty where the configuration does not say it."),
        field("part", Text("ALLOW rule 0"), "The rule, the issuer or the port."),
        field(
            "state",
            Words(&["missing", "stale", "different"]),
            "missing: declared, and not loaded; stale: loaded, and not declared; different: loaded otherwise.",
        ),
        field("file", TEXT, "Where it is declared, else where it is loaded; empty where nothing says it."),
        field("line", LINE, "The line; 0 where there is none."),
        field("why", List(&TEXT), "What is otherwise, for people."),
    ],
    required: &["kind", "name", "part", "state", "file", "line", "why"],
    ..PRINTED
};

const WHO_CAN: Object = Object {
    name: "whoCan",
    doc: "Who may send the request to a workload.",
    fields: &[
        field("workload", Text("shop/orders"), "What it is called."),
        field("complete", Boolean, "Everybody who may is there; false: the list was cut."),
        field(
            "allowed",
            List(&Shape::Object(&ALLOWED)),
            "Who may, in lines that do not overlap; empty: nobody.",
        ),
        field("gateway", Text("istio-system/ingress"), "With --via, through which gateway."),
        field("unknown", List(&TEXT), "With --via, what is not known of it, in words."),
    ],
    required: &["workload", "complete", "allowed"],
    ..PRINTED
};

const CHECK: Object = Object {
    name: "check",
    doc: "What came of invariants.",
    fields: &[
        field("holds", Boolean, "All of them hold."),
        field("invariants", List(&Shape::Object(&CHECKED)), "Each of them."),
    ],
    required: &["holds", "invariants"],
    ..PRINTED
};

const CHECKED: Object = Object {
    name: "checked",
    doc: "What came of an invariant.",
    fields: &[
        field("name", TEXT, "What it is called."),
        field("file", TEXT, "The file that it is in; empty: it was given by --use."),
        field("line", LINE, "Where in it; 0: in no file."),
        field("must", Words(&["never", "always"]), "Whether none or each of the requests must be allowed."),
        field("holds", Boolean, "It holds at all of its workloads, and there is one."),
        field("workloads", List(&Shape::Object(&CHECKED_AT)), "Those that it is for."),
    ],
    required: &["name", "file", "line", "must", "holds", "workloads"],
    ..PRINTED
};

const CHECKED_AT: Object = Object {
    name: "checkedAt",
    doc: "What came of an invariant at a workload.",
    fields: &[
        field("workload", Shape::Object(&COMPARED_WORKLOAD), "The workload."),
        field("holds", Boolean, "It holds here."),
        field(
            "witness",
            OrNull(&Shape::Object(&COUNTEREXAMPLE)),
            "A smallest request for which it does not.",
        ),
        field("requests", List(&TEXT), "All those requests, for people."),
        field("complete", Boolean, "All of them are there; false: the list was cut."),
    ],
    required: &["workload", "holds", "witness", "requests", "complete"],
    ..PRINTED
};

const COUNTEREXAMPLE: Object = Object {
    name: "counterexample",
    doc: "A request for which an invariant does not hold.",
    fields: &[
        field("request", Shape::Object(&REQUEST), "As gnomon eval takes it."),
        field("verdict", OUTCOME, "What is decided."),
        field("reason", TEXT, "Why; its wording may change."),
    ],
    required: &["request", "verdict", "reason"],
    ..PRINTED
};

const ALLOWED: Object = Object {
    name: "allowed",
    doc: "Requests that are allowed.",
    fields: &[
        field("requests", Text("GET /orders from namespace web"), "Which requests, for people."),
        field("by", Shape::Object(&DECIDES), "What allows them."),
        field("example", Shape::Object(&REQUEST), "One of them, as gnomon eval takes it."),
        field("route", List(&TEXT), "With --via, the way that they take, one sentence each."),
    ],
    required: &["requests", "by", "example"],
    ..PRINTED
};

const MATRIX: Object = Object {
    name: "row",
    doc: "What callers may do at a workload.",
    fields: &[
        field("workload", Text("shop/orders"), "What it is called."),
        field(
            "part",
            Text("port 8080, paths /api/*"),
            "With --by, which part of what it can be asked, for people.",
        ),
        field(
            "port",
            Integer(Some(0), Some(65535)),
            "The port of that part; absent: all, or those of no other part.",
        ),
        field(
            "path",
            Text("/api/*"),
            "Its paths, without those of parts before; absent: all, or those of no other part.",
        ),
        field("protocol", Words(&["tcp"]), "Connections; absent: HTTP requests."),
        field("callers", List(&Shape::Object(&CELL)), "Those of whom there is anything to say."),
        field("gateway", Text("istio-system/ingress"), "With --via, through which gateway."),
        field("unknown", List(&TEXT), "With --via, what is not known of it, in words."),
    ],
    required: &["workload", "callers"],
    ..PRINTED
};

const CELL: Object = Object {
    name: "cell",
    doc: "What a caller may do.",
    fields: &[
        field(
            "caller",
            Text("jobs/batch"),
            "namespace/account, or a kind of callers: plaintext, other identities.",
        ),
        field(
            "may",
            Words(&["everything", "something", "nothing", "unknown", "more", "less", "same", "other"]),
            "How much; unknown: nobody can know. With --diff OLD how much more or less than before; other: some of both.",
        ),
        field("requests", List(&TEXT), "Which requests, for people."),
        field("complete", Boolean, "All of them are there; false: the list was cut."),
        field(
            "example",
            Shape::Object(&REQUEST),
            "One of them, as gnomon eval takes it, where there is one.",
        ),
    ],
    required: &["caller", "may", "requests", "complete"],
    ..PRINTED
};
