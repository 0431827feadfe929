//! The space of requests that some conditions can tell apart: an axis for each subject, cut into classes.

use crate::{
    axis::{Axis, Code, Member},
    bdd::{Manager, Variable},
    condition::{Form, Subject, Value, Vocabulary, narrow},
    dimension::Dimension,
    domain::{self, Authorities, Ids, Names, Over, Paths, Utf8, Word},
    headers::{Presence, presence},
    kind::Kind,
    known::Known,
    numbers,
    patterns::{Around, patterns},
    text::{self, Class, Domain, TooMany},
    undecided::Undecided,
};
use alloc::{
    borrow::{Cow, ToOwned},
    string::String,
    vec,
    vec::Vec,
};
use gnomon_engine::order::sort_by;
use gnomon_engine::{jwt::Place, path::PathHandling, prepare::ProxySettings};
use ipnet::IpNet;

/// The axes, in the order of their variables, and the diagrams over them.
#[derive(Debug)]
pub struct Space {
    /// In the order of their variables.
    pub axes: Vec<Axis>,
    /// By number in the vocabulary: which axis; `None`: nothing that is used looks at it.
    pub by_number: Vec<Option<usize>>,
    /// The diagrams.
    pub manager: Manager,
}

/// What bears on which values there are.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// What is sent.
    pub kind: Kind,
    /// The connection manager's, and its ports.
    pub proxy: &'a ProxySettings,
    /// The mesh's own, for natural members.
    pub trust_domain: &'a str,
    /// Matchers see several lines of a header as one value; where only one side does, no header has several lines.
    pub joins_lines: bool,
    /// Path normalization removes segments such as `/..;x`, or there are none.
    pub strips_parameters: bool,
    /// Headers that the JWT stage reads or writes.
    pub of_tokens: &'a [String],
    /// Where it looks for tokens.
    pub token_places: &'a [Place],
}

/// How large it may become.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nodes of the diagrams.
    pub nodes: usize,
    /// States of the automaton that cuts texts into classes.
    pub states: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { nodes: 8_000_000, states: 2_000_000 }
    }
}

impl Space {
    /// Cuts the axes by the values that are used: for each axis of the vocabulary the numbers of its values, `None` for
    /// one that nothing looks at. `weight` says how often each is used: what is used most is decided first.
    ///
    /// # Errors
    ///
    /// What cannot be said, or is too large.
    pub fn build(
        vocabulary: &Vocabulary<'_>,
        used: &[Option<Vec<u32>>],
        weight: &[usize],
        setting: Setting<'_>,
        limits: Limits,
    ) -> Result<Space, Undecided> {
        let mut numbered: Vec<(usize, Axis)> = Vec::new();
        for (number, values) in used.iter().enumerate() {
            let (Some(values), Some(subject), Some(known)) =
                (values, vocabulary.subjects.get(number), vocabulary.known.get(number))
            else {
                continue;
            };
            numbered.push((number, axis(subject, values, known, setting, limits)?));
        }
        // The subject breaks ties, so that the order does not depend on that of the rules.
        sort_by(&mut numbered, |(a, x), (b, y)| {
            let weight = |number: &usize| weight.get(*number).copied().unwrap_or_default();
            let first = |axis: &Axis| axis.subject != Subject::Preflight;
            let order = first(x).cmp(&first(y)).then_with(|| weight(b).cmp(&weight(a)));
            order.then_with(|| x.subject.cmp(&y.subject))
        });
        let mut by_number = vec![None; vocabulary.subjects.len()];
        let mut first: Variable = 0;
        let mut axes = Vec::with_capacity(numbered.len());
        for (number, mut axis) in numbered {
            axis.place(first);
            first = axis.end();
            if let Some(entry) = by_number.get_mut(number) {
                *entry = Some(axes.len());
            }
            axes.push(axis);
        }
        Ok(Space { axes, by_number, manager: Manager::new(limits.nodes) })
    }

    /// The axis with this number in the vocabulary.
    pub fn axis(&self, number: u32) -> Option<&Axis> {
        self.axes.get((*self.by_number.get(number as usize)?)?)
    }
}

/// How a witness comes by the classes of an axis.
struct Texts {
    domains: Vec<alloc::boxed::Box<dyn Domain>>,
    preferred: Vec<String>,
    /// There may be none.
    optional: bool,
    set: bool,
    /// There may be one without the claim.
    tokens: bool,
    /// What lies in these is not considered.
    banned: Vec<Vec<u8>>,
}

impl Texts {
    fn of(domain: impl Domain + 'static) -> Texts {
        Texts {
            domains: vec![alloc::boxed::Box::new(domain)],
            preferred: Vec::new(),
            optional: false,
            set: false,
            tokens: false,
            banned: Vec::new(),
        }
    }

    fn preferring(self, texts: &[&str]) -> Texts {
        Texts { preferred: texts.iter().map(|text| (*text).to_owned()).collect(), ..self }
    }

    /// Members are taken from this domain where it has one.
    fn rather(mut self, domain: impl Domain + 'static) -> Texts {
        self.domains.insert(0, alloc::boxed::Box::new(domain));
        self
    }

    fn optional(self) -> Texts {
        Texts { optional: true, ..self }
    }

    fn set(self) -> Texts {
        Texts { set: true, ..self }
    }
}

fn axis(
    subject: &Subject,
    used: &[u32],
    known: &[Value<'_>],
    setting: Setting<'_>,
    limits: Limits,
) -> Result<Axis, Undecided> {
    let values: Vec<(u32, &Value<'_>)> =
        used.iter().filter_map(|number| Some((*number, known.get(*number as usize)?))).collect();
    match subject {
        Subject::SourceIp | Subject::RemoteIp | Subject::DestinationIp => {
            Ok(addresses(subject, &values, known.len()))
        }
        Subject::Port => Ok(ports(&values, known.len(), setting)),
        Subject::Preflight => Ok(states(subject, 2)),
        Subject::Provider(_) => Ok(states(subject, 3)),
        _ => texts(subject, &values, known.len(), setting, limits),
    }
}

fn states(subject: &Subject, count: u32) -> Axis {
    Axis {
        subject: subject.clone(),
        members: (0..count).map(Member::State).collect(),
        matching: Vec::new(),
        costs: (0..count).map(|state| if state == 0 { 0 } else { 30 }).collect(),
        code: Code::One(Dimension::new(0, count)),
    }
}

fn addresses(subject: &Subject, values: &[(u32, &Value<'_>)], known: usize) -> Axis {
    let sets: Vec<Vec<IpNet>> = values
        .iter()
        .map(|(_, value)| match value {
            Value::Net(net) => vec![*net],
            _ => Vec::new(),
        })
        .collect();
    let found = numbers::addresses(&sets, *subject != Subject::RemoteIp);
    let members: Vec<Member> = found.members.into_iter().map(Member::Ip).collect();
    // IPv4 before IPv6.
    let costs = members.iter().enumerate().map(|(number, member)| match member {
        Member::Ip(ip) if ip.is_ipv6() => 4,
        _ => u32::from(number > 0) * 2,
    });
    numeric(subject, costs.collect(), members, found.matching, values, known)
}

fn ports(values: &[(u32, &Value<'_>)], known: usize, setting: Setting<'_>) -> Axis {
    let own: &[u16] = &[15000, 15001, 15006, 15008, 15020, 15021, 15090];
    let asked = |port: &u16| setting.proxy.proxy.is_none() || !own.contains(port);
    let sets: Vec<Vec<u16>> = values
        .iter()
        .map(|(_, value)| match value {
            Value::Port(port) if asked(port) => vec![*port],
            _ => Vec::new(),
        })
        .collect();
    let found = numbers::ports(&sets);
    let costs = found.members.iter().enumerate().map(|(number, _)| u32::from(number > 0));
    let costs = costs.collect();
    let members = found.members.into_iter().map(Member::Port).collect();
    numeric(&Subject::Port, costs, members, found.matching, values, known)
}

fn numeric(
    subject: &Subject,
    costs: Vec<u32>,
    members: Vec<Member>,
    matching: Vec<Vec<u32>>,
    values: &[(u32, &Value<'_>)],
    known: usize,
) -> Axis {
    let code = Code::One(Dimension::new(0, narrow(members.len())));
    let mut by_value = vec![None; known];
    for ((number, _), classes) in values.iter().zip(matching) {
        if let Some(entry) = by_value.get_mut(*number as usize) {
            *entry = Some(classes);
        }
    }
    Axis { subject: subject.clone(), members, matching: by_value, costs, code }
}

fn texts(
    subject: &Subject,
    values: &[(u32, &Value<'_>)],
    known: usize,
    setting: Setting<'_>,
    limits: Limits,
) -> Result<Axis, Undecided> {
    let verbatim =
        values.iter().any(|(_, value)| matches!(value, Value::Verbatim(..) | Value::Sequences(true, _)));
    let bytes = |byte: fn(u8) -> bool| {
        values.iter().any(|(_, value)| match value {
            Value::Text(_, text) | Value::Verbatim(_, text) => text.iter().any(|b| byte(*b)),
            Value::Sequences(_, of) => of.written.bytes().any(byte),
            _ => false,
        })
    };
    let beyond_ascii = bytes(|byte| !byte.is_ascii());
    let free = Utf8 { trimmed: false, beyond_ascii };
    let line = Utf8 { trimmed: true, beyond_ascii };
    let mut around = Around::default();
    let texts = match subject {
        // Its target is the host.
        Subject::Path if setting.kind == Kind::Connect => return Ok(nothing(subject, known)),
        Subject::Method if setting.kind == Kind::Connect => Texts::of(Word(b"CONNECT")),
        Subject::Host if setting.kind == Kind::Connect => {
            around.capitals = verbatim;
            Texts::of(Authorities { capitals: verbatim }).preferring(&["example.com:443"])
        }
        Subject::Method => {
            let usual = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
            Texts { banned: vec![b"CONNECT".to_vec()], ..Texts::of(Over::methods()) }.preferring(&usual)
        }
        Subject::Host => {
            around.capitals = verbatim;
            Texts::of(Over::hosts(verbatim)).rather(Names { ports: true }).preferring(&["example.com"])
        }
        Subject::Path => {
            around.queries = verbatim;
            let handling = PathHandling { strip_parameters: setting.strips_parameters, ..setting.proxy.path };
            let paths = Paths { handling, escapes: bytes(|byte| byte == b'%'), queries: verbatim };
            Texts::of(paths).preferring(&["/"])
        }
        Subject::Sni => Texts::of(Over::server_names()).rather(Names { ports: false }),
        Subject::Peer => {
            let mut texts = Texts::of(domain::Identities::any()).optional();
            texts.domains = Vec::new();
            for domain in domain::peers(setting.trust_domain) {
                texts.domains.push(alloc::boxed::Box::new(domain));
            }
            // Who asks so has ids of other forms.
            if values.iter().any(|(_, value)| matches!(value, Value::Sequences(..))) {
                texts.domains.push(alloc::boxed::Box::new(Ids));
            }
            texts
        }
        Subject::Header(name) => match presence(name, setting)? {
            Presence::Never => return Ok(nothing(subject, known)),
            Presence::Always => Texts::of(line).preferring(&["http", "https"]),
            Presence::Single => Texts::of(line).optional(),
            Presence::Lines => Texts::of(line).set(),
        },
        Subject::Issuer => {
            let texts = Texts::of(free).optional().preferring(&["https://other.example.com"]);
            Texts { tokens: true, ..texts }
        }
        Subject::MetadataText(..) => Texts::of(free).optional(),
        Subject::Claim(path) if matches!(path.as_slice(), [one] if one == "sub" || one == "jti") => {
            Texts::of(free).optional()
        }
        _ => Texts::of(free).set(),
    };
    cut(subject, values, known, around, &texts, setting, limits)
}

/// An axis on which nothing is ever there.
fn nothing(subject: &Subject, known: usize) -> Axis {
    Axis {
        subject: subject.clone(),
        members: vec![Member::Absent],
        matching: vec![Some(Vec::new()); known],
        costs: vec![0],
        code: Code::One(Dimension::new(0, 1)),
    }
}

fn cut(
    subject: &Subject,
    values: &[(u32, &Value<'_>)],
    known: usize,
    around: Around,
    texts: &Texts,
    setting: Setting<'_>,
    limits: Limits,
) -> Result<Axis, Undecided> {
    let mut all: Vec<text::Pattern> = Vec::new();
    // Whose each pattern is: the place of its value; behind all values those that are banned.
    let mut owners: Vec<u32> = Vec::new();
    for (place, (_, value)) in (0..).zip(values) {
        all.extend(patterns(subject, value, around));
        owners.resize(all.len(), place);
    }
    let banned = narrow(values.len());
    all.extend(texts.banned.iter().map(|text| text::Pattern::exact(text)));
    owners.resize(all.len(), banned);
    let mut classes = classes(&all, &owners, texts, limits.states)?;
    classes.retain(|class| class.matched_by.last() != Some(&banned));
    if texts.set {
        // An element that nothing matches makes no difference.
        classes.retain(|class| !class.matched_by.is_empty());
    }
    let mut matching = vec![None; known];
    for (number, _) in values {
        if let Some(entry) = matching.get_mut(*number as usize) {
            *entry = Some(Vec::new());
        }
    }
    for (number, class) in (0..).zip(&classes) {
        for place in &class.matched_by {
            let value = values.get(*place as usize).and_then(|(value, _)| matching.get_mut(*value as usize));
            if let Some(Some(of)) = value {
                of.push(number);
            }
        }
    }
    let costs = classes.iter().map(|class| cost(subject, class, &texts.preferred));
    let mut costs: Vec<u32> = costs.collect();
    let mut members: Vec<Member> = classes.into_iter().map(|class| Member::Text(class.member)).collect();
    if texts.tokens {
        members.push(Member::State(1));
        costs.push(40);
        members.extend(setting.token_places.iter().cloned().map(Member::Garbage));
        costs.resize(members.len(), 50);
    }
    if texts.optional {
        members.push(Member::Absent);
        costs.push(0);
    }
    let count = narrow(members.len());
    let code = if texts.set { Code::Set(0) } else { Code::One(Dimension::new(0, count)) };
    Ok(Axis { subject: subject.clone(), members, matching, costs, code })
}

/// The classes of the last domain by the values that match them, with members of the first domain that has one.
fn classes(
    all: &[text::Pattern],
    owners: &[u32],
    texts: &Texts,
    states: usize,
) -> Result<Vec<Class>, TooMany> {
    let preferred: Vec<&str> = texts.preferred.iter().map(String::as_str).collect();
    let mut found: Known<Vec<u32>, (usize, String)> = Known::default();
    for (rank, domain) in texts.domains.iter().enumerate() {
        for class in text::classes(all, &**domain, &preferred, states)?.classes {
            // Several patterns of one value are one.
            let mut matched_by: Vec<u32> = class
                .matched_by
                .iter()
                .filter_map(|pattern| owners.get(*pattern as usize).copied())
                .collect();
            matched_by.dedup();
            let better = |(known, member): &(usize, String)| {
                *known == rank
                    && (class.member.len() < member.len() || preferred.contains(&class.member.as_str()))
            };
            match found.get_mut(&matched_by) {
                None => {
                    found.insert(matched_by, (rank, class.member));
                }
                Some(known) if better(known) => *known = (rank, class.member),
                Some(_) => {}
            }
        }
    }
    let mut classes: Vec<Class> = found
        .into_entries()
        .into_iter()
        .map(|(matched_by, (_, member))| Class { member, matched_by })
        .collect();
    sort_by(&mut classes, |a, b| a.member.cmp(&b.member));
    Ok(classes)
}

/// What a class of texts costs in a witness.
fn cost(subject: &Subject, class: &Class, preferred: &[String]) -> u32 {
    // That there is no token is the usual case.
    if *subject != Subject::Issuer
        && let Some(at) = preferred.iter().position(|text| *text == class.member)
    {
        return narrow(at);
    }
    // Nobody sends an empty text but to show a point.
    let length = if class.member.is_empty() { 30 } else { narrow(class.member.len().min(1_000)) };
    match subject {
        Subject::Method => 10 + length,
        Subject::Sni if class.member.is_empty() => 0,
        Subject::Peer => 20 + length,
        _ => 10 + length,
    }
}

/// A value that no policy has, for what belongs to the stages themselves.
pub(crate) fn plain(form: Form, text: &str) -> Value<'static> {
    Value::Text(form, Cow::Owned(text.as_bytes().to_vec()))
}
