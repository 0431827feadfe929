//! RBAC filters, one for each action (`pilot/pkg/security/authz/builder/builder.go`).

use super::{
    ext_authz, filter,
    model::{self, Chain},
    object,
};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use gnomon_engine::{
    resource::{Action, AuthorizationPolicy},
    versions,
};
use serde_json::{Map, Value, json};

/// What the names of CUSTOM rules begin with.
pub(super) const CUSTOM_PREFIX: &str = "istio-ext-authz";
/// The ALLOW filter of a gateway under `ENABLE_GATEWAY_API_HTTPROUTE_AUTH`.
pub(super) const RENAMED_ALLOW: &str = "istio.authorization.allow";
const HTTP_RBAC: &str = "filters.http.rbac.v3.RBAC";
const BROKEN_SUFFIX: &str = "-deny-due-to-bad-CUSTOM-action";
const CUSTOM_STAT_PREFIX: &str = "istio_ext_authz_";

/// Policies by name, as RBAC has them.
type Policies = Map<String, Value>;

/// The filters of AUDIT, DENY and ALLOW, in this order.
pub(super) fn stages(policies: &[&AuthorizationPolicy], chain: &Chain<'_>) -> Vec<Value> {
    let mut filters = Vec::new();
    for action in [Action::Audit, Action::Deny, Action::Allow] {
        let mut enforced = None;
        let mut shadow = None;
        for policy in policies.iter().filter(|policy| policy.action == action) {
            let rules = if policy.dry_run { &mut shadow } else { &mut enforced };
            add(rules.get_or_insert_with(Policies::new), policy, "", chain);
        }
        if enforced.is_none() && shadow.is_none() {
            continue;
        }
        // The prefix is there without shadow rules too.
        let prefix = match (action, &shadow) {
            (Action::Deny, Some(_)) => "istio_dry_run_deny_",
            (Action::Audit, Some(_)) => "",
            _ => "istio_dry_run_allow_",
        };
        let mut config = Map::new();
        if let Some(policies) = enforced {
            config.insert("rules".into(), rules(action, policies));
        }
        if let Some(policies) = shadow {
            config.insert("shadowRules".into(), rules(action, policies));
        }
        if !prefix.is_empty() {
            config.insert("shadowRulesStatPrefix".into(), prefix.into());
        }
        filters.push(match action == Action::Allow && chain.renames_allow {
            true => filter(RENAMED_ALLOW, HTTP_RBAC, config),
            false => rbac(config, chain),
        });
    }
    filters
}

/// For each provider of CUSTOM policies: a shadow RBAC filter that leaves in metadata which rule matched, and the
/// ext_authz filter that looks there. A broken provider, or more than one: the rules are enforced as DENY.
pub(super) fn custom(policies: &[&AuthorizationPolicy], chain: &Chain<'_>) -> Vec<Value> {
    let mut by_provider: BTreeMap<&str, (Policies, Policies)> = BTreeMap::new();
    let named = versions::names_providers(chain.mesh.istio_version);
    for policy in policies.iter().filter(|policy| policy.action == Action::Custom) {
        let provider = policy.provider.as_ref().map_or("", |provider| provider.text.as_str());
        let (enforced, dry_run) = by_provider.entry(provider).or_default();
        let prefix = match provider {
            provider if named && !provider.is_empty() => format!("{CUSTOM_PREFIX}-{provider}-"),
            _ => format!("{CUSTOM_PREFIX}-"),
        };
        add(if policy.dry_run { dry_run } else { enforced }, policy, &prefix, chain);
    }
    if by_provider.len() > 1 {
        let mut rules: Vec<Policies> = by_provider.into_values().map(|(enforced, _)| enforced).collect();
        if !named {
            rules = [rules.into_iter().flatten().collect()].into();
        }
        return rules.into_iter().map(|rules| broken(rules, chain)).collect();
    }
    let mut filters = Vec::new();
    for (provider, (enforced, dry_run)) in by_provider {
        let prefix = if named { format!("{CUSTOM_PREFIX}-{provider}") } else { CUSTOM_PREFIX.into() };
        match ext_authz::filter(chain.mesh, provider, &prefix, chain.tcp) {
            ext_authz::Provider::Broken => filters.push(broken(enforced, chain)),
            // An HTTP provider on a TCP chain: nothing is checked.
            ext_authz::Provider::Skipped => {}
            ext_authz::Provider::Filter(ext_authz) => {
                let mut config = object([
                    ("shadowRules", rules(Action::Custom, enforced)),
                    ("shadowRulesStatPrefix", CUSTOM_STAT_PREFIX.into()),
                ]);
                if !dry_run.is_empty() {
                    config.insert("rules".into(), rules(Action::Custom, dry_run));
                }
                filters.push(rbac(config, chain));
                filters.push(ext_authz);
            }
        }
    }
    filters
}

fn broken(policies: Policies, chain: &Chain<'_>) -> Value {
    let policies =
        policies.into_iter().map(|(name, policy)| (format!("{name}{BROKEN_SUFFIX}"), policy)).collect();
    rbac(object([("rules", rules(Action::Deny, policies))]), chain)
}

/// Adds the rules of a policy under the names that Envoy will report.
fn add(rules: &mut Policies, policy: &AuthorizationPolicy, prefix: &str, chain: &Chain<'_>) {
    let meta = &policy.meta;
    let name = |index: usize| format!("{prefix}ns[{}]-policy[{}]-rule[{index}]", meta.namespace, meta.name);
    for (index, rule) in policy.rules.iter().enumerate() {
        if let Some(built) = model::policy(meta, rule, policy.action, chain) {
            rules.insert(name(index), built);
        }
    }
    if policy.rules.is_empty() {
        rules.insert(name(0), model::never());
    }
}

/// `Rules`; ALLOW is the action's default and stays out, as an empty map does.
fn rules(action: Action, policies: Policies) -> Value {
    let mut rules = Map::new();
    match action {
        Action::Allow => {}
        Action::Audit => _ = rules.insert("action".into(), "LOG".into()),
        Action::Deny | Action::Custom => _ = rules.insert("action".into(), "DENY".into()),
    }
    if !policies.is_empty() {
        rules.insert("policies".into(), Value::Object(policies));
    }
    Value::Object(rules)
}

fn rbac(mut config: Map<String, Value>, chain: &Chain<'_>) -> Value {
    if chain.tcp {
        config.insert("statPrefix".into(), json!("tcp."));
        filter("envoy.filters.network.rbac", "filters.network.rbac.v3.RBAC", config)
    } else {
        filter("envoy.filters.http.rbac", HTTP_RBAC, config)
    }
}
