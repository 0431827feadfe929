//! Filter chains in one Envoy, each measured in turn with the others: a noisy machine is noisy for all of them.

use crate::words::policies;
use gnomon_engine::{Mesh, request::Protocol, resource::Resources};
use gnomon_envoy_config::export;
use gnomon_host_tests::{
    Bootstrap, Envoy, Error, Listener, RequestBytes, Result, filter,
    load::{self, Shot},
    measured,
    metrics::Scrape,
    process,
    tokens::{self, TestKey},
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const CONNECTIONS: usize = 16;
/// How long a chain is measured in each round, in milliseconds, where nothing else is said.
pub(crate) const SLICE: u64 = 2_500;
/// More than the filter keeps, so that hardly any of them is known when its turn comes again.
const TOKENS: usize = 4_096;

/// How many policies there are.
pub(crate) const COUNTS: [usize; 4] = [20, 150, 1_000, 5_000];
/// And for the module alone.
pub(crate) const MODULE_COUNTS: [usize; 3] = [20, 1_000, 5_000];

pub(crate) const NONE: &str = "no filter";
pub(crate) const NONE_TOKEN: &str = "no filter, a token";
pub(crate) const NATIVE_TOKEN: &str = "native jwt_authn and RBAC, 20 policies, a token";
pub(crate) const JWT_NONE: &str = "shadow filter with RequestAuthentication, 20 policies, no token";
pub(crate) const JWT_SEEN: &str = "the same, a token seen before";
pub(crate) const JWT_NEW: &str = "the same, new tokens";
pub(crate) const MODULE_JWT_NONE: &str = "native module with RequestAuthentication, 20 policies, no token";
pub(crate) const MODULE_JWT_SEEN: &str = "native module, a token seen before";
pub(crate) const MODULE_JWT_NEW: &str = "native module, new tokens";
pub(crate) const MODULE_EMPTY: &str = "native module, no policies";
pub(crate) const MODULE_STATE: &str = "native module, 20 policies, filter state for every request";

/// The title of Envoy's own RBAC filter with so many policies.
pub(crate) fn native(count: usize) -> String {
    format!("native RBAC, {}", policies(count))
}

/// The title of ours.
pub(crate) fn shadow(count: usize) -> String {
    format!("shadow filter, {}", policies(count))
}

/// The title of ours as a native module.
pub(crate) fn module(count: usize) -> String {
    format!("native module, {}", policies(count))
}

/// What one round brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Processor time of a request, in µs.
    pub(crate) cpu: f64,
    /// Requests a second.
    pub(crate) throughput: f64,
}

/// Median and 99th percentile of one round, in µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

/// One chain, and what is sent through it.
pub(crate) struct Chain {
    pub(crate) title: String,
    /// The chain without filters that gets the same requests.
    pub(crate) against: &'static str,
    /// Where it is; several may share one.
    listener: String,
    shots: Vec<Shot>,
    pub(crate) rounds: Vec<Round>,
    pub(crate) latencies: Vec<Latency>,
}

/// Envoy with all chains.
pub(crate) struct Chains {
    envoy: Envoy,
    pub(crate) all: Vec<Chain>,
}

/// What is looked at by title is there: both are written here.
fn missing(title: &str) -> Error {
    Error::new(format!("there is no chain `{title}`"))
}

fn authentication() -> Value {
    json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "jwt", "namespace": "shop"},
        "spec": {"jwtRules": [{"issuer": "me", "jwks": TestKey::RsaKid.jwks()}]},
    })
}

/// Signed one by one, all different.
fn signed(count: usize) -> Result<Vec<String>> {
    let claims = |number: usize| {
        json!({
            "iss": "me", "sub": format!("user-{number}"), "exp": tokens::now() + 3_600, "groups": ["staff", "shop"],
        })
    };
    (0..count).map(|number| tokens::sign(TestKey::RsaKid, &claims(number))).collect()
}

/// The listener of a chain: what stands in it is ours, of one kind or the other, or Envoy's.
struct Makes {
    wasm: PathBuf,
    so: PathBuf,
    with_jwt: Vec<Value>,
}

impl Makes {
    fn new() -> Result<Makes> {
        let with_jwt = [measured::manifests(20), vec![authentication()]].concat();
        Ok(Makes { wasm: filter::wasm()?, so: filter::module()?, with_jwt })
    }

    /// As users have it: what differs is logged, and there for access logs.
    fn ours(title: &str, artefact: &Path, manifests: &[Value], report: Value) -> Listener {
        let configuration = json!({"candidate": {"resources": manifests}, "report": report});
        Listener::http(title, vec![filter::http_filter(artefact, &configuration)])
    }

    fn shadow(&self, title: &str, manifests: &[Value]) -> Listener {
        Makes::ours(title, &self.wasm, manifests, json!({}))
    }

    fn module(&self, title: &str, manifests: &[Value]) -> Listener {
        Makes::ours(title, &self.so, manifests, json!({"filterState": "divergent"}))
    }

    fn envoys(title: &str, resources: &Resources) -> Listener {
        Listener::http(title, export(resources, &measured::workload(), &Mesh::default(), Protocol::Http))
    }
}

impl Chains {
    /// The filter, the module and Envoy's own filters.
    pub(crate) fn start() -> Result<Chains> {
        let makes = Makes::new()?;
        let list = json!({"apiVersion": "v1", "kind": "List", "items": makes.with_jwt});
        let mut listeners = vec![
            Listener::http(NONE, Vec::new()),
            makes.shadow(JWT_NONE, &makes.with_jwt),
            makes.module(MODULE_JWT_NONE, &makes.with_jwt),
            Makes::envoys(NATIVE_TOKEN, &measured::read(&list)),
        ];
        for count in COUNTS {
            listeners.push(Makes::envoys(&native(count), &measured::resources(count)));
            listeners.push(makes.shadow(&shadow(count), &measured::manifests(count)));
            listeners.push(makes.module(&module(count), &measured::manifests(count)));
        }
        let mut chains = Chains::with(listeners)?;
        let tokens = chains.tokens()?;
        let one = tokens.get(..1).unwrap_or_default();
        chains.add(NONE, NONE, NONE, 20, &[])?;
        for title in [native, shadow, module] {
            for count in COUNTS {
                chains.add(&title(count), NONE, &title(count), count, &[])?;
            }
        }
        chains.add(NONE_TOKEN, NONE_TOKEN, NONE, 20, one)?;
        chains.add(NATIVE_TOKEN, NONE_TOKEN, NATIVE_TOKEN, 20, one)?;
        chains.add(JWT_NONE, NONE, JWT_NONE, 20, &[])?;
        chains.add(JWT_SEEN, NONE_TOKEN, JWT_NONE, 20, one)?;
        chains.add(JWT_NEW, NONE_TOKEN, JWT_NONE, 20, &tokens)?;
        chains.add_module_tokens(&tokens)?;
        Ok(chains)
    }

    /// What the module is measured against, and nothing of WebAssembly: V8 has threads of its own.
    pub(crate) fn start_module() -> Result<Chains> {
        let makes = Makes::new()?;
        let mut listeners = vec![
            Listener::http(NONE, Vec::new()),
            makes.module(MODULE_JWT_NONE, &makes.with_jwt),
            makes.module(MODULE_EMPTY, &[]),
            Makes::envoys(&native(20), &measured::resources(20)),
            Makes::ours(MODULE_STATE, &makes.so, &measured::manifests(20), json!({"filterState": "all"})),
        ];
        for count in MODULE_COUNTS {
            listeners.push(makes.module(&module(count), &measured::manifests(count)));
        }
        let mut chains = Chains::with(listeners)?;
        let tokens = chains.tokens()?;
        chains.add(NONE, NONE, NONE, 20, &[])?;
        chains.add(&native(20), NONE, &native(20), 20, &[])?;
        chains.add(MODULE_EMPTY, NONE, MODULE_EMPTY, 20, &[])?;
        for count in MODULE_COUNTS {
            chains.add(&module(count), NONE, &module(count), count, &[])?;
        }
        chains.add(MODULE_STATE, NONE, MODULE_STATE, 20, &[])?;
        chains.add(NONE_TOKEN, NONE_TOKEN, NONE, 20, tokens.get(..1).unwrap_or_default())?;
        chains.add_module_tokens(&tokens)?;
        Ok(chains)
    }

    fn with(listeners: Vec<Listener>) -> Result<Chains> {
        let bootstrap = Bootstrap::new(&measured::workload(), listeners);
        let envoy = Envoy::start_with(|log| measured::bare(bootstrap.to_json(log)))?;
        Ok(Chains { envoy, all: Vec::new() })
    }

    fn tokens(&self) -> Result<Vec<String>> {
        eprintln!("signing {TOKENS} tokens");
        signed(TOKENS)
    }

    fn add_module_tokens(&mut self, tokens: &[String]) -> Result<()> {
        self.add(MODULE_JWT_NONE, NONE, MODULE_JWT_NONE, 20, &[])?;
        self.add(MODULE_JWT_SEEN, NONE_TOKEN, MODULE_JWT_NONE, 20, tokens.get(..1).unwrap_or_default())?;
        self.add(MODULE_JWT_NEW, NONE_TOKEN, MODULE_JWT_NONE, 20, tokens)
    }

    /// Full load on one chain, for whoever has a profiler at hand.
    pub(crate) fn load(&self, title: &str, time: Duration) -> Result<()> {
        let chain = self.get(title)?;
        println!("process {}, {title}", self.envoy.pid());
        let (tally, _) = load::run_for(self.envoy.address(&chain.listener)?, &chain.shots, CONNECTIONS, time);
        match tally.first {
            None => Ok(()),
            Some(what) => Err(Error::new(format!("{title}: {what}"))),
        }
    }

    /// What is sent is a request that only the last of so many policies allows, with each of these tokens in turn.
    fn add(
        &mut self,
        title: &str,
        against: &'static str,
        listener: &str,
        count: usize,
        tokens: &[String],
    ) -> Result<()> {
        let plain = RequestBytes::get(measured::path(count)).header("host", "web.shop");
        let with = |token: &String| plain.clone().header("authorization", format!("Bearer {token}"));
        let first = tokens.first().map_or_else(|| plain.clone(), with);
        let shot = Shot::learn(self.envoy.address(listener)?, &first)?;
        if shot.status() != "200" {
            return Err(Error::new(format!("{title} answers {}", shot.status())));
        }
        let mut shots = vec![shot.clone()];
        shots.extend(tokens.iter().skip(1).map(|token| shot.with_request(&with(token))));
        self.all.push(Chain {
            title: title.into(),
            against,
            listener: listener.into(),
            shots,
            rounds: Vec::new(),
            latencies: Vec::new(),
        });
        Ok(())
    }

    /// The chain with this title.
    pub(crate) fn get(&self, title: &str) -> Result<&Chain> {
        self.all.iter().find(|chain| chain.title == title).ok_or_else(|| missing(title))
    }

    /// As many requests as go through, from every chain in turn.
    pub(crate) fn measure(&mut self, rounds: usize, slice: u64) -> Result<()> {
        let Chains { envoy, all } = self;
        eprintln!(
            "{rounds} rounds of {slice} ms for each of {} chains, {CONNECTIONS} connections",
            all.len()
        );
        for round in 0..=rounds {
            for chain in &mut *all {
                let to = envoy.address(&chain.listener)?;
                // The first round warms up: V8 compiles what runs often.
                let time = Duration::from_millis(if round == 0 { 1_000 } else { slice });
                let before = process::cpu(envoy.pid())?;
                let (tally, took) = load::run_for(to, &chain.shots, CONNECTIONS, time);
                let spent = process::cpu(envoy.pid())?.saturating_sub(before);
                if let Some(what) = tally.first {
                    return Err(Error::new(format!("{}: {what}", chain.title)));
                }
                if round > 0 {
                    let requests = tally.requests.max(1) as f64;
                    let cpu = spent.as_secs_f64() * 1e6 / requests;
                    chain.rounds.push(Round { cpu, throughput: requests / took.as_secs_f64() });
                }
            }
            eprintln!("round {round} of {rounds}");
        }
        Ok(())
    }

    /// So many requests a second, and how long each takes.
    pub(crate) fn time(&mut self, titles: &[&str], per_second: f64, rounds: usize) -> Result<()> {
        let Chains { envoy, all } = self;
        eprintln!("the same at {per_second:.0} requests a second for {}", titles.join(", "));
        // Whoever asks must not take the core of who answers, or the wait for it would be in every figure.
        let apart = process::keep_to(envoy.pid(), 0).and_then(|()| process::keep_to(std::process::id(), 1));
        if let Err(error) = apart {
            eprintln!("client and server share their cores: {error}");
        }
        // Many short slices: what else the machine does now and then spoils a few of them.
        let slice = Duration::from_millis(SLICE / 3);
        for _ in 0..rounds * 3 {
            for title in titles {
                let chain =
                    all.iter_mut().find(|chain| chain.title == *title).ok_or_else(|| missing(title))?;
                let to = envoy.address(&chain.listener)?;
                let Some(shot) = chain.shots.first() else { continue };
                let took = load::paced(to, shot, CONNECTIONS, per_second, slice)?;
                let at = |share: usize| {
                    took.get(took.len() * share / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
                };
                chain.latencies.push(Latency { median: at(50), p99: at(99) });
            }
        }
        Ok(())
    }

    /// For other latencies to be measured.
    pub(crate) fn forget_latencies(&mut self) {
        self.all.iter_mut().for_each(|chain| chain.latencies.clear());
    }

    /// A filter that was skipped would look fast.
    pub(crate) fn evaluated(&self) -> Result<()> {
        let scrape = Scrape::read(&self.envoy.admin_get("/stats/prometheus")?);
        let agree = scrape.sum("gnomon_requests_agree_total").unwrap_or(0.0);
        let all: f64 = scrape.names("gnomon_requests_").into_iter().filter_map(|name| scrape.sum(name)).sum();
        if agree == 0.0 || agree < all {
            return Err(Error::new(format!(
                "the filter agreed on {agree} requests of {all}: not what was to be measured"
            )));
        }
        Ok(())
    }
}
