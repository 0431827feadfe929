//! How many lines are written: each policy and result has a number a second of its own, so that nobody can silence the
//! log for the others by flooding one of them.

use alloc::vec::Vec;
use core::cell::RefCell;

/// All policies and results together may write so many times what one may. Beyond that, each still has its first line.
const TOGETHER: u32 = 10;
/// More policies and results in one second than this are taken for one.
const MOST: usize = 1024;

/// Lines in the current second.
#[derive(Debug, Default)]
pub struct Limits(RefCell<Second>);

#[derive(Debug, Default)]
struct Second {
    now: u64,
    lines: u32,
    /// By policy and result, as a digest.
    each: Vec<(u64, u32)>,
}

impl Limits {
    /// May one more line be written in this second about this policy and result?
    pub fn allow(&self, now: u64, policy: &str, result: &str, most: u32) -> bool {
        let mut second = self.0.borrow_mut();
        if second.now != now {
            *second = Second { now, ..Second::default() };
        }
        let lines = second.lines;
        let mut key = digest(policy, result);
        if second.each.len() >= MOST && !second.each.iter().any(|(known, _)| *known == key) {
            key = 0;
        }
        let place = second.each.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            second.each.push((key, 0));
            second.each.len().saturating_sub(1)
        });
        let Some((_, count)) = second.each.get_mut(place) else { return false };
        if *count >= most || (*count > 0 && lines >= most.saturating_mul(TOGETHER)) {
            return false;
        }
        *count += 1;
        second.lines = lines.saturating_add(1);
        true
    }
}

/// FNV-1a. Policies are the configuration's: nobody chooses them to collide.
fn digest(policy: &str, result: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    policy.bytes().chain([0]).chain(result.bytes()).fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_flood_leaves_the_others_their_lines() {
        let limits = Limits::default();
        let written = |count: u32, policy: &str| {
            (0..count).filter(|_| limits.allow(7, policy, "would_deny", 3)).count()
        };
        assert_eq!(written(1000, "a"), 3);
        assert_eq!(written(1000, "b"), 3);
        assert!(limits.allow(7, "a", "would_allow", 3), "another result");
        // However many are flooded, each has its first line.
        let all: usize = (0..500).map(|number| written(20, &format!("p{number}"))).sum();
        assert!((500..=530).contains(&all), "{all}");
        assert_eq!(written(1000, "c"), 1);
        assert!(limits.allow(8, "a", "would_deny", 3), "the next second");
        // And there is an end to how many are told apart.
        let all: usize = (0..100_000).map(|number| written(2, &format!("q{number}"))).sum();
        assert!(all <= MOST + 30, "{all}");
    }
}
