//! HTTP/2 frames, written without asking whether they are legal.

use crate::wire::{Conn, Fault};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// One frame as it came.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    pub(super) async fn read(conn: &mut Conn) -> Result<Self, Fault> {
        let head = conn.exactly(9).await?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = conn.exactly(length).await?;
        Ok(Self { kind: head[3], flags: head[4], stream: number(&head[5..]) & 0x7fff_ffff, payload })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload of DATA or HEADERS without padding and priority.
    pub(super) fn content(&self) -> &[u8] {
        let mut content = self.payload.as_slice();
        if self.has(PADDED) {
            let (&padding, rest) = content.split_first().unwrap_or((&0, &[]));
            content = &rest[..rest.len().saturating_sub(usize::from(padding))];
        }
        if self.kind == HEADERS && self.has(PRIORITY) {
            content = content.get(5..).unwrap_or_default();
        }
        content
    }
}

/// A number of four bytes; 0 where there are fewer.
pub(super) fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Appends a frame.
pub(super) fn write(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a frame is small").to_be_bytes();
    out.extend(&length[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// Appends the frames of a header block.
pub(super) fn write_headers(out: &mut Vec<u8>, stream: u32, end: bool, fields: &[(Vec<u8>, Vec<u8>)], most: usize) {
    let block = encoded(fields);
    let mut parts = block.chunks(most).peekable();
    let (mut kind, mut flags) = (HEADERS, if end { END_STREAM } else { 0 });
    while let Some(part) = parts.next() {
        flags |= if parts.peek().is_none() { END_HEADERS } else { 0 };
        write(out, kind, flags, stream, part);
        (kind, flags) = (CONTINUATION, 0);
    }
}

/// Literals without indexing: any bytes can be written, legal or not.
fn encoded(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        string(&mut out, name);
        string(&mut out, value);
    }
    out
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text.len();
    if rest < 127 {
        out.push(rest as u8);
    } else {
        out.push(127);
        rest -= 127;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_back_and_long_ones_are_continued() {
        let fields = vec![(b":path".to_vec(), b"/".to_vec()), (b"X y".to_vec(), vec![b'a'; 40_000])];
        let mut out = Vec::new();
        write_headers(&mut out, 1, true, &fields, 16384);
        assert_eq!((out[3], out[4]), (HEADERS, END_STREAM));
        let second = 9 + 16384;
        assert_eq!((out[second + 3], out[second + 4]), (CONTINUATION, 0));
        let read = loona_hpack::Decoder::new().decode(&encoded(&fields)).unwrap();
        assert_eq!(read, fields);
    }
}
