//! Key sets that stand at an address (`jwksUri`): fetched through a cluster of the proxy's, kept, and fetched again.
//!
//! The first fetch begins with the configuration, the next ones by the tick. A fetch that fails, in whatever way, is
//! tried again soon, and leaves the last good set in place. Until there is one, a verdict that hangs on it is unknown.

use crate::{
    config::KeySetSettings,
    host::{Host, Map},
    metrics::{Counter, Metrics},
    wire,
};
use alloc::{format, rc::Rc, string::String, vec::Vec};
use core::{cell::RefCell, str, time::Duration};
use gnomon_engine::{Plan, jwt::KeySet};

/// How soon a failed fetch is tried again, in seconds.
const AGAIN: u64 = 10;
/// A longer answer is no key set.
const LONGEST: usize = 1 << 20;

/// All of one configuration.
#[derive(Debug, Default)]
pub struct KeySets(RefCell<Vec<Remote>>);

#[derive(Debug)]
struct Remote {
    uri: String,
    at: Address,
    cluster: String,
    /// The last good one.
    set: Option<Rc<KeySet>>,
    /// The fetch under way.
    call: Option<u32>,
    /// When the next one is due, in seconds since 1970.
    due: u64,
}

/// What a URI says about whom to ask for what.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    authority: String,
    path: String,
    /// As Istio names the cluster of a host that it knows.
    cluster: String,
    scheme: &'static str,
}

impl KeySets {
    /// The sets that the plans name.
    pub fn of<'p>(plans: impl IntoIterator<Item = &'p Plan>, settings: &KeySetSettings) -> KeySets {
        let mut all: Vec<Remote> = Vec::new();
        for uri in plans.into_iter().flat_map(|plan| plan.authenticator().key_set_addresses()) {
            if all.iter().any(|remote| remote.uri == uri) {
                continue;
            }
            let Some(at) = address(uri) else { continue };
            let named = settings.clusters.iter().find(|(address, _)| address == uri);
            let cluster = named.map_or_else(|| at.cluster.clone(), |(_, cluster)| cluster.clone());
            all.push(Remote { uri: uri.into(), at, cluster, set: None, call: None, due: 0 });
        }
        KeySets(RefCell::new(all))
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Takes over what an earlier configuration has fetched.
    pub fn inherit(&self, earlier: &KeySets) {
        for remote in self.0.borrow_mut().iter_mut() {
            if remote.set.is_none() {
                remote.set = earlier.get(&remote.uri);
            }
        }
    }

    /// The last good set from this address.
    pub fn get(&self, uri: &str) -> Option<Rc<KeySet>> {
        self.0.borrow().iter().find(|remote| remote.uri == uri)?.set.clone()
    }

    /// Sends for what is due.
    pub fn fetch(&self, host: &dyn Host, metrics: &Metrics, settings: &KeySetSettings, now: u64) {
        for remote in self.0.borrow_mut().iter_mut().filter(|remote| remote.due <= now) {
            let headers: [(&str, &str); 5] = [
                (":method", "GET"),
                (":scheme", remote.at.scheme),
                (":authority", &remote.at.authority),
                (":path", &remote.at.path),
                ("accept", "application/json"),
            ];
            let timeout = Duration::from_millis(settings.timeout.into());
            // A call without an answer, which the proxy does not leave behind, is given up here.
            remote.call = host.dispatch(&remote.cluster, &headers, timeout).ok();
            remote.due = now.saturating_add(AGAIN.max(u64::from(settings.timeout / 1000)));
            if remote.call.is_none() {
                metrics.add(host, Counter::KeySetsFailed, 1);
            }
        }
        self.count(host, metrics);
    }

    /// An answer has come, with so many header lines and bytes: none where the call has failed.
    pub fn answered(
        &self,
        host: &dyn Host,
        metrics: &Metrics,
        settings: &KeySetSettings,
        call: u32,
        (lines, bytes): (usize, usize),
    ) {
        let now = host.now().map_or(0, |now| now / 1_000_000_000);
        let mut all = self.0.borrow_mut();
        let Some(remote) = all.iter_mut().find(|remote| remote.call == Some(call)) else { return };
        remote.call = None;
        match received(host, lines, bytes) {
            Some(set) => {
                remote.set = Some(Rc::new(set));
                remote.due = now.saturating_add(settings.refresh);
                metrics.add(host, Counter::KeySetsFetched, 1);
            }
            None => {
                remote.due = now.saturating_add(AGAIN.min(settings.refresh));
                metrics.add(host, Counter::KeySetsFailed, 1);
                let line =
                    format!("gnomon: no key set from {} by the cluster {}", remote.uri, remote.cluster);
                host.log(crate::host::Level::Warn, &line);
            }
        }
        drop(all);
        self.count(host, metrics);
    }

    fn count(&self, host: &dyn Host, metrics: &Metrics) {
        let missing = self.0.borrow().iter().filter(|remote| remote.set.is_none()).count();
        metrics.missing_key_sets(host, missing as u64);
    }
}

/// The key set of an answer that is one.
fn received(host: &dyn Host, lines: usize, bytes: usize) -> Option<KeySet> {
    // A call that was cut off has no header lines, and asking for them would be an error.
    if lines == 0 || bytes == 0 || bytes > LONGEST {
        return None;
    }
    let headers = host.headers(Map::CallResponse).ok()?;
    let ok = wire::pairs(&headers)?.iter().any(|(name, value)| *name == b":status" && *value == b"200");
    let body = host.call_body(bytes).ok()?;
    let set = KeySet::parse(str::from_utf8(&body).ok().filter(|_| ok)?);
    set.is_usable().then_some(set)
}

/// `https://host:port/path`; the port is 443 or 80 where none is written.
fn address(uri: &str) -> Option<Address> {
    let (scheme, rest, port) = match uri.split_once("://")? {
        ("https", rest) => ("https", rest, "443"),
        ("http", rest) => ("http", rest, "80"),
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (host, port)
        }
        _ => (authority, port),
    };
    if host.is_empty() {
        return None;
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(Address {
        authority: authority.into(),
        path: format!("{slash}{path}"),
        cluster: format!("outbound|{port}||{host}"),
        scheme,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let table = [
            ("https://a.test/keys?x=1", Some(("a.test", "/keys?x=1", "outbound|443||a.test", "https"))),
            ("http://a.test:8080/k", Some(("a.test:8080", "/k", "outbound|8080||a.test", "http"))),
            ("http://a.test", Some(("a.test", "/", "outbound|80||a.test", "http"))),
            ("https://a.test?x#y", Some(("a.test", "/?x", "outbound|443||a.test", "https"))),
            ("https://[::1]:9/k", Some(("[::1]:9", "/k", "outbound|9||[::1]", "https"))),
            ("https://[::1]/k", Some(("[::1]", "/k", "outbound|443||[::1]", "https"))),
            ("ftp://a.test/k", None),
            ("https:///k", None),
            ("a.test/k", None),
            ("", None),
        ];
        for (uri, expected) in table {
            let expected = expected.map(|(authority, path, cluster, scheme)| Address {
                authority: authority.into(),
                path: path.into(),
                cluster: cluster.into(),
                scheme,
            });
            assert_eq!(address(uri), expected, "{uri}");
        }
    }
}
