//! Route configurations, as far as they change what filters do: which route a request takes, and what each then has for a
//! filter.
//!
//! The virtual host is the one with the most specific domain: a whole one, then the longest `*.example.com`, then the
//! longest `example.*`, then `*`. Of its routes the first that matches is taken, and where none does, no other virtual
//! host is asked: Envoy answers 404.

use super::{
    OTHERS,
    chain::{Chain, Does},
    evaluation_context::EvaluationContext,
    expression::{Expression, template},
    fields::{Context, Place, Unread, get, is_true, list, same_field, text},
    locate::{type_of, unwrapped},
    rbac::Rbac,
    text::{Header, HeaderTest, Text},
};
use alloc::{boxed::Box, collections::BTreeMap, string::String, vec, vec::Vec};
use gnomon_engine::{
    node::{Node, Position},
    order,
    plan::Tri,
    verdict::{Missing, Stage},
};

/// The routes of a connection manager.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Routes {
    /// In the order in which their domains are asked, each with its virtual host.
    domains: Vec<(Expression, usize)>,
    /// The conditions of each virtual host's routes, with their numbers.
    hosts: Vec<Vec<(Expression, usize)>>,
    /// How many routes there are.
    count: usize,
}

/// Which route a request takes.
pub(super) enum Taken {
    Route(usize),
    /// Envoy answers 404.
    None,
    /// What that depends on.
    Unknown(Vec<Missing>),
}

impl Routes {
    pub(super) fn of(&self, context: &EvaluationContext<'_>) -> Taken {
        // Whichever is tried first, and that of which nobody can say whether it matches.
        fn first(all: &[(Expression, usize)], context: &EvaluationContext<'_>) -> Taken {
            for (condition, number) in all {
                match condition.matches(context) {
                    Tri::False => {}
                    Tri::True => return Taken::Route(*number),
                    Tri::Unknown => {
                        let mut missing = Vec::new();
                        condition.missing(context, &mut missing);
                        return Taken::Unknown(missing);
                    }
                }
            }
            Taken::None
        }
        match first(&self.domains, context) {
            Taken::Route(host) => first(self.hosts.get(host).map(Vec::as_slice).unwrap_or_default(), context),
            other => other,
        }
    }

    /// All cases in the order in which they are tried: conditions, and the route; `None`: there is none. The last has no
    /// condition.
    pub(super) fn cases(&self) -> Vec<(Vec<&Expression>, Option<usize>)> {
        let mut cases = Vec::new();
        for (domain, host) in &self.domains {
            for (condition, route) in self.hosts.get(*host).into_iter().flatten() {
                cases.push((vec![domain, condition], Some(*route)));
            }
            cases.push((vec![domain], None));
        }
        cases.push((Vec::new(), None));
        cases
    }
}

/// Applies a route configuration to the filters of its chain, from the number `from` on; where it changes none of them, it
/// is left aside.
pub(super) fn apply(node: &Node, place: &Place<'_>, from: usize, chain: &mut Chain, context: &mut Context) {
    let mut reader = Reader { routes: Vec::new(), known: Vec::new(), places: BTreeMap::new() };
    let outer = Changes::of(node, place, &[]);
    let hosts_place = place.field("virtualHosts");
    let hosts = list(node, "virtualHosts");
    let mut written = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        let place = hosts_place.index(index);
        let of_host = Changes::of(host, &place, &outer);
        let mut routes = Vec::new();
        let routes_place = place.field("routes");
        for (index, route) in list(host, "routes").iter().enumerate() {
            let place = routes_place.index(index);
            let changes = Changes::of(route, &place, &of_host);
            routes.push((route, index, reader.routes.len()));
            reader.add(route, changes, from, chain, context);
        }
        written.push((host, routes));
    }
    if reader.known.is_empty() {
        return;
    }
    if !OTHERS {
        for (filter, _) in reader.known {
            if let Some(filter) = chain.filters.get_mut(filter) {
                let why = "routes change this filter; which route a request takes is not evaluated";
                let unread = context.unread(place, node.at, why);
                filter.does = Does::Unread(filter.does.stage(), unread);
            }
        }
        return;
    }
    let ignores_port = get(node, "ignorePortInHostMatching").is_some_and(is_true);
    let mut domains: Vec<(u8, usize, Expression, usize)> = Vec::new();
    let mut found = Routes { domains: Vec::new(), hosts: Vec::new(), count: reader.routes.len() };
    let unusual = ["ignorePathParametersInPathMatching", "vhds"]
        .into_iter()
        .find_map(|field| get(node, field).map(|inner| (field, inner)))
        .map(|(field, inner)| {
            context.unread(&place.field(field), inner.at, "this choice of a route is not evaluated")
        });
    for (number, (host, routes)) in written.into_iter().enumerate() {
        let place = hosts_place.index(number);
        for domain in list(host, "domains").iter().filter_map(Node::as_str) {
            let (rank, condition) = self::domain(domain, ignores_port);
            domains.push((rank, domain.len(), condition, number));
        }
        let routes_place = place.field("routes");
        let mut conditions: Vec<(Expression, usize)> = routes
            .into_iter()
            .map(|(route, index, number)| (condition(route, &routes_place.index(index), context), number))
            .collect();
        let by_tree = get(host, "matcher").map(|tree| {
            context.unread(&place.field("matcher"), tree.at, "routes by a matcher are not evaluated")
        });
        if let Some(name) = by_tree.or(unusual.clone()) {
            conditions.insert(0, (Expression::Unread(name), 0));
        }
        found.hosts.push(conditions);
    }
    order::sort_by(&mut domains, |a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    found.domains = domains.into_iter().map(|(_, _, condition, host)| (condition, host)).collect();
    // Where each of the configurations has gone: they are numbered for each filter.
    let mut numbers = Vec::with_capacity(reader.known.len());
    for (filter, does) in reader.known {
        let Some(filter) = chain.filters.get_mut(filter) else { continue };
        filter.by_route.resize(found.count, None);
        numbers.push(filter.others.len());
        filter.others.push(does);
    }
    for (route, changes) in reader.routes.into_iter().enumerate() {
        for (filter, known) in changes {
            let entry = chain.filters.get_mut(filter).and_then(|filter| filter.by_route.get_mut(route));
            if let (Some(entry), Some(number)) = (entry, numbers.get(known)) {
                *entry = Some(*number);
            }
        }
    }
    chain.routes = Some(found);
}

/// What route configuration, virtual host and route have for filters, by name: the most specific counts.
struct Changes<'n> {
    name: &'n str,
    config: &'n Node,
    /// Where it stands.
    path: String,
}

impl<'n> Changes<'n> {
    fn of(node: &'n Node, place: &Place<'_>, outer: &[Changes<'n>]) -> Vec<Changes<'n>> {
        let field = "typedPerFilterConfig";
        let place = place.field(field);
        let mut found: Vec<Changes<'n>> = get(node, field)
            .and_then(Node::as_map)
            .unwrap_or_default()
            .iter()
            .map(|(key, config)| Changes { name: &key.name, config, path: place.key(&key.name).path() })
            .collect();
        for one in outer {
            if !found.iter().any(|inner| inner.name == one.name) {
                found.push(Changes { name: one.name, config: one.config, path: one.path.clone() });
            }
        }
        found
    }
}

struct Reader {
    /// What each route changes: the filter's number in the chain, and the number of what it does then.
    routes: Vec<Vec<(usize, usize)>>,
    /// The configurations, each read once for each filter.
    known: Vec<(usize, Does)>,
    /// By filter and place in memory: which of them it is.
    places: BTreeMap<(usize, usize), usize>,
}

impl Reader {
    fn add(
        &mut self,
        route: &Node,
        changes: Vec<Changes<'_>>,
        from: usize,
        chain: &Chain,
        context: &mut Context,
    ) {
        let mut found = Vec::new();
        let weighted = get(route, "route").and_then(|route| get(route, "weightedClusters"));
        for (number, filter) in chain.filters.iter().enumerate().skip(from) {
            let by_cluster = weighted.and_then(|weighted| {
                list(weighted, "clusters").iter().find_map(|cluster| {
                    let entries = get(cluster, "typedPerFilterConfig").and_then(Node::as_map)?;
                    entries.iter().find(|(key, _)| key.name == filter.name).map(|(_, config)| config)
                })
            });
            let change = changes.iter().find(|change| change.name == filter.name);
            let Some(config) = by_cluster.or(change.map(|change| change.config)) else { continue };
            let place = (number, core::ptr::from_ref(config).addr());
            if let Some(at) = self.places.get(&place) {
                found.push((number, *at));
                continue;
            }
            let does = match (by_cluster, change) {
                (None, Some(change)) => change.does(&filter.does, context),
                _ => {
                    let place = Place::ROOT.field("weightedClusters");
                    let why = "this filter goes by the cluster that is drawn; that is not evaluated";
                    Does::Unread(filter.does.stage(), context.unread(&place, config.at, why))
                }
            };
            let at = self.known.len();
            self.known.push((number, does));
            self.places.insert(place, at);
            found.push((number, at));
        }
        self.routes.push(found);
    }
}

impl Changes<'_> {
    /// What the filter does instead.
    fn does(&self, own: &Does, context: &mut Context) -> Does {
        let place = Place::ROOT.field(&self.path);
        let unread = |config: &Node, context: &mut Context| {
            let why = "what this route has for the filter is not evaluated";
            Does::Unread(own.stage(), context.unread(&place, config.at, why))
        };
        let off = |config: &Node| get(config, "disabled").is_some_and(is_true);
        let mut config = self.config;
        if type_of(config).ends_with("route.v3.FilterConfig") {
            if off(config) {
                return Does::Nothing(own.stage());
            }
            match get(config, "config") {
                Some(inner) if inner.as_map().is_some_and(|fields| !fields.is_empty()) => config = inner,
                _ => return unread(config, context),
            }
        }
        let kind = type_of(config);
        let inner = unwrapped(config);
        if kind.ends_with(".RBACPerRoute") {
            return match get(inner, "rbac") {
                Some(rbac) => Does::Rbac(Rbac::read(rbac, false, &place.field("rbac"), context)),
                None => Does::Nothing(own.stage()),
            };
        }
        match off(inner) {
            true => Does::Nothing(own.stage()),
            false => unread(config, context),
        }
    }
}

/// A domain: its rank among others, and the hosts that it takes.
fn domain(domain: &str, ignores_port: bool) -> (u8, Expression) {
    let lower = domain.to_ascii_lowercase();
    let bytes = |text: &str| text.as_bytes().to_vec();
    let (rank, inner) = match (lower.as_str(), lower.strip_prefix('*'), lower.strip_suffix('*')) {
        ("*", _, _) => return (3, Expression::Any(true)),
        (_, Some(end), _) => (1, Text::Suffix(bytes(end))),
        (_, _, Some(start)) => (2, Text::Prefix(bytes(start))),
        (whole, _, _) => (0, Text::Exact(bytes(whole))),
    };
    (rank, header(":authority", Text::Domain { inner: Box::new(inner), ignores_port }))
}

fn header(name: &str, test: Text) -> Expression {
    Expression::Header(Header {
        name: name.into(),
        test: HeaderTest::Text(test),
        invert: false,
        missing_is_empty: false,
        joins_lines: false,
    })
}

/// When a route matches.
fn condition(route: &Node, place: &Place<'_>, context: &mut Context) -> Expression {
    let place = place.field("match");
    let Some(matching) = get(route, "match") else {
        return Expression::Unread(context.unread(&place, route.at, "there is no match"));
    };
    let any_case = get(matching, "caseSensitive").is_some_and(|value| !is_true(value));
    let cased = |text: Text| if any_case { Text::IgnoringCase(Box::new(text)) } else { text };
    let mut all = Vec::new();
    for (key, inner) in matching.as_map().unwrap_or_default() {
        let here = place.field(&key.name);
        let is = |name: &str| same_field(&key.name, name);
        let bytes = || inner.as_str().unwrap_or_default().as_bytes().to_vec();
        if is("prefix") {
            all.push(Expression::Path(cased(Text::Prefix(bytes()))));
        } else if is("path") {
            all.push(Expression::Path(cased(Text::Exact(bytes()))));
        } else if is("safeRegex") {
            all.push(Expression::Path(Text::regex(inner, &here, context)));
        } else if is("pathSeparatedPrefix") {
            let below = [bytes(), b"/".to_vec()].concat();
            let both = [Text::Exact(bytes()), Text::Prefix(below)].map(|text| Expression::Path(cased(text)));
            all.push(Expression::Or(both.into()));
        } else if is("pathMatchPolicy") {
            all.push(match template(inner) {
                Some(template) => Expression::Template(template),
                None => Expression::Unread(context.unread(&here, inner.at, "this path is not evaluated")),
            });
        } else if is("connectMatcher") {
            let why = "routes of CONNECT are not evaluated";
            all.push(header(":method", Text::Exact(b"CONNECT".to_vec())));
            all.push(Expression::Unread(context.unread(&here, inner.at, why)));
        } else if is("headers") {
            for (index, item) in inner.as_list().unwrap_or_default().iter().enumerate() {
                all.push(match Header::read(item, &here.index(index), context) {
                    Ok(header) => Expression::Header(header),
                    Err(name) => Expression::Unread(name),
                });
            }
        } else if !is("caseSensitive") && inner.as_list().is_none_or(|items| !items.is_empty()) {
            let why = "this condition of a route is not evaluated";
            all.push(Expression::Unread(context.unread(&here, inner.at, why)));
        }
    }
    Expression::And(all)
}

/// No request has both, as far as that is easily told.
pub(super) fn disjoint(one: &Expression, other: &Expression) -> bool {
    match (one, other) {
        (Expression::And(items), other) | (other, Expression::And(items)) => {
            items.iter().any(|item| disjoint(item, other))
        }
        (Expression::Or(items), other) | (other, Expression::Or(items)) => {
            items.iter().all(|item| disjoint(item, other))
        }
        (Expression::Path(a), Expression::Path(b)) => apart(a, b),
        (Expression::Header(a), Expression::Header(b)) => {
            let single = a.name == b.name && [":method", ":authority"].contains(&a.name.as_str());
            let plain = |header: &Header| !header.invert && !header.missing_is_empty;
            match (&a.test, &b.test) {
                (HeaderTest::Text(x), HeaderTest::Text(y)) => single && plain(a) && plain(b) && apart(x, y),
                _ => false,
            }
        }
        _ => false,
    }
}

fn apart(a: &Text, b: &Text) -> bool {
    match (a, b) {
        (Text::Exact(a), Text::Exact(b)) => a != b,
        (Text::Exact(whole), Text::Prefix(start)) | (Text::Prefix(start), Text::Exact(whole)) => {
            !whole.starts_with(start)
        }
        (Text::Exact(whole), Text::Suffix(end)) | (Text::Suffix(end), Text::Exact(whole)) => {
            !whole.ends_with(end)
        }
        (Text::Prefix(a), Text::Prefix(b)) => !a.starts_with(b) && !b.starts_with(a),
        (Text::Suffix(a), Text::Suffix(b)) => !a.ends_with(b) && !b.ends_with(a),
        // Without the port, and in lower case.
        (Text::Domain { inner: a, .. }, Text::Domain { inner: b, .. }) => apart(a, b),
        _ => false,
    }
}

/// The route configurations of a dump, by name.
pub(super) fn named(document: &Node) -> Vec<(&str, &Node)> {
    let mut found = Vec::new();
    search(document, 8, &mut found);
    found
}

fn search<'n>(node: &'n Node, depth: usize, found: &mut Vec<(&'n str, &'n Node)>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    if let Some(items) = node.as_list() {
        items.iter().for_each(|item| search(item, depth, found));
        return;
    }
    if get(node, "virtualHosts").is_some() {
        found.extend(text(node, "name").map(|name| (name, node)));
        return;
    }
    for field in
        ["configs", "dynamicRouteConfigs", "staticRouteConfigs", "routeConfig", "routes", "resources"]
    {
        if let Some(inner) = get(node, field) {
            search(inner, depth, found);
        }
    }
}

/// A filter that is there for routes alone does nothing that could be told without them.
pub(super) fn missing(chain: &mut Chain, from: usize, name: &str, context: &mut Context) {
    let asks_for_nothing = |does: &Does| match does {
        Does::Nothing(_) => true,
        Does::Rbac(rbac) => rbac.rules.is_none() && rbac.shadow.is_none(),
        _ => false,
    };
    let filters = chain.filters.iter_mut().skip(from).filter(|filter| asks_for_nothing(&filter.does));
    for filter in filters {
        let why = "routes say what this filter does, and they are not in this document";
        let place = Place::ROOT.field("rds");
        let place = place.key(name);
        let unread: Unread = context.unread(&place, Position::default(), why);
        filter.does = Does::Unread(filter.does.stage(), unread);
    }
}

impl Does {
    /// Under which stage its verdicts are.
    pub(super) fn stage(&self) -> Stage {
        match self {
            Does::Rbac(_) => Stage::Allow,
            Does::Jwt(_) => Stage::Jwt,
            Does::ExtAuthz(_) => Stage::Custom,
            Does::Unread(stage, _) | Does::Nothing(stage) => *stage,
        }
    }
}
