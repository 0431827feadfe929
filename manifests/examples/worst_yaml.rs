//! How long the worst texts take to read, and to draw the findings: `cargo run --release -p gnomon-manifests --example worst_yaml -- [MB] [NAME]`.

#[path = "../tests/worst/texts.rs"]
mod texts;

use gnomon_manifests::{Colour, load_text};
use std::fs;

/// The seconds that this thread has computed: others may be at work on the machine.
fn computed() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let size = arguments.next().and_then(|number| number.parse::<usize>().ok()).unwrap_or(32) << 20;
    let only = arguments.next().unwrap_or_default();
    for (name, text) in texts::FAMILIES.iter().filter(|(name, _)| name.contains(&only)) {
        let text = text(size.saturating_sub(8192));
        let began = computed();
        let loaded = load_text(&text, "worst.yaml").unwrap_or_else(|wrong| *wrong.loaded);
        let read = computed();
        let drawn: usize =
            loaded.diagnostics.iter().map(|found| loaded.render(found, Colour::Never).len()).sum();
        let first = loaded.diagnostics.first().map_or("", |found| found.code);
        println!(
            "{:6.2} s  {:6.2} s  {:5} findings, {drawn} bytes  {name}  {first}",
            read - began,
            computed() - read,
            loaded.diagnostics.len(),
        );
    }
}
