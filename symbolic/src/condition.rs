//! The rules of plans as data: what each condition looks at and which values it has, every value, condition and rule
//! stored once.
//!
//! Two rules that say the same have the same number, whatever policy they stand in and on whichever side of a
//! comparison.

use crate::{known::Known, patterns::expressions};
use alloc::{borrow::Cow, borrow::ToOwned, boxed::Box, format, string::String, vec, vec::Vec};
use gnomon_engine::order::sort_by;
use gnomon_engine::{
    attribute::Input,
    pattern::{Pattern, PeerPattern},
    plan::{Clause, IdentityPart, Matcher, PathPattern, Rule},
    sequences::Sequences,
    template::Segment,
};
use ipnet::IpNet;

/// What a condition looks at: an axis of the space of requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The method.
    Method,
    /// The path without its query.
    Path,
    /// `:authority`.
    Host,
    /// The lines of a header, by its name in lower case.
    Header(String),
    /// The name in the peer's certificate, with its scheme; absent: plaintext.
    Peer,
    /// The physical peer's address.
    SourceIp,
    /// The client's address.
    RemoteIp,
    /// The local address.
    DestinationIp,
    /// The local port.
    Port,
    /// The server name; empty: none.
    Sni,
    /// It is a CORS preflight, which the JWT stage lets pass.
    Preflight,
    /// The `iss` of the token; absent: there is no token.
    Issuer,
    /// Another claim, by the path through objects.
    Claim(Vec<String>),
    /// A text in dynamic metadata: filter and key.
    MetadataText(String, String),
    /// The elements of a list there.
    MetadataList(String, String),
    /// What a CUSTOM provider answers.
    Provider(String),
}

/// How a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// `*`.
    Any,
    /// The whole text.
    Exact,
    /// How it begins.
    Prefix,
    /// How it ends.
    Suffix,
    /// A path template, as written.
    Template,
    /// Parts, with a zero byte for `.*`.
    Glob,
    /// A trust domain with a wildcard, a zero byte in its place.
    TrustDomain,
    /// Namespace, a zero byte, service account.
    ServiceAccount,
    /// The same at ztunnel.
    Account,
    /// At ztunnel: the namespace itself, its beginning, its end, any.
    Namespace,
    /// See [`Form::Namespace`].
    NamespacePrefix,
    /// See [`Form::Namespace`].
    NamespaceSuffix,
    /// See [`Form::Namespace`].
    NamespaceAny,
    /// At ztunnel: any id of this trust domain.
    Own,
    /// A regular expression as old versions made them, of which everything is understood here.
    Expression,
    /// An audience, however written.
    Audience,
    /// Anything that is not empty.
    Filled,
}

/// A value of a condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value<'p> {
    /// A text.
    Text(Form, Cow<'p, [u8]>),
    /// A text, on the header itself: `:authority` with its case, `:path` with its query.
    Verbatim(Form, Cow<'p, [u8]>),
    /// Texts byte by byte; with `true` on the header itself, as [`Value::Verbatim`].
    Sequences(bool, &'p Sequences),
    /// A range of addresses.
    Net(IpNet),
    /// A port.
    Port(u16),
}

/// Any of some values on one axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Literal {
    /// The axis.
    pub axis: u32,
    /// Numbers of values, ascending.
    pub values: Box<[u32]>,
}

/// A condition: any of the alternatives, each of which is all of its literals or conditions; or the opposite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    /// The alternatives; none: it never holds.
    pub alternatives: Vec<Vec<Literal>>,
    /// More alternatives, each of which is all of its conditions.
    pub nested: Vec<Vec<Condition>>,
    /// The opposite.
    pub negated: bool,
    /// What of it cannot be said here.
    pub unsupported: Option<&'static str>,
}

/// A rule: any source, any operation, all conditions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleForm {
    /// Sources; none: any.
    pub from: Vec<Vec<Condition>>,
    /// Operations; none: any.
    pub to: Vec<Vec<Condition>>,
    /// Conditions.
    pub when: Vec<Condition>,
}

impl Condition {
    /// All of its literals.
    pub fn literals<'c>(&'c self, each: &mut impl FnMut(&'c Literal)) {
        self.alternatives.iter().flatten().for_each(&mut *each);
        for inner in self.nested.iter().flatten() {
            inner.literals(each);
        }
    }
}

impl RuleForm {
    /// All of its conditions.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.from.iter().chain(&self.to).flatten().chain(&self.when)
    }
}

/// Everything mentioned, each once.
#[derive(Debug, Default)]
pub struct Vocabulary<'p> {
    axes: Known<Subject, ()>,
    /// By number.
    pub subjects: Vec<Subject>,
    values: Vec<Known<Value<'p>, ()>>,
    /// By axis and number.
    pub known: Vec<Vec<Value<'p>>>,
    rules: Known<RuleForm, ()>,
    /// By number.
    pub forms: Vec<RuleForm>,
}

impl<'p> Vocabulary<'p> {
    /// The number of an axis.
    pub fn axis(&mut self, subject: Subject) -> u32 {
        if let Some(number) = self.find(&subject) {
            return number;
        }
        let number = narrow(self.subjects.len());
        self.subjects.push(subject.clone());
        self.values.push(Known::default());
        self.known.push(Vec::new());
        self.axes.insert(subject, ());
        number
    }

    /// The number of an axis that is there already.
    pub fn find(&self, subject: &Subject) -> Option<u32> {
        self.axes.find(subject).map(narrow)
    }

    /// Any of these values.
    pub fn literal(&mut self, subject: Subject, values: impl IntoIterator<Item = Value<'p>>) -> Literal {
        let axis = self.axis(subject);
        let mut numbers: Vec<u32> = values.into_iter().map(|value| self.value(axis, value)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Literal { axis, values: numbers.into() }
    }

    fn value(&mut self, axis: u32, value: Value<'p>) -> u32 {
        let (Some(numbers), Some(known)) =
            (self.values.get_mut(axis as usize), self.known.get_mut(axis as usize))
        else {
            return u32::MAX;
        };
        if let Some(number) = numbers.find(&value) {
            return narrow(number);
        }
        let number = narrow(known.len());
        known.push(value.clone());
        numbers.insert(value, ());
        number
    }

    /// The number of a rule.
    pub fn rule(&mut self, rule: &'p Rule) -> u32 {
        let groups = |vocabulary: &mut Vocabulary<'p>, groups: &'p [Box<[Clause]>]| -> Vec<Vec<Condition>> {
            groups.iter().map(|group| vocabulary.conditions(group)).collect()
        };
        let from = groups(self, &rule.from);
        let to = groups(self, &rule.to);
        let form = RuleForm { from, to, when: self.conditions(&rule.when) };
        if let Some(number) = self.rules.find(&form) {
            return narrow(number);
        }
        let number = narrow(self.forms.len());
        self.forms.push(form.clone());
        self.rules.insert(form, ());
        number
    }

    fn conditions(&mut self, clauses: &'p [Clause]) -> Vec<Condition> {
        let mut conditions: Vec<Condition> = clauses.iter().map(|clause| self.condition(clause)).collect();
        sort_by(&mut conditions, Ord::cmp);
        conditions
    }

    /// What a clause says.
    pub fn condition(&mut self, clause: &'p Clause) -> Condition {
        let (mut unsupported, mut nested) = (None, Vec::new());
        let alternatives = match clause.matcher() {
            Matcher::Peer(patterns) => {
                if patterns.iter().any(|pattern| peer(pattern).is_none()) {
                    unsupported = Some("a name that this Istio takes for a regular expression");
                }
                self.one(Subject::Peer, patterns.iter().filter_map(peer))
            }
            Matcher::Identity(part, patterns) => {
                self.one(Subject::Peer, patterns.iter().map(|pattern| identity(*part, pattern)))
            }
            Matcher::IdentityAccount(accounts) => {
                let account = |(namespace, name): &(Box<str>, Box<str>)| {
                    Value::Text(Form::Account, Cow::Owned(joined([namespace.as_bytes(), name.as_bytes()])))
                };
                self.one(Subject::Peer, accounts.iter().map(account))
            }
            Matcher::Ip(nets) => {
                let subject = match clause.attribute().map(|attribute| attribute.row().input) {
                    Some(Input::SourceIp) => Subject::SourceIp,
                    Some(Input::RemoteIp) => Subject::RemoteIp,
                    _ => Subject::DestinationIp,
                };
                self.one(subject, nets.iter().map(|net| Value::Net(net.trunc())))
            }
            Matcher::Port(ports) => self.one(Subject::Port, ports.iter().map(|port| Value::Port(*port))),
            Matcher::Text(patterns) => {
                let texts = patterns.iter().map(text);
                match clause.attribute().map(|attribute| attribute.row().input) {
                    Some(Input::Sni) => self.one(Subject::Sni, texts),
                    _ => {
                        let path: Vec<String> = clause.name().map(ToOwned::to_owned).collect();
                        match claim(path) {
                            Some(subject) => self.one(subject, texts),
                            None => Vec::new(),
                        }
                    }
                }
            }
            Matcher::Header(patterns) => {
                let name = clause.name().next().unwrap_or_default();
                match name {
                    ":method" => self.one(Subject::Method, patterns.iter().map(text)),
                    ":path" => self.one(Subject::Path, patterns.iter().map(verbatim)),
                    ":authority" => self.one(Subject::Host, patterns.iter().map(verbatim)),
                    _ => self.one(Subject::Header(name.to_owned()), patterns.iter().map(text)),
                }
            }
            Matcher::Host(patterns) => self.one(Subject::Host, patterns.iter().map(lower)),
            Matcher::Path(patterns) => self.one(Subject::Path, patterns.iter().filter_map(path)),
            Matcher::RequestPrincipal(pairs) => {
                let pair = |(iss, sub): &'p (Pattern, Pattern)| {
                    let subject = Subject::Claim(vec!["sub".into()]);
                    vec![self.literal(Subject::Issuer, [text(iss)]), self.literal(subject, [text(sub)])]
                };
                pairs.iter().map(pair).collect()
            }
            Matcher::Metadata(patterns) => {
                let mut name = clause.name().map(ToOwned::to_owned);
                let (filter, key) = (name.next().unwrap_or_default(), name.next().unwrap_or_default());
                let of = |list: bool| {
                    patterns
                        .iter()
                        .filter(move |(of_list, _)| *of_list == list)
                        .map(|(_, pattern)| text(pattern))
                };
                let mut found = self.one(Subject::MetadataText(filter.clone(), key.clone()), of(false));
                found.extend(self.one(Subject::MetadataList(filter, key), of(true)));
                found
            }
            Matcher::Sequences(all) => {
                let name = clause.name().next().unwrap_or_default();
                let (subject, verbatim) = match clause.attribute().map(|attribute| attribute.row().input) {
                    Some(Input::Peer) => (Subject::Peer, false),
                    Some(Input::Sni) => (Subject::Sni, false),
                    Some(Input::Path) => (Subject::Path, false),
                    _ => match name {
                        ":method" => (Subject::Method, false),
                        ":path" => (Subject::Path, true),
                        ":authority" => (Subject::Host, true),
                        _ => (Subject::Header(name.to_owned()), false),
                    },
                };
                self.one(subject, all.iter().map(|one| Value::Sequences(verbatim, one)))
            }
            Matcher::AnyOf(groups) => {
                nested = groups.iter().map(|group| self.conditions(group)).collect();
                Vec::new()
            }
            Matcher::Never => Vec::new(),
            _ => {
                unsupported = Some("a kind of condition that is newer than this analysis");
                Vec::new()
            }
        };
        Condition { alternatives, nested, negated: clause.is_negated(), unsupported }
    }

    /// One alternative with one literal; none where there are no values.
    fn one(&mut self, subject: Subject, values: impl IntoIterator<Item = Value<'p>>) -> Vec<Vec<Literal>> {
        let literal = self.literal(subject, values);
        if literal.values.is_empty() { Vec::new() } else { vec![vec![literal]] }
    }
}

/// Numbers are far below 2^32: policies come from manifests of limited size.
pub(crate) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The axis of a claim; `None`: Envoy takes no token in which it is a text or a list of texts.
fn claim(path: Vec<String>) -> Option<Subject> {
    match (path.first().map(String::as_str), path.len()) {
        (Some("iss"), 1) => Some(Subject::Issuer),
        (Some("exp" | "nbf" | "iat"), _) | (None, _) => None,
        (Some("iss" | "sub" | "jti"), 2..) => None,
        _ => Some(Subject::Claim(path)),
    }
}

fn parts(pattern: &Pattern) -> (Form, &[u8]) {
    match pattern {
        Pattern::Any => (Form::Any, b""),
        Pattern::Exact(text) => (Form::Exact, text),
        Pattern::Prefix(text) => (Form::Prefix, text),
        Pattern::Suffix(text) => (Form::Suffix, text),
    }
}

fn text(pattern: &Pattern) -> Value<'_> {
    let (form, text) = parts(pattern);
    Value::Text(form, Cow::Borrowed(text))
}

fn verbatim(pattern: &Pattern) -> Value<'_> {
    let (form, text) = parts(pattern);
    Value::Verbatim(form, Cow::Borrowed(text))
}

fn lower(pattern: &Pattern) -> Value<'_> {
    let (form, text) = parts(pattern);
    match text.iter().any(u8::is_ascii_uppercase) {
        true => Value::Text(form, Cow::Owned(text.to_ascii_lowercase())),
        false => Value::Text(form, Cow::Borrowed(text)),
    }
}

fn path(pattern: &PathPattern) -> Option<Value<'_>> {
    match pattern {
        PathPattern::Plain(pattern) => Some(text(pattern)),
        PathPattern::Template(template) => {
            let (head, tail) = template.parts()?;
            let mut written = Vec::new();
            for segment in head {
                written.push(b'/');
                match segment {
                    Segment::Literal(literal) => written.extend_from_slice(literal),
                    Segment::One => written.extend_from_slice(b"{*}"),
                }
            }
            if let Some(tail) = tail {
                written.extend_from_slice(b"/{**}");
                written.extend_from_slice(tail);
            }
            Some(Value::Text(Form::Template, Cow::Owned(written)))
        }
    }
}

fn peer(pattern: &PeerPattern) -> Option<Value<'_>> {
    Some(match pattern {
        PeerPattern::Present => Value::Text(Form::Any, Cow::Borrowed(b"")),
        PeerPattern::Name(name) => text(name),
        PeerPattern::Glob(glob) => Value::Text(Form::Glob, Cow::Owned(joined(glob.parts()))),
        PeerPattern::TrustDomain { prefix, suffix } => {
            Value::Text(Form::TrustDomain, Cow::Owned(joined([&prefix[..], &suffix[..]])))
        }
        PeerPattern::ServiceAccount { namespace, name } => {
            Value::Text(Form::ServiceAccount, Cow::Owned(joined([namespace.as_bytes(), name.as_bytes()])))
        }
        PeerPattern::Unquoted(unquoted) => {
            let expression = unquoted.expression();
            let simple = unquoted.fault().is_none() && expressions(expression).is_some();
            return simple.then_some(Value::Text(Form::Expression, Cow::Borrowed(expression.as_bytes())));
        }
    })
}

fn identity(part: IdentityPart, pattern: &Pattern) -> Value<'_> {
    let (form, text) = parts(pattern);
    let spiffe = |text: &[u8]| Cow::Owned([b"spiffe://", text].concat());
    match (part, form) {
        (IdentityPart::Principal, Form::Exact | Form::Prefix) => Value::Text(form, spiffe(text)),
        (IdentityPart::Principal, Form::Suffix) => Value::Text(Form::Glob, spiffe(&[b"\0", text].concat())),
        (IdentityPart::Principal, _) => Value::Text(Form::Any, Cow::Borrowed(b"")),
        (IdentityPart::Namespace, Form::Exact) => Value::Text(Form::Namespace, Cow::Borrowed(text)),
        (IdentityPart::Namespace, Form::Prefix) => Value::Text(Form::NamespacePrefix, Cow::Borrowed(text)),
        (IdentityPart::Namespace, Form::Suffix) => Value::Text(Form::NamespaceSuffix, Cow::Borrowed(text)),
        (IdentityPart::Namespace, _) => Value::Text(Form::NamespaceAny, Cow::Borrowed(b"")),
    }
}

fn joined<'t>(parts: impl IntoIterator<Item = &'t [u8]>) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.into_iter().collect();
    parts.join(&0)
}

impl Value<'_> {
    /// In Istio's notation, as far as it has one.
    pub fn written(&self) -> String {
        let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let bare = |text: &[u8]| lossy(text.strip_prefix(b"spiffe://").unwrap_or(text));
        match self {
            Value::Net(net) if net.prefix_len() == net.max_prefix_len() => format!("{}", net.addr()),
            Value::Net(net) => format!("{net}"),
            Value::Port(port) => format!("{port}"),
            Value::Sequences(_, sequences) => (*sequences.written).into(),
            Value::Text(form, text) | Value::Verbatim(form, text) => match form {
                Form::Any | Form::Filled => "*".into(),
                Form::Exact | Form::Template | Form::Audience => bare(text),
                Form::Expression => format!("/{}/", lossy(text)),
                Form::Prefix => bare(text) + "*",
                Form::Suffix => format!("*{}", lossy(text)),
                Form::Namespace => format!("namespace {}", lossy(text)),
                Form::NamespacePrefix => format!("namespace {}*", lossy(text)),
                Form::NamespaceSuffix => format!("namespace *{}", lossy(text)),
                Form::NamespaceAny => "namespace *".into(),
                Form::Own => format!("{}/ns/*/sa/*", lossy(text)),
                Form::Account | Form::ServiceAccount => lossy(text).replace('\0', "/"),
                Form::TrustDomain => lossy(text).replace('\0', "*"),
                Form::Glob => {
                    let text = bare(text);
                    let namespace = text.strip_prefix("\0/ns/").and_then(|text| text.strip_suffix("/\0"));
                    match namespace {
                        Some(namespace) => format!("namespace {}", namespace.replace('\0', "*")),
                        None => text.replace('\0', "*"),
                    }
                }
            },
        }
    }
}
