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

/// So many choices at random; the same seed gives the same ones.
pub fn choices(seed: u64, count: usize) -> Vec<u16> {
    let mut state = seed;
    // SplitMix64.
    let next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as u16
    };
    core::iter::repeat_with(next).take(count).collect()
}
