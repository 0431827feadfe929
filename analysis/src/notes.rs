//! What else mattered to a verdict: found by asking again with one thing changed.

use gnomon_engine::{
    Mesh, Plan, Workload,
    attribute::Input as From,
    jwt::{Crypto, Edit},
    prepare::{Prepared, RequestSpec},
    request::{Input, Protocol},
    resource::Resources,
    verdict::{Explanation, Outcome, Report, Stage},
    workload::{PathNormalization, ProxyKind},
};

/// A verdict, and what it was come to from.
#[derive(Clone, Copy)]
pub struct Judged<'a> {
    /// The policies.
    pub resources: &'a Resources,
    /// They, compiled for the workload.
    pub plan: &'a Plan,
    /// Whom the request reached.
    pub workload: &'a Workload,
    /// The mesh.
    pub mesh: &'a Mesh,
    /// The request.
    pub request: &'a RequestSpec,
    /// What was said of it.
    pub explanation: &'a Explanation,
    /// The clock, in seconds since 1970.
    pub now: i64,
    /// Checks signatures.
    pub crypto: &'a dyn Crypto,
}

impl std::fmt::Debug for Judged<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judged").field("request", self.request).finish_non_exhaustive()
    }
}

/// What the verdict owes to a step that people overlook, and what a request carries on. One sentence each, without a full
/// stop; never a part of a token.
///
/// - the path as the rules see it, where another normalization would give another verdict;
/// - a trust domain alias, likewise;
/// - where the client's address comes from, where a rule looks at it;
/// - a refused token in front of a rule that would let the request pass without one: no AuthorizationPolicy exempts a path
///   from the check of tokens (Istio, `RequestAuthentication`: a request with a wrong token is refused);
/// - of a request that passes, which headers are taken out of it and which are written.
pub fn notes(judged: Judged<'_>) -> Vec<String> {
    let found = [judged.path(), judged.alias(), judged.client_address(), judged.exempt(), judged.upstream()];
    found.into_iter().flatten().collect()
}

impl Judged<'_> {
    fn report(&self) -> &Report {
        &self.explanation.report
    }

    fn prepared(&self) -> Prepared<'_> {
        Prepared::new(self.request, self.plan.authenticator(), self.workload, self.mesh, self.now)
    }

    /// The verdict on another request, or in another mesh.
    fn instead(&self, request: &RequestSpec, mesh: &Mesh) -> Report {
        let plan = Plan::build(self.resources, self.workload, mesh);
        let ready = Prepared::new(request, plan.authenticator(), self.workload, mesh, self.now);
        ready.report(&plan, self.crypto)
    }

    fn differs(&self, other: &Report) -> bool {
        let own = self.report();
        (own.verdict, &own.policy, own.stage) != (other.verdict, &other.policy, other.stage)
    }

    fn path(&self) -> Option<String> {
        if self.request.protocol != Protocol::Http || self.mesh.path_normalization == PathNormalization::None
        {
            return None;
        }
        let seen = self.prepared().with_request(|request| {
            let path = request.headers.iter().find(|(name, _)| *name == b":path")?.1;
            Some(String::from_utf8_lossy(path).into_owned())
        })?;
        if seen == self.request.path {
            return None;
        }
        let raw = Mesh { path_normalization: PathNormalization::None, ..self.mesh.clone() };
        let other = self.instead(self.request, &raw);
        let path = seen.split('?').next().unwrap_or_default();
        self.differs(&other).then(|| {
            format!(
                "the proxy makes {path} of the path before any rule sees it; as it was sent, the verdict would be {}",
                said(&other)
            )
        })
    }

    fn alias(&self) -> Option<String> {
        let principal = self.request.principal.as_deref()?;
        let principal = principal.strip_prefix("spiffe://").unwrap_or(principal);
        let domain = principal.split('/').next().filter(|domain| *domain != self.mesh.trust_domain)?;
        if !self.mesh.trust_domain_aliases.iter().any(|alias| alias == domain) {
            return None;
        }
        let without = Mesh { trust_domain_aliases: Vec::new(), ..self.mesh.clone() };
        let other = self.instead(self.request, &without);
        self.differs(&other).then(|| {
            format!(
                "{domain} counts as {} (trustDomainAliases); without that the verdict would be {}",
                self.mesh.trust_domain,
                said(&other)
            )
        })
    }

    fn client_address(&self) -> Option<String> {
        let rules = self.explanation.stages.iter().flat_map(|stage| &stage.rules);
        let mut checks = rules.flat_map(|rule| rule.from.iter().chain(&rule.to).flatten().chain(&rule.when));
        let is_remote = |field: &str| {
            gnomon_engine::attribute::FieldPath::parse(field)
                .is_some_and(|path| path.attribute.row().input == From::RemoteIp)
        };
        if self.request.protocol != Protocol::Http
            || self.request.remote_ip.is_some()
            || !checks.any(|check| is_remote(&check.field))
        {
            return None;
        }
        let line = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("x-forwarded-for").then(|| value.clone())
        };
        let forwarded = self.request.headers.iter().find_map(line)?;
        let remote = self.prepared().with_request(|request| match request.remote_ip {
            Input::Is(address) => Some(address),
            _ => None,
        })?;
        let hops = match self.mesh.num_trusted_proxies {
            // A sidecar and a waypoint do not ask who wrote the header (`use_remote_address: false`).
            _ if self.workload.proxy != ProxyKind::Gateway => {
                "behind the edge the header counts as it comes, and whoever can call the workload can write it".to_owned()
            }
            0 => "no proxy in front is trusted (numTrustedProxies)".to_owned(),
            1 => "one proxy in front is trusted (numTrustedProxies)".to_owned(),
            hops => format!("{hops} proxies in front are trusted (numTrustedProxies)"),
        };
        Some(match self.request.source_ip.is_some_and(|source| source.to_canonical() == remote) {
            true => format!(
                "the client IP is that of the connection, {remote}, and x-forwarded-for ({forwarded}) does not count: {hops}"
            ),
            false => format!("the client IP {remote} comes from x-forwarded-for ({forwarded}): {hops}"),
        })
    }

    fn exempt(&self) -> Option<String> {
        if self.report().stage != Stage::Jwt
            || self.report().verdict != Outcome::Deny
            || self.report().without_token
        {
            return None;
        }
        let mut without = self.request.clone();
        (without.token, without.claims) = (None, None);
        // Where it was in a header.
        let found: Vec<String> = self.plan.authenticator().reads_headers().map(str::to_owned).collect();
        without.headers.retain(|(name, _)| !found.iter().any(|read| read.eq_ignore_ascii_case(name)));
        let other = self.instead(&without, self.mesh);
        // Where no rule lets it pass, nobody meant to exempt it.
        let rule = other.policy.filter(|_| other.verdict == Outcome::Allow)?;
        Some(format!(
            "without a token {rule} lets it pass: an AuthorizationPolicy cannot exempt a path from the check of tokens, and a \
                 RequestAuthentication refuses a wrong one wherever it is sent"
        ))
    }

    fn upstream(&self) -> Option<String> {
        if self.report().verdict != Outcome::Allow || self.request.protocol != Protocol::Http {
            return None;
        }
        let prepared = self.prepared();
        let crypto = prepared.vouching(self.crypto);
        let authenticator = self.plan.authenticator();
        let edits = prepared.with_request(|request| authenticator.authenticate(request, &crypto).edits);
        let (mut removed, mut written, mut cut) = (Vec::new(), Vec::new(), false);
        for edit in edits {
            match edit {
                // A header that is also written is not gone.
                Edit::Remove(name) if self.sends(&name) => removed.push(name),
                Edit::Remove(_) => {}
                Edit::Set(name, _) | Edit::Add(name, _) => written.push(name),
                Edit::Path(_) => cut = true,
            }
        }
        removed.retain(|name| !written.contains(name));
        written.dedup();
        let mut parts = Vec::new();
        if !removed.is_empty() {
            parts.push(format!(
                "no header {}: the token is taken out, unless forwardOriginalToken is set",
                removed.join(", ")
            ));
        }
        if cut {
            parts.push("no token in the query".to_owned());
        }
        if !written.is_empty() {
            parts.push(format!("the header {} from the token's claims", written.join(", ")));
        }
        (!parts.is_empty()).then(|| format!("the workload gets {}", parts.join("; ")))
    }

    fn sends(&self, name: &str) -> bool {
        let listed = self.request.headers.iter().any(|(sent, _)| sent.eq_ignore_ascii_case(name));
        listed || name == "authorization" && (self.request.token.is_some() || self.request.claims.is_some())
    }
}

/// `ALLOW by ns[…]`, in words.
fn said(report: &Report) -> String {
    let word = match report.verdict {
        Outcome::Allow => "allow",
        Outcome::Deny => "deny",
        Outcome::Redirect => "redirect",
        Outcome::Unknown => "unknown",
    };
    match &report.policy {
        Some(policy) => format!("{word}, by {policy}"),
        None => word.to_owned(),
    }
}
