//! [`Activity`]: what a connection is doing, written by its bytes and its requests, read by its timer.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{metrics::Late, streams::Streams};

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
    /// What an active HTTP/1 request waits for, see [`Wait`].
    wait: AtomicU8,
    /// Bytes that have come or gone since it began to wait.
    moved: AtomicU64,
    /// Milliseconds from `start` to the moment when its body was not waited for any more; 0: it never was.
    paused: AtomicU64,
    /// It has waited for its body for too long.
    stalled: AtomicBool,
    /// Of an HTTP/2 connection.
    streams: Streams,
    /// No request is taken after the present one.
    ending: AtomicBool,
    /// Milliseconds from `start` to the moment the present state began.
    since: AtomicU64,
}

/// How long a client is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) keep_alive: Duration,
    pub(super) body: Duration,
    pub(super) write: Duration,
    pub(super) stream: Duration,
}

impl Patience {
    /// The clock is looked at as often as this.
    pub(super) fn step(&self) -> Duration {
        self.head.min(self.keep_alive).min(self.body).min(self.write).min(self.stream)
    }
}

/// Bytes in the time that a client has: fewer are no progress, or one byte a minute would hold a connection for ever.
pub(super) const PROGRESS: u64 = 1024;

/// What an active request waits for, if that is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Wait {
    Nothing,
    /// The request's body.
    Body,
    /// That it takes the response.
    Write,
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
            wait: AtomicU8::new(Wait::Nothing as u8),
            moved: AtomicU64::new(0),
            paused: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
            streams: Streams::default(),
            ending: AtomicBool::new(false),
            since: AtomicU64::new(0),
        }
    }

    fn begin(&self) {
        self.since.store(self.now(), Relaxed);
    }

    /// Milliseconds from `start`.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
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
        self.paused.store(0, Relaxed);
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

    /// The active request waits for this from now on. The time for a body goes on where it was left: else one byte
    /// after the other would begin it anew.
    pub(super) fn waits(&self, wait: Wait) {
        let before = self.wait.load(Relaxed);
        if before == wait as u8 {
            return;
        }
        self.wait.store(wait as u8, Relaxed);
        let paused = self.paused.load(Relaxed);
        if wait == Wait::Body && paused > 0 {
            let since = self.since.load(Relaxed) + self.now().saturating_sub(paused);
            self.since.store(since, Relaxed);
        } else if wait != Wait::Nothing {
            self.begin();
            self.moved.store(0, Relaxed);
        } else if before == Wait::Body as u8 {
            self.paused.store(self.now().max(1), Relaxed);
        }
    }

    /// So many bytes have come or gone.
    pub(super) fn moved(&self, bytes: usize) {
        // One task alone writes it.
        self.moved.store(self.moved.load(Relaxed) + bytes as u64, Relaxed);
    }

    /// Has the body been waited for in vain? Tells it once.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled.load(Relaxed) && self.stalled.swap(false, Relaxed)
    }

    /// The body has been waited for in vain.
    pub(super) fn stall(&self) {
        self.waits(Wait::Nothing);
        self.stalled.store(true, Relaxed);
    }

    /// The streams of HTTP/2.
    pub(super) const fn streams(&self) -> &Streams {
        &self.streams
    }

    /// When the client will be late, as it looks now; `None` while nothing is waited for.
    pub(super) fn deadline(&self, patience: Patience) -> Option<(Instant, Late)> {
        let (allowed, late) = match self.wait.load(Relaxed) {
            wait if wait == Wait::Body as u8 => (patience.body, Late::Body),
            wait if wait == Wait::Write as u8 => (patience.write, Late::Write),
            _ if self.active.load(Relaxed) > 0 => return None,
            // HTTP/2 reads frames that are no requests (PING, SETTINGS).
            _ if self.is_h2() || !(self.is_fresh() || self.reading.load(Relaxed)) => {
                (patience.keep_alive, Late::KeepAlive)
            }
            _ => (patience.head, Late::Head),
        };
        Some((self.start + Duration::from_millis(self.since.load(Relaxed)) + allowed, late))
    }

    /// The deadline has come. Has it been missed? Who has done enough meanwhile gets another one.
    pub(super) fn is_late(&self, late: Late) -> bool {
        if matches!(late, Late::Head | Late::KeepAlive) || self.moved.swap(0, Relaxed) < PROGRESS {
            return true;
        }
        self.begin();
        false
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
        let seconds = Duration::from_secs;
        let patience = Patience {
            head: seconds(10),
            keep_alive: seconds(75),
            body: seconds(60),
            write: seconds(50),
            stream: seconds(300),
        };
        let activity = Arc::new(Activity::new());
        let start = activity.start;
        let after = |seconds, late| Some((start + Duration::from_secs(seconds), late));
        assert_eq!(activity.deadline(patience), after(10, Late::Head), "nothing came");
        advance(Duration::from_secs(4)).await;
        activity.read();
        assert_eq!(activity.deadline(patience), after(14, Late::Head), "a head has begun");
        advance(Duration::from_secs(5)).await;
        activity.read();
        assert_eq!(activity.deadline(patience), after(14, Late::Head), "a dripped head does not get more time");
        let request = activity.request();
        assert_eq!(activity.deadline(patience), None, "a request is active");
        activity.waits(Wait::Body);
        assert_eq!(activity.deadline(patience), Some((start + seconds(9 + 60), Late::Body)));
        activity.waits(Wait::Write);
        assert_eq!(activity.deadline(patience), Some((start + seconds(9 + 50), Late::Write)));
        activity.moved(1000);
        assert!(activity.is_late(Late::Write), "too little");
        advance(seconds(1)).await;
        activity.moved(1024);
        assert!(!activity.is_late(Late::Write));
        assert_eq!(activity.deadline(patience), Some((start + seconds(10 + 50), Late::Write)), "again");
        activity.waits(Wait::Nothing);
        drop(request);
        assert_eq!(activity.deadline(patience), after(10 + 75, Late::KeepAlive), "kept alive");
        activity.read();
        assert_eq!(activity.deadline(patience), after(10 + 10, Late::Head), "the next head");
    }
}
