//! Policies and requests together: fast, slow and naive ways to the same verdict.

use gnomon_engine::{
    Mesh, Plan, Request, Workload,
    jwt::{Algorithm, Crypto, Key, Signature},
    request::{ExtAuthzAnswer, Input, Peer, Protocol},
    verdict::Report,
    workload::{ExtensionProvider, IstioVersion, ProviderKind, ProxyKind},
};
use gnomon_manifests::load_text;
use gnomon_oracle::{
    crowds,
    evaluator::{Answer, World, evaluate},
    requests::{self as naive_requests, Values},
    tape::Tape,
    worlds,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Knows every token, or no key.
struct Keys(bool);

impl Crypto for Keys {
    fn verify(&self, _: Algorithm, _: &Key, _: &[u8], _: &[u8]) -> Signature {
        Signature::Bad
    }
    fn vouches_for(&self, _: &[u8]) -> bool {
        self.0
    }
}

/// The verdict is the same by the index and by the walk through all rules, with its explanation and without, and the
/// naive one where it has a say.
fn compare(world: &World, plan: &Plan, request: &Request<'_>, keys: &Keys, naive: bool) {
    let verdict = plan.evaluate(request, keys);
    let linear = plan.evaluate_linearly(request, keys);
    let report = verdict.report();
    assert_eq!((&report, verdict.certain), (&linear.report(), linear.certain));
    let explained = Report { nearest: None, ..plan.explain(request, keys).report };
    assert_eq!(explained, report);
    if naive {
        assert_eq!(Answer::of(&report), evaluate(world, request, keys));
    }
}

/// Choices that make policies, a workload, a mesh and requests.
pub fn policies(data: &[u8]) {
    let choices: Vec<u16> =
        data.chunks(2).map(|pair| pair.iter().fold(0, |n, b| n << 8 | u16::from(*b))).collect();
    let tape = &mut Tape::new(&choices);
    let world = if tape.once_in(16) { crowds::crowd(tape) } else { worlds::world(tape) };
    let plan = Plan::build(&world.resources, &world.workload, &world.mesh);
    let values = Values::of(&world);
    for _ in 0..3 {
        let keys = Keys(!tape.once_in(4));
        let sent = naive_requests::sent(tape, &values);
        sent.with(|request| compare(&world, &plan, request, &keys, true));
    }
}

/// Policies with every field, for each kind of proxy.
fn rich() -> Vec<(World, Plan)> {
    let loaded = load_text(include_str!("rich.yaml"), "rich.yaml").unwrap();
    let of = |proxy: ProxyKind, version: IstioVersion| {
        let workload = Workload {
            name: "gw".into(),
            namespace: "shop".into(),
            labels: vec![("app".into(), "web".into())],
            proxy,
            services: vec!["web".into()],
            ..Workload::default()
        };
        let mesh = Mesh {
            istio_version: version,
            trust_domain_aliases: vec!["old.corp".into()],
            extension_providers: vec![ExtensionProvider { name: "p".into(), kind: ProviderKind::Named }],
            ..Mesh::default()
        };
        let world = World { resources: loaded.resources.clone(), workload, mesh };
        let plan = Plan::build(&world.resources, &world.workload, &world.mesh);
        (world, plan)
    };
    vec![
        of(ProxyKind::Sidecar, IstioVersion::NEWEST),
        of(ProxyKind::Gateway, IstioVersion::NEWEST),
        of(ProxyKind::Waypoint, IstioVersion::NEWEST),
        of(ProxyKind::Ztunnel, IstioVersion::NEWEST),
        of(ProxyKind::Sidecar, IstioVersion::minor(24)),
    ]
}

/// Bytes that run out.
struct Bytes<'d>(&'d [u8]);

impl<'d> Bytes<'d> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// Up to a line's end.
    fn line(&mut self) -> &'d [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = rest.get(1..).unwrap_or_default();
        line
    }

    fn ip(&mut self) -> Input<IpAddr> {
        match self.byte() % 6 {
            0 => Input::Unknown,
            1 => Input::Absent,
            2 => Input::Is(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(self.byte())))),
            _ => Input::Is(IpAddr::V4(Ipv4Addr::new(10, 0, self.byte(), self.byte()))),
        }
    }
}

/// Any request: bytes that say what is there, then lines with its texts.
pub fn request_attributes(data: &[u8]) {
    thread_local!(static RICH: Vec<(World, Plan)> = rich());
    let bytes = &mut Bytes(data);
    let flags = bytes.byte();
    let which = bytes.byte();
    let (source_ip, remote_ip, destination_ip) = (bytes.ip(), bytes.ip(), bytes.ip());
    let destination_port = match bytes.byte() % 8 {
        0 => Input::Unknown,
        1 => Input::Absent,
        2 => Input::Is(8080),
        _ => Input::Is(u16::from(bytes.byte()) << 8 | u16::from(bytes.byte())),
    };
    let answer = match flags >> 6 {
        0 => None,
        1 => Some(ExtAuthzAnswer::Allow),
        2 => Some(ExtAuthzAnswer::Deny),
        _ => Some(ExtAuthzAnswer::Error),
    };
    let answers: Vec<(String, ExtAuthzAnswer)> =
        answer.map(|answer| ("p".into(), answer)).into_iter().collect();
    let names: Vec<&[u8]> = (0..flags & 3).map(|_| bytes.line()).collect();
    let peer = match flags & 4 {
        0 => Peer::Plaintext,
        _ => Peer::Tls { names: &names, complete: flags & 8 == 0 },
    };
    let sni = bytes.line();
    let mut lines: Vec<(&[u8], &[u8])> =
        vec![(b":method", bytes.line()), (b":path", bytes.line()), (b":authority", bytes.line())];
    while !bytes.0.is_empty() && lines.len() < 20 {
        let line = bytes.line();
        let colon = line.iter().skip(1).position(|byte| *byte == b':').map_or(line.len(), |at| at + 1);
        let (name, value) = line.split_at(colon);
        if name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-') {
            lines.push((name, value.get(1..).unwrap_or_default()));
        }
    }
    // Where the dialects of expressions agree.
    let plain = data.is_ascii() && !data.contains(&b'\r');
    let http = Request {
        peer,
        source_ip,
        remote_ip,
        destination_ip,
        destination_port,
        sni,
        now: 1_900_000_000,
        ext_authz: &answers,
        ..Request::http(&lines)
    };
    let request = match flags & 16 {
        0 => http,
        _ => Request { protocol: Protocol::Tcp, headers: &[], ..http },
    };
    RICH.with(|rich| {
        let (world, plan) = &rich[usize::from(which) % rich.len()];
        compare(world, plan, &request, &Keys(flags & 32 == 0), plain);
    });
}
