//! What keeps a woken rule from firing, as the YAML says it: dates, `once`, `cooldown`, `limit`, `debounce`, `group`, quiet hours.
//!
//! Only what was said and the arithmetic of time; whether a gate is open is decided in [`super::rule`] and [`super::outbox`].

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{RoundMode, SignedDuration, Timestamp, ToSpan, Unit as Round, Zoned, ZonedRound};
use serde::{Deserialize, Serialize};

use super::event::RecordRef;
use super::expression::Expr;
use super::state::{Key, TimerId};
use super::value::{Map, Value};

/// The gates of a rule; of a flow only those that stand before `if`, quiet hours, imports and former names.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    /// Not before.
    pub from: Option<Timestamp>,
    /// From then on no more.
    pub until: Option<Timestamp>,
    /// Once per record.
    pub once: Option<Once>,
    /// Not again for so long.
    pub cooldown: Option<Cooldown>,
    /// At most so often in so long.
    pub limit: Option<Limit>,
    /// Only after nothing more came for so long.
    pub debounce: Option<Debounce>,
    /// Several firings become one.
    pub group: Option<Group>,
    /// When what leaves is held.
    pub quiet: Option<Quiet>,
    /// What leaves on an import.
    pub imports: Imports,
    /// Former ids: what was remembered under them still counts.
    pub was: Vec<String>,
    /// To silence by.
    pub tags: Vec<String>,
}

/// `once: true`, `once: { rearm: level != 'A' }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Once {
    /// As soon as an event about the record finds that this holds, the rule may fire for it again. It is looked at before the
    /// rule's own `if`.
    pub rearm: Option<Expr>,
}

/// `cooldown: 30d`, `cooldown: { for: 30d, by: event.customer }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cooldown {
    /// For how long.
    pub wait: SignedDuration,
    /// For whom; the record unless said.
    pub by: Option<Expr>,
}

/// `limit: 3 per day`, `limit: 3/24h`, `limit: { count: 3, per: 24h, by: event.customer }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// How often; at most [`MOST_TIMES`].
    pub count: u32,
    /// In how long.
    pub per: Per,
    /// For whom; the record unless said.
    pub by: Option<Expr>,
}

/// The most that a limit may count to: each of those times is remembered.
pub const MOST_TIMES: u32 = 1_000;

/// In how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Any stretch of this length: it slides.
    Span(SignedDuration),
    /// A whole one of these, in the zone of the definitions: a day begins at midnight, a week on Monday.
    Unit(Unit),
}

/// Stretches that begin at a fixed time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

impl Unit {
    /// All, with the word of each.
    pub const ALL: [(&'static str, Self); 6] = [
        ("second", Self::Second),
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
    ];

    /// When the one around a time began, and when the next begins.
    fn around(self, at: &Zoned) -> Option<(Timestamp, Timestamp)> {
        let whole = |unit| at.round(ZonedRound::new().smallest(unit).mode(RoundMode::Trunc)).ok();
        let day = || at.start_of_day().ok();
        let (begin, length) = match self {
            Self::Second => (whole(Round::Second)?, 1.second()),
            Self::Minute => (whole(Round::Minute)?, 1.minute()),
            Self::Hour => (whole(Round::Hour)?, 1.hour()),
            Self::Day => (day()?, 1.day()),
            Self::Week => {
                let gone = i64::from(at.weekday().to_monday_zero_offset());
                (day()?.checked_sub(gone.days()).ok()?.start_of_day().ok()?, 1.week())
            }
            Self::Month => (at.first_of_month().ok()?.start_of_day().ok()?, 1.month()),
        };
        let mut end = begin.checked_add(length).ok()?;
        if matches!(self, Self::Day | Self::Week | Self::Month) {
            end = end.start_of_day().ok()?;
        }
        Some((begin.timestamp(), end.timestamp()))
    }
}

impl Limit {
    /// Of the times remembered those that still count at `at`; and, where that is as many as may be, until when none may follow.
    pub(super) fn spent(&self, times: &[Timestamp], at: Timestamp, zone: &TimeZone) -> (Vec<Timestamp>, Option<Timestamp>) {
        let (counting, end): (Vec<Timestamp>, _) = match self.per {
            Per::Span(span) => {
                let left = times.iter().copied().filter(|t| later(*t, span) > at).collect();
                (left, None)
            }
            Per::Unit(unit) => match unit.around(&at.to_zoned(zone.clone())) {
                Some((begin, end)) => (times.iter().copied().filter(|t| *t >= begin).collect(), Some(end)),
                None => (times.to_vec(), None),
            },
        };
        let full = counting.len().checked_sub(self.count as usize);
        let until = full.map(|n| match self.per {
            Per::Span(span) => later(counting.get(n).copied().unwrap_or(at), span),
            Per::Unit(_) => end.unwrap_or(at),
        });
        (counting, until)
    }
}

/// `debounce: 5m`, `debounce: { wait: 5m, max: 1h, by: event.page, collect: true }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Debounce {
    /// So long after the last event.
    pub wait: SignedDuration,
    /// But at most so long after the first.
    pub max: Option<SignedDuration>,
    /// By what events belong together; the record unless said.
    pub by: Option<Expr>,
    /// Whether `event.collected` lists what came.
    pub collect: bool,
}

/// `group: 10m`, `group: { within: 10m, max: 20, by: owner }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// So long after the first.
    pub within: SignedDuration,
    /// Or as soon as there are so many.
    pub max: u32,
    /// What belongs together; all firings of the rule unless said.
    pub by: Option<Expr>,
}

/// What is done with messages at certain hours.
#[derive(Debug, Clone, PartialEq)]
pub enum Quiet {
    /// `quiet: false`: those of config.yaml do not count here.
    Never,
    /// Held until the hours end.
    Hours(Hours),
}

/// `quiet: { from: 22:00, to: 08:00 }`: from the one inclusive to the other exclusive; over midnight where they stand so.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    /// They begin.
    pub from: Time,
    /// They end.
    pub to: Time,
    /// Where; the zone of the definitions unless said.
    pub zone: Option<TimeZone>,
}

impl Hours {
    /// When the quiet hours around a time end; `None`: it is not quiet.
    pub fn end(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let here = now.to_zoned(self.zone.as_ref().unwrap_or(zone).clone());
        let time = here.time();
        let tomorrow = match self.from < self.to {
            true if self.from <= time && time < self.to => false,
            true => return None,
            false if time >= self.from => true,
            false if time < self.to => false,
            false => return None,
        };
        let day = if tomorrow { here.date().tomorrow().ok()? } else { here.date() };
        let end = day.to_datetime(self.to).to_zoned(here.time_zone().clone()).ok()?.timestamp();
        // In the hour that a clock set back repeats they may have ended already.
        (end > now).then_some(end)
    }
}

/// What leaves when an import woke the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Imports {
    /// Nothing; what is done inside is done.
    #[default]
    Silent,
    /// All, as ever.
    React,
}

/// The gates that remember something for whomever they are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Since when: a mark.
    Once,
    /// When it fired.
    Limit,
    /// What waits.
    Debounce,
    /// What waits.
    Group,
}

impl Kind {
    /// The first part of its keys, with the slash.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Once => "once/",
            Self::Limit => "limit/",
            Self::Debounce => "debounce/",
            Self::Group => "group/",
        }
    }

    /// By that first part, without the slash.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Once, Self::Limit, Self::Debounce, Self::Group].into_iter().find(|k| k.prefix().trim_end_matches('/') == word)
    }

    /// Where a rule's is kept.
    pub fn key(self, rule: &str, subject: String) -> Key {
        Key::Gate { gate: self, rule: rule.to_owned(), subject }
    }
}

/// Events that wait to become one firing: of `debounce` and `group`.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// What ends the wait.
    pub timer: TimerId,
    /// When the first came.
    pub first: Timestamp,
    /// When the latest came.
    pub last: Timestamp,
    /// How many came.
    pub count: u64,
    /// The record of the last one.
    #[serde(default)]
    pub record: Option<RecordRef>,
    /// Its data.
    #[serde(default)]
    pub data: Value,
    /// What it changed.
    #[serde(default)]
    pub old: Option<Map>,
    /// The import it came with.
    #[serde(default)]
    pub batch: Option<String>,
    /// What is told of each, as far as there is room.
    #[serde(default)]
    pub items: Vec<Value>,
    /// Bytes of those.
    #[serde(default)]
    pub bytes: usize,
}

/// What is told of each at most: so many, and so many bytes.
pub(super) const MOST_ITEMS: usize = 100;
const MOST_BYTES: usize = 64 << 10;

impl Waiting {
    /// Tells of one more, if there is room.
    pub(super) fn list(&mut self, item: Value) {
        let bytes = serde_json::to_string(&item).map_or(MOST_BYTES, |t| t.len());
        if self.items.len() < MOST_ITEMS && self.bytes + bytes <= MOST_BYTES {
            self.bytes += bytes;
            self.items.push(item);
        }
    }
}

/// A time, later; the end of time where there is none.
pub(super) fn later(t: Timestamp, d: SignedDuration) -> Timestamp {
    t.saturating_add(d).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn quiet(from: &str, to: &str, zone: &str, now: &str) -> Option<Timestamp> {
        let hours = Hours { from: from.parse().unwrap(), to: to.parse().unwrap(), zone: None };
        hours.end(at(now), &TimeZone::get(zone).unwrap())
    }

    #[test]
    fn quiet_hours_end_where_they_say_also_over_midnight_and_through_dst() {
        let shanghai = "Asia/Shanghai";
        let end = Some(at("2026-09-22T08:00:00+08:00"));
        assert_eq!(quiet("22:00", "08:00", shanghai, "2026-09-21T21:59:59+08:00"), None);
        assert_eq!(quiet("22:00", "08:00", shanghai, "2026-09-21T22:00:00+08:00"), end);
        assert_eq!(quiet("22:00", "08:00", shanghai, "2026-09-22T07:59:59+08:00"), end);
        assert_eq!(quiet("22:00", "08:00", shanghai, "2026-09-22T08:00:00+08:00"), None);
        assert_eq!(quiet("12:00", "14:00", shanghai, "2026-09-21T13:00:00+08:00"), Some(at("2026-09-21T14:00:00+08:00")));
        assert_eq!(quiet("12:00", "14:00", shanghai, "2026-09-21T14:00:00+08:00"), None);
        // New York, 2026-03-08: 02:30 does not exist, and the hours end at the instant that stands for it.
        let gap = quiet("22:00", "02:30", "America/New_York", "2026-03-08T01:00:00-05:00");
        assert_eq!(gap, Some(at("2026-03-08T03:30:00-04:00")));
        // 2026-11-01: 01:30 comes twice; the second time they have ended.
        assert_eq!(quiet("22:00", "01:30", "America/New_York", "2026-11-01T01:10:00-05:00"), None);
    }

    #[test]
    fn a_limit_counts_what_its_window_holds() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let times = [at("2026-09-20T23:00:00+08:00"), at("2026-09-21T01:00:00+08:00")];
        let check = |per, now: &str, left: usize, until: Option<&str>| {
            let limit = Limit { count: 2, per, by: None };
            let (counting, stop) = limit.spent(&times, at(now), &zone);
            assert_eq!((counting.len(), stop), (left, until.map(at)), "{per:?} {now}");
        };
        let day = SignedDuration::from_hours(24);
        check(Per::Span(day), "2026-09-21T22:59:59+08:00", 2, Some("2026-09-21T23:00:00+08:00"));
        check(Per::Span(day), "2026-09-21T23:00:00+08:00", 1, None);
        check(Per::Unit(Unit::Day), "2026-09-21T02:00:00+08:00", 1, None);
        check(Per::Unit(Unit::Month), "2026-09-21T02:00:00+08:00", 2, Some("2026-10-01T00:00:00+08:00"));
        // The 20th is a Sunday: it belongs to the week before.
        check(Per::Unit(Unit::Week), "2026-09-21T02:00:00+08:00", 1, None);
        check(Per::Unit(Unit::Hour), "2026-09-21T01:59:00+08:00", 1, None);
        check(Per::Unit(Unit::Hour), "2026-09-21T02:00:00+08:00", 0, None);
    }

    #[test]
    fn what_is_listed_has_a_bound_and_what_is_counted_has_none() {
        let now = at("2026-09-21T01:00:00Z");
        let timer = TimerId { due: 0, seq: 1, n: 1 };
        let mut waiting = Waiting {
            timer,
            first: now,
            last: now,
            count: 0,
            record: None,
            data: Value::Null,
            old: None,
            batch: None,
            items: Vec::new(),
            bytes: 0,
        };
        for _ in 0..300 {
            waiting.list("页".into());
        }
        assert_eq!(waiting.items.len(), MOST_ITEMS);
        waiting.items.clear();
        waiting.list("大".repeat(40_000).into());
        assert!(waiting.items.is_empty());
        let stored = serde_json::to_string(&waiting).unwrap();
        assert_eq!(serde_json::from_str::<Waiting>(&stored).unwrap(), waiting);
    }
}
