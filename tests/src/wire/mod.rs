//! Bytes of the wire and text of the cases, both ways.

mod conn;

pub(crate) use conn::snake;
pub use conn::{Conn, Fault, Io};

/// Bytes as text: UTF-8 where they are, else Latin-1.
pub fn text(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => raw.iter().copied().map(char::from).collect(),
    }
}

/// Text of a case as bytes to send: Latin-1 where possible, so that `\xff` is one byte.
pub fn raw(text: &str) -> Vec<u8> {
    let latin: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
    latin.unwrap_or_else(|_| text.as_bytes().to_vec())
}

/// The value of a header line without the white space around it.
pub fn trimmed(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |at| at + 1);
    &value[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_latin1() {
        assert_eq!(text(b"a\xff"), "a\u{ff}");
        assert_eq!(raw("a\u{ff}"), b"a\xff");
        assert_eq!(raw("\u{20ac}"), "\u{20ac}".as_bytes());
    }

    #[test]
    fn only_the_ends_are_trimmed() {
        assert_eq!(trimmed(b" \ta b\t "), b"a b");
        assert_eq!(trimmed(b"  "), b"");
    }
}
