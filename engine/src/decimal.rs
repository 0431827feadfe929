//! Decimal digits to doubles and back, correctly rounded in both directions.
//!
//! The standard library does this with tables and code of 30 kB, an eighth of the module that every proxy of a mesh
//! carries, for speed that is not needed here: numbers are in claims, seconds mostly, which take the fast path. The slow
//! path takes some microseconds, whatever the digits and the exponent are.

use alloc::{string::String, vec::Vec};
use core::cmp::Ordering;

/// More digits than these never change a double, but for whether anything follows them.
const MAX_DIGITS: usize = 780;
/// Whole numbers up to here have their own double.
const EXACT: u64 = 1 << 53;
/// As far as powers of ten have their own double.
const EXACT_POWER: u32 = 22;

/// The double next to what `text` says: digits with a sign, a point and an exponent, as [`str::parse`] reads them.
/// `None` for anything else, infinities and what is beyond a double included.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let magnitude = Decimal::read(unsigned.as_bytes())?.value()?;
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

/// The exact digits of a finite number, rounded half to even to so many decimals: `{value:.decimals$}`.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let (mut digits, mut point) = digits(value.abs());
    let kept = point.saturating_add(i32::try_from(decimals).unwrap_or(i32::MAX));
    if round(&mut digits, kept) {
        point += 1;
    }
    let mut text = String::new();
    if value.is_sign_negative() {
        text.push('-');
    }
    plain(&digits, point, decimals, &mut text);
    text
}

/// The first `count` digits of a number above zero, rounded half to even, and the power of ten of the first.
pub(crate) fn significant(value: f64, count: usize) -> (Vec<u8>, i32) {
    let (mut digits, mut point) = digits(value);
    if round(&mut digits, i32::try_from(count).unwrap_or(i32::MAX)) {
        point += 1;
    }
    digits.resize(count, 0);
    (digits, point - 1)
}

/// Writes digits, so many of them before the point, with so many behind it.
pub(crate) fn plain(digits: &[u8], point: i32, decimals: usize, text: &mut String) {
    let digit = |place: i32| {
        let digit = usize::try_from(place).ok().and_then(|place| digits.get(place));
        char::from(b'0' + digit.copied().unwrap_or(0))
    };
    if point <= 0 {
        text.push('0');
    }
    text.extend((0..point).map(digit));
    if decimals > 0 {
        text.push('.');
        text.extend(
            (0..decimals).map(|place| digit(point.saturating_add(i32::try_from(place).unwrap_or(0)))),
        );
    }
}

/// Rounds to the first `kept` digits. True where that made one digit more: 9.9 to 10.
fn round(digits: &mut Vec<u8>, kept: i32) -> bool {
    let Ok(kept) = usize::try_from(kept) else {
        digits.clear();
        return false;
    };
    let Some((half, beyond)) = digits.get(kept..).and_then(<[u8]>::split_first) else { return false };
    let odd = kept > 0 && digits.get(kept - 1).is_some_and(|digit| digit % 2 == 1);
    let up = match half.cmp(&5) {
        Ordering::Equal => odd || beyond.iter().any(|digit| *digit != 0),
        other => other == Ordering::Greater,
    };
    digits.truncate(kept);
    if !up {
        return false;
    }
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return false;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
    true
}

/// All digits of a number that is not below zero, and how many of them stand before the point.
fn digits(value: f64) -> (Vec<u8>, i32) {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    if value == 0.0 {
        return (Vec::new(), 0);
    }
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    let power = i32::try_from(exponent.max(1)).unwrap_or(0) - 1075;
    let spare = mantissa.trailing_zeros().min(power.min(0).unsigned_abs());
    let mut number = Big::from(mantissa >> spare);
    let decimals = power.min(0).unsigned_abs() - spare;
    // A half is five tenths.
    number.multiply_by_fives(decimals);
    number.shift_left(power.max(0).unsigned_abs());
    let digits = number.into_digits();
    let point = i32::try_from(digits.len()).unwrap_or(0) - i32::try_from(decimals).unwrap_or(0);
    (digits, point)
}

/// A parsed text: `number` times ten to the `exponent`.
struct Decimal {
    number: Big,
    exponent: i32,
}

impl Decimal {
    fn read(text: &[u8]) -> Option<Decimal> {
        let (mut number, mut exponent) = (Big::default(), 0_i32);
        let (mut kept, mut digits, mut point) = (0, false, false);
        let mut rest = text;
        while let [byte, after @ ..] = rest {
            match byte {
                b'0'..=b'9' => {
                    digits = true;
                    if kept < MAX_DIGITS {
                        number.multiply_and_add(10, u32::from(byte - b'0'));
                        kept += usize::from(!number.is_zero());
                        exponent = exponent.saturating_sub(i32::from(point));
                    } else {
                        // Something follows: that is all that matters.
                        if let (Some(low), true) = (number.0.first_mut(), *byte != b'0') {
                            *low |= 1;
                        }
                        exponent = exponent.saturating_add(i32::from(!point));
                    }
                }
                b'.' if !point => point = true,
                b'e' | b'E' if digits => {
                    exponent = exponent.saturating_add(power(after)?);
                    return Some(Decimal { number, exponent });
                }
                _ => return None,
            }
            rest = after;
        }
        digits.then_some(Decimal { number, exponent })
    }

    fn value(self) -> Option<f64> {
        let Decimal { number, exponent } = self;
        let power = exponent.unsigned_abs();
        if let Some(whole) = number.as_u64() {
            if exponent == 0 || whole == 0 {
                return Some(whole as f64);
            }
            if whole <= EXACT && power <= EXACT_POWER {
                let ten = (0..power).fold(1.0, |ten, _| ten * 10.0);
                return Some(if exponent > 0 { whole as f64 * ten } else { whole as f64 / ten });
            }
        }
        // 309 digits before the point are too much; 325 zeros behind it, nothing.
        let bits = i32::try_from(number.bits()).unwrap_or(i32::MAX);
        if exponent > 309 {
            return None;
        }
        if exponent < -330 - bits / 3 {
            return Some(0.0);
        }
        let (mut upper, mut lower) = (number, Big::from(1));
        if exponent > 0 { &mut upper } else { &mut lower }.multiply_by_fives(power);
        divide(upper, lower, exponent)
    }
}

/// The exponent behind an `e`; far out, where it makes no difference any more, it stops.
fn power(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let power =
        digits.iter().fold(0, |power: i32, digit| (power * 10 + i32::from(digit - b'0')).min(99_999_999));
    Some(if negative { -power } else { power })
}

/// The double next to `upper / lower * 2^exponent`, half to even.
fn divide(mut upper: Big, mut lower: Big, mut exponent: i32) -> Option<f64> {
    let (above, below) = (upper.bits(), lower.bits());
    upper.shift_left(below.saturating_sub(above));
    lower.shift_left(above.saturating_sub(below));
    // As long now as one another: one divided by the other is above a half and below two.
    let mut quotient: u64 = 0;
    for _ in 0..64 {
        quotient = quotient << 1 | u64::from(upper.subtract(&lower));
        upper.shift_left(1);
    }
    exponent += i32::try_from(above).unwrap_or(0) - i32::try_from(below).unwrap_or(0) - 63;
    // The value lies between quotient and quotient + 1, times 2^exponent.
    let length = 64 - i32::try_from(quotient.leading_zeros()).unwrap_or(0);
    let first = length + exponent - 1;
    // 53 bits; fewer at the lower end, down to 2^-1074.
    let kept = (first + 1075).min(53);
    let dropped = length - kept;
    if kept < 0 {
        return Some(0.0);
    }
    let (mut mantissa, rest) = match dropped {
        64 => (0, quotient),
        dropped => (quotient >> dropped, quotient & ((1 << dropped) - 1)),
    };
    let half = 1 << (dropped - 1);
    if rest > half || (rest == half && (!upper.is_zero() || mantissa & 1 == 1)) {
        mantissa += 1;
    }
    exponent += dropped;
    if mantissa == 1 << 53 {
        mantissa >>= 1;
        exponent += 1;
    }
    if mantissa < 1 << 52 {
        return Some(f64::from_bits(mantissa));
    }
    let exponent = u64::try_from(exponent + 1075).ok().filter(|exponent| *exponent < 0x7ff)?;
    Some(f64::from_bits(exponent << 52 | (mantissa ^ 1 << 52)))
}

/// A whole number of any length: 32 bits a word, the lowest first, none of them zero at the upper end.
#[derive(Default)]
struct Big(Vec<u32>);

impl Big {
    fn from(number: u64) -> Big {
        let mut big = Big(alloc::vec![number as u32, (number >> 32) as u32]);
        big.trim();
        big
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn as_u64(&self) -> Option<u64> {
        match *self.0.as_slice() {
            [] => Some(0),
            [low] => Some(u64::from(low)),
            [low, high] => Some(u64::from(high) << 32 | u64::from(low)),
            _ => None,
        }
    }

    fn bits(&self) -> u32 {
        let words = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.last().map_or(0, |last| words.saturating_mul(32) - last.leading_zeros())
    }

    fn multiply_and_add(&mut self, factor: u32, more: u32) {
        let mut carry = u64::from(more);
        for word in &mut self.0 {
            carry += u64::from(*word) * u64::from(factor);
            *word = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn multiply_by_fives(&mut self, mut count: u32) {
        while count > 0 {
            // Thirteen fives fit a word.
            let step = count.min(13);
            self.multiply_and_add(5_u32.pow(step), 0);
            count -= step;
        }
    }

    fn shift_left(&mut self, bits: u32) {
        if self.is_zero() {
            return;
        }
        let mut carry = 0;
        for word in &mut self.0 {
            let wide = u64::from(*word) << (bits % 32) | carry;
            *word = wide as u32;
            carry = wide >> 32;
        }
        self.0.push(carry as u32);
        let words = usize::try_from(bits / 32).unwrap_or(0);
        self.0.splice(0..0, core::iter::repeat_n(0, words));
        self.trim();
    }

    /// Subtracts `other` unless it is larger. True where it did.
    fn subtract(&mut self, other: &Big) -> bool {
        let (ours, others) = (self.0.len(), other.0.len());
        let less = ours.cmp(&others).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()));
        if less == Ordering::Less {
            return false;
        }
        let mut borrow = 0;
        for (place, word) in self.0.iter_mut().enumerate() {
            let taken = u64::from(other.0.get(place).copied().unwrap_or(0)) + borrow;
            borrow = u64::from(u64::from(*word) < taken);
            *word = u64::from(*word).wrapping_sub(taken) as u32;
        }
        self.trim();
        true
    }

    /// Decimal digits, the first one first; none for zero.
    fn into_digits(mut self) -> Vec<u8> {
        let mut digits = Vec::new();
        while !self.is_zero() {
            let mut rest = 0;
            for word in self.0.iter_mut().rev() {
                let wide = rest << 32 | u64::from(*word);
                *word = (wide / 1_000_000_000) as u32;
                rest = wide % 1_000_000_000;
            }
            self.trim();
            for _ in 0..9 {
                digits.push((rest % 10) as u8);
                rest /= 10;
            }
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        digits.reverse();
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{
        format,
        string::{String, ToString},
        vec::Vec,
    };

    /// Doubles of all sizes and shapes.
    fn doubles() -> Vec<f64> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut found = alloc::vec![
            0.0,
            1.0,
            0.5,
            0.1,
            5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            1e22,
            1e23,
            9_007_199_254_740_993.0,
            2.225_073_858_507_201e-308,
        ];
        for _ in 0..4000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            found.push(f64::from_bits(state & !(1 << 63)));
            found.push((state % 1_000_000_007) as f64 / 1000.0);
            found.push(f64::from_bits(state % (1 << 53)));
        }
        found.retain(|value| value.is_finite());
        found
    }

    fn same(text: &str) {
        let expected = text.parse::<f64>().ok().filter(|value| value.is_finite());
        assert_eq!(parse(text).map(f64::to_bits), expected.map(f64::to_bits), "{text}");
    }

    #[test]
    fn what_is_no_number_is_none() {
        let table = [
            "",
            "-",
            "+",
            ".",
            "e",
            "1e",
            "1e+",
            "1e-",
            "e1",
            ".e1",
            "1.2.3",
            "1e1.5",
            "1 ",
            " 1",
            "0x1",
            "inf",
            "NaN",
            "1e309",
            "1e99999999999999999999",
            "--1",
            "1_0",
            "é",
        ];
        for text in table {
            same(text);
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_a_number_is_the_nearest_double() {
        for text in
            ["1.", ".5", "+1", "-0", "-1.5e3", "0e99999999999", "1e-99999999999", "00012", "1E5", "1e+05"]
        {
            same(text);
        }
        for value in doubles() {
            same(&format!("{value}"));
            same(&format!("{value:e}"));
            same(&format!("-{value:.20e}"));
            // Halfway to the next one, the ties and a hair to both sides of them.
            let above = f64::from_bits(value.to_bits() + 1);
            if above.is_finite() && value > 0.0 {
                let half = exact_middle(value);
                for tail in ["", "0000", "00000000000000000001"] {
                    same(&format!("{half}{tail}"));
                }
                if let Some(below) = half.trim_end_matches('0').strip_suffix('5') {
                    same(&format!("{below}49999999999999999999"));
                }
            }
        }
        same(&"9".repeat(309));
        same(&format!("0.{}1", "0".repeat(2000)));
        same(&format!("{}e-2000", "9".repeat(2000)));
        same(&format!("1{}1e-900", "0".repeat(900)));
    }

    /// The decimal number exactly between this double and the next. It ends in 5.
    fn exact_middle(value: f64) -> String {
        let (low, high) = (digits_of(value), digits_of(f64::from_bits(value.to_bits() + 1)));
        let mut sum: Vec<u8> = Vec::new();
        let mut carry = 0;
        for (a, b) in low.bytes().rev().zip(high.bytes().rev()) {
            if a == b'.' {
                sum.push(b'.');
                continue;
            }
            let digit = a - b'0' + b - b'0' + carry;
            sum.push(digit % 10 + b'0');
            carry = digit / 10;
        }
        sum.push(carry + b'0');
        sum.reverse();
        // Half of it.
        let mut rest = 0;
        let mut half = String::new();
        for byte in sum {
            if byte == b'.' {
                half.push('.');
                continue;
            }
            let digit = rest * 10 + byte - b'0';
            half.push(char::from(digit / 2 + b'0'));
            rest = digit % 2;
        }
        half.push(char::from(rest * 5 + b'0'));
        half
    }

    /// All digits, at equal length for both.
    fn digits_of(value: f64) -> String {
        format!("{value:0>1500.1100}")
    }

    #[test]
    fn digits_are_the_standard_librarys() {
        for value in doubles() {
            for decimals in [0, 1, 6, 20] {
                assert_eq!(fixed(value, decimals), format!("{value:.decimals$}"), "{value:e}");
                assert_eq!(fixed(-value, decimals), format!("{:.decimals$}", -value), "{value:e}");
            }
            if value > 0.0 {
                for count in [1, 15, 17] {
                    let (digits, exponent) = significant(value, count);
                    let digits: String = digits.iter().map(ToString::to_string).collect();
                    let (first, rest) = digits.split_at(1);
                    let point = if rest.is_empty() { "" } else { "." };
                    let expected = format!("{value:.*e}", count - 1);
                    assert_eq!(format!("{first}{point}{rest}e{exponent}"), expected, "{value:e}");
                }
            }
        }
    }
}
