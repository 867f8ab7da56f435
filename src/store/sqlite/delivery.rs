//! Which deliveries have been seen, in memory: an index of random ids on disk would halve the rate of commits.
//!
//! Holds hashes only, so a find is a guess that must be compared with the event itself. Forgets by the time inside the events.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// The horizon is kept in this many parts; a whole part is dropped at once, which costs next to nothing. What is remembered is
/// at least the horizon and at most a part more.
const PARTS: i64 = 8;

/// The deliveries of the horizon: about 25 bytes each.
#[derive(Debug)]
pub(super) struct Deliveries {
    /// In microseconds.
    horizon: i64,
    /// Seeded anew in every process: nobody outside can make hashes collide.
    keys: RandomState,
    parts: VecDeque<Part>,
}

#[derive(Debug)]
struct Part {
    first: i64,
    newest: i64,
    seqs: HashMap<u64, u64>,
}

impl Deliveries {
    /// None seen yet; the horizon in microseconds.
    pub(super) fn new(horizon: i64) -> Self {
        Self { horizon: horizon.max(0), keys: RandomState::new(), parts: VecDeque::new() }
    }

    /// For how long they are remembered, in microseconds.
    pub(super) fn horizon(&self) -> i64 {
        self.horizon
    }

    /// The hash under which a delivery is known in this process.
    pub(super) fn hash(&self, source: &str, delivery: &str) -> u64 {
        self.keys.hash_one((source, delivery))
    }

    /// Whether something received at one time is beyond the horizon at another.
    pub(super) fn is_old(&self, received: i64, now: i64) -> bool {
        received < now.saturating_sub(self.horizon)
    }

    /// Remembers a delivery that came as the event `seq`. To be told in the order of `seq`.
    pub(super) fn remember(&mut self, received: i64, hash: u64, seq: u64) {
        match self.parts.back_mut() {
            Some(part) if received.saturating_sub(part.first) <= self.horizon / PARTS => {
                part.newest = part.newest.max(received);
                part.seqs.insert(hash, seq);
            }
            _ => self.parts.push_back(Part { first: received, newest: received, seqs: HashMap::from([(hash, seq)]) }),
        }
    }

    /// Drops what is beyond the horizon at this time.
    pub(super) fn forget(&mut self, now: i64) {
        while self.parts.front().is_some_and(|part| self.is_old(part.newest, now)) {
            self.parts.pop_front();
        }
    }

    /// The event that probably is this delivery.
    pub(super) fn find(&self, hash: u64) -> Option<u64> {
        self.parts.iter().rev().find_map(|part| part.seqs.get(&hash)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_horizon_and_little_more() {
        let mut known = Deliveries::new(80);
        for t in 0..1_000_u64 {
            let received = i64::try_from(t).unwrap();
            known.remember(received, t, t);
            known.forget(received);
            for (hash, seen) in [(t, true), (t.saturating_sub(80), true), (t.wrapping_sub(100), false)] {
                assert_eq!(known.find(hash).is_some(), seen, "{hash} at {t}");
            }
            assert!(known.parts.len() <= 10);
        }
    }

    #[test]
    fn the_latest_counts_and_a_clock_set_back_forgets_nothing() {
        let mut known = Deliveries::new(80);
        known.remember(1_000, 1, 1);
        known.remember(5, 2, 2);
        known.forget(5);
        known.remember(1_001, 1, 3);
        known.forget(1_001);
        assert_eq!((known.find(1), known.find(2)), (Some(3), Some(2)));
    }
}
