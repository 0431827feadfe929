//! What `gnomon lint` prints for programs, and `gnomon.toml`.

use super::shape::{Entries, Names, Object, PRINTED, Shape, TEXT, WRITTEN, document, field};
use Shape::{Boolean, Integer, List, Text, Words};

pub(super) fn findings() -> String {
    document("What gnomon lint -o json prints", List(&Shape::Object(&FINDING)))
}

pub(super) fn simplification() -> String {
    document("What gnomon simplify -o json prints", Shape::Object(&SIMPLIFICATION))
}

pub(super) fn configuration() -> String {
    document("gnomon.toml", Shape::Object(&CONFIGURATION))
}

const FILE: Shape = Text("policies/orders.yaml");
const PLACE: Shape = Integer(Some(0), None);

const FINDING: Object = Object {
    name: "finding",
    doc: "A finding.",
    fields: &[
        field("severity", Words(&["error", "warning", "hint"]), "How much it matters."),
        field("code", Text("literal-star"), "What kind of finding it is; gnomon lint --explain says more."),
        field("file", FILE, "The file."),
        field("line", PLACE, "The line, counted from 1; 0 where there is none."),
        field("column", PLACE, "The column, in characters, counted from 1; 0 where there is none."),
        field("object", Text("AuthorizationPolicy shop/orders"), "The object; empty where it is about none."),
        field("field", Text("spec.rules[0]"), "The field; empty where it is about none."),
        field("message", TEXT, "What is wrong, for people."),
        field("help", TEXT, "What to do, for people; may be empty."),
        field("related", List(&Shape::Object(&RELATED)), "Other places that it is about."),
        field("fix", List(&Shape::Object(&EDIT)), "What --fix would write; all of it or nothing."),
    ],
    required: &["severity", "code", "file", "line", "column", "object", "field", "message", "help"],
    ..PRINTED
};

const SIMPLIFICATION: Object = Object {
    name: "simplification",
    doc: "What can go of policies without a request faring otherwise.",
    fields: &[
        field("smaller", Boolean, "Something can go."),
        field("workloads", PLACE, "For how many workloads it was proven that every request fares as before."),
        field("steps", List(&Shape::Object(&STEP)), "What goes, with its proof."),
        field("left", List(&Shape::Object(&STEP)), "What was left as it is, with the reason."),
        field(
            "files",
            List(&Shape::Object(&Object {
                name: "changedFile",
                doc: "A file that changes.",
                fields: &[
                    field("file", FILE, "The file."),
                    field("difference", TEXT, "What changes in it, as a unified difference."),
                ],
                required: &["file", "difference"],
                ..PRINTED
            })),
            "The files that change.",
        ),
    ],
    required: &["smaller", "workloads", "steps", "left", "files"],
    ..PRINTED
};

const STEP: Object = Object {
    name: "step",
    doc: "A part of a policy.",
    fields: &[
        field("file", FILE, "The file."),
        field("line", PLACE, "The line, in the file as it is."),
        field("policy", Text("shop/orders"), "The AuthorizationPolicy."),
        field("field", TEXT, "The field; rules are counted as in the file as it is."),
        field("message", TEXT, "What becomes of it, and why nothing changes by that."),
        field(
            "coveredBy",
            List(&Shape::Object(&Object {
                name: "covering",
                doc: "A rule that decides the same.",
                fields: &[
                    field("rule", Text("rule 0 of shop/read"), "Which rule."),
                    field("file", FILE, "The file."),
                    field("line", PLACE, "The line."),
                ],
                required: &["rule", "file", "line"],
                ..PRINTED
            })),
            "The rules that decide the same about what it matters to.",
        ),
    ],
    required: &["file", "line", "policy", "field", "message", "coveredBy"],
    ..PRINTED
};

const RELATED: Object = Object {
    name: "related",
    doc: "Another place.",
    fields: &[
        field("file", FILE, "The file."),
        field("line", PLACE, "The line."),
        field("column", PLACE, "The column."),
        field("message", TEXT, "What stands there."),
    ],
    required: &["file", "line", "column", "message"],
    ..PRINTED
};

const EDIT: Object = Object {
    name: "edit",
    doc: "A value and what stands in its place afterwards.",
    fields: &[
        field("file", FILE, "The file."),
        field("line", PLACE, "The line."),
        field("column", PLACE, "The column."),
        field("old", TEXT, "What is there."),
        field("new", List(&TEXT), "What is written; nothing where it is taken out."),
        field(
            "goes",
            Words(&["element", "around", "list", "document"]),
            "How much goes where it is taken out: the element of a list that begins there, the one around the map that \
             begins there, the list whose first element begins there with its key, or the document.",
        ),
    ],
    required: &["file", "line", "column", "old", "new"],
    ..PRINTED
};

const PATHS: Shape = List(&FILE);
const CODES: Shape = List(&Text("literal-star"));
const VERSION: Shape = Text("1.31");
const LEVELS: Shape = Shape::Entries(&Entries {
    names: Names::Any,
    example: "literal-star",
    of: Words(&["error", "warning", "hint", "off"]),
    filled: false,
});

const CONFIGURATION: Object = Object {
    name: "configuration",
    doc: "What holds for a project. Paths are relative to the file.",
    fields: &[
        field("paths", PATHS, "What is read where the command line names nothing."),
        field("exclude", List(&Text("vendor/**")), "Globs of files of which nothing is read."),
        field("mesh", FILE, "A file with the mesh's settings."),
        field("istio-version", VERSION, "The version of Istio."),
        field("lint", Shape::Object(&LINT), "What belongs to the lints."),
        field(
            "environments",
            Shape::Entries(&Entries {
                names: Names::Any,
                example: "prod",
                of: Shape::Object(&ENVIRONMENT),
                filled: false,
            }),
            "Paths, mesh and version in place of the above, by a name that --environment takes.",
        ),
    ],
    ..WRITTEN
};

const LINT: Object = Object {
    name: "lint",
    doc: "What belongs to the lints.",
    fields: &[
        field("disable", CODES, "Lints not to look with."),
        field("only", CODES, "The only lints to look with."),
        field("fail-on", Words(&["error", "warning", "hint", "never"]), "From which severity on it fails."),
        field("baseline", FILE, "A file of findings that are known."),
        field("severity", LEVELS, "How much the findings of a lint matter."),
        field("path", List(&Shape::Object(&OF_PATH)), "The same below some paths; a later one wins."),
    ],
    ..WRITTEN
};

const OF_PATH: Object = Object {
    name: "ofPath",
    doc: "How much findings matter in some files.",
    fields: &[
        field("path", Text("legacy/**"), "A glob."),
        field("severity", LEVELS, "How much the findings of a lint matter there."),
    ],
    required: &["path", "severity"],
    ..WRITTEN
};

const ENVIRONMENT: Object = Object {
    name: "environment",
    doc: "In place of what stands above.",
    fields: &[
        field("paths", PATHS, "What is read."),
        field("mesh", FILE, "A file with the mesh's settings."),
        field("istio-version", VERSION, "The version of Istio."),
    ],
    ..WRITTEN
};
