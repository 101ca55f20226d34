//! [`Rewind`]: bytes that were read ahead are given back.
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// A stream whose first bytes were read already; they come first.
#[derive(Debug)]
pub struct Rewind<I> {
    ahead: Bytes,
    io: I,
}

impl<I> Rewind<I> {
    /// `ahead`, then the rest of `io`.
    pub const fn new(ahead: Bytes, io: I) -> Self {
        Self { ahead, io }
    }

    /// The stream, without what is still to be given back.
    pub const fn get_ref(&self) -> &I {
        &self.io
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Rewind<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let length = self.ahead.len().min(buf.remaining());
        buf.put_slice(self.ahead.get(..length).unwrap_or_default());
        self.ahead.advance(length);
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Rewind<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

/// The first bytes of HTTP/2 (RFC 9113 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Does the stream begin with HTTP/2's preface? Reads until that is known, and gives what was read.
///
/// # Errors
/// If reading fails.
pub(super) async fn sniff_http2<I: AsyncRead + Unpin>(io: &mut I) -> io::Result<(bool, BytesMut)> {
    let mut ahead = BytesMut::with_capacity(2048);
    loop {
        let length = io.read_buf(&mut ahead).await?;
        let start = ahead.get(..PREFACE.len()).unwrap_or(&ahead);
        let fits = PREFACE.starts_with(start);
        if length == 0 || !fits || start.len() == PREFACE.len() {
            return Ok((fits && start.len() == PREFACE.len(), ahead));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn tells_the_protocol_and_gives_everything_back() {
        for (sent, expected) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxyz"[..], true),
            (b"GET / HTTP/1.1\r\n", false),
            (b"PRI * HTTP/1.1\r\n", false),
            (b"P", false),
            (b"", false),
        ] {
            let (mut client, server) = tokio::io::duplex(64);
            for byte in sent {
                client.write_all(&[*byte]).await.expect("open");
            }
            drop(client);
            let mut server = server;
            let (h2, ahead) = sniff_http2(&mut server).await.expect("no error");
            let mut back = Vec::new();
            Rewind::new(ahead.freeze(), server).read_to_end(&mut back).await.expect("no error");
            assert_eq!((h2, back.as_slice()), (expected, sent));
        }
    }
}
