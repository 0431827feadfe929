//! Values near the boundary of a pattern: what it names, and that with one thing changed.

use super::words::{PATH_PIECES, TEMPLATES};
use crate::conformance::random::Random;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Something that the pattern takes, or nearly so.
pub(super) fn sample(random: &mut Random, pattern: &str) -> String {
    let filler = || ["", "x", "one", "a/b", "web", "."].as_slice();
    if pattern == "*" {
        return random.pick(filler()).to_owned();
    }
    let value = if let Some(suffix) = pattern.strip_prefix('*') {
        format!("{}{suffix}", random.pick(filler()))
    } else if let Some(prefix) = pattern.strip_suffix('*') {
        format!("{prefix}{}", random.pick(filler()))
    } else {
        pattern.to_owned()
    };
    if random.chance(25) { near(random, &value) } else { value }
}

/// With one character more, less, or another.
pub(super) fn near(random: &mut Random, value: &str) -> String {
    let mut characters: Vec<char> = value.chars().collect();
    let place = random.below(characters.len().max(1));
    match random.below(8) {
        0 => _ = characters.pop(),
        1 => characters.push(random.pick(&['x', '/', '.', 'o', '-', 'a'])),
        2 if !characters.is_empty() => _ = characters.remove(0),
        3 => characters.insert(0, random.pick(&['x', '/', '.', 'a'])),
        4 => {
            if let Some(character) = characters.get_mut(place) {
                *character = match character.is_ascii_uppercase() {
                    true => character.to_ascii_lowercase(),
                    false => character.to_ascii_uppercase(),
                };
            }
        }
        5 => {
            if let Some(character) = characters.get_mut(place) {
                *character = random.pick(&['x', '.', '-', 'a', '0']);
            }
        }
        6 if !characters.is_empty() => _ = characters.remove(place),
        _ => return value.to_ascii_uppercase(),
    }
    characters.into_iter().collect()
}

/// A request target for a pattern out of `paths`.
pub(super) fn target(random: &mut Random, pattern: &str) -> String {
    let mut path = if pattern.contains('{') {
        let rest = ["", "b", "b/c", "b%2Fc", "a", "a/b/", "x|y", "é", "/"];
        pattern.replace("{**}", random.pick(&rest)).replace("{*}", random.pick(&rest))
    } else {
        sample(random, pattern)
    };
    for _ in 0..random.pick(&[0, 0, 0, 0, 1, 1, 2]) {
        let piece = random.pick(PATH_PIECES);
        // Anywhere, but mostly at the end.
        let places: Vec<usize> = path.char_indices().map(|(place, _)| place).collect();
        let place = if random.chance(60) { path.len() } else { random.pick(&places) };
        path.insert_str(place, piece);
    }
    if random.chance(8) {
        // One character percent-encoded.
        let bytes = path.as_bytes();
        let place = random.below(bytes.len().max(1));
        if let (Some(byte), true) = (bytes.get(place), path.is_char_boundary(place)) {
            let (byte, wide) =
                (*byte, path.get(place..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
            if wide == 1 {
                path.replace_range(place..place + 1, &format!("%{byte:02x}"));
            }
        }
    }
    let path: String = path.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// A pattern for `paths`.
pub(super) fn template(random: &mut Random) -> String {
    random.pick(TEMPLATES).to_owned()
}

/// An address at the edge of a range, or in the middle of it.
pub(super) fn address(random: &mut Random, range: &str) -> Option<IpAddr> {
    let (address, length) = range.split_once('/').unwrap_or((range, ""));
    let step = |value: u128, random: &mut Random, low: u128, high: u128| match random.below(5) {
        0 => low,
        1 => high,
        2 => low.wrapping_sub(1),
        3 => high.wrapping_add(1),
        _ => value,
    };
    let edge = match address.parse().ok()? {
        IpAddr::V4(v4) => {
            let length: u32 = length.parse().unwrap_or(32);
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length)).unwrap_or(0);
            let value = u32::from(v4);
            let edge = step(value.into(), random, (value & mask).into(), (value | !mask).into());
            IpAddr::V4(Ipv4Addr::from(u32::try_from(edge & u128::from(u32::MAX)).unwrap_or(value)))
        }
        IpAddr::V6(v6) => {
            let length: u32 = length.parse().unwrap_or(128);
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length)).unwrap_or(0);
            let value = u128::from(v6);
            IpAddr::V6(Ipv6Addr::from(step(value, random, value & mask, value | !mask)))
        }
    };
    // No connection comes from any of these.
    let nobody =
        edge.is_unspecified() || edge.is_multicast() || matches!(edge, IpAddr::V4(v4) if v4.is_broadcast());
    (!nobody).then_some(edge)
}
