//! Addresses as proxies write them. Nothing here trusts its input.

use core::net::{IpAddr, SocketAddr};

/// `1.2.3.4:80` or `[::1]:80`. `None` for what is no IP address: a pipe, an internal
/// listener.
pub fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    core::str::from_utf8(bytes).ok()?.parse().ok()
}

/// An address that may stand without its port, as access-log operators write it.
pub fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(bytes).ok()?;
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let table: [(&[u8], Option<&str>); 8] = [
            (b"10.0.0.1:80", Some("10.0.0.1:80")),
            (b"[2001:db8::1]:0", Some("[2001:db8::1]:0")),
            (b"10.0.0.1", None),
            (b"2001:db8::1:80", None),
            (b"envoy://internal/1", None),
            (b"/var/run/x.sock", None),
            (b"\xff\xfe", None),
            (b"", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected.map(|text| text.parse().unwrap()), "{text:?}");
        }
        assert_eq!(ip(b"::1"), Some(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
        assert_eq!(ip(b"10.0.0.1:7"), Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(ip(b"-"), None);
    }
}
