//! Numbers as people read them.

pub(crate) use gnomon_analysis::bundle::grouped;

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// So many of them.
pub(crate) fn policies(count: usize) -> String {
    format!("{} {}", grouped(count), if count == 1 { "policy" } else { "policies" })
}

/// A size.
pub(crate) fn bytes(count: usize) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.2} MB", count as f64 / 1e6),
    }
}
