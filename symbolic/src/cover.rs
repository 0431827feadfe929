//! A difference taken apart: by the rules that decide it, and then into boxes that do not overlap.

use crate::{
    axis::{Choice, Member},
    bdd::{Bdd, TooLarge},
    compare::Comparison,
    condition::Value,
    side::{Functions, Margin, Numbered, Stages},
    space::Space,
    witness::Point,
};
use alloc::{string::String, vec, vec::Vec};
use gnomon_engine::order::sort_by;
use gnomon_engine::plan::Rule;

/// What decides on a side.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Reason<'p> {
    /// The mTLS gate, or ztunnel's handshake, refuses.
    Gate,
    /// The CUSTOM stage refuses what this rule selects.
    Custom(&'p Rule),
    /// The JWT stage refuses.
    Tokens,
    /// This DENY rule matches.
    Denied(&'p Rule),
    /// ALLOW policies are enforced, and no rule of theirs matches.
    NoneAllows,
    /// This ALLOW rule matches.
    Allowed(&'p Rule),
    /// Nothing refuses, and no ALLOW policy is enforced.
    NothingRefuses,
    /// The verdict depends on what is not known.
    Unknown,
}

/// Which way a verdict changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The new side allows what the old one did not.
    Allowed,
    /// The new side denies what the old one did not.
    Denied,
    /// The new side does not know, where the old one did.
    Undecided,
}

/// A part of a difference: what one pair of reasons decides. Parts do not overlap, and together they are the difference.
#[derive(Clone, Debug)]
pub struct Part<'p> {
    /// Which way.
    pub change: Change,
    /// Why on each side: old, new.
    pub reasons: [Reason<'p>; 2],
    /// The requests.
    pub set: Bdd,
}

/// Requests that have one of some classes on each axis. An axis that is not named may have any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cube(pub Vec<(usize, Choice)>);

/// Classes in words of the policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrase {
    /// Something is there that one of these matches; empty: anything.
    pub any_of: Vec<String>,
    /// And none of these.
    pub but_not: Vec<String>,
    /// These, and what nothing tells from them: there are no words for it.
    pub like: Vec<String>,
    /// That nothing is there counts as well.
    pub or_absent: bool,
    /// Something may be there.
    pub present: bool,
}

impl<'p> Comparison<'p> {
    /// The difference by the pair of reasons that decides, at most `most` parts; false: there are more.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn parts(&mut self, most: usize) -> Result<(Vec<Part<'p>>, bool), TooLarge> {
        let mut parts = Vec::new();
        let sets = [
            (Change::Allowed, self.newly_allowed),
            (Change::Denied, self.newly_denied),
            (Change::Undecided, self.newly_undecided),
        ];
        for (change, set) in sets {
            let mut left = set;
            while let Some(point) = self.space.cheapest(left) {
                if parts.len() >= most {
                    return Ok((parts, false));
                }
                let (part, reasons) = self.part(left, &point)?;
                left = self.space.manager.minus(left, part)?;
                parts.push(Part { change, reasons, set: part });
            }
        }
        Ok((parts, true))
    }

    /// Where the same reasons as at this point decide; the point lies in it.
    fn part(&mut self, left: Bdd, point: &Point) -> Result<(Bdd, [Reason<'p>; 2]), TooLarge> {
        let mut part = left;
        let mut reasons = [Reason::Unknown; 2];
        for (side, reason) in reasons.iter_mut().enumerate() {
            let (Some(stages), Some(functions)) = (self.stages.get(side), self.functions.get(side)) else {
                continue;
            };
            let found = reason_at(&self.space, stages, functions, point);
            let mut where_it_holds = Bdd::TRUE;
            for one in found.1 {
                where_it_holds = self.space.manager.and(where_it_holds, one)?;
            }
            let next = self.space.manager.and(part, where_it_holds)?;
            // The newest of several releases alone does not always say why.
            if self.space.has(next, point) {
                part = next;
                *reason = found.0;
            }
        }
        Ok((part, reasons))
    }

    /// A set as boxes that do not overlap, at most so many; `None`: it takes more.
    pub fn cubes(&self, set: Bdd, most: usize) -> Option<Vec<Cube>> {
        let mut cubes = Vec::new();
        let mut stack: Vec<(Bdd, Vec<(usize, Choice)>)> = vec![(set, Vec::new())];
        while let Some((f, choices)) = stack.pop() {
            let Some((variable, ..)) = self.space.manager.decision(f) else {
                if f == Bdd::TRUE {
                    cubes.push(Cube(choices));
                }
                continue;
            };
            if cubes.len() + stack.len() > most {
                return None;
            }
            let at = self.space.axes.partition_point(|axis| axis.end() <= variable);
            let Some(axis) = self.space.axes.get(at) else { continue };
            for (choice, rest) in axis.split(&self.space.manager, f) {
                if rest != Bdd::FALSE {
                    let mut longer = choices.clone();
                    longer.push((at, choice));
                    stack.push((rest, longer));
                }
            }
        }
        (cubes.len() <= most).then_some(cubes)
    }

    /// The requests of a box.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn set_of(&mut self, cube: &Cube) -> Result<Bdd, TooLarge> {
        let Space { axes, manager, .. } = &mut self.space;
        let mut set = Bdd::TRUE;
        for (at, choice) in &cube.0 {
            let Some(axis) = axes.get(*at) else { continue };
            let one = match choice {
                Choice::Any(classes) => axis.any_of(manager, classes)?,
                Choice::Set { with, without } => {
                    let mut all = !axis.any_of(manager, without)?;
                    for class in with {
                        let one = axis.any_of(manager, &[*class])?;
                        all = manager.and(all, one)?;
                    }
                    all
                }
            };
            set = manager.and(set, one)?;
        }
        Ok(set)
    }

    /// Classes of an axis in the words of the policies.
    pub fn phrase(&self, axis: usize, classes: &[u32]) -> Phrase {
        let Some(of) = self.space.axes.get(axis) else { return Phrase::default() };
        let absent = of.absent();
        let number = self.space.by_number.iter().position(|at| *at == Some(axis));
        let known: &[Value<'_>] = number
            .and_then(|number| self.vocabulary.known.get(number))
            .map(Vec::as_slice)
            .unwrap_or_default();
        let values: Vec<(String, &[u32])> = known
            .iter()
            .zip(&of.matching)
            .filter_map(|(value, classes)| Some((value.written(), classes.as_deref()?)))
            .filter(|(_, classes)| !classes.is_empty())
            .collect();
        let counts = |class: &u32| {
            !matches!(of.members.get(*class as usize), None | Some(Member::Absent | Member::Garbage(_)))
        };
        let all: Vec<u32> = (0..).take(of.members.len()).filter(counts).collect();
        let wanted: Vec<u32> = classes.iter().copied().filter(counts).collect();
        let or_absent = absent.is_some_and(|absent| classes.contains(&absent));
        let present = !wanted.is_empty();
        let phrase = Phrase { or_absent, present, ..Phrase::default() };
        if (wanted == all && !of.is_set()) || !present {
            return phrase;
        }
        if let Some(any_of) = covered(&values, &wanted, 8) {
            return Phrase { any_of, ..phrase };
        }
        // What lies in no class of a set is an element, too, so that "other than" says too much there.
        if !of.is_set()
            && let Some(but_not) = covered(&values, &without(&all, &wanted), 8)
        {
            return Phrase { but_not, ..phrase };
        }
        // The smallest value around it, without some.
        let around = values.iter().filter(|(_, classes)| without(&wanted, classes).is_empty());
        if let Some((name, classes)) = around.min_by_key(|(_, classes)| classes.len())
            && let Some(but_not) = covered(&values, &without(classes, &wanted), 8)
        {
            return Phrase { any_of: vec![name.clone()], but_not, ..phrase };
        }
        let like = wanted.iter().take(4).filter_map(|class| of.members.get(*class as usize)).map(shown);
        Phrase { like: like.collect(), ..phrase }
    }
}

/// A member as text.
fn shown(member: &Member) -> String {
    match member {
        Member::Text(text) => text.strip_prefix("spiffe://").unwrap_or(text).into(),
        Member::Ip(ip) => alloc::format!("{ip}"),
        Member::Port(port) => alloc::format!("{port}"),
        Member::State(_) | Member::Garbage(_) | Member::Absent => String::new(),
    }
}

fn without(all: &[u32], some: &[u32]) -> Vec<u32> {
    all.iter().copied().filter(|class| !some.contains(class)).collect()
}

/// Values that match exactly these classes together: the largest first, no more than so many.
fn covered(values: &[(String, &[u32])], wanted: &[u32], most: usize) -> Option<Vec<String>> {
    let mut left: Vec<u32> = wanted.to_vec();
    let mut names: Vec<String> = Vec::new();
    let inside: Vec<&(String, &[u32])> = values
        .iter()
        .filter(|(_, classes)| classes.iter().all(|class| wanted.binary_search(class).is_ok()))
        .collect();
    while !left.is_empty() {
        let gain = |classes: &[u32]| classes.iter().filter(|class| left.contains(class)).count();
        // Of equal ones the one that is written shorter.
        let best =
            inside.iter().max_by_key(|(name, classes)| (gain(classes), core::cmp::Reverse(name.len())))?;
        if gain(best.1) == 0 || names.len() >= most {
            return None;
        }
        names.push(best.0.clone());
        left.retain(|class| !best.1.contains(class));
    }
    sort_by(&mut names, Ord::cmp);
    Some(names)
}

/// The first stage that refuses at a point, else the rule that allows; and functions that hold where that is so.
fn reason_at<'p>(
    space: &Space,
    stages: &Stages<'p>,
    functions: &Functions,
    point: &Point,
) -> (Reason<'p>, Vec<Bdd>) {
    let holds = |f: Bdd| space.has(f, point);
    let mut before: Vec<Bdd> = Vec::new();
    let refuses = |passes: Margin| !holds(passes.possible);
    if refuses(functions.handshake) {
        return (Reason::Gate, vec![!functions.handshake.possible]);
    }
    before.push(functions.handshake.possible);
    let late_gate = stages.accepted.is_some();
    if refuses(functions.gate) && !late_gate {
        return (Reason::Gate, vec![!functions.gate.possible]);
    }
    if !late_gate {
        before.push(functions.gate.possible);
    }
    if refuses(functions.custom) {
        let rules = stages.custom.as_ref().map(|custom| &custom.rules[..]).unwrap_or_default();
        if let Some((rule, f)) = first(rules, &functions.custom_rules, &holds) {
            before.extend([!functions.custom.possible, f]);
            return (Reason::Custom(rule), before);
        }
    }
    before.push(functions.custom.possible);
    if refuses(functions.jwt) {
        before.push(!functions.jwt.possible);
        return (Reason::Tokens, before);
    }
    before.push(functions.jwt.possible);
    if let Some((rule, f)) = first(&stages.deny, &functions.deny, &holds) {
        before.push(f);
        return (Reason::Denied(rule), before);
    }
    if refuses(functions.gate) {
        before.push(!functions.gate.possible);
        before.extend(functions.deny.iter().map(|deny| !deny.certain));
        return (Reason::Gate, before);
    }
    let Some(allow) = &stages.allow else {
        return if holds(functions.allowed.certain) {
            (Reason::NothingRefuses, vec![functions.allowed.certain])
        } else {
            (Reason::Unknown, vec![functions.allowed.possible, !functions.allowed.certain])
        };
    };
    match first(allow, &functions.allow, &holds) {
        Some((rule, f)) if holds(functions.allowed.certain) => {
            (Reason::Allowed(rule), vec![functions.allowed.certain, f])
        }
        _ if holds(functions.allowed.possible) => {
            (Reason::Unknown, vec![functions.allowed.possible, !functions.allowed.certain])
        }
        _ => {
            before.push(!functions.allowed.possible);
            for deny in &functions.deny {
                before.push(!deny.certain);
            }
            (Reason::NoneAllows, before)
        }
    }
}

fn first<'p>(
    rules: &[Numbered<'p>],
    functions: &[Margin],
    holds: &impl Fn(Bdd) -> bool,
) -> Option<(&'p Rule, Bdd)> {
    let found = rules.iter().zip(functions).find(|(_, f)| holds(f.certain))?;
    Some((found.0.rule, found.1.certain))
}
