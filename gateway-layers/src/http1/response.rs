//! The response side: how a body is framed, and the bytes of a head.
use bytes::{BufMut as _, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, DATE, SERVER, TRANSFER_ENCODING},
};

use super::head::length;

/// How the body of a response is sent (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// None is sent, whatever there is.
    None,
    /// Exactly so many bytes.
    Length(u64),
    Chunked,
    /// Until the connection ends: HTTP/1.0 knows no chunks.
    Close,
}

impl Plan {
    /// Decides, and leaves in `headers` what says so and nothing else. `exact` is the body's own length, if it is
    /// known. A `content-length` that is not the body's goes.
    pub(crate) fn new(
        (method, version): (&Method, Version),
        status: StatusCode,
        headers: &mut HeaderMap,
        exact: Option<u64>,
    ) -> Self {
        headers.remove(TRANSFER_ENCODING);
        let stated = stated(headers);
        if status.is_informational() || status == StatusCode::NO_CONTENT {
            headers.remove(CONTENT_LENGTH);
            return Self::None;
        }
        if status == StatusCode::NOT_MODIFIED {
            return Self::None;
        }
        if *method == Method::HEAD {
            // As Envoy: what GET would have had, of which nothing is known.
            if stated.is_none() && version == Version::HTTP_11 {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            return Self::None;
        }
        let Some(length) = exact.or(stated) else {
            if version < Version::HTTP_11 {
                return Self::Close;
            }
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            return Self::Chunked;
        };
        if stated != Some(length) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Self::Length(length)
    }
}

/// The length that the headers state, and one line of it alone.
fn stated(headers: &mut HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let first = lines.next()?;
    let stated = length(first.as_bytes()).filter(|_| lines.next().is_none());
    if stated.is_none() {
        headers.remove(CONTENT_LENGTH);
    }
    stated
}

/// Writes a head as Envoy does: names in lower case; `date` where there is none, before `server`; `connection: close`
/// at the end.
/// Tells whether it does, also by the headers themselves.
pub(crate) fn write_head(
    out: &mut BytesMut,
    status: StatusCode,
    headers: &HeaderMap,
    date: &[u8],
    close: bool,
) -> bool {
    out.reserve(64 + headers.len() * 40);
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.put_slice(b"\r\n");
    let dated = headers.contains_key(DATE);
    let mut closes = close;
    for (name, value) in headers {
        match *name {
            SERVER if !dated => {}
            // Last of all, and once.
            CONNECTION if says_close(value) => closes = true,
            _ => write_field(out, name, value),
        }
    }
    if !dated {
        out.put_slice(b"date: ");
        out.put_slice(date);
        out.put_slice(b"\r\n");
        for value in headers.get_all(SERVER) {
            write_field(out, &SERVER, value);
        }
    }
    if closes {
        out.put_slice(b"connection: close\r\n");
    }
    out.put_slice(b"\r\n");
    closes
}

fn write_field(out: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    out.put_slice(name.as_str().as_bytes());
    out.put_slice(b": ");
    out.put_slice(value.as_bytes());
    out.put_slice(b"\r\n");
}

/// Does a `Connection` line end the connection?
fn says_close(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Before the data of a chunk.
pub(crate) fn write_chunk_size(out: &mut BytesMut, length: usize) {
    use std::fmt::Write as _;
    // Writing to a buffer that grows does not fail.
    let _ = write!(out, "{length:x}\r\n");
}

/// The end of a chunked body.
pub(crate) fn write_last_chunk(out: &mut BytesMut, trailers: Option<&HeaderMap>) {
    out.put_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        write_field(out, name, value);
    }
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str, status: u16, fields: &[(&'static str, &'static str)], exact: Option<u64>) -> (Plan, String) {
        let (method, version) = line.split_once(' ').expect("a method and a version");
        let method: Method = method.parse().expect("a method");
        let version = if version == "1.0" { Version::HTTP_10 } else { Version::HTTP_11 };
        let mut headers: HeaderMap = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        let status = StatusCode::from_u16(status).expect("a status");
        let plan = Plan::new((&method, version), status, &mut headers, exact);
        let left: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ascii"))).collect();
        (plan, left.join(", "))
    }

    #[test]
    fn bodies_are_framed_once() {
        let (length, coding) = (("content-length", "5"), ("transfer-encoding", "gzip"));
        for (line, status, fields, exact, expected, left) in [
            ("GET 1.1", 200, &[][..], Some(5), Plan::Length(5), "content-length: 5"),
            ("GET 1.1", 200, &[], Some(0), Plan::Length(0), "content-length: 0"),
            ("GET 1.1", 200, &[], None, Plan::Chunked, "transfer-encoding: chunked"),
            ("GET 1.0", 200, &[], None, Plan::Close, ""),
            ("GET 1.1", 200, &[length], None, Plan::Length(5), "content-length: 5"),
            ("GET 1.1", 200, &[length], Some(4), Plan::Length(4), "content-length: 4"),
            ("GET 1.1", 200, &[length, length], None, Plan::Chunked, "transfer-encoding: chunked"),
            ("GET 1.1", 200, &[coding, length], None, Plan::Length(5), "content-length: 5"),
            ("GET 1.1", 204, &[length, coding], Some(5), Plan::None, ""),
            ("GET 1.1", 101, &[length], None, Plan::None, ""),
            ("GET 1.1", 304, &[length], Some(0), Plan::None, "content-length: 5"),
            ("GET 1.1", 304, &[], Some(0), Plan::None, ""),
            ("HEAD 1.1", 200, &[length], Some(0), Plan::None, "content-length: 5"),
            ("HEAD 1.1", 200, &[], Some(0), Plan::None, "transfer-encoding: chunked"),
            ("HEAD 1.0", 200, &[], Some(0), Plan::None, ""),
        ] {
            assert_eq!(plan(line, status, fields, exact), (expected, left.to_owned()), "{line} {status} {fields:?}");
        }
    }

    #[test]
    fn heads_have_a_date_and_close_once() {
        let mut out = BytesMut::new();
        let mut headers = HeaderMap::new();
        headers.insert(SERVER, HeaderValue::from_static("s"));
        headers.insert("x", HeaderValue::from_static("1"));
        write_head(&mut out, StatusCode::OK, &headers, b"now", true);
        assert_eq!(&out[..], b"HTTP/1.1 200 OK\r\nx: 1\r\ndate: now\r\nserver: s\r\nconnection: close\r\n\r\n");
        headers.insert(DATE, HeaderValue::from_static("then"));
        headers.insert(CONNECTION, HeaderValue::from_static("Close"));
        out.clear();
        write_head(&mut out, StatusCode::from_u16(599).expect("valid"), &headers, b"now", true);
        assert_eq!(&out[..], b"HTTP/1.1 599 Unknown\r\nserver: s\r\nx: 1\r\ndate: then\r\nconnection: close\r\n\r\n");
    }

    #[test]
    fn chunks() {
        let mut out = BytesMut::new();
        write_chunk_size(&mut out, 26);
        let mut trailers = HeaderMap::new();
        trailers.insert("a", HeaderValue::from_static("1"));
        write_last_chunk(&mut out, Some(&trailers));
        write_last_chunk(&mut out, None);
        assert_eq!(&out[..], b"1a\r\n0\r\na: 1\r\n\r\n0\r\n\r\n");
    }
}
