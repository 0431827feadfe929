//! The table for the page: `attributes.ts`.

use super::{key, written_key};
use gnomon_engine::{
    Attribute,
    attribute::{Key, Kind, Part, Row},
    verdict::RequestField,
};
use serde_json::{Value, json};

const HEAD: &str = "\
// Written by `cargo xtask docs` from the engine's table of attributes (engine/src/attribute/table.rs).

/** How values are written and compared. */
export type Kind =
  | \"text\" | \"header\" | \"host\" | \"path\" | \"cidr\" | \"port\" | \"principal\" | \"namespace\" | \"serviceAccount\" | \"trustDomain\"
  | \"requestPrincipal\" | \"claim\" | \"metadata\";

/** What a rule can look at. */
export interface Attribute {
  /** The half of a rule that it belongs to. */
  part: \"source\" | \"operation\";
  /** As a field of that half, and its `not` twin. */
  field: string | null;
  notField: string | null;
  /** As a key of `when`; of keys with brackets what they begin with. */
  key: string | null;
  brackets: boolean;
  /** The key as completion offers it. */
  writtenKey: string | null;
  kind: Kind;
  /** The field of a request's form that says it. */
  requestField: string;
  /** Of headers and claims: which one, where the key does not name it. */
  name: string;
  /** Several of its values. */
  plural: string;
  doc: string;
  /** Values to choose from. */
  choices: string[];
}

export const ATTRIBUTES: readonly Attribute[] = [
";

pub(super) fn text() -> String {
    let mut text = String::from(HEAD);
    for attribute in Attribute::ALL {
        let fields = row(attribute);
        let line = fields.map(|(name, value)| format!("{name}: {value}")).join(", ");
        text.push_str(&format!("  {{ {line} }},\n"));
    }
    text.push_str("];\n");
    text
}

fn row(attribute: Attribute) -> [(&'static str, Value); 12] {
    let (row, prose) = (attribute.row(), attribute.prose());
    [
        ("part", json!(if row.part == Part::Source { "source" } else { "operation" })),
        ("field", json!(row.field.map(|(name, _)| name))),
        ("notField", json!(row.field.map(|(_, name)| name))),
        ("key", json!(key(attribute))),
        ("brackets", json!(matches!(row.key, Some(Key::Bracketed(_))))),
        ("writtenKey", json!(written_key(attribute))),
        ("kind", json!(kind(row.kind))),
        ("requestField", json!(form_field(row))),
        ("name", json!(row.name)),
        ("plural", json!(prose.plural)),
        ("doc", json!(prose.doc)),
        ("choices", json!(prose.choices)),
    ]
}

/// The form has a field for the method, and claims in place of a token.
fn form_field(row: &Row) -> &'static str {
    match (row.input.request_field(), row.name) {
        (_, ":method") => "method",
        (RequestField::Token, _) => "claims",
        (field, _) => field.name(),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Header => "header",
        Kind::Host => "host",
        Kind::Path => "path",
        Kind::Cidr => "cidr",
        Kind::Port => "port",
        Kind::Principal => "principal",
        Kind::Namespace => "namespace",
        Kind::ServiceAccount => "serviceAccount",
        Kind::TrustDomain => "trustDomain",
        Kind::RequestPrincipal => "requestPrincipal",
        Kind::Claim => "claim",
        Kind::Metadata => "metadata",
    }
}
