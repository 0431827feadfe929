//! A suite drafted from policies: for each rule a request that it decides, and one beside it that fares otherwise.
//!
//! The requests come from the exact comparison of the policies with and without the rule ([`crate::diff`]), so each is one
//! that this very rule decides; a rule without any decides nothing, and is told as such.

use crate::{
    diff::{State, Witness, of_workload},
    workloads::Found,
};
use gnomon_engine::{
    Mesh, Plan,
    attach::{Attachment, Policy, attachments},
    jwt::Crypto,
    prepare::{Prepared, RequestSpec},
    request::Protocol,
    resource::{Action, AuthorizationPolicy, Resources},
    verdict::{Outcome, Report},
};
use gnomon_symbolic::Limits;

/// Diagrams of one rule's difference are small.
const LIMITS: Limits = Limits { nodes: 500_000, states: 200_000 };

/// A test of a suite.
#[derive(Clone, Debug)]
pub struct Drafted<'f> {
    /// `rule 0 of shop/orders allows`.
    pub name: String,
    /// For whom.
    pub workload: &'f Found,
    /// The request.
    pub request: RequestSpec,
    /// The verdict on it.
    pub report: Report,
    /// The policy's file.
    pub file: String,
    /// The rule's line.
    pub line: u32,
}

/// A rule for which there is no request.
#[derive(Clone, Debug)]
pub struct Undrafted {
    /// `rule 0 of shop/orders`.
    pub rule: String,
    /// Why.
    pub why: String,
}

/// Tests for each rule of each ALLOW and DENY policy, at the first workload that it applies to.
pub fn draft<'f>(
    resources: &Resources,
    workloads: &'f [Found],
    mesh: &Mesh,
    now: i64,
    crypto: &dyn Crypto,
) -> (Vec<Drafted<'f>>, Vec<Undrafted>) {
    let (mut drafted, mut without) = (Vec::new(), Vec::new());
    for (number, policy) in resources.authorization.iter().enumerate() {
        if !matches!(policy.action, Action::Allow | Action::Deny) || policy.dry_run {
            continue;
        }
        let reached = workloads.iter().find(|found| applies(policy, resources, found, mesh));
        for index in 0..policy.rules.len() {
            let rule = format!("rule {index} of {}/{}", policy.meta.namespace, policy.meta.name);
            let Some(found) = reached else {
                without.push(Undrafted {
                    rule,
                    why: "the policy reaches no workload that is known here".into(),
                });
                continue;
            };
            let mut less = resources.clone();
            if let Some(policy) = less.authorization.get_mut(number) {
                policy.rules.remove(index);
            }
            let asking = Asking { resources, workload: found, mesh, now, crypto };
            match asking.of_rule(&less, policy, index, &rule) {
                Ok(tests) => drafted.extend(tests),
                Err(why) => without.push(Undrafted { rule, why }),
            }
        }
    }
    (drafted, without)
}

fn applies(policy: &AuthorizationPolicy, resources: &Resources, found: &Found, mesh: &Mesh) -> bool {
    attachments(resources, &found.workload, mesh).iter().any(|(one, attachment)| {
        let same = matches!(one, Policy::Authorization(one) if std::ptr::eq(*one, policy));
        same && !matches!(attachment, Attachment::Not(_))
    })
}

struct Asking<'a, 'f> {
    resources: &'a Resources,
    workload: &'f Found,
    mesh: &'a Mesh,
    now: i64,
    crypto: &'a dyn Crypto,
}

impl<'f> Asking<'_, 'f> {
    fn of_rule(
        &self,
        less: &Resources,
        policy: &AuthorizationPolicy,
        index: usize,
        rule: &str,
    ) -> Result<Vec<Drafted<'f>>, String> {
        let workload = &self.workload.workload;
        let state = |resources| State { resources, workload, mesh: self.mesh };
        let changes = of_workload(state(less), state(self.resources), self.now, self.crypto, LIMITS)
            .map_err(|why| why.to_string())?;
        let (word, other_word, found) = match policy.action {
            Action::Allow => ("allows", "does not allow", changes.newly_allowed),
            _ => ("denies", "does not deny", changes.newly_denied),
        };
        let Some(Witness { request, new, .. }) = found else {
            return Err(
                "no request is decided by it alone: other rules decide the same, or it never matches".into(),
            );
        };
        let place = policy.rules.get(index).map_or(policy.meta.at.line, |rule| rule.at.line);
        let test = |name: String, request: RequestSpec, report: Report| Drafted {
            name,
            workload: self.workload,
            request,
            report,
            file: policy.meta.file.to_string(),
            line: place,
        };
        let verdict = new.verdict;
        let beside = self.beside(&request, verdict);
        let mut tests = vec![test(format!("{rule} {word}"), request, new)];
        tests.extend(
            beside
                .map(|(what, request, report)| test(format!("{rule} {other_word} {what}"), request, report)),
        );
        Ok(tests)
    }

    /// A request as near as can be that fares otherwise.
    fn beside(&self, request: &RequestSpec, verdict: Outcome) -> Option<(&'static str, RequestSpec, Report)> {
        let workload = &self.workload.workload;
        let plan = Plan::build(self.resources, workload, self.mesh);
        neighbours(request).into_iter().find_map(|(what, other)| {
            let prepared = Prepared::new(&other, plan.authenticator(), workload, self.mesh, self.now);
            let report = prepared.report(&plan, self.crypto);
            let otherwise =
                matches!(report.verdict, Outcome::Allow | Outcome::Deny) && report.verdict != verdict;
            otherwise.then_some((what, other, report))
        })
    }
}

/// The request with one thing changed, what people forget first.
fn neighbours(request: &RequestSpec) -> Vec<(&'static str, RequestSpec)> {
    let mut found: Vec<(&'static str, RequestSpec)> = Vec::new();
    let mut add = |what: &'static str, change: &dyn Fn(&mut RequestSpec)| {
        let mut other = request.clone();
        change(&mut other);
        if other != *request {
            found.push((what, other));
        }
    };
    if request.protocol == Protocol::Http {
        add("another path", &|one| one.path = format!("/elsewhere{}", one.path));
        add("the path / alone", &|one| one.path = "/".into());
        add("another method", &|one| {
            one.method = if one.method == "DELETE" { "PATCH" } else { "DELETE" }.into()
        });
        add("it without a token", &|one| (one.token, one.claims) = (None, None));
        add("another host", &|one| one.host = Some("elsewhere.example".into()));
        add("it without its headers", &|one| one.headers = Vec::new());
    }
    add("another caller", &|one| {
        one.principal = one.principal.is_some().then(|| "cluster.local/ns/elsewhere/sa/nobody".into());
    });
    add("plaintext", &|one| one.principal = None);
    add("another port", &|one| one.destination_port = one.destination_port.map(|port| port ^ 1));
    add("another address", &|one| {
        let other = [192, 0, 2, 1].into();
        one.source_ip = one.source_ip.map(|_| other);
        one.remote_ip = one.remote_ip.map(|_| other);
    });
    found
}
