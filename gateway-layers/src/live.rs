//! [`Live`]: the current value of something that is replaced as a whole.
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

/// One `ArcSwap` and a change notice. Shared by reference or in an `Arc`.
#[derive(Debug)]
pub struct Live<T> {
    value: ArcSwap<T>,
    generation: watch::Sender<u64>,
}

impl<T> Live<T> {
    /// Starts at generation 0.
    pub fn new(value: T) -> Self {
        Self { value: ArcSwap::from_pointee(value), generation: watch::Sender::new(0) }
    }

    /// A short look: no reference count.
    pub fn look<R>(&self, see: impl FnOnce(&T) -> R) -> R {
        see(&self.value.load())
    }

    /// The value to keep.
    pub fn load_full(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// Replaces the value; returns the previous one so that the caller chooses where it is freed.
    pub fn store(&self, value: T) -> Arc<T> {
        let previous = self.value.swap(Arc::new(value));
        self.generation.send_modify(|generation| *generation += 1);
        previous
    }

    /// How often the value was replaced.
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Waits until the value is a later one than that of `generation`; returns its number.
    pub async fn changed(&self, generation: u64) -> u64 {
        let mut changes = self.generation.subscribe();
        match changes.wait_for(|&now| now > generation).await {
            Ok(now) => *now,
            // The sender is a field of ours: it cannot be gone.
            Err(_) => generation,
        }
    }
}
