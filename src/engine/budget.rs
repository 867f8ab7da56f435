//! What a connection may still do: a sliding rate, and holds by the other side's word or after its refusals. Budgets are state, so
//! a restart does not earn a provider's ban.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::definition::Rate;

/// How long a connection is held when it throttles without saying for how long; doubled each time in a row.
const THROTTLE: SignedDuration = SignedDuration::from_secs(60);
/// The longest hold: long enough to spare a login, short enough that a repaired connection works again before anyone asks.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_mins(30);
/// As long as a provider may send us away for: a day, for a daily quota.
const FARTHEST_HOLD: SignedDuration = SignedDuration::from_hours(25);
/// What the other side's window may be off from ours: messages are counted there when they arrive, not when they leave.
const MARGIN: SignedDuration = SignedDuration::from_millis(500);

/// What a connection's budget has spent, and whether the connection is held.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// When attempts started, latest last; only those still in the rate's window.
    #[serde(default)]
    pub sent: Vec<Timestamp>,
    /// No attempt before then: throttled by the other side, or misconfigured.
    #[serde(default)]
    pub held_until: Option<Timestamp>,
    /// How many times in a row it was held, for a longer hold each time.
    #[serde(default)]
    pub holds: u32,
}

impl Budget {
    /// When the next attempt may start; `None`: now.
    pub fn opens(&self, rate: Option<Rate>, now: Timestamp) -> Option<Timestamp> {
        // What lies further ahead than anything we set comes of a clock that was set back.
        let held = self.held_until.filter(|until| *until > now && *until <= after(now, FARTHEST_HOLD));
        let spent = rate.map(Rate::smoothed).and_then(|rate| {
            let sent: Vec<Timestamp> = self.within(rate, now).collect();
            let first = sent.len().checked_sub(rate.count as usize)?;
            Some(after(*sent.get(first)?, rate.per + MARGIN)).filter(|t| *t > now)
        });
        held.max(spent)
    }

    /// Attempts that still count.
    fn within(&self, rate: Rate, now: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let window = rate.per + MARGIN;
        self.sent.iter().copied().filter(move |t| after(*t, window) > now && *t <= after(now, MARGIN))
    }

    /// An attempt starts.
    pub(super) fn spend(&mut self, rate: Option<Rate>, now: Timestamp) {
        let Some(rate) = rate.map(Rate::smoothed) else { return };
        self.sent = self.within(rate, now).chain([now]).collect();
    }

    /// How many more attempts the window has room for.
    pub(super) fn room(&self, rate: Option<Rate>, now: Timestamp) -> usize {
        rate.map(Rate::smoothed).map_or(usize::MAX, |rate| (rate.count as usize).saturating_sub(self.within(rate, now).count()))
    }

    /// Holds the connection: for as long as the other side said, or for longer each time in a row. Attempts that were on
    /// their way together and come back together are one time.
    pub(super) fn hold(&mut self, said: Option<SignedDuration>, now: Timestamp) -> Timestamp {
        let held = self.held_until.filter(|until| *until > now);
        let wait = match (said, held) {
            (Some(said), _) => said.min(FARTHEST_HOLD),
            (None, Some(until)) => return until,
            (None, None) => THROTTLE.saturating_mul(1i32.checked_shl(self.holds.min(10)).unwrap_or(1)).min(LONGEST_HOLD),
        };
        if held.is_none() {
            self.holds = self.holds.saturating_add(1);
        }
        let until = after(now, wait).max(held.unwrap_or(now));
        self.held_until = Some(until);
        until
    }
}

/// A time, later; the end of time where there is none.
pub(super) fn after(t: Timestamp, d: SignedDuration) -> Timestamp {
    t.saturating_add(d).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_budget_of_three_a_minute_never_lets_four_into_any_minute() {
        let rate = Some(Rate { count: 3, per: SignedDuration::from_secs(60) });
        let mut budget = Budget::default();
        let mut went = Vec::new();
        let mut now = at(0);
        while went.len() < 12 {
            match budget.opens(rate, now) {
                Some(later) => now = later,
                None => {
                    budget.spend(rate, now);
                    went.push(now);
                    now = after(now, SignedDuration::from_secs(1));
                }
            }
        }
        for four in went.windows(4) {
            assert!(four[3].duration_since(four[0]) > SignedDuration::from_secs(60), "{four:?}");
        }
        assert!(budget.sent.len() <= 4);
    }

    #[test]
    fn holds_grow_and_end() {
        let mut budget = Budget::default();
        assert_eq!(budget.hold(None, at(0)), at(60));
        assert_eq!(budget.hold(None, at(1)), at(60), "one that was on its way with the first");
        assert_eq!(budget.opens(None, at(59)), Some(at(60)));
        assert_eq!(budget.opens(None, at(60)), None);
        assert_eq!(budget.hold(None, at(60)), at(180));
        budget.holds = 40;
        assert_eq!(budget.hold(None, at(200)), at(2_000));
        // What the other side says counts as it stands, also when it is longer than our longest, and never shortens a hold.
        assert_eq!(Budget::default().hold(Some(SignedDuration::from_hours(2)), at(0)), at(7_200));
        assert_eq!(budget.hold(Some(SignedDuration::from_secs(1)), at(201)), at(2_000));
    }

    #[test]
    fn a_clock_set_back_does_not_close_a_connection_for_as_long() {
        let rate = Some(Rate { count: 1, per: SignedDuration::from_secs(60) });
        let mut budget = Budget { held_until: Some(at(500_000)), ..Budget::default() };
        budget.spend(rate, at(200_000));
        assert_eq!(budget.opens(rate, at(0)), None);
    }

    #[test]
    fn a_large_budget_is_kept_small() {
        let rate = Some(Rate { count: 20_000, per: SignedDuration::from_hours(1) });
        let mut budget = Budget::default();
        let mut now = at(0);
        let mut sent = 0;
        while now < at(3_600) {
            match budget.opens(rate, now) {
                Some(later) => now = later,
                None => {
                    budget.spend(rate, now);
                    sent += 1;
                }
            }
        }
        assert!((15_000..=20_000).contains(&sent), "{sent}");
        assert!(budget.sent.len() <= 101);
    }
}
