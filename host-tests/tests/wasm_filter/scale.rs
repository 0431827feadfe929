//! What large sets take of the filter's memory, which never shrinks: the figures of docs/performance.md.

use super::*;
use gnomon_analysis::bundle;
use gnomon_host_tests::measured;

#[test]
fn memory_follows_the_set_and_not_the_updates() {
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    println!("| policies | plain | compressed | after ten updates |");
    let sets = [
        ("1", measured::manifests(1), 1.0),
        ("20", measured::manifests(20), 1.0),
        ("1,000", measured::manifests(1_000), 3.0),
        ("1,000 long ones", measured::varied(1_000), 5.0),
    ];
    for (count, policies, most) in sets {
        let plain = configuration(json!(policies));
        let mut packed = plain.clone();
        packed["candidate"] = bundle::packed_list(&policies);
        let mut host = WasmHost::with(&plain);
        get(&mut host, "/nowhere");
        assert_eq!(verdict(&mut host)["verdict"], "deny", "{count}");
        let of_plain = megabytes(host.memory());
        let of_packed = megabytes(WasmHost::with(&packed).memory());
        for _ in 0..10 {
            assert!(host.configure(plain.to_string().as_bytes()).expect("no trap"));
        }
        let later = megabytes(host.memory());
        println!("| {count} | {of_plain:.1} MB | {of_packed:.1} MB | {later:.1} MB |");
        assert!(
            of_plain < most && of_packed < 1.1 * most,
            "{count}: {of_plain:.1}, {of_packed:.1} of {most:.1} MB"
        );
        // While one is built, the one before is still at work.
        assert!(later <= 2.0 * of_plain, "{count}: {of_plain:.1} MB, then {later:.1}");
    }
}
