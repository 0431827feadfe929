//! A side of a comparison, made ready: a plan for the library of sets, and what confirms its answers.

use super::{Problem, State};
use crate::imported::Proxy;
use gnomon_engine::{
    Mesh, Plan, Workload,
    jwt::Crypto,
    plan::Rule,
    prepare::{Prepared, ProxySettings, RequestSpec},
    request::Protocol,
    resource::{AuthorizationPolicy, Meta, Resources, ServiceObject},
    verdict::Report,
    versions,
    workload::ProxyKind,
};
use gnomon_envoy_config::import::{Reach, Scope};
use gnomon_symbolic::{Comparison, Kind, Limits, Side, compare_within};
use std::borrow::Cow;

/// What can be a side: what policies make of a workload, or what a proxy has loaded.
pub trait Source<'a>: Copy {
    /// Makes it ready; `beside`: the workload that policies on the other side are read for.
    ///
    /// # Errors
    ///
    /// [`Problem::Untranslated`].
    #[doc(hidden)]
    fn ready(self, beside: Option<&Workload>) -> Result<Ready<'a>, Problem>;

    /// The same with nothing in it but this ALLOW policy, and with tokens what it has for these.
    ///
    /// # Errors
    ///
    /// [`Problem::Untranslated`].
    #[doc(hidden)]
    fn allowing_only(self, policy: &AuthorizationPolicy, tokens: bool) -> Result<Ready<'a>, Problem>;

    /// The services among the policies.
    #[doc(hidden)]
    fn services(&self) -> &'a [ServiceObject];

    /// The workload, of policies.
    #[doc(hidden)]
    fn policies(&self) -> Option<&'a Workload>;
}

/// A side, made ready.
pub struct Ready<'a> {
    pub(crate) plan: Plan,
    pub(crate) workload: &'a Workload,
    pub(crate) mesh: &'a Mesh,
    /// Which protocols it is asked about: HTTP, TCP.
    pub(crate) kinds: [bool; 2],
    /// What a request needs to say that states no port.
    pub(crate) port: Option<u16>,
    /// It is about the filters alone, and not about the mTLS gate in front of them.
    pub(crate) behind_listener: bool,
    /// What is not asked about, as rules that match it; `None`: everything is.
    pub(crate) outside: Option<[Vec<Rule>; 2]>,
    /// What a request passes before it comes here, and for whom: only what all of these allow is asked about.
    pub(crate) before: Vec<(&'a Plan, &'a Workload)>,
    /// What answers single requests; `None`: the plan.
    pub(crate) proxy: Option<Answers<'a>>,
}

type Answers<'a> = Box<dyn Fn(&RequestSpec, i64, &dyn Crypto) -> Option<Report> + 'a>;

impl<'a> Source<'a> for State<'a> {
    fn ready(self, _: Option<&Workload>) -> Result<Ready<'a>, Problem> {
        Ok(Ready::of(Plan::build(&near(self), self.workload, self.mesh), self.workload, self.mesh))
    }

    fn allowing_only(self, policy: &AuthorizationPolicy, tokens: bool) -> Result<Ready<'a>, Problem> {
        let resources = Resources {
            authorization: vec![policy.clone()],
            request_authentication: match tokens {
                true => self.resources.request_authentication.clone(),
                false => Vec::new(),
            },
            services: self.resources.services.clone(),
            ..Resources::default()
        };
        Ok(Ready::of(Plan::build(&resources, self.workload, self.mesh), self.workload, self.mesh))
    }

    fn services(&self) -> &'a [ServiceObject] {
        &self.resources.services
    }

    fn policies(&self) -> Option<&'a Workload> {
        Some(self.workload)
    }
}

impl<'a> Source<'a> for Proxy<'a> {
    fn ready(self, beside: Option<&Workload>) -> Result<Ready<'a>, Problem> {
        let told = ProxySettings { proxy: beside.map(|workload| workload.proxy), ..self.told() };
        if matches!(told.proxy, Some(ProxyKind::Ztunnel | ProxyKind::Agentgateway)) {
            let why = "a ztunnel or an agentgateway beside the configuration of an Envoy";
            return Err(Problem::Untranslated(why.into()));
        }
        let scope = Scope {
            listener: self.listener,
            told: &told,
            believes_peers: self.workload.verifies_peers.unwrap_or(true),
            beside_policies: beside.is_some(),
        };
        let reach = self.imported.reach(scope).map_err(|why| Problem::Untranslated(why.to_string()))?;
        let Reach { plan, http, tcp, port, behind_listener, outside } = reach;
        Ok(Ready {
            plan,
            workload: self.workload,
            mesh: self.mesh,
            kinds: [http, tcp],
            port,
            behind_listener,
            outside: Some(outside),
            before: Vec::new(),
            proxy: Some(Box::new(move |spec, now, crypto| self.report(spec, now, crypto).ok())),
        })
    }

    fn allowing_only(self, policy: &AuthorizationPolicy, tokens: bool) -> Result<Ready<'a>, Problem> {
        let mut ready = self.ready(None)?;
        let [http, tcp] = compiled(policy.clone(), &[], self.workload, self.mesh);
        ready.plan.allow_only(http, tcp, tokens);
        let [http, tcp] = ready.outside.clone().unwrap_or_default();
        Ok(ready.also_denying(&http, &tcp))
    }

    fn services(&self) -> &'a [ServiceObject] {
        &[]
    }

    fn policies(&self) -> Option<&'a Workload> {
        None
    }
}

impl<'a> Ready<'a> {
    /// A plan that answers by itself, about everything.
    fn of(plan: Plan, workload: &'a Workload, mesh: &'a Mesh) -> Ready<'a> {
        Ready {
            plan,
            workload,
            mesh,
            kinds: [true; 2],
            port: None,
            behind_listener: false,
            outside: None,
            before: Vec::new(),
            proxy: None,
        }
    }

    /// A plan that is asked about requests as they come to a gateway.
    pub(crate) fn on_the_way(plan: Plan, gateway: &'a Workload, mesh: &'a Mesh) -> Ready<'a> {
        Ready::of(plan, gateway, mesh)
    }

    /// What is passed before.
    fn within(&self) -> Vec<Side<'_>> {
        let side = |(plan, workload): &(&'a Plan, &'a Workload)| Side { plan, workload, mesh: self.mesh };
        self.before.iter().map(side).collect()
    }

    /// The comparison with another side, of requests of this kind.
    pub(crate) fn compared<'s>(
        &'s self,
        new: &'s Ready<'_>,
        kind: Kind,
        limits: Limits,
    ) -> Result<Option<Comparison<'s>>, gnomon_symbolic::Undecided> {
        compare_within(self.side(), new.side(), &new.within(), kind, limits)
    }

    pub(crate) fn side(&self) -> Side<'_> {
        Side { plan: &self.plan, workload: self.workload, mesh: self.mesh }
    }

    /// It is what a proxy has loaded.
    pub(crate) fn is_loaded(&self) -> bool {
        self.outside.is_some()
    }

    /// Is it asked about these?
    pub(crate) fn has(&self, kind: Kind) -> bool {
        let [http, tcp] = self.kinds;
        if kind == Kind::Tcp { tcp } else { http }
    }

    /// What it says of a request; `None`: it does not come here.
    pub(crate) fn report(&self, spec: &RequestSpec, now: i64, crypto: &dyn Crypto) -> Option<Report> {
        if let Some(answers) = &self.proxy {
            return answers(spec, now, crypto);
        }
        let authenticator = self.plan.authenticator();
        let ready = match self.plan.loaded_settings() {
            Some(settings) => Prepared::at(spec, authenticator, settings, now),
            None => Prepared::new(spec, authenticator, self.workload, self.mesh, now),
        };
        Some(ready.report(&self.plan, crypto))
    }

    /// The same side with more that is denied; the plan itself then answers single requests.
    pub(crate) fn also_denying(mut self, http: &[Rule], tcp: &[Rule]) -> Ready<'a> {
        self.plan.also_deny(http, tcp);
        Ready { proxy: None, ..self }
    }
}

/// Before Istio 1.30 a configuration does not hold the provider's name: the cluster serves instead.
fn name_provider(loaded: &mut Plan, declared: &Plan) {
    if let (Some(name), false) = (declared.provider(), versions::names_providers(loaded.version())) {
        loaded.call_provider(name);
    }
}

/// Policies beside a configuration that does not say everything about connections.
fn restrict(plan: &mut Plan, [http, tcp]: &[Vec<Rule>; 2], behind_listener: bool) {
    plan.also_deny(http, tcp);
    if behind_listener {
        plan.forget_gate();
    }
}

/// The rules of one policy as they are compiled for a workload: for HTTP requests, for connections.
pub(crate) fn compiled(
    policy: AuthorizationPolicy,
    services: &[ServiceObject],
    workload: &Workload,
    mesh: &Mesh,
) -> [Vec<Rule>; 2] {
    let resources =
        Resources { authorization: vec![policy], services: services.to_vec(), ..Resources::default() };
    let plan = Plan::build(&resources, workload, mesh);
    [Protocol::Http, Protocol::Tcp].map(|protocol| {
        let stages = plan.stages(protocol);
        stages.iter().flat_map(|stage| stage.rules).cloned().collect()
    })
}

/// Both sides are asked about the same: what one of them is not asked about, policies deny.
pub(crate) fn agree_on_scope(a: &mut Ready<'_>, b: &mut Ready<'_>) -> Result<(), Problem> {
    let told = |outside: &[Vec<Rule>; 2]| format!("{outside:?}");
    match (&a.outside, &b.outside) {
        (Some(one), Some(other)) => {
            if told(one) != told(other) || a.kinds != b.kinds {
                let why = "two configurations that read different ports as HTTP and as TCP; choose a listener or a \
                           filter chain of each";
                return Err(Problem::Untranslated(why.into()));
            }
        }
        (Some(outside), None) => {
            restrict(&mut b.plan, outside, a.behind_listener);
            name_provider(&mut a.plan, &b.plan);
        }
        (None, Some(outside)) => {
            restrict(&mut a.plan, outside, b.behind_listener);
            name_provider(&mut b.plan, &a.plan);
        }
        (None, None) => {}
    }
    Ok(())
}

/// The policies that can apply to the workload, where there are many: those of its namespace and of the root namespace.
/// Only a waypoint is reached from elsewhere.
fn near(state: State<'_>) -> Cow<'_, Resources> {
    let all = state.resources;
    let count = all.authorization.len() + all.request_authentication.len() + all.peer_authentication.len();
    if count < 500 || state.workload.proxy == ProxyKind::Waypoint {
        return Cow::Borrowed(all);
    }
    let here = |meta: &Meta| {
        meta.namespace == state.workload.namespace || meta.namespace == state.mesh.root_namespace
    };
    Cow::Owned(Resources {
        authorization: all.authorization.iter().filter(|one| here(&one.meta)).cloned().collect(),
        request_authentication: all
            .request_authentication
            .iter()
            .filter(|one| here(&one.meta))
            .cloned()
            .collect(),
        peer_authentication: all.peer_authentication.iter().filter(|one| here(&one.meta)).cloned().collect(),
        services: all.services.clone(),
        unverified: all.unverified.clone(),
    })
}
