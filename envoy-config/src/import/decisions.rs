//! RBAC by a matcher (`xds.type.matcher.v3.Matcher`) in place of policies: conditions in order, each with its own action.
//!
//! The first condition that leads to an action decides. A matcher within a matcher that leads to none leaves the decision
//! to what comes behind it, as in the trees by which listeners choose a filter chain.

use super::{
    evaluation_context::EvaluationContext,
    expression::{Address, Expression, MAX_DEPTH, Metadata, cidr},
    fields::{Context, Fields, Place, Unread, get, is_true, list, text},
    locate::{type_of, unwrapped},
    rbac::{Action, Found},
    text::{Header, HeaderTest, Text, ValueTest},
};
use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::net::IpAddr;
use gnomon_engine::{
    node::{Node, Position},
    plan::Tri,
    verdict::Missing,
};
use ipnet::IpNet;

/// A matcher.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decisions {
    /// In the order in which they are asked; what is done where none of them decides comes last.
    entries: Vec<(Expression, Then)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Then {
    Act(Decision),
    Ask(Decisions),
}

/// What a matcher decides.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    /// `Action.name`, which is the id of the policy in Envoy's words.
    pub(super) name: String,
    pub(super) action: Action,
    /// The name that people know it by: that of the action's configuration, where its own only repeats the action.
    pub(super) called: String,
    pub(super) at: Position,
}

impl PartialEq for Decision {
    fn eq(&self, other: &Decision) -> bool {
        self.name == other.name && self.action == other.action && self.called == other.called
    }
}

/// What becomes of a request.
enum Outcome<'d> {
    Decided(&'d Decision),
    Undecided,
    /// The URI of a certificate was asked for, and there is no TLS: Envoy waits for it in vain, and nothing is decided.
    Starved,
}

impl Decisions {
    /// # Errors
    ///
    /// What of it is not evaluated.
    pub(super) fn read(node: &Node, place: &Place<'_>, context: &mut Context) -> Result<Decisions, Unread> {
        Decisions::nested(node, place, MAX_DEPTH, context)
    }

    fn nested(
        node: &Node,
        place: &Place<'_>,
        depth: usize,
        context: &mut Context,
    ) -> Result<Decisions, Unread> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(context.unread(place, node.at, "matchers nest too deeply"));
        };
        let mut entries = Vec::new();
        let mut fields =
            Fields::of(node).ok_or_else(|| context.unread(place, node.at, "this is no matcher"))?;
        if let Some(of) = fields.take("matcherList") {
            let place = place.field("matcherList");
            let place = place.field("matchers");
            for (index, matcher) in list(of, "matchers").iter().enumerate() {
                let place = place.index(index);
                let condition = match get(matcher, "predicate") {
                    Some(predicate) => self::predicate(predicate, &place.field("predicate"), depth, context),
                    None => unread(context, &place, matcher.at, "there is no predicate"),
                };
                let Some(then) = get(matcher, "onMatch") else {
                    return Err(context.unread(&place, matcher.at, "there is no onMatch"));
                };
                entries.push((condition, Then::read(then, &place.field("onMatch"), depth, context)?));
            }
        }
        if let Some(tree) = fields.take("matcherTree") {
            look_up(tree, &place.field("matcherTree"), depth, &mut entries, context)?;
        }
        if let Some(then) = fields.take("onNoMatch") {
            let then = Then::read(then, &place.field("onNoMatch"), depth, context)?;
            entries.push((Expression::Any(true), then));
        }
        match fields.rest().next() {
            Some((name, node)) => Err(context.unread(&place.field(name), node.at, "this is not evaluated")),
            None => Ok(Decisions { entries }),
        }
    }

    /// What the matcher says of a request: [`Found::Nothing`] where no entry decides, which refuses it.
    pub(super) fn first_match(&self, context: &EvaluationContext<'_>) -> Found<'_> {
        let (mut possible, mut missing) = (Vec::new(), Vec::new());
        let certain = self.ask(context, &mut possible, &mut missing);
        let refuses = |decision: Option<&Decision>| decision.is_none_or(|one| one.action == Action::Deny);
        let last = match certain {
            Outcome::Decided(decision) => Some(decision),
            Outcome::Undecided | Outcome::Starved => None,
        };
        if possible.iter().any(|one| refuses(Some(*one)) != refuses(last)) {
            return Found::Unknown(missing);
        }
        match last {
            Some(decision) => Found::Match(&decision.name, decision.action),
            None => Found::Nothing,
        }
    }

    /// Goes through the entries; `possible` gets those that may decide.
    fn ask<'d>(
        &'d self,
        context: &EvaluationContext<'_>,
        possible: &mut Vec<&'d Decision>,
        missing: &mut Vec<Missing>,
    ) -> Outcome<'d> {
        for (condition, then) in &self.entries {
            let Some(answer) = condition.settled(context) else { return Outcome::Starved };
            match answer {
                Tri::False => {}
                Tri::True => match then {
                    Then::Act(decision) => return Outcome::Decided(decision),
                    Then::Ask(inner) => match inner.ask(context, possible, missing) {
                        Outcome::Undecided => {}
                        other => return other,
                    },
                },
                Tri::Unknown => {
                    condition.missing(context, missing);
                    match then {
                        Then::Act(decision) => possible.push(decision),
                        Then::Ask(inner) => {
                            if let Outcome::Decided(decision) = inner.ask(context, possible, missing) {
                                possible.push(decision);
                            }
                        }
                    }
                }
            }
        }
        Outcome::Undecided
    }

    /// Every decision in order, each with all the conditions that lead to it.
    pub(super) fn flat(&self) -> Vec<(Vec<&Expression>, &Decision)> {
        let mut found = Vec::new();
        self.flatten(&[], &mut found);
        found
    }

    fn flatten<'d>(&'d self, outer: &[&'d Expression], found: &mut Vec<(Vec<&'d Expression>, &'d Decision)>) {
        for (condition, then) in &self.entries {
            let all = [outer, &[condition]].concat();
            match then {
                Then::Act(decision) => found.push((all, decision)),
                Then::Ask(inner) => inner.flatten(&all, found),
            }
        }
    }

    /// It looks at a header, of which a matcher sees several lines as one value.
    pub(super) fn joins_lines(&self) -> bool {
        self.entries.iter().any(|(condition, then)| {
            condition.joins_lines() || matches!(then, Then::Ask(inner) if inner.joins_lines())
        })
    }
}

impl Then {
    fn read(then: &Node, place: &Place<'_>, depth: usize, context: &mut Context) -> Result<Then, Unread> {
        if get(then, "keepMatching").is_some_and(is_true) {
            return Err(context.unread(place, then.at, "keepMatching is not evaluated"));
        }
        if let Some(inner) = get(then, "matcher") {
            return Decisions::nested(inner, &place.field("matcher"), depth, context).map(Then::Ask);
        }
        let named = get(then, "action");
        let config = named.and_then(|action| get(action, "typedConfig"));
        let config = config.filter(|config| type_of(config).ends_with("rbac.v3.Action")).map(unwrapped);
        let action = config.and_then(|config| Action::read(get(config, "action")));
        match (config, action) {
            (Some(config), Some(action)) => {
                let name = text(config, "name").unwrap_or_default();
                let outer = named.and_then(|action| text(action, "name")).filter(|outer| !outer.is_empty());
                let called = outer.filter(|_| matches!(name, "" | "ALLOW" | "DENY" | "LOG")).unwrap_or(name);
                Ok(Then::Act(Decision { name: name.into(), action, called: called.into(), at: then.at }))
            }
            _ => Err(context.unread(place, then.at, "this is no action of RBAC")),
        }
    }
}

fn unread(context: &mut Context, place: &Place<'_>, at: Position, why: &str) -> Expression {
    Expression::Unread(context.unread(place, at, why))
}

/// A condition of a list.
fn predicate(node: &Node, place: &Place<'_>, depth: usize, context: &mut Context) -> Expression {
    let Some(depth) = depth.checked_sub(1) else {
        return unread(context, place, node.at, "matchers nest too deeply");
    };
    let many = |field: &'static str, inner: &Node, context: &mut Context| -> Vec<Expression> {
        let place = place.field(field);
        let place = place.field("predicate");
        let each = list(inner, "predicate").iter().enumerate();
        each.map(|(index, item)| predicate(item, &place.index(index), depth, context)).collect()
    };
    if let Some(inner) = get(node, "singlePredicate") {
        return single(inner, &place.field("singlePredicate"), context);
    }
    if let Some(inner) = get(node, "andMatcher") {
        return Expression::And(many("andMatcher", inner, context));
    }
    if let Some(inner) = get(node, "orMatcher") {
        return Expression::Or(many("orMatcher", inner, context));
    }
    match get(node, "notMatcher") {
        Some(inner) => {
            Expression::Not(Box::new(predicate(inner, &place.field("notMatcher"), depth, context)))
        }
        None => unread(context, place, node.at, "this condition is not evaluated"),
    }
}

/// What is looked at.
enum Looks {
    Header(String),
    Address(Address),
    Port,
    ServerName,
    UriSan,
    Metadata(String, Vec<String>),
}

impl Looks {
    fn at(node: &Node) -> Option<Looks> {
        let config = get(get(node, "input")?, "typedConfig")?;
        let inner = unwrapped(config);
        Some(match type_of(config).rsplit('.').next()? {
            "HttpRequestHeaderMatchInput" => Looks::Header(text(inner, "headerName")?.into()),
            "SourceIPInput" => Looks::Address(Address::Remote),
            "DirectSourceIPInput" => Looks::Address(Address::Source),
            "DestinationIPInput" => Looks::Address(Address::Destination),
            "DestinationPortInput" => Looks::Port,
            "ServerNameInput" => Looks::ServerName,
            "UriSanInput" => Looks::UriSan,
            "DynamicMetadataInput" => {
                let path: Option<Vec<String>> = list(inner, "path")
                    .iter()
                    .map(|step| text(step, "key").map(ToString::to_string))
                    .collect();
                Looks::Metadata(text(inner, "filter").unwrap_or_default().into(), path?)
            }
            _ => return None,
        })
    }

    /// The value is this text. `None`: a value of this kind is not compared so.
    fn compared(self, test: Text) -> Option<Expression> {
        let exact = |test: &Text| match test {
            Text::Exact(text) => String::from_utf8(text.clone()).ok(),
            _ => None,
        };
        Some(match self {
            Looks::Header(name) => Expression::Header(Header {
                name: gnomon_engine::headers::lookup_name(&name),
                test: HeaderTest::Text(test),
                invert: false,
                missing_is_empty: false,
                joins_lines: true,
            }),
            Looks::Address(which) => {
                let address: IpAddr = exact(&test)?.parse().ok()?;
                Expression::Address(which, IpNet::from(address))
            }
            Looks::Port => {
                let written = exact(&test)?;
                match written.parse::<u16>().ok().filter(|port| port.to_string() == written) {
                    Some(port) => Expression::Port(port.into(), u32::from(port) + 1),
                    None => Expression::Any(false),
                }
            }
            // Without one there is nothing to compare.
            Looks::ServerName => match test.matches(b"") {
                Tri::False => Expression::Sni(test),
                _ => Expression::And(vec![
                    Expression::Not(Box::new(Expression::Sni(Text::Exact(Vec::new())))),
                    Expression::Sni(test),
                ]),
            },
            Looks::UriSan => Expression::UriSan(test),
            Looks::Metadata(..) => return None,
        })
    }
}

/// One value, compared.
fn single(node: &Node, place: &Place<'_>, context: &mut Context) -> Expression {
    let Some(looks) = Looks::at(node) else {
        let at = get(node, "input").map_or(node.at, |input| input.at);
        return unread(context, &place.field("input"), at, "this input is not evaluated");
    };
    if let Some(wanted) = get(node, "valueMatch") {
        let place = place.field("valueMatch");
        let test = Text::read(wanted, &place, context);
        return looks
            .compared(test)
            .unwrap_or_else(|| unread(context, &place, wanted.at, "this comparison is not evaluated"));
    }
    let place = place.field("customMatch");
    let Some(custom) = get(node, "customMatch") else {
        return unread(context, &place, node.at, "there is nothing to compare with");
    };
    let Some(config) = get(custom, "typedConfig") else {
        return unread(context, &place, custom.at, "there is nothing to compare with");
    };
    let (kind, config) = (type_of(config), unwrapped(config));
    match looks {
        Looks::Address(which) if kind.ends_with("ip.v3.Ip") => {
            let ranges = list(config, "cidrRanges");
            let nets: Vec<IpNet> = ranges.iter().filter_map(cidr).collect();
            if nets.len() != ranges.len() || nets.is_empty() {
                return unread(context, &place, config.at, "these are no address ranges");
            }
            Expression::Or(nets.into_iter().map(|net| Expression::Address(which, net)).collect())
        }
        Looks::Metadata(filter, path) if kind.ends_with("metadata.v3.Metadata") => {
            let value = match get(config, "value") {
                Some(value) => ValueTest::read(value, &place.field("value"), MAX_DEPTH, context),
                None => ValueTest::Unread(context.unread(&place, config.at, "there is no value")),
            };
            let invert = get(config, "invert").is_some_and(is_true);
            Expression::Metadata(Metadata { filter, path, value, invert })
        }
        _ => unread(context, &place, custom.at, "this comparison is not evaluated"),
    }
}

/// The entries of a tree, the most specific first.
fn look_up(
    node: &Node,
    place: &Place<'_>,
    depth: usize,
    entries: &mut Vec<(Expression, Then)>,
    context: &mut Context,
) -> Result<(), Unread> {
    let input = |context: &mut Context| match Looks::at(node) {
        Some(looks) => Ok(looks),
        None => {
            let at = get(node, "input").map_or(node.at, |input| input.at);
            Err(context.unread(&place.field("input"), at, "this input is not evaluated"))
        }
    };
    for (field, make) in
        [("exactMatchMap", Text::Exact as fn(Vec<u8>) -> Text), ("prefixMatchMap", Text::Prefix)]
    {
        let Some(map) = get(node, field) else { continue };
        let place = place.field(field);
        let mut all: Vec<(&str, &Node)> = get(map, "map")
            .and_then(Node::as_map)
            .unwrap_or_default()
            .iter()
            .map(|(key, then)| (key.name.as_str(), then))
            .collect();
        gnomon_engine::order::sort_by(&mut all, |a, b| b.0.len().cmp(&a.0.len()));
        for (key, then) in all {
            let place = place.key(key);
            let condition = input(context)?
                .compared(make(key.as_bytes().to_vec()))
                .ok_or_else(|| context.unread(&place, then.at, "this comparison is not evaluated"))?;
            entries.push((condition, Then::read(then, &place, depth, context)?));
        }
        return Ok(());
    }
    Err(context.unread(place, node.at, "this form of a tree is not evaluated"))
}
