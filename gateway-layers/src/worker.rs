//! Worker threads, and state that each of them has its own of.
//!
//! A worker is a thread with a current-thread tokio runtime. Nothing is tied to a thread: services stay `Send`, and
//! code that runs on no worker (a test, an axum app on tokio's own pool) finds a shard too. The thread-local here
//! is a coordinate, never a state, and no layer sees it.
use std::{
    cell::Cell,
    fmt, io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

thread_local! {
    static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The number of this thread. A thread that is no worker is given the next free one.
fn current() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    WORKER.with(|worker| match worker.get() {
        Some(id) => id,
        None => {
            let id = NEXT.fetch_add(1, Ordering::Relaxed);
            worker.set(Some(id));
            id
        }
    })
}

/// One `T` per worker. The lock is never contended on workers; it is what keeps this `Sync` without unsafe code.
pub struct PerWorker<T>(Box<[Shard<T>]>);

/// On its own cache line, so that workers do not disturb each other.
#[repr(align(128))]
struct Shard<T>(Mutex<T>);

impl<T: Default> PerWorker<T> {
    /// Shards for `workers` threads; threads beyond that share them.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self::with(workers, |_| T::default())
    }
}

impl<T> PerWorker<T> {
    /// Shards made by `make`, which is given their number.
    pub fn with(workers: usize, make: impl Fn(usize) -> T) -> Self {
        Self((0..workers.max(1)).map(|worker| Shard(Mutex::new(make(worker)))).collect())
    }

    /// All values, one after the other.
    pub fn for_each(&self, mut see: impl FnMut(&mut T)) {
        for shard in &self.0 {
            see(&mut shard.0.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// This worker's value. Must not be held across an await.
    pub fn local(&self) -> MutexGuard<'_, T> {
        let shard = &self.0[current() % self.0.len()];
        shard.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for PerWorker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PerWorker({})", self.0.len())
    }
}

/// Runs `main` once on each of `count` new worker threads; returns when all have ended.
///
/// # Errors
/// If a thread or a runtime cannot be made.
pub fn run<F, Fut>(count: usize, main: F) -> io::Result<()>
where
    F: Fn(usize) -> Fut + Sync,
    Fut: Future<Output = io::Result<()>>,
{
    thread::scope(|scope| {
        let workers: io::Result<Vec<_>> = (0..count)
            .map(|id| {
                let main = &main;
                thread::Builder::new().name(format!("worker-{id}")).spawn_scoped(scope, move || {
                    WORKER.set(Some(id));
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                    runtime.block_on(main(id))
                })
            })
            .collect();
        workers?.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_sees_its_own() {
        let state = PerWorker::<Vec<usize>>::new(2);
        run(2, async |id| {
            state.local().push(id);
            tokio::task::yield_now().await;
            assert_eq!(*state.local(), [id]);
            Ok(())
        })
        .expect("threads start");
    }
}
