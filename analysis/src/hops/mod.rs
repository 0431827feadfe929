//! A request on its way through an ingress gateway to a workload: each proxy with its verdict.
//!
//! What a gateway does with a request is read from VirtualServices, HTTPRoutes and DestinationRules, as far as it can be
//! decided; where it cannot, the way ends with the reason.

mod behind;
mod passage;
mod region;
mod request;
mod route;
mod tls;

pub use passage::{Passage, Passages, who_can};
pub(crate) use passage::{Senders, passages};

use gnomon_engine::{
    Mesh, Plan, Workload,
    jwt::Crypto,
    prepare::{Prepared, RequestSpec},
    resource::Resources,
    verdict::{Explanation, Outcome},
    workload::ProxyKind,
};
use gnomon_manifests::inventory::{Candidate, Inventory, Reached, Service};

/// What the way leads through.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The objects.
    pub inventory: &'a Inventory,
    /// The policies.
    pub resources: &'a Resources,
    /// The mesh.
    pub mesh: &'a Mesh,
    /// The clock, in seconds since 1970.
    pub now: i64,
    /// Checks signatures.
    pub crypto: &'a dyn Crypto,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("now", &self.now).finish_non_exhaustive()
    }
}

/// One proxy.
#[derive(Clone, Debug)]
pub struct Hop {
    /// `gateway istio-system/ingress`.
    pub name: String,
    /// The workload that it is, or stands before.
    pub workload: Workload,
    /// What led here, one sentence each: the route, the connection.
    pub how: Vec<String>,
    /// The request as it comes in.
    pub request: RequestSpec,
    /// What the policies say.
    pub explanation: Explanation,
}

/// The way of a request.
#[derive(Clone, Debug)]
pub struct Way {
    /// The proxies, in order.
    pub hops: Vec<Hop>,
    /// Why it ends before a workload, or what the last answer is.
    pub end: End,
}

/// How a way ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The last proxy lets it to the workload.
    Arrives,
    /// The last proxy refuses, or nobody knows whether it does.
    Refused,
    /// The gateway answers itself, has no route, or the connection fails.
    Stops(String),
    /// It cannot be decided.
    Undecided(String),
}

/// The gateways among the workloads.
pub fn gateways<'i>(inventory: &'i Inventory) -> Vec<Candidate<'i>> {
    let all = inventory.workloads().into_iter();
    all.filter(|one| one.workload.proxy == ProxyKind::Gateway && one.has_proxy).collect()
}

/// Follows a request from a gateway on.
pub fn follow(world: World<'_>, gateway: &Candidate<'_>, request: &RequestSpec) -> Way {
    follow_to(world, gateway, request, None)
}

/// As [`follow`]; where a rule has several destinations, to this workload.
fn follow_to(
    world: World<'_>,
    gateway: &Candidate<'_>,
    request: &RequestSpec,
    wanted: Option<&Workload>,
) -> Way {
    let mut way = Way { hops: Vec::new(), end: End::Arrives };
    let first = world.hop("gateway", &gateway.workload, request.clone(), Vec::new());
    let verdict = first.explanation.report.verdict;
    way.hops.push(first);
    if verdict != Outcome::Allow {
        way.end = End::Refused;
        return way;
    }
    match world.onward(gateway, request, wanted, &mut way) {
        Ok(()) => {
            let allowed = way.hops.last().is_some_and(|hop| hop.explanation.report.verdict == Outcome::Allow);
            way.end = if allowed { End::Arrives } else { End::Refused };
        }
        Err(end) => way.end = end,
    }
    way
}

/// How the port of a Service leads to a workload.
fn reached<'c, 'i>(one: &'c Candidate<'i>, service: &Service, port: u16) -> Option<&'c Reached<'i>> {
    one.reached.iter().find(|reached| {
        reached.service.meta.namespace == service.meta.namespace
            && reached.service.meta.name == service.meta.name
            && reached.port.number == port
    })
}

impl<'a> World<'a> {
    fn hop(&self, kind: &str, workload: &Workload, request: RequestSpec, how: Vec<String>) -> Hop {
        let plan = Plan::build(self.resources, workload, self.mesh);
        let prepared = Prepared::new(&request, plan.authenticator(), workload, self.mesh, self.now);
        let explanation = prepared.explain(&plan, self.crypto);
        Hop {
            name: format!("{kind} {}", workload.display_name()),
            workload: workload.clone(),
            how,
            request,
            explanation,
        }
    }

    /// From a gateway that lets the request pass to the workload.
    fn onward(
        &self,
        gateway: &Candidate<'_>,
        request: &RequestSpec,
        wanted: Option<&Workload>,
        way: &mut Way,
    ) -> Result<(), End> {
        let passed = request::passed(self, &gateway.workload, request);
        let led = route::route(self, gateway, &passed, wanted)?;
        let mut how = led.how;
        let service = led.service;
        let all = self.inventory.workloads();
        let behind: Vec<(&Candidate<'_>, &Reached<'_>)> =
            all.iter().filter_map(|one| Some((one, reached(one, service, led.port)?))).collect();
        let name = format!("{}/{}", service.meta.namespace, service.meta.name);
        let (target, reached) = match &behind[..] {
            [] => {
                return Err(End::Undecided(format!(
                    "no workload among the manifests is behind the Service {name}"
                )));
            }
            [only] => *only,
            [first, ..] => {
                let is_wanted = |(one, _): &&(&Candidate<'_>, _)| wanted == Some(&one.workload);
                let first = behind.iter().find(is_wanted).unwrap_or(first);
                let rest = behind.iter().filter(|(one, _)| one.workload != first.0.workload);
                let others: Vec<String> = rest.map(|(one, _)| one.workload.display_name()).collect();
                how.push(format!(
                    "{} is behind {name}, and so are {}",
                    first.0.workload.display_name(),
                    others.join(", ")
                ));
                *first
            }
        };
        let port = reached.target.ok_or_else(|| {
            End::Undecided(format!(
                "no container of {} has the Service's targetPort",
                target.workload.display_name()
            ))
        })?;
        let mut next = request::onward(self, request, &passed, led.request);
        let client = tls::Client { workload: &gateway.workload, port: led.port, subset: &led.subset };
        let connection = tls::connection(self, client, service, target, port);
        next.principal = connection.principal;
        how.extend(connection.how);
        if let Some(why) = connection.fails {
            return Err(End::Stops(why));
        }
        if let Some(waypoint) = self.ingress_waypoint(&all, service) {
            let mut at_waypoint = next.clone();
            at_waypoint.destination_port = Some(led.port);
            let allowed = {
                let hop = self.hop("waypoint", &waypoint.workload, at_waypoint, std::mem::take(&mut how));
                let allowed = hop.explanation.report.verdict == Outcome::Allow;
                way.hops.push(hop);
                allowed
            };
            if !allowed {
                return Ok(());
            }
            next = request::passed(self, &waypoint.workload, &next);
            next.principal = Some(tls::identity(&waypoint.workload, self.mesh));
            how.push(format!("the waypoint {} speaks for the caller", waypoint.workload.display_name()));
        }
        next.destination_port = Some(port);
        if !target.has_proxy {
            return Err(End::Stops(format!(
                "{} has no proxy, so that no policy is asked there",
                target.workload.display_name()
            )));
        }
        let kind = if target.workload.proxy == ProxyKind::Ztunnel {
            // What ztunnel sees are bytes.
            next.protocol = gnomon_engine::request::Protocol::Tcp;
            "ztunnel of"
        } else {
            "sidecar of"
        };
        way.hops.push(self.hop(kind, &target.workload, next, how));
        Ok(())
    }

    /// Is this workload behind the port of the Service?
    fn is_behind(&self, service: &Service, port: u16, workload: &Workload) -> bool {
        let all = self.inventory.workloads();
        all.iter().any(|one| one.workload == *workload && reached(one, service, port).is_some())
    }

    /// The waypoint that ingress goes through: where the Service or its namespace says so (`istio.io/ingress-use-waypoint`).
    fn ingress_waypoint<'c>(&self, all: &'c [Candidate<'c>], service: &Service) -> Option<&'c Candidate<'c>> {
        let namespace = self.inventory.namespaces.iter().find(|one| one.name == service.meta.namespace);
        let metas = || [Some(&service.meta), namespace].into_iter().flatten();
        let says = |key: &str| metas().find_map(|meta| meta.label(key));
        if says("istio.io/ingress-use-waypoint") != Some("true") {
            return None;
        }
        let name = says("istio.io/use-waypoint")?;
        let place = says("istio.io/use-waypoint-namespace").unwrap_or(&service.meta.namespace);
        all.iter().find(|one| {
            let labels = &one.workload.labels;
            let called = labels.iter().any(|(key, value)| key.ends_with("/gateway-name") && value == name);
            one.workload.proxy == ProxyKind::Waypoint
                && one.workload.namespace == place
                && (called || one.workload.name == name)
        })
    }
}
