//! [`Body`]: the one body type of the assembled stack. Layers themselves stay generic.
mod observer;

use std::{
    any::Any,
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use sync_wrapper::SyncWrapper;

use self::observer::Both;
pub use self::observer::{End, OnEnd, Side};
use crate::{
    BoxError,
    conn::{LINGER, http1, streams::Stream},
    error,
    http::timeout::Elapsed,
};

/// Data is `Bytes`, errors are [`BoxError`]. What hyper reads passes as it is; only a configured layer boxes it.
///
/// One pointer, and none at all for an empty body: requests and responses are moved from layer to layer, and with
/// eight bytes of body a request stays within what is copied in one go.
///
/// `Sync`, whatever is inside: so a `Request<Body>` can be shared, and errors can carry it.
#[derive(Default)]
pub struct Body(Option<Box<Inner>>);

#[derive(Default)]
struct Inner {
    kind: Kind,
    /// Data bytes that went through.
    bytes: u64,
    /// What becomes of trailers.
    trailers: Trailers,
    /// What the observers were told last.
    waits: bool,
    /// The length is not told.
    without_length: bool,
    /// Of a request over HTTP/2: who watches how long it is waited for. Its rest is read for a moment if nobody wants it.
    stream: Option<Arc<Stream>>,
    first: Option<(Arc<dyn OnEnd>, Side)>,
    second: Option<(Arc<dyn OnEnd>, Side)>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Incoming(Incoming),
    /// From an HTTP/1 client.
    Http1(http1::Incoming),
    /// With its exact length, if it was known when it was boxed.
    Boxed(SyncWrapper<UnsyncBoxBody<Bytes, BoxError>>, Option<u64>),
    /// A failure that is told at the next poll, so that what came before it is sent first.
    Failed(Option<BoxError>),
}

/// What becomes of trailers.
#[derive(Clone, Copy, Default)]
enum Trailers {
    #[default]
    Pass,
    Swallow,
    /// Changed by this; swallowed if nothing is left.
    Filter(fn(&mut HeaderMap)),
}

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(None)
    }

    fn of(kind: Kind) -> Self {
        Self(Some(Box::new(Inner {
            kind,
            bytes: 0,
            trailers: Trailers::Pass,
            waits: false,
            without_length: false,
            stream: None,
            first: None,
            second: None,
        })))
    }

    fn inner(&mut self) -> &mut Inner {
        self.0.get_or_insert_default()
    }

    /// Takes any body. `Body`, `Incoming` and one that is empty are recognised and not boxed.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut slot = Some(body);
        let any: &mut dyn Any = &mut slot;
        if let Some(body) = any.downcast_mut::<Option<Self>>() {
            return body.take().unwrap_or_default();
        }
        if let Some(body) = any.downcast_mut::<Option<Incoming>>() {
            return body.take().map(Self::from).unwrap_or_default();
        }
        match slot {
            Some(body) if !body.is_end_stream() => {
                let length = body.size_hint().exact();
                Self::of(Kind::Boxed(SyncWrapper::new(body.map_err(Into::into).boxed_unsync()), length))
            }
            _ => Self::empty(),
        }
    }

    /// Adds an observer; the first two cost nothing more, a third one an allocation.
    #[must_use]
    pub fn observe(mut self, observer: Arc<dyn OnEnd>, side: Side) -> Self {
        let inner = self.inner();
        if inner.first.is_none() {
            inner.first = Some((observer, side));
        } else if let Some((second, _)) = inner.second.take() {
            inner.second = Some((Arc::new(Both(second, observer)), side));
        } else {
            inner.second = Some((observer, side));
        }
        self
    }

    /// Trailers are not passed on: those of HTTP/1 requests, as Envoy does.
    #[must_use]
    pub fn without_trailers(mut self) -> Self {
        if let Some(inner) = &mut self.0 {
            inner.trailers = Trailers::Swallow;
        }
        self
    }

    /// Trailers pass through `filter`; without any left there are none.
    #[must_use]
    pub fn filter_trailers(mut self, filter: fn(&mut HeaderMap)) -> Self {
        if let Some(inner) = &mut self.0 {
            inner.trailers = Trailers::Filter(filter);
        }
        self
    }

    /// A request's body over HTTP/2. If nobody wants its rest that is read and forgotten, for a moment: clients that are
    /// still sending take the reset of a stream for a failure, also when they have their answer.
    pub(crate) fn of_stream(mut self, stream: Option<&Arc<Stream>>) -> Self {
        if let Some(inner) = &mut self.0 {
            inner.stream = stream.cloned();
        }
        self
    }

    /// As `is_end_stream`, but a boxed body is asked too: that takes the only reference.
    pub(crate) fn is_over(&mut self) -> bool {
        match self.0.as_deref_mut() {
            None => true,
            Some(Inner { kind: Kind::Boxed(body, _), .. }) => body.get_mut().is_end_stream(),
            Some(inner) => inner.is_end_stream(),
        }
    }

    /// The length is not told: a `content-length` is not made of it.
    #[must_use]
    pub fn without_length(mut self) -> Self {
        self.inner().without_length = true;
        self
    }
}

impl Inner {
    fn ended(&mut self, end: End, trailers: Option<&HeaderMap>) {
        if let Some((observer, side)) = self.first.take() {
            observer.end(side, end, self.bytes, trailers);
        }
        if let Some((observer, side)) = self.second.take() {
            observer.end(side, end, self.bytes, trailers);
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Http1(body) => body.is_end_stream(),
            // A box cannot be asked through a shared reference: it says so by its next frame.
            Kind::Boxed(..) | Kind::Failed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            _ if self.without_length => SizeHint::default(),
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Incoming(body) => body.size_hint(),
            Kind::Http1(body) => body.size_hint(),
            Kind::Failed(_) => SizeHint::default(),
            Kind::Boxed(_, length) => {
                length.map_or_else(SizeHint::default, |length| SizeHint::with_exact(length.saturating_sub(self.bytes)))
            }
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => Poll::Ready(match mem::take(bytes) {
                bytes if bytes.is_empty() => None,
                bytes => Some(Ok(Frame::data(bytes))),
            }),
            Kind::Incoming(body) => poll_incoming(body, self.stream.as_deref(), cx),
            Kind::Http1(body) => Pin::new(body).poll_frame(cx),
            Kind::Boxed(body, _) => Pin::new(body.get_mut()).poll_frame(cx),
            Kind::Failed(failure) => return Poll::Ready(failure.take().map(Err)),
        };
        self.tell(frame.is_pending());
        match frame {
            Poll::Ready(None) => {
                self.ended(End::Complete, None);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.ended(End::Failed(reason(&*error)), None);
                self.kind = Kind::Failed(Some(error));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(self.pass(frame).map(Ok)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn tell(&mut self, waits: bool) {
        if self.waits != waits {
            self.waits = waits;
            for (observer, side) in self.first.iter().chain(&self.second) {
                observer.waits(*side, waits);
            }
        }
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        if let Some(data) = frame.data_ref() {
            self.bytes += data.len() as u64;
            for (observer, side) in self.first.iter().chain(&self.second) {
                observer.data(*side, data);
            }
            return Some(frame);
        }
        self.ended(End::Complete, frame.trailers_ref());
        let mut trailers = frame.into_trailers().ok()?;
        match self.trailers {
            Trailers::Pass => {}
            Trailers::Swallow => trailers.clear(),
            Trailers::Filter(filter) => filter(&mut trailers),
        }
        if trailers.is_empty() {
            self.kind = Kind::Empty;
            return None;
        }
        Some(Frame::trailers(trailers))
    }

    /// Dropped with everything read? HTTP/1 drops a body as soon as it has the bytes of its content-length.
    fn was_read(&self) -> bool {
        matches!(self.kind, Kind::Boxed(_, Some(length)) if self.bytes >= length) || self.is_end_stream()
    }
}

/// A piece of what hyper reads; a stream that waits for its client for too long fails.
fn poll_incoming(
    body: &mut Incoming,
    stream: Option<&Stream>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    let frame = Pin::new(body).poll_frame(cx).map_err(Into::into);
    if let Some(stream) = stream {
        let came = match &frame {
            Poll::Pending => None,
            Poll::Ready(Some(Ok(frame))) => Some(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(_) => Some(0),
        };
        if let Err(late) = stream.body(came, cx) {
            return Poll::Ready(Some(Err(late.into())));
        }
    }
    frame
}

/// Why reading failed: an error of ours says it, a peer that resets its stream is known, all others have closed.
fn reason(error: &(dyn std::error::Error + 'static)) -> error::Kind {
    let mut causes = std::iter::successors(Some(error), |cause| cause.source());
    let known = causes.find_map(|cause| {
        let ours = cause.downcast_ref::<error::Error>().map(error::Error::kind);
        let ours = ours.or_else(|| cause.is::<Elapsed>().then_some(error::Kind::Timeout));
        ours.or_else(|| cause.downcast_ref::<h2::Error>().filter(|error| error.is_reset()).map(|_| error::Kind::Reset))
    });
    known.unwrap_or(error::Kind::Closed)
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            None => Poll::Ready(None),
            Some(inner) => inner.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|inner| inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |inner| inner.size_hint())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.first.is_some() || self.second.is_some() {
            let end = if self.was_read() { End::Complete } else { End::Dropped };
            self.ended(end, None);
        }
        if self.stream.is_some()
            && let Kind::Incoming(rest) = mem::take(&mut self.kind)
            && !rest.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(tokio::time::timeout(LINGER, forget(rest)));
        }
    }
}

async fn forget(mut rest: Incoming) {
    while rest.frame().await.is_some_and(|frame| frame.is_ok()) {}
}

impl From<Incoming> for Body {
    fn from(body: Incoming) -> Self {
        if body.is_end_stream() {
            return Self::empty();
        }
        Self::of(Kind::Incoming(body))
    }
}

impl From<http1::Incoming> for Body {
    fn from(body: http1::Incoming) -> Self {
        Self::of(Kind::Http1(body))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self::of(Kind::Full(bytes)) }
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.as_ref().map(|inner| &inner.kind) {
            None | Some(Kind::Empty) => "Body(empty)",
            Some(Kind::Full(_)) => "Body(full)",
            Some(Kind::Incoming(_) | Kind::Http1(_)) => "Body(incoming)",
            Some(Kind::Boxed(..)) => "Body(boxed)",
            Some(Kind::Failed(_)) => "Body(failed)",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http_body_util::Full;

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(End, u64, bool)>>);

    impl OnEnd for Seen {
        fn end(self: Arc<Self>, _: Side, end: End, bytes: u64, trailers: Option<&HeaderMap>) {
            self.0.lock().expect("not poisoned").push((end, bytes, trailers.is_some()));
        }
    }

    fn observed(body: Body) -> (Arc<Seen>, Body) {
        let seen = Arc::new(Seen::default());
        let body = body.observe(seen.clone(), Side::Response);
        (seen, body)
    }

    #[tokio::test]
    async fn tells_each_observer_once_how_it_ended() {
        let seen = Arc::new(Seen::default());
        let body = (0..3).fold(Body::from("abc"), |body, _| body.observe(seen.clone(), Side::Response));
        assert_eq!(body.collect().await.expect("no error").to_bytes(), "abc");
        assert_eq!(*seen.0.lock().expect("not poisoned"), [(End::Complete, 3, false); 3]);
    }

    #[tokio::test]
    async fn trailers_are_an_end_and_are_shown() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        let body = Full::new(Bytes::from_static(b"ab")).with_trailers(async { Some(Ok(trailers)) });
        let (seen, body) = observed(Body::new(body));
        let _ = body.collect().await.expect("no error");
        assert_eq!(*seen.0.lock().expect("not poisoned"), [(End::Complete, 2, true)]);
    }

    #[test]
    fn a_body_dropped_before_its_end_says_so() {
        let (seen, body) = observed(Body::from("abc"));
        drop(body);
        assert_eq!(*seen.0.lock().expect("not poisoned"), [(End::Dropped, 0, false)]);
        let (seen, body) = observed(Body::empty());
        drop(body);
        assert_eq!(*seen.0.lock().expect("not poisoned"), [(End::Complete, 0, false)]);
    }

    #[tokio::test]
    async fn a_boxed_body_whose_bytes_were_all_read_is_complete() {
        let (seen, mut body) = observed(Body::new(Full::new(Bytes::from_static(b"abc"))));
        let _ = body.frame().await.expect("data").expect("no error");
        drop(body);
        assert_eq!(*seen.0.lock().expect("not poisoned"), [(End::Complete, 3, false)]);
    }

    #[test]
    fn does_not_box_twice_and_is_sync() {
        fn sync<T: Send + Sync>(_: &T) {}
        let once = Body::new(Full::new(Bytes::from_static(b"x")));
        sync(&once);
        assert_eq!(format!("{once:?}"), "Body(boxed)");
        assert_eq!(format!("{:?}", Body::new(Body::from("x"))), "Body(full)");
        assert!(Body::new(Full::new(Bytes::new())).0.is_none());
        assert_eq!(size_of::<Body>(), 8);
    }
}
