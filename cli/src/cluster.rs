//! What a cluster has, read with the user's kubectl. The only verb is `get`.

use crate::{
    progress::Progress,
    sources::ClusterArgs,
    tool::{self, Failure},
};
use gnomon_engine::{Diagnostic, Position, Severity, decode::GROUP};
use gnomon_manifests::Loader;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How many calls run at once.
const AT_ONCE: usize = 4;
/// How many objects kubectl asks the cluster for at once.
const CHUNK: usize = 500;
/// Where the mesh's own policies and settings are, unless they say otherwise.
const ROOT_NAMESPACE: &str = "istio-system";

/// A kind as kubectl calls it.
struct Resource {
    name: &'static str,
    /// It is in no namespace.
    of_cluster: bool,
    /// It is read in the root namespace, too, and for MeshConfig only there.
    of_root: bool,
}

const fn resource(name: &'static str) -> Resource {
    Resource { name, of_cluster: false, of_root: false }
}

/// Everything that policies are about.
const RESOURCES: [Resource; 27] = [
    Resource { name: "authorizationpolicies.security.istio.io", of_cluster: false, of_root: true },
    Resource { name: "requestauthentications.security.istio.io", of_cluster: false, of_root: true },
    Resource { name: "peerauthentications.security.istio.io", of_cluster: false, of_root: true },
    Resource { name: "configmaps", of_cluster: false, of_root: true },
    Resource { name: "namespaces", of_cluster: true, of_root: false },
    resource("serviceaccounts"),
    resource("services"),
    resource("pods"),
    resource("replicationcontrollers"),
    resource("replicasets.apps"),
    resource("deployments.apps"),
    resource("statefulsets.apps"),
    resource("daemonsets.apps"),
    resource("jobs.batch"),
    resource("cronjobs.batch"),
    resource("gateways.networking.istio.io"),
    resource("virtualservices.networking.istio.io"),
    resource("destinationrules.networking.istio.io"),
    resource("serviceentries.networking.istio.io"),
    resource("wasmplugins.extensions.istio.io"),
    resource("gateways.gateway.networking.k8s.io"),
    Resource { name: "gatewayclasses.gateway.networking.k8s.io", of_cluster: true, of_root: false },
    resource("httproutes.gateway.networking.k8s.io"),
    resource("grpcroutes.gateway.networking.k8s.io"),
    resource("tlsroutes.gateway.networking.k8s.io"),
    resource("tcproutes.gateway.networking.k8s.io"),
    resource("envoyfilters.networking.istio.io"),
];

impl Resource {
    /// A policy: without these nothing can be said.
    fn decides(&self) -> bool {
        self.name.ends_with(GROUP)
    }
}

/// One call of kubectl.
struct Call {
    resource: &'static Resource,
    /// `None`: all of them.
    namespace: Option<String>,
}

impl Call {
    fn arguments(&self, args: &ClusterArgs) -> Vec<String> {
        let mut words: Vec<String> = ["get", self.resource.name, "--output=json"].map(str::to_owned).to_vec();
        words.push(format!("--chunk-size={CHUNK}"));
        words.push(format!("--request-timeout={}s", args.timeout));
        words.extend(args.context.as_ref().map(|context| format!("--context={context}")));
        match &self.namespace {
            _ if self.resource.of_cluster => {}
            Some(namespace) => words.push(format!("--namespace={namespace}")),
            None => words.push("--all-namespaces".to_owned()),
        }
        words
    }
}

/// Reads the cluster into the loader; what could not be read goes to `problems`: an error where it may decide.
pub(crate) fn read(
    loader: &mut Loader<'_>,
    args: &ClusterArgs,
    namespace: Option<&str>,
    problems: &mut Vec<Diagnostic>,
) {
    let calls = calls(namespace);
    let mut progress = Progress::new();
    let limit = Duration::from_secs(args.timeout);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut results = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(call) = calls.get(number) else { return results };
            results.push((number, tool::run("kubectl", &call.arguments(args), limit)));
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            let done = done.load(Ordering::Relaxed);
            progress.tell(|| format!("reading the cluster: {done} of {} lists", calls.len()));
            thread::sleep(Duration::from_millis(5));
        }
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    results.sort_by_key(|(number, _)| *number);
    drop(progress);
    let mut lacking = Lacking::default();
    for (number, result) in results {
        let Some(call) = calls.get(number) else { continue };
        match result {
            Ok(text) => {
                if let Err(why) = loader.cluster_list(&text) {
                    lacking.add(call, &format!("kubectl printed no list: {why}"), problems);
                }
            }
            Err(failure) => lacking.failed(call, &failure, problems),
        }
    }
    lacking.tell(problems);
}

fn calls(namespace: Option<&str>) -> Vec<Call> {
    let mut calls = Vec::new();
    for resource in &RESOURCES {
        let own = |namespace: Option<&str>| Call { resource, namespace: namespace.map(str::to_owned) };
        if resource.name == "configmaps" {
            calls.push(own(Some(ROOT_NAMESPACE)));
            continue;
        }
        calls.push(own(namespace));
        if resource.of_root && namespace.is_some_and(|namespace| namespace != ROOT_NAMESPACE) {
            calls.push(own(Some(ROOT_NAMESPACE)));
        }
    }
    calls
}

/// What could not be read.
#[derive(Default)]
struct Lacking {
    /// Kinds that the cluster does not have.
    absent: BTreeSet<&'static str>,
    /// Kinds that the user may not list, with where.
    forbidden: BTreeSet<String>,
    /// Something went wrong that goes wrong with every call.
    told: BTreeSet<String>,
}

impl Lacking {
    fn failed(&mut self, call: &Call, failure: &Failure, problems: &mut Vec<Diagnostic>) {
        let resource = call.resource;
        let said = failure.to_string();
        if said.contains("the server doesn't have a resource type")
            || said.contains("could not find the requested resource")
        {
            self.absent.insert(resource.name);
        } else if said.contains("Forbidden") || said.contains("forbidden:") {
            let place = match &call.namespace {
                _ if resource.of_cluster => String::new(),
                None => " in all namespaces".to_owned(),
                Some(namespace) => format!(" in {namespace}"),
            };
            if resource.decides() {
                let help = match call.namespace {
                    None => "ask for one namespace with -n NAMESPACE, or for the permission: get and list",
                    Some(_) => "ask for the permission: get and list",
                };
                let message = format!("you may not list {}{place}", resource.name);
                problems.push(problem(resource.name, message, help));
            } else {
                self.forbidden.insert(format!("{}{place}", resource.name));
            }
        } else {
            self.add(call, &said, problems);
        }
    }

    fn add(&mut self, call: &Call, said: &str, problems: &mut Vec<Diagnostic>) {
        // Of the many lines that a failed connection has the last one says what it is.
        let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(said).trim().to_owned();
        if self.told.insert(said.clone()) {
            problems.push(problem(call.resource.name, said, "`kubectl get` says the same"));
        }
    }

    fn tell(self, problems: &mut Vec<Diagnostic>) {
        let policies: Vec<&str> = RESOURCES.iter().filter(|one| one.decides()).map(|one| one.name).collect();
        if policies.iter().all(|name| self.absent.contains(name)) {
            let message = "this cluster has no kinds of Istio: nothing there decides over requests";
            problems.push(problem("the cluster", message.into(), "look at --context"));
        }
        if !self.forbidden.is_empty() {
            let list: Vec<String> = self.forbidden.into_iter().collect();
            let message = format!("you may not list {}: workloads or routes may be missing", list.join(", "));
            let mut told = problem("the cluster", message, "ask for the permission: get and list");
            told.severity = Severity::Warning;
            problems.push(told);
        }
    }
}

fn problem(place: &str, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "cluster",
        file: Arc::from(format!("kubectl get {place}").replace("kubectl get the cluster", "the cluster")),
        at: Position::default(),
        object: String::new(),
        field: String::new(),
        message,
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{RESOURCES, calls};
    use crate::sources::ClusterArgs;

    #[test]
    fn nothing_is_ever_written() {
        let args = ClusterArgs { context: Some("c".into()), timeout: 7, ..ClusterArgs::default() };
        for namespace in [None, Some("shop")] {
            for call in calls(namespace) {
                let words = call.arguments(&args);
                assert_eq!(words[0], "get", "{words:?}");
                assert!(
                    words.contains(&"--context=c".to_owned())
                        && words.contains(&"--request-timeout=7s".to_owned())
                );
            }
        }
    }

    #[test]
    fn policies_are_known() {
        let names: Vec<_> = RESOURCES.iter().filter(|one| one.decides()).map(|one| one.name).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }
}
