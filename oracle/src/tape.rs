//! Random choices on a tape: a shorter tape with smaller numbers is a simpler case, so shrinking the tape shrinks the
//! case.

/// Choices; zeros once it is used up.
pub struct Tape<'t> {
    choices: &'t [u16],
    at: usize,
}

impl<'t> Tape<'t> {
    pub fn new(choices: &'t [u16]) -> Self {
        Tape { choices, at: 0 }
    }

    /// Less than `n`; 0 is the simplest.
    pub fn below(&mut self, n: usize) -> usize {
        let choice = self.choices.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(choice) % n
    }

    /// Nothing but zeros is left.
    pub fn is_used_up(&self) -> bool {
        self.at > self.choices.len()
    }

    /// Once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}
