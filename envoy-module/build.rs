//! How the module is linked.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    // What Envoy implements is found when the module is loaded.
    if os == "macos" {
        println!("cargo::rustc-link-arg-cdylib=-Wl,-undefined,dynamic_lookup");
    } else {
        // A thread of ours sleeps in its code, and threads of Envoy's hold destructors that stand there: it is never
        // unmapped, whatever the configuration says.
        println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
    }
}
