//! [`Output`]: what is to be written.
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// Small pieces are copied together and leave in one write; a large one goes from where it is.
#[derive(Debug, Default)]
pub(super) struct Output {
    small: BytesMut,
    large: Bytes,
    /// After `large`.
    end: &'static [u8],
}

/// A piece of up to so many bytes is copied: cheaper than a write of its own.
const SMALL: usize = 8 * 1024;
/// More is not taken before something was written.
const FULL: usize = 64 * 1024;
/// Room that a connection keeps while it is idle.
const KEPT: usize = 1024;

impl Output {
    /// Where heads and framing are written to; only while there [`is_room`](Self::is_room).
    pub(super) const fn small(&mut self) -> &mut BytesMut {
        &mut self.small
    }

    /// May more be added?
    pub(super) fn is_room(&self) -> bool {
        self.large.is_empty() && self.end.is_empty() && self.small.len() < FULL
    }

    pub(super) fn len(&self) -> usize {
        self.small.len() + self.large.len() + self.end.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty() && self.end.is_empty()
    }

    /// Adds data, and `end` behind it.
    pub(super) fn data(&mut self, data: Bytes, end: &'static [u8]) {
        if data.len() <= SMALL {
            self.small.extend_from_slice(&data);
            self.small.extend_from_slice(end);
        } else {
            (self.large, self.end) = (data, end);
        }
    }

    /// Writes until nothing is left.
    pub(super) fn poll_write<I: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut I,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = ready!(self.poll_some(cx, Pin::new(io)))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_some<I: AsyncWrite>(&self, cx: &mut Context<'_>, io: Pin<&mut I>) -> Poll<io::Result<usize>> {
        if self.large.is_empty() && self.end.is_empty() {
            return io.poll_write(cx, &self.small);
        }
        if io.is_write_vectored() {
            return io.poll_write_vectored(
                cx,
                &[IoSlice::new(&self.small), IoSlice::new(&self.large), IoSlice::new(self.end)],
            );
        }
        let first = [&self.small[..], &self.large, self.end].into_iter().find(|part| !part.is_empty());
        io.poll_write(cx, first.unwrap_or_default())
    }

    fn advance(&mut self, mut written: usize) {
        let small = written.min(self.small.len());
        if small == self.small.len() {
            self.small.clear();
        } else {
            self.small.advance(small);
        }
        written -= small;
        let large = written.min(self.large.len());
        self.large.advance(large);
        written -= large;
        self.end = self.end.get(written..).unwrap_or_default();
    }

    /// Gives back what an idle connection does not need.
    pub(super) fn rest(&mut self) {
        self.large = Bytes::new();
        if self.small.capacity() > KEPT {
            self.small = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn everything_is_written_in_order() {
        for size in [0, 10, SMALL, SMALL + 1, 100_000] {
            let (mut client, mut server) = tokio::io::duplex(1000);
            let mut output = Output::default();
            output.small().extend_from_slice(b"head:");
            output.data(Bytes::from(vec![b'x'; size]), b"\r\n");
            assert_eq!(output.is_room(), size <= SMALL, "{size}");
            let writing = tokio::spawn(async move {
                std::future::poll_fn(|cx| output.poll_write(cx, &mut server)).await.expect("open");
                assert!(output.is_empty() && output.is_room());
            });
            let mut seen = Vec::new();
            client.read_to_end(&mut seen).await.expect("open");
            writing.await.expect("no panic");
            assert_eq!(seen, [&b"head:"[..], &vec![b'x'; size], b"\r\n"].concat(), "{size}");
        }
    }
}
