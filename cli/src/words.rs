//! Conditions in words.

use gnomon_engine::verdict::Unmet;

/// Values shown of a long list.
const SHOWN: usize = 4;

/// `method were GET and source namespace were default`.
pub(crate) fn if_clause(unmet: &[Unmet]) -> String {
    let clauses: Vec<String> = unmet.iter().map(clause).collect();
    clauses.join(" and ")
}

fn clause(unmet: &Unmet) -> String {
    let note = unmet.note.as_ref().map_or(String::new(), |note| format!(" ({note})"));
    condition(unmet) + &note
}

fn condition(unmet: &Unmet) -> String {
    let (name, negated) = noun(&unmet.field);
    let what = values(&unmet.expected, "or");
    let not = if negated { "not " } else { "" };
    if unmet.expected.iter().any(|value| value == "*") {
        return match negated {
            true => format!("there were no {name}"),
            false => format!("there were a {name}"),
        };
    }
    let is_range = unmet.expected.iter().any(|value| value.contains('/')) && name.ends_with("IP");
    match (is_range, unmet.expected.iter().any(|value| value.contains('*'))) {
        (true, _) => format!("{name} were {not}in {what}"),
        (_, true) => format!("{name} were {not}like {what}"),
        _ => format!("{name} were {not}{what}"),
    }
}

/// How people call a field, and whether it is a `not` field.
pub(crate) fn noun(field: &str) -> (String, bool) {
    if let Some(rest) = field.strip_prefix("when[") {
        let (rest, negated) = match rest.strip_suffix(".notValues") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let key = rest.strip_suffix(']').unwrap_or(rest);
        let inner = |prefix: &str| key.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(']'));
        let name = match key {
            "source.ip" => "peer IP".into(),
            "source.namespace" => "source namespace".into(),
            "source.principal" => "source principal".into(),
            "source.serviceAccount" => "source service account".into(),
            "source.trustDomain" => "source trust domain".into(),
            "remote.ip" => "client IP".into(),
            "destination.ip" => "destination IP".into(),
            "destination.port" => "port".into(),
            "connection.sni" => "SNI".into(),
            "request.auth.principal" => "request principal".into(),
            "request.auth.audiences" => "claim aud".into(),
            "request.auth.presenter" => "claim azp".into(),
            _ => match (inner("request.headers["), inner("request.auth.claims[")) {
                (Some(header), _) => format!("header {header}"),
                // With its brackets where dots or claims within claims could be taken for one another.
                (_, Some(claim)) if claim.contains(['.', '[']) => format!("claim [{claim}]"),
                (_, Some(claim)) => format!("claim {claim}"),
                _ => match key.strip_prefix("experimental.") {
                    Some(metadata) => format!("metadata {metadata}"),
                    None => key.into(),
                },
            },
        };
        return (name, negated);
    }
    let last = field.rsplit('.').next().unwrap_or(field);
    let (plain, negated) = match last.strip_prefix("not") {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_uppercase()) => (rest, true),
        _ => (last, false),
    };
    let name = match plain.to_ascii_lowercase().as_str() {
        "principals" => "source principal",
        "requestprincipals" => "request principal",
        "namespaces" => "source namespace",
        "serviceaccounts" => "source service account",
        "ipblocks" => "peer IP",
        "remoteipblocks" => "client IP",
        "trustdomains" => "source trust domain",
        "hosts" => "host",
        "ports" => "port",
        "methods" => "method",
        "paths" => "path",
        _ => return (plain.into(), negated),
    };
    (name.into(), negated)
}

/// `GET, HEAD or POST`; long lists are cut.
pub(crate) fn values(values: &[String], conjunction: &str) -> String {
    match values {
        [] => "nothing".into(),
        [one] => one.clone(),
        [init @ .., last] if values.len() <= SHOWN => format!("{} {conjunction} {last}", init.join(", ")),
        _ => {
            let first: Vec<&str> = values.iter().take(SHOWN - 1).map(String::as_str).collect();
            format!("{} {conjunction} {} others", first.join(", "), values.len() - first.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses() {
        for (field, expected, words) in [
            ("to.operation.methods", vec!["GET"], "method were GET"),
            ("to.operation.methods", vec!["GET", "HEAD"], "method were GET or HEAD"),
            ("to.operation.notMethods", vec!["GET"], "method were not GET"),
            ("to.operation.paths", vec!["/api/*"], "path were like /api/*"),
            ("from.source.namespaces", vec!["default"], "source namespace were default"),
            ("from.source.requestPrincipals", vec!["*"], "there were a request principal"),
            ("from.source.notRequestPrincipals", vec!["*"], "there were no request principal"),
            ("from.source.ipBlocks", vec!["10.0.0.0/8"], "peer IP were in 10.0.0.0/8"),
            ("from.source.remoteIpBlocks", vec!["10.0.0.1"], "client IP were 10.0.0.1"),
            ("when[request.headers[x-user]]", vec!["a"], "header x-user were a"),
            ("when[request.auth.claims[group]]", vec!["a"], "claim group were a"),
            ("when[request.auth.claims[group]].notValues", vec!["a"], "claim group were not a"),
            ("when[request.auth.claims[group]].notValues", vec!["*"], "there were no claim group"),
            ("when[request.auth.claims[realm][role]]", vec!["a"], "claim [realm][role] were a"),
            ("when[request.auth.claims[realm.role]]", vec!["a"], "claim [realm.role] were a"),
            ("when[request.auth.audiences].notValues", vec!["a", "b"], "claim aud were not a or b"),
            ("when[request.headers[x-user]].notValues", vec!["a"], "header x-user were not a"),
            ("when[source.ip].notValues", vec!["10.0.0.0/8"], "peer IP were not in 10.0.0.0/8"),
            ("when[source.namespace].notValues", vec!["a"], "source namespace were not a"),
            ("when[destination.port].notValues", vec!["80"], "port were not 80"),
            ("when[source.ip]", vec!["10.0.0.0/8"], "peer IP were in 10.0.0.0/8"),
            ("to.operation.ports", vec!["1", "2", "3", "4", "5"], "port were 1, 2, 3 or 2 others"),
        ] {
            let expected = expected.into_iter().map(String::from).collect();
            assert_eq!(if_clause(&[Unmet { field: field.into(), expected, got: None, note: None }]), words);
        }
    }
}
