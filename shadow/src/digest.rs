//! BLAKE2b with 32 bytes (RFC 7693): by it the cache knows tokens, without keeping any.
//!
//! It is worked out for every request that carries a token. BLAKE2b takes a third of what SHA-256 takes here, since
//! WebAssembly has 64-bit words. By hand, since crates unroll the rounds at several times the size; the tests hold it to
//! the crate that everybody uses. Nothing is signed or kept secret with it.

/// A digest.
pub type Digest = [u8; 32];

const BLOCK: usize = 128;

const START: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// Which word of the block comes when.
#[rustfmt::skip]
const SIGMA: [[u8; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The digest of some texts, each with its length in front: no two lists of texts run into one.
pub fn of(parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
    hasher.finish()
}

struct Hasher {
    state: [u64; 8],
    /// What has not been worked in yet: the last block, even if it is full, is treated apart.
    block: [u8; BLOCK],
    filled: usize,
    /// Bytes that have been worked in.
    length: u64,
}

impl Hasher {
    fn new() -> Self {
        let [first, rest @ ..] = START;
        let [a, b, c, d, e, f, g] = rest;
        // No key, 32 bytes, one after the other.
        let state = [first ^ 0x0101_0000 ^ 32, a, b, c, d, e, f, g];
        Hasher { state, block: [0; BLOCK], filled: 0, length: 0 }
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.filled == BLOCK {
                self.length += BLOCK as u64;
                compress(&mut self.state, &self.block, self.length, 0);
                self.filled = 0;
            }
            let free = self.block.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = bytes.split_at_checked(free.len()).unwrap_or((bytes, &[]));
            if let Some(free) = free.get_mut(..now.len()) {
                free.copy_from_slice(now);
            }
            self.filled += now.len();
            bytes = later;
        }
    }

    fn finish(mut self) -> Digest {
        self.block.get_mut(self.filled..).unwrap_or_default().fill(0);
        let length = self.length + self.filled as u64;
        compress(&mut self.state, &self.block, length, u64::MAX);
        let mut digest = [0; 32];
        for (to, word) in digest.as_chunks_mut::<8>().0.iter_mut().zip(self.state) {
            *to = word.to_le_bytes();
        }
        digest
    }
}

/// Works one block in. `length`: bytes with it; `last`: all ones for the last one.
#[expect(clippy::indexing_slicing, reason = "constants below sixteen, or words of SIGMA, masked")]
fn compress(state: &mut [u64; 8], block: &[u8; BLOCK], length: u64, last: u64) {
    let mut words = [0_u64; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let mut v = [0; 16];
    v[..8].copy_from_slice(state);
    v[8..].copy_from_slice(&START);
    v[12] ^= length;
    v[14] ^= last;
    for order in SIGMA.iter().chain(&SIGMA[..2]) {
        let word = |place: usize| words[usize::from(order[place]) & 15];
        mix(&mut v, [0, 4, 8, 12], word(0), word(1));
        mix(&mut v, [1, 5, 9, 13], word(2), word(3));
        mix(&mut v, [2, 6, 10, 14], word(4), word(5));
        mix(&mut v, [3, 7, 11, 15], word(6), word(7));
        mix(&mut v, [0, 5, 10, 15], word(8), word(9));
        mix(&mut v, [1, 6, 11, 12], word(10), word(11));
        mix(&mut v, [2, 7, 8, 13], word(12), word(13));
        mix(&mut v, [3, 4, 9, 14], word(14), word(15));
    }
    let (low, high) = v.split_at(8);
    for (word, (low, high)) in state.iter_mut().zip(low.iter().zip(high)) {
        *word ^= low ^ high;
    }
}

/// Inlined, so that the sixteen words are local variables.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "constants below sixteen")]
fn mix(v: &mut [u64; 16], [a, b, c, d]: [usize; 4], first: u64, second: u64) {
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(first);
    v[d] = (v[d] ^ v[a]).rotate_right(32);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(24);
    v[a] = v[a].wrapping_add(v[b]).wrapping_add(second);
    v[d] = (v[d] ^ v[a]).rotate_right(16);
    v[c] = v[c].wrapping_add(v[d]);
    v[b] = (v[b] ^ v[c]).rotate_right(63);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use blake2::{Blake2b, Digest as _, digest::consts::U32};

    #[test]
    fn digests_are_those_of_the_crate() {
        for length in (0..600).chain([1000, 4096, 65_537]) {
            let text: Vec<u8> = (0..length).map(|place| (place * 7 + length) as u8).collect();
            for pieces in [vec![&text[..]], text.chunks(100).collect(), text.chunks(128).collect()] {
                let mut hasher = Hasher::new();
                pieces.iter().for_each(|piece| hasher.write(piece));
                assert_eq!(hasher.finish(), <[u8; 32]>::from(Blake2b::<U32>::digest(&text)), "{length}");
            }
        }
    }

    #[test]
    fn lists_do_not_run_into_each_other() {
        let lists: [&[&[u8]]; 5] = [&[], &[b""], &[b"ab", b"c"], &[b"a", b"bc"], &[b"abc"]];
        for (place, list) in lists.iter().enumerate() {
            for other in lists.iter().skip(place + 1) {
                assert_ne!(of(list), of(other), "{list:?} {other:?}");
            }
        }
    }
}
