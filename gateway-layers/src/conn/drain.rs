//! Graceful end: one [`Drain`] tells all [`Watch`]es, and knows when the last connection is gone.
use std::sync::Arc;

use tokio::sync::watch;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not at all.
    Running,
    /// Connections are still accepted and answered, but told not to come again: `connection: close`, GOAWAY.
    Draining,
    /// Listeners take what waits in their queue and close; idle connections are closed.
    Closing,
}

/// The side that orders the end.
#[derive(Clone, Debug)]
pub struct Drain(Arc<Shared>);

/// The side that comes to an end. A clone that is a connection's own ([`Watch::connection`]) means: not finished yet.
#[derive(Clone, Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    /// Counted while it, or a clone, lives.
    _alive: Option<Arc<watch::Receiver<()>>>,
}

#[derive(Debug)]
struct Shared {
    phase: watch::Sender<Phase>,
    alive: watch::Sender<()>,
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// Nothing has ended yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared { phase: watch::Sender::new(Phase::Running), alive: watch::Sender::new(()) }))
    }

    /// For a listener.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch { shared: self.0.clone(), _alive: None }
    }

    /// Goes on to `phase`; never back.
    pub fn order(&self, phase: Phase) {
        self.0.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }

    /// Waits until no connection is left.
    pub async fn ended(&self) {
        self.0.alive.closed().await;
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.alive.receiver_count()
    }
}

impl Watch {
    /// For a connection: counted until it, and each of its clones, is dropped.
    #[must_use]
    pub fn connection(&self) -> Self {
        Self { shared: self.shared.clone(), _alive: Some(Arc::new(self.shared.alive.subscribe())) }
    }

    /// How far the end has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// Has the end been ordered?
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.phase() > Phase::Running
    }

    /// Waits for `phase`, or a later one.
    pub async fn reached(&self, phase: Phase) {
        let mut now = self.shared.phase.subscribe();
        // The sender lives in what we hold: waiting cannot fail.
        let _ = now.wait_for(|now| *now >= phase).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_connections_not_for_listeners() {
        let drain = Drain::new();
        let listener = drain.watch();
        let connection = listener.connection();
        drain.order(Phase::Draining);
        assert!(connection.is_draining());
        listener.reached(Phase::Draining).await;
        let tunnel = connection.clone();
        assert_eq!(drain.connections(), 1, "a clone is the same connection");
        drop(connection);
        assert_eq!(drain.connections(), 1, "which lives on in it");
        drop(tunnel);
        drain.ended().await;
        drain.order(Phase::Running);
        assert_eq!(listener.phase(), Phase::Draining, "never back");
    }
}
