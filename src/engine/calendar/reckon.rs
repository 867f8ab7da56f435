//! Reckoning in working time: a deadline in so many working hours, the working time between two instants, working days.
//!
//! All of it goes day by day and stops as soon as it knows, at the latest after ten years; whole weeks without an exception
//! are taken in one step.

use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp};

use super::{Calendar, HORIZON, tomorrow};

/// Further apart than this nothing is counted: 100 years, in seconds.
const APART: i64 = 100 * 366 * 86_400;

impl Calendar {
    /// The first instant at which so much working time has passed since `t`: `t` itself for none. What ends with a day ends at
    /// its closing (09:00 and 8 hours: 18:00), not at the next opening. `None`: not within ten years.
    pub fn add(&self, t: Timestamp, work: SignedDuration) -> Option<Timestamp> {
        if work.is_negative() {
            return self.subtract(t, work.checked_neg()?);
        }
        let mut left = work;
        let mut date = self.date(t);
        let end = date.checked_add(Span::new().try_days(HORIZON).ok()?).unwrap_or(Date::MAX);
        if left.is_zero() {
            return Some(t);
        }
        while date < end {
            if date > self.date(t)
                && let Some(week) = self.plain_week(date)
                && week < left
            {
                left -= week;
                date = date.checked_add(Span::new().days(7)).ok()?;
                continue;
            }
            for (open, close) in self.openings(date) {
                let from = open.max(t);
                if from >= close {
                    continue;
                }
                let length = close.duration_since(from);
                if left <= length {
                    return from.checked_add(left).ok();
                }
                left -= length;
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The last instant from which so much working time passes until `t`: `t` itself for none. `None`: not within ten years.
    pub fn subtract(&self, t: Timestamp, work: SignedDuration) -> Option<Timestamp> {
        if work.is_negative() {
            return self.add(t, work.checked_neg()?);
        }
        let mut left = work;
        let mut date = tomorrow(self.date(t));
        let end = date.checked_sub(Span::new().try_days(HORIZON).ok()?).unwrap_or(Date::MIN);
        if left.is_zero() {
            return Some(t);
        }
        while date > end {
            if date < self.date(t)
                && let Ok(monday) = date.checked_sub(Span::new().days(6))
                && let Some(week) = self.plain_week(monday)
                && week < left
            {
                left -= week;
                date = date.checked_sub(Span::new().days(7)).ok()?;
                continue;
            }
            let mut openings: Vec<_> = self.openings(date).collect();
            openings.reverse();
            for (open, close) in openings {
                let to = close.min(t);
                if open >= to {
                    continue;
                }
                let length = to.duration_since(open);
                if left <= length {
                    return to.checked_sub(left).ok();
                }
                left -= length;
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    /// The working time from `a` to `b`, negative when `b` is the earlier. `None`: they are over 100 years apart.
    pub fn between(&self, a: Timestamp, b: Timestamp) -> Option<SignedDuration> {
        if b < a {
            return self.between(b, a)?.checked_neg();
        }
        if b.duration_since(a).as_secs() > APART {
            return None;
        }
        let mut sum = SignedDuration::ZERO;
        let (first, last) = (self.date(a), self.date(b));
        let (mut date, end) = (first, tomorrow(last));
        loop {
            let week = date.checked_add(Span::new().days(7)).ok();
            if date > first
                && let Some(next) = week.filter(|next| *next < last)
                && let Some(work) = self.plain_week(date)
            {
                sum += work;
                date = next;
                continue;
            }
            for (open, close) in self.openings(date) {
                let (from, to) = (open.max(a), close.min(b));
                if from < to {
                    sum += to.duration_since(from);
                }
            }
            if date >= end {
                return Some(sum);
            }
            date = tomorrow(date);
        }
    }

    /// The same time of day so many working days later, or earlier for a negative count; of a day that is none, the first
    /// working day after it is the first (as WORKDAY counts in spreadsheets). A closing counts as within the hours: 18:00 stays 18:00.
    ///
    /// Where that time is not open, later goes on to the next opening. Earlier stays on that day, since it promises that so many
    /// days are left: it is then the day's next opening, or its last closing. `None`: not within ten years.
    pub fn add_days(&self, t: Timestamp, days: i32) -> Option<Timestamp> {
        let local = self.zone.to_datetime(t);
        let mut date = local.date();
        let (mut left, mut steps) = (days.unsigned_abs(), 0);
        while left > 0 {
            date = if days < 0 { date.yesterday().ok()? } else { date.tomorrow().ok()? };
            if self.is_workday(date) {
                left -= 1;
            }
            steps += 1;
            if steps > HORIZON {
                return None;
            }
        }
        let same = self.zone.to_ambiguous_timestamp(date.to_datetime(local.time())).compatible().ok()?;
        if self.openings(date).any(|(open, close)| open <= same && same <= close) {
            return Some(same);
        }
        if days < 0 {
            let mut openings = self.openings(date);
            return openings.find(|(open, _)| same < *open).map(|(open, _)| open).or_else(|| Some(self.openings(date).last()?.1));
        }
        self.next_opening(same)
    }

    /// The working time of the seven days from that one on, where nothing in them is out of the ordinary: no day of its own, no
    /// change of the clock.
    fn plain_week(&self, from: Date) -> Option<SignedDuration> {
        let to = from.checked_add(Span::new().days(7)).ok()?;
        if self.days.range(from..to).next().is_some() {
            return None;
        }
        let (begin, end) = (self.first(from, 0)?, self.first(to, 0)?);
        if self.zone.following(begin).next().is_some_and(|t| t.timestamp() <= end) {
            return None;
        }
        let minutes = self.week.iter().flatten().map(|i| i64::from(i.to - i.from)).sum();
        Some(SignedDuration::from_mins(minutes))
    }
}
