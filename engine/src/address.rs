//! IP addresses and ranges: who the client is, and which blocks it is in.

use core::{fmt, net::IpAddr, str};
use ipnet::IpNet;

/// The client after X-Forwarded-For: what `remoteIpBlocks` and `remote.ip` see.
///
/// `source` is the physical peer, `forwarded_for` the header's value with several lines joined by `,`
/// ([`crate::headers`] does so). A gateway (Envoy's `use_remote_address: true`) takes the `hops`-th entry from the
/// right, and the peer with no hops; any other proxy takes the right-most entry and, since istiod configures no hops
/// there, callers pass 0 (with hops N Envoy would take the N+1-th from the right).
///
/// An entry that is not there or no bare IP address (`10.1.2.3:55`, `[::1]`) gives the peer. Envoy 1.40.
pub fn remote_ip(
    source: Option<IpAddr>,
    forwarded_for: Option<&[u8]>,
    gateway: bool,
    hops: u32,
) -> Option<IpAddr> {
    let source = source.map(|ip| ip.to_canonical());
    let skip = match (gateway, hops) {
        (true, 0) => return source,
        (true, hops) => hops.saturating_sub(1),
        (false, hops) => hops,
    };
    forwarded_for.and_then(|value| entry_from_right(value, skip)).or(source)
}

/// An address as a person or a policy writes it. The zone of an IPv6 address (`fe80::1%eth0`) is dropped: istiod drops it
/// from policies (Go's `netip.PrefixFrom`), and neither Envoy nor ztunnel compares it.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.split_once('%') {
        None => text.parse().ok(),
        Some((_, "")) => None,
        Some((address, _)) => address.parse().ok().map(IpAddr::V6),
    }
}

fn entry_from_right(value: &[u8], skip: u32) -> Option<IpAddr> {
    let mut list = value;
    for _ in 0..skip {
        let comma = list.iter().rposition(|&byte| byte == b',')?;
        list = list.get(..comma)?;
    }
    // A comma at the very end separates nothing: Envoy then takes the whole list for an address.
    let entry = match list.iter().rposition(|&byte| byte == b',') {
        Some(comma) if comma.saturating_add(1) < list.len() => list.get(comma.saturating_add(1)..)?,
        _ => list,
    };
    let entry = str::from_utf8(entry.trim_ascii()).ok()?;
    // A zone must be an interface of the proxy's, or a number.
    let known = |zone: &str| matches!(zone, "eth0" | "lo") || zone.bytes().all(|byte| byte.is_ascii_digit());
    if entry.split_once('%').is_some_and(|(_, zone)| !known(zone)) {
        return None;
    }
    parse_ip(entry)
}

/// A text that is neither an IP address nor a CIDR range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CidrError {
    /// No IP address. A range with a zone (`fe80::%eth0/64`) is refused too; a bare address may have one.
    Address,
    /// A prefix length that is no plain decimal number within the address family.
    PrefixLength,
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CidrError::Address => "not an IP address",
            CidrError::PrefixLength => "bad prefix length",
        })
    }
}

impl core::error::Error for CidrError {}

/// An address or range as `ipBlocks` has it: a bare address is a range of one, host bits are allowed.
///
/// Families never match each other: `0.0.0.0/0` has no IPv6 address, `::/0` no IPv4 one, and `::ffff:10.0.0.1` is
/// IPv6, so no peer has it: of a connection both Envoy and ztunnel make IPv4 what is mapped. [`IpNet::contains`] keeps to that.
///
/// # Errors
///
/// What istiod's admission refuses: `10.0.0.0/33`, `10.0.0.0/08`, `10.0.0`, `010.0.0.1`.
pub fn parse_cidr(text: &str) -> Result<IpNet, CidrError> {
    let Some((address, length)) = text.split_once('/') else {
        return parse_ip(text).map(IpNet::from).ok_or(CidrError::Address);
    };
    let address: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
    let plain =
        length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    let length = if plain { length.parse().ok() } else { None };
    IpNet::new(address, length.ok_or(CidrError::PrefixLength)?).map_err(|_| CidrError::PrefixLength)
}
