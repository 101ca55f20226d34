//! [`ClientHello`]: what a TLS client says first, read without TLS: the bytes stay as they are and can be passed on.
//!
//! However it is cut, by segments of TCP or into records of TLS, the whole message is read before anything is made of
//! it. What is no ClientHello, or is longer than 64 KiB with the frames of its records, is refused.
//!
//! ```
//! use gateway_layers::conn::{ClientHello, Rewind};
//!
//! # async fn run(mut io: tokio::net::TcpStream) -> std::io::Result<()> {
//! let (hello, ahead) = ClientHello::peek(&mut io).await?; // put a deadline around it
//! println!("for {:?}", hello.server_name);
//! let untouched = Rewind::new(ahead, io);
//! # let _ = untouched; Ok(()) }
//! ```
use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes that are read at most; a message with a post-quantum key share has less than 2 KiB.
pub const MAX_CLIENT_HELLO: usize = 64 * 1024;

/// A ClientHello, as far as a choice depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientHello {
    /// The name that it asks for, as it was sent.
    pub server_name: Option<String>,
}

/// Why bytes are no ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoClientHello {
    /// The first bytes are of another protocol.
    #[error("no TLS")]
    NotTls,
    /// TLS, but its first message is broken or another one.
    #[error("a malformed ClientHello")]
    Malformed,
    /// [`MAX_CLIENT_HELLO`]
    #[error("a ClientHello of more than 64 KiB")]
    TooLong,
}

impl ClientHello {
    /// Reads the message from the start of a connection, and gives it with everything that was read. There is no
    /// deadline in it.
    ///
    /// # Errors
    /// If the connection fails or ends before the message does, or if it is none ([`NoClientHello`]).
    pub async fn peek<I: AsyncRead + Unpin>(io: &mut I) -> io::Result<(Self, Bytes)> {
        let mut records = Records::default();
        loop {
            let left = MAX_CLIENT_HELLO.saturating_sub(records.raw.len());
            if left == 0 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, NoClientHello::TooLong));
            }
            records.raw.reserve(2048.min(left));
            if io.read_buf(&mut (&mut records.raw).limit(left)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let hello = records.advance().map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))?;
            if let Some(hello) = hello {
                return Ok((hello, records.raw.freeze()));
            }
        }
    }

    /// Reads the message in these bytes; `None`: they are only its beginning.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, NoClientHello> {
        Records { raw: BytesMut::from(bytes), ..Records::default() }.advance()
    }

    /// The body of the message (RFC 8446 4.1.2).
    fn body(message: &[u8]) -> Option<Self> {
        let mut rest = Fields(message);
        rest.take(2 + 32)?; // version, random
        rest.list::<1>()?; // session
        rest.list::<2>()?; // cipher suites
        rest.list::<1>()?; // compression methods
        let mut hello = Self::default();
        if rest.0.is_empty() {
            return Some(hello);
        }
        let mut extensions = rest.list::<2>()?;
        let mut named = false;
        while !extensions.0.is_empty() {
            let kind = extensions.number::<2>()?;
            let content = extensions.list::<2>()?;
            if kind == SERVER_NAME {
                // Twice: which of them counts is a matter of opinion.
                if std::mem::replace(&mut named, true) {
                    return None;
                }
                hello.server_name = Some(host_name(content)?);
            }
        }
        Some(hello)
    }
}

const SERVER_NAME: usize = 0;

/// The only name of the extension (RFC 6066 3): there is one type of names, and one name of each type.
fn host_name(mut extension: Fields<'_>) -> Option<String> {
    let mut names = extension.list::<2>()?;
    let kind = names.number::<1>()?;
    let name = names.list::<2>()?;
    let alone = kind == 0 && names.0.is_empty() && extension.0.is_empty() && !name.0.is_empty();
    let text = std::str::from_utf8(name.0).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))?;
    alone.then(|| text.to_owned())
}

/// Records of TLS as they come, and the message that they carry so far.
#[derive(Debug, Default)]
struct Records {
    raw: BytesMut,
    /// Bytes of `raw` that are in `message` already: nothing is looked at twice, however small the pieces are.
    read: usize,
    message: Vec<u8>,
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Of a record without encryption (RFC 8446 5.1).
const MAX_RECORD: usize = 1 << 14;

impl Records {
    /// Takes over complete records; the message, if it is complete.
    fn advance(&mut self) -> Result<Option<ClientHello>, NoClientHello> {
        loop {
            let rest = self.raw.get(self.read..).unwrap_or_default();
            let other = |wanted: u8, at: usize| rest.get(at).is_some_and(|byte| *byte != wanted);
            if other(HANDSHAKE, 0) || other(3, 1) {
                return Err(if self.read == 0 { NoClientHello::NotTls } else { NoClientHello::Malformed });
            }
            let Some(length) = Fields(rest.get(3..).unwrap_or_default()).number::<2>() else { return Ok(None) };
            if length == 0 || length > MAX_RECORD {
                return Err(NoClientHello::Malformed);
            }
            let Some(fragment) = rest.get(5..5 + length) else { return Ok(None) };
            self.message.extend_from_slice(fragment);
            self.read += 5 + length;
            if let Some(hello) = self.complete()? {
                return Ok(Some(hello));
            }
        }
    }

    fn complete(&self) -> Result<Option<ClientHello>, NoClientHello> {
        let mut message = Fields(&self.message);
        if message.number::<1>().is_some_and(|kind| kind != usize::from(CLIENT_HELLO)) {
            return Err(NoClientHello::Malformed);
        }
        let Some(length) = message.number::<3>() else { return Ok(None) };
        if length > MAX_CLIENT_HELLO {
            return Err(NoClientHello::TooLong);
        }
        let Some(body) = message.take(length) else { return Ok(None) };
        ClientHello::body(body).map(Some).ok_or(NoClientHello::Malformed)
    }
}

/// Numbers and lists as TLS writes them.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const LENGTH: usize>(&mut self) -> Option<usize> {
        Some(self.take(LENGTH)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// What follows a length of so many bytes.
    fn list<const LENGTH: usize>(&mut self) -> Option<Self> {
        let length = self.number::<LENGTH>()?;
        self.take(length).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn list(length: usize, content: &[u8]) -> Vec<u8> {
        let bytes = content.len().to_be_bytes();
        [&bytes[bytes.len() - length..], content].concat()
    }

    fn extension(kind: u8, content: &[u8]) -> Vec<u8> {
        [&[0, kind][..], &list(2, content)].concat()
    }

    fn names(names: &[&[u8]]) -> Vec<u8> {
        let entries: Vec<u8> = names.iter().flat_map(|name| [&[0][..], &list(2, name)].concat()).collect();
        extension(0, &list(2, &entries))
    }

    /// The message, with these extensions and a key share of this many bytes.
    fn message(extensions: &[u8], share: usize) -> Vec<u8> {
        let extensions = [extensions, &extension(51, &vec![7; share])].concat();
        let head = [&[3, 3][..], &[9; 32], &list(1, &[1; 32]), &list(2, &[0x13, 1]), &list(1, &[0])].concat();
        [&[1][..], &list(3, &[head, list(2, &extensions)].concat())].concat()
    }

    /// In records of so many bytes.
    fn records(message: &[u8], size: usize) -> Vec<u8> {
        message.chunks(size).flat_map(|piece| [&[22, 3, 1][..], &list(2, piece)].concat()).collect()
    }

    fn name(bytes: &[u8]) -> Result<Option<Option<String>>, NoClientHello> {
        Ok(ClientHello::parse(bytes)?.map(|hello| hello.server_name))
    }

    #[test]
    fn the_name_is_found_however_the_message_is_cut() {
        for share in [32, 1216, 4096, 9000] {
            let message = message(&names(&[b"A.example.com"]), share);
            let wanted = Ok(Some(Some("A.example.com".to_owned())));
            for size in [1, 2, 5, 100, 1 << 14].into_iter().chain(message.len() - 2..message.len()) {
                let whole = records(&message, size);
                assert_eq!(name(&whole), wanted, "{share} {size}");
                // Without its last byte it is not complete, with more behind it it is.
                assert_eq!(name(&whole[..whole.len() - 1]), Ok(None), "{share} {size}");
                assert_eq!(name(&[&whole[..], b"more"].concat()), wanted);
            }
        }
    }

    #[test]
    fn every_beginning_is_a_beginning() {
        let whole = records(&message(&names(&[b"a.com"]), 50), 70);
        for end in 0..whole.len() {
            assert_eq!(name(&whole[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        let of = |extensions: &[u8]| name(&records(&message(extensions, 1), 1000));
        assert_eq!(of(&[]), Ok(Some(None)));
        assert_eq!(of(&names(&[b"10.0.0.1"])), Ok(Some(Some("10.0.0.1".to_owned()))));
        let twice = [names(&[b"a.com"]), names(&[b"b.com"])].concat();
        for bad in
            [names(&[]), names(&[b""]), names(&[b"a\0b"]), names(&[b"a.com", b"b.com"]), names(&[b"\xff"]), twice]
        {
            assert_eq!(of(&bad), Err(NoClientHello::Malformed), "{bad:?}");
        }
        assert_eq!(of(&[0, 0, 0, 9, 0]), Err(NoClientHello::Malformed), "longer than it is");
    }

    #[test]
    fn what_is_no_client_hello_is_refused_at_once() {
        for (bytes, reason) in [
            (&b"GET / HTTP/1.1"[..], NoClientHello::NotTls),
            (&b"\x16\x02"[..], NoClientHello::NotTls),
            (b"\x80\x2e\x01\x03\x01", NoClientHello::NotTls),
            (b"\x15\x03\x01\x00\x02\x02\x28", NoClientHello::NotTls),
            (b"\x16\x03\x01\x00\x00", NoClientHello::Malformed),
            (b"\x16\x03\x01\xff\xff", NoClientHello::Malformed),
            (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", NoClientHello::Malformed),
            (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", NoClientHello::Malformed),
            (b"\x16\x03\x01\x00\x01\x01\x17\x03", NoClientHello::Malformed),
            (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", NoClientHello::TooLong),
        ] {
            assert_eq!(name(bytes), Err(reason), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_was_read_is_given_back_and_no_more_is_read_than_allowed() {
        let whole = records(&message(&names(&[b"a.com"]), 3000), 500);
        let (mut client, mut server) = tokio::io::duplex(16);
        let sent = whole.clone();
        tokio::spawn(async move { client.write_all(&sent).await });
        let (hello, ahead) = ClientHello::peek(&mut server).await.expect("a ClientHello");
        assert_eq!((hello.server_name.as_deref(), &ahead[..]), (Some("a.com"), &whole[..]));
        // One byte in each record.
        let endless = records(&message(&names(&[b"a.com"]), 40_000), 1);
        let error = ClientHello::peek(&mut &endless[..]).await.expect_err("too long").to_string();
        assert_eq!(error, "a ClientHello of more than 64 KiB");
        let ended = ClientHello::peek(&mut &whole[..20]).await.expect_err("half of it");
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(mut bytes in proptest::collection::vec(0_u8.., 0..300), cut in 1_usize..40) {
            let _ = name(&bytes);
            let _ = name(&records(&bytes, cut));
            if let Some(first) = bytes.first_mut() {
                *first = 1;
            }
            let _ = name(&records(&[&[1][..], &list(3, &bytes)].concat(), cut));
        }
    }
}
