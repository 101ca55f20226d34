//! HTTP/1.1 on a connection: one request after the other (RFC 9112).
//!
//! What a request asks another protocol with is read a second time by hyper, whose upgrade every framework knows:
//! that request is the last of its connection.
mod exchange;
mod incoming;
mod output;

use std::{
    convert::Infallible,
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};
use tower_service::Service;

pub(crate) use self::incoming::Incoming;
use self::output::Output;
use super::{
    ConnInfo, Refuse, Rewind,
    activity::Activity,
    io::{LINGER, Watched},
    per_request::PerRequest,
};
use crate::{
    BoxError, body,
    error::{Error, Kind},
    exchange::Exchange,
    http1::{HeadParser, Limits, Refusal, RequestHead},
};

/// What all connections of a server share.
pub(super) struct Settings {
    pub(super) limits: Limits,
    pub(super) refuse: Arc<dyn Refuse>,
    /// For upgrades.
    pub(super) hyper: hyper::server::conn::http1::Builder,
}

/// One connection.
pub(super) struct Connection<I, S> {
    io: I,
    service: S,
    info: Arc<ConnInfo>,
    activity: Arc<Activity>,
    settings: Arc<Settings>,
    parser: HeadParser,
    /// Bytes that were read and not yet used.
    buffer: BytesMut,
    output: Output,
    /// Something was written that was not flushed.
    unflushed: bool,
}

/// What comes after a response.
enum Next {
    Head,
    Close,
    /// The client has left.
    Gone,
}

impl<I, S, B> Connection<I, S>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<body::Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(
        io: I,
        service: S,
        info: Arc<ConnInfo>,
        activity: Arc<Activity>,
        settings: Arc<Settings>,
    ) -> Self {
        let parser = HeadParser::new(settings.limits);
        let (buffer, output) = (BytesMut::new(), Output::default());
        Self { io, service, info, activity, settings, parser, buffer, output, unflushed: false }
    }

    /// Serves until the connection ends; `ahead` was read before.
    pub(super) async fn run(mut self, ahead: BytesMut) -> Result<(), Error> {
        self.buffer = ahead;
        loop {
            let next = match self.head().await {
                Ok(Some(Ok(RequestHead { upgrade: Some(head), .. }))) => return Box::pin(self.upgrade(head)).await,
                Ok(Some(Ok(head))) => self.exchange(head).await,
                Ok(Some(Err(refusal))) => self.refuse(refusal).await,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Error::new(Kind::Client).with_source(error)),
            };
            match next {
                Next::Head => {}
                Next::Close => {
                    self.close().await;
                    return Ok(());
                }
                Next::Gone => return Ok(()),
            }
        }
    }

    /// The next head; `None` if the connection ends before one.
    async fn head(&mut self) -> io::Result<Option<Result<RequestHead, Refusal>>> {
        std::future::poll_fn(|cx| {
            loop {
                if !self.buffer.is_empty()
                    && let Some(head) = self.parser.parse(&mut self.buffer).transpose()
                {
                    return Poll::Ready(Ok(Some(head)));
                }
                if self.buffer.is_empty() && self.activity.ends() {
                    return Poll::Ready(Ok(None));
                }
                if ready!(self.poll_fill(cx))? == 0 {
                    return Poll::Ready(Ok(None));
                }
                self.activity.read();
            }
        })
        .await
    }

    /// Reads some bytes. Nothing is allocated for a connection that waits.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            let mut bytes = [const { MaybeUninit::uninit() }; 4096];
            let mut read = ReadBuf::uninit(&mut bytes);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
            self.buffer = self.parser.buffer();
            self.buffer.extend_from_slice(read.filled());
            return Poll::Ready(Ok(read.filled().len()));
        }
        self.buffer.reserve(4096);
        pin!(self.io.read_buf(&mut self.buffer)).poll(cx)
    }

    /// Writes what there is, and sees that it leaves.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unflushed |= !self.output.is_empty();
        ready!(self.output.poll_write(cx, &mut self.io))?;
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    async fn refuse(&mut self, refusal: Refusal) -> Next {
        let _active = self.activity.request();
        let exchange = Arc::new(Exchange::new(self.info.clone()));
        let response = self.settings.refuse.refuse(refusal, &exchange).map(Full::new);
        self.respond(response, exchange::Asked::refused()).await
    }

    /// What the client still sends must not be answered with a reset: it would take away the response (RFC 9112 9.6).
    async fn close(&mut self) {
        // The client may have left: then there is nobody to be told.
        let _ = self.io.shutdown().await;
        let _ = timeout(LINGER, async {
            let mut bytes = [0; 2048];
            while self.io.read(&mut bytes).await.is_ok_and(|length| length > 0) {}
        })
        .await;
    }

    async fn upgrade(self, head: Bytes) -> Result<(), Error> {
        let mut ahead = BytesMut::from(head);
        ahead.extend_from_slice(&self.buffer);
        let io = Watched::new(TokioIo::new(Rewind::new(ahead.freeze(), self.io)), self.activity.clone());
        let service = PerRequest { service: self.service, info: self.info, activity: self.activity, last: true };
        let serving = self.settings.hyper.serve_connection(io, service).with_upgrades();
        serving.await.map_err(|error| Error::new(Kind::Client).with_source(error))
    }
}
