//! SHA-256 (FIPS 180-4): by it the cache knows tokens, without keeping any.
//!
//! By hand, since crates unroll the rounds for speed on larger inputs, at several times the size; the tests hold it to
//! the crate that everybody uses. Nothing is signed or kept secret with it.

/// A digest.
pub type Digest = [u8; 32];

const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

#[rustfmt::skip]
const ROUNDS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The digest of some texts, each with its length in front: no two lists of texts run into one.
pub fn of(parts: &[&[u8]]) -> Digest {
    let mut hasher = Hasher { state: START, block: [0; 64], length: 0 };
    for part in parts {
        hasher.write(&(part.len() as u64).to_be_bytes());
        hasher.write(part);
    }
    hasher.finish()
}

struct Hasher {
    state: [u32; 8],
    block: [u8; 64],
    /// Bytes so far.
    length: u64,
}

impl Hasher {
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let filled = (self.length % 64) as usize;
            let free = self.block.get_mut(filled..).unwrap_or_default();
            let (now, later) = bytes.split_at_checked(free.len()).unwrap_or((bytes, &[]));
            for (to, from) in free.iter_mut().zip(now) {
                *to = *from;
            }
            self.length += now.len() as u64;
            if self.length.is_multiple_of(64) {
                compress(&mut self.state, &self.block);
            }
            bytes = later;
        }
    }

    fn finish(mut self) -> Digest {
        let bits = self.length.wrapping_mul(8);
        self.write(&[0x80]);
        while self.length % 64 != 56 {
            self.write(&[0]);
        }
        self.write(&bits.to_be_bytes());
        let mut digest = [0; 32];
        for (to, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *to = word.to_be_bytes();
        }
        digest
    }
}

#[expect(clippy::indexing_slicing, reason = "every index is masked to the sixteen words")]
fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut words = [0_u32; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (round, constant) in ROUNDS.iter().enumerate() {
        if round >= 16 {
            let (near, far) = (words[(round + 1) & 15], words[(round + 14) & 15]);
            let near = near.rotate_right(7) ^ near.rotate_right(18) ^ (near >> 3);
            let far = far.rotate_right(17) ^ far.rotate_right(19) ^ (far >> 10);
            let sum = words[round & 15].wrapping_add(near).wrapping_add(words[(round + 9) & 15]);
            words[round & 15] = sum.wrapping_add(far);
        }
        let mix = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let first = h.wrapping_add(mix).wrapping_add(choice).wrapping_add(*constant);
        let first = first.wrapping_add(words[round & 15]);
        let mix = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let second = mix.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(first), c, b, a, first.wrapping_add(second));
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use sha2::Digest as _;

    #[test]
    fn digests_are_those_of_the_crate() {
        for length in (0..300).chain([1000, 4096, 65_537]) {
            let text: Vec<u8> = (0..length).map(|place| (place * 7 + length) as u8).collect();
            for cut in [0, length / 3, length] {
                let parts = [&text[..cut], &text[cut..]];
                let mut theirs = sha2::Sha256::new();
                for part in parts {
                    theirs.update((part.len() as u64).to_be_bytes());
                    theirs.update(part);
                }
                assert_eq!(of(&parts)[..], theirs.finalize()[..], "{length} cut at {cut}");
            }
        }
    }

    #[test]
    fn lists_do_not_run_into_one_another() {
        let lists: Vec<Vec<&[u8]>> =
            vec![vec![b"ab", b"c"], vec![b"a", b"bc"], vec![b"abc"], vec![b"", b"abc"]];
        for (place, list) in lists.iter().enumerate() {
            for other in &lists[place + 1..] {
                assert_ne!(of(list), of(other));
            }
        }
    }
}
