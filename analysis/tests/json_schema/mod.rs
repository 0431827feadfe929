//! What JSON Schemas say, the project's own and that of SARIF: whether a value is one of theirs, and values to try on what reads a format.
//!
//! Only the keywords that they use are known. Another one fails the test, so that nothing is taken for checked that is not.

use regex_lite::Regex;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Keywords that say nothing about a value.
const PROSE: [&str; 9] =
    ["$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "examples", "default"];

/// A schema, and which of its properties values had.
#[derive(Debug)]
pub(crate) struct Schema {
    root: Value,
    /// Fields that it does not know are wrong in every object of which it knows any.
    closed: bool,
    seen: BTreeSet<String>,
}

impl Schema {
    pub(crate) fn new(text: &str) -> Schema {
        Schema { root: serde_json::from_str(text).unwrap(), closed: false, seen: BTreeSet::new() }
    }

    /// For what is printed: fields may be added to it, but not without the schema.
    #[allow(dead_code, reason = "for what is printed alone")]
    pub(crate) fn closed(mut self) -> Schema {
        self.closed = true;
        self
    }

    /// What is wrong with the value.
    pub(crate) fn check(&mut self, value: &Value) -> Vec<String> {
        let root = self.root.clone();
        self.wrong(&root, value, "", "")
    }

    /// Properties of the schema that no value had so far.
    #[allow(dead_code, reason = "for what is printed alone")]
    pub(crate) fn unseen(&self) -> Vec<String> {
        let definitions = self.root["$defs"].as_object().unwrap();
        let all = definitions.iter().flat_map(|(definition, schema)| {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties.map(move |(name, _)| format!("{definition}.{name}"))
        });
        all.filter(|name| !self.seen.contains(name)).collect()
    }

    /// Every name of a field.
    #[allow(dead_code, reason = "for what is read alone")]
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let definitions = self.root["$defs"].as_object().unwrap();
        let all = definitions.values().filter_map(|schema| schema["properties"].as_object());
        all.flatten().map(|(name, _)| name.clone()).collect()
    }

    fn referred(&self, schema: &Value) -> Option<(String, Value)> {
        let path = schema["$ref"].as_str()?;
        let name = path.rsplit('/').next().unwrap();
        Some((name.into(), self.root.pointer(path.strip_prefix('#').unwrap()).unwrap().clone()))
    }

    /// `definition`: the name of the schema among the definitions.
    fn wrong(&mut self, schema: &Value, value: &Value, definition: &str, path: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for (keyword, said) in schema.as_object().unwrap() {
            let holds = match keyword.as_str() {
                known if PROSE.contains(&known) => true,
                "$ref" => {
                    let (name, schema) = self.referred(schema).unwrap();
                    wrong.extend(self.wrong(&schema, value, &name, path));
                    true
                }
                "anyOf" => {
                    let tried: Vec<Vec<String>> =
                        said.as_array().unwrap().iter().map(|one| self.wrong(one, value, "", path)).collect();
                    if !tried.iter().any(Vec::is_empty) {
                        wrong.extend(tried.into_iter().flatten());
                    }
                    true
                }
                "oneOf" => {
                    let alternatives = said.as_array().unwrap().iter();
                    alternatives.filter(|one| self.wrong(one, value, "", path).is_empty()).count() == 1
                }
                "enum" => said.as_array().unwrap().contains(value),
                "type" => match said {
                    Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
                    kind => is(kind, value),
                },
                "pattern" => value.as_str().is_none_or(|text| matches(said, text)),
                // References, absolute or not: no blanks, nothing that has to be escaped.
                "format" if ["uri", "uri-reference"].iter().any(|format| said == format) => {
                    let ok = |letter: char| letter.is_ascii_graphic() && !"\"<>\\^`{|}".contains(letter);
                    value
                        .as_str()
                        .is_none_or(|text| text.chars().all(ok) && (said != "uri" || text.contains(':')))
                }
                "format" if said == "date-time" => {
                    let form = Value::from(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$");
                    value.as_str().is_none_or(|text| matches(&form, text))
                }
                "uniqueItems" => value.as_array().is_none_or(|items| {
                    said != true || items.iter().enumerate().all(|(at, item)| !items[..at].contains(item))
                }),
                "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= number(said)),
                "minimum" => value.as_f64().is_none_or(|it| it >= said.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|it| it <= said.as_f64().unwrap()),
                "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= number(said)),
                "minProperties" => value.as_object().is_none_or(|map| map.len() as u64 >= number(said)),
                "required" => value.as_object().is_none_or(|map| has_all(map, said)),
                "dependentRequired" => value.as_object().is_none_or(|map| {
                    let needs = said.as_object().unwrap().iter();
                    needs.filter(|(one, _)| map.contains_key(*one)).all(|(_, others)| has_all(map, others))
                }),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        wrong.extend(self.wrong(said, item, "", &format!("{path}[{index}]")));
                    }
                    true
                }
                "properties" => {
                    for (name, inner) in value.as_object().into_iter().flatten() {
                        let path = format!("{path}.{name}");
                        match said.get(name) {
                            Some(schema) => {
                                self.seen.insert(format!("{definition}.{name}"));
                                wrong.extend(self.wrong(schema, inner, "", &path));
                            }
                            None if self.closed => wrong.push(format!("{path}: not in the schema")),
                            None => {}
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let known = |name: &str| schema["properties"].get(name).is_some();
                    for (name, inner) in
                        value.as_object().into_iter().flatten().filter(|(name, _)| !known(name))
                    {
                        match said {
                            Value::Bool(false) => wrong.push(format!("{path}.{name}: unknown field")),
                            other => wrong.extend(self.wrong(other, inner, "", &format!("{path}.{name}"))),
                        }
                    }
                    true
                }
                "propertyNames" => {
                    let mut names = value.as_object().into_iter().flatten().map(|(name, _)| name);
                    names.all(|name| said.get("pattern").is_none_or(|pattern| matches(pattern, name)))
                }
                other => panic!("the keyword {other} is not known here"),
            };
            if !holds {
                let text = value.to_string();
                wrong.push(format!(
                    "{path}: {keyword} {said}, got {}",
                    text.chars().take(80).collect::<String>()
                ));
            }
        }
        wrong
    }

    /// A value of the schema.
    fn sample(&self, schema: &Value) -> Value {
        if let Some(example) = schema["examples"].get(0) {
            return example.clone();
        }
        if let Some((_, schema)) = self.referred(schema) {
            return self.sample(&schema);
        }
        if let Some(one) = schema["anyOf"].get(0).or_else(|| schema["enum"].get(0)) {
            return if schema.get("enum").is_some() { one.clone() } else { self.sample(one) };
        }
        let kind = schema["type"].get(0).unwrap_or(&schema["type"]);
        match kind.as_str() {
            None | Some("string") => json!("x"),
            Some("boolean") => json!(true),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
            Some("array") if schema.get("minItems").is_some() => json!([self.sample(&schema["items"])]),
            Some("array") => json!([]),
            Some("object") if schema.get("properties").is_some() => self.object(schema, None),
            Some("object") if schema.get("minProperties").is_some() => {
                json!({ entry_name(schema): self.sample(&schema["additionalProperties"]) })
            }
            Some("object") => json!({}),
            other => panic!("{other:?}"),
        }
    }

    /// An object with what it must have, and with `field` and what that needs.
    fn object(&self, schema: &Value, field: Option<&str>) -> Value {
        let mut object = Map::new();
        let names = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().map(|name| name.as_str().unwrap().into()).collect()
        };
        let mut wanted = names(&schema["required"]);
        wanted.extend(field.into_iter().map(String::from));
        wanted.extend(field.into_iter().flat_map(|field| names(&schema["dependentRequired"][field])));
        if wanted.is_empty() && schema.get("minProperties").is_some() {
            wanted.extend(schema["properties"].as_object().unwrap().keys().next().cloned());
        }
        for name in wanted {
            object.insert(name.clone(), self.sample(&schema["properties"][&name]));
        }
        object.into()
    }

    /// Documents to try on what reads the format.
    #[allow(dead_code, reason = "for what is read alone")]
    pub(crate) fn documents(&self) -> Documents {
        let mut documents = Documents::default();
        self.visit(&self.root, "", &|value| value, &mut documents);
        documents
    }

    /// `around` makes a document of a value in the place of the schema.
    fn visit(&self, schema: &Value, path: &str, around: &dyn Fn(Value) -> Value, to: &mut Documents) {
        let mut open = Schema { root: self.root.clone(), closed: false, seen: BTreeSet::new() };
        let mut takes = |value: &Value| open.wrong(schema, value, "", "").is_empty();
        for value in [json!(null), json!(true), json!(7), json!(""), json!("zzz"), json!([]), json!({})] {
            if !takes(&value) {
                to.refused.push((path.into(), around(value)));
            } else if value.is_null()
                && schema.as_object().is_some_and(|schema| schema.keys().any(|k| k != "description"))
            {
                to.taken.push((path.into(), around(value)));
            }
        }
        self.alternatives(schema, path, around, to);
    }

    fn alternatives(&self, schema: &Value, path: &str, around: &dyn Fn(Value) -> Value, to: &mut Documents) {
        if let Some((_, schema)) = self.referred(schema) {
            return self.alternatives(&schema, path, around, to);
        }
        for one in schema["anyOf"].as_array().into_iter().flatten() {
            self.alternatives(one, path, around, to);
        }
        if let Some(words) = schema["enum"].as_array() {
            let words: Vec<String> =
                words.iter().filter_map(|word| word.as_str().map(String::from)).collect();
            to.taken.extend(words.iter().map(|word| (path.into(), around(json!(word)))));
            to.words.push((path.into(), around(json!("zzz")), words));
        }
        for (bound, step) in [("minimum", -1), ("maximum", 1)] {
            if let Some(bound) = schema[bound].as_i64() {
                to.taken.push((path.into(), around(json!(bound))));
                to.refused.push((path.into(), around(json!(bound + step))));
            }
        }
        let kind = schema["type"].get(0).unwrap_or(&schema["type"]);
        if kind.is_null() || kind == "null" {
            return;
        }
        to.taken.push((path.into(), around(self.sample(schema))));
        if let Some(items) = schema.get("items") {
            self.visit(items, &format!("{path}[]"), &|value| around(json!([value])), to);
        }
        if let Some(entries) = schema.get("additionalProperties").filter(|entries| entries.is_object()) {
            let name = entry_name(schema);
            self.visit(entries, &format!("{path}.*"), &|value| around(json!({ &name: value })), to);
            if schema["propertyNames"].get("pattern").is_some() {
                to.refused.push((format!("{path}.*"), around(json!({ "z z": self.sample(entries) }))));
            }
        }
        if let Some(properties) = schema["properties"].as_object() {
            self.properties(schema, properties, path, around, to);
        }
    }

    fn properties(
        &self,
        schema: &Value,
        properties: &Map<String, Value>,
        path: &str,
        around: &dyn Fn(Value) -> Value,
        to: &mut Documents,
    ) {
        for (name, inner) in properties {
            let base = self.object(schema, Some(name));
            let path = format!("{path}.{name}");
            to.taken.push((path.clone(), around(base.clone())));
            let with = |value: Value| {
                let mut object = base.clone();
                object[name] = value;
                around(object)
            };
            self.visit(inner, &path, &with, to);
            let others = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let needed =
                schema["dependentRequired"][name].as_array().into_iter().flatten().filter_map(Value::as_str);
            for other in others.chain(needed).filter(|other| other != name) {
                let mut without = base.clone();
                without.as_object_mut().unwrap().remove(other);
                to.refused.push((path.clone(), around(without)));
            }
        }
        if schema["additionalProperties"] == false {
            let mut object = self.object(schema, None);
            object["zzUnknown"] = json!("x");
            to.unknown.push((path.into(), around(object)));
        }
    }
}

/// Documents, each with the place in it that it is about.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// Those of the schema: every property, word and bound.
    pub(crate) taken: Vec<(String, Value)>,
    /// Those that it refuses.
    pub(crate) refused: Vec<(String, Value)>,
    /// Those with a field that it does not know.
    pub(crate) unknown: Vec<(String, Value)>,
    /// Those with a word that it does not know, and the words that it knows there.
    pub(crate) words: Vec<(String, Value, Vec<String>)>,
}

/// What a reader says of a document: the code and the message of each thing that is wrong.
#[allow(dead_code, reason = "for what is read alone")]
pub(crate) type Said = Vec<(&'static str, String)>;

/// The schema is what `read` reads: no less, and of fields, words and bounds no more. `except`: places below
/// which the schema refuses what is only found wrong later.
#[allow(dead_code, reason = "for what is read alone")]
pub(crate) fn is_what_is_read(text: &str, except: &[&str], read: &dyn Fn(&Value) -> Said) {
    let mut schema = Schema::new(text);
    let Documents { taken, refused, unknown, words } = schema.documents();
    assert!(taken.len() > 10 && !unknown.is_empty(), "nothing was tried");
    for (path, document) in &taken {
        assert_eq!(schema.check(document), Vec::<String>::new(), "{path}: {document}");
        assert_eq!(read(document), Vec::new(), "{path} is in the schema and is not read: {document}");
    }
    let later = |path: &str| except.iter().any(|place| path.starts_with(place));
    for (path, document) in refused.iter().filter(|(path, _)| !later(path)) {
        assert!(!schema.check(document).is_empty(), "{path}: {document}");
        assert!(!read(document).is_empty(), "{path}: the schema refuses what is read: {document}");
    }
    for (path, document) in &unknown {
        assert!(!schema.check(document).is_empty(), "{path}: {document}");
        let said = read(document);
        assert!(said.iter().any(|(code, _)| *code == "unknown-field"), "{path}: {document}: {said:?}");
    }
    for (path, document, words) in &words {
        let expected = format!("expected one of {}, got", words.join(", "));
        let said = read(document);
        assert!(
            said.iter().any(|(_, message)| message.starts_with(&expected)),
            "{path}: {expected}: {said:?}"
        );
    }
}

/// Every field that the code asks for is in the schemas: `fields.string("name")` and the like.
#[allow(dead_code, reason = "for what is read alone")]
pub(crate) fn knows_all_fields_of(code: &str, known: &BTreeSet<String>) {
    let call = Regex::new(r#"(\w+)\(\s*(?:&mut \w+,\s*)?"(\w+)"\s*[,)]"#).unwrap();
    let calls = call.captures_iter(code).filter(|call| &call[1] != "eq_ignore_ascii_case");
    let asked: Vec<&str> = calls.map(|call| call.get(2).unwrap().as_str()).collect();
    assert!(asked.len() > 3, "no fields found");
    let missing: Vec<&&str> = asked.iter().filter(|name| !known.contains(**name)).collect();
    assert!(missing.is_empty(), "no schema has {missing:?}");
}

fn matches(pattern: &Value, text: &str) -> bool {
    Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text)
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}

fn has_all(map: &Map<String, Value>, names: &Value) -> bool {
    names.as_array().unwrap().iter().all(|name| map.contains_key(name.as_str().unwrap()))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn entry_name(schema: &Value) -> String {
    schema["propertyNames"]["examples"][0].as_str().unwrap_or("x").into()
}
