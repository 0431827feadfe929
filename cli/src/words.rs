//! Conditions in words.

use gnomon_engine::{
    attribute::{FieldPath, Input},
    verdict::Unmet,
};

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

/// What people call a field or key, and whether it is a `not` field.
pub(crate) fn noun(field: &str) -> (String, bool) {
    let Some(path) = FieldPath::parse(field) else { return (field.into(), false) };
    let noun = path.attribute.prose().noun;
    let name = match (path.attribute.row().input, path.name()) {
        (_, "") => noun.into(),
        // With its brackets where dots or claims within claims could be taken for one another.
        (Input::Claim, claim) if claim.contains(['.', '[']) => format!("{noun} [{claim}]"),
        (Input::Metadata, _) => format!("{noun} {}", path.key().trim_start_matches("experimental.")),
        (_, name) => format!("{noun} {name}"),
    };
    (name, path.negated)
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
