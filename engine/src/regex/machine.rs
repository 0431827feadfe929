//! The program of an expression and its run.

use super::{Assert, Ast, Set};
use alloc::{vec, vec::Vec};

/// Istio's `re2.max_program_size.error_level`.
const MAX_INSTRUCTIONS: usize = 32_768;
/// Repetitions of nothing make no instructions, but work.
const MAX_WORK: usize = 4 * MAX_INSTRUCTIONS;

#[derive(Clone, Copy, Debug)]
enum Instruction {
    /// Takes a byte of a set.
    Take(u32, u32),
    Split(u32, u32),
    Assert(Assert, u32),
    Match,
}

#[derive(Clone, Debug)]
pub(super) struct Program {
    instructions: Vec<Instruction>,
    sets: Vec<Set>,
    start: u32,
    work: usize,
}

const TOO_LARGE: &str = "the expression is too large";

impl Program {
    pub(super) fn compile(ast: &Ast) -> Result<Program, &'static str> {
        let mut program = Program { instructions: Vec::new(), sets: Vec::new(), start: 0, work: 0 };
        let end = program.push(Instruction::Match)?;
        program.start = program.emit(ast, end)?;
        Ok(program)
    }

    pub(super) fn len(&self) -> usize {
        self.instructions.len()
    }

    fn push(&mut self, instruction: Instruction) -> Result<u32, &'static str> {
        if self.instructions.len() >= MAX_INSTRUCTIONS {
            return Err(TOO_LARGE);
        }
        self.instructions.push(instruction);
        u32::try_from(self.instructions.len() - 1).map_err(|_| TOO_LARGE)
    }

    /// Compiles from the end: the answer is where to begin so as to go on at `next`. The parser bounds the depth.
    fn emit(&mut self, ast: &Ast, next: u32) -> Result<u32, &'static str> {
        self.work += 1;
        if self.work > MAX_WORK {
            return Err(TOO_LARGE);
        }
        match ast {
            Ast::Empty => Ok(next),
            Ast::Set(set) => {
                let index = match self.sets.iter().rev().take(16).position(|known| known == set) {
                    Some(back) => self.sets.len() - 1 - back,
                    None => {
                        self.sets.push(*set);
                        self.sets.len() - 1
                    }
                };
                let index = u32::try_from(index).map_err(|_| TOO_LARGE)?;
                self.push(Instruction::Take(index, next))
            }
            Ast::Assert(assert) => self.push(Instruction::Assert(*assert, next)),
            Ast::Cat(items) => items.iter().rev().try_fold(next, |next, item| self.emit(item, next)),
            Ast::Alt(items) => {
                let mut start = None;
                for item in items {
                    let branch = self.emit(item, next)?;
                    start = Some(match start {
                        None => branch,
                        Some(other) => self.push(Instruction::Split(other, branch))?,
                    });
                }
                Ok(start.unwrap_or(next))
            }
            Ast::Repeat(item, least, most) => {
                let mut start = next;
                match most {
                    None => {
                        start = self.push(Instruction::Split(next, next))?;
                        let body = self.emit(item, start)?;
                        if let Some(split) = self.instructions.get_mut(start as usize) {
                            *split = Instruction::Split(body, next);
                        }
                    }
                    Some(most) => {
                        for _ in *least..*most {
                            let body = self.emit(item, start)?;
                            start = self.push(Instruction::Split(body, next))?;
                        }
                    }
                }
                (0..*least).try_fold(start, |start, _| self.emit(item, start))
            }
        }
    }

    pub(super) fn matches(&self, value: &[u8]) -> bool {
        let mut run = Run { program: self, value, seen: vec![0; self.instructions.len()], stack: Vec::new() };
        let mut states = Vec::new();
        run.reach(self.start, 0, &mut states);
        for (at, byte) in value.iter().enumerate() {
            if states.is_empty() {
                return false;
            }
            let mut next = Vec::with_capacity(states.len());
            for state in states {
                if let Some(Instruction::Take(set, then)) = self.instructions.get(state as usize)
                    && self.sets.get(*set as usize).is_some_and(|set| set.contains(*byte))
                {
                    run.reach(*then, at + 1, &mut next);
                }
            }
            states = next;
        }
        states.iter().any(|state| matches!(self.instructions.get(*state as usize), Some(Instruction::Match)))
    }
}

struct Run<'r> {
    program: &'r Program,
    value: &'r [u8],
    /// One more than where the instruction was last reached.
    seen: Vec<usize>,
    stack: Vec<u32>,
}

impl Run<'_> {
    /// Adds all states that are reached from `start` without taking a byte.
    fn reach(&mut self, start: u32, at: usize, states: &mut Vec<u32>) {
        self.stack.push(start);
        while let Some(state) = self.stack.pop() {
            let Some(seen) = self.seen.get_mut(state as usize) else { continue };
            if *seen == at + 1 {
                continue;
            }
            *seen = at + 1;
            match self.program.instructions.get(state as usize) {
                Some(Instruction::Split(first, second)) => self.stack.extend([*second, *first]),
                Some(Instruction::Assert(assert, next)) if self.holds(*assert, at) => self.stack.push(*next),
                Some(Instruction::Take(..) | Instruction::Match) => states.push(state),
                Some(Instruction::Assert(..)) | None => {}
            }
        }
    }

    fn holds(&self, assert: Assert, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|at| self.value.get(at));
        let after = self.value.get(at);
        let word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        match assert {
            Assert::TextStart => before.is_none(),
            Assert::TextEnd => after.is_none(),
            Assert::LineStart => before.is_none_or(|byte| *byte == b'\n'),
            Assert::LineEnd => after.is_none_or(|byte| *byte == b'\n'),
            Assert::Word => word(before) != word(after),
            Assert::NotWord => word(before) == word(after),
        }
    }
}
