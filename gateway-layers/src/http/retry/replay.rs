//! [`Replay`]: a body that can be sent again, as far as it was small enough.
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use crate::{BoxError, body::Body};

/// Bytes that are kept at most; Envoy's buffer.
const LIMIT: usize = 1024 * 1024;

/// The original body and what was read of it; shared by the bodies of all tries, of which one is read at a time.
#[derive(Clone, Debug)]
pub(super) struct Replay(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rest: Body,
    kept: Vec<Bytes>,
    size: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// Too large, or broken: what is kept is not the beginning of the body any more.
    spoiled: bool,
    /// Nothing is kept any more: there will be no further try.
    settled: bool,
    /// Of the latest try. The connection of an earlier one may still ask for its body: it must not get what the
    /// next one needs.
    latest: u32,
}

/// What a kept piece costs beside its bytes: 1-byte chunks must not cost a hundred times their size.
const PIECE: usize = 128;

/// The body of one try.
struct Try {
    replay: Replay,
    number: u32,
    /// Kept pieces that this try has sent.
    at: usize,
    trailers_sent: bool,
}

impl Replay {
    pub(super) fn new(body: Body) -> Self {
        let ended = body.is_end_stream();
        let state = State {
            rest: body,
            kept: Vec::new(),
            size: 0,
            trailers: None,
            ended,
            spoiled: false,
            settled: false,
            latest: 0,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Can the body be sent from its beginning?
    pub(super) fn is_whole(&self) -> bool {
        !self.state().spoiled
    }

    /// The body for one more try; those of earlier tries end broken.
    pub(super) fn body(&self) -> Body {
        let mut state = self.state();
        state.latest += 1;
        if state.ended && state.kept.is_empty() && state.trailers.is_none() {
            return Body::empty();
        }
        let number = state.latest;
        drop(state);
        Body::new(Try { replay: self.clone(), number, at: 0, trailers_sent: false })
    }

    /// The answer is passed on: what is kept is freed, and what comes is not kept.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        state.settled = true;
        if !state.ended {
            state.spoiled = true;
        }
    }
}

impl State {
    /// Keeps a piece; true if it is in the list.
    fn keep(&mut self, data: &Bytes) -> bool {
        self.size += data.len() + PIECE;
        if self.size > LIMIT {
            self.spoiled = true;
        }
        if self.spoiled || self.settled {
            self.kept = Vec::new();
            return false;
        }
        self.kept.push(data.clone());
        true
    }

    /// The original is not needed any more, and says so by its end: HTTP/1 drops the body of a try as soon as it has
    /// all bytes of its length, without asking for the end.
    fn end_if_read(&mut self) {
        if self.rest.is_over() {
            self.ended = true;
            self.rest = Body::empty();
        }
    }
}

impl http_body::Body for Try {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let replay = self.replay.clone();
        let mut state = replay.state();
        if state.latest != self.number {
            return Poll::Ready(Some(Err("another try has begun".into())));
        }
        if let Some(kept) = state.kept.get(self.at) {
            self.at += 1;
            return Poll::Ready(Some(Ok(Frame::data(kept.clone()))));
        }
        if state.ended {
            let trailers = state.trailers.clone().filter(|_| !self.trailers_sent);
            self.trailers_sent = true;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let frame = ready!(Pin::new(&mut state.rest).poll_frame(cx));
        match &frame {
            None => state.ended = true,
            Some(Err(_)) => state.spoiled = true,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.at = if state.keep(data) { state.kept.len() } else { 0 };
                    state.end_if_read();
                } else if let Some(trailers) = frame.trailers_ref() {
                    state.trailers = Some(trailers.clone());
                    state.ended = true;
                    self.trailers_sent = true;
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.replay.state();
        state.ended && self.at >= state.kept.len() && (state.trailers.is_none() || self.trailers_sent)
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.replay.state();
        let kept: usize = state.kept.iter().skip(self.at).map(Bytes::len).sum();
        match state.rest.size_hint().exact() {
            Some(rest) if !state.spoiled => SizeHint::with_exact(rest + kept as u64),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[tokio::test]
    async fn a_half_read_body_is_sent_whole_again() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x", http::HeaderValue::from_static("1"));
        let body = Full::new(Bytes::from_static(b"hello")).with_trailers(async { Some(Ok(trailers)) });
        let replay = Replay::new(Body::new(body));
        let mut first = replay.body();
        let _ = first.frame().await.expect("data").expect("no error");
        drop(first);
        for _ in 0..2 {
            let again = replay.body().collect().await.expect("no error");
            assert!(again.trailers().is_some());
            assert_eq!(again.to_bytes(), "hello");
        }
        assert!(replay.is_whole());
    }

    #[tokio::test]
    async fn an_earlier_try_gets_nothing_more() {
        let replay = Replay::new(Body::new(Full::new(Bytes::from_static(b"hello"))));
        let mut first = replay.body();
        let second = replay.body();
        assert!(first.frame().await.expect("an end").is_err(), "its connection may still ask");
        assert_eq!(second.collect().await.expect("no error").to_bytes(), "hello");
        assert!(replay.is_whole());
    }

    #[tokio::test]
    async fn the_original_ends_with_its_last_byte() {
        #[derive(Default)]
        struct Ended(std::sync::atomic::AtomicBool);
        impl crate::body::OnEnd for Ended {
            fn end(self: Arc<Self>, _: crate::body::Side, end: crate::body::End, _: u64, _: Option<&HeaderMap>) {
                self.0.store(end == crate::body::End::Complete, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let ended = Arc::new(Ended::default());
        let original = Body::from("hello").observe(ended.clone(), crate::body::Side::Request);
        let mut body = Replay::new(original).body();
        let _ = body.frame().await.expect("data").expect("no error");
        assert!(ended.0.load(std::sync::atomic::Ordering::Relaxed), "though nobody asked for its end");
    }

    #[tokio::test]
    async fn a_large_body_goes_on_but_is_not_kept() {
        let replay = Replay::new(Body::from(Bytes::from(vec![0; LIMIT + 1])));
        let sent = replay.body().collect().await.expect("no error").to_bytes();
        assert_eq!(sent.len(), LIMIT + 1);
        assert!(!replay.is_whole());
    }
}
