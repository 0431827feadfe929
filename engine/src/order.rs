//! Sorting that is compiled once, for all types.
//!
//! The standard library's sort is compiled again for every type, 3 kB each time, and every proxy of a mesh carries this
//! code. Nothing here is sorted per request.

use crate::slices::{self, AtOnce, Pace};
use alloc::vec::Vec;
use core::{cmp::Ordering, mem::take};

/// Sorts; equal elements keep their order.
pub fn sort_by<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let order = at_once(items.len(), &|a, b| by_place(items, &compare, a, b));
    reorder(items, order);
}

/// As [`sort_by`], with pauses.
pub(crate) async fn sort_in_slices<T>(
    items: &mut Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering,
    pace: &dyn Pace,
) {
    let order = indices(items.len(), &|a, b| by_place(items, &compare, a, b), pace).await;
    reorder(items, order);
}

fn by_place<T>(items: &[T], compare: &impl Fn(&T, &T) -> Ordering, a: usize, b: usize) -> Ordering {
    match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    }
}

fn reorder<T>(items: &mut Vec<T>, order: Vec<usize>) {
    let mut waiting: Vec<Option<T>> = take(items).into_iter().map(Some).collect();
    items.reserve_exact(waiting.len());
    items.extend(order.into_iter().filter_map(|index| waiting.get_mut(index).and_then(Option::take)));
}

#[inline(never)]
fn at_once(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    slices::all(indices(length, compare, &AtOnce))
}

/// Sorts by the elements' own order.
pub(crate) fn sort<T: Ord>(items: &mut Vec<T>) {
    sort_by(items, T::cmp);
}

/// The index of the first element that equals one before it. `compare` orders the elements by their indices.
pub(crate) fn repeated(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Option<usize> {
    let order = at_once(length, compare);
    // Equal ones are neighbours, in their order.
    let pairs = order.iter().zip(order.iter().skip(1));
    pairs.filter(|(a, b)| compare(**a, **b) == Ordering::Equal).map(|(_, second)| *second).min()
}

/// Merge sort, from runs of one upwards: the places of so many elements in their order.
async fn indices(length: usize, compare: &dyn Fn(usize, usize) -> Ordering, pace: &dyn Pace) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    let (mut width, mut merges) = (1, 0_u32);
    while width < order.len() {
        let mut merged = Vec::with_capacity(order.len());
        for pair in order.chunks(width.saturating_mul(2)) {
            let (mut left, mut right) = pair.split_at_checked(width).unwrap_or((pair, &[]));
            while let (Some((a, after_a)), Some((b, after_b))) = (left.split_first(), right.split_first()) {
                merges = merges.wrapping_add(1);
                if merges.is_multiple_of(32) {
                    slices::step(pace).await;
                }
                if compare(*a, *b) == Ordering::Greater {
                    merged.push(*b);
                    right = after_b;
                } else {
                    merged.push(*a);
                    left = after_a;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        order = merged;
        width = width.saturating_mul(2);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn expected_at(keys: &[u32], index: usize) -> bool {
        keys[..index].contains(&keys[index])
    }

    #[test]
    fn as_the_standard_library_does() {
        // A linear congruential generator: many equal keys, all lengths.
        let mut state = 1_u32;
        for length in 0..200 {
            let mut items: Vec<(u32, usize)> = vec![];
            for index in 0..length {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                items.push((state >> 28, index));
            }
            let keys: Vec<u32> = items.iter().map(|(key, _)| *key).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(key, _)| *key);
            sort_by(&mut items, |a, b| a.0.cmp(&b.0));
            assert_eq!(items, expected);
            let again = (1..length).find(|index| expected_at(&keys, *index));
            assert_eq!(repeated(length, &|a, b| keys[a].cmp(&keys[b])), again);
        }
    }

    #[test]
    fn comparisons_grow_with_n_log_n() {
        for keys in [(0..100_000).collect::<Vec<u32>>(), (0..100_000).rev().collect()] {
            let count = core::cell::Cell::new(0_usize);
            let compare = |a: usize, b: usize| {
                count.set(count.get() + 1);
                keys[a].cmp(&keys[b])
            };
            assert_eq!(repeated(keys.len(), &compare), None);
            assert!(count.get() < 18 * keys.len(), "{}", count.get());
        }
    }
}
