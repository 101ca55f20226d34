//! [`Rare`]: a rare event beside a busy future.
use std::{
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Polls a rare event next to a busy future: again only after the event woke us, not at each poll of the busy one.
#[derive(Default)]
pub(crate) struct Rare {
    waker: Option<Waker>,
    event: Arc<Event>,
}

#[derive(Default)]
struct Event {
    fired: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Wake for Event {
    fn wake(self: Arc<Self>) {
        self.fired.store(true, Ordering::Release);
        let task = mem::take(&mut *self.task.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Rare {
    /// Ready if `event` is; nearly always one comparison and one load.
    pub(crate) fn poll<T>(&mut self, cx: &Context<'_>, event: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        let same_task = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if same_task && !self.event.fired.swap(false, Ordering::Acquire) {
            return Poll::Pending;
        }
        self.waker = Some(cx.waker().clone());
        *self.event.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        event.poll(&mut Context::from_waker(&self.event.clone().into()))
    }

    /// The next poll asks the event, whatever woke us: for after it was ready.
    pub(crate) fn again(&mut self) {
        self.waker = None;
    }
}
