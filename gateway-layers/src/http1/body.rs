//! [`Decoder`]: bytes become the pieces of a body.
use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::{Framing, Refusal, chunked::Chunked};

/// Reads a body of either framing.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunked),
}

/// A piece of a body.
#[derive(Debug)]
pub(crate) enum Decoded {
    Data(Bytes),
    /// The last piece.
    Trailers(HeaderMap),
    End,
}

impl Decoder {
    pub(crate) const fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::new()),
        }
    }

    /// Has everything been taken?
    pub(crate) const fn is_end(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_end(),
        }
    }

    /// The next piece; `None` if it has not come yet.
    ///
    /// # Errors
    /// If the coding is broken. There is nothing to be read after that.
    pub(crate) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Decoded>, Refusal> {
        match self {
            Self::Length(0) => Ok(Some(Decoded::End)),
            Self::Length(left) => {
                let data = take(buffer, left);
                Ok((!data.is_empty()).then_some(Decoded::Data(data)))
            }
            Self::Chunked(chunked) => chunked.decode(buffer),
        }
    }
}

/// As many bytes as there are, `left` at most.
pub(super) fn take(buffer: &mut BytesMut, left: &mut u64) -> Bytes {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    *left -= length as u64;
    buffer.split_to(length).freeze()
}
