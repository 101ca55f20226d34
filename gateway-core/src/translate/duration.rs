//! Durations in Go's notation: `1h`, `1m30s`, `1.5s`.

use std::time::Duration;

/// Nanoseconds of a duration as Go reads it.
pub(super) fn nanoseconds(text: &str) -> Result<i128, String> {
    let wrong = || match text.parse::<f64>() {
        Ok(number) if number.is_finite() => format!("a duration needs a unit: `{text}s`"),
        _ => format!("`{text}` is no duration: write a number with a unit, such as `1m30s`, `5s` or `100ms`"),
    };
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(length);
        let length = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3_600 * 1_000_000_000,
            _ => return Err(wrong()),
        };
        total = total.checked_add(part(number, unit).ok_or_else(wrong)?).ok_or_else(wrong)?;
        rest = after;
    }
    // What Go can hold: about 292 years.
    if total > i128::from(i64::MAX) { Err(wrong()) } else { Ok(sign * total) }
}

fn part(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 18 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut value = whole.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.bytes() {
        scale /= 10;
        value += i128::from(digit - b'0') * scale;
    }
    Some(value)
}

/// The duration that most fields want: at least 1 ms, and whole milliseconds.
pub(super) fn normal(text: &str) -> Result<Duration, String> {
    let nanoseconds = nanoseconds(text)?;
    if nanoseconds < 1_000_000 {
        return Err(format!("`{text}` is too short: 1ms at least, and `ms` is the smallest unit"));
    }
    if nanoseconds % 1_000_000 != 0 {
        return Err(format!("`{text}` is too exact: whole milliseconds only, `ms` is the smallest unit"));
    }
    Ok(Duration::from_millis(u64::try_from(nanoseconds / 1_000_000).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_does() {
        for (text, expected) in [
            ("1h", Some(3_600_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("100ms", Some(100_000_000)),
            ("-1s", Some(-1_000_000_000)),
            ("0", Some(0)),
            (".5s", Some(500_000_000)),
            ("5", None),
            ("", None),
            ("s", None),
            ("1x", None),
            ("1 s", None),
            ("1..5s", None),
        ] {
            assert_eq!(nanoseconds(text).ok(), expected, "{text:?}");
        }
        for (text, good) in [("1ms", true), ("0s", false), ("500us", false), ("1.5ms", false), ("-1s", false)] {
            assert_eq!(normal(text).is_ok(), good, "{text:?}");
        }
    }
}
