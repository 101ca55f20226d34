//! One request and its response.
use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    Connection, Next,
    incoming::{Progress, Upload, incoming, whole},
};
use crate::{
    BoxError, body,
    conn::activity::Wait,
    exchange::Exchange,
    http1::{Framing, Plan, RequestHead, with_date, write_chunk_size, write_head, write_last_chunk},
};

/// Bytes that are read although nobody asks for them.
const AHEAD: usize = 64 * 1024;

/// What of a request its response depends on.
pub(super) struct Asked {
    method: Method,
    version: Version,
    keep_alive: bool,
    /// The client takes trailers.
    trailers: bool,
    /// The client waits for `100 Continue`.
    expects: bool,
    /// The body, until all of it has been read.
    upload: Option<Upload>,
    /// Its response has begun: a body that is silent from then on is no stall.
    answered: bool,
}

impl Asked {
    /// Nothing is known of a request that was no request.
    pub(super) const fn refused() -> Self {
        let (method, version) = (Method::GET, Version::HTTP_11);
        Self { method, version, keep_alive: false, trailers: false, expects: false, upload: None, answered: false }
    }
}

impl<I, S, B> Connection<I, S>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<body::Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Hands a request to the service, and its response to the client.
    pub(super) async fn exchange(&mut self, head: RequestHead) -> Next {
        let active = self.activity.request();
        let (req, mut asked) = self.request(head);
        let response = {
            let mut future = pin!(Oneshot::new(self.service.clone(), req));
            std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
                Poll::Ready(Ok(response)) => Poll::Ready(Some(response)),
                Poll::Pending => self.poll_left(cx, &mut asked).map(|()| None),
            })
            .await
        };
        let Some(response) = response else { return Next::Gone };
        let next = self.respond(response, asked).await;
        drop(active);
        self.output.rest();
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        } else {
            self.activity.read();
        }
        next
    }

    fn request(&mut self, head: RequestHead) -> (Request<body::Body>, Asked) {
        let RequestHead { request, framing, keep_alive, expects, trailers, hides_length, .. } = head;
        let (method, version) = (request.method().clone(), request.version());
        let mut asked = Asked { method, version, keep_alive, trailers, expects, upload: None, answered: false };
        let body = if framing == Framing::NONE {
            body::Body::empty()
        } else if let Some(bytes) = whole(framing, &mut self.buffer) {
            body::Body::from(bytes)
        } else {
            let (body, upload) = incoming(framing);
            asked.upload = Some(upload);
            body::Body::from(body)
        };
        let body = if hides_length && framing != Framing::NONE { body.without_length() } else { body };
        let mut req = request.map(|()| body);
        req.extensions_mut().insert(Arc::new(Exchange::new(self.info.clone())));
        (req, asked)
    }

    /// Sees to the client while something else is waited for; ready when it has left.
    fn poll_left(&mut self, cx: &mut Context<'_>, asked: &mut Asked) -> Poll<()> {
        let Some(upload) = &mut asked.upload else {
            return self.poll_ahead(cx);
        };
        if asked.expects && upload.is_wanted() {
            asked.expects = false;
            if self.buffer.is_empty() {
                self.output.small().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
        }
        if upload.is_wanted() && matches!(self.poll_flush(cx), Poll::Ready(Err(_))) {
            return Poll::Ready(());
        }
        let Some(upload) = &mut asked.upload else { return Poll::Pending };
        if self.activity.is_stalled() {
            upload.give_up();
        }
        let progress = upload.poll(cx, &mut self.io, &mut self.buffer, &self.activity);
        if !asked.answered {
            let waits = progress.is_pending() && upload.is_wanted();
            self.activity.waits(if waits { Wait::Body } else { Wait::Nothing });
        }
        match progress {
            Poll::Ready(Progress::Left) => Poll::Ready(()),
            Poll::Ready(Progress::Complete) => {
                asked.upload = None;
                self.poll_left(cx, asked)
            }
            // Nobody asks for the body now, but its client may leave all the same.
            Poll::Pending if !asked.upload.as_ref().is_some_and(Upload::is_wanted) => self.poll_ahead(cx),
            Poll::Ready(Progress::Dropped) => self.poll_ahead(cx),
            _ => Poll::Pending,
        }
    }

    /// Looks ahead for the end of the connection, a bounded way: what comes is more of the body, or the next request.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.buffer.len() < AHEAD {
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Writes a response.
    pub(super) async fn respond<R>(&mut self, response: Response<R>, mut asked: Asked) -> Next
    where
        R: Body<Data = Bytes>,
    {
        let (mut parts, body) = response.into_parts();
        let exact = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        let plan = Plan::new((&asked.method, asked.version), parts.status, &mut parts.headers, exact);
        // Who answers before the request is complete does not wait for the rest of it, as Envoy.
        // And what follows a 101 that nobody made a tunnel of is no request.
        let last = !asked.keep_alive
            || parts.status == StatusCode::SWITCHING_PROTOCOLS
            || asked.upload.is_some()
            || plan == Plan::Close
            || self.activity.ends();
        (asked.expects, asked.answered) = (false, true);
        self.activity.waits(Wait::Nothing);
        let out = self.output.small();
        let closes = with_date(|date| write_head(out, parts.status, &parts.headers, date, last));
        self.parser.reuse(parts.headers);
        let mut sending = Sending { plan, trailers: asked.trailers, state: State::Open };
        let mut body = pin!(body);
        let sent = std::future::poll_fn(|cx| self.poll_send(cx, body.as_mut(), &mut sending, &mut asked)).await;
        self.activity.waits(Wait::Nothing);
        match sent {
            Sent::Gone => Next::Gone,
            Sent::Whole if !last && !closes => Next::Head,
            Sent::Whole | Sent::Cut => Next::Close,
        }
    }

    fn poll_send<R: Body<Data = Bytes>>(
        &mut self,
        cx: &mut Context<'_>,
        mut body: Pin<&mut R>,
        sending: &mut Sending,
        asked: &mut Asked,
    ) -> Poll<Sent> {
        loop {
            let mut waits = false;
            while !waits && sending.state == State::Open && self.output.is_room() {
                waits = sending.poll_take(cx, body.as_mut(), &mut self.output).is_pending();
            }
            let full = !waits && sending.state == State::Open;
            let before = self.output.len();
            let written = if full { self.output.poll_write(cx, &mut self.io) } else { self.poll_flush(cx) };
            self.activity.moved(before - self.output.len());
            self.activity.waits(if written.is_pending() { Wait::Write } else { Wait::Nothing });
            match written {
                Poll::Ready(Ok(())) if full => self.unflushed = true,
                Poll::Ready(Ok(())) if waits => break,
                Poll::Ready(Ok(())) => return Poll::Ready(sending.state.sent()),
                Poll::Ready(Err(_)) => return Poll::Ready(Sent::Gone),
                Poll::Pending => break,
            }
        }
        ready!(self.poll_left(cx, asked));
        Poll::Ready(Sent::Gone)
    }
}

/// How a response went.
enum Sent {
    Whole,
    /// Its body failed: only the end of the connection says so.
    Cut,
    Gone,
}

/// A body on its way.
struct Sending {
    plan: Plan,
    trailers: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Whole,
    Cut,
}

impl State {
    const fn sent(self) -> Sent {
        if matches!(self, Self::Whole) { Sent::Whole } else { Sent::Cut }
    }
}

impl Sending {
    /// Takes one frame of the body.
    fn poll_take<R: Body<Data = Bytes>>(
        &mut self,
        cx: &mut Context<'_>,
        mut body: Pin<&mut R>,
        output: &mut super::Output,
    ) -> Poll<()> {
        if matches!(self.plan, Plan::None | Plan::Length(0)) {
            self.state = State::Whole;
            return Poll::Ready(());
        }
        match ready!(body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => self.frame(frame, output),
            Some(Err(_)) => self.state = State::Cut,
            None => self.end(None, output),
        }
        // What ends the body comes behind its data: not while that fills the output.
        if self.state == State::Open && output.is_room() && body.is_end_stream() {
            self.end(None, output);
        }
        Poll::Ready(())
    }

    fn frame(&mut self, frame: Frame<Bytes>, output: &mut super::Output) {
        let data = match frame.into_data() {
            Ok(data) if data.is_empty() => return,
            Ok(data) => data,
            Err(frame) => return self.end(frame.trailers_ref(), output),
        };
        match &mut self.plan {
            Plan::Length(left) => {
                // More than was said is not sent: it would be read as the next response.
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
                *left -= length as u64;
                let whole = length == data.len();
                output.data(data.slice(..length), b"");
                if !whole {
                    self.state = State::Cut;
                } else if *left == 0 {
                    self.state = State::Whole;
                }
            }
            Plan::Chunked => {
                write_chunk_size(output.small(), data.len());
                output.data(data, b"\r\n");
            }
            Plan::Close | Plan::None => output.data(data, b""),
        }
    }

    fn end(&mut self, trailers: Option<&HeaderMap>, output: &mut super::Output) {
        self.state = match self.plan {
            // Shorter than was said.
            Plan::Length(1..) => State::Cut,
            _ => State::Whole,
        };
        if self.plan == Plan::Chunked {
            write_last_chunk(output.small(), trailers.filter(|_| self.trailers));
        }
    }
}
