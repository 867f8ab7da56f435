//! The clock on the wall beside the one that runs since the machine was started: what is between them only changes when somebody
//! sets the clock. A sleeping machine does not change it.

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

use crate::engine::clock::{JUMPED, RESTORED};
use crate::engine::event::{Body, Draft};
use crate::engine::value::Value;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// On the wall: anybody may set it.
    pub wall: Timestamp,
    /// Since the machine was started, its sleep included: nobody can set it.
    pub boot: SignedDuration,
}

impl Now {
    /// Looks at both.
    pub fn read() -> Self {
        let at = clock_gettime(ClockId::Boottime);
        let boot = SignedDuration::new(at.tv_sec, i32::try_from(at.tv_nsec).unwrap_or_default());
        Self { wall: Timestamp::now(), boot }
    }

    fn between(self) -> SignedDuration {
        self.wall.as_duration() - self.boot
    }
}

/// What is between both clocks when all is well, and whether it is not.
#[derive(Debug)]
pub(super) struct Watch {
    /// Wall clock less boot clock, as it is trusted.
    trusted: SignedDuration,
    /// The jump was told.
    told: bool,
}

impl Watch {
    /// Trusts the clock as it is; but not one that is before what was received last: `last` is that.
    pub(super) fn new(now: Now, last: Option<Timestamp>, limit: SignedDuration) -> Self {
        let back = last.map_or(SignedDuration::ZERO, |last| last.duration_since(now.wall));
        let trusted = now.between() + if back > limit { back } else { SignedDuration::ZERO };
        Self { trusted, told: false }
    }

    /// Whether the clock is off by more than the limit: then nothing that is driven by time may happen. Slow corrections are
    /// followed.
    pub(super) fn is_off(&self, now: Now, limit: SignedDuration) -> bool {
        (now.between() - self.trusted).abs() > limit
    }

    /// Looks at the clocks; what there is to tell. `paused`: time stands still, as was told before.
    pub(super) fn look(&mut self, now: Now, limit: SignedDuration, paused: bool) -> Option<Draft> {
        let by = now.between() - self.trusted;
        if by.abs() <= limit {
            self.trusted += by;
            if !std::mem::take(&mut self.told) || !paused {
                return None;
            }
            return Some(draft(RESTORED, now.wall, by));
        }
        if self.told && !paused {
            // Somebody has said that it is right so.
            (self.trusted, self.told) = (now.between(), false);
            return None;
        }
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        Some(draft(JUMPED, now.wall, by))
    }
}

fn draft(name: &str, now: Timestamp, by: SignedDuration) -> Draft {
    let before = now.saturating_sub(by).unwrap_or(now);
    let data = Value::from([("by", by.as_secs().into()), ("from", before.into()), ("to", now.into())]);
    Draft::own(name, now, Body::Happened { data, upsert: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Now {
        Now { wall: "2026-09-21T01:00:00Z".parse().unwrap(), boot: SignedDuration::from_hours(7) }
    }

    #[test]
    fn a_jump_is_told_once_and_again_when_it_is_over() {
        let (now, limit) = (now(), SignedDuration::from_mins(5));
        let at = |hours: i64| Now { wall: now.wall + SignedDuration::from_hours(hours), ..now };
        let name = |draft: Option<Draft>| draft.map(|d| d.name);
        let mut watch = Watch::new(now, None, limit);
        assert_eq!(name(watch.look(at(0), limit, false)), None);
        assert!(watch.is_off(at(24), limit) && watch.is_off(at(-24), limit) && !watch.is_off(at(0), limit));
        assert_eq!(name(watch.look(at(24), limit, false)).as_deref(), Some(JUMPED));
        assert_eq!(name(watch.look(at(24), limit, true)), None);
        assert_eq!(name(watch.look(at(0), limit, true)).as_deref(), Some(RESTORED));
        assert_eq!(name(watch.look(at(-24), limit, false)).as_deref(), Some(JUMPED));
        // Confirmed: the new clock is the right one.
        assert_eq!(name(watch.look(at(-24), limit, false)), None);
        assert!(!watch.is_off(at(-24), limit) && watch.is_off(at(0), limit));
    }

    #[test]
    fn a_clock_that_is_before_what_was_received_is_not_trusted() {
        let (now, limit) = (now(), SignedDuration::from_mins(5));
        let later = |by: SignedDuration| Some(now.wall + by);
        assert!(Watch::new(now, later(SignedDuration::from_hours(24)), limit).is_off(now, limit));
        assert!(!Watch::new(now, later(SignedDuration::from_secs(10)), limit).is_off(now, limit));
    }
}
