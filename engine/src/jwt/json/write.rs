//! protobuf's JSON printer for `google.protobuf.Value`.

use super::Json;
use crate::decimal;
use alloc::{format, string::String};
use core::fmt::Write;

pub(super) fn compact(value: &Json) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(value) if value.is_finite() => out.push_str(&number(*value)),
        Json::Number(_) => out.push_str("null"),
        Json::String(text) => string(text, out),
        Json::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (i, (name, item)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                string(name, out);
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
    }
}

/// C's `%.15g` where that reads back to the same double, else `%.17g`.
fn number(value: f64) -> String {
    let short = general(value, 15);
    if decimal::parse(&short) == Some(value) { short } else { general(value, 17) }
}

/// C's `%.<digits>g`: trailing zeros dropped, an exponent of at least two digits below -4 and from `digits` on.
fn general(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    let (mantissa, exponent) = decimal::significant(value.abs(), digits);
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    if (-4..digits as i32).contains(&exponent) {
        let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
        decimal::plain(&mantissa, exponent + 1, decimals, &mut text);
        return trimmed(&text).into();
    }
    decimal::plain(&mantissa, 1, digits - 1, &mut text);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(&text), exponent.unsigned_abs())
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if escaped(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Control and format characters, and the two that are dangerous in HTML.
fn escaped(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '<' | '>' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{600}'..='\u{603}' | '\u{6dd}' | '\u{70f}'
        | '\u{17b4}' | '\u{17b5}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by Rust's own exponent format.
    fn oracle(value: f64, digits: usize) -> String {
        let scientific = format!("{value:.*e}", digits - 1);
        let (mantissa, exponent) = scientific.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        if (-4..digits as i32).contains(&exponent) {
            let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
            return trimmed(&format!("{value:.decimals$}")).into();
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs())
    }

    #[test]
    fn numbers_are_written_as_c_writes_them() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut values = alloc::vec![
            1.0,
            -1.0,
            0.1,
            1e-4,
            9.9999e-5,
            1e14,
            1e15,
            1e16,
            1e17,
            123_456_789_012_345_680.0,
            9.999e22,
            999_999_999_999_999.9,
            0.999_999_999_999_999_9,
            5e-324,
            f64::MAX,
            f64::MIN_POSITIVE,
            1e300,
            2.5e15,
            4_503_599_627_370_497.5,
        ];
        for _ in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            values.push(f64::from_bits(state));
            values.push((state % 1_000_000_007) as f64 / 1000.0);
        }
        for value in values.into_iter().filter(|value| value.is_finite()) {
            for digits in [15, 17] {
                assert_eq!(general(value, digits), oracle(value, digits), "{value:e} {digits}");
            }
        }
        assert_eq!((general(0.0, 15), general(-0.0, 15)), ("0".into(), "-0".into()));
    }
}
