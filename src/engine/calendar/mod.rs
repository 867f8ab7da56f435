//! Calendars: when people work, and time measured in that. Opening hours by weekday, days off, make-up workdays (调休).
//!
//! Pure: a calendar never asks what time it is, and never reads where it was written; `config/` builds it. Between an opening
//! and a closing, time is counted as it passes, so a night in which the clock is turned has an hour more or less.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

mod reckon;
#[cfg(test)]
pub(in crate::engine) mod tests;

/// How far ahead or back working time is looked for, in days: ten years.
const HORIZON: i32 = 3_660;

/// Hours of one day: `09:00-12:00` is `{ from: 540, to: 720 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// Opens at this minute of the day, 0 to 1439.
    pub from: u16,
    /// Closes at this minute of the day, above `from`, at most 1440 (24:00); at that minute it is closed.
    pub to: u16,
}

/// The hours of the seven days, Monday first; each in order, without overlap; none: closed.
pub type Week = [Vec<Interval>; 7];

/// When people work.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    zone: TimeZone,
    week: Week,
    /// Days that are not as their weekday says; empty: a day off.
    days: BTreeMap<Date, Vec<Interval>>,
    covered: Option<BTreeSet<i16>>,
}

impl Calendar {
    /// A calendar of opening hours by weekday and of days that have others (none: a day off). `covered`: the years whose
    /// holidays are in `days`; `None` where it follows no list of holidays. `None` when hours overlap or are out of the
    /// day, and when it never opens in any week: of such a calendar nothing can be reckoned.
    pub fn new(
        zone: TimeZone,
        mut week: Week,
        mut days: BTreeMap<Date, Vec<Interval>>,
        covered: Option<BTreeSet<i16>>,
    ) -> Option<Self> {
        for hours in week.iter_mut().chain(days.values_mut()) {
            hours.sort();
            let sound = hours.iter().all(|i| i.from < i.to && i.to <= 1_440) && hours.is_sorted_by(|a, b| a.to <= b.from);
            if !sound {
                return None;
            }
        }
        week.iter().any(|hours| !hours.is_empty()).then_some(Self { zone, week, days, covered })
    }

    /// Where its hours are told.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The hours by weekday, Monday first.
    pub fn week(&self) -> &Week {
        &self.week
    }

    /// The years whose holidays it knows; `None`: it follows no list of holidays.
    pub fn covered(&self) -> Option<&BTreeSet<i16>> {
        self.covered.as_ref()
    }

    /// Whether it knows the holidays of that year. Where it does not, days are as their weekdays say.
    pub fn known(&self, date: Date) -> bool {
        self.covered.as_ref().is_none_or(|years| years.contains(&date.year()))
    }

    /// The date there at that instant.
    pub fn date(&self, t: Timestamp) -> Date {
        self.zone.to_datetime(t).date()
    }

    /// The hours of a day, in order; empty: it is closed all day.
    pub fn hours(&self, date: Date) -> &[Interval] {
        let weekday = date.weekday().to_monday_zero_offset();
        let ordinary = || usize::try_from(weekday).ok().and_then(|i| self.week.get(i));
        self.days.get(&date).or_else(ordinary).map_or(&[], Vec::as_slice)
    }

    /// Whether anybody works on that day.
    pub fn is_workday(&self, date: Date) -> bool {
        !self.hours(date).is_empty()
    }

    /// Whether it is open at that instant: from an opening on, until just before the closing.
    pub fn is_open(&self, t: Timestamp) -> bool {
        let date = self.date(t);
        // Where clocks go back over midnight, the day after may have begun already.
        let days = [date, tomorrow(date)];
        days.iter().any(|date| self.openings(*date).any(|(open, close)| open <= t && t < close))
    }

    /// The first instant from `t` on at which it is open: `t` itself where it is. `None`: not within ten years.
    pub fn next_opening(&self, t: Timestamp) -> Option<Timestamp> {
        let mut date = self.date(t); // no earlier day is still open: it ends where this one first shows
        for _ in 0..HORIZON {
            if let Some((open, _)) = self.openings(date).find(|(_, close)| t < *close) {
                return Some(open.max(t));
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The openings and closings of a day as instants, in order; none of them empty.
    fn openings(&self, date: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let hours = self.hours(date).iter();
        hours.filter_map(move |i| Some((self.first(date, i.from)?, self.first(date, i.to)?))).filter(|(a, b)| a < b)
    }

    /// The first instant at which clocks there show that minute of that day, or a later one. Where the clock is put
    /// forward over it, that is the moment of putting forward; where it is shown twice, the first time. So hours that
    /// touch go on touching, and none begins twice.
    fn first(&self, date: Date, minute: u16) -> Option<Timestamp> {
        let midnight = date.to_datetime(Time::midnight());
        let local = midnight.checked_add(jiff::SignedDuration::from_mins(i64::from(minute))).ok()?;
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { after, .. } => {
                let before = after.to_timestamp(local).ok()?; // by the later offset: an instant just before the gap
                self.zone.following(before).next().map(|transition| transition.timestamp())
            }
            _ => ambiguous.compatible().ok(),
        }
    }
}

/// The day after; the last of all days is its own.
fn tomorrow(date: Date) -> Date {
    date.tomorrow().unwrap_or(date)
}
