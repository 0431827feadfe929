//! Equivalence classes of addresses and ports.

use crate::known::Known;
use alloc::{vec, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use gnomon_engine::order::sort_by;
use ipnet::IpNet;

/// The classes into which sets of numbers cut all numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes<T> {
    /// A member of each class, ascending.
    pub members: Vec<T>,
    /// For each set the numbers of the classes that lie in it, ascending.
    pub matching: Vec<Vec<u32>>,
}

/// The classes of IP addresses under ranges; IPv4 and IPv6 never lie in the same one, as in Envoy. Members are the
/// lowest host addresses, those of 10.0.0.0/8 and fd00::/8 first where a class reaches there.
///
/// With `accepted` they are addresses of a connection as a proxy has it: none is IPv4 mapped into IPv6
/// (`gnomon_engine::request::Request::direct_ip`).
pub fn addresses(sets: &[Vec<IpNet>], accepted: bool) -> Classes<IpAddr> {
    let nets: Vec<(usize, IpNet)> =
        sets.iter().enumerate().flat_map(|(set, nets)| nets.iter().map(move |net| (set, *net))).collect();
    let mut found: Known<(bool, Vec<u32>), IpAddr> = Known::default();
    for v6 in [false, true] {
        let bits = if v6 { 128 } else { 32 };
        let ranges: Vec<(usize, u128, u128)> = nets
            .iter()
            .filter(|(_, net)| matches!(net, IpNet::V6(_)) == v6)
            .map(|(set, net)| (*set, number(net.network()), number(net.broadcast())))
            .collect();
        let last = if v6 { u128::MAX } else { (1 << bits) - 1 };
        // Where a class may begin: a usual host first, then the first host of every piece.
        let usual = if v6 { 0xfd00 << 112 } else { 0x0a00_0000 } + 1;
        let mut starts = vec![usual, 1];
        for (_, low, high) in &ranges {
            starts.extend([*low, low.saturating_add(1).min(*high)]);
            starts.extend(high.checked_add(1).filter(|next| *next <= last));
            starts.extend(high.checked_add(2).filter(|next| *next <= last));
        }
        starts.extend([0, BEHIND_MAPPED]);
        starts.retain(|start| *start <= last);
        for start in starts {
            if v6 && accepted && start >> 32 == MAPPED {
                continue;
            }
            let mut lies: Vec<u32> = ranges
                .iter()
                .filter(|(_, low, high)| (low..=high).contains(&&start))
                .filter_map(|(set, ..)| u32::try_from(*set).ok())
                .collect();
            lies.sort_unstable();
            lies.dedup();
            found.insert((v6, lies), address(start, v6));
        }
    }
    numbered(found.into_entries().into_iter().map(|((_, lies), member)| (member, lies)).collect(), sets.len())
}

/// The classes of ports. Members: the ports named, and one that none names (8080 where that is free).
pub fn ports(sets: &[Vec<u16>]) -> Classes<u16> {
    let mut is_named = vec![false; 1 << 16];
    for port in sets.iter().flatten() {
        if let Some(named) = is_named.get_mut(usize::from(*port)) {
            *named = true;
        }
    }
    let is_named = |port: &u16| is_named.get(usize::from(*port)) == Some(&true);
    let other =
        [8080, 80, 8000].into_iter().chain(1024..=u16::MAX).chain(1..1024).find(|port| !is_named(port));
    let mut found: Known<Vec<u32>, u16> = Known::default();
    for port in (0..=u16::MAX).filter(is_named).chain(other) {
        let lies = (0..).zip(sets).filter(|(_, set)| set.contains(&port)).map(|(number, _)| number);
        found.insert(lies.collect(), port);
    }
    numbered(found.into_entries().into_iter().map(|(lies, member)| (member, lies)).collect(), sets.len())
}

fn numbered<T: Ord + Copy>(mut classes: Vec<(T, Vec<u32>)>, sets: usize) -> Classes<T> {
    sort_by(&mut classes, Ord::cmp);
    let mut matching = vec![Vec::new(); sets];
    for (number, (_, lies)) in (0..).zip(&classes) {
        for set in lies {
            if let Some(of) = matching.get_mut(*set as usize) {
                of.push(number);
            }
        }
    }
    Classes { members: classes.into_iter().map(|(member, _)| member).collect(), matching }
}

/// ::ffff:0:0/96 without its last 32 bits, and what comes behind it.
const MAPPED: u128 = 0xffff;
const BEHIND_MAPPED: u128 = 0x1_0000 << 32;

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(number: u128, v6: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if !v6 => IpAddr::V4(Ipv4Addr::from(number)),
        _ => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_cut_addresses() {
        let sets =
            [vec![net("10.0.0.0/8")], vec![net("10.1.0.0/16"), net("192.0.2.7/32")], vec![net("0.0.0.0/0")]];
        let found = addresses(&sets, false);
        let members: Vec<alloc::string::String> =
            found.members.iter().map(alloc::string::ToString::to_string).collect();
        assert_eq!(members, ["0.0.0.1", "10.0.0.1", "10.1.0.0", "192.0.2.7", "fd00::1"]);
        assert_eq!(found.matching, [vec![1, 2], vec![2, 3], vec![0, 1, 2, 3]]);
        assert_eq!(addresses(&[], false).members.len(), 2);
        // All of IPv4 is named: no other IPv4 address is left.
        assert_eq!(addresses(&[vec![net("::/0")]], false).members.len(), 2);
    }

    #[test]
    fn ports_named_and_another() {
        let found = ports(&[vec![80, 8080], vec![443], vec![80]]);
        assert_eq!(found.members, [80, 443, 8000, 8080]);
        assert_eq!(found.matching, [vec![0, 3], vec![1], vec![0]]);
        let all: Vec<u16> = (0..=u16::MAX).collect();
        assert_eq!(ports(&[all]).members, [0]);
    }

    proptest! {
        #[test]
        fn every_address_has_its_class(
            sets in proptest::collection::vec(proptest::collection::vec((0u32..16, 28u8..=32), 0..3), 0..4),
        ) {
            let sets: Vec<Vec<IpNet>> = sets
                .into_iter()
                .map(|nets| {
                    let nets = nets.into_iter().map(|(low, length)| {
                        ipnet::Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 + low), length).unwrap().trunc().into()
                    });
                    nets.collect()
                })
                .collect();
            let found = addresses(&sets, false);
            let vector = |ip: IpAddr| -> Vec<bool> { sets.iter().map(|nets| nets.iter().any(|n| n.contains(&ip))).collect() };
            let classes: Vec<Vec<bool>> = (0..).zip(&found.members).map(|(number, member)| {
                let lies: Vec<bool> = found.matching.iter().map(|of| of.contains(&number)).collect();
                assert_eq!(lies, vector(*member));
                lies
            }).collect();
            for low in 0..20u32 {
                let ip = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + low));
                prop_assert!(classes.contains(&vector(ip)), "{ip}");
            }
        }
    }
}
