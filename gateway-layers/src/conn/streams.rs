//! [`Streams`]: which streams of an HTTP/2 connection wait for their client, and for how long.
//!
//! A stream has no timer of its own: the connection's timer looks at all of them now and then. What the gateway itself
//! waits for (the upstream, a service) does not count.
use std::{
    cell::Cell,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::activity::PROGRESS;
use crate::error::{Error, Kind};

thread_local! {
    /// Handed from a stream's first poll to the task that polls it, within that poll.
    static FIRST: Cell<Option<Arc<Stream>>> = const { Cell::new(None) };
}

/// One stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The service waits for the request's body.
    awaits_body: AtomicBool,
    /// The response's head is there: a request that is silent from then on is no stall.
    answered: AtomicBool,
    /// Data of the response was given that the client has no window for.
    unsent: AtomicBool,
    /// Bytes that went either way.
    moved: AtomicU64,
    /// The body fails.
    failed: AtomicBool,
    /// The stream ends.
    ended: AtomicBool,
    wakers: Mutex<Wakers>,
}

#[derive(Debug, Default)]
struct Wakers {
    /// Of who reads the request's body.
    body: Option<Waker>,
    /// Of the stream's task.
    task: Option<Waker>,
}

impl Stream {
    fn wakers(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request's body was asked for, and so many bytes came; none: it waits.
    pub(crate) fn body(&self, came: Option<usize>, cx: &Context<'_>) -> Result<(), Error> {
        if self.failed.load(Relaxed) {
            return Err(Error::new(Kind::StreamIdle));
        }
        self.awaits_body.store(came.is_none(), Relaxed);
        match came {
            Some(bytes) => self.moved(bytes),
            None => self.wakers().body = Some(cx.waker().clone()),
        }
        Ok(())
    }

    /// The task that runs is this stream's; to be said at the first poll. Outside of our executor nobody listens.
    pub(super) fn runs_here(self: &Arc<Self>) {
        FIRST.set(Some(self.clone()));
    }

    /// The response has a head.
    pub(super) fn answered(&self) {
        self.answered.store(true, Relaxed);
    }

    /// So much of the response was given to be sent.
    pub(super) fn given(&self, bytes: usize) {
        self.moved(bytes);
        self.unsent.store(true, Relaxed);
    }

    /// More of the response is asked for: what was given before is on its way.
    pub(super) fn taken(&self) {
        self.unsent.store(false, Relaxed);
    }

    fn moved(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Relaxed);
    }

    /// What it waits for, if that is the client.
    fn waits(&self) -> Option<Wait> {
        if self.unsent.load(Relaxed) {
            Some(Wait::Window)
        } else if self.awaits_body.load(Relaxed) && !self.answered.load(Relaxed) {
            Some(Wait::Body)
        } else {
            None
        }
    }

    /// A body that does not come fails, and the service can say so; else the stream is reset.
    fn give_up(&self, wait: Wait) {
        let mut wakers = self.wakers();
        let waker = match wait {
            Wait::Body => {
                self.failed.store(true, Relaxed);
                wakers.body.take()
            }
            Wait::Window => {
                self.ended.store(true, Relaxed);
                wakers.task.take()
            }
        };
        drop(wakers);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What the client does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Body,
    Window,
}

/// All streams of a connection.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<Vec<Watched>>);

#[derive(Debug)]
struct Watched {
    stream: Arc<Stream>,
    /// What it was seen to wait for, since when, and how many bytes had gone by then.
    wait: Option<(Wait, Instant, u64)>,
}

/// Streams that are kept before those that are over are looked for.
const FEW: usize = 64;

impl Streams {
    /// One more; it is watched as long as it lives.
    pub(super) fn begin(&self) -> Arc<Stream> {
        let stream = Arc::new(Stream::default());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= FEW && all.len() == all.capacity() {
            all.retain(|watched| Arc::strong_count(&watched.stream) > 1);
        }
        all.push(Watched { stream: stream.clone(), wait: None });
        stream
    }

    /// Gives up those that have waited for their client for longer than `limit`; how many.
    pub(super) fn look(&self, limit: Duration) -> usize {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|watched| Arc::strong_count(&watched.stream) > 1);
        all.iter_mut().filter_map(|watched| watched.overdue(now, limit)).count()
    }
}

impl Watched {
    fn overdue(&mut self, now: Instant, limit: Duration) -> Option<()> {
        let moved = self.stream.moved.load(Relaxed);
        let waits = self.stream.waits();
        match (self.wait, waits) {
            (Some((seen, since, before)), Some(wait)) if seen == wait => {
                if now.duration_since(since) < limit {
                    return None;
                }
                if moved - before >= PROGRESS {
                    self.wait = Some((wait, now, moved));
                    return None;
                }
                self.wait = None;
                self.stream.give_up(wait);
                Some(())
            }
            (_, waits) => {
                self.wait = waits.map(|wait| (wait, now, moved));
                None
            }
        }
    }
}

/// Runs each stream in a task that learns which stream it is.
#[derive(Clone, Debug)]
pub(super) struct Executor;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        tokio::spawn(Task { future, stream: None });
    }
}

pin_project! {
    struct Task<F> {
        #[pin]
        future: F,
        stream: Option<Arc<Stream>>,
    }
}

impl<F: Future> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let ended = this.stream.as_ref().is_some_and(|stream| stream.ended.load(Relaxed));
        if ended || this.future.poll(cx).is_ready() {
            FIRST.take();
            return Poll::Ready(());
        }
        if this.stream.is_none() {
            *this.stream = FIRST.take();
        }
        if let Some(stream) = this.stream {
            let mut wakers = stream.wakers();
            if wakers.task.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                wakers.task = Some(cx.waker().clone());
            }
        }
        Poll::Pending
    }
}
