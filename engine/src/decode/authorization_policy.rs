//! AuthorizationPolicy as istiod's webhook and the CRD's schema admit it.

use super::{
    Cursor, Fields, meta, quoted, short, target,
    values::{self, Check},
};
use crate::{
    Value,
    resource::{Action, AuthorizationPolicy, Condition, Match, Meta, Operation, Rule, Source, Text},
};
use alloc::{format, vec::Vec};

/// Limit of the CRD for `rules` and `from`.
const MOST: usize = 512;
/// Limit of the CRD for service accounts in one list.
const SERVICE_ACCOUNTS: usize = 16;

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
        let mut fields = cursor.fields()?;
        let name = fields.string("name");
        fields.finish();
        name.filter(|name| !name.text.is_empty())
    });
    match (action, cursor) {
        (Action::Custom, _) if name.is_some() || no_rules => {}
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
        if let Some(inner) = inner(&mut fields, "source", "from.source") {
            from_layer4 |= says(&inner, &LAYER4_SOURCE);
            rule.from.push(source(inner, action));
        }
        fields.finish();
    }
    for to in fields.list("to") {
        let Some(mut fields) = element(to, "to") else { continue };
        if let Some(inner) = inner(&mut fields, "operation", "to.operation") {
            to_layer4 |= says(&inner, &["ports", "notPorts"]);
            rule.to.push(operation(inner));
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
fn says(fields: &Fields<'_>, names: &[&str]) -> bool {
    let entries = fields.cursor().node().as_map().unwrap_or_default();
    entries.iter().any(|(key, node)| match &node.value {
        Value::Null => false,
        Value::List(items) => !items.is_empty() && names.contains(&key.name.as_str()),
        _ => names.contains(&key.name.as_str()),
    })
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
fn inner<'a>(fields: &mut Fields<'a>, name: &'static str, what: &str) -> Option<Fields<'a>> {
    let (missing, empty) = match name {
        "source" => ("missing-source", "empty-source"),
        _ => ("missing-operation", "empty-operation"),
    };
    let Some(cursor) = fields.get(name) else {
        let message = format!("`{what}` must not be nil");
        let help = format!("put the conditions under `{name}`, or remove the element to mean any");
        fields.cursor().error(missing, message, help);
        return None;
    };
    let place = cursor.clone();
    let inner = cursor.fields()?;
    let known: &[&str] = if name == "source" { &SOURCE } else { &OPERATION };
    if !says(&inner, known) {
        let message = format!("`{what}` must not be empty");
        place.error(empty, message, "name at least one attribute, or remove the element to mean any");
    }
    Some(inner)
}

const SOURCE: [&str; 14] = [
    "principals",
    "notPrincipals",
    "requestPrincipals",
    "notRequestPrincipals",
    "namespaces",
    "notNamespaces",
    "serviceAccounts",
    "notServiceAccounts",
    "ipBlocks",
    "notIpBlocks",
    "remoteIpBlocks",
    "notRemoteIpBlocks",
    "trustDomains",
    "notTrustDomains",
];
/// The fields that make Istio think that a `from` holds on TCP too: trustDomains are not among them, so it warns about
/// those wrongly.
const LAYER4_SOURCE: [&str; 10] = [
    "principals",
    "notPrincipals",
    "namespaces",
    "notNamespaces",
    "serviceAccounts",
    "notServiceAccounts",
    "ipBlocks",
    "notIpBlocks",
    "remoteIpBlocks",
    "notRemoteIpBlocks",
];
const OPERATION: [&str; 8] =
    ["hosts", "notHosts", "ports", "notPorts", "methods", "notMethods", "paths", "notPaths"];

fn both(
    fields: &mut Fields<'_>,
    name: &'static str,
    not_name: &'static str,
    check: impl Fn(&str) -> Check,
) -> Match {
    Match {
        values: fields.strings_checked(name, &check),
        not_values: fields.strings_checked(not_name, &check),
    }
}

fn source(mut fields: Fields<'_>, action: Action) -> Source {
    let fields_ref = &mut fields;
    let source = Source {
        at: fields_ref.cursor().at(),
        principals: both(fields_ref, "principals", "notPrincipals", values::not_empty),
        request_principals: both(fields_ref, "requestPrincipals", "notRequestPrincipals", values::not_empty),
        namespaces: both(fields_ref, "namespaces", "notNamespaces", values::not_empty),
        service_accounts: both(fields_ref, "serviceAccounts", "notServiceAccounts", values::service_account),
        ip_blocks: both(fields_ref, "ipBlocks", "notIpBlocks", values::ip_block),
        remote_ip_blocks: both(fields_ref, "remoteIpBlocks", "notRemoteIpBlocks", values::ip_block),
        trust_domains: both(fields_ref, "trustDomains", "notTrustDomains", values::trust_domain),
    };
    for name in ["serviceAccounts", "notServiceAccounts"] {
        fields.limit(name, SERVICE_ACCOUNTS);
    }
    // By presence, as the CRD counts: an empty list is there, too.
    let mut present = |names: &[&'static str]| names.iter().find_map(|name| fields.get(name));
    let accounts = present(&["serviceAccounts", "notServiceAccounts"]);
    let others = present(&["principals", "notPrincipals", "namespaces", "notNamespaces"]);
    if let (Some(accounts), Some(_)) = (accounts, others) {
        accounts.error(
            "conflicting-identities",
            "cannot set serviceAccounts with namespaces or principals",
            "write the service account as namespace/name and remove the others",
        );
    }
    if action == Action::Custom {
        let supported = ["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"];
        for name in SOURCE.into_iter().filter(|name| !supported.contains(name)) {
            if says(&fields, &[name])
                && let Some(cursor) = fields.get(name)
            {
                let mut letters = name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                let message = format!(
                    "From.{}{} is currently not supported with CUSTOM action",
                    first.unwrap_or_default(),
                    letters.as_str()
                );
                cursor.error("unsupported-with-custom", message, "");
            }
        }
    }
    fields.finish();
    source
}

fn operation(mut fields: Fields<'_>) -> Operation {
    let fields_ref = &mut fields;
    let operation = Operation {
        at: fields_ref.cursor().at(),
        hosts: both(fields_ref, "hosts", "notHosts", values::not_empty),
        ports: both(fields_ref, "ports", "notPorts", values::port),
        methods: both(fields_ref, "methods", "notMethods", values::not_empty),
        paths: both(fields_ref, "paths", "notPaths", values::path),
    };
    for name in ["paths", "notPaths"] {
        for path in fields.get(name).iter().flat_map(Cursor::elements) {
            let text = path.node().as_str().unwrap_or_default();
            if values::is_path_template(text) && !text.starts_with('/') {
                path.warning(
                    "template-without-slash",
                    format!("the path template {} does not begin with a slash", quoted(text)),
                    "Envoy refuses the whole configuration: begin it with /",
                );
            }
        }
    }
    fields.finish();
    operation
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
    let mut kind = values::KeyKind::Text;
    if text.is_empty() {
        // A key of the wrong type has been reported as such.
        if key_cursor.is_none_or(|cursor| cursor.node().as_str().is_some()) {
            place.error("missing-key", "`key` must not be empty", "");
        }
    } else {
        match values::condition_key(text) {
            Ok(found) => kind = found,
            Err(problem) => place.error(problem.code, problem.message, problem.help),
        }
        let identity =
            ["source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal"];
        if action == Action::Custom && (identity.contains(&text) || text.starts_with("request.auth.")) {
            let message = format!("{} is currently not supported with CUSTOM action", short(text));
            place.error("unsupported-with-custom", message, "");
        }
    }
    let help = text.starts_with("request.auth.claims").then_some(
        "Istio compares strings: in quotes it is valid, but matches only a claim that is a string itself, never a boolean \
         or a number",
    );
    let mut list = |name| {
        let check = |value: &str| kind.check(value);
        fields.get(name).map(|list| list.strings_put_to(&check, help)).unwrap_or_default()
    };
    let values = Match { values: list("values"), not_values: list("notValues") };
    if kind == values::KeyKind::ServiceAccount {
        fields.limit("values", SERVICE_ACCOUNTS);
        fields.limit("notValues", SERVICE_ACCOUNTS);
    }
    if !text.is_empty() && !says(&fields, &["values", "notValues"]) {
        let message = format!("at least one of `values` or `notValues` must be set for key {}", short(text));
        fields.cursor().error("missing-values", message, "");
    }
    fields.finish();
    Some(Condition { at, key: key?, values })
}
