//! What the values of a format may be, and the JSON Schema that says it.

use serde_json::{Map, Value, json};

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Text, with an example.
    Text(&'static str),
    /// Text that is not empty, with an example.
    FilledText(&'static str),
    /// One of these words.
    Words(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// A whole number, not less than the one and not more than the other.
    Integer(Option<i64>, Option<i64>),
    /// A number within these bounds.
    Number(i64, i64),
    /// Any number at all, with an example: YAML reads a bare `1.31` as one.
    AnyNumber(f64),
    /// Anything.
    Any,
    /// A map of which nothing more is said.
    AnyMap,
    /// A list.
    List(&'static Shape),
    /// A list with at least one element.
    FilledList(&'static Shape),
    /// A map with known names.
    Object(&'static Object),
    /// A map whose names are data.
    Entries(&'static Entries),
    /// Either of these.
    Either(&'static [Shape]),
    /// This, or null.
    OrNull(&'static Shape),
}

/// Who writes a map with known names, and so what else may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// People, for Gnomon alone: a name that is not known is an error. A null is as if the field were absent.
    Written,
    /// Istio's own settings, of which Gnomon reads some. A null is as if the field were absent.
    Foreign,
    /// Gnomon: there may be more fields in a later version.
    Printed,
}

/// A map with known names.
#[derive(Debug)]
pub(super) struct Object {
    /// Its name among the schema's definitions.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) doc: &'static str,
    /// Who writes it.
    pub(super) origin: Origin,
    /// What may be in it.
    pub(super) fields: &'static [Field],
    /// Names of those that must be there.
    pub(super) required: &'static [&'static str],
    /// Fields that mean nothing without another: the one, and the other.
    pub(super) needs: &'static [(&'static str, &'static str)],
    /// It must not be empty.
    pub(super) filled: bool,
}

/// A field of an [`Object`].
#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    doc: &'static str,
    /// As JSON; empty where there is none.
    example: &'static str,
}

/// A map whose names are data.
#[derive(Debug)]
pub(super) struct Entries {
    /// What a name looks like.
    pub(super) names: Names,
    /// A name that somebody might write.
    pub(super) example: &'static str,
    /// What the values are.
    pub(super) of: Shape,
    /// It must not be empty.
    pub(super) filled: bool,
}

/// What the names of [`Entries`] look like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Names {
    /// Anyhow.
    Any,
    /// As this pattern says.
    Like(&'static str),
    /// As the fields of this object with dots between: `source.principal`, `headers.x-tier`.
    Dotted(&'static Object),
}

/// What people write for Gnomon alone, to be filled.
pub(super) const WRITTEN: Object = Object {
    name: "",
    doc: "",
    origin: Origin::Written,
    fields: &[],
    required: &[],
    needs: &[],
    filled: false,
};
/// What Istio's settings have, to be filled.
pub(super) const FOREIGN: Object = Object { origin: Origin::Foreign, ..WRITTEN };
/// What Gnomon prints, to be filled.
pub(super) const PRINTED: Object = Object { origin: Origin::Printed, ..WRITTEN };
/// Any text.
pub(super) const TEXT: Shape = Shape::Text("x");

/// A field with its shape and what is said of it.
pub(super) const fn field(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, shape, doc, example: "" }
}

impl Field {
    /// The same with an example, in JSON.
    pub(super) const fn example(mut self, example: &'static str) -> Field {
        self.example = example;
        self
    }
}

/// A whole schema as text.
pub(super) fn document(title: &str, root: Shape) -> String {
    let mut definitions = Map::new();
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), title.into());
    schema.insert("$comment".into(), "Written by `cargo xtask docs` from Gnomon's tables of formats.".into());
    schema.extend(of_shape(root, &mut definitions));
    schema.insert("$defs".into(), definitions.into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

type Schema = Map<String, Value>;

fn of_shape(shape: Shape, definitions: &mut Schema) -> Schema {
    let schema = match shape {
        Shape::Text(example) => json!({ "type": "string", "examples": [example] }),
        Shape::FilledText(example) => json!({ "type": "string", "minLength": 1, "examples": [example] }),
        Shape::Words(words) => json!({ "enum": words }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Integer(least, most) => {
            let mut schema = json!({ "type": "integer" });
            for (bound, value) in [("minimum", least), ("maximum", most)] {
                if let (Some(value), Some(schema)) = (value, schema.as_object_mut()) {
                    schema.insert(bound.into(), value.into());
                }
            }
            schema
        }
        Shape::Number(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
        Shape::AnyNumber(example) => json!({ "type": "number", "examples": [example] }),
        Shape::Any => json!({}),
        Shape::AnyMap => json!({ "type": "object" }),
        Shape::List(of) => json!({ "type": "array", "items": of_shape(*of, definitions) }),
        Shape::FilledList(of) => {
            json!({ "type": "array", "minItems": 1, "items": of_shape(*of, definitions) })
        }
        Shape::Object(object) => {
            define(object, definitions);
            json!({ "$ref": format!("#/$defs/{}", object.name) })
        }
        Shape::Entries(entries) => of_entries(entries, definitions),
        Shape::Either(shapes) => {
            let either: Vec<Schema> = shapes.iter().map(|shape| of_shape(*shape, definitions)).collect();
            json!({ "anyOf": either })
        }
        Shape::OrNull(shape) => or_null(of_shape(*shape, definitions)).into(),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Schema::new(),
    }
}

/// Puts the object among the definitions, once.
fn define(object: &Object, definitions: &mut Schema) {
    if definitions.contains_key(object.name) {
        return;
    }
    // Its place is taken before its fields are looked at, since one of them may hold it again.
    definitions.insert(object.name.into(), Value::Null);
    let mut properties = Schema::new();
    for field in object.fields {
        let mut schema = of_shape(field.shape, definitions);
        let may_be_null = object.origin != Origin::Printed && !object.required.contains(&field.name);
        if may_be_null {
            schema = or_null(schema);
        }
        schema.insert("description".into(), field.doc.into());
        if let Ok(example) = serde_json::from_str::<Value>(field.example) {
            schema.insert("examples".into(), json!([example]));
        }
        properties.insert(field.name.into(), schema.into());
    }
    let mut schema = Schema::new();
    schema.insert("description".into(), object.doc.into());
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    if object.origin == Origin::Written {
        schema.insert("additionalProperties".into(), false.into());
    }
    if !object.required.is_empty() {
        schema.insert("required".into(), json!(object.required));
    }
    if !object.needs.is_empty() {
        let needs: Schema = object.needs.iter().map(|(one, other)| ((*one).into(), json!([other]))).collect();
        schema.insert("dependentRequired".into(), needs.into());
    }
    if object.filled {
        schema.insert("minProperties".into(), 1.into());
    }
    definitions.insert(object.name.into(), schema.into());
}

fn of_entries(entries: &Entries, definitions: &mut Schema) -> Value {
    let mut schema = Schema::new();
    schema.insert("type".into(), "object".into());
    let pattern = match entries.names {
        Names::Any => None,
        Names::Like(pattern) => Some(pattern.into()),
        Names::Dotted(object) => Some(format!("^({})$", dotted(object))),
    };
    let mut names = Schema::new();
    if let Some(pattern) = pattern {
        names.insert("pattern".into(), pattern.into());
    }
    names.insert("examples".into(), json!([entries.example]));
    schema.insert("propertyNames".into(), names.into());
    if entries.filled {
        schema.insert("minProperties".into(), 1.into());
    }
    schema.insert("additionalProperties".into(), of_shape(entries.of, definitions).into());
    schema.into()
}

/// A pattern of the fields' names, with those of what is in them behind a dot.
fn dotted(object: &Object) -> String {
    let name = |field: &Field| match field.shape {
        Shape::Object(inner) => format!("{}(\\.({}))?", field.name, dotted(inner)),
        Shape::Entries(_) | Shape::AnyMap => format!("{}(\\..+)?", field.name),
        _ => field.name.into(),
    };
    let names: Vec<String> = object.fields.iter().map(name).collect();
    names.join("|")
}

fn or_null(mut schema: Schema) -> Schema {
    if schema.is_empty() {
        return schema;
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.push(Value::Null);
        return schema;
    }
    if let Some(Value::Array(either)) = schema.get_mut("anyOf") {
        either.push(json!({ "type": "null" }));
        return schema;
    }
    if let Some(Value::String(kind)) = schema.get("type") {
        let both = json!([kind, "null"]);
        schema.insert("type".into(), both);
        return schema;
    }
    let mut either = Schema::new();
    either.insert("anyOf".into(), json!([schema, { "type": "null" }]));
    either
}
