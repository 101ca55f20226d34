//! [`Random`]: numbers for choices among endpoints, weights and shares. Not for secrets.
use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use crate::worker::PerWorker;

/// A source of random numbers, one state per worker. Seedable, so that tests can repeat a run.
#[derive(Clone, Debug)]
pub struct Random(Arc<PerWorker<u64>>);

impl Random {
    /// Seeded by the operating system.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self::seeded(RandomState::new().hash_one(0), workers)
    }

    /// The same numbers each time, on one worker.
    #[must_use]
    pub fn seeded(seed: u64, workers: usize) -> Self {
        Self(Arc::new(PerWorker::with(workers, |worker| seed ^ (worker as u64) << 56)))
    }

    /// The next number (SplitMix64).
    #[must_use]
    pub fn next(&self) -> u64 {
        let mut state = self.0.local();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        // Multiply and shift: even to one part in 2^32, without a division.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_and_is_even() {
        let draws = |random: &Random| (0..4000).map(|_| random.below(4)).collect::<Vec<_>>();
        let (one, two) = (draws(&Random::seeded(7, 1)), draws(&Random::seeded(7, 1)));
        assert_eq!(one, two);
        for value in 0..4 {
            let count = one.iter().filter(|&&draw| draw == value).count();
            assert!((900..1100).contains(&count), "{value}: {count}");
        }
    }
}
