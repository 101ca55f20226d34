//! [`Incoming`]: a request's body, read from the connection as it is asked for.
use std::{
    io, mem,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{
    BoxError,
    conn::activity::Activity,
    error::{Error, Kind},
    http1::{Decoded, Decoder, Framing},
};

/// The half that a service has. One piece at most waits here: who does not ask gets nothing, and the client's socket
/// fills up.
#[derive(Debug)]
pub(crate) struct Incoming {
    shared: Arc<Shared>,
    /// What is to come, if the head said it.
    left: Option<u64>,
}

/// The half that the connection has.
#[derive(Debug)]
pub(super) struct Upload {
    shared: Arc<Shared>,
    decoder: Decoder,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    piece: Option<Result<Frame<Bytes>, BoxError>>,
    /// The service has asked, and got nothing yet.
    wanted: bool,
    /// Nothing comes after what is here.
    ended: bool,
    /// One half is gone.
    gone: bool,
    service: Option<Waker>,
    connection: Option<Waker>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn give(&mut self, piece: Option<Result<Frame<Bytes>, BoxError>>, ended: bool) {
        (self.piece, self.wanted, self.ended) = (piece, false, ended);
        if let Some(waker) = self.service.take() {
            waker.wake();
        }
    }
}

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Every byte has been read.
    Complete,
    /// The service wants no more of it.
    Dropped,
    /// The client sent what is no body; the service has been told.
    Failed,
    /// The client left.
    Left,
}

/// A body and its two halves.
pub(super) fn incoming(framing: Framing) -> (Incoming, Upload) {
    let shared = Arc::new(Shared::default());
    let left = match framing {
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    };
    (Incoming { shared: shared.clone(), left }, Upload { shared, decoder: Decoder::new(framing) })
}

/// Bytes that a read for a body has room for.
const READ: usize = 32 * 1024;
/// Room from which on a read is worth its while.
const LEAST: usize = 4 * 1024;

impl Upload {
    /// Is the service waiting for bytes that are not here? Then a client that expects it is told to go on.
    pub(super) fn is_wanted(&self) -> bool {
        self.shared.state().wanted
    }

    /// Reads if the service asks; ready when there is nothing more to do.
    pub(super) fn poll<I: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut I,
        buffer: &mut BytesMut,
        activity: &Activity,
    ) -> Poll<Progress> {
        loop {
            if let Some(pause) = self.pause(cx) {
                return pause;
            }
            let decoded = match self.decoder.decode(buffer) {
                Ok(decoded) => decoded,
                Err(refusal) => {
                    self.fail(Error::new(Kind::BadRequest).with_source(refusal));
                    return Poll::Ready(Progress::Failed);
                }
            };
            let Some(decoded) = decoded else {
                // Small pieces share a buffer: else each of them would keep one alive.
                if buffer.capacity() - buffer.len() < LEAST {
                    buffer.reserve(READ);
                }
                let read = ready!(pin!(io.read_buf(buffer)).poll(cx));
                if let Ok(bytes @ 1..) = read {
                    activity.moved(bytes);
                    continue;
                }
                self.fail(left(read.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())));
                return Poll::Ready(Progress::Left);
            };
            let piece = match decoded {
                Decoded::Data(data) => Some(Ok(Frame::data(data))),
                Decoded::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
                Decoded::End => None,
            };
            let ended = self.decoder.is_end();
            self.shared.state().give(piece, ended);
            if ended {
                return Poll::Ready(Progress::Complete);
            }
        }
    }

    /// Why nothing is to be read now.
    fn pause(&self, cx: &Context<'_>) -> Option<Poll<Progress>> {
        let mut state = self.shared.state();
        if state.gone {
            return Some(Poll::Ready(Progress::Dropped));
        }
        if state.wanted {
            return None;
        }
        if state.connection.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            state.connection = Some(cx.waker().clone());
        }
        Some(Poll::Pending)
    }

    /// The client lets us wait for too long.
    pub(super) fn give_up(&self) {
        self.fail(Error::new(Kind::StreamIdle));
    }

    fn fail(&self, error: Error) {
        self.shared.state().give(Some(Err(error.into())), true);
    }
}

fn left(error: io::Error) -> Error {
    Error::new(Kind::Client).with_source(error)
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.gone = true;
        if let Some(waker) = state.service.take() {
            waker.wake();
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.gone = true;
        state.piece = None;
        if let Some(waker) = state.connection.take() {
            waker.wake();
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let shared = self.shared.clone();
        let mut state = shared.state();
        if let Some(piece) = mem::take(&mut state.piece) {
            drop(state);
            if let (Some(left), Ok(frame)) = (&mut self.left, &piece) {
                *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
            }
            return Poll::Ready(Some(piece));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        if state.gone {
            state.ended = true;
            return Poll::Ready(Some(Err(left(io::ErrorKind::ConnectionAborted.into()).into())));
        }
        state.wanted = true;
        if state.service.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            state.service = Some(cx.waker().clone());
        }
        if let Some(waker) = state.connection.take() {
            waker.wake();
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0) || {
            let state = self.shared.state();
            state.ended && state.piece.is_none()
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The whole body, if all its bytes are here already: then nothing has to go to and fro.
pub(super) fn whole(framing: Framing, buffer: &mut BytesMut) -> Option<Bytes> {
    let Framing::Length(length) = framing else { return None };
    let length = usize::try_from(length).ok().filter(|length| *length <= buffer.len())?;
    Some(buffer.split_to(length).freeze())
}
