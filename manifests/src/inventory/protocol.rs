//! What a port speaks, as Istio reads it from `appProtocol` or from the port's name.

/// A port's protocol (Istio 1.32, `pkg/config/protocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/2 without TLS.
    Http2,
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
    /// `http_proxy`: HTTP, too.
    HttpProxy,
    /// HTTP in TLS that the proxy does not end: bytes to a sidecar.
    Https,
    /// TLS.
    Tls,
    /// Bytes.
    Tcp,
    /// Not for the proxy.
    Udp,
    /// MongoDB.
    Mongo,
    /// Redis.
    Redis,
    /// MySQL.
    Mysql,
    /// Nothing says: the proxy looks whether a connection holds HTTP.
    Sniffed,
}

/// Ports whose protocols let the server speak first, so that the proxy cannot look.
const SERVER_SPEAKS_FIRST: [u16; 4] = [25, 53, 3306, 27017];

impl Protocol {
    /// Of a Service's port: `protocol: UDP`, else `appProtocol`, else the port's name up to its first hyphen.
    pub fn of(port: u16, name: &str, transport: &str, app_protocol: Option<&str>) -> Protocol {
        if transport == "UDP" {
            return Protocol::Udp;
        }
        match app_protocol {
            Some("kubernetes.io/h2c") => return Protocol::Http2,
            Some("kubernetes.io/ws") => return Protocol::Http,
            Some("kubernetes.io/wss") => return Protocol::Https,
            _ => {}
        }
        match Protocol::named(app_protocol.unwrap_or(name)) {
            Protocol::Sniffed if SERVER_SPEAKS_FIRST.contains(&port) => Protocol::Tcp,
            protocol => protocol,
        }
    }

    /// By the name that Istio's objects give (`HTTP`, `grpc-web-x`, `tcp-db`); case does not matter.
    pub fn named(name: &str) -> Protocol {
        let name = name.to_ascii_lowercase();
        if name.starts_with("grpc-web") {
            return Protocol::GrpcWeb;
        }
        match name.split('-').next().unwrap_or_default() {
            "http" => Protocol::Http,
            "http2" => Protocol::Http2,
            "grpc" => Protocol::Grpc,
            "http_proxy" => Protocol::HttpProxy,
            "https" => Protocol::Https,
            "tls" => Protocol::Tls,
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "mongo" => Protocol::Mongo,
            "redis" => Protocol::Redis,
            "mysql" => Protocol::Mysql,
            _ => Protocol::Sniffed,
        }
    }

    /// A proxy beside the workload sees requests. Not so certain where it has to look ([`Protocol::Sniffed`]).
    pub fn is_http(self) -> bool {
        use Protocol::{Grpc, GrpcWeb, Http, Http2, HttpProxy};
        matches!(self, Http | Http2 | Grpc | GrpcWeb | HttpProxy)
    }

    /// A proxy beside the workload sees bytes. Neither this nor [`Protocol::is_http`]: UDP, and what is sniffed.
    pub fn is_tcp(self) -> bool {
        use Protocol::{Https, Mongo, Mysql, Redis, Tcp, Tls};
        matches!(self, Tcp | Https | Tls | Mongo | Redis | Mysql)
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol::{self, *};

    #[test]
    fn protocols() {
        for (port, name, transport, app, expected) in [
            (80, "http", "TCP", None, Http),
            (80, "HTTP-web", "", None, Http),
            (80, "http2-x", "", None, Http2),
            (80, "httpx", "", None, Sniffed),
            (80, "", "", None, Sniffed),
            (80, "web-http", "", None, Sniffed),
            (80, "grpc-web", "", None, GrpcWeb),
            (80, "gRPC-WEBsite", "", None, GrpcWeb),
            (80, "grpc-api", "", None, Grpc),
            (443, "https", "", None, Https),
            (53, "dns", "UDP", None, Udp),
            (53, "http", "UDP", Some("http"), Udp),
            (53, "dns", "TCP", None, Tcp),
            (3306, "db", "", None, Tcp),
            (3306, "http", "", None, Http),
            (27017, "", "", Some("unheard.of"), Tcp),
            (80, "tcp", "", Some("http"), Http),
            (80, "http", "", Some("tcp"), Tcp),
            // An appProtocol that says nothing is still asked in place of the name.
            (80, "http", "", Some("kubernetes.io/unknown"), Sniffed),
            (80, "http", "", Some(""), Sniffed),
            (80, "", "", Some("kubernetes.io/h2c"), Http2),
            (80, "", "", Some("kubernetes.io/ws"), Http),
            (80, "", "", Some("kubernetes.io/wss"), Https),
            (80, "kubernetes.io/ws", "", None, Sniffed),
            (80, "http_proxy", "", None, HttpProxy),
        ] {
            assert_eq!(
                Protocol::of(port, name, transport, app),
                expected,
                "{port} {name} {transport} {app:?}"
            );
        }
        assert!(Grpc.is_http() && !Grpc.is_tcp() && Https.is_tcp() && !Https.is_http());
        assert!(!Sniffed.is_http() && !Sniffed.is_tcp());
    }
}
