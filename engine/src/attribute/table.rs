//! The table itself.

use super::{Input, Key, Kind, Part, Prose, Row, Ztunnel};

/// Rows to the type of their names, the rows themselves and what people are told.
macro_rules! table {
    ($($(#[$doc:meta])* $name:ident => { $row:expr, $prose:expr })*) => {
        /// What a condition looks at: a row of the table.
        ///
        /// In the order in which istiod puts the fields of a source, then of an operation, then the keys that are no
        /// field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Attribute {
            $($(#[$doc])* $name,)*
        }

        impl Attribute {
            /// All of them.
            pub const ALL: [Attribute; [$(stringify!($name)),*].len()] = [$(Attribute::$name),*];

            /// Its row.
            pub fn row(self) -> &'static Row {
                match self {
                    $(Attribute::$name => const { &$row },)*
                }
            }

            /// What people are told of it.
            pub fn prose(self) -> &'static Prose {
                match self {
                    $(Attribute::$name => const { &$prose },)*
                }
            }
        }
    };
}

/// What most rows have in common.
const USUAL: Row = Row {
    part: Part::Source,
    field: None,
    key: None,
    kind: Kind::Text,
    input: Input::Header,
    name: "",
    http_only: false,
    on_waypoint: true,
    ztunnel: Ztunnel::Http,
    with_custom: true,
    counts_on_tcp: false,
    most: None,
    since: (1, 4, 0),
};

/// What the rows have in common that look at the peer's certificate.
const PEER: Row =
    Row { input: Input::Peer, ztunnel: Ztunnel::Known, with_custom: false, counts_on_tcp: true, ..USUAL };

/// What the rows have in common that exist on HTTP alone.
const HTTP: Row = Row { http_only: true, ..USUAL };

/// What the rows have in common that look at the token.
const TOKEN: Row = Row { kind: Kind::Claim, input: Input::Claim, with_custom: false, ..HTTP };

/// What the rows have in common that look at addresses.
const ADDRESS: Row = Row { kind: Kind::Cidr, counts_on_tcp: true, ..USUAL };

table! {
    /// `principals`, `source.principal`: the peer's SPIFFE id without `spiffe://`.
    Principal => {
        Row {
            field: Some(("principals", "notPrincipals")),
            key: Some(Key::Whole("source.principal")),
            kind: Kind::Principal,
            ..PEER
        },
        Prose {
            noun: "source principal",
            plural: "identities",
            doc: "The caller's identity out of its certificate, without spiffe://: \
                  cluster.local/ns/NAMESPACE/sa/ACCOUNT. `*` alone means any identity, so it needs mutual TLS. A \
                  plaintext caller has none.",
            choices: &[],
            example: "cluster.local/ns/default/sa/client",
        }
    }

    /// `requestPrincipals`, `request.auth.principal`: `iss/sub` of the verified token.
    RequestPrincipal => {
        Row {
            field: Some(("requestPrincipals", "notRequestPrincipals")),
            key: Some(Key::Whole("request.auth.principal")),
            kind: Kind::RequestPrincipal,
            input: Input::RequestPrincipal,
            ..TOKEN
        },
        Prose {
            noun: "request principal",
            plural: "token identities",
            doc: "The verified token, as ISSUER/SUBJECT. `*` alone means any valid token. There is none without a \
                  RequestAuthentication.",
            choices: &[],
            example: "https://issuer.example.com/user",
        }
    }

    /// `serviceAccounts`, `source.serviceAccount`: `name` or `namespace/name`, from the peer's SPIFFE id.
    ServiceAccount => {
        Row {
            field: Some(("serviceAccounts", "notServiceAccounts")),
            key: Some(Key::Whole("source.serviceAccount")),
            kind: Kind::ServiceAccount,
            ztunnel: Ztunnel::FieldOnly,
            most: Some(16),
            since: (1, 25, 0),
            ..PEER
        },
        Prose {
            noun: "source service account",
            plural: "service accounts",
            doc: "The caller's service account, as ACCOUNT (in the policy's own namespace) or NAMESPACE/ACCOUNT. Needs \
                  mutual TLS.",
            choices: &[],
            example: "default/client",
        }
    }

    /// `trustDomains`, `source.trustDomain`: the first part of the peer's SPIFFE id.
    TrustDomain => {
        Row {
            field: Some(("trustDomains", "notTrustDomains")),
            key: Some(Key::Whole("source.trustDomain")),
            kind: Kind::TrustDomain,
            ztunnel: Ztunnel::Lost,
            counts_on_tcp: false,
            since: (1, 30, 2),
            ..PEER
        },
        Prose {
            noun: "source trust domain",
            plural: "trust domains",
            doc: "The trust domain of the caller's certificate, which names the mesh that it comes from. Needs mutual TLS.",
            choices: &[],
            example: "cluster.local",
        }
    }

    /// `namespaces`, `source.namespace`: out of the peer's SPIFFE id.
    Namespace => {
        Row {
            field: Some(("namespaces", "notNamespaces")),
            key: Some(Key::Whole("source.namespace")),
            kind: Kind::Namespace,
            ..PEER
        },
        Prose {
            noun: "source namespace",
            plural: "namespaces",
            doc: "The caller's namespace, read from its certificate. A plaintext caller has none, wherever its pod runs.",
            choices: &[],
            example: "default",
        }
    }

    /// `remoteIpBlocks`, `remote.ip`: the client after X-Forwarded-For.
    RemoteIp => {
        Row {
            field: Some(("remoteIpBlocks", "notRemoteIpBlocks")),
            key: Some(Key::Whole("remote.ip")),
            input: Input::RemoteIp,
            since: (1, 8, 0),
            ..ADDRESS
        },
        Prose {
            noun: "client IP",
            plural: "address ranges",
            doc: "The original client's address, from X-Forwarded-For as far as the mesh trusts it (numTrustedProxies) or \
                  the PROXY protocol.",
            choices: &[],
            example: "203.0.113.0/24",
        }
    }

    /// `ipBlocks`, `source.ip`: the physical peer. A waypoint listens on an internal address and has none.
    SourceIp => {
        Row {
            field: Some(("ipBlocks", "notIpBlocks")),
            key: Some(Key::Whole("source.ip")),
            input: Input::SourceIp,
            on_waypoint: false,
            ztunnel: Ztunnel::Known,
            ..ADDRESS
        },
        Prose {
            noun: "peer IP",
            plural: "address ranges",
            doc: "The address that the connection comes from: the last hop, not the original client. Behind a load \
                  balancer or source NAT it is theirs.",
            choices: &[],
            example: "10.0.0.0/8",
        }
    }

    /// `hosts`: `:authority` with its port, ignoring case.
    Host => {
        Row {
            part: Part::Operation,
            field: Some(("hosts", "notHosts")),
            kind: Kind::Host,
            input: Input::Host,
            ..HTTP
        },
        Prose {
            noun: "host",
            plural: "hosts",
            doc: "The Host header, port included where the client sends one, without regard to case. List both `h` and \
                  `h:*`. A leading or a trailing `*` matches a suffix or a prefix.",
            choices: &[],
            example: "shop.example.com",
        }
    }

    /// `methods`, case-sensitive.
    Method => {
        Row {
            part: Part::Operation,
            field: Some(("methods", "notMethods")),
            kind: Kind::Header,
            input: Input::Header,
            name: ":method",
            ..HTTP
        },
        Prose {
            noun: "method",
            plural: "methods",
            doc: "HTTP methods in capitals; for gRPC always POST.",
            choices: &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"],
            example: "GET",
        }
    }

    /// `paths`, without query, after normalization.
    Path => {
        Row {
            part: Part::Operation,
            field: Some(("paths", "notPaths")),
            kind: Kind::Path,
            input: Input::Path,
            ..HTTP
        },
        Prose {
            noun: "path",
            plural: "paths",
            doc: "The path without its query, after normalization: exact, `/prefix*`, `*suffix`, or a template with `{*}` \
                  for one part and `{**}` for any number.",
            choices: &[],
            example: "/api/*",
        }
    }

    /// `ports`, `destination.port`: the port of the proxy's own connection.
    Port => {
        Row {
            part: Part::Operation,
            field: Some(("ports", "notPorts")),
            key: Some(Key::Whole("destination.port")),
            kind: Kind::Port,
            input: Input::DestinationPort,
            ztunnel: Ztunnel::Known,
            counts_on_tcp: true,
            ..USUAL
        },
        Prose {
            noun: "port",
            plural: "ports",
            doc: "The port of the proxy's own connection, in quotes: for a gateway the container port (8080), not the one \
                  that users type.",
            choices: &[],
            example: "8080",
        }
    }

    /// `destination.ip`: the connection's local address.
    DestinationIp => {
        Row {
            part: Part::Operation,
            key: Some(Key::Whole("destination.ip")),
            input: Input::DestinationIp,
            ztunnel: Ztunnel::Known,
            ..ADDRESS
        },
        Prose {
            noun: "destination IP",
            plural: "address ranges",
            doc: "The address that the connection came to.",
            choices: &[],
            example: "10.0.0.1",
        }
    }

    /// `connection.sni`: the server name of the TLS handshake.
    Sni => {
        Row { part: Part::Operation, key: Some(Key::Whole("connection.sni")), input: Input::Sni, ..USUAL },
        Prose {
            noun: "SNI",
            plural: "server names",
            doc: "The server name of the TLS handshake.",
            choices: &[],
            example: "shop.example.com",
        }
    }

    /// `experimental.envoy.filters.FILTER[KEY]`: dynamic metadata of an Envoy filter.
    Metadata => {
        Row {
            part: Part::Operation,
            key: Some(Key::Bracketed("experimental.envoy.filters.")),
            kind: Kind::Metadata,
            input: Input::Metadata,
            ..USUAL
        },
        Prose {
            noun: "metadata",
            plural: "metadata values",
            doc: "What another Envoy filter left as its dynamic metadata: a key of it, by the filter's name.",
            choices: &[],
            example: "value",
        }
    }

    /// `request.auth.audiences`: the claim `aud`.
    Audience => {
        Row { key: Some(Key::Whole("request.auth.audiences")), name: "aud", ..TOKEN },
        Prose {
            noun: "claim aud",
            plural: "audiences",
            doc: "The token's audience.",
            choices: &[],
            example: "shop.example.com",
        }
    }

    /// `request.auth.presenter`: the claim `azp`.
    Presenter => {
        Row { key: Some(Key::Whole("request.auth.presenter")), name: "azp", ..TOKEN },
        Prose {
            noun: "claim azp",
            plural: "presenters",
            doc: "The token's claim azp.",
            choices: &[],
            example: "client-id",
        }
    }

    /// `request.headers[NAME]`: each line of a header.
    Header => {
        Row { key: Some(Key::Bracketed("request.headers")), kind: Kind::Header, input: Input::Header, ..HTTP },
        Prose {
            noun: "header",
            plural: "header values",
            doc: "A request header, by name.",
            choices: &[],
            example: "value",
        }
    }

    /// `request.auth.claims[NAME]`: a claim; `[a][b]` for a claim inside a claim.
    Claim => {
        Row { key: Some(Key::Bracketed("request.auth.claims")), ..TOKEN },
        Prose {
            noun: "claim",
            plural: "claim values",
            doc: "A claim of the verified token; [a][b] for a claim inside a claim.",
            choices: &[],
            example: "value",
        }
    }
}
