//! The values of policies that one request has: a short list without allocation.

/// With more than this the rules are evaluated one by one.
const ROOM: usize = 48;

/// Numbers of values found, dimension after dimension.
#[derive(Debug)]
pub(super) struct Atoms {
    items: [u32; ROOM],
    used: usize,
    /// Something did not fit, or the index cannot decide it.
    pub(super) overflow: bool,
}

impl Default for Atoms {
    fn default() -> Atoms {
        Atoms { items: [0; ROOM], used: 0, overflow: false }
    }
}

impl Atoms {
    #[inline]
    pub(super) fn push(&mut self, atom: u32) {
        match self.items.get_mut(self.used) {
            Some(place) => {
                *place = atom;
                self.used += 1;
            }
            None => self.overflow = true,
        }
    }

    #[inline]
    pub(super) fn extend(&mut self, atom: Option<u32>) {
        if let Some(atom) = atom {
            self.push(atom);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.used
    }

    #[inline]
    pub(super) fn range(&self, from: u8, to: u8) -> &[u32] {
        self.items.get(usize::from(from)..usize::from(to)).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &[u32] {
        self.items.get(..self.used).unwrap_or_default()
    }
}
