//! Two sets of policies for one workload, to be compared over all requests.
//!
//! From two compiled plans to the answer with a request for each direction: conditions, classes and diagrams included.

use gnomon_engine::{
    Attribute, Mesh, Plan, Workload,
    resource::{
        Action, AuthorizationPolicy, Condition, FieldSet, JwtRule, Match, Meta, RequestAuthentication,
        Resources, Rule, Target, Text,
    },
};
use gnomon_symbolic::{Kind, Limits, Side, compare};
use std::hint::black_box;

fn text(value: String) -> Text {
    Text { text: value, ..Text::default() }
}

fn values(values: impl IntoIterator<Item = String>) -> Match {
    Match { values: values.into_iter().map(text).collect(), not_values: Vec::new() }
}

/// A policy as one finds them: somebody may do something with a part of the interface; each twentieth denies.
fn policy(number: usize, changed: bool) -> AuthorizationPolicy {
    let deny = number % 20 == 7;
    let principal = format!("cluster.local/ns/team-{}/sa/client-{number}", number % 97);
    let methods = match number % 3 {
        0 => ["GET", "HEAD"],
        1 => ["POST", "PUT"],
        _ => ["GET", "DELETE"],
    }
    .map(String::from);
    let path = if changed { format!("/api/v2/{number}/*") } else { format!("/api/v1/{number}/*") };
    let mut rule = Rule::default();
    rule.from.push(match number % 5 {
        0 => FieldSet::of([(Attribute::Namespace, values([format!("team-{}", number % 97)]))]),
        _ => FieldSet::of([(Attribute::Principal, values([principal]))]),
    });
    let mut operation =
        FieldSet::of([(Attribute::Method, values(methods)), (Attribute::Path, values([path]))]);
    if number.is_multiple_of(7) {
        operation.set(Attribute::Port, values([format!("{}", 8000 + number % 13)]));
    }
    if number.is_multiple_of(11) {
        operation.set(
            Attribute::Path,
            Match {
                values: operation.get(Attribute::Path).values.clone(),
                not_values: vec![text(format!("/api/v1/{number}/internal/*"))],
            },
        );
    }
    rule.to.push(operation);
    if number.is_multiple_of(9) {
        rule.when.push(Condition {
            at: Default::default(),
            key: text("request.headers[x-tier]".into()),
            values: values([format!("tier-{}", number % 4)]),
        });
    }
    AuthorizationPolicy {
        meta: Meta { namespace: "shop".into(), name: format!("p{number}"), ..Meta::default() },
        target: Target::Namespace,
        action: if deny { Action::Deny } else { Action::Allow },
        provider: None,
        dry_run: false,
        rules: vec![rule],
    }
}

fn policies(count: usize, changed: impl Fn(usize) -> bool) -> Resources {
    let authorization = (0..count).map(|number| policy(number, changed(number))).collect();
    Resources { authorization, ..Resources::default() }
}

/// What the new side has otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One policy.
    One,
    /// Each tenth policy.
    EachTenth,
    /// A first RequestAuthentication. Nothing can be left aside: whoever sends a token of another issuer is refused now.
    Issuer,
}

/// All of them.
pub const CHANGES: [Change; 3] = [Change::One, Change::EachTenth, Change::Issuer];

impl Change {
    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Change::One => "one",
            Change::EachTenth => "each tenth",
            Change::Issuer => "a first RequestAuthentication",
        }
    }
}

/// Two sets, compiled.
#[derive(Debug)]
pub struct Pair {
    workload: Workload,
    mesh: Mesh,
    plans: [Plan; 2],
}

/// What came of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Of the diagram.
    pub nodes: usize,
    /// There is a request for each direction that has one.
    pub witnesses: usize,
}

/// So many policies, and the same with a change.
pub fn sides(count: usize, change: Change) -> [Resources; 2] {
    let changed = |number: usize| match change {
        Change::One => number == 1,
        Change::EachTenth => number % 10 == 1,
        Change::Issuer => false,
    };
    let (old, mut new) = (policies(count, |_| false), policies(count, changed));
    if change == Change::Issuer {
        new.request_authentication.push(request_authentication());
    }
    [old, new]
}

impl Pair {
    /// So many policies, and the same with a change, compiled.
    pub fn new(count: usize, change: Change) -> Pair {
        let [old, new] = sides(count, change);
        let workload = Workload { namespace: "shop".into(), ..Workload::default() };
        let mesh = Mesh::default();
        let plans = [&old, &new].map(|resources| Plan::build(resources, &workload, &mesh));
        Pair { workload, mesh, plans }
    }

    /// Compares. `None`: no difference, or a limit.
    pub fn compare(&self) -> Option<Compared> {
        let [old, new] =
            self.plans.each_ref().map(|plan| Side { plan, workload: &self.workload, mesh: &self.mesh });
        let comparison = compare(old, new, Kind::Http, Limits::default()).ok()??;
        let sets = [comparison.newly_allowed, comparison.newly_denied];
        let mut witnesses = 0;
        for point in sets.into_iter().filter_map(|set| comparison.space.cheapest(set)) {
            black_box(comparison.space.request(&point, Kind::Http));
            witnesses += 1;
        }
        Some(Compared { nodes: comparison.space.manager.len(), witnesses })
    }
}

fn request_authentication() -> RequestAuthentication {
    RequestAuthentication {
        meta: Meta { namespace: "shop".into(), name: "tokens".into(), ..Meta::default() },
        target: Target::Namespace,
        rules: vec![JwtRule {
            issuer: text("https://issuer.example.com".into()),
            jwks_uri: Some(text("https://issuer.example.com/keys".into())),
            ..JwtRule::default()
        }],
    }
}
