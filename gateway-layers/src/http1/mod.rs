//! HTTP/1 without IO: heads, bodies and limits (RFC 9112), as strict as an edge must be.
//!
//! Where the RFC lets a server be lenient (a bare LF as line end, obs-fold, `Content-Length` beside
//! `Transfer-Encoding`, a repeated `Content-Length`) this one refuses: two readings of one message are how requests
//! are smuggled.
mod body;
mod chunked;
mod date;
mod head;
mod lines;
mod refusal;
mod response;

pub use self::refusal::Refusal;
pub(crate) use self::{
    body::{Decoded, Decoder},
    date::with_date,
    head::{Framing, HeadParser, Limits, RequestHead},
    response::{Plan, write_chunk_size, write_head, write_last_chunk},
};
