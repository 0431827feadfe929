//! The access logger: writes down what of each request the policies read, as a request of docs/formats.md, to be evaluated
//! again against other policies.
//!
//! It sees a stream when it is over. Some of what the filters saw is gone then: `jwt_authn` has taken the token away, and
//! what an access logger is shown of metadata are texts. So the HTTP filter leaves a note in the dynamic metadata while
//! there is a logger. Neither writes a token, a cookie, a query, or what a path has of secrets: a request that cannot be
//! told without is not written, and counted.

use crate::{
    abi::{
        Level,
        access::{Entry, Side},
        heap, log,
    },
    attributes::Attributes,
    guard::{caught, guard},
    main_thread::{now, write},
    node,
    sink::{self, Sink},
};
use arc_swap::ArcSwapOption;
use gnomon_engine::{
    Plan, Severity,
    jwt::{AppliedRule, Authentication, Json, Place},
    path::{PathHandling, normalize, without_query},
    prepare::ProxySettings,
    request::Header,
    slices::{self, AtOnce},
    workload::ProxyKind,
};
use gnomon_shadow::{
    compare::{Enforced, enforced_tcp},
    config, host, masks,
    write::Object,
};
use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Where the note is: the namespace in the dynamic metadata, and the keys in it.
pub(crate) const NAMESPACE: &str = "gnomon";
pub(crate) const REQUEST: &str = "request";
pub(crate) const SOURCE: &str = "source";
/// What stands for a token that was refused: nobody takes it for one.
const REFUSED: &str = "refused";
/// Headers that are never written, whatever a policy reads.
const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Longer ones are not written.
const LONGEST: usize = 64 << 10;

static LOGGERS: Mutex<Vec<Weak<Logger>>> = Mutex::new(Vec::new());
/// What any logger writes of it. `None`: there is no logger.
static NOTED: ArcSwapOption<Noted> = ArcSwapOption::const_empty();
/// Whether there is a logger: every request asks this, and only then looks into [`NOTED`].
static ANY: AtomicBool = AtomicBool::new(false);
static UNTOLD: AtomicU64 = AtomicU64::new(0);

/// A configuration of the logger, for all workers.
#[derive(Debug)]
pub(crate) struct Logger {
    attributes: Attributes,
    /// Headers that rules about tokens write: they come out of the claims again.
    made: Vec<String>,
    /// A CUSTOM rule reads one of these as the client sent it, before it is taken out.
    has_read_before_made: bool,
    /// Headers that somebody wants for purposes of their own.
    more: Vec<String>,
    proxy: ProxyKind,
    path: PathHandling,
    /// The proxy adds its peer's address to a header that a rule reads, before any rule does.
    adds_peer: bool,
    sink: Arc<Sink>,
}

/// What is to be noted of a request for loggers.
#[derive(Debug, Default)]
struct Noted {
    claims: Vec<String>,
    /// Filters, each with a key.
    metadata: Vec<[String; 2]>,
}

/// Why a request is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Untold {
    /// What a policy reads is a secret, or may have one in it.
    Secret,
    /// Envoy does not show it here, or the HTTP filter was not asked.
    NotShown,
    /// A request cannot say it.
    NoWords,
}

/// Takes a configuration, or refuses it.
pub(crate) fn configure(name: &[u8], text: &[u8]) -> Option<Arc<Logger>> {
    guard(|| {
        let _purge = heap::Purge;
        let node = node::read();
        heap::short_lived(true);
        let read = slices::all(config::read_in_slices(&node, text, &AtOnce));
        heap::short_lived(false);
        for found in read.diagnostics.iter().take(20) {
            let error = found.severity == Severity::Error;
            write(if error { host::Level::Error } else { host::Level::Warn }, &format!("gnomon: {found}"));
        }
        let config::Loaded { resources, baseline, workload, mesh, settings } = read.loaded?;
        let plans: Vec<Plan> = [Some(&resources), baseline.as_ref()]
            .into_iter()
            .flatten()
            .map(|resources| Plan::build(resources, &workload, &mesh))
            .collect();
        let sink = sink::open(&settings.requests.file).inspect_err(|why| {
            write(host::Level::Error, &format!("gnomon: requests cannot be written: {why}"))
        });
        let made = plans.iter().flat_map(|plan| plan.authenticator().writes_headers());
        let made: Vec<String> = made.map(str::to_owned).collect();
        let mut attributes = Attributes::of(plans.iter());
        let settings_of_proxy = ProxySettings::of(&workload, &mesh);
        let adds_peer =
            settings_of_proxy.gateway && attributes.headers.iter().any(|name| name == FORWARDED_FOR);
        // Whoever asks again adds it again.
        attributes.needs.source_ip |= adds_peer;
        let logger = Arc::new(Logger {
            has_read_before_made: attributes.headers_before_tokens.iter().any(|name| made.contains(name)),
            made,
            attributes,
            more: settings.requests.headers.clone(),
            proxy: workload.proxy,
            path: settings_of_proxy.path,
            adds_peer,
            sink: sink.ok()?,
        });
        publish(Some(&logger));
        let name = String::from_utf8_lossy(name);
        write(
            host::Level::Info,
            &format!("gnomon: logger {name} writes requests for {}", workload.display_name()),
        );
        Some(logger)
    })
    .flatten()
}

/// One count of a configuration less.
pub(crate) fn forget(logger: Arc<Logger>) {
    let _panicked = caught(|| {
        drop(logger);
        publish(None);
    });
}

/// What is to be noted, for all loggers that there are.
fn publish(one_more: Option<&Arc<Logger>>) {
    let mut all = LOGGERS.lock().unwrap_or_else(PoisonError::into_inner);
    all.extend(one_more.map(Arc::downgrade));
    all.retain(|logger| logger.strong_count() > 0);
    let alive: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
    let mut noted = Noted::default();
    for Attributes { claims, metadata, .. } in alive.iter().map(|logger| &logger.attributes) {
        noted.claims.extend(claims.iter().cloned());
        noted.metadata.extend(metadata.iter().cloned());
    }
    noted.claims.sort_unstable();
    noted.claims.dedup();
    noted.metadata.sort_unstable();
    noted.metadata.dedup();
    NOTED.store((!alive.is_empty()).then(|| Arc::new(noted)));
    ANY.store(!alive.is_empty(), Ordering::Release);
    drop(all);
    // The last count of one may be among them; its file is closed without the lock.
    drop(alive);
}

/// How many requests were not written since this was asked last.
pub(crate) fn not_written() -> u64 {
    UNTOLD.swap(0, Ordering::Relaxed).saturating_add(sink::dropped())
}

/// What the HTTP filter leaves for loggers: a part of the request. `None`: there is no logger, or what became of the token
/// cannot be told without it.
pub(crate) fn note(
    plan: &Plan,
    found: Option<&Authentication>,
    metadata: &[(String, Json)],
) -> Option<String> {
    if !ANY.load(Ordering::Acquire) {
        return None;
    }
    let noted = NOTED.load();
    let noted = noted.as_ref()?;
    let mut part = Object::default();
    match found {
        Some(Authentication { failure: Some(failure), rule, .. }) if !failure.without_token => {
            // Of all refusals only this one is told by a token that is none.
            if failure.missing.is_some() || failure.status != 401 || !is_bearer(plan, *rule) {
                return None;
            }
            part.text("token", REFUSED);
        }
        // A request has claims at the first place where a token is looked for, and where it stood is not told.
        Some(Authentication { payload: Some(_), rule, .. })
            if misreads(plan) || is_elsewhere(plan, *rule) =>
        {
            return None;
        }
        Some(Authentication { payload: Some(payload), .. }) => {
            let mut object = Object::default();
            for name in &noted.claims {
                if let Some(value) = payload.member(name) {
                    object.json(name, &value.write());
                }
            }
            part.json("claims", &object.end());
        }
        _ => {}
    }
    let mut object = Object::default();
    for (filter, value) in metadata {
        let mut entries = Object::default();
        for [_, key] in noted.metadata.iter().filter(|[of, _]| of == filter) {
            if let Some(value) = value.member(key) {
                entries.json(key, &value.write());
            }
        }
        object.json(filter, &entries.end());
    }
    if !metadata.is_empty() {
        part.json("metadata", &object.end());
    }
    let part = part.end();
    (part.len() <= LONGEST).then_some(part)
}

/// Whether the rule looks for tokens where everybody does.
fn is_bearer(plan: &Plan, rule: Option<usize>) -> bool {
    let place = rule_of(plan, rule).map(|rule| plan.authenticator().place(rule.issuer()));
    matches!(place, Some(Place::Header { name, prefix }) if name == "authorization" && prefix == "Bearer ")
}

/// A header is read with several prefixes, or with one that may stand within a token: what is right at one place is read
/// wrongly at another.
fn misreads(plan: &Plan) -> bool {
    let places: Vec<Place> = plan.authenticator().rules().flat_map(|rule| rule.places()).collect();
    let in_tokens = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let headers = || {
        places.iter().filter_map(|place| match place {
            Place::Header { name, prefix } => Some((name, prefix)),
            Place::Param(_) | Place::Cookie(_) => None,
        })
    };
    headers().any(|(name, prefix)| {
        let within = !prefix.is_empty() && prefix.bytes().all(in_tokens);
        within || headers().any(|(other, another)| other == name && another != prefix)
    })
}

/// A token that passed may have stood where others look than where a request's claims are put: other rules take it, or must
/// find one, and look in other places.
fn is_elsewhere(plan: &Plan, rule: Option<usize>) -> bool {
    let Some(own) = rule_of(plan, rule) else { return true };
    let places = own.places();
    let takes_it = |other: &AppliedRule<'_>| {
        other.is_required()
            || own.is_required()
            || other.issuer().is_empty()
            || other.issuer() == own.issuer()
    };
    plan.authenticator().rules().any(|other| takes_it(&other) && other.places() != places)
}

fn rule_of(plan: &Plan, rule: Option<usize>) -> Option<AppliedRule<'_>> {
    plan.authenticator().rules().find(|one| Some(one.index()) == rule)
}

/// A text that a request can have.
fn words(bytes: &[u8]) -> Result<&str, Untold> {
    let is_plain = |text: &&str| text.len() <= LONGEST && !text.contains(['\r', '\n', '\0']);
    core::str::from_utf8(bytes).ok().filter(is_plain).ok_or(Untold::NoWords)
}

impl Logger {
    /// A stream is over.
    pub(crate) fn log(&self, entry: &Entry<'_>) {
        let line = guard(|| {
            let mut line = Err(Untold::NotShown);
            entry.lines(&mut |headers| line = self.line(entry, headers));
            line
        });
        match line {
            Some(Ok(line)) => self.sink.write(&line),
            Some(Err(_)) => {
                UNTOLD.fetch_add(1, Ordering::Relaxed);
            }
            None => {}
        }
    }

    /// Writes what waits to be written.
    pub(crate) fn flush(&self) {
        if caught(|| self.sink.flush()).is_none() {
            log(Level::Error, "gnomon: the last requests were not written");
        }
    }

    /// The request as one line of JSON.
    fn line(&self, entry: &Entry<'_>, headers: &[Header<'_>]) -> Result<String, Untold> {
        let Attributes { needs, tokens, providers, .. } = &self.attributes;
        let mut request = Object::default();
        if !headers.is_empty() {
            self.http(entry, headers, &mut request)?;
        } else if !entry.is_request && was_decided_on(entry) {
            request.text("protocol", "tcp");
        } else {
            return Err(Untold::NotShown);
        }
        self.addresses(entry, &mut request)?;
        if needs.sni
            && let Some(name) = entry.server_name()
        {
            request.text("sni", words(&name)?);
        }
        if !headers.is_empty() && (*tokens || needs.metadata) {
            let part = entry.metadata(NAMESPACE, REQUEST).ok_or(Untold::NotShown)?;
            let part = words(&part)?.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            request.members(part.ok_or(Untold::NotShown)?);
        }
        if needs.now
            && let Ok(now) = now()
        {
            request.json("time", &(now / 1_000_000_000).to_string());
        }
        if !providers.is_empty() {
            let answer = match entry.details().as_deref() {
                Some(b"ext_authz_denied") => "deny",
                Some(b"ext_authz_error") => "error",
                _ => "allow",
            };
            let mut answers = Object::default();
            providers.iter().for_each(|name| answers.text(name, answer));
            request.json("extAuthz", &answers.end());
        }
        Ok(request.end())
    }

    fn http(&self, entry: &Entry<'_>, headers: &[Header<'_>], request: &mut Object) -> Result<(), Untold> {
        if self.has_read_before_made || self.attributes.others {
            return Err(Untold::NotShown);
        }
        let value = |wanted: &[u8]| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let method = value(b":method").ok_or(Untold::NotShown)?;
        request.text("method", words(method)?);
        if let Some(path) = value(b":path") {
            if self.attributes.query && path.contains(&b'?') {
                return Err(Untold::Secret);
            }
            request.text("path", &self.path(path)?);
        }
        if let Some(host) = value(b":authority") {
            let host = words(host)?;
            if masks::authority(host.as_bytes()) != host {
                return Err(Untold::Secret);
            }
            request.text("host", host);
        }
        let mut written = Object::default();
        let wanted = self.attributes.headers.iter().filter(|name| !self.made.contains(name));
        // What makes a request another kind of request.
        let kind: &[&str] = match method {
            b"QUERY" => &["content-type"],
            b"OPTIONS" if self.attributes.tokens => &["origin", "access-control-request-method"],
            _ if self.attributes.headers.iter().any(|name| name == "upgrade") => &["connection"],
            _ => &[],
        };
        let kind = kind.iter().filter(|name| !self.attributes.headers.iter().any(|wanted| wanted == *name));
        let wanted = wanted.map(String::as_str).chain([":protocol"]).chain(kind.copied());
        for name in wanted {
            let lines = lines(headers, name)?;
            let is_secret =
                SECRET.contains(&name) || self.attributes.token_headers.iter().any(|at| at == name);
            if is_secret && !lines.is_empty() {
                return Err(Untold::Secret);
            }
            if name == FORWARDED_FOR && self.adds_peer {
                let peer = source(entry)?;
                let peer = words(&peer)?;
                let [line] = &lines[..] else { return Err(Untold::NotShown) };
                match line.strip_suffix(peer).ok_or(Untold::NotShown)? {
                    "" => {}
                    before => add(&mut written, name, &[before.strip_suffix(',').ok_or(Untold::NotShown)?]),
                }
                continue;
            }
            add(&mut written, name, &lines);
        }
        let is_free =
            |name: &&String| !self.attributes.headers.contains(name) && !SECRET.contains(&name.as_str());
        for name in self.more.iter().filter(is_free) {
            // Nothing depends on them.
            if let Ok(lines) = lines(headers, name) {
                add(&mut written, name, &lines);
            }
        }
        request.json("headers", &written.end());
        Ok(())
    }

    /// A path that the proxy makes this one of, without its query.
    fn path(&self, path: &[u8]) -> Result<String, Untold> {
        let seen = without_query(path);
        let shown = masks::path(seen);
        if shown.as_bytes() != seen {
            return Err(Untold::Secret);
        }
        words(seen)?;
        // What has been decoded once is encoded, so that it is decoded again.
        let again = shown.replace('%', "%25");
        let mut ways = [shown, again].into_iter();
        let leads_here = |way: &String| normalize(way.as_bytes(), &self.path).is_ok_and(|to| *to == *seen);
        ways.find(leads_here).ok_or(Untold::NoWords)
    }

    /// Who, from where, to where.
    fn addresses(&self, entry: &Entry<'_>, request: &mut Object) -> Result<(), Untold> {
        let Attributes { needs, .. } = &self.attributes;
        let mut source = Object::default();
        if needs.peer && entry.has_certificate() {
            // What a waypoint knows of the peer, no access logger is shown.
            let names = entry.uri_names();
            let ([name], false) = (&names[..], self.proxy == ProxyKind::Waypoint) else {
                return Err(Untold::NoWords);
            };
            source.text("principal", words(name)?);
        } else if needs.peer && self.proxy == ProxyKind::Waypoint {
            return Err(Untold::NotShown);
        }
        if needs.source_ip {
            source.text("ip", words(&self::source(entry)?)?);
        }
        request.json("source", &source.end());
        if needs.remote_ip {
            let (ip, _) = entry.address(Side::Remote).ok_or(Untold::NotShown)?;
            request.text("remoteIp", words(&ip)?);
        }
        if needs.destination_ip || needs.destination_port {
            let (ip, port) = entry.address(Side::Local).ok_or(Untold::NotShown)?;
            let mut destination = Object::default();
            destination.text("ip", words(&ip)?);
            destination.number("port", Some(port));
            request.json("destination", &destination.end());
        }
        Ok(())
    }
}

/// The address that the connection comes from.
fn source(entry: &Entry<'_>) -> Result<Vec<u8>, Untold> {
    let noted = entry.metadata(NAMESPACE, SOURCE);
    noted.or_else(|| Some(entry.address(Side::DirectRemote)?.0)).ok_or(Untold::NotShown)
}

/// Whether policies were asked about a connection. They are at its first bytes, which then go on to the last filter, or at
/// its end where it sent none: a refusal is told then. One without either may have been reset before it was decided on.
fn was_decided_on(entry: &Entry<'_>) -> bool {
    let refused = |details: Vec<u8>| {
        details == b"filter_chain_not_found" || matches!(enforced_tcp(&details), Enforced::Refused { .. })
    };
    entry.received() > 0 || entry.details().is_some_and(refused)
}

/// The lines of a header.
fn lines<'h>(headers: &[Header<'h>], name: &str) -> Result<Vec<&'h str>, Untold> {
    let of = headers.iter().filter(|(known, _)| *known == name.as_bytes());
    of.map(|(_, value)| words(value)).collect()
}

/// One line as a text, several as a list.
fn add(object: &mut Object, name: &str, lines: &[&str]) {
    match lines {
        [] => {}
        [line] => object.text(name, line),
        lines => object.json(name, &gnomon_shadow::write::list(lines)),
    }
}
