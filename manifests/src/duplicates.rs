//! Objects of one name: one cluster has no room for two, but a tree may hold several clusters.

use crate::{Loaded, Reason, input};
use gnomon_engine::{
    Diagnostic, Severity,
    decode::MAX_PROBLEMS,
    resource::{Meta, Resources, manifest::manifests},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// What to do with objects of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Twice {
    /// Nobody can say which one is meant.
    #[default]
    Refused,
    /// The last one read counts.
    LastWins,
    /// Folders that have the same objects are clusters of their own.
    Apart,
}

/// Folders next to each other that have objects of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Apart {
    /// The folder that they are in.
    folder: String,
    /// Their names.
    children: BTreeSet<String>,
    /// The objects, each with the first two places.
    objects: BTreeMap<String, String>,
}

/// What may be in one cluster together.
#[derive(Clone, Debug)]
pub struct Cluster<'l> {
    /// The folders that tell it from others: `overlays/prod`. Empty where there is but one.
    pub name: String,
    /// Its objects; without findings.
    pub loaded: Cow<'l, Loaded>,
}

/// How many clusters a tree may have, each with what all of them share.
const MAX_CLUSTERS: usize = 500;

/// Tells of objects of one name, leaves the last of each, or notes which folders are apart.
pub(crate) fn settle(loaded: &mut Loaded, twice: Twice) {
    let mut found = Found::default();
    let Resources { authorization, request_authentication, peer_authentication, .. } = &mut loaded.resources;
    one_kind(
        "AuthorizationPolicy",
        authorization,
        |one| &one.meta,
        twice,
        &mut found,
        |one| Resources { authorization: vec![one.clone()], ..Resources::default() },
    );
    one_kind(
        "RequestAuthentication",
        request_authentication,
        |one| &one.meta,
        twice,
        &mut found,
        |one| Resources { request_authentication: vec![one.clone()], ..Resources::default() },
    );
    one_kind(
        "PeerAuthentication",
        peer_authentication,
        |one| &one.meta,
        twice,
        &mut found,
        |one| Resources { peer_authentication: vec![one.clone()], ..Resources::default() },
    );
    let mut problems = found.problems;
    if twice == Twice::Refused {
        problems.extend(found.apart.values().map(Apart::question));
    } else {
        problems.iter_mut().for_each(|one| one.severity = Severity::Warning);
    }
    problems.truncate(MAX_PROBLEMS);
    if twice != Twice::Apart {
        for (file, at) in loaded.inventory.last_of_each() {
            loaded.unread.add(Reason::Replaced, &file, at);
        }
    }
    loaded.diagnostics.extend(problems);
    loaded.apart = found.apart.into_values().collect();
}

#[derive(Default)]
struct Found {
    problems: Vec<Diagnostic>,
    apart: BTreeMap<String, Apart>,
}

fn one_kind<T>(
    kind: &str,
    all: &mut Vec<T>,
    meta: fn(&T) -> &Meta,
    twice: Twice,
    found: &mut Found,
    alone: fn(&T) -> Resources,
) {
    let name = |one: &T| (meta(one).namespace.clone(), meta(one).name.clone());
    if twice == Twice::LastWins {
        let last: HashMap<_, usize> = all.iter().map(name).zip(0..).collect();
        let mut number = 0..;
        all.retain(|one| last.get(&name(one)).copied() == number.next());
        return;
    }
    let mut first: HashMap<(String, String), usize> = HashMap::new();
    let mut needless = HashSet::new();
    for (number, one) in all.iter().enumerate() {
        let other = *first.entry(name(one)).or_insert(number);
        let Some(other) = all.get(other).filter(|_| other != number) else { continue };
        let (of_one, of_other) = (meta(one), meta(other));
        let siblings = siblings(&of_other.file, &of_one.file);
        if (twice != Twice::Apart || siblings.is_none()) && manifests(&alone(one)) == manifests(&alone(other))
        {
            // It does not matter which one is meant.
            needless.insert(number);
            continue;
        }
        let object = format!("{kind} {}/{}", of_one.namespace, of_one.name);
        let place = place(of_other);
        if let Some((folder, a, b)) = siblings {
            let apart = found.apart.entry(folder.to_owned()).or_default();
            folder.clone_into(&mut apart.folder);
            apart.children.extend([a, b].map(str::to_owned));
            let places = format!("{place} and {}", self::place(of_one));
            apart.objects.entry(object).or_insert(places);
            continue;
        }
        let message = format!("two objects have this name: the first is in {place}");
        let help = "choose one of them; `kubectl apply` would keep the last (`--last-wins`)";
        let mut twice = input::error("duplicate-object", &of_one.file, of_one.at, message, help);
        twice.object = object;
        found.problems.push(twice);
    }
    let mut number = 0..;
    all.retain(|_| number.next().is_none_or(|number| !needless.contains(&number)));
}

fn place(meta: &Meta) -> String {
    match (meta.file.is_empty(), meta.at.line) {
        (true, _) => "elsewhere".to_string(),
        (false, 0) => meta.file.to_string(),
        (false, line) => format!("{}:{line}:{}", meta.file, meta.at.column),
    }
}

/// The folder that two files have in common, and the folder in it that each of them is in.
fn siblings<'f>(a: &'f str, b: &'f str) -> Option<(&'f str, &'f str, &'f str)> {
    let differ = a.bytes().zip(b.bytes()).position(|(a, b)| a != b)?;
    let slash = a.as_bytes().get(..differ)?.iter().rposition(|byte| *byte == b'/');
    let folder = slash.map_or(0, |slash| slash.saturating_add(1));
    let (of_a, _) = a.get(folder..)?.split_once('/')?;
    let (of_b, _) = b.get(folder..)?.split_once('/')?;
    Some((a.get(..folder)?, of_a, of_b))
}

impl Apart {
    /// Which of them is meant?
    fn question(&self) -> Diagnostic {
        let Apart { folder, children, objects } = self;
        let path = |child: &String| format!("`{folder}{child}`");
        let mut named: Vec<String> = children.iter().take(5).map(path).collect();
        if let more @ 1.. = children.len().saturating_sub(named.len()) {
            named.push(format!("{more} more"));
        }
        let last = named.pop().unwrap_or_default();
        let (object, places) =
            objects.first_key_value().map_or(("", ""), |(object, places)| (object, places));
        let how_many = match objects.len() {
            1 => "an object of one name is".to_owned(),
            count => format!("{count} objects of one name are"),
        };
        let message =
            format!("{how_many} in {} and {last}, and differ: {object} in {places}", named.join(", "));
        let chosen = children.first().map(|child| format!("{folder}{child}")).unwrap_or_default();
        let help =
            format!("choose one of them, as with -p {chosen}, or take the last one read with --last-wins");
        let file = Arc::from(folder.trim_end_matches('/'));
        input::error("duplicate-object", &file, Default::default(), message, &help)
    }
}

/// Which child of which folder a file is in: numbers of [`Loaded::apart`] with the names of children.
type Choices<'f> = Vec<(usize, &'f str)>;
type OwnChoices = Vec<(usize, String)>;

impl Loaded {
    /// What may be in one cluster together. Folders next to each other that have objects of one name (`overlays/prod`,
    /// `overlays/dev`) are for clusters of their own, and what is in none of them is in each of these clusters. Only after
    /// [`crate::Loader::apart`] there is more than one.
    pub fn clusters(&self) -> Vec<Cluster<'_>> {
        if self.apart.is_empty() {
            return vec![Cluster { name: String::new(), loaded: Cow::Borrowed(self) }];
        }
        let folders: HashMap<&str, (usize, &Apart)> =
            self.apart.iter().enumerate().map(|(number, apart)| (&*apart.folder, (number, apart))).collect();
        let choices = |file: &'_ str| -> OwnChoices {
            let ends = file.match_indices('/').map(|(slash, _)| slash.saturating_add(1));
            std::iter::once(0)
                .chain(ends)
                .filter_map(|end| {
                    let (number, apart) = folders.get(file.get(..end)?)?;
                    let (child, _) = file.get(end..)?.split_once('/')?;
                    apart.children.contains(child).then(|| (*number, child.to_owned()))
                })
                .collect()
        };
        let of_files: Vec<(&Arc<str>, OwnChoices)> =
            self.files.iter().map(|file| (file, choices(file))).collect();
        let mut open: BTreeSet<&OwnChoices> = of_files.iter().map(|(_, choices)| choices).collect();
        open.retain(|choices| !choices.is_empty());
        let mut clusters = Vec::new();
        while let Some(choices) = open.pop_first() {
            let choices: Choices<'_> = choices.iter().map(|(number, child)| (*number, &**child)).collect();
            let shares = clusters.len() < MAX_CLUSTERS;
            let chosen: Vec<Option<&str>> = self.chosen(&choices, shares);
            let fits = |other: &OwnChoices| {
                (shares || !other.is_empty())
                    && other.iter().all(|(number, child)| chosen.get(*number) == Some(&Some(&**child)))
            };
            open.retain(|other| !fits(other));
            let files: HashSet<&str> =
                of_files.iter().filter(|(_, other)| fits(other)).map(|(file, _)| &***file).collect();
            let folder = |number: usize| self.apart.get(number).map_or("", |apart| &apart.folder);
            let mut named = choices.iter().map(|(number, child)| format!("{}{child}", folder(*number)));
            let name = named.next_back().unwrap_or_default();
            clusters.push(Cluster { name, loaded: Cow::Owned(self.only(&|file| files.contains(file))) });
        }
        clusters
    }

    /// The child of each of the folders that goes with these choices: theirs, one of the same name as theirs, or the first.
    fn chosen<'a>(&'a self, choices: &Choices<'a>, shares: bool) -> Vec<Option<&'a str>> {
        let child = |(number, apart): (usize, &'a Apart)| {
            let own = choices.iter().find(|(other, _)| *other == number).map(|(_, child)| *child);
            let alike =
                || choices.iter().map(|(_, child)| *child).find(|child| apart.children.contains(*child));
            let first = || apart.children.first().map(String::as_str);
            if shares { own.or_else(alike).or_else(first) } else { own }
        };
        self.apart.iter().enumerate().map(child).collect()
    }

    fn only(&self, has: &dyn Fn(&str) -> bool) -> Loaded {
        let mut loaded = Loaded {
            resources: self.resources.clone(),
            inventory: self.inventory.only(has),
            files: self.files.clone(),
            diagnostics: self.diagnostics.iter().filter(|found| has(&found.file)).cloned().collect(),
            ..Loaded::default()
        };
        loaded.resources.authorization.retain(|one| has(&one.meta.file));
        loaded.resources.request_authentication.retain(|one| has(&one.meta.file));
        loaded.resources.peer_authentication.retain(|one| has(&one.meta.file));
        loaded.inventory.last_of_each();
        loaded
    }
}

#[cfg(test)]
mod tests {
    use super::siblings;

    #[test]
    fn folders_next_to_each_other() {
        for (a, b, expected) in [
            ("x/prod/a.yaml", "x/dev/a.yaml", Some(("x/", "prod", "dev"))),
            ("x/prod1/a.yaml", "x/prod2/b/a.yaml", Some(("x/", "prod1", "prod2"))),
            ("prod/a.yaml", "dev/a.yaml", Some(("", "prod", "dev"))),
            ("/t/ä/a", "/t/ö/a", Some(("/t/", "ä", "ö"))),
            ("x/a.yaml", "x/b.yaml", None),
            ("x/a.yaml", "x/b/a.yaml", None),
            ("x/a.yaml", "x/a.yaml", None),
        ] {
            assert_eq!(siblings(a, b), expected, "{a} {b}");
        }
    }
}
