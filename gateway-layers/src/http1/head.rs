//! [`HeadParser`]: bytes become the head of a request.
use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRANSFER_ENCODING, UPGRADE},
};

use super::{Refusal, lines::Lines};

/// What a head may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes.
    pub(crate) head: usize,
    /// Fields.
    pub(crate) fields: usize,
}

/// A request's head, and what it says of the connection.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) request: Request<()>,
    pub(crate) framing: Framing,
    /// The client takes another response on this connection.
    pub(crate) keep_alive: bool,
    /// The client waits for `100 Continue`.
    pub(crate) expects: bool,
    /// The client takes trailers.
    pub(crate) trailers: bool,
    /// `Connection` names `Content-Length`: the next hop is not told it.
    pub(crate) hides_length: bool,
    /// The bytes, if it asks for another protocol.
    pub(crate) upgrade: Option<Bytes>,
}

/// How a body is framed (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

impl Framing {
    /// No body.
    pub(crate) const NONE: Self = Self::Length(0);
}

/// Parses one head after the other.
#[derive(Debug)]
pub(crate) struct HeadParser {
    limits: Limits,
    lines: Lines,
    /// How many bytes of an incomplete head were parsed, to find garbage before a timer does.
    tried: usize,
    /// A map whose room is used again.
    spare: HeaderMap,
    /// The bytes of the last head: their room is used again when nobody has the head any more.
    last: Bytes,
}

impl HeadParser {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, lines: Lines::default(), tried: 0, spare: HeaderMap::new(), last: Bytes::new() }
    }

    /// Takes a head off the buffer; `None` if it has not come yet.
    ///
    /// # Errors
    /// If it is outside the grammar or the limits. There is nothing to be read after that.
    pub(crate) fn parse(&mut self, buffer: &mut BytesMut) -> Result<Option<RequestHead>, Refusal> {
        loop {
            match self.lines.end(buffer)? {
                // Some clients end a body with an empty line of their own (RFC 9112 2.2).
                Some(2) => buffer.advance(2),
                Some(end) if end > self.limits.head => return Err(Refusal::HEAD_TOO_LARGE),
                Some(end) => {
                    (self.lines, self.tried) = (Lines::default(), 0);
                    let bytes = take(buffer, end);
                    self.last = if end <= KEPT_BYTES { bytes.clone() } else { Bytes::new() };
                    let spare = std::mem::take(&mut self.spare);
                    return head(&bytes, self.limits.fields, spare).map(Some);
                }
                None => return self.incomplete(buffer).map(|()| None),
            }
            self.lines = Lines::default();
        }
    }

    /// An empty buffer to read into.
    pub(crate) fn buffer(&mut self) -> BytesMut {
        let mut buffer = std::mem::take(&mut self.last).try_into_mut().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Takes a map that nobody needs any more: the next head's fields come into its room.
    pub(crate) fn reuse(&mut self, mut headers: HeaderMap) {
        // An idle connection shall be small.
        if headers.capacity() <= KEPT {
            headers.clear();
            self.spare = headers;
        }
    }

    /// Half a head may be wrong already. It is looked at each time it has doubled: so the cost is that of parsing it
    /// twice, whoever sends it byte by byte.
    fn incomplete(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if bytes.len() > self.limits.head {
            return Err(Refusal::HEAD_TOO_LARGE);
        }
        if bytes.len() > 2 * self.tried {
            self.tried = bytes.len();
            with_fields(self.limits.fields, |fields| {
                let mut parsed = httparse::Request::new(&mut []);
                parsed.parse_with_uninit_headers(bytes, fields).map(|_| ()).map_err(|error| refusal(error, bytes))
            })?;
        }
        Ok(())
    }
}

/// The first bytes; the whole buffer if there is nothing behind them.
fn take(buffer: &mut BytesMut, length: usize) -> Bytes {
    if buffer.len() == length { std::mem::take(buffer).freeze() } else { buffer.split_to(length).freeze() }
}

/// Room for the fields on the stack, unless somebody wants more than usual.
fn with_fields<'b, T>(count: usize, parse: impl FnOnce(&mut [MaybeUninit<httparse::Header<'b>>]) -> T) -> T {
    const USUAL: usize = 100;
    if count <= USUAL {
        let mut fields = [const { MaybeUninit::uninit() }; USUAL];
        parse(fields.get_mut(..count).unwrap_or_default())
    } else {
        parse(&mut vec![MaybeUninit::uninit(); count])
    }
}

fn refusal(error: httparse::Error, bytes: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::TOO_MANY_FIELDS,
        httparse::Error::Version if names_another_version(bytes) => Refusal::VERSION,
        _ => Refusal::BAD_REQUEST,
    }
}

/// `HTTP/2.0` is a version that is not spoken here; `http/1.1` is none.
fn names_another_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\r').find(|line| !line.is_empty() && *line != b"\n").unwrap_or_default();
    let mut parts = line.split(|byte| *byte == b' ').skip(2);
    matches!((parts.next(), parts.next()), (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn head(bytes: &Bytes, fields: usize, mut headers: HeaderMap) -> Result<RequestHead, Refusal> {
    with_fields(fields, |fields| {
        let mut parsed = httparse::Request::new(&mut []);
        let status = parsed.parse_with_uninit_headers(bytes, fields).map_err(|error| refusal(error, bytes))?;
        let (Some(method), Some(target), Some(version), true) =
            (parsed.method, parsed.path, parsed.version, status.is_complete())
        else {
            return Err(Refusal::BAD_REQUEST);
        };
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| Refusal::BAD_REQUEST)?;
        *request.uri_mut() = uri(bytes, target)?;
        *request.version_mut() = if version == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
        let mut seen = Seen { old: version == 0, close: version == 0, ..Seen::default() };
        headers.reserve(parsed.headers.len() + ROOM);
        for field in parsed.headers.iter() {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Refusal::BAD_REQUEST)?;
            let value = bytes.slice_ref(field.value);
            let value = HeaderValue::from_maybe_shared(value).map_err(|_| Refusal::BAD_REQUEST)?;
            seen.field(&name, &value)?;
            headers.try_append(name, value).map_err(|_| Refusal::TOO_MANY_FIELDS)?;
        }
        *request.headers_mut() = headers;
        seen.finish(request, bytes)
    })
}

/// What the gateway itself adds to a request: without room the map would grow while it does.
const ROOM: usize = 8;
/// Fields that a map kept for the next head has room for at most.
const KEPT: usize = 48;
/// Bytes of a head whose room is kept for the next one.
const KEPT_BYTES: usize = 4 * 1024;

/// The target. A few characters that it may not have, but that Envoy takes, go on escaped (RFC 3986 2).
fn uri(bytes: &Bytes, target: &str) -> Result<Uri, Refusal> {
    let mut escape = false;
    for byte in target.bytes() {
        if !(0x21..=0x7e).contains(&byte) {
            return Err(Refusal::BAD_REQUEST);
        }
        escape |= matches!(byte, b'<' | b'>' | b'"' | b'`');
    }
    let uri = if escape {
        Uri::try_from(escaped(target))
    } else {
        Uri::from_maybe_shared(bytes.slice_ref(target.as_bytes()))
    };
    uri.map_err(|_| Refusal::BAD_REQUEST)
}

fn escaped(target: &str) -> String {
    let mut escaped = String::with_capacity(target.len() + 8);
    for char in target.chars() {
        match char {
            '<' => escaped.push_str("%3C"),
            '>' => escaped.push_str("%3E"),
            '"' => escaped.push_str("%22"),
            '`' => escaped.push_str("%60"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What the fields say of the framing and of the connection.
#[derive(Debug, Default)]
struct Seen {
    /// HTTP/1.0.
    old: bool,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    upgrade: (bool, bool),
    /// There is an `Upgrade` line.
    names_protocol: bool,
    hides_length: bool,
    expects: bool,
    trailers: bool,
}

impl Seen {
    fn field(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), Refusal> {
        match *name {
            CONTENT_LENGTH => {
                // A second one, even the same: somebody before us may have read the other (RFC 9112 6.3).
                let length = length(value.as_bytes()).filter(|_| self.length.is_none());
                self.length = Some(length.ok_or(Refusal::BAD_REQUEST)?);
            }
            TRANSFER_ENCODING => {
                if self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::UNKNOWN_CODING);
                }
                self.chunked = true;
            }
            CONNECTION => {
                for token in tokens(value) {
                    self.close |= token.eq_ignore_ascii_case(b"close");
                    self.upgrade.0 |= token.eq_ignore_ascii_case(b"upgrade");
                    self.hides_length |= token.eq_ignore_ascii_case(b"content-length");
                }
            }
            // The upgrade to HTTP/2 is no more (RFC 9113 3.1).
            UPGRADE => {
                self.names_protocol = true;
                self.upgrade.1 = !value.as_bytes().eq_ignore_ascii_case(b"h2c");
            }
            TE => self.trailers |= tokens(value).any(|token| token.eq_ignore_ascii_case(b"trailers")),
            EXPECT => self.expects = value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
            _ => {}
        }
        Ok(())
    }

    fn finish(self, mut request: Request<()>, bytes: &Bytes) -> Result<RequestHead, Refusal> {
        let framing = match (self.length, self.chunked) {
            (Some(_), true) => return Err(Refusal::BAD_REQUEST),
            // HTTP/1.0 has no transfer codings (RFC 9112 6.1).
            (None, true) if self.old => return Err(Refusal::BAD_REQUEST),
            (None, true) => Framing::Chunked,
            (length, false) => Framing::Length(length.unwrap_or(0)),
        };
        // An upgrade with a body is none: what follows the head is not the other protocol.
        let upgrade = self.upgrade == (true, true) && framing == Framing::NONE && !self.old;
        if !upgrade && self.names_protocol {
            // And nobody behind us shall take it for one.
            request.headers_mut().remove(UPGRADE);
        }
        Ok(RequestHead {
            request,
            framing,
            keep_alive: !self.close,
            expects: self.expects && framing != Framing::NONE && !self.old,
            trailers: self.trailers,
            hides_length: self.hides_length,
            upgrade: upgrade.then(|| bytes.clone()),
        })
    }
}

/// The members of a list.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Digits and nothing else (RFC 9110 8.6).
pub(super) fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { head: 60 * 1024, fields: 100 };

    fn parse(bytes: &[u8]) -> Result<Option<RequestHead>, Refusal> {
        HeadParser::new(LIMITS).parse(&mut BytesMut::from(bytes))
    }

    fn framing(fields: &str) -> Result<Framing, u16> {
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        match parse(head.as_bytes()) {
            Ok(head) => Ok(head.expect("a whole head").framing),
            Err(refusal) => Err(refusal.status.as_u16()),
        }
    }

    #[test]
    fn framing_has_one_reading() {
        for (fields, expected) in [
            ("", Ok(Framing::NONE)),
            ("Content-Length: 5\r\n", Ok(Framing::Length(5))),
            ("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked)),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(400)),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Err(400)),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", Err(400)),
            ("Content-Length: 5, 5\r\n", Err(400)),
            ("Content-Length: +5\r\n", Err(400)),
            ("Content-Length: -1\r\n", Err(400)),
            ("Content-Length: 0x5\r\n", Err(400)),
            ("Content-Length: \r\n", Err(400)),
            ("Content-Length: 18446744073709551616\r\n", Err(400)),
            ("Transfer-Encoding: xchunked\r\n", Err(501)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(501)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(501)),
            ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", Err(501)),
            ("Transfer-Encoding: chunked;q=1\r\n", Err(501)),
            ("Transfer-Encoding: \r\n", Err(501)),
            ("Transfer-Encoding : chunked\r\n", Err(400)),
        ] {
            assert_eq!(framing(fields), expected, "{fields}");
        }
    }

    #[test]
    fn what_is_no_head() {
        for (bytes, status) in [
            (&b"GET / HTTP/1.1\nHost: h\n\n"[..], 400),
            (b"GET / HTTP/1.1\r\nHost: h\n\r\n", 400),
            (b"GET / HTTP/1.1\rHost: h\r\r", 400),
            (b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
            (b"GET / HTTP/1.1x\r\nHost: h\r\n\r\n", 400),
            (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET / http/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET / HTTP/\r\nHost: h\r\n\r\n", 400),
            (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 426),
            (b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 426),
            (b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 426),
            (b"GET /\r\n\r\n", 400),
            (b"G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /caf\xe9 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            (b"GET x HTTP/1.1\r\nHost: h\r\n : x\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n X: a\r\nHost: h\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x1bb\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\nNoColon\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\nX\x85: v\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: h\r\n: v\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00", 400),
        ] {
            let refused = parse(bytes).map(|head| head.map(|head| head.request)).expect_err("refused");
            assert_eq!(refused.status, status, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_one() {
        let sent = b"\r\nPURGE http://A.com:80/x?y#z HTTP/1.1\r\nHost:\th \r\nX: \xe9\r\nX:\r\nConnection: a, Close\r\n\r\nrest";
        let mut buffer = BytesMut::from(&sent[..]);
        let head = HeadParser::new(LIMITS).parse(&mut buffer).expect("valid").expect("whole");
        assert_eq!((head.request.method().as_str(), &buffer[..]), ("PURGE", &b"rest"[..]));
        assert_eq!(head.request.uri(), "http://A.com:80/x?y");
        assert_eq!(head.request.headers()["host"], "h");
        let values: Vec<_> = head.request.headers().get_all("x").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(values, [&b"\xe9"[..], b""]);
        assert!(!head.keep_alive && head.upgrade.is_none() && !head.expects);
        let odd = parse(b"GET /<a>`b?\" HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n");
        let odd = odd.expect("valid").expect("whole");
        assert_eq!(odd.request.uri(), "/%3Ca%3E%60b?%22");
        assert!(odd.keep_alive && odd.expects);
    }

    #[test]
    fn upgrades_have_no_body() {
        let upgrade = |fields: &str| {
            let head =
                format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Upgrade\r\nUpgrade: websocket\r\n{fields}\r\n");
            parse(head.as_bytes()).expect("valid").expect("whole").upgrade.is_some()
        };
        assert!(upgrade("") && upgrade("Content-Length: 0\r\n"));
        assert!(!upgrade("Content-Length: 1\r\n") && !upgrade("Transfer-Encoding: chunked\r\n"));
    }

    #[test]
    fn limits_hold_before_the_head_is_complete() {
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(62_000));
        assert_eq!(parse(long.as_bytes()).expect_err("long"), Refusal::HEAD_TOO_LARGE);
        let whole = format!("{long}Host: h\r\n\r\n");
        assert_eq!(parse(whole.as_bytes()).expect_err("long"), Refusal::HEAD_TOO_LARGE);
        let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "x: 1\r\n".repeat(100));
        assert_eq!(parse(many.as_bytes()).expect_err("many"), Refusal::TOO_MANY_FIELDS);
        let just = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "x: 1\r\n".repeat(99));
        assert!(parse(just.as_bytes()).expect("fits").is_some());
        let more = Limits { fields: 200, ..LIMITS };
        assert!(HeadParser::new(more).parse(&mut BytesMut::from(many.as_bytes())).expect("fits").is_some());
    }

    proptest! {
        /// However the bytes come, the verdict is the same.
        #[test]
        fn pieces_do_not_matter(
            lines in proptest::collection::vec("(GET|POST|get) (/|/a|x) HTTP/1\\.[01]|[a-cA-C:]{1,6}: ?[ -~]{0,8}|\r|", 1..5),
            end in "(\r\n|\n){1,2}", cut in 1_usize..9,
        ) {
            let bytes = format!("{}{end}", lines.join("\r\n")).into_bytes();
            let whole = parse(&bytes).map(|head| head.map(|head| head.request.headers().clone()));
            let mut parser = HeadParser::new(LIMITS);
            let mut buffer = BytesMut::new();
            let mut pieces = bytes.chunks(cut).map(|piece| {
                buffer.extend_from_slice(piece);
                parser.parse(&mut buffer)
            });
            let pieced = pieces.find(|head| !matches!(head, Ok(None))).unwrap_or(Ok(None));
            let pieced = pieced.map(|head| head.map(|head| head.request.headers().clone()));
            // What is wrong with a head that has not ended may be seen later.
            if pieced != Ok(None) || whole.is_ok() || bytes.ends_with(b"\r\n\r\n") {
                prop_assert_eq!(pieced, whole);
            }
        }
    }
}
