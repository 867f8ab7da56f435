//! When a little of what is old is let go: between turns, for a fifth of the time at most, so that nobody waits for it noticeably.

use std::time::{Duration, Instant};

use crate::config::settings::{self, Kept};
use crate::store::Retention;
use crate::store::retention::Keep;

/// Between two looks when there was nothing to do.
const IDLE: Duration = Duration::from_secs(20);
/// The least pause between two slices of it.
const PAUSE: Duration = Duration::from_millis(20);
/// After a slice, so many times as long as it took.
const SHARE: u32 = 4;

/// When the next slice is due.
#[derive(Debug)]
pub(super) struct Pace {
    next: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now }
    }

    /// Whether a slice is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// How long until it is.
    pub(super) fn until(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// A slice took so long; whether there was more to do.
    pub(super) fn took(&mut self, now: Instant, took: Duration, more: bool) {
        self.next = now + if more { (took * SHARE).max(PAUSE) } else { IDLE };
    }
}

/// What the settings say, and the store's own word for the rest.
pub(super) fn retention(kept: &Kept) -> Retention {
    let usual = Retention::default();
    let keep = |said: settings::Keep, usual: Keep| Keep { age: said.age.unwrap_or(usual.age), bytes: said.bytes };
    Retention {
        payloads: keep(kept.payloads, usual.payloads),
        changes: keep(kept.changes, usual.changes),
        events: keep(kept.events, usual.events),
        log: keep(kept.log, usual.log),
        size: kept.size.unwrap_or(usual.size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_take_a_fifth_of_the_time_and_then_rest() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert!(pace.is_due(begun));
        pace.took(begun, Duration::from_millis(50), true);
        assert_eq!(pace.until(begun), Duration::from_millis(200));
        assert!(!pace.is_due(begun) && pace.is_due(begun + Duration::from_millis(200)));
        pace.took(begun, Duration::from_micros(10), true);
        assert_eq!(pace.until(begun), PAUSE);
        pace.took(begun, Duration::from_millis(50), false);
        assert_eq!(pace.until(begun), IDLE);
    }
}
