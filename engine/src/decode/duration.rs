//! Durations as Go's `time.ParseDuration` reads them: `5s`, `1m30s`, `1.5h`.

use super::{Problem, quoted};
use alloc::format;

/// Nanoseconds of `text`; `None` where it is no duration or does not fit (some 292 years).
pub(super) fn nanoseconds(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let length = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(length)?;
        let scale = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000_i64,
            _ => return None,
        };
        let units: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(units.checked_mul(scale)?)?;
        let mut part = scale;
        for digit in fraction.bytes() {
            part /= 10;
            total = total.checked_add(i64::from(digit - b'0').checked_mul(part)?)?;
        }
        rest = after;
    }
    Some(if negative { -total } else { total })
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A duration of a configuration: at least a millisecond, whole milliseconds.
pub(super) fn check(text: &str) -> Result<(), Problem> {
    let bad = |message: &str| {
        let message = format!("{message}, found {}", quoted(text));
        Err(Problem::new("bad-duration", message, "write it like \"5s\" or \"500ms\""))
    };
    match nanoseconds(text) {
        None => bad("must be a valid duration"),
        Some(length) if length < 1_000_000 => bad("duration must be greater than 1ms"),
        Some(length) if length % 1_000_000 != 0 => bad("only durations to ms precision are supported"),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_reads_them() {
        for (text, expected) in [
            ("5s", Some(5_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("-1ms", Some(-1_000_000)),
            ("0", Some(0)),
            ("10µs", Some(10_000)),
            ("5", None),
            ("s", None),
            ("", None),
            ("1d", None),
            ("1 s", None),
            (".s", None),
            ("9999999999999h", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }
}
