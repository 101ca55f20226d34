//! [`InFlight`]: how many requests are under way.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Counts requests under way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    now: AtomicUsize,
    none: Notify,
}

/// One request under way, until it is dropped.
#[derive(Debug)]
pub struct Guard(InFlight);

impl InFlight {
    /// One more.
    #[must_use]
    pub fn enter(&self) -> Guard {
        self.0.now.fetch_add(1, Ordering::Relaxed);
        Guard(self.clone())
    }

    /// How many there are.
    #[must_use]
    pub fn now(&self) -> usize {
        self.0.now.load(Ordering::Acquire)
    }

    /// Waits until there is none.
    pub async fn none(&self) {
        loop {
            let none = self.0.none.notified();
            if self.now() == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Guard {
    /// One more, counted where this one is.
    pub(super) fn beside(&self) -> Self {
        self.0.enter()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.0.now.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.none.notify_waiters();
        }
    }
}
