//! The type of a plain scalar: the rules of the YAML library in front of Kubernetes' API (go-yaml 2, YAML 1.1 with octals
//! of both spellings).

use gnomon_engine::Value;

/// Resolves a scalar without quotes and without a tag.
pub(crate) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.into()), Value::Number)
}

/// The number as decimal text, unrounded: underscores and a plus sign are dropped, other bases converted.
fn number(text: &str) -> Option<String> {
    const NOT_FINITE: [&str; 12] = [
        ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF",
    ];
    if NOT_FINITE.contains(&text) {
        return Some(text.into());
    }
    let first = text.bytes().next()?;
    if !first.is_ascii_digit() && !matches!(first, b'+' | b'-' | b'.') {
        return None;
    }
    let text = if first == b'.' { text.to_string() } else { text.replace('_', "") };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    integer(digits)
        .or_else(|| is_decimal(digits).then(|| digits.into()))
        .map(|number| format!("{sign}{number}"))
}

/// A whole number: decimal, `0x`, `0o`, `0b`, or octal by a leading zero.
fn integer(digits: &str) -> Option<String> {
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (base, rest) = match lower.as_deref() {
        Some("0x") => (16, digits.get(2..)?),
        Some("0o") => (8, digits.get(2..)?),
        Some("0b") => (2, digits.get(2..)?),
        Some(two) if two.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if rest.is_empty() || !rest.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    if base == 10 {
        return Some(rest.into());
    }
    u128::from_str_radix(rest, base).ok().map(|value| value.to_string())
}

/// `1`, `1.`, `.5`, `1.5e3`: what is left after [`integer`], `08` for instance.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_good = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let some = !whole.is_empty() || !fraction.is_empty();
    some && exponent_good && all_digits(whole) && all_digits(fraction)
}

#[cfg(test)]
mod tests {
    use super::plain;
    use gnomon_engine::Value;

    #[test]
    fn as_kubernetes_reads_them() {
        let number = |text: &str| Value::Number(text.into());
        let string = |text: &str| Value::String(text.into());
        for (text, expected) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("Null", Value::Null),
            ("nUll", string("nUll")),
            ("true", Value::Bool(true)),
            ("on", Value::Bool(true)),
            ("No", Value::Bool(false)),
            ("n", Value::Bool(false)),
            ("oN", string("oN")),
            ("80", number("80")),
            ("-80", number("-80")),
            ("+80", number("80")),
            ("1_000", number("1000")),
            ("0x1F", number("31")),
            ("0o17", number("15")),
            ("017", number("15")),
            ("0b101", number("5")),
            ("08", number("08")),
            ("0", number("0")),
            ("1.30", number("1.30")),
            ("1.", number("1.")),
            (".5", number(".5")),
            ("1e3", number("1e3")),
            ("1e", string("1e")),
            (".", string(".")),
            ("-", string("-")),
            ("1.2.3", string("1.2.3")),
            ("10.0.0.0/8", string("10.0.0.0/8")),
            ("2025-05-04", string("2025-05-04")),
            ("2025-05-04T07:04:01Z", string("2025-05-04T07:04:01Z")),
            ("0x", string("0x")),
            ("0é", string("0é")),
            (".inf", number(".inf")),
            ("99999999999999999999999999", number("99999999999999999999999999")),
            ("12:30", string("12:30")),
            ("*", string("*")),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
    }
}
