//! A connection read by hand, so that nothing of what came is lost or mended.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout_at},
};

/// Plain TCP or TLS.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Why no more bytes come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The deadline has passed.
    Timeout,
    /// The peer closed the connection, with or without the words for it.
    Ended,
    /// The peer's TLS ended it with this alert.
    Alert(String),
    /// TLS failed on this side.
    Tls,
}

impl From<io::Error> for Fault {
    fn from(err: io::Error) -> Self {
        match err.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => Self::Alert(snake(&format!("{alert:?}"))),
            Some(_) => Self::Tls,
            None => Self::Ended,
        }
    }
}

/// The name of an alert as OpenSSL writes it: `UnknownCA` is `unknown_ca`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    let mut lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && lower {
            out.push('_');
        }
        lower = !c.is_ascii_uppercase();
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// One end of a connection, with what has come and is not yet read.
pub struct Conn {
    /// The bytes that are not yet taken.
    pub buffer: Vec<u8>,
    /// When waiting for more ends.
    pub deadline: Option<Instant>,
    io: Box<dyn Io>,
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("buffer", &self.buffer).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Conn {
    /// A connection that waits as long as it takes, until a deadline is set.
    pub fn new(io: impl Io + 'static) -> Self {
        Self { buffer: Vec::new(), deadline: None, io: Box::new(io) }
    }

    /// The connection itself, for a protocol that a library speaks.
    pub fn into_io(self) -> Box<dyn Io> {
        self.io
    }

    /// Waits until there is more in the buffer.
    pub async fn more(&mut self) -> Result<(), Fault> {
        let read = self.io.read_buf(&mut self.buffer);
        let count = match self.deadline {
            Some(end) => timeout_at(end, read).await.map_err(|_| Fault::Timeout)??,
            None => read.await?,
        };
        if count == 0 { Err(Fault::Ended) } else { Ok(()) }
    }

    /// The bytes up to the next line feed, with it.
    pub async fn line(&mut self) -> Result<Vec<u8>, Fault> {
        loop {
            if let Some(at) = self.buffer.iter().position(|&byte| byte == b'\n') {
                return Ok(self.buffer.drain(..=at).collect());
            }
            self.more().await?;
        }
    }

    /// So many bytes.
    pub async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        while self.buffer.len() < count {
            self.more().await?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// Takes what is there; waits if there is nothing.
    pub async fn some(&mut self) -> Result<Vec<u8>, Fault> {
        if self.buffer.is_empty() {
            self.more().await?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Writes all of it.
    pub async fn write(&mut self, data: &[u8]) -> Result<(), Fault> {
        let io = &mut self.io;
        let write = async {
            io.write_all(data).await?;
            io.flush().await
        };
        match self.deadline {
            Some(end) => timeout_at(end, write).await.map_err(|_| Fault::Timeout)??,
            None => write.await?,
        }
        Ok(())
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        // The peer may be gone: nobody is left to be told.
        let _ = self.io.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_cases() {
        assert_eq!(snake("CertificateRequired"), "certificate_required");
        assert_eq!(snake("UnknownCA"), "unknown_ca");
    }

    #[tokio::test]
    async fn lines_and_counts_are_cut_from_the_buffer() {
        let mut conn = Conn::new(io::Cursor::new(b"ab\r\ncdef".to_vec()));
        assert_eq!(conn.line().await.unwrap(), b"ab\r\n");
        assert_eq!(conn.exactly(2).await.unwrap(), b"cd");
        assert_eq!(conn.line().await.unwrap_err(), Fault::Ended);
        assert_eq!(conn.buffer, b"ef");
    }
}
