//! What answers requests: policies for a workload, or what a proxy has loaded.

use crate::imported::Proxy;
use gnomon_engine::{
    Mesh, Plan, Workload,
    attach::{Attachment, attachments},
    jwt::Crypto,
    prepare::{Prepared, RequestSpec},
    resource::Resources,
    verdict::{Explanation, Report},
};
use gnomon_envoy_config::import::Undecided;
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};

/// How many plans are kept at once: callers go over few workloads, mostly in turn.
const KEPT: usize = 96;

/// One of the two, for as many requests as there are.
#[derive(Clone, Copy, Debug)]
pub enum Evaluator<'a> {
    /// Policies, compiled for this workload.
    Policies {
        /// What was compiled.
        plan: &'a Plan,
        /// Whom the requests reach.
        workload: &'a Workload,
        /// The mesh around it.
        mesh: &'a Mesh,
    },
    /// A proxy's configuration as loaded.
    Loaded(Proxy<'a>),
}

impl Evaluator<'_> {
    /// The verdict, without the nearest miss. `now` is the clock, in seconds since 1970, of a request without `time`;
    /// `crypto` checks the signatures of real tokens.
    ///
    /// # Errors
    ///
    /// Which of a loaded configuration's filter chains is meant cannot be told; the text says what to add. Policies
    /// always answer.
    pub fn report(&self, spec: &RequestSpec, now: i64, crypto: &dyn Crypto) -> Result<Report, Undecided> {
        match self {
            Evaluator::Policies { plan, workload, mesh } => {
                Ok(Prepared::new(spec, plan.authenticator(), workload, mesh, now).report(plan, crypto))
            }
            Evaluator::Loaded(proxy) => proxy.report(spec, now, crypto),
        }
    }

    /// The verdict with all stages and the nearest miss, which only policies have. Slow: for people.
    ///
    /// # Errors
    ///
    /// As [`Evaluator::report`].
    pub fn explain(
        &self,
        spec: &RequestSpec,
        now: i64,
        crypto: &dyn Crypto,
    ) -> Result<Explanation, Undecided> {
        match self {
            Evaluator::Policies { plan, workload, mesh } => {
                Ok(Prepared::new(spec, plan.authenticator(), workload, mesh, now).explain(plan, crypto))
            }
            Evaluator::Loaded(proxy) => proxy.explain(spec, now, crypto),
        }
    }
}

/// The plans made last, by policies, workload and mesh.
#[derive(Debug, Default)]
pub struct Plans {
    kept: VecDeque<Arc<Planned>>,
}

/// A plan and what it was made of.
#[derive(Debug)]
pub struct Planned {
    resources: Arc<Resources>,
    workload: Arc<Workload>,
    mesh: Arc<Mesh>,
    plan: Plan,
    applying: OnceLock<usize>,
}

impl Plans {
    /// Finds the plan, or builds it. Policies are the same only as the same `Arc`: comparing them would cost more than
    /// a plan.
    pub fn plan(
        &mut self,
        resources: &Arc<Resources>,
        workload: &Arc<Workload>,
        mesh: &Arc<Mesh>,
    ) -> Arc<Planned> {
        let same = |kept: &&Arc<Planned>| {
            Arc::ptr_eq(&kept.resources, resources) && kept.workload == *workload && kept.mesh == *mesh
        };
        if let Some(kept) = self.kept.iter().find(same) {
            return kept.clone();
        }
        let planned = Arc::new(Planned {
            resources: resources.clone(),
            workload: workload.clone(),
            mesh: mesh.clone(),
            plan: Plan::build(resources, workload, mesh),
            applying: OnceLock::new(),
        });
        self.kept.push_front(planned.clone());
        self.kept.truncate(KEPT);
        planned
    }
}

impl Planned {
    /// What was compiled.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What answers requests with it.
    pub fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::Policies { plan: &self.plan, workload: &self.workload, mesh: &self.mesh }
    }

    /// How many of the policies apply to the workload.
    pub fn applying(&self) -> usize {
        *self.applying.get_or_init(|| {
            let attached = attachments(&self.resources, &self.workload, &self.mesh);
            attached.iter().filter(|(_, one)| matches!(one, Attachment::Applies(_))).count()
        })
    }
}
