//! Key sets that stand at an address (`jwksUri`): fetched through a cluster of the proxy's, kept, and fetched again.
//!
//! The first fetch begins with the configuration, the next ones by the tick. A fetch that fails, in whatever way, is
//! tried again soon, and leaves the last good set in place. Until there is one, a verdict that depends on it is unknown.

use crate::{
    active::Plans,
    config::KeySetSettings,
    host::{Fetch, Host, Level},
    metrics::{Counter, Metrics},
};
use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::{cell::RefCell, mem::replace, str, time::Duration};
use gnomon_engine::jwt::KeySet;

/// How soon a failed fetch is tried again, in seconds.
const AGAIN: u64 = 10;
/// A longer answer is no key set.
pub const LONGEST: usize = 1 << 20;

/// All of one configuration.
#[derive(Debug, Default)]
pub struct KeySets(RefCell<Vec<Remote>>);

#[derive(Debug)]
struct Remote {
    uri: String,
    at: Address,
    cluster: String,
    /// The last good one.
    set: Option<Arc<KeySet>>,
    /// The fetch under way.
    call: Option<u32>,
    /// When the next one is due, in seconds since 1970.
    due: u64,
    /// The log says already that fetches fail.
    told: bool,
}

impl Remote {
    /// A fetch has failed. Only the first failure in a row is told: the next attempts come every few seconds.
    fn fail(&mut self, host: &dyn Host, metrics: &Metrics, why: &str) {
        metrics.add(host, Counter::KeySetsFailed, 1);
        if !replace(&mut self.told, true) {
            let line = format!("gnomon: no key set from {} by the cluster {}: {why}", self.uri, self.cluster);
            host.log(Level::Warn, &line);
        }
    }
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
    pub fn of(plans: &Plans, settings: &KeySetSettings) -> KeySets {
        let mut all: Vec<Remote> = Vec::new();
        let plans = [Some(&plans.candidate), plans.baseline.as_ref()];
        for uri in plans.into_iter().flatten().flat_map(|plan| plan.authenticator().key_set_addresses()) {
            if all.iter().any(|remote| remote.uri == uri) {
                continue;
            }
            let Some(at) = address(uri) else { continue };
            let named = settings.clusters.iter().find(|(address, _)| address == uri);
            let cluster = named.map_or_else(|| at.cluster.clone(), |(_, cluster)| cluster.clone());
            all.push(Remote { uri: uri.into(), at, cluster, set: None, call: None, due: 0, told: false });
        }
        KeySets(RefCell::new(all))
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Takes over what an earlier configuration has fetched, and when the next fetch is due.
    pub fn inherit(&self, earlier: &KeySets) {
        let earlier = earlier.0.borrow();
        for remote in self.0.borrow_mut().iter_mut() {
            let Some(before) = earlier.iter().find(|before| before.uri == remote.uri) else { continue };
            remote.set.clone_from(&before.set);
            if before.cluster == remote.cluster && before.call.is_none() {
                (remote.due, remote.told) = (before.due, before.told);
            }
        }
    }

    /// The last good set from this address.
    pub fn get(&self, uri: &str) -> Option<Arc<KeySet>> {
        self.0.borrow().iter().find(|remote| remote.uri == uri)?.set.clone()
    }

    /// All that have come, by address.
    pub fn all(&self) -> Vec<(String, Arc<KeySet>)> {
        let all = self.0.borrow();
        all.iter().filter_map(|remote| Some((remote.uri.clone(), remote.set.clone()?))).collect()
    }

    /// Sends for what is due.
    pub fn fetch(&self, host: &dyn Host, metrics: &Metrics, settings: &KeySetSettings, now: u64) {
        for remote in self.0.borrow_mut().iter_mut().filter(|remote| remote.due <= now) {
            let fetch = Fetch {
                cluster: &remote.cluster,
                scheme: remote.at.scheme,
                authority: &remote.at.authority,
                path: &remote.at.path,
                timeout: Duration::from_millis(settings.timeout.into()),
            };
            // A call without an answer, which the proxy does not leave behind, is given up here.
            remote.call = host.fetch(&fetch).ok();
            remote.due = now.saturating_add(AGAIN.max(u64::from(settings.timeout / 1000)));
            if remote.call.is_none() {
                remote.fail(host, metrics, "the proxy has no such cluster, or cannot send to it");
            }
        }
        self.count(host, metrics);
    }

    /// An answer has come, with this body; `None`: the call has failed, or the answer is not 200.
    pub fn answered(
        &self,
        host: &dyn Host,
        metrics: &Metrics,
        settings: &KeySetSettings,
        call: u32,
        body: Option<&[u8]>,
    ) {
        let now = host.now().map_or(0, |now| now / 1_000_000_000);
        let mut all = self.0.borrow_mut();
        let Some(remote) = all.iter_mut().find(|remote| remote.call == Some(call)) else { return };
        remote.call = None;
        match body.and_then(received) {
            Some(set) => {
                remote.set = Some(Arc::new(set));
                remote.told = false;
                remote.due = now.saturating_add(settings.refresh);
                metrics.add(host, Counter::KeySetsFetched, 1);
            }
            None => {
                remote.due = now.saturating_add(AGAIN.min(settings.refresh));
                remote.fail(host, metrics, "what came is no key set that can be used, or nothing came");
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
fn received(body: &[u8]) -> Option<KeySet> {
    let set = KeySet::parse(str::from_utf8(body).ok().filter(|_| body.len() <= LONGEST)?);
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
