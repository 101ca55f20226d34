//! [`Chunked`]: the chunked transfer coding, read (RFC 9112 7.1).
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Decoded, Refusal, lines::Lines};

/// Bytes of extensions in a whole body, and bytes of its trailers.
const MAX_EXTRAS: usize = 16 * 1024;
/// Fields of the trailers.
const MAX_TRAILERS: usize = 100;

/// Where in the coding the next byte is.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    /// Bytes that extensions may still have.
    extras: usize,
}

#[derive(Debug)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailers(Lines),
    End,
}

impl Chunked {
    pub(crate) const fn new() -> Self {
        Self { state: State::Size, extras: MAX_EXTRAS }
    }

    pub(crate) const fn is_end(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// The next piece; `None` if it has not come yet.
    pub(crate) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Decoded>, Refusal> {
        loop {
            match &mut self.state {
                State::Size => match self.size(buffer)? {
                    None => return Ok(None),
                    Some(0) => self.state = State::Trailers(Lines::default()),
                    Some(size) => self.state = State::Data(size),
                },
                State::Data(0) => self.state = State::DataEnd,
                State::Data(left) => {
                    let data = super::body::take(buffer, left);
                    return Ok((!data.is_empty()).then_some(Decoded::Data(data)));
                }
                State::DataEnd => {
                    if !buffer.is_empty() && buffer.first() != Some(&b'\r') {
                        return Err(Refusal::BAD_REQUEST);
                    }
                    match buffer.get(1) {
                        None => return Ok(None),
                        Some(b'\n') => buffer.advance(2),
                        Some(_) => return Err(Refusal::BAD_REQUEST),
                    }
                    self.state = State::Size;
                }
                State::Trailers(lines) => {
                    let Some(end) = lines.end(buffer)? else {
                        return if buffer.len() > MAX_EXTRAS { Err(Refusal::BAD_REQUEST) } else { Ok(None) };
                    };
                    if end > MAX_EXTRAS {
                        return Err(Refusal::BAD_REQUEST);
                    }
                    let trailers = trailers(&buffer.split_to(end).freeze())?;
                    self.state = State::End;
                    return Ok(Some(if trailers.is_empty() { Decoded::End } else { Decoded::Trailers(trailers) }));
                }
                State::End => return Ok(Some(Decoded::End)),
            }
        }
    }

    /// Takes a line `SIZE[;extension]` off the buffer.
    fn size(&mut self, buffer: &mut BytesMut) -> Result<Option<u64>, Refusal> {
        let digits = buffer.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let Some(after) = buffer.get(digits) else {
            return if digits > 16 { Err(Refusal::BAD_REQUEST) } else { Ok(None) };
        };
        if !matches!(after, b'\r' | b';') || !(1..=16).contains(&digits) {
            return Err(Refusal::BAD_REQUEST);
        }
        let rest = buffer.get(digits..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| !is_extension(*byte)) else {
            return if rest.len() > self.extras { Err(Refusal::BAD_REQUEST) } else { Ok(None) };
        };
        if rest.get(end) != Some(&b'\r') {
            return Err(Refusal::BAD_REQUEST);
        }
        match rest.get(end + 1) {
            None => return Ok(None),
            Some(b'\n') => {}
            Some(_) => return Err(Refusal::BAD_REQUEST),
        }
        self.extras = self.extras.checked_sub(end).ok_or(Refusal::BAD_REQUEST)?;
        let size = buffer.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok());
        let size = size.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or(Refusal::BAD_REQUEST)?;
        buffer.advance(digits + end + 2);
        Ok(Some(size))
    }
}

/// What may stand in an extension: nothing that ends a line for anybody.
const fn is_extension(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

fn trailers(bytes: &Bytes) -> Result<HeaderMap, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    let parsed = httparse::parse_headers(bytes, &mut fields).map_err(|_| Refusal::BAD_REQUEST)?;
    let httparse::Status::Complete((_, fields)) = parsed else { return Err(Refusal::BAD_REQUEST) };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Refusal::BAD_REQUEST)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value));
        trailers.append(name, value.map_err(|_| Refusal::BAD_REQUEST)?);
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data and the trailers of a body that comes in pieces of `cut` bytes; an error; or what is missing (`None`).
    fn decoded(bytes: &[u8], cut: usize) -> Result<Option<(Vec<u8>, Vec<String>)>, Refusal> {
        let (mut chunked, mut buffer) = (Chunked::new(), BytesMut::new());
        let (mut data, mut names) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(cut) {
            buffer.extend_from_slice(piece);
            while let Some(decoded) = chunked.decode(&mut buffer)? {
                match decoded {
                    Decoded::Data(more) => data.extend_from_slice(&more),
                    Decoded::Trailers(trailers) => names.extend(trailers.keys().map(ToString::to_string)),
                    Decoded::End => {}
                }
                if chunked.is_end() {
                    return Ok(Some((data, names)));
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn bodies() {
        for (bytes, expected) in [
            (&b"0\r\n\r\n"[..], Ok(Some(("", &[][..])))),
            (b"5\r\nhello\r\n0\r\n\r\n", Ok(Some(("hello", &[])))),
            (b"A;a=b\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n", Ok(Some(("0123456789x", &[])))),
            (b"1\r\nx\r\n0\r\nA: 1\r\nB:2\r\n\r\n", Ok(Some(("x", &["a", "b"])))),
            (b"5\r\nhello\r\n0\r\n", Ok(None)),
            (b"5\r\nhel", Ok(None)),
            (b"5\nhello\r\n0\r\n\r\n", Err(())),
            (b"5\r\nhello\n0\r\n\r\n", Err(())),
            (b"5\r\nhelloXX\r\n0\r\n\r\n", Err(())),
            (b"5;a\nb\r\nhello\r\n0\r\n\r\n", Err(())),
            (b"2\r\r;a\r\n02\r\n41\r\n0\r\n\r\n", Err(())),
            (b"1_0\r\nhello\r\n0\r\n\r\n", Err(())),
            (b"0x5\r\nhello\r\n0\r\n\r\n", Err(())),
            (b"+5\r\nhello\r\n0\r\n\r\n", Err(())),
            (b"-1\r\n", Err(())),
            (b" 5\r\nhello\r\n0\r\n\r\n", Err(())),
            (b"5 \r\nhello\r\n0\r\n\r\n", Err(())),
            (b"\r\n\r\n", Err(())),
            (b";a\r\n\r\n", Err(())),
            (b"10000000000000000\r\n", Err(())),
            (b"0\r\nA : 1\r\n\r\n", Err(())),
            (b"0\r\nA: 1\n\r\n", Err(())),
            (b"0\r\nNoColon\r\n\r\n", Err(())),
        ] {
            let expected = expected.map(|body| {
                body.map(|(data, names): (&str, &[&str])| {
                    (data.as_bytes().to_vec(), names.iter().map(ToString::to_string).collect::<Vec<_>>())
                })
            });
            for cut in [1, 2, 3, bytes.len()] {
                assert_eq!(decoded(bytes, cut).map_err(|_| ()), expected, "{} by {cut}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn extras_are_bounded() {
        let large = |size: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(size)).into_bytes();
        assert!(decoded(&large(10_000), 4096).expect("fits").is_some());
        assert!(decoded(&large(20_000), 4096).is_err());
        let often = format!("{}0\r\n\r\n", "1;aaaaaaaaaaaaaaa\r\nx\r\n".repeat(1100));
        assert!(decoded(often.as_bytes(), 4096).is_err());
        let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(101));
        assert!(decoded(trailers.as_bytes(), 4096).is_err());
        let trailers = format!("0\r\na: {}\r\n", "b".repeat(20_000));
        for cut in [4096, trailers.len()] {
            assert!(decoded(trailers.as_bytes(), cut).is_err());
        }
    }
}
