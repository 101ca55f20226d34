//! What an unquoted word means to Kubernetes, which reads YAML 1.1.

/// The type of a scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, and in YAML 1.1 also `yes`, `on`, `y`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction or exponent.
    Float(f64),
    /// Anything else, and everything in quotes.
    Text,
}

impl Scalar {
    /// The type of an unquoted word.
    pub fn of_plain(word: &str) -> Self {
        match word {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Self::Bool(true),
            "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Self::Bool(false),
            _ => number(word).unwrap_or(Self::Text),
        }
    }

    /// How to call it in a message.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text => "text",
        }
    }
}

/// Whether a word is a boolean in YAML 1.1 only.
pub(super) fn is_old_boolean(word: &str) -> bool {
    matches!(Scalar::of_plain(word), Scalar::Bool(_))
        && !word.eq_ignore_ascii_case("true")
        && !word.eq_ignore_ascii_case("false")
}

/// Whether a word is a number that YAML 1.1 reads as octal: `010` is 8.
pub(super) fn is_old_octal(word: &str) -> bool {
    let digits = word.trim_start_matches(['+', '-']);
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

fn number(word: &str) -> Option<Scalar> {
    let first = word.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    match word.to_ascii_lowercase().as_str() {
        ".inf" | "+.inf" => return Some(Scalar::Float(f64::INFINITY)),
        "-.inf" => return Some(Scalar::Float(f64::NEG_INFINITY)),
        ".nan" => return Some(Scalar::Float(f64::NAN)),
        _ => {}
    }
    let plain = word.replace('_', "");
    if let Some(integer) = integer(&plain) {
        return Some(Scalar::Integer(integer));
    }
    let numeric = plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let has_digit = plain.bytes().any(|b| b.is_ascii_digit());
    if numeric && has_digit { plain.parse().ok().map(Scalar::Float) } else { None }
}

fn integer(word: &str) -> Option<i128> {
    let (negative, digits) = match word.as_bytes().first()? {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', b'0'..=b'7', ..] if digits.bytes().all(|b| matches!(b, b'0'..=b'7')) => (8, digits),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_are_typed_as_kubernetes_does() {
        let cases = [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("yes", Scalar::Bool(true)),
            ("y", Scalar::Bool(true)),
            ("off", Scalar::Bool(false)),
            ("80", Scalar::Integer(80)),
            ("-1", Scalar::Integer(-1)),
            ("010", Scalar::Integer(8)),
            ("089", Scalar::Integer(89)),
            ("0x10", Scalar::Integer(16)),
            ("1_000", Scalar::Integer(1000)),
            ("1.50", Scalar::Float(1.5)),
            ("1e3", Scalar::Float(1000.0)),
            ("1.2.3", Scalar::Text),
            ("10.0.0.1", Scalar::Text),
            ("5s", Scalar::Text),
            ("-", Scalar::Text),
            ("2020-01-01", Scalar::Text),
            ("*.a.com", Scalar::Text),
        ];
        for (word, expected) in cases {
            assert_eq!(Scalar::of_plain(word), expected, "{word:?}");
        }
    }
}
