//! Which workload is asked about: as the options say it, or found among the manifests.

use crate::{environment::EnvironmentArgs, style};
use gnomon_analysis::workloads::{Found, find};
use gnomon_engine::{
    Mesh, Workload,
    attach::{Attachment, Policy, attachments},
    resource::Resources,
};
use gnomon_manifests::Loaded;

/// How many workloads a message lists.
const LISTED: usize = 20;

/// Whether all workloads are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum All {
    /// The options say so.
    Yes,
    /// There is an option for it.
    May,
    /// The command is about one.
    No,
}

/// A workload that is asked about.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What it is.
    pub(crate) workload: Workload,
    /// What it was found by; `None`: the options say all of it.
    pub(crate) found: Option<Found>,
}

impl Asked {
    /// For people.
    pub(crate) fn name(&self) -> String {
        match &self.found {
            Some(found) => found.handle(),
            None => self.workload.display_name(),
        }
    }

    /// Where the workload comes from, for a note.
    pub(crate) fn origin(&self) -> Option<String> {
        let Found { origin, file, line, has_proxy, .. } = self.found.as_ref()?;
        let place = style::place(file, *line);
        let place = if place.is_empty() { place } else { format!(" ({place})") };
        let proxy = if *has_proxy { "" } else { "; it has no proxy, so that no policy is asked there" };
        Some(format!("{}: {origin}{place}{proxy}", self.name()))
    }
}

/// As [`chosen`] for commands that are about one; `None`: why not has been printed.
pub(crate) fn one(args: &EnvironmentArgs, told: Workload, loaded: &Loaded, mesh: &Mesh) -> Option<Workload> {
    chosen_or_tell(args, told, All::No, loaded, mesh)?.into_iter().next().map(|asked| asked.workload)
}

/// As [`chosen`]; `None`: why not has been printed.
pub(crate) fn chosen_or_tell(
    args: &EnvironmentArgs,
    told: Workload,
    all: All,
    loaded: &Loaded,
    mesh: &Mesh,
) -> Option<Vec<Asked>> {
    match chosen(args, told, all, loaded, mesh) {
        Ok(chosen) => Some(chosen),
        Err(why) => {
            eprintln!("error: {why}");
            None
        }
    }
}

/// The workloads that the options mean, or why there is none.
///
/// What `--namespace`, `--labels`, `--proxy` or a file say is taken as it is. A name is looked up among the workloads of
/// the manifests and of the policies. Without any of it the only one there is is meant.
pub(crate) fn chosen(
    args: &EnvironmentArgs,
    told: Workload,
    all: All,
    loaded: &Loaded,
    mesh: &Mesh,
) -> Result<Vec<Asked>, String> {
    // What would be asked about without manifests as well needs no words.
    let unnamed = |found: &Found| found.workload == Workload::default();
    let asked = |found: &Found| {
        let mut workload = found.workload.clone();
        args.lay_over(&mut workload);
        Asked { workload, found: (!unnamed(found)).then(|| found.clone()) }
    };
    if args.tells_workload() && all != All::Yes {
        return Ok(vec![Asked { workload: told, found: None }]);
    }
    let found = find(&loaded.inventory, &loaded.resources, mesh);
    let name = args.workload_name();
    let there = found.iter().filter(|one| args.namespace_fits(&one.workload.namespace));
    let meant: Vec<&Found> = match name {
        // Its handle is nobody else's.
        Some(name) => match there.clone().find(|one| one.handle() == name) {
            Some(exact) => vec![exact],
            None => there.filter(|one| one.is_called(name)).collect(),
        },
        None => there.collect(),
    };
    match (name, &meant[..]) {
        (_, [only]) => Ok(vec![asked(only)]),
        (Some(name), []) => {
            let list = list(&found.iter().collect::<Vec<_>>());
            Err(format!("there is no workload `{}`{list}", style::safe(name)))
        }
        (None, []) => Ok(vec![Asked { workload: told, found: None }]),
        (_, several) if all == All::Yes => Ok(several.iter().copied().map(asked).collect()),
        (Some(name), several) => {
            Err(format!("`{}` names {} workloads{}", style::safe(name), several.len(), list(several)))
        }
        (None, several) => Err(format!(
            "there are {} workloads: choose one with -w{}{}",
            several.len(),
            if all == All::May { ", or ask about --all-workloads" } else { "" },
            list(several)
        )),
    }
}

fn list(found: &[&Found]) -> String {
    let mut text = String::new();
    for one in found.iter().take(LISTED) {
        text += &format!("\n  -w {}  {}", style::shell_word(&one.handle()), style::safe(&one.origin));
    }
    if let more @ 1.. = found.len().saturating_sub(LISTED) {
        text += &format!("\n  and {more} more");
    }
    text
}

/// Where no policy of the three kinds applies though there are some: whom they are for.
pub(crate) fn nothing_applies(
    asked: &Asked,
    resources: &Resources,
    loaded: &Loaded,
    mesh: &Mesh,
) -> Option<String> {
    let to = |workload: &Workload| -> Vec<bool> {
        let attached = attachments(resources, workload, mesh);
        attached.iter().map(|(_, attachment)| !matches!(attachment, Attachment::Not(_))).collect()
    };
    let own = to(&asked.workload);
    if own.is_empty() || own.contains(&true) {
        return None;
    }
    let mut text = format!("no policy applies to {}\n", style::safe(&asked.name()));
    let found = find(&loaded.inventory, resources, mesh);
    let reached: Vec<(&Found, Vec<bool>)> = found.iter().map(|one| (one, to(&one.workload))).collect();
    for (number, policy) in Policy::all(resources).enumerate() {
        if number == LISTED / 2 {
            text += &format!("  and {} more\n", own.len().saturating_sub(number));
            break;
        }
        let whom: Vec<String> = reached
            .iter()
            .filter(|(_, reaches)| reaches.get(number) == Some(&true))
            .map(|(one, _)| format!("-w {}", style::shell_word(&one.handle())))
            .collect();
        let name = format!("{} {}/{}", policy.kind(), policy.meta().namespace, policy.meta().name);
        text += &match &whom[..] {
            [] => format!("  {} reaches no workload that is known here\n", style::safe(&name)),
            [first] => format!("  {} is for {}\n", style::safe(&name), style::safe(first)),
            [first, rest @ ..] => {
                format!("  {} is for {} and {} more\n", style::safe(&name), style::safe(first), rest.len())
            }
        };
    }
    Some(text)
}
