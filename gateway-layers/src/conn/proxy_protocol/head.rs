//! The head of the PROXY protocol, versions 1 and 2, without IO.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Who was connected with whom in front of the proxy; nothing if it does not say so (`UNKNOWN`, `LOCAL`, other
/// families): then the connection is the proxy's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) addresses: Option<(SocketAddr, SocketAddr)>,
    /// Bytes of it.
    pub(super) length: usize,
}

/// What was sent is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// What a version 2 head begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Its fixed part.
const FIXED: usize = 16;
/// Bytes that addresses and additions (TLVs) may have.
const MOST: usize = 4096;
/// The longest line of version 1, with its end.
const LONGEST: usize = 107;

/// Reads a head off the beginning of `bytes`; `None` if it has not come whole.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    if bytes.starts_with(SIGNATURE) {
        return version2(bytes);
    }
    if bytes.starts_with(b"PROXY ") {
        return version1(bytes);
    }
    let begins = SIGNATURE.starts_with(bytes) || b"PROXY ".starts_with(bytes);
    if begins { Ok(None) } else { Err(Malformed("no PROXY protocol")) }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 1234 443` and CR LF.
fn version1(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let line = bytes.get(..LONGEST).unwrap_or(bytes);
    let Some(end) = line.windows(2).position(|end| end == b"\r\n") else {
        return if bytes.len() >= LONGEST { Err(Malformed("a line of more than 107 bytes")) } else { Ok(None) };
    };
    let text = line.get(..end).and_then(|line| std::str::from_utf8(line).ok()).ok_or(Malformed("not ASCII"))?;
    let length = end + 2;
    let mut words = text.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(Some(Head { addresses: None, length }));
    }
    let rest: Vec<_> = words.collect();
    let [from, to, from_port, to_port] = rest[..] else { return Err(Malformed("not two addresses and two ports")) };
    let address = |ip: &str, port: &str| {
        let ip = match family {
            "TCP4" => ip.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => ip.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        };
        let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && (port == "0" || !port.starts_with('0'));
        let port = port.parse().ok().filter(|_| digits);
        ip.zip(port).map(SocketAddr::from).ok_or(Malformed("no address of its family, or no port"))
    };
    Ok(Some(Head { addresses: Some((address(from, from_port)?, address(to, to_port)?)), length }))
}

fn version2(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some(&[version, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else { return Ok(None) };
    let size = usize::from(u16::from_be_bytes([high, low]));
    if size > MOST {
        return Err(Malformed("more than 4 KiB of addresses and additions"));
    }
    let length = FIXED + size;
    let Some(body) = bytes.get(FIXED..length) else { return Ok(None) };
    let addresses = match version {
        // LOCAL: the proxy's own connection, a health check.
        0x20 => None,
        0x21 => pair(family, body)?,
        _ => return Err(Malformed("no version 2, or no command of it")),
    };
    Ok(Some(Head { addresses, length }))
}

fn pair(family: u8, body: &[u8]) -> Result<Option<(SocketAddr, SocketAddr)>, Malformed> {
    let short = Malformed("shorter than its addresses");
    match family {
        0x11 => {
            let bytes: [u8; 12] = body.get(..12).and_then(|bytes| bytes.try_into().ok()).ok_or(short)?;
            let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
            let port = |high, low| u16::from_be_bytes([high, low]);
            let (from, to) = (Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h));
            Ok(Some(((from, port(i, j)).into(), (to, port(k, l)).into())))
        }
        0x21 => {
            let address = |at: usize| -> Option<Ipv6Addr> {
                let bytes: [u8; 16] = body.get(at..at + 16)?.try_into().ok()?;
                Some(bytes.into())
            };
            let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
            let from = address(0).zip(port(32)).ok_or(short)?;
            let to = address(16).zip(port(34)).ok_or(short)?;
            Ok(Some((from.into(), to.into())))
        }
        // Unspecified, datagrams, unix sockets: nothing that an IP connection could have come from.
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(bytes: &[u8]) -> Result<Option<(String, usize)>, ()> {
        let head = parse(bytes).map_err(|_| ())?;
        Ok(head.map(|head| {
            let text = head.addresses.map_or_else(|| "-".to_owned(), |(from, to)| format!("{from} {to}"));
            (text, head.length)
        }))
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("short");
        [&SIGNATURE[..], &[command, family], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn heads() {
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0x01, 0xbb];
        let six: Vec<u8> = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1], &[0; 15], &[2], &[0, 80, 1, 187]].concat();
        let additions = [&four[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat();
        for (bytes, expected) in [
            (
                b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\r\nGET".to_vec(),
                Ok(Some(("192.0.2.1:12345 192.0.2.2:443", 42))),
            ),
            (b"PROXY TCP6 2001:db8::1 ::2 80 443\r\n".to_vec(), Ok(Some(("[2001:db8::1]:80 [::2]:443", 35)))),
            (b"PROXY UNKNOWN\r\n".to_vec(), Ok(Some(("-", 15)))),
            (b"PROXY UNKNOWN whatever it says\r\n".to_vec(), Ok(Some(("-", 32)))),
            (b"PROXY TCP4 ::1 ::2 1 2\r\n".to_vec(), Err(())),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 12345\r\n".to_vec(), Err(())),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 70000\r\n".to_vec(), Err(())),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n".to_vec(), Err(())),
            (b"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n".to_vec(), Err(())),
            ([&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(), Err(())),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 443\n".to_vec(), Ok(None)),
            (b"GET / HTTP/1.1\r\n".to_vec(), Err(())),
            (v2(0x21, 0x11, &four), Ok(Some(("192.0.2.1:12345 192.0.2.2:443", 28)))),
            (v2(0x21, 0x11, &additions), Ok(Some(("192.0.2.1:12345 192.0.2.2:443", 35)))),
            (v2(0x21, 0x21, &six), Ok(Some(("[2001:db8::1]:80 [::2]:443", 52)))),
            (v2(0x20, 0x00, &[]), Ok(Some(("-", 16)))),
            (v2(0x21, 0x31, &[0; 216]), Ok(Some(("-", 232)))),
            (v2(0x21, 0x11, &four[..11]), Err(())),
            (v2(0x31, 0x11, &four), Err(())),
            (v2(0x22, 0x11, &four), Err(())),
            (v2(0x21, 0x11, &[0; 5000]), Err(())),
        ] {
            let expected = expected.map(|head| head.map(|(text, length): (&str, usize)| (text.to_owned(), length)));
            assert_eq!(from(&bytes), expected, "{}", bytes.escape_ascii());
            // Whatever is missing at the end: it waits, or it is wrong; it never comes to something else.
            for length in 0..bytes.len() {
                let early = from(&bytes[..length]);
                assert!(early == Ok(None) || early == expected || early == Err(()), "{length}");
            }
        }
    }
}
