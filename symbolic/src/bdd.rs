//! A binary decision diagram: a Boolean function of numbered variables, each function stored once.
//!
//! Reduced and ordered, with complemented edges: a function and its negation share their nodes, so that negation costs
//! nothing, and two functions are equal exactly when their [`Bdd`] values are. Nodes are never freed; a manager lives as
//! long as one question. The number of nodes is bounded, and every operation that may make some says
//! [`TooLarge`] when the bound is reached.

use alloc::{vec, vec::Vec};
use core::{fmt, ops::Not};

/// A function, meaningful with the [`Manager`] that made it. Equal values are equal functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bdd(u32);

impl Bdd {
    /// True of everything.
    pub const TRUE: Bdd = Bdd(0);
    /// True of nothing.
    pub const FALSE: Bdd = Bdd(1);

    /// The function that is `value` everywhere.
    pub fn constant(value: bool) -> Bdd {
        if value { Bdd::TRUE } else { Bdd::FALSE }
    }

    fn node(self) -> usize {
        (self.0 >> 1) as usize
    }

    fn is_complemented(self) -> bool {
        self.0 & 1 == 1
    }

    fn complemented_if(self, complemented: bool) -> Bdd {
        Bdd(self.0 ^ u32::from(complemented))
    }
}

impl Not for Bdd {
    type Output = Bdd;

    fn not(self) -> Bdd {
        Bdd(self.0 ^ 1)
    }
}

/// The bound on nodes was reached: the function has no small diagram in this order of variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The bound.
    pub nodes: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too large: the decision diagram is limited to {} nodes", self.nodes)
    }
}

impl core::error::Error for TooLarge {}

/// A variable's number. Smaller ones are decided first.
pub type Variable = u32;

/// The variable of the terminal node, behind all others.
const LAST: Variable = Variable::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    variable: Variable,
    low: Bdd,
    /// Never complemented: that makes the form unique.
    high: Bdd,
}

/// Makes functions and keeps their nodes.
#[derive(Debug)]
pub struct Manager {
    nodes: Vec<Node>,
    /// Open addressing: indices into `nodes`, 0 where free. A power of two long, at most half full.
    table: Vec<u32>,
    /// Results of `and`, overwritten on collision.
    cache: Vec<(Bdd, Bdd, Bdd)>,
    limit: usize,
}

const NO_ENTRY: (Bdd, Bdd, Bdd) = (Bdd::TRUE, Bdd::TRUE, Bdd::TRUE);

impl Manager {
    /// An empty manager that holds at most `limit` nodes (of 12 bytes, and as much again for finding them).
    pub fn new(limit: usize) -> Manager {
        let terminal = Node { variable: LAST, low: Bdd::TRUE, high: Bdd::TRUE };
        Manager {
            nodes: vec![terminal],
            table: vec![0; 1 << 10],
            cache: vec![NO_ENTRY; 1 << 10],
            limit: limit.min((u32::MAX >> 1) as usize),
        }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True where no function but the constants was made.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// True exactly where the variable is.
    ///
    /// # Errors
    ///
    /// [`TooLarge`], as every operation.
    pub fn variable(&mut self, variable: Variable) -> Result<Bdd, TooLarge> {
        self.branch(variable, Bdd::FALSE, Bdd::TRUE)
    }

    /// `high` where the variable is true, else `low`. Both must only look at later variables.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn branch(&mut self, variable: Variable, low: Bdd, high: Bdd) -> Result<Bdd, TooLarge> {
        if low == high {
            return Ok(low);
        }
        let complemented = high.is_complemented();
        let node = Node {
            variable,
            low: low.complemented_if(complemented),
            high: high.complemented_if(complemented),
        };
        let index = self.unique(node)?;
        Ok(Bdd(index << 1).complemented_if(complemented))
    }

    fn unique(&mut self, node: Node) -> Result<u32, TooLarge> {
        let mut slot = self.slot(&node);
        while let Some(&index) = self.table.get(slot) {
            if index == 0 {
                break;
            }
            let same = self.nodes.get(index as usize).is_some_and(|other| {
                other.variable == node.variable && other.low == node.low && other.high == node.high
            });
            if same {
                return Ok(index);
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
        if self.nodes.len() >= self.limit {
            return Err(TooLarge { nodes: self.limit });
        }
        let index = u32::try_from(self.nodes.len()).map_err(|_| TooLarge { nodes: self.limit })?;
        self.nodes.push(node);
        if let Some(free) = self.table.get_mut(slot) {
            *free = index;
        }
        if self.nodes.len() * 2 > self.table.len() {
            self.grow();
        }
        Ok(index)
    }

    fn grow(&mut self) {
        let size = self.table.len() * 2;
        self.table = vec![0; size];
        for index in 1..self.nodes.len() {
            let Some(node) = self.nodes.get(index).copied() else { continue };
            let mut slot = self.slot(&node);
            while self.table.get(slot).is_some_and(|taken| *taken != 0) {
                slot = (slot + 1) & (size - 1);
            }
            if let (Some(free), Ok(index)) = (self.table.get_mut(slot), u32::try_from(index)) {
                *free = index;
            }
        }
        // What is forgotten is only computed once more.
        if self.cache.len() < size {
            self.cache = vec![NO_ENTRY; size];
        }
    }

    fn slot(&self, node: &Node) -> usize {
        mixed(node.variable, node.low.0, node.high.0) & (self.table.len() - 1)
    }

    /// What the function depends on first, and what is left of it below each branch.
    fn split(&self, f: Bdd, variable: Variable) -> (Bdd, Bdd) {
        match self.nodes.get(f.node()) {
            Some(node) if node.variable == variable => {
                let flip = f.is_complemented();
                (node.low.complemented_if(flip), node.high.complemented_if(flip))
            }
            _ => (f, f),
        }
    }

    fn top(&self, f: Bdd) -> Variable {
        self.nodes.get(f.node()).map_or(LAST, |node| node.variable)
    }

    /// The first variable that the function depends on, and what is left of it where that is false and true. `None`: a
    /// constant.
    pub fn decision(&self, f: Bdd) -> Option<(Variable, Bdd, Bdd)> {
        let variable = self.top(f);
        let (low, high) = self.split(f, variable);
        (variable != LAST).then_some((variable, low, high))
    }

    /// Both.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn and(&mut self, f: Bdd, g: Bdd) -> Result<Bdd, TooLarge> {
        if f == g || g == Bdd::TRUE {
            return Ok(f);
        }
        if f == Bdd::TRUE {
            return Ok(g);
        }
        if f == Bdd::FALSE || g == Bdd::FALSE || f == !g {
            return Ok(Bdd::FALSE);
        }
        let (f, g) = if f < g { (f, g) } else { (g, f) };
        let slot = mixed(f.0, g.0, 0);
        let cached = self.cache.get(slot & (self.cache.len() - 1));
        if let Some(&(_, _, result)) = cached.filter(|(a, b, _)| (*a, *b) == (f, g)) {
            return Ok(result);
        }
        let variable = self.top(f).min(self.top(g));
        let ((f0, f1), (g0, g1)) = (self.split(f, variable), self.split(g, variable));
        let (low, high) = (self.and(f0, g0)?, self.and(f1, g1)?);
        let result = self.branch(variable, low, high)?;
        let size = self.cache.len();
        if let Some(entry) = self.cache.get_mut(slot & (size - 1)) {
            *entry = (f, g, result);
        }
        Ok(result)
    }

    /// Either.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn or(&mut self, f: Bdd, g: Bdd) -> Result<Bdd, TooLarge> {
        self.and(!f, !g).map(Not::not)
    }

    /// The first, but not the second.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn minus(&mut self, f: Bdd, g: Bdd) -> Result<Bdd, TooLarge> {
        self.and(f, !g)
    }

    /// All of them; true where there are none.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn all(&mut self, functions: Vec<Bdd>) -> Result<Bdd, TooLarge> {
        // In pairs, pairs of pairs, …: intermediate functions stay small.
        let mut round = functions;
        while round.len() > 1 {
            let mut next = Vec::with_capacity(round.len().div_ceil(2));
            for pair in round.chunks(2) {
                next.push(match pair {
                    [f, g] => self.and(*f, *g)?,
                    [f] => *f,
                    _ => Bdd::TRUE,
                });
            }
            round = next;
        }
        Ok(round.first().copied().unwrap_or(Bdd::TRUE))
    }

    /// Any of them; false where there are none.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub fn any(&mut self, functions: Vec<Bdd>) -> Result<Bdd, TooLarge> {
        self.all(functions.into_iter().map(Not::not).collect()).map(Not::not)
    }

    /// The function's value; `assignment` gives each variable that it asks for.
    pub fn value(&self, mut f: Bdd, assignment: impl Fn(Variable) -> bool) -> bool {
        while let Some((variable, low, high)) = self.decision(f) {
            f = if assignment(variable) { high } else { low };
        }
        f == Bdd::TRUE
    }
}

/// A hash of three numbers.
fn mixed(a: u32, b: u32, c: u32) -> usize {
    let mut hash = u64::from(a).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash = (hash ^ u64::from(b)).wrapping_mul(0xC2B2_AE3D_27D4_EB4F).rotate_left(31);
    hash = (hash ^ u64::from(c)).wrapping_mul(0x1656_67B1_9E37_79F9);
    // The upper half has seen all the bits.
    (hash >> 24) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VARIABLES: u32 = 6;

    /// A formula, and what it says of an assignment (a bit for each variable).
    #[derive(Clone, Debug)]
    enum Formula {
        Variable(u32),
        Not(alloc::boxed::Box<Formula>),
        And(alloc::boxed::Box<Formula>, alloc::boxed::Box<Formula>),
        Or(alloc::boxed::Box<Formula>, alloc::boxed::Box<Formula>),
    }

    impl Formula {
        fn holds(&self, assignment: u32) -> bool {
            match self {
                Formula::Variable(variable) => assignment >> variable & 1 == 1,
                Formula::Not(f) => !f.holds(assignment),
                Formula::And(f, g) => f.holds(assignment) && g.holds(assignment),
                Formula::Or(f, g) => f.holds(assignment) || g.holds(assignment),
            }
        }

        fn diagram(&self, manager: &mut Manager) -> Bdd {
            match self {
                Formula::Variable(variable) => manager.variable(*variable).unwrap(),
                Formula::Not(f) => !f.diagram(manager),
                Formula::And(f, g) => {
                    let (f, g) = (f.diagram(manager), g.diagram(manager));
                    manager.and(f, g).unwrap()
                }
                Formula::Or(f, g) => {
                    let (f, g) = (f.diagram(manager), g.diagram(manager));
                    manager.or(f, g).unwrap()
                }
            }
        }
    }

    fn formula() -> impl Strategy<Value = Formula> {
        let leaf = (0..VARIABLES).prop_map(Formula::Variable);
        leaf.prop_recursive(6, 40, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|f| Formula::Not(f.into())),
                (inner.clone(), inner.clone()).prop_map(|(f, g)| Formula::And(f.into(), g.into())),
                (inner.clone(), inner).prop_map(|(f, g)| Formula::Or(f.into(), g.into())),
            ]
        })
    }

    fn table(f: &Formula) -> u64 {
        (0..1 << VARIABLES).filter(|a| f.holds(*a)).fold(0, |table, a| table | 1 << a)
    }

    proptest! {
        #[test]
        fn says_what_the_formula_says(f in formula()) {
            let mut manager = Manager::new(10_000);
            let diagram = f.diagram(&mut manager);
            for assignment in 0..1u32 << VARIABLES {
                prop_assert_eq!(manager.value(diagram, |v| assignment >> v & 1 == 1), f.holds(assignment));
            }
        }

        #[test]
        fn equal_functions_are_one_value(f in formula(), g in formula()) {
            let mut manager = Manager::new(10_000);
            let (a, b) = (f.diagram(&mut manager), g.diagram(&mut manager));
            prop_assert_eq!(a == b, table(&f) == table(&g));
            prop_assert_eq!(a == !b, table(&f) == !table(&g));
        }

        /// The laws of sets: what holds of union, intersection, difference and complement holds of diagrams.
        #[test]
        fn laws_of_sets(f in formula(), g in formula(), h in formula()) {
            let mut m = Manager::new(100_000);
            let [f, g, h] = [f, g, h].map(|one| one.diagram(&mut m));
            let mut and = |f, g| m.and(f, g).unwrap();
            let (fg, gf, fh, gh) = (and(f, g), and(g, f), and(f, h), and(g, h));
            prop_assert_eq!(fg, gf);
            prop_assert_eq!(and(f, gh), and(fg, h));
            prop_assert_eq!(and(f, f), f);
            prop_assert_eq!(and(f, Bdd::TRUE), f);
            prop_assert_eq!(and(f, Bdd::FALSE), Bdd::FALSE);
            prop_assert_eq!(and(f, !f), Bdd::FALSE);
            prop_assert_eq!(!!f, f);
            let mut or = |f, g| m.or(f, g).unwrap();
            let (f_or_g, g_or_f, g_or_h) = (or(f, g), or(g, f), or(g, h));
            prop_assert_eq!(f_or_g, g_or_f);
            prop_assert_eq!(or(f, g_or_h), or(f_or_g, h));
            prop_assert_eq!(or(f, !f), Bdd::TRUE);
            prop_assert_eq!(or(f, Bdd::FALSE), f);
            // De Morgan, absorption, distribution.
            prop_assert_eq!(!fg, or(!f, !g));
            prop_assert_eq!(or(f, fg), f);
            let apart = or(fg, fh);
            prop_assert_eq!(m.and(f, g_or_h).unwrap(), apart);
            // A difference lies in the first, meets nothing of the second, and with what is common is the first.
            let minus = m.minus(f, g).unwrap();
            prop_assert_eq!(m.and(minus, g).unwrap(), Bdd::FALSE);
            prop_assert_eq!(m.or(minus, fg).unwrap(), f);
            prop_assert_eq!(m.minus(minus, f).unwrap(), Bdd::FALSE);
            let (back, outside) = (m.minus(g, f).unwrap(), m.minus(f, g_or_h).unwrap());
            prop_assert_eq!(m.minus(minus, h).unwrap(), outside);
            // A subset is what has nothing outside: then the union is the larger one, the intersection the smaller one.
            prop_assert_eq!(minus == Bdd::FALSE, fg == f);
            prop_assert_eq!(minus == Bdd::FALSE, f_or_g == g);
            prop_assert_eq!(minus == Bdd::FALSE && back == Bdd::FALSE, f == g);
            let all = m.all(vec![f, g, h]).unwrap();
            prop_assert_eq!(all, m.and(fg, h).unwrap());
            let any = m.any(vec![f, g, h]).unwrap();
            prop_assert_eq!(any, m.or(f_or_g, h).unwrap());
        }
    }

    #[test]
    fn many_at_once() {
        let mut manager = Manager::new(100_000);
        let variables: Vec<Bdd> = (0..300).map(|v| manager.variable(v).unwrap()).collect();
        let all = manager.all(variables.clone()).unwrap();
        let any = manager.any(variables).unwrap();
        assert!(manager.value(all, |_| true) && !manager.value(all, |v| v != 299));
        assert!(!manager.value(any, |_| false) && manager.value(any, |v| v == 299));
        assert_eq!(manager.all(vec![]), Ok(Bdd::TRUE));
        assert_eq!(manager.any(vec![]), Ok(Bdd::FALSE));
    }

    #[test]
    fn says_when_it_is_too_large() {
        // Pairs far apart in the order: 2^n nodes.
        let mut manager = Manager::new(1_000);
        let mut pairs = || -> Result<Bdd, TooLarge> {
            let mut f = Bdd::FALSE;
            for pair in 0..20 {
                let (a, b) = (manager.variable(pair)?, manager.variable(pair + 20)?);
                let both = manager.and(a, b)?;
                f = manager.or(f, both)?;
            }
            Ok(f)
        };
        assert_eq!(pairs(), Err(TooLarge { nodes: 1_000 }));
        assert!(manager.len() <= 1_000);
    }
}
