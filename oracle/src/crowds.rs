//! Worlds with hundreds of policies, most of which name what nobody else does.

use crate::{
    evaluator::World,
    pools::*,
    tape::Tape,
    worlds::{both, condition, request_authentication, text},
};
use gnomon_engine::{
    Attribute, Workload,
    resource::{Action, AuthorizationPolicy, FieldSet, Match, Meta, Rule, Target, Text},
    workload::{IstioVersion, ProxyKind},
};

/// A numbered value of a field, now and then one that many rules share.
fn numbered(tape: &mut Tape<'_>, pool: &[&str], forms: &[&str]) -> Match {
    let one = |tape: &mut Tape<'_>| {
        let number = tape.below(60).to_string();
        if tape.once_in(8) {
            text(tape.of::<&str>(pool))
        } else {
            text(&tape.of(forms).replace('N', &number))
        }
    };
    let values: Vec<Text> = (0..=tape.below(3)).map(|_| one(tape)).filter(|t| !t.text.is_empty()).collect();
    match tape.below(10) {
        9 => Match { values: vec![], not_values: values },
        _ => Match { values, not_values: vec![] },
    }
}

/// One of many policies: it names what nobody else does, or few.
fn one_of_many(tape: &mut Tape<'_>, index: usize) -> AuthorizationPolicy {
    let source = |tape: &mut Tape<'_>| {
        let mut source = FieldSet::default();
        match tape.below(6) {
            0 => source.set(
                Attribute::Principal,
                numbered(tape, PRINCIPALS, &["cluster.local/ns/n/sa/N", "*/sa/N", "c/ns/N/*"]),
            ),
            1 => source.set(Attribute::Namespace, numbered(tape, NAMESPACES, &["N", "N*"])),
            2 => source.set(Attribute::ServiceAccount, numbered(tape, ACCOUNTS, &["n/N", "N"])),
            3 => source.set(
                Attribute::SourceIp,
                numbered(tape, BLOCKS, &["10.N.0.0/16", "10.0.0.N", "2001:db8:N::/48"]),
            ),
            4 => source.set(Attribute::RemoteIp, numbered(tape, BLOCKS, &["10.0.N.0/24", "10.0.N.0/23"])),
            _ => source.set(
                Attribute::RequestPrincipal,
                numbered(tape, REQUEST_PRINCIPALS, &["https://i/N", "N/*", "*/N"]),
            ),
        }
        source
    };
    let operation = |tape: &mut Tape<'_>| {
        let mut operation = FieldSet::default();
        for _ in 0..=tape.below(2) {
            match tape.below(6) {
                0 => operation.set(Attribute::Host, numbered(tape, HOSTS, &["hN.com", "*.N.com", "hN.*"])),
                1 => operation.set(Attribute::Method, both(tape, &METHODS[..2])),
                2 => operation.set(Attribute::Port, numbered(tape, PORTS, &["80N"])),
                _ => operation.set(
                    Attribute::Path,
                    numbered(tape, PATHS, &["/t/N", "/t/N/*", "*/N", "/t/{*}/N", "/N/{**}"]),
                ),
            }
        }
        operation
    };
    let mut rule = Rule::default();
    let shape = tape.below(8);
    if shape != 0 {
        rule.from.extend((0..1 + tape.below(8) / 7).map(|_| source(tape)));
    }
    if shape != 1 {
        rule.to.extend((0..1 + tape.below(8) / 7).map(|_| operation(tape)));
    }
    if shape == 2 {
        rule.when.push(condition(tape, false));
    }
    let action =
        tape.of(&[Action::Allow, Action::Deny, Action::Allow, Action::Allow, Action::Deny, Action::Audit]);
    AuthorizationPolicy {
        meta: Meta { namespace: "shop".into(), name: format!("p{index:03}"), ..Meta::default() },
        target: Target::Namespace,
        action,
        provider: None,
        dry_run: action != Action::Audit && tape.once_in(10),
        rules: vec![rule],
    }
}

/// As [`crate::worlds::world`], with hundreds of policies.
pub fn crowd(tape: &mut Tape<'_>) -> World {
    let proxy = tape.of(&[ProxyKind::Sidecar, ProxyKind::Gateway, ProxyKind::Gateway, ProxyKind::Ztunnel]);
    let mut world = World {
        workload: Workload { namespace: "shop".into(), proxy, ..Workload::default() },
        ..World::default()
    };
    if tape.once_in(2) {
        world.mesh.istio_version = IstioVersion::minor(24);
    }
    if tape.once_in(2) {
        world.resources.request_authentication.push(request_authentication(tape, 0, false));
    }
    for index in 0..1 + tape.below(600) {
        world.resources.authorization.push(one_of_many(tape, index));
    }
    world
}
