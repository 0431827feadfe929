//! Every hook in any order, with any bytes. `GNOMON_FUZZ_SECONDS` says for how long; what is asked for is whether
//! the module lives, catches no panic, and in shadow mode touches nothing. `cargo xtask module --sanitize` runs it under
//! sanitizers.

use super::{
    Ours, allowing, alone,
    requests::*,
    stand_ins::{Fake, LOG, Random},
    *,
};
use crate::abi::Line;
use std::{
    cell::RefCell,
    env,
    time::{Duration, Instant},
};

fn random_fake(random: &mut Random) -> Fake {
    let count = random.below(12);
    Fake {
        lines: (0..count).map(|_| (random.bytes(), random.bytes())).collect(),
        random: Some(RefCell::new(Random::new(random.below(1 << 30) as u64))),
        ..Fake::default()
    }
}

/// A configuration: good ones, with tokens and key sets among them, and others.
fn text(random: &mut Random) -> Vec<u8> {
    match random.below(5) {
        0 => random.bytes(),
        1 => allowing("enforce", "/a").into_bytes(),
        2 => allowing("shadow", "/a").into_bytes(),
        3 => {
            let mut broken = RICH.as_bytes().to_vec();
            let place = random.below(broken.len());
            broken[place] = random.below(256) as u8;
            broken
        }
        _ => RICH.as_bytes().to_vec(),
    }
}

const RICH: &str = r#"{"workload": {"namespace": "shop"}, "trustNative": true, "report": {"log": "all", "claims": ["sub"]},
        "candidate": {"resources": [
        {"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
         "metadata": {"name": "j", "namespace": "shop"},
         "spec": {"jwtRules": [{"issuer": "me", "jwksUri": "https://issuer.test/keys"}]}},
        {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
         "metadata": {"name": "p", "namespace": "shop"}, "spec": {"action": "DENY", "rules": [
            {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/cart"], "ipBlocks": ["10.0.0.0/8"]}}],
             "when": [{"key": "experimental.envoy.filters.http.lua[k]", "values": ["v"]},
                      {"key": "connection.sni", "values": ["a"]}]}]}}]}}"#;

#[derive(Default)]
struct Life {
    http: Vec<(Fake, Ours)>,
    network: Vec<(Fake, Ours)>,
    requests: Vec<(Fake, Ours)>,
    connections: Vec<(Fake, Ours)>,
    loggers: Vec<Ours>,
}

fn any(from: &[(Fake, Ours)], random: &mut Random) -> Option<usize> {
    (!from.is_empty()).then(|| random.below(from.len()))
}

fn step(life: &mut Life, random: &mut Random) {
    let name = random.bytes();
    match random.below(23) {
        0 => {
            let (fake, text) = (random_fake(random), text(random));
            let ours = envoy_dynamic_module_on_http_filter_config_new(
                fake.at(),
                Buffer::of(&name),
                Buffer::of(&text),
            );
            fake.hook_ends();
            if !ours.is_null() {
                life.http.push((fake, ours));
            }
        }
        1 => {
            let (fake, text) = (random_fake(random), text(random));
            let ours = envoy_dynamic_module_on_network_filter_config_new(
                fake.at(),
                Buffer::of(&name),
                Buffer::of(&text),
            );
            fake.hook_ends();
            if !ours.is_null() {
                life.network.push((fake, ours));
            }
        }
        2 if life.http.len() > 3 => {
            // Streams go first, in Envoy; here some outlive their configuration.
            let (fake, ours) = life.http.swap_remove(0);
            envoy_dynamic_module_on_http_filter_config_destroy(ours);
            fake.hook_ends();
        }
        3 if life.network.len() > 3 => {
            envoy_dynamic_module_on_network_filter_config_destroy(life.network.swap_remove(0).1);
        }
        4 => {
            if let Some(at) = any(&life.http, random) {
                let (fake, ours) = &life.http[at];
                envoy_dynamic_module_on_http_filter_config_scheduled(fake.at(), *ours, 0);
                fake.hook_ends();
            }
        }
        5 => {
            if let Some(at) = any(&life.http, random) {
                let (fake, ours) = &life.http[at];
                let pieces: Vec<Vec<u8>> = (0..random.below(4)).map(|_| random.bytes()).collect();
                let buffers: Vec<Buffer> = pieces.iter().map(|piece| Buffer::of(piece)).collect();
                let status = Line { name: Buffer::of(b":status"), value: Buffer::of(b"200") };
                let lines = [status, Line { name: Buffer::of(&name), value: Buffer::of(&name) }];
                let count = random.below(3);
                let (call, result) = (random.below(5) as u64, random.below(3) as u32);
                let (at, pieces) = (lines.as_ptr(), buffers.as_ptr());
                envoy_dynamic_module_on_http_filter_config_http_callout_done(
                    fake.at(),
                    *ours,
                    call,
                    result,
                    if count == 0 { core::ptr::null() } else { at },
                    count,
                    if buffers.is_empty() { core::ptr::null() } else { pieces },
                    buffers.len(),
                );
                fake.hook_ends();
            }
        }
        6..=8 => {
            let fake = random_fake(random);
            let configuration = any(&life.http, random).map_or(core::ptr::null(), |at| life.http[at].1);
            let ours = envoy_dynamic_module_on_http_filter_new(configuration, fake.at());
            life.requests.push((fake, ours));
        }
        9 => {
            let fake = random_fake(random);
            let configuration = any(&life.network, random).map_or(core::ptr::null(), |at| life.network[at].1);
            let ours = envoy_dynamic_module_on_network_filter_new(configuration, fake.at());
            life.connections.push((fake, ours));
        }
        10 if !life.requests.is_empty() => {
            let (fake, ours) = life.requests.swap_remove(random.below(life.requests.len()));
            envoy_dynamic_module_on_http_filter_destroy(ours);
            fake.hook_ends();
        }
        11 if !life.connections.is_empty() => {
            envoy_dynamic_module_on_network_filter_destroy(life.connections.swap_remove(0).1);
        }
        12..=16 => {
            if let Some(at) = any(&life.requests, random) {
                let (fake, ours) = &life.requests[at];
                match random.below(3) {
                    0 => drop(envoy_dynamic_module_on_http_filter_request_headers(fake.at(), *ours, true)),
                    1 => drop(envoy_dynamic_module_on_http_filter_response_headers(fake.at(), *ours, false)),
                    _ => envoy_dynamic_module_on_http_filter_stream_complete(fake.at(), *ours),
                }
                fake.hook_ends();
            }
        }
        17 | 18 => {
            if let Some(at) = any(&life.connections, random) {
                let (fake, ours) = &life.connections[at];
                match random.below(2) {
                    0 => drop(envoy_dynamic_module_on_network_filter_read(fake.at(), *ours, 7, false)),
                    _ => {
                        envoy_dynamic_module_on_network_filter_event(fake.at(), *ours, random.below(5) as u32)
                    }
                }
                fake.hook_ends();
            }
        }
        19 => {
            // Loggers of a good configuration: others might name any file.
            let text = match random.below(2) {
                0 => RICH.to_owned(),
                _ => allowing("shadow", "/a"),
            };
            let text = text.replacen('{', r#"{"requests": {"file": "/dev/null"}, "#, 1);
            let fake = random_fake(random);
            let (name, text) = (Buffer::of(&name), Buffer::of(text.as_bytes()));
            let ours = envoy_dynamic_module_on_access_logger_config_new(fake.at(), name, text);
            assert!(!ours.is_null());
            life.loggers.push(envoy_dynamic_module_on_access_logger_new(ours, fake.at()));
            envoy_dynamic_module_on_access_logger_config_destroy(ours);
        }
        20 if life.loggers.len() > 2 => {
            let ours = life.loggers.swap_remove(random.below(life.loggers.len()));
            envoy_dynamic_module_on_access_logger_flush(ours);
            envoy_dynamic_module_on_access_logger_destroy(ours);
        }
        20 | 21 if !life.loggers.is_empty() => {
            let ours = life.loggers[random.below(life.loggers.len())];
            let fake = random_fake(random);
            envoy_dynamic_module_on_access_logger_log(fake.at(), ours, [0, 3, 6, 7][random.below(4)]);
            fake.hook_ends();
        }
        _ => {
            // Null, wherever a pointer of ours is expected.
            let (fake, null) = (random_fake(random), core::ptr::null());
            envoy_dynamic_module_on_http_filter_request_headers(fake.at(), null, true);
            envoy_dynamic_module_on_http_filter_stream_complete(fake.at(), null);
            envoy_dynamic_module_on_http_filter_destroy(null);
            envoy_dynamic_module_on_http_filter_config_destroy(null);
            envoy_dynamic_module_on_http_filter_config_scheduled(fake.at(), null, 0);
            envoy_dynamic_module_on_network_filter_read(fake.at(), null, 0, true);
            envoy_dynamic_module_on_network_filter_destroy(null);
            envoy_dynamic_module_on_access_logger_config_destroy(null);
            envoy_dynamic_module_on_access_logger_new(null, fake.at());
            envoy_dynamic_module_on_access_logger_log(fake.at(), null, 6);
            envoy_dynamic_module_on_access_logger_flush(null);
            envoy_dynamic_module_on_access_logger_destroy(null);
            fake.hook_ends();
        }
    }
}

#[test]
fn every_hook_in_any_order_with_any_bytes() {
    let _alone = alone();
    let seconds = env::var("GNOMON_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let (mut seed, mut steps) = (1, 0_u64);
    while Instant::now() < deadline {
        let mut random = Random::new(seed);
        let mut life = Life::default();
        for _ in 0..400 {
            step(&mut life, &mut random);
            steps += 1;
            assert_eq!(guard::tests::panics(), 0, "seed {seed}: {:?}", LOG.lock().unwrap().last());
        }
        for (fake, ours) in life.requests {
            envoy_dynamic_module_on_http_filter_destroy(ours);
            fake.hook_ends();
        }
        for (_, ours) in life.connections {
            envoy_dynamic_module_on_network_filter_destroy(ours);
        }
        life.loggers.into_iter().for_each(|ours| envoy_dynamic_module_on_access_logger_destroy(ours));
        for (_, ours) in life.http {
            envoy_dynamic_module_on_http_filter_config_destroy(ours);
        }
        for (_, ours) in life.network {
            envoy_dynamic_module_on_network_filter_config_destroy(ours);
        }
        LOG.lock().unwrap().clear();
        seed += 1;
    }
    println!("{steps} hooks, {seed} lives");
    assert!(steps >= 400);
}
