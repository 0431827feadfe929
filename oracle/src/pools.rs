//! The values that random policies and requests are made of.

pub const PRINCIPALS: &[&str] = &[
    "cluster.local/ns/a/sa/b",
    "*",
    "corp/ns/a/sa/b",
    "cluster.local/ns/a/*",
    "*/ns/a/sa/b",
    "*a/sa/b",
    "*.local/ns/a/sa/b",
    "clus*/ns/a/sa/b",
    "cluster.local/ns/shop/sa/web",
    "spiffe://cluster.local/ns/a/sa/b",
    "old.corp/ns/a/sa/b",
    "cluster.local/*",
    "*a.b",
    "*/sa/b*",
    "*/sa/(b|web)",
    "*/ns/[as].*/sa/b+",
];
pub const ODD_PRINCIPALS: &[&str] = &[
    "cluster.local/ns/a.b/sa/b",
    "cluster.local/ns/axb/sa/bxc",
    "corp/x/y/ns/a/k/v/sa/b/z",
    "cluster.local/ns/a/sa/b/",
];
pub const NAMESPACES: &[&str] =
    &["a", "shop", "*", "*a", "sh*", "s*p", "*sa", "a.b", "axb", "prod-1", "s.op", "(a|shop)", "sh?o+p"];
pub const ACCOUNTS: &[&str] = &["b", "a/b", "shop/web", "web", "a/b.c", "a.b/b", "x", "a/b?", "shop/[v-x]eb"];
pub const DOMAINS: &[&str] =
    &["cluster.local", "corp", "*", "*.local", "cluster*", "old.corp", "*corp", "other"];
pub const BLOCKS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.0/24",
    "0.0.0.0/0",
    "10.0.0.77/25",
    "::/0",
    "fe80::1",
    "2001:db8::/33",
    "10.0.0.1/32",
    "::ffff:10.0.0.1",
    "fe80::1%eth0",
];
pub const PORTS: &[&str] = &["80", "8080", "0", "443", "080", "65535"];
pub const HOSTS: &[&str] = &["a.com", "*", "*.a.com", "a.com:*", "A.com:8080", "*com", "a*", "*a*"];
pub const METHODS: &[&str] = &["GET", "POST", "*", "get", "P*", "*T"];
pub const PATHS: &[&str] = &[
    "/a",
    "/a/",
    "/a/*",
    "*",
    "*/b",
    "/a*",
    "*foo*",
    "/a/{*}",
    "/a/{**}",
    "/v1/{*}/i",
    "/f/{**}/x",
    "/",
    "/a/b",
    // Envoy refuses the configuration; the last is none that istiod's admission takes.
    "a/{*}",
    "/x{*}y*",
];
pub const HEADERS: &[&str] = &["x-a", "X-B", "host", "authorization", ":path", ":method", "accept", "x-out"];
pub const VALUES: &[&str] = &["v", "*", "v*", "*w", "v,w", "w", "", "vw", "*v*", "V"];
pub const ISSUERS: &[&str] = &["https://i", "https://j", "i", ""];
pub const REQUEST_PRINCIPALS: &[&str] = &[
    "*",
    "https://i/u",
    "https://i/*",
    "*/u",
    "*i/u",
    "https://i/u*",
    "*u",
    "https*",
    "i",
    "https://i",
    "i/",
    "*i/*",
    "https://i/o/r",
];
pub const KEYS: &[&str] = &[
    "request.headers[x-a]",
    "source.ip",
    "remote.ip",
    "destination.ip",
    "destination.port",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
    "connection.sni",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "request.auth.claims[group]",
    "request.auth.claims[a][b]",
    "request.auth.claims[scope]",
    "request.auth.claims[a[b]]",
    "request.headers[host]",
    "request.headers[Authorization]",
    "request.headersX[x-a]",
    "experimental.envoy.filters.f[k]",
];
pub const CLAIM_VALUES: &[&str] = &["dev", "*", "d*", "*v", "r", "r w", "5"];
pub const METADATA_VALUES: &[&str] = &["dev", "[dev]", "*", "[*]", "d*", "[*v]", "[d"];
pub const PROVIDERS: &[&str] = &["p", "p", "p", "p", "q", "r"];
