//! One HTTP/2 request on a connection of its own, by raw frames.

use loona_hpack::Decoder;

use super::{
    closed,
    frame::{self, Frame},
    push,
};
use crate::{
    case::{Answer, Fields, Send},
    wire::{Conn, Fault, raw, text},
};

const STREAM: u32 = 1;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No push, 100 streams, header lists of 64 KiB.
const SETTINGS: [(u16, u32); 3] = [(2, 0), (3, 100), (6, 65536)];

pub(super) async fn exchange(conn: &mut Conn, send: &Send, tls: bool) -> Result<Answer, Fault> {
    let mut exchange = Exchange::new(send, tls);
    loop {
        exchange.send_body();
        push(conn, &std::mem::take(&mut exchange.out)).await?;
        let done = match Frame::read(conn).await {
            Ok(frame) => exchange.receive(&frame),
            Err(Fault::Ended) => Some(exchange.broken()),
            Err(Fault::Timeout) if exchange.answer.status.is_some() => {
                Some(Answer { timeout: true, ..exchange.so_far() })
            }
            Err(fault) => return Err(fault),
        };
        if let Some(answer) = done {
            return Ok(answer);
        }
    }
}

struct Exchange {
    decoder: Decoder<'static>,
    out: Vec<u8>,
    /// What of the request's body is not sent; none when all of the request is.
    body: Option<Vec<u8>>,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    window: i64,
    stream_window: i64,
    initial_window: i64,
    most: usize,
    /// The header block that is not complete, and whether the stream ends with it.
    block: Option<(Vec<u8>, bool)>,
    answer: Answer,
    got: Vec<u8>,
}

impl Exchange {
    fn new(send: &Send, tls: bool) -> Self {
        let trailers: Vec<_> = send.trailers.iter().map(|(name, value)| (raw(name), raw(value))).collect();
        let body = raw(&send.body);
        let ends = body.is_empty() && trailers.is_empty();
        let settings: Vec<u8> =
            SETTINGS.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        let mut out = PREFACE.to_vec();
        frame::write(&mut out, frame::SETTINGS, 0, 0, &settings);
        let most = 16384;
        frame::write_headers(&mut out, STREAM, ends, &fields(send, tls), most);
        Self {
            decoder: Decoder::new(),
            out,
            body: (!ends).then_some(body),
            trailers,
            window: 65535,
            stream_window: 65535,
            initial_window: 65535,
            most,
            block: None,
            answer: Answer::default(),
            got: Vec::new(),
        }
    }

    /// Queues as much of the body as the windows let through.
    fn send_body(&mut self) {
        let Some(mut body) = self.body.take() else { return };
        while !body.is_empty() {
            let room = usize::try_from(self.window.min(self.stream_window)).unwrap_or(0);
            let size = body.len().min(room).min(self.most);
            if size == 0 {
                self.body = Some(body);
                return;
            }
            let rest = body.split_off(size);
            let end = rest.is_empty() && self.trailers.is_empty();
            frame::write(&mut self.out, frame::DATA, if end { frame::END_STREAM } else { 0 }, STREAM, &body);
            self.window -= size as i64;
            self.stream_window -= size as i64;
            body = rest;
        }
        if !self.trailers.is_empty() {
            frame::write_headers(&mut self.out, STREAM, true, &self.trailers, self.most);
        }
    }

    /// Takes a frame in; the answer, if this ended it.
    fn receive(&mut self, frame: &Frame) -> Option<Answer> {
        match frame.kind {
            frame::SETTINGS if !frame.has(frame::ACK) => self.settings(&frame.payload),
            frame::PING if !frame.has(frame::ACK) => {
                frame::write(&mut self.out, frame::PING, frame::ACK, 0, &frame.payload);
            }
            frame::WINDOW_UPDATE => {
                let window = if frame.stream == 0 { &mut self.window } else { &mut self.stream_window };
                *window += i64::from(frame::number(&frame.payload));
            }
            frame::GOAWAY if self.answer.status.is_none() => {
                let code = frame.payload.get(4..).map_or(0, frame::number);
                return (code != 0).then(closed);
            }
            frame::RST_STREAM if frame.stream == STREAM => {
                let reset = Some(code(frame::number(&frame.payload)));
                let known = self.answer.status.is_some();
                let answer = if known { self.so_far() } else { Answer::default() };
                return Some(Answer { reset, ..answer });
            }
            frame::DATA if frame.stream == STREAM => return self.data(frame),
            frame::HEADERS | frame::CONTINUATION if frame.stream == STREAM => return self.headers(frame),
            _ => {}
        }
        None
    }

    fn settings(&mut self, payload: &[u8]) {
        for setting in payload.chunks_exact(6) {
            let value = frame::number(&setting[2..]);
            match u16::from_be_bytes([setting[0], setting[1]]) {
                4 => {
                    self.stream_window += i64::from(value) - self.initial_window;
                    self.initial_window = i64::from(value);
                }
                5 => self.most = value as usize,
                _ => {}
            }
        }
        frame::write(&mut self.out, frame::SETTINGS, frame::ACK, 0, &[]);
    }

    fn data(&mut self, frame: &Frame) -> Option<Answer> {
        self.got.extend(frame.content());
        if frame.has(frame::END_STREAM) {
            return Some(self.so_far());
        }
        let size = u32::try_from(frame.payload.len()).expect("a frame is small");
        if size > 0 {
            frame::write(&mut self.out, frame::WINDOW_UPDATE, 0, 0, &size.to_be_bytes());
            frame::write(&mut self.out, frame::WINDOW_UPDATE, 0, STREAM, &size.to_be_bytes());
        }
        None
    }

    fn headers(&mut self, frame: &Frame) -> Option<Answer> {
        let (mut block, mut end) = self.block.take().unwrap_or_default();
        block.extend(if frame.kind == frame::HEADERS { frame.content() } else { &frame.payload });
        end |= frame.kind == frame::HEADERS && frame.has(frame::END_STREAM);
        if !frame.has(frame::END_HEADERS) {
            self.block = Some((block, end));
            return None;
        }
        let Ok(fields) = self.decoder.decode(&block) else { return Some(self.broken()) };
        let mut fields: Fields = fields.iter().map(|(name, value)| (text(name), text(value))).collect();
        let status = fields.iter().position(|(name, _)| name == ":status").map(|at| fields.remove(at).1);
        match status.map(|status| status.parse()) {
            // An interim response says nothing that a case asks for.
            Some(Ok(100..=199)) => return None,
            Some(Ok(status)) => {
                self.answer.status = Some(status);
                self.answer.headers = Some(fields);
            }
            None if self.answer.status.is_some() => self.answer.trailers = Some(fields),
            Some(Err(_)) | None => return Some(self.broken()),
        }
        end.then(|| self.so_far())
    }

    fn so_far(&self) -> Answer {
        Answer { body: Some(text(&self.got)), ..self.answer.clone() }
    }

    fn broken(&self) -> Answer {
        if self.answer.status.is_none() { closed() } else { Answer { cut: true, ..self.so_far() } }
    }
}

/// The header list: pseudo headers first, each given by the case or else by what it stands for.
fn fields(send: &Send, tls: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut given = send.headers.clone();
    let mut authority = None;
    if !given.iter().any(|(name, _)| name == ":authority")
        && let Some(at) = given.iter().position(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        authority = given.remove(at).1;
    }
    let mut pseudo = [
        (":method", Some(send.method.clone().unwrap_or_else(|| "GET".to_owned()))),
        (":scheme", Some(if tls { "https" } else { "http" }.to_owned())),
        (":authority", authority),
        (":path", Some(send.target.clone().unwrap_or_else(|| "/".to_owned()))),
    ];
    let mut extra = Vec::new();
    for (name, value) in given {
        match pseudo.iter_mut().find(|(own, _)| *own == name) {
            Some(own) => own.1 = value,
            None => extra.push((raw(&name), raw(&value.unwrap_or_default()))),
        }
    }
    let own = pseudo.into_iter().filter_map(|(name, value)| Some((raw(name), raw(&value?))));
    own.chain(extra).collect()
}

/// The name of an error code.
fn code(number: u32) -> String {
    let names = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    names.get(number as usize).map_or_else(|| number.to_string(), |name| (*name).to_owned())
}
