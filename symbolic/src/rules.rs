//! The rules of one side as functions, to be held against each other.

use crate::{
    bdd::{Bdd, Manager},
    compare::{Side, single},
    kind::Kind,
    side::Margin,
    space::Limits,
    undecided::Undecided,
};
use alloc::vec::Vec;
use gnomon_engine::{plan::Rule, verdict::Stage};

/// The rules of the DENY and ALLOW stages, each as what it matches.
#[derive(Debug)]
pub struct Rules<'p> {
    manager: Manager,
    consistent: Bdd,
    known: Vec<(Stage, &'p Rule, Margin)>,
}

impl<'p> Rules<'p> {
    /// What the rules of a side match of this kind of requests.
    ///
    /// # Errors
    ///
    /// What of the policies is not covered, or that they are too large.
    pub fn of(side: Side<'p>, kind: Kind, limits: Limits) -> Result<Rules<'p>, Undecided> {
        let (space, stages, functions, consistent) = single(side, kind, limits)?;
        let deny = stages.deny.iter().zip(&functions.deny).map(|(one, f)| (Stage::Deny, one.rule, *f));
        let allow = stages.allow.iter().flatten().zip(&functions.allow);
        let allow = allow.map(|(one, f)| (Stage::Allow, one.rule, *f));
        Ok(Rules { known: deny.chain(allow).collect(), manager: space.manager, consistent })
    }

    /// The number of the rule for which this holds; `None`: the stages have no such rule, and nothing matches it.
    pub fn find(&self, is: impl Fn(Stage, &Rule) -> bool) -> Option<usize> {
        self.known.iter().position(|(stage, rule, _)| is(*stage, rule))
    }

    /// Do these rules together match what those match, but for requests that one of the others matches anyway?
    ///
    /// # Errors
    ///
    /// [`Undecided::TooLarge`].
    pub fn same(&mut self, these: &[usize], those: &[usize], others: &[usize]) -> Result<bool, Undecided> {
        Ok(self.difference(these, those, others)? == Bdd::FALSE)
    }

    /// Of the others those that are needed for [`Rules::same`] to hold: none where it holds by itself.
    ///
    /// # Errors
    ///
    /// [`Undecided::TooLarge`].
    pub fn covering(
        &mut self,
        these: &[usize],
        those: &[usize],
        others: &[usize],
    ) -> Result<Vec<usize>, Undecided> {
        let mut left = self.difference(these, those, &[])?;
        let mut covering = Vec::new();
        for other in others {
            if left == Bdd::FALSE {
                break;
            }
            let certain = self.function(*other).certain;
            let rest = self.manager.minus(left, certain)?;
            if rest != left {
                covering.push(*other);
                left = rest;
            }
        }
        Ok(covering)
    }

    fn function(&self, number: usize) -> Margin {
        self.known.get(number).map_or(Margin::FALSE, |(.., function)| *function)
    }

    /// Where one of the two matches, for certain or perhaps, and the other does not.
    fn difference(&mut self, these: &[usize], those: &[usize], others: &[usize]) -> Result<Bdd, Undecided> {
        let functions = |numbers: &[usize]| numbers.iter().map(|number| self.function(*number)).collect();
        let (these, those, others): (Vec<Margin>, Vec<Margin>, Vec<Margin>) =
            (functions(these), functions(those), functions(others));
        let manager = &mut self.manager;
        let certain = |of: &[Margin]| of.iter().map(|f| f.certain).collect::<Vec<Bdd>>();
        let possible = |of: &[Margin]| of.iter().map(|f| f.possible).collect::<Vec<Bdd>>();
        let mut differs = Bdd::FALSE;
        for part in [&certain as &dyn Fn(&[Margin]) -> Vec<Bdd>, &possible] {
            let (a, b) = (manager.any(part(&these))?, manager.any(part(&those))?);
            for (f, g) in [(a, b), (b, a)] {
                let one = manager.minus(f, g)?;
                differs = manager.or(differs, one)?;
            }
        }
        let covered = manager.any(certain(&others))?;
        let differs = manager.and(differs, self.consistent)?;
        Ok(manager.minus(differs, covered)?)
    }
}
