//! [`Activity`]: what a connection is doing, written by its bytes and its requests, read by its timer.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Written on every request, so it is a few plain stores; the timer looks at it only when the nearest deadline that
/// was possible has come (no timer is touched by a request).
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    /// Requests whose response has not ended.
    active: AtomicU32,
    /// There was no request yet.
    fresh: AtomicBool,
    /// Bytes of the next request head have come.
    reading: AtomicBool,
    h2: AtomicBool,
    /// No request is taken after the present one.
    ending: AtomicBool,
    /// Milliseconds from `start` to the moment the present state began.
    since: AtomicU64,
}

/// How long a connection may be without a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) keep_alive: Duration,
}

/// One request; while it lives the connection is active.
#[derive(Debug)]
pub(super) struct Active(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            active: AtomicU32::new(0),
            fresh: AtomicBool::new(true),
            reading: AtomicBool::new(false),
            h2: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            since: AtomicU64::new(0),
        }
    }

    fn begin(&self) {
        let since = Instant::now().duration_since(self.start);
        self.since.store(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Bytes came in.
    pub(super) fn read(&self) {
        if self.active.load(Relaxed) == 0 && !self.reading.load(Relaxed) {
            self.begin();
            self.reading.store(true, Relaxed);
        }
    }

    /// A request's head is complete.
    pub(super) fn request(self: &Arc<Self>) -> Active {
        self.active.fetch_add(1, Relaxed);
        self.fresh.store(false, Relaxed);
        self.reading.store(false, Relaxed);
        Active(self.clone())
    }

    /// HTTP/2 is spoken.
    pub(super) fn speaks_h2(&self) {
        self.h2.store(true, Relaxed);
    }

    /// Is HTTP/2 spoken?
    pub(super) fn is_h2(&self) -> bool {
        self.h2.load(Relaxed)
    }

    /// The connection ends after the present request.
    pub(super) fn end(&self) {
        self.ending.store(true, Relaxed);
    }

    /// Does it?
    pub(super) fn ends(&self) -> bool {
        self.ending.load(Relaxed)
    }

    /// Is no request under way?
    pub(super) fn is_idle(&self) -> bool {
        self.active.load(Relaxed) == 0
    }

    /// Was there no request yet?
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh.load(Relaxed)
    }

    /// When the connection has been without a request for too long, as it looks now; `None` while one is active.
    pub(super) fn deadline(&self, patience: Patience) -> Option<Instant> {
        if self.active.load(Relaxed) > 0 {
            return None;
        }
        // HTTP/2 reads frames that are no requests (PING, SETTINGS).
        let waiting_for_head = self.fresh.load(Relaxed) || self.reading.load(Relaxed);
        let allowed = if waiting_for_head && !self.is_h2() { patience.head } else { patience.keep_alive };
        Some(self.start + Duration::from_millis(self.since.load(Relaxed)) + allowed)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Relaxed) == 1 {
            self.0.begin();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_deadline_follows_the_state() {
        let patience = Patience { head: Duration::from_secs(10), keep_alive: Duration::from_secs(75) };
        let activity = Arc::new(Activity::new());
        let start = activity.start;
        let after = |seconds| Some(start + Duration::from_secs(seconds));
        assert_eq!(activity.deadline(patience), after(10), "nothing came");
        advance(Duration::from_secs(4)).await;
        activity.read();
        assert_eq!(activity.deadline(patience), after(14), "a head has begun");
        advance(Duration::from_secs(5)).await;
        activity.read();
        assert_eq!(activity.deadline(patience), after(14), "a dripped head does not get more time");
        let request = activity.request();
        assert_eq!(activity.deadline(patience), None, "a request is active");
        drop(request);
        assert_eq!(activity.deadline(patience), after(9 + 75), "kept alive");
        activity.read();
        assert_eq!(activity.deadline(patience), after(9 + 10), "the next head");
    }
}
