//! From when on something no longer counts, for certain and at the latest, without looking at each thing.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Item;
use crate::engine::span::Span;

/// For how long something counts, in the zone by whose calendar months are counted.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    /// How long.
    pub within: &'a Span,
    /// In which zone.
    pub zone: &'a TimeZone,
}

impl Reach<'_> {
    /// From when on it no longer counts.
    pub fn end(&self, at: Timestamp) -> Timestamp {
        self.within.after(at, self.zone, None).unwrap_or(Timestamp::MAX)
    }

    /// Of two things the earlier one may end later by so much: three months from November 28th and 30th both end on February
    /// 28th, each at its time of day; days differ where the clock is turned.
    fn slack(&self) -> SignedDuration {
        SignedDuration::from_hours(match self.within {
            Span::Plain { months: 0, days: 0, .. } | Span::Working { .. } => 0,
            Span::Plain { months: 0, .. } => 3,
            Span::Plain { .. } => 27,
        })
    }

    /// Something of this time or later ends no earlier than that.
    pub(super) fn earliest(&self, from: Timestamp) -> Timestamp {
        self.end(from).saturating_sub(self.slack()).unwrap_or(Timestamp::MIN)
    }

    /// Something of this time or earlier ends no later than that.
    pub(in crate::engine::window) fn latest(&self, to: Timestamp) -> Timestamp {
        self.end(to).saturating_add(self.slack()).unwrap_or(Timestamp::MAX)
    }

    /// Something of this time or earlier ends no later than `at`; a few days before it begins to, since a month back from where
    /// a month leads may be days later: from January 28th a month and 4 days lead to March 4th, from there back to January 31st.
    pub(in crate::engine::window) fn ended(&self, at: Timestamp) -> Timestamp {
        let short = match self.within {
            Span::Plain { months: 1.., .. } => SignedDuration::from_hours(4 * 24),
            _ => self.slack(),
        };
        let at = at.saturating_sub(self.slack()).and_then(|at| at.saturating_sub(short));
        at.ok().and_then(|at| self.within.before(at, self.zone, None)).unwrap_or(Timestamp::MIN)
    }

    pub(super) fn counts(&self, item: &Item, at: Timestamp) -> bool {
        item.at <= at && at < self.end(item.at)
    }
}
