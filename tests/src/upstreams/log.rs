//! What the services of one lane saw.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::case::Seen;

/// One request that a service saw.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The request.
    pub seen: Seen,
    /// The body of the answer, once there is one.
    pub answer: Option<String>,
    /// The length of that body in bytes.
    pub length: usize,
}

impl Record {
    /// The host that was asked for.
    pub fn authority(&self) -> &str {
        let fields = self.seen.headers.iter().flatten();
        let is_authority = |name: &str| name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority");
        fields.into_iter().find(|(name, _)| is_authority(name)).map_or("", |(_, value)| value)
    }

    /// Whether it is a copy that the gateway sent beside the request.
    pub fn mirrored(&self) -> bool {
        self.authority().split(':').next().unwrap_or_default().ends_with("-shadow")
    }
}

/// The list of requests, shared by the services of a lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: Vec<Arc<Mutex<Record>>>,
    sequences: HashMap<String, usize>,
}

/// A record of the list, to be written on while the exchange goes on.
#[derive(Debug, Clone)]
pub(super) struct Entry(Arc<Mutex<Record>>);

impl Entry {
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        change(&mut lock(&self.0))
    }
}

impl Log {
    pub(super) fn note(&self, seen: Seen) -> Entry {
        let record = Arc::new(Mutex::new(Record { seen, ..Record::default() }));
        lock(&self.inner).records.push(record.clone());
        Entry(record)
    }

    pub(super) fn take(&self) -> Vec<Record> {
        let records = std::mem::take(&mut lock(&self.inner).records);
        records.iter().map(|record| lock(record).clone()).collect()
    }

    pub(super) fn reset(&self) {
        *lock(&self.inner) = Inner::default();
    }

    /// How many answers of this sequence were given before.
    pub(super) fn step(&self, sequence: &str) -> usize {
        let mut inner = lock(&self.inner);
        let next = inner.sequences.entry(sequence.to_owned()).or_default();
        *next += 1;
        *next - 1
    }
}

/// A lock that a failed lane left behind is still good: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
