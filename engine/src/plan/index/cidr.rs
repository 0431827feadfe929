//! Address ranges: all that contain an address, from the longest prefix on.
//!
//! Two ranges are nested or apart. Sorted by their first address, with the wider first, the last one that begins at or
//! before an address is within every range that holds it: the rest is a walk along links to the next wider range.
//! O(log of the ranges + those that are nested there).

use super::{
    atoms::Atoms,
    set::{position, short},
    table::Table,
};
use crate::order;
use alloc::vec::Vec;
use core::net::IpAddr;
use ipnet::IpNet;

#[derive(Debug)]
struct Range {
    first: u128,
    last: u128,
    /// The place of the next wider range.
    wider: Option<u32>,
    atom: u32,
}

/// All ranges of one dimension; the families never meet.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    known: Table,
    v4: Vec<Range>,
    v6: Vec<Range>,
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Ranges {
    pub(super) fn intern(&mut self, net: &IpNet, next: &mut u32) -> u32 {
        let (first, last) = (number(net.network()), number(net.broadcast()));
        let v4 = net.network().is_ipv4();
        let key = [first.to_be_bytes(), last.to_be_bytes()].concat();
        let before = *next;
        let atom = self.known.intern(u32::from(v4), &key, next);
        if *next > before {
            let ranges = if v4 { &mut self.v4 } else { &mut self.v6 };
            ranges.push(Range { first, last, wider: None, atom });
        }
        atom
    }

    pub(super) fn finish(&mut self) {
        self.known = Table::default();
        for ranges in [&mut self.v4, &mut self.v6] {
            order::sort_by(ranges, |a, b| (a.first, b.last).cmp(&(b.first, a.last)));
            // Ranges that may still hold the next one: place and last address.
            let mut open: Vec<(u32, u128)> = Vec::new();
            for (place, range) in ranges.iter_mut().enumerate() {
                while open.last().is_some_and(|(_, last)| *last < range.first) {
                    open.pop();
                }
                range.wider = open.last().map(|(place, _)| *place);
                open.push((short(place), range.last));
            }
        }
    }

    pub(super) fn find(&self, address: IpAddr, found: &mut Atoms) {
        let ranges = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let address = number(address);
        let mut place = ranges.partition_point(|range| range.first <= address).checked_sub(1);
        while let Some(range) = place.and_then(|place| ranges.get(place)) {
            if address <= range.last {
                found.push(range.atom);
            }
            place = range.wider.map(position);
        }
    }
}
