//! [`Lines`]: where a block of lines ends, found as its bytes come in.
use super::Refusal;

/// Looks at each byte once, however slowly they come. A line ends with CR LF and with nothing else (RFC 9112 2.2).
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where the line that is being read begins.
    line: usize,
    /// Up to here there is no end of line that was not seen.
    seen: usize,
}

impl Lines {
    /// The length of the block, the empty line at its end included; `None` if it has not come yet.
    ///
    /// # Errors
    /// At a line that ends with LF alone.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        for at in memchr::memchr_iter(b'\n', bytes.get(self.seen..).unwrap_or_default()) {
            let at = at + self.seen;
            if at == self.line || bytes.get(at - 1) != Some(&b'\r') {
                return Err(Refusal::BAD_REQUEST);
            }
            if at == self.line + 1 {
                return Ok(Some(at + 1));
            }
            self.line = at + 1;
        }
        self.seen = bytes.len();
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        for (bytes, expected) in [
            (&b"a: b\r\n\r\nrest"[..], Ok(Some(8))),
            (b"\r\n", Ok(Some(2))),
            (b"a\r\nb\r\n", Ok(None)),
            (b"a\r\n\r", Ok(None)),
            (b"a\n", Err(())),
            (b"a\r\n\n", Err(())),
            (b"\n", Err(())),
            (b"a\rb\r\n\r\n", Ok(Some(7))),
        ] {
            assert_eq!(Lines::default().end(bytes).map_err(|_| ()), expected, "{bytes:?}");
            let mut slow = Lines::default();
            let mut all = (0..=bytes.len()).map(|length| slow.end(&bytes[..length]));
            let slow = all.find(|end| !matches!(end, Ok(None))).unwrap_or(Ok(None));
            assert_eq!(slow.map_err(|_| ()), expected, "{bytes:?} byte by byte");
        }
    }
}
