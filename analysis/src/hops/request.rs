//! The request as the next proxy gets it.

use super::World;
use gnomon_engine::{
    Plan, Workload,
    jwt::Edit,
    prepare::{Prepared, RequestSpec},
    request::Protocol,
};

/// What a proxy's own filters and its connection manager make of a request that passes: tokens taken out, headers written,
/// the path normalized.
pub(super) fn passed(world: &World<'_>, workload: &Workload, request: &RequestSpec) -> RequestSpec {
    let mut passed = request.clone();
    if request.protocol != Protocol::Http {
        return passed;
    }
    let plan = Plan::build(world.resources, workload, world.mesh);
    let authenticator = plan.authenticator();
    let prepared = Prepared::new(request, authenticator, workload, world.mesh, world.now);
    let crypto = prepared.vouching(world.crypto);
    let (edits, path) = prepared.with_request(|seen| {
        let path = seen.headers.iter().find(|(name, _)| *name == b":path");
        let path = path.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        (authenticator.authenticate(seen, &crypto).edits, path)
    });
    passed.path = path.unwrap_or(passed.path);
    for edit in edits {
        match edit {
            Edit::Remove(name) => {
                passed.headers.retain(|(sent, _)| !sent.eq_ignore_ascii_case(&name));
                if name == "authorization" {
                    (passed.token, passed.claims) = (None, None);
                }
            }
            Edit::Set(name, value) => {
                passed.headers.retain(|(sent, _)| !sent.eq_ignore_ascii_case(&name));
                passed.headers.push((name, String::from_utf8_lossy(&value).into_owned()));
            }
            Edit::Add(name, value) => {
                passed.headers.push((name, String::from_utf8_lossy(&value).into_owned()))
            }
            Edit::Path(path) => passed.path = String::from_utf8_lossy(&path).into_owned(),
        }
    }
    passed
}

/// Does a token that a proxy has checked go on?
pub(super) fn passed_token(plan: &Plan) -> bool {
    let rules: Vec<_> = plan.authenticator().rules().collect();
    let places = rules.iter().flat_map(|rule| rule.places());
    let mut places = places.filter(|place| rules.iter().any(|rule| rule.removes_from(place)));
    places.next().is_none()
}

/// What goes to the next proxy. `original`: as the gateway got it; `led`: with what the route changes.
pub(super) fn onward(
    world: &World<'_>,
    original: &RequestSpec,
    passed: &RequestSpec,
    led: RequestSpec,
) -> RequestSpec {
    let mut next = led;
    // An edge adds the peer's address to the header (`use_remote_address`), and a proxy behind it takes the last one.
    if let Some(source) = original.source_ip {
        let listed = passed.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
        let line = match listed {
            Some((_, before)) => format!("{before},{source}"),
            None => source.to_string(),
        };
        next.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-forwarded-for"));
        next.headers.push(("x-forwarded-for".into(), line));
    }
    next.source_ip = None;
    next.destination_ip = None;
    next.sni = None;
    next.metadata = Vec::new();
    next.time = Some(original.time.unwrap_or(world.now));
    next
}
