//! What the rules of an AuthorizationPolicy can look at: one table, a row per attribute.
//!
//! Everything that has to know an attribute reads its row: decoding and its checks, the differences between versions of
//! Istio, compilation for Envoy and for ztunnel, what a plan needs of a request, explanations, the export to Envoy's
//! configuration, the editor's completion, JSON Schema and the reference documentation. A new attribute that is read from
//! a place that is known here, with values of a kind that is known here, is one row of the table.
//!
//! The rows are those of istiod's generator (`pilot/pkg/security/authz/model/model.go`), in its order.

mod path;
mod prose;
mod table;

pub use path::{FieldPath, Written};
pub use prose::{Form, Prose};
pub use table::Attribute;

use crate::{verdict::RequestField, workload::IstioVersion};

/// What the engine knows of an attribute. Its descriptions for people are in [`Attribute::prose`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which half of a rule it belongs to: `from` (Envoy's principals) or `to` (Envoy's permissions). For keys of `when`
    /// that are no field, the half into which istiod puts them.
    pub part: Part,
    /// Its name as a field of `source` or `operation`, and that of its `not` twin; `None`: it is a key of `when` only.
    pub field: Option<(&'static str, &'static str)>,
    /// Its spelling as a key of `when`; `None`: it is a field only.
    pub key: Option<Key>,
    /// How its values are written and compared.
    pub kind: Kind,
    /// Where it is read from a request.
    pub input: Input,
    /// Of [`Input::Header`] and [`Input::Claim`]: which, where the key does not name it in brackets; else empty.
    pub name: &'static str,
    /// It exists on HTTP alone. On a TCP chain istiod drops an ALLOW rule that has it, and from other rules the
    /// condition.
    pub http_only: bool,
    /// A waypoint can see it. The condition of a waypoint that cannot is compiled and never holds.
    pub on_waypoint: bool,
    /// What ztunnel makes of it.
    pub ztunnel: Ztunnel,
    /// CUSTOM policies may have it; else istiod's admission refuses them.
    pub with_custom: bool,
    /// Istio takes it for something that a TCP connection has when it warns of DENY rules that hit all of TCP
    /// (`deny-blocks-tcp`). It forgets `trustDomains`, and so warns of those without reason.
    pub counts_on_tcp: bool,
    /// The most values that the CRD lets a list have; `None`: any number.
    pub most: Option<usize>,
    /// The release of Istio that brought it: major, minor, patch.
    pub since: (u16, u16, u16),
}

/// The two halves of a rule, as istiod divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `from[].source`: Envoy's principals.
    Source,
    /// `to[].operation`: Envoy's permissions.
    Operation,
}

impl Part {
    /// `from.source` or `to.operation`.
    pub fn path(self) -> &'static str {
        match self {
            Part::Source => "from.source",
            Part::Operation => "to.operation",
        }
    }
}

/// How `when` spells an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The whole key: `source.ip`.
    Whole(&'static str),
    /// What the key begins with, before a name in brackets: `request.headers[NAME]`. Istio recognizes these by their
    /// beginning alone: `request.headersX[a]` is one of them, and can never be built into a matcher.
    Bracketed(&'static str),
}

/// How values are written, checked and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Exact, `prefix*`, `*suffix`, or `*` for a value that is there and not empty.
    Text,
    /// The same for header lines, where `*` is presence: an empty value counts.
    Header,
    /// As [`Kind::Header`], without regard to ASCII case.
    Host,
    /// As [`Kind::Text`], or a template with `{*}` and `{**}`; the query is cut off before.
    Path,
    /// An address or a CIDR range.
    Cidr,
    /// A port, in decimal.
    Port,
    /// A SPIFFE id without `spiffe://`; trust domain aliases apply.
    Principal,
    /// A namespace of a SPIFFE id, with `*` anywhere.
    Namespace,
    /// `name` in the policy's namespace, or `namespace/name`.
    ServiceAccount,
    /// A trust domain with at most one `*`, at its start or its end; aliases apply.
    TrustDomain,
    /// Issuer and subject, `iss/sub`, divided at the last slash.
    RequestPrincipal,
    /// As [`Kind::Text`] on the claim, or on any element of it where it is a list.
    Claim,
    /// As [`Kind::Text`]; a value in brackets means an element of a list.
    Metadata,
}

/// Where in a request an attribute is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// The names in the peer's certificate.
    Peer,
    /// The address that the connection comes from.
    SourceIp,
    /// The client's address after X-Forwarded-For or the PROXY protocol.
    RemoteIp,
    /// The connection's local address.
    DestinationIp,
    /// The connection's local port.
    DestinationPort,
    /// The server name of the TLS handshake.
    Sni,
    /// `:authority`.
    Host,
    /// `:path` without its query.
    Path,
    /// The lines of a header or pseudo header.
    Header,
    /// The claims `iss` and `sub` of the verified token.
    RequestPrincipal,
    /// A claim of the verified token.
    Claim,
    /// Dynamic metadata of another filter.
    Metadata,
}

impl Input {
    /// The field of a request that says what is found here.
    pub fn request_field(self) -> RequestField {
        match self {
            Input::Peer => RequestField::SourcePrincipal,
            Input::SourceIp => RequestField::SourceIp,
            Input::RemoteIp => RequestField::RemoteIp,
            Input::DestinationIp => RequestField::DestinationIp,
            Input::DestinationPort => RequestField::DestinationPort,
            Input::Sni => RequestField::Sni,
            Input::Host => RequestField::Host,
            Input::Path => RequestField::Path,
            Input::Header => RequestField::Headers,
            Input::RequestPrincipal | Input::Claim => RequestField::Token,
            Input::Metadata => RequestField::Metadata,
        }
    }
}

/// What istiod's conversion for ztunnel makes of an attribute (`pilot/pkg/serviceregistry/ambient/authorization.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ztunnel {
    /// The field and the key are carried over.
    Known,
    /// The field is carried over; as a key of `when` it counts as HTTP.
    FieldOnly,
    /// The field is lost without a word; as a key of `when` it counts as HTTP.
    Lost,
    /// It counts as HTTP: an ALLOW rule with it is dropped, from a DENY rule the condition is.
    Http,
}

impl Attribute {
    /// The attribute of this name among the fields of `part`, and whether the name is that of the `not` twin.
    pub fn of_field(part: Part, name: &str) -> Option<(Attribute, bool)> {
        Attribute::fields(part).find_map(|attribute| {
            let (field, not_field) = attribute.row().field?;
            (name == field).then_some((attribute, false)).or((name == not_field).then_some((attribute, true)))
        })
    }

    /// The attribute of a key of `when`, with what stands behind the beginning that is recognized: empty for whole keys,
    /// `[NAME]` for well-formed keys with brackets.
    pub fn of_key(key: &str) -> Option<(Attribute, &str)> {
        Attribute::ALL.into_iter().find_map(|attribute| match attribute.row().key? {
            Key::Whole(whole) => (key == whole).then_some((attribute, "")),
            Key::Bracketed(start) => Some((attribute, key.strip_prefix(start)?)),
        })
    }

    /// All that are fields of this half of a rule, in istiod's order.
    pub fn fields(part: Part) -> impl Iterator<Item = Attribute> {
        Attribute::ALL.into_iter().filter(move |attribute| {
            let row = attribute.row();
            row.part == part && row.field.is_some()
        })
    }

    /// True if Istio of that version has it.
    pub fn exists_in(self, version: IstioVersion) -> bool {
        let (_, minor, _) = self.row().since;
        match self.came_in_patch() {
            Some(release) => version.has_patch(&[release]),
            None => version.is_since(minor),
        }
    }

    /// The patch release (minor, patch) that brought it; `None`: it came with a minor version.
    pub(crate) fn came_in_patch(self) -> Option<(u16, u16)> {
        let (_, minor, patch) = self.row().since;
        (patch > 0).then_some((minor, patch))
    }

    /// True if it is said in the request's HTTP head, of which a request has always something.
    pub fn is_always_there(self) -> bool {
        let Row { input, name, .. } = self.row();
        *input == Input::Path || (*input == Input::Header && name.starts_with(':'))
    }
}
