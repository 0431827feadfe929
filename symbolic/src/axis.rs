//! One axis of the space of requests: its classes, each with a member, and how a choice among them is written into the
//! variables of a diagram.

use crate::{
    bdd::{Bdd, Manager, TooLarge, Variable},
    condition::{Literal, Subject, narrow},
    dimension::Dimension,
};
use alloc::{string::String, vec, vec::Vec};
use core::net::IpAddr;
use gnomon_engine::jwt::Place;

/// What stands for a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// Nothing is there: no such header, no certificate.
    Absent,
    /// A text.
    Text(String),
    /// An address.
    Ip(IpAddr),
    /// A port.
    Port(u16),
    /// Something at this place that is no token.
    Garbage(Place),
    /// By number: the answers of a provider, what is no preflight and what is one, a token without an issuer.
    State(u32),
}

/// An axis.
#[derive(Debug)]
pub struct Axis {
    /// What it is about.
    pub subject: Subject,
    /// A member of each class, by number.
    pub members: Vec<Member>,
    /// For each value of the vocabulary that is used the classes in which it is true, by its number there.
    pub matching: Vec<Option<Vec<u32>>>,
    /// How expensive a class is for a witness: what is usual costs nothing.
    pub costs: Vec<u32>,
    /// The variables.
    pub code: Code,
}

/// How classes are written into variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Exactly one of them.
    One(Dimension),
    /// Any of them at once, a variable each from this one on: a header's lines, the elements of a list.
    Set(Variable),
}

impl Axis {
    /// The first of its variables.
    pub fn first(&self) -> Variable {
        match self.code {
            Code::One(dimension) => dimension.first(),
            Code::Set(first) => first,
        }
    }

    /// The variable behind its last one.
    pub fn end(&self) -> Variable {
        match self.code {
            Code::One(dimension) => dimension.end(),
            Code::Set(first) => first + narrow(self.members.len()),
        }
    }

    /// It is a set.
    pub fn is_set(&self) -> bool {
        matches!(self.code, Code::Set(_))
    }

    /// Moves it behind all variables before `first`.
    pub(crate) fn place(&mut self, first: Variable) {
        self.code = match self.code {
            Code::One(_) => Code::One(Dimension::new(first, narrow(self.members.len()))),
            Code::Set(_) => Code::Set(first),
        };
    }

    /// The classes in which any of these values is true, ascending.
    pub fn classes_of(&self, values: &[u32]) -> Vec<u32> {
        let mut classes: Vec<u32> = values
            .iter()
            .filter_map(|value| self.matching.get(*value as usize)?.as_deref())
            .flatten()
            .copied()
            .collect();
        if values.len() > 1 {
            classes.sort_unstable();
            classes.dedup();
        }
        classes
    }

    /// The class is one of these; of a set: some element lies in one of them.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn any_of(&self, manager: &mut Manager, classes: &[u32]) -> Result<Bdd, TooLarge> {
        match self.code {
            Code::One(dimension) => dimension.any_of(manager, classes),
            Code::Set(first) => {
                let mut any = Bdd::FALSE;
                for class in classes.iter().rev() {
                    any = manager.branch(first + class, any, Bdd::TRUE)?;
                }
                Ok(any)
            }
        }
    }

    /// A literal on this axis.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn literal(&self, manager: &mut Manager, literal: &Literal) -> Result<Bdd, TooLarge> {
        self.any_of(manager, &self.classes_of(&literal.values))
    }

    /// What is absent, where something can be.
    pub fn absent(&self) -> Option<u32> {
        let at = self.members.iter().position(|member| *member == Member::Absent)?;
        Some(narrow(at))
    }

    /// What is left of a function for each way to choose on this axis, ways with equal remainders together. The function
    /// must not look at earlier variables.
    pub fn split(&self, manager: &Manager, f: Bdd) -> Vec<(Choice, Bdd)> {
        match self.code {
            Code::One(dimension) => {
                let groups = dimension.split(manager, f).into_iter();
                groups.map(|(classes, rest)| (Choice::Any(classes), rest)).collect()
            }
            Code::Set(first) => {
                let mut found = Vec::new();
                let mut stack = vec![(f, Vec::new(), Vec::new())];
                while let Some((f, with, without)) = stack.pop() {
                    match manager.decision(f).filter(|(variable, ..)| *variable < self.end()) {
                        Some((variable, low, high)) => {
                            let class = variable - first;
                            let and =
                                |list: &Vec<u32>| list.iter().copied().chain([class]).collect::<Vec<u32>>();
                            stack.push((high, and(&with), without.clone()));
                            stack.push((low, with, and(&without)));
                        }
                        None => found.push((Choice::Set { with, without }, f)),
                    }
                }
                found
            }
        }
    }
}

/// A part of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Any of these classes, ascending.
    Any(Vec<u32>),
    /// Sets that have all of `with` and none of `without`.
    Set {
        /// These are in it.
        with: Vec<u32>,
        /// These are not.
        without: Vec<u32>,
    },
}
