//! The names of peers that have been here before.
//!
//! A certificate is long, and out of it come a few names: those of a certificate that has been read once are kept, by
//! the digest which the proxy has of it.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// So many certificates; a new one displaces the one that came first.
const MOST: usize = 256;
/// Names that are longer, in bytes together, are not kept.
const LONGEST: usize = 1024;

/// A bounded memory of certificates.
#[derive(Debug, Default)]
pub struct Peers {
    known: RefCell<Vec<Peer>>,
    next: Cell<usize>,
}

#[derive(Debug)]
struct Peer {
    digest: Vec<u8>,
    names: Vec<Vec<u8>>,
}

impl Peers {
    /// All names of the certificate with this digest.
    pub fn names(&self, digest: &[u8]) -> Option<Vec<Vec<u8>>> {
        let known = self.known.borrow();
        known.iter().find(|peer| peer.digest == digest).map(|peer| peer.names.clone())
    }

    /// Remembers them.
    pub fn learn(&self, digest: Vec<u8>, names: &[Vec<u8>]) {
        if digest.len() + names.iter().map(Vec::len).sum::<usize>() > LONGEST {
            return;
        }
        let peer = Peer { digest, names: names.to_vec() };
        let mut known = self.known.borrow_mut();
        let next = self.next.get();
        match known.get_mut(next) {
            Some(oldest) => *oldest = peer,
            None => known.push(peer),
        }
        self.next.set((next + 1) % MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known() {
        let peers = Peers::default();
        let digest = |number: usize| number.to_be_bytes().to_vec();
        for number in 0..3 * MOST {
            assert_eq!(peers.names(&digest(number)), None);
            peers.learn(digest(number), &[digest(number), b"x".to_vec()]);
        }
        for number in 0..3 * MOST {
            let expected = (number >= 2 * MOST).then(|| alloc::vec![digest(number), b"x".to_vec()]);
            assert_eq!(peers.names(&digest(number)), expected);
        }
        peers.learn(digest(9999), &[alloc::vec![b'x'; LONGEST]]);
        assert_eq!(peers.names(&digest(9999)), None, "too long to be kept");
    }
}
