//! RFC 3339 timestamps to seconds since 1970.

/// Seconds since 1970 (UTC) of `2025-05-04T07:04:01Z`; a fraction is cut off, an offset like `+02:00` is counted in,
/// a leap second is the first of the next minute.
pub fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let (clock, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(index) => rest.split_at_checked(index)?,
        None => return None,
    };
    let days = days(date)?;
    let (clock, fraction) = clock.split_once('.').map_or((clock, "0"), |(clock, fraction)| (clock, fraction));
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hour, rest) = clock.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let seconds = number(hour, 2, 23)? * 3600 + number(minute, 2, 59)? * 60 + number(second, 2, 60)?;
    Some(days * 86_400 + seconds - offset_seconds(offset)?)
}

fn offset_seconds(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    Some(sign * (number(hours, 2, 23)? * 3600 + number(minutes, 2, 59)? * 60))
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days(date: &str) -> Option<i64> {
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (number(year, 4, 9999)?, number(month, 2, 12)?, number(day, 2, 31)?);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if month == 0 || day == 0 || day > length {
        return None;
    }
    // The year begins in March, so that the leap day is its last.
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn number(text: &str, digits: usize, most: i64) -> Option<i64> {
    let digits_only = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|value| digits_only && *value <= most)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn timestamps() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2025-05-04T07:04:01Z", Some(1_746_342_241)),
            ("2025-05-04t07:04:01.999z", Some(1_746_342_241)),
            ("2025-05-04 09:04:01+02:00", Some(1_746_342_241)),
            ("2025-05-04T00:04:01-07:00", Some(1_746_342_241)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2100-02-29T12:00:00Z", None),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800)),
            ("2025-05-04", None),
            ("2025-05-04T07:04Z", None),
            ("2025-05-04T07:04:01", None),
            ("2025-13-04T07:04:01Z", None),
            ("2025-05-04T24:04:01Z", None),
            ("2025-05-04T07:04:01.Z", None),
            ("", None),
            ("\u{e9}T\u{e9}Z", None),
        ] {
            assert_eq!(rfc3339(text), expected, "{text}");
        }
    }
}
