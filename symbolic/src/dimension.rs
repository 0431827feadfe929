//! A choice among numbered classes, written into the variables of a decision diagram.

use crate::{
    bdd::{Bdd, Manager, TooLarge, Variable},
    known::Known,
};
use alloc::{vec, vec::Vec};

/// One of `classes` alternatives, as a binary number of neighbouring variables, highest bit first.
///
/// Numbers beyond the last class stand for the last class, so that every assignment means something: no function needs
/// to exclude any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimension {
    first: Variable,
    bits: u32,
    classes: u32,
}

impl Dimension {
    /// With its variables from `first` on; at least one class.
    pub fn new(first: Variable, classes: u32) -> Dimension {
        let classes = classes.max(1);
        Dimension { first, bits: u32::BITS - (classes - 1).leading_zeros(), classes }
    }

    /// The first of its variables.
    pub fn first(&self) -> Variable {
        self.first
    }

    /// The variable behind its own.
    pub fn end(&self) -> Variable {
        self.first + self.bits
    }

    /// How many classes.
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// A variable's value where the class is this one.
    pub fn bit(&self, class: u32, variable: Variable) -> bool {
        let at = variable.saturating_sub(self.first);
        at < self.bits && class >> (self.bits - 1 - at) & 1 == 1
    }

    /// True where the class is one of these; ascending numbers.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn any_of(&self, manager: &mut Manager, numbers: &[u32]) -> Result<Bdd, TooLarge> {
        self.below(manager, numbers, 0, 0)
    }

    /// The part of `numbers` whose first `depth` bits are those of `base`.
    fn below(&self, manager: &mut Manager, numbers: &[u32], depth: u32, base: u32) -> Result<Bdd, TooLarge> {
        let width = 1u64 << (self.bits - depth);
        let last = self.classes - 1;
        if base >= last {
            // From here on all numbers mean the last class.
            return Ok(Bdd::constant(numbers.last() == Some(&last)));
        }
        let here = u64::from(last - base).min(width - 1) + 1;
        if numbers.is_empty() {
            return Ok(Bdd::FALSE);
        }
        if numbers.len() as u64 == here {
            return Ok(Bdd::TRUE);
        }
        if depth == self.bits {
            return Ok(Bdd::TRUE);
        }
        let middle = base + (1 << (self.bits - depth - 1));
        let cut = numbers.partition_point(|number| *number < middle);
        let (low, high) = numbers.split_at_checked(cut).unwrap_or((numbers, &[]));
        // All numbers from the last class on are that class: the upper half is it where it begins there.
        let high =
            if middle > last { if numbers.last() == Some(&last) { &[last][..] } else { &[] } } else { high };
        let low = self.below(manager, low, depth + 1, base)?;
        let high = self.below(manager, high, depth + 1, middle)?;
        manager.branch(self.first + depth, low, high)
    }

    /// What is left of a function for each class, classes with equal remainders together. The function must not look at
    /// variables before this dimension. Groups are ordered by their first class.
    pub fn split(&self, manager: &Manager, f: Bdd) -> Vec<(Vec<u32>, Bdd)> {
        let mut groups: Vec<(Vec<u32>, Bdd)> = Vec::new();
        let mut known: Known<Bdd, ()> = Known::default();
        let mut stack = vec![(f, 0, 0u32)];
        while let Some((f, depth, base)) = stack.pop() {
            if base > self.classes - 1 {
                continue;
            }
            let decided = manager.decision(f).filter(|(variable, ..)| *variable < self.end());
            match decided {
                Some((variable, low, high)) if variable == self.first + depth => {
                    stack.push((high, depth + 1, base + (1 << (self.bits - depth - 1))));
                    stack.push((low, depth + 1, base));
                }
                // It does not look at this bit, but at a later one.
                Some(_) => {
                    stack.push((f, depth + 1, base + (1 << (self.bits - depth - 1))));
                    stack.push((f, depth + 1, base));
                }
                None => {
                    let end = base.saturating_add(1 << (self.bits - depth)).min(self.classes);
                    match known.find(&f).and_then(|at| groups.get_mut(at)) {
                        Some((numbers, _)) => numbers.extend(base..end),
                        None => {
                            known.insert(f, ());
                            groups.push(((base..end).collect(), f));
                        }
                    }
                }
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_every_size() {
        for classes in 1..=9u32 {
            let dimension = Dimension::new(3, classes);
            for set in 0..1u32 << classes {
                let mut manager = Manager::new(10_000);
                let numbers: Vec<u32> = (0..classes).filter(|number| set >> number & 1 == 1).collect();
                let f = dimension.any_of(&mut manager, &numbers).unwrap();
                for code in 0..1u32 << dimension.bits {
                    let bit = |variable: Variable| code >> (dimension.bits - 1 - (variable - 3)) & 1 == 1;
                    let class = code.min(classes - 1);
                    assert_eq!(
                        manager.value(f, bit),
                        numbers.contains(&class),
                        "{classes} {numbers:?} {code}"
                    );
                }
                for (members, rest) in dimension.split(&manager, f) {
                    assert!(rest == Bdd::TRUE || rest == Bdd::FALSE);
                    assert!(
                        members.iter().all(|class| numbers.contains(class) == (rest == Bdd::TRUE)),
                        "{members:?}"
                    );
                }
                let split: u32 =
                    dimension.split(&manager, f).iter().map(|(members, _)| members.len() as u32).sum();
                assert_eq!(split, classes);
            }
        }
    }

    #[test]
    fn intervals_are_small() {
        let dimension = Dimension::new(0, 10_000);
        let mut manager = Manager::new(10_000);
        let numbers: Vec<u32> = (1_234..7_890).collect();
        dimension.any_of(&mut manager, &numbers).unwrap();
        assert!(manager.len() < 30, "{}", manager.len());
    }
}
