//! AuthorizationPolicy as istiod's webhook and the CRD's schema admit it.

use super::{Cursor, Fields, meta, quoted, short, target, values};
use crate::{
    Value,
    attribute::{Attribute, Kind, Part},
    resource::{Action, AuthorizationPolicy, Condition, FieldSet, Match, Meta, Rule, Text},
    template::is_template,
};
use alloc::{format, vec::Vec};

/// Limit of the CRD for `rules` and `from`.
const MOST: usize = 512;

/// Reads `spec` (and what `metadata` said) out of the object's fields.
pub(super) fn policy(
    object: &mut Fields<'_>,
    meta: Meta,
    dry_run: Option<(Cursor<'_>, Text)>,
) -> Option<AuthorizationPolicy> {
    let mut policy = AuthorizationPolicy {
        meta,
        target: Default::default(),
        action: Action::Allow,
        provider: None,
        dry_run: false,
        rules: Vec::new(),
    };
    if let Some(mut spec) = object.fields("spec") {
        policy.target = target::target(&mut spec);
        let words = [
            ("ALLOW", Action::Allow),
            ("DENY", Action::Deny),
            ("AUDIT", Action::Audit),
            ("CUSTOM", Action::Custom),
        ];
        policy.action = spec.word("action", &words).unwrap_or_default();
        let rules = spec.list_of_at_most("rules", MOST);
        policy.provider = provider(&mut spec, policy.action, rules.is_empty());
        if rules.is_empty() {
            refuse_without_rules(&mut spec, policy.action);
        }
        policy.rules = rules.into_iter().filter_map(|cursor| rule(cursor, policy.action)).collect();
        spec.finish();
    }
    policy.dry_run = read_dry_run(dry_run, policy.action);
    Some(policy)
}

fn provider(spec: &mut Fields<'_>, action: Action, no_rules: bool) -> Option<Text> {
    let cursor = spec.get("provider");
    let name = cursor.clone().and_then(|cursor| {
        let mut fields = cursor.fields_of("name")?;
        let name = fields.string("name");
        fields.finish();
        name.filter(|name| !name.text.is_empty())
    });
    match (action, cursor) {
        (Action::Custom, _) if name.is_some() || no_rules => {}
        // What is no map has been reported as such.
        (Action::Custom, Some(cursor)) if cursor.node().as_map().is_none() => {}
        (Action::Custom, cursor) => cursor.unwrap_or_else(|| spec.cursor().clone()).error(
            "custom-without-provider",
            "`provider.name` must not be empty",
            "name one of meshConfig.extensionProviders",
        ),
        (_, Some(cursor)) => {
            let found = match action {
                Action::Allow => "ALLOW",
                Action::Deny => "DENY",
                _ => "AUDIT",
            };
            let message = format!("`provider` must not be with non CUSTOM action, found {found}");
            cursor.error("provider-without-custom", message, "set action: CUSTOM or remove the provider");
            return None;
        }
        (_, None) => {}
    }
    name
}

fn refuse_without_rules(spec: &mut Fields<'_>, action: Action) {
    let (code, word) = match action {
        Action::Custom => ("custom-without-rules", "CUSTOM"),
        Action::Deny => ("deny-without-rules", "DENY"),
        Action::Allow | Action::Audit => return,
    };
    // A list of the wrong type has been reported as such.
    let written = spec.get("rules");
    if written.as_ref().is_some_and(|rules| rules.node().as_list().is_none()) {
        return;
    }
    let place = written.or_else(|| spec.get("action")).unwrap_or_else(|| spec.cursor().clone());
    let message = format!("{word} action without `rules` is meaningless as it will never be triggered");
    place.error(code, message, "add an empty rule `{}` if you want it be triggered for every request");
}

fn read_dry_run(dry_run: Option<(Cursor<'_>, Text)>, action: Action) -> bool {
    let Some((cursor, text)) = dry_run else { return false };
    if matches!(action, Action::Audit | Action::Custom) {
        let found = if action == Action::Audit { "AUDIT" } else { "CUSTOM" };
        let message = format!(
            "the annotation {} currently only supports action ALLOW/DENY, found action {found}",
            meta::DRY_RUN
        );
        cursor.error("unsupported-dry-run", message, "remove the annotation");
        return false;
    }
    let value = meta::parse_bool(&text.text);
    if value.is_none() {
        let message = format!("has annotation {} with invalid value ({})", meta::DRY_RUN, short(&text.text));
        cursor.error("bad-dry-run", message, "write \"true\" or \"false\"");
    }
    value.unwrap_or(false)
}

fn rule(cursor: Cursor<'_>, action: Action) -> Option<Rule> {
    let at = cursor.at();
    let mut fields = element(cursor, "rule")?;
    let mut rule = Rule { at, ..Rule::default() };
    let (mut from_layer4, mut to_layer4) = (false, false);
    for from in fields.list_of_at_most("from", MOST) {
        let Some(mut fields) = element(from, "from") else { continue };
        if let Some(inner) = inner(&mut fields, Part::Source) {
            from_layer4 |= says(&inner, counts_on_tcp(Part::Source));
            rule.from.push(field_set(inner, Part::Source, action));
        }
        fields.finish();
    }
    for to in fields.list("to") {
        let Some(mut fields) = element(to, "to") else { continue };
        if let Some(inner) = inner(&mut fields, Part::Operation) {
            to_layer4 |= says(&inner, counts_on_tcp(Part::Operation));
            rule.to.push(field_set(inner, Part::Operation, action));
        }
        fields.finish();
    }
    for when in fields.list("when") {
        rule.when.extend(condition(when, action));
    }
    let http_only_from = !rule.from.is_empty() && rule.to.is_empty() && !from_layer4;
    let http_only_to = !rule.to.is_empty() && !to_layer4;
    if action == Action::Deny && (http_only_from || http_only_to) {
        fields.cursor().warning(
            "deny-blocks-tcp",
            "configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of \
             only HTTP attributes in a DENY rule",
            "it is recommended to explicitly specify the port",
        );
    }
    fields.finish();
    Some(rule)
}

/// Whether one of these fields says something: a list with elements, or a value of a wrong type (reported elsewhere).
fn says(fields: &Fields<'_>, mut names: impl Iterator<Item = &'static str>) -> bool {
    let entries = fields.cursor().node().as_map().unwrap_or_default();
    names.any(|name| {
        entries.iter().any(|(key, node)| {
            key.name == name
                && match &node.value {
                    Value::Null => false,
                    Value::List(items) => !items.is_empty(),
                    _ => true,
                }
        })
    })
}

/// The names of fields, each followed by that of its `not` twin.
fn names(attributes: impl Iterator<Item = Attribute>) -> impl Iterator<Item = &'static str> {
    attributes.filter_map(|attribute| attribute.row().field).flat_map(|(name, not_name)| [name, not_name])
}

fn counts_on_tcp(part: Part) -> impl Iterator<Item = &'static str> {
    names(Attribute::fields(part).filter(|attribute| attribute.row().counts_on_tcp))
}

/// The fields of a list element; null is refused.
fn element<'a>(cursor: Cursor<'a>, what: &str) -> Option<Fields<'a>> {
    if cursor.is_null() {
        let message = format!("`{what}` must not be nil");
        cursor.error("null-element", message, "remove the dash, or write {} after it");
        return None;
    }
    cursor.fields()
}

/// `source` of a `from`, `operation` of a `to`: must be there and say something.
fn inner<'a>(fields: &mut Fields<'a>, part: Part) -> Option<Fields<'a>> {
    let (name, missing, empty) = match part {
        Part::Source => ("source", "missing-source", "empty-source"),
        Part::Operation => ("operation", "missing-operation", "empty-operation"),
    };
    let what = part.path();
    let Some(cursor) = fields.get(name) else {
        let message = format!("`{what}` must not be nil");
        let help = format!("put the conditions under `{name}`, or remove the element to mean any");
        fields.cursor().error(missing, message, help);
        return None;
    };
    let place = cursor.clone();
    let inner = cursor.fields()?;
    if !says(&inner, names(Attribute::fields(part))) {
        let message = format!("`{what}` must not be empty");
        place.error(empty, message, "name at least one attribute, or remove the element to mean any");
    }
    Some(inner)
}

fn field_set(mut fields: Fields<'_>, part: Part, action: Action) -> FieldSet {
    let mut set = FieldSet::default();
    set.at = fields.cursor().at();
    for attribute in Attribute::fields(part) {
        let row = attribute.row();
        let Some(field) = row.field else { continue };
        let check = values::check_of_field(row.kind);
        let read = |name| fields.strings_checked(name, check);
        let [values, not_values] = <[&'static str; 2]>::from(field).map(read);
        set.set(attribute, Match { values, not_values });
    }
    for attribute in Attribute::fields(part) {
        let row = attribute.row();
        for name in <[&'static str; 2]>::from(row.field.unwrap_or_default()) {
            if let Some(most) = row.most {
                fields.limit(name, most);
            }
            if action == Action::Custom && !row.with_custom && says(&fields, [name].into_iter()) {
                refuse_with_custom(&mut fields, name);
            }
            if row.kind == Kind::Path {
                warn_of_templates(&mut fields, name);
            }
        }
    }
    if part == Part::Source {
        refuse_conflicting_identities(&mut fields);
    }
    fields.finish();
    set
}

/// By presence, as the CRD counts: an empty list is there, too.
fn refuse_conflicting_identities(fields: &mut Fields<'_>) {
    let mut present = |of: &[Attribute]| names(of.iter().copied()).find_map(|name| fields.get(name));
    let accounts = present(&[Attribute::ServiceAccount]);
    let others = present(&[Attribute::Principal, Attribute::Namespace]);
    if let (Some(accounts), Some(_)) = (accounts, others) {
        accounts.error(
            "conflicting-identities",
            "cannot set serviceAccounts with namespaces or principals",
            "write the service account as namespace/name and remove the others",
        );
    }
}

fn refuse_with_custom(fields: &mut Fields<'_>, name: &'static str) {
    let Some(cursor) = fields.get(name) else { return };
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let message = format!(
        "From.{}{} is currently not supported with CUSTOM action",
        first.unwrap_or_default(),
        letters.as_str()
    );
    cursor.error("unsupported-with-custom", message, "");
}

fn warn_of_templates(fields: &mut Fields<'_>, name: &'static str) {
    for path in fields.get(name).iter().flat_map(Cursor::elements) {
        let text = path.node().as_str().unwrap_or_default();
        if is_template(text) && !text.starts_with('/') {
            path.warning(
                "template-without-slash",
                format!("the path template {} does not begin with a slash", quoted(text)),
                "Envoy refuses the whole configuration: begin it with /",
            );
        }
    }
}

fn condition(cursor: Cursor<'_>, action: Action) -> Option<Condition> {
    let at = cursor.at();
    if cursor.is_null() {
        cursor.error("null-element", "when field cannot be nil", "remove the dash");
        return None;
    }
    let mut fields = cursor.fields()?;
    let key_cursor = fields.get("key");
    let key = fields.string("key");
    let text = key.as_ref().map_or("", |key| key.text.as_str());
    let place = key_cursor.clone().unwrap_or_else(|| fields.cursor().clone());
    let mut attribute = None;
    if text.is_empty() {
        // A key of the wrong type has been reported as such.
        if key_cursor.is_none_or(|cursor| cursor.node().as_str().is_some()) {
            place.error("missing-key", "`key` must not be empty", "name what is compared: `key: source.ip`");
        }
    } else {
        match values::condition_key(text) {
            Ok(found) => attribute = Some(found),
            Err(problem) => place.error(problem.code, problem.message, problem.help),
        }
        // Istio refuses by the key's beginning, whether or not it knows the key.
        let unsupported = attribute.is_some_and(|attribute| !attribute.row().with_custom);
        if action == Action::Custom && (unsupported || text.starts_with("request.auth.")) {
            let message = format!("{} is currently not supported with CUSTOM action", short(text));
            place.error("unsupported-with-custom", message, "");
        }
    }
    let kind = attribute.map_or(Kind::Text, |attribute| attribute.row().kind);
    let help = (kind == Kind::Claim).then_some(
        "Istio compares strings: in quotes it is valid, but matches only a claim that is a string itself, never a boolean \
         or a number",
    );
    let mut list = |name| {
        let check = values::check_of_key(kind);
        fields.get(name).map(|list| list.strings_put_to(&check, help)).unwrap_or_default()
    };
    let values = Match { values: list("values"), not_values: list("notValues") };
    if let Some(most) = attribute.and_then(|attribute| attribute.row().most) {
        fields.limit("values", most);
        fields.limit("notValues", most);
    }
    if !text.is_empty() && !says(&fields, ["values", "notValues"].into_iter()) {
        let message = format!("at least one of `values` or `notValues` must be set for key {}", short(text));
        fields.cursor().error("missing-values", message, "list what it is compared with under `values`");
    }
    fields.finish();
    Some(Condition { at, key: key?, values })
}
