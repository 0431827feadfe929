//! The formats that Gnomon prints about single requests, as tables of their fields: JSON Schemas are made of them.
//!
//! A table that says otherwise than the program prints fails `analysis/tests/schemas.rs` or `cli/tests/schemas.rs`.

use super::{
    shape::{Object, PRINTED, Shape, TEXT, document, field},
    written::{DECIDING_STAGE, DRY_RUN_RESULT, OUTCOME},
};
use Shape::{Any, Boolean, Either, Integer, List, OrNull, Text, Words};

pub(super) fn verdict() -> String {
    const ONE: Shape = Shape::Object(&VERDICT);
    document("What gnomon eval -o json prints", Either(&[ONE, List(&ONE)]))
}

pub(super) fn test_results() -> String {
    document("What gnomon test -o json prints", Shape::Object(&RESULTS))
}

/// What most objects are: fields as it is, of which none must be there.
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
