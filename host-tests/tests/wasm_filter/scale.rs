//! What large sets take of the filter's memory, which never shrinks: the figures of docs/scale.md.

use super::*;
use gnomon_analysis::bundle;
use gnomon_host_tests::scene;

#[test]
fn memory_follows_the_set_and_not_the_updates() {
    let megabytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    println!("| policies | plain | compressed | after ten updates |");
    for (count, most) in [(1, 2.0), (20, 2.0), (1_000, 5.0)] {
        let plain = configuration(json!(scene::manifests(count)));
        let mut packed = plain.clone();
        packed["candidate"] = bundle::packed_list(&scene::manifests(count));
        let mut host = WasmHost::with(&plain);
        get(&mut host, &scene::path(count));
        assert_eq!(verdict(&mut host)["verdict"], "allow", "{count}");
        let of_plain = megabytes(host.memory());
        let of_packed = megabytes(WasmHost::with(&packed).memory());
        for _ in 0..10 {
            assert!(host.configure(plain.to_string().as_bytes()).expect("no trap"));
        }
        let later = megabytes(host.memory());
        println!("| {count} | {of_plain:.1} MiB | {of_packed:.1} MiB | {later:.1} MiB |");
        assert!(
            of_plain <= most && of_packed <= most,
            "{count}: {of_plain:.1}, {of_packed:.1} of {most:.1} MiB"
        );
        // While one is built, the one before is still at work.
        assert!(later <= 2.0 * of_plain, "{count}: {of_plain:.1} MiB, then {later:.1}");
    }
}
