//! What policies and requests are made of. Few words, so that they meet; odd ones, so that they nearly do.

/// Peers, as policies write them.
pub(super) const PRINCIPALS: &[&str] = &[
    "cluster.local/ns/foo/sa/web",
    "cluster.local/ns/foo/sa/api",
    "cluster.local/ns/bar/sa/web",
    "cluster.local/ns/istio-system/sa/web",
    "other.td/ns/foo/sa/web",
    "corp.test/ns/foo/sa/web",
    "a.corp.test/ns/bar/sa/a.b",
    "cluster.local/ns/foo/sa/a.b",
    "cluster.local/ns/foo",
    "cluster.local/ns/foo/sa/web/x",
    "cluster.local",
];
/// Only in policies.
pub(super) const PRINCIPAL_PATTERNS: &[&str] = &[
    "*/ns/foo/sa/web",
    "*/sa/web",
    "*web",
    "cluster.local/ns/foo/*",
    "cluster.local/*",
    "cluster.local*",
    "spiffe://cluster.local/ns/foo/sa/web",
    "*corp.test/ns/foo/sa/web",
    "*.corp.test/ns/bar/sa/a.b",
    "cluster.local/ns/*/sa/web",
    "*/sa/web*",
    "*/ns/(foo|bar)/sa/web",
    "*/sa/[v-x]e?b",
    "*",
];
pub(super) const NAMESPACES: &[&str] =
    &["foo", "bar", "istio-system", "fo*", "*o", "*a", "b*r", "*", "foo/sa/web", "f.o", "fo+", "(foo|bar)"];
pub(super) const ACCOUNTS: &[&str] =
    &["web", "api", "foo/web", "bar/web", "foo/a.b", "a.b", "istio-system/web", "bar/a.b", "foo/we?b"];
pub(super) const DOMAINS: &[&str] = &[
    "cluster.local",
    "other.td",
    "corp.test",
    "*",
    "*.test",
    "*corp.test",
    "cluster.*",
    "a.corp.test",
    "*local",
];
pub(super) const CIDRS_V4: &[&str] = &[
    "10.0.0.1",
    "10.0.0.0/24",
    "10.0.0.7/24",
    "10.0.0.0/8",
    "10.128.0.0/9",
    "192.168.1.9",
    "192.168.0.0/16",
    "203.0.113.0/31",
    "203.0.113.128/25",
    "0.0.0.0/0",
    "0.0.0.0/1",
];
pub(super) const CIDRS_V6: &[&str] =
    &["2001:db8::/32", "2001:db8::1", "2001:db8:0:1::/64", "::/0", "::ffff:10.0.0.0/104", "fd00::/8"];
pub(super) const HOSTS: &[&str] = &[
    "a.test",
    "A.Test",
    "a.test:8080",
    "a.test:*",
    "b.a.test",
    "*.a.test",
    "*a.test",
    "a.*",
    "*",
    "b.test",
    "*.A.TEST",
    "a.test.",
    "[2001:db8::1]",
    "10.0.0.1:80",
];
pub(super) const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
pub(super) const METHOD_PATTERNS: &[&str] = &["get", "P*", "*T", "GE*", "*", "*ET", "Post", "*E"];
pub(super) const PORTS: &[u16] = &[80, 443, 8080, 8081, 9090, 15443, 1, 65535];
pub(super) const VALUES: &[&str] =
    &["one", "two", "one,two", "One", "a b", "", "*", "on*", "*wo", "*o*", "ö", "one "];
pub(super) const HEADERS: &[&str] =
    &["X-One", "x-two", "accept", "user-agent", "Cookie", "origin", "x-claim", "x-forwarded-for", "x-token"];
pub(super) const PSEUDO_HEADERS: &[&str] =
    &[":path", ":method", ":authority", "host", ":scheme", "x-forwarded-proto", "authorization", "x-payload"];
pub(super) const SNIS: &[&str] = &["a.test", "b.a.test", "db.test", "outbound_.80_._.web.foo"];
pub(super) const SNI_PATTERNS: &[&str] = &["*.test", "a.*", "*", "*a.test", "A.test", "outbound_*"];
pub(super) const ISSUERS: &[&str] = &[
    "https://issuer.test",
    "https://other.test",
    "issuer@test",
    "https://issuer.test/",
    "https://x.issuer.test",
];
pub(super) const SUBJECTS: &[&str] = &["u1", "u2", "a/b", "u", "", "*", "U1"];
pub(super) const AUDIENCES: &[&str] = &["web", "api", "https://web/", "http://web", "Web", "web/"];
pub(super) const CLAIMS: &[&str] = &["group", "scope", "permission", "a.b", "roles", "x/y"];
pub(super) const GROUPS: &[&str] =
    &["admin", "user", "admins", "read", "read write", "Admin", "", "5", "true"];
pub(super) const METADATA: &[(&str, &str)] = &[("experimental", "key"), ("test", "group"), ("a.b", "x")];

/// Paths that policies name …
pub(super) const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/*",
    "/a*",
    "*b",
    "*/b",
    "*",
    "/a//b",
    "/a%2Fb",
    "/a%2fb",
    "/a%20b",
    "/A",
    "/a/../b",
    "/a;x",
    "/a|b",
    "/a?x=1",
    "*.html",
    "/a.html",
    "/a+b",
    "/(a)",
    "/é",
    "/ns/foo/sa/web",
];
/// … with templates.
pub(super) const TEMPLATES: &[&str] = &[
    "/a/{*}",
    "/{**}",
    "/{*}",
    "/a/{**}",
    "/a/{**}/c",
    "/{*}/b",
    "/a/{*}/c",
    "/{*}/{**}",
    "/{**}/b",
    "/v1.0/{*}/x%20y",
    "/{*}/a:b/{*}",
];
/// Ends and pieces that turn one path into nearly the same.
pub(super) const PATH_PIECES: &[&str] = &[
    "/",
    "//",
    "/.",
    "/..",
    "/../a",
    "/./",
    "%2F",
    "%2f",
    "%5C",
    "\\",
    ";x",
    "/..;x/",
    "?x=1",
    "?",
    "#f",
    "%20",
    "%61",
    "%2e%2e/",
    "%",
    "%zz",
    "%00",
    "/b",
    "/b/c",
    "b",
    "|",
    "{",
    "%252F",
    "~",
    "%7E",
    "!",
    "*",
    ":",
    "/.;y",
    "[",
    "\"",
    "é",
    ";a=b/",
    "%2F..",
    "?a=%2Fx&access_token=t",
    "'",
];
