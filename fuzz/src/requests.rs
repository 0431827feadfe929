//! Requests for whatever is to be asked.

use gnomon_engine::{
    Request,
    request::{Input, Peer},
};

/// A plain request, one that says everything, and a connection.
pub(crate) fn several(mut ask: impl FnMut(&Request<'_>)) {
    let plain: &[(&[u8], &[u8])] = &[(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a.com")];
    ask(&Request::http(plain));
    let names: &[&[u8]] = &[b"spiffe://cluster.local/ns/default/sa/sleep"];
    let lines: &[(&[u8], &[u8])] = &[
        (b":method", b"POST"),
        (b":path", b"/api/a?access_token=a.b.c"),
        (b":authority", b"a.com:8080"),
        (b"authorization", b"Bearer a.b.c"),
        (b"cookie", b"a=b"),
        (b"x-a", b"v"),
        (b"x-a", b"w"),
    ];
    let peer = Peer::Tls { names, complete: true };
    let address = Input::Is("10.0.0.1".parse().unwrap());
    let full = Request {
        peer,
        source_ip: address,
        remote_ip: address,
        destination_ip: address,
        destination_port: Input::Is(8080),
        sni: b"a.com",
        ..Request::http(lines)
    };
    ask(&full);
    ask(&Request { headers: &[], protocol: gnomon_engine::request::Protocol::Tcp, ..full });
}
