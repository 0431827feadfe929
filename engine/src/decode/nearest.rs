//! "Did you mean": the known name that a misspelt one resembles.

use alloc::vec::Vec;

/// Longer names are not compared: the cost grows with the product of the lengths.
const LONGEST: usize = 64;

/// The name of `known` that `name` most likely stands for: equal but for case and `_`/`-`, or at most a third of its
/// letters changed. The first of several equally near ones.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if name.len() > LONGEST || name.is_empty() {
        return None;
    }
    let plain = fold(name);
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let distance = distance(&plain, &fold(candidate));
        let allowed = plain.len().max(2) / 3;
        let nearer = best.is_none_or(|(found, _)| distance < found);
        if distance <= allowed && nearer {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Letters inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        let mut previous_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, j) + usize::from(ca != cb);
            let mut least = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if previous_a == Some(cb) && previous_b == Some(ca) && j > 0 {
                least = least.min(at(&before_last, j - 1).saturating_add(1));
            }
            row.push(least);
            previous_b = Some(cb);
        }
        before_last = core::mem::replace(&mut last, row);
        previous_a = Some(ca);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn resembles() {
        let known = ["principals", "notPrincipals", "methods", "paths", "ports", "jwtRules", "to"];
        for (name, expected) in [
            ("principal", Some("principals")),
            ("Methods", Some("methods")),
            ("metohds", Some("methods")),
            ("jwt_rules", Some("jwtRules")),
            ("path", Some("paths")),
            ("port", Some("ports")),
            ("not_principals", Some("notPrincipals")),
            ("verbs", None),
            ("x", None),
            ("", None),
            ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
