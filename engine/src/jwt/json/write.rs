//! protobuf's JSON printer for `google.protobuf.Value`.

use super::Json;
use alloc::{format, string::String, vec::Vec};
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
    if short.parse() == Ok(value) { short } else { general(value, 17) }
}

/// C's `%.<digits>g`: trailing zeros dropped, an exponent of at least two digits below -4 and from `digits` on.
///
/// Written with fixed decimals alone: Rust's own exponent format would cost the filter 2 kB.
fn general(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    let (mantissa, exponent) = significant(value.abs(), digits);
    let sign = if value < 0.0 { "-" } else { "" };
    if (-4..digits as i32).contains(&exponent) {
        let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
        return trimmed(&format!("{value:.decimals$}")).into();
    }
    let (first, rest) = mantissa.split_at_checked(1).unwrap_or((&mantissa, ""));
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{first}{point}{rest}e{exponent_sign}{:02}", exponent.unsigned_abs())
}

/// The first `digits` decimal digits of a positive number, correctly rounded, and the exponent of the first.
fn significant(value: f64, digits: usize) -> (String, i32) {
    if value >= 1.0 {
        let whole = format!("{value:.0}");
        if whole.len() > digits {
            // Doubles of this size are integers, so that these are all their digits.
            return rounded(&whole, digits);
        }
        let decimals = digits.saturating_sub(whole.len());
        return first(&format!("{value:.decimals$}"), digits);
    }
    // The smallest double begins at the 324th decimal.
    let long = format!("{value:.330}");
    let zeros = long.chars().skip(2).take_while(|digit| *digit == '0').count();
    let decimals = zeros.saturating_add(digits);
    first(&format!("{value:.decimals$}"), digits)
}

/// Digits and exponent out of `ddd.ddd`.
fn first(fixed: &str, digits: usize) -> (String, i32) {
    let (whole, decimals) = fixed.split_once('.').unwrap_or((fixed, ""));
    let leading = whole.trim_start_matches('0');
    let (all, exponent) = if leading.is_empty() {
        let rest = decimals.trim_start_matches('0');
        (rest.into(), -(decimals.len().saturating_sub(rest.len()) as i32) - 1)
    } else {
        (format!("{leading}{decimals}"), leading.len() as i32 - 1)
    };
    (all.chars().take(digits).collect(), exponent)
}

/// An integer's digits rounded to so many, half to even.
fn rounded(whole: &str, digits: usize) -> (String, i32) {
    let (kept, dropped) = whole.split_at_checked(digits).unwrap_or((whole, ""));
    let mut kept: Vec<u8> = kept.bytes().collect();
    let half = dropped.bytes().next().unwrap_or(b'0').cmp(&b'5');
    let beyond = dropped.bytes().skip(1).any(|digit| digit != b'0');
    let odd = kept.last().is_some_and(|digit| digit % 2 == 1);
    let mut carry = half.is_gt() || (half.is_eq() && (beyond || odd));
    for digit in kept.iter_mut().rev() {
        if !carry {
            break;
        }
        carry = *digit == b'9';
        *digit = if carry { b'0' } else { digit.saturating_add(1) };
    }
    let mut exponent = whole.len() as i32 - 1;
    if carry {
        kept.insert(0, b'1');
        kept.truncate(digits);
        exponent += 1;
    }
    (kept.into_iter().map(char::from).collect(), exponent)
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
