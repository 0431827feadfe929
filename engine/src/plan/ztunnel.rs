//! AuthorizationPolicy rules → compiled rules as istiod converts them for ztunnel
//! (`pilot/pkg/serviceregistry/ambient/authorization.go`; evaluation in ztunnel's `src/rbac.rs`).
//!
//! Three things differ from Envoy: an ALLOW rule with any HTTP field is dropped; a DENY rule keeps its clauses, but
//! one that is left empty matches *nothing*, so `DENY methods: [GET]` does nothing; and SPIFFE ids are compared part by
//! part, without trust domain aliases.

use super::{
    compile::pruned,
    rule::{Clause, Dropped, Named, Origin, Rule, rule_id},
    test::{Test, ZtunnelPart},
};
use crate::{
    address::parse_cidr,
    node::Position,
    pattern::Pattern,
    resource::{Action, Condition, Match, Operation, Source, Text},
    workload::IstioVersion,
};
use alloc::{borrow::Cow, boxed::Box, format, string::String, vec::Vec};

/// Name, name of its `not` twin, values, and how they are compiled.
type Field<'m> = (Cow<'static, str>, Cow<'static, str>, &'m Match, &'m dyn Fn(&[Text]) -> Test);

/// All rules of a policy. One without rules gives none: it is attached and matches nothing.
pub(crate) fn policy((policy, name): &Named<'_>, version: IstioVersion) -> Vec<Result<Rule, Dropped>> {
    let rules = policy.rules.iter().enumerate();
    rules
        .map(|(index, rule)| {
            let id = rule_id(&policy.meta, index, "");
            let origin = Origin { policy: name.clone(), index, at: rule.at };
            let mut http = Vec::new();
            let from = rule.from.iter().map(|s| source(s, &policy.meta.namespace, &mut http)).collect();
            let to = rule.to.iter().map(|o| operation(o, &mut http)).collect();
            let when = rule.when.iter().flat_map(|c| condition(c, &mut http)).collect();
            let mut notes = pruned(rule, version);
            if http.is_empty() {
                return Ok(Rule { id, origin, from, to, when, notes });
            }
            let fields = http.join("`, `");
            if policy.action == Action::Allow {
                let reason =
                    format!("ztunnel knows nothing of HTTP, so the whole rule is dropped: `{fields}`");
                return Err(Dropped { origin, dry_run: policy.dry_run, reason: reason.into() });
            }
            notes.push(format!(
                "ztunnel knows nothing of HTTP and drops `{fields}`; a clause left empty matches nothing"
            ));
            Ok(Rule { id, origin, from, to, when, notes })
        })
        .collect()
}

fn source(source: &Source, namespace: &str, http: &mut Vec<&'static str>) -> Box<[Clause]> {
    let fields: [Field<'_>; 4] = [
        ("from.source.ipBlocks".into(), "from.source.notIpBlocks".into(), &source.ip_blocks, &|v| {
            Test::SourceIp(nets(v))
        }),
        ("from.source.namespaces".into(), "from.source.notNamespaces".into(), &source.namespaces, &|v| {
            Test::Ztunnel(ZtunnelPart::Namespace, patterns(v))
        }),
        (
            "from.source.serviceAccounts".into(),
            "from.source.notServiceAccounts".into(),
            &source.service_accounts,
            &|v| accounts(v, namespace),
        ),
        ("from.source.principals".into(), "from.source.notPrincipals".into(), &source.principals, &|v| {
            Test::Ztunnel(ZtunnelPart::Principal, patterns(v))
        }),
    ];
    unsupported(
        &[
            ("from.source.remoteIpBlocks", &source.remote_ip_blocks),
            ("from.source.requestPrincipals", &source.request_principals),
        ],
        http,
    );
    // trustDomains are lost without a word: neither translated nor counted as unsupported.
    clauses(&fields)
}

fn operation(operation: &Operation, http: &mut Vec<&'static str>) -> Box<[Clause]> {
    unsupported(
        &[
            ("to.operation.hosts", &operation.hosts),
            ("to.operation.methods", &operation.methods),
            ("to.operation.paths", &operation.paths),
        ],
        http,
    );
    clauses(&[("to.operation.ports".into(), "to.operation.notPorts".into(), &operation.ports, &|v| {
        Test::Port(ports(v))
    })])
}

/// Each condition is a clause of its own; one that ztunnel does not know is left empty.
fn condition(condition: &Condition, http: &mut Vec<&'static str>) -> Box<[Clause]> {
    let compile: &dyn Fn(&[Text]) -> Test = match condition.key.text.as_str() {
        "source.ip" => &|v| Test::SourceIp(nets(v)),
        "source.namespace" => &|v| Test::Ztunnel(ZtunnelPart::Namespace, patterns(v)),
        "source.principal" => &|v| Test::Ztunnel(ZtunnelPart::Principal, patterns(v)),
        "destination.ip" => &|v| Test::DestinationIp(nets(v)),
        "destination.port" => &|v| Test::Port(ports(v)),
        _ => {
            http.push("when");
            return [never(condition.at)].into();
        }
    };
    let key = &condition.key.text;
    clauses(&[(
        format!("when[{key}]").into(),
        format!("when[{key}].notValues").into(),
        &condition.values,
        compile,
    )])
}

fn unsupported(fields: &[(&'static str, &Match)], http: &mut Vec<&'static str>) {
    http.extend(fields.iter().filter(|(_, values)| !values.is_empty()).map(|(name, _)| *name));
}

fn clauses(fields: &[Field<'_>]) -> Box<[Clause]> {
    let mut clauses = Vec::new();
    for (positive, negative, values, compile) in fields {
        for (field, list, negated) in
            [(positive, &values.values, false), (negative, &values.not_values, true)]
        {
            if !list.is_empty() {
                clauses.push(Clause::new(compile(list), negated, field.clone(), list));
            }
        }
    }
    if clauses.is_empty() {
        clauses.push(never(Position::default()));
    }
    clauses.into()
}

fn never(at: Position) -> Clause {
    Clause::never("(an empty clause)", at)
}

fn patterns(values: &[Text]) -> Box<[Pattern]> {
    values.iter().map(|value| Pattern::parse(&value.text)).collect()
}

fn nets(values: &[Text]) -> Box<[ipnet::IpNet]> {
    values.iter().filter_map(|value| parse_cidr(&value.text).ok()).collect()
}

fn ports(values: &[Text]) -> Box<[u16]> {
    values.iter().filter_map(|value| value.text.parse().ok()).collect()
}

fn accounts(values: &[Text], namespace: &str) -> Test {
    let account = |value: &Text| -> (Box<str>, Box<str>) {
        let (ns, name): (&str, &str) = value.text.split_once('/').unwrap_or((namespace, &value.text));
        (ns.into(), name.into())
    };
    Test::ZtunnelAccount(values.iter().map(account).collect())
}

/// ztunnel's words for a refusal, as its access log has them.
pub(crate) fn refusal(denied_by: Option<&str>) -> String {
    match denied_by {
        Some(policy) => format!("connection closed due to policy rejection: explicitly denied by: {policy}"),
        None => "connection closed due to policy rejection: allow policies exist, but none allowed".into(),
    }
}
