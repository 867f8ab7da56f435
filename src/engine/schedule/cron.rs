//! Cron expressions: five fields or `@daily`, POSIX weekdays, wall-clock time of a zone. The `cron` crate finds the next match; what
//! it means differently (weekdays, day *or* weekday, changes of the clock) is settled here, before and after it.

use std::fmt;
use std::str::FromStr as _;

use chrono::{NaiveDate, TimeZone as _};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Clocks are put forward or back by at most so much.
const SHIFT: SignedDuration = SignedDuration::from_hours(3);
/// Matches that are looked at for one tick: those of the hours around a change of the clock, once a minute, and some.
const TRIES: usize = 1_000;

/// A compiled cron expression.
#[derive(Clone)]
pub struct Cron {
    source: String,
    /// Any of them: where both a day and a weekday are given, either will do.
    any: Vec<cron::Schedule>,
}

/// What is wrong with a cron expression; closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CronFault {
    /// So many fields instead of five.
    Fields(usize),
    /// A field that cannot be read: which one, from 0, and the part of it.
    Part(usize, String),
    /// There is no such day in any year.
    Impossible,
    /// `@` and a word that means nothing.
    Alias(String),
}

/// A tick, and what a change of the clock does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When.
    pub at: Timestamp,
    /// What the clock on the wall should say.
    pub wall: DateTime,
    /// Whether the clock is put forward over it or back through it.
    pub moved: Option<Moved>,
}

/// What a change of the clock does to a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// There is no such time on that day: it comes right after the gap, as much later as the clock is put forward.
    Gap,
    /// There are two such times: it comes at the first.
    Overlap,
}

/// One field: its name, its range, the names of its values.
struct Field {
    from: u32,
    to: u32,
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const FIELDS: [Field; 5] = [
    Field { from: 0, to: 59, names: &[] },
    Field { from: 0, to: 23, names: &[] },
    Field { from: 1, to: 31, names: &[] },
    Field { from: 1, to: 12, names: MONTHS },
    Field { from: 0, to: 7, names: DAYS },
];
const ALIASES: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

impl Cron {
    /// Reads `0 9 * * 1`, `*/15 8-18 * * mon-fri`, `@daily`.
    pub fn parse(source: &str) -> Result<Self, CronFault> {
        let text = source.trim();
        let five = match ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(text)) {
            Some((_, five)) => five,
            None if text.starts_with('@') => return Err(CronFault::Alias(text.to_owned())),
            None => text,
        };
        let parts: Vec<&str> = five.split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            return Err(CronFault::Fields(parts.len()));
        }
        let mut sets = Vec::with_capacity(FIELDS.len());
        for (n, part) in parts.iter().enumerate() {
            sets.push(values(n, part)?);
        }
        let [minutes, hours, days, months, weekdays] = &sets[..] else { return Err(CronFault::Fields(sets.len())) };
        let mut weekdays: Vec<u32> = weekdays.iter().map(|d| d % 7).collect();
        weekdays.sort_unstable();
        weekdays.dedup();
        let numbers = |set: &[u32]| set.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let names = weekdays.iter().map(|d| DAYS[*d as usize]).collect::<Vec<_>>().join(",");
        let make = |days: &str, weekdays: &str| {
            let six = format!("0 {} {} {days} {} {weekdays}", numbers(minutes), numbers(hours), numbers(months));
            cron::Schedule::from_str(&six).map_err(|_| CronFault::Part(0, six))
        };
        // POSIX: where both are restricted, either will do. What begins with `*` restricts nothing.
        let any = match (parts[2].starts_with('*'), parts[4].starts_with('*')) {
            (false, false) => vec![make(&numbers(days), "*")?, make("*", &names)?],
            _ => vec![make(&numbers(days), &names)?],
        };
        let found = Self { source: text.to_owned(), any };
        // Any span of 8 years has a leap day, but for the one around 2100.
        let begin = NaiveDate::from_ymd_opt(2024, 1, 1).and_then(|d| d.and_hms_opt(0, 0, 0));
        if begin.and_then(|begin| found.naive(begin).next()).is_none() {
            return Err(CronFault::Impossible);
        }
        Ok(found)
    }

    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Matches on the clock on the wall after that time, in order.
    fn naive(&self, after: chrono::NaiveDateTime) -> impl Iterator<Item = chrono::NaiveDateTime> + '_ {
        let after = chrono::Utc.from_utc_datetime(&after);
        let mut each: Vec<_> = self.any.iter().map(|s| s.after(&after).peekable()).collect();
        std::iter::from_fn(move || {
            let first = each.iter_mut().filter_map(|i| i.peek().copied()).min()?;
            for i in &mut each {
                i.next_if_eq(&first);
            }
            Some(first.naive_utc())
        })
    }

    /// The first tick after this instant; `None`: there is none any more.
    pub fn after(&self, instant: Timestamp, zone: &TimeZone) -> Option<Tick> {
        // From before any change of the clock nearby: what is skipped or repeated on the wall is settled by the instants.
        let from = instant.to_zoned(zone.clone()).datetime().checked_sub(SHIFT).ok()?;
        let mut best: Option<Tick> = None;
        for wall in self.naive(chrono_of(from)?).take(TRIES) {
            let wall = jiff_of(wall)?;
            if best.is_some_and(|b| wall > b.wall.saturating_add(SHIFT)) {
                break;
            }
            let ambiguous = zone.to_ambiguous_zoned(wall);
            let moved = match ambiguous.offset() {
                AmbiguousOffset::Unambiguous { .. } => None,
                AmbiguousOffset::Gap { .. } => Some(Moved::Gap),
                AmbiguousOffset::Fold { .. } => Some(Moved::Overlap),
            };
            let at = ambiguous.compatible().ok()?.timestamp();
            // Of two that come together (one moved over a gap onto another), the one whose own time it is.
            if at > instant && best.is_none_or(|b| (at, moved.is_some()) < (b.at, b.moved.is_some())) {
                best = Some(Tick { at, wall, moved });
            }
        }
        best
    }
}

/// The values that a field allows.
fn values(n: usize, field: &str) -> Result<Vec<u32>, CronFault> {
    let Field { from, to, names } = &FIELDS[n];
    let mut all = Vec::new();
    for part in field.split(',') {
        let wrong = || CronFault::Part(n, part.to_owned());
        let one = |text: &str| {
            let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
            let number = match named {
                // Months are counted from 1, weekdays from 0.
                Some(place) => u32::try_from(place).ok().map(|place| place + if n == 3 { 1 } else { 0 }),
                None => digits(text),
            };
            number.filter(|v| (*from..=*to).contains(v)).ok_or_else(wrong)
        };
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, digits(step).filter(|s| *s > 0 && *s <= *to).ok_or_else(wrong)?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (*from, if n == 4 { 6 } else { *to }),
            Some((first, last)) => (one(first)?, one(last)?),
            // `5/15`: from 5 on.
            None if part.contains('/') => (one(range)?, *to),
            None => (one(range)?, one(range)?),
        };
        // `fri-sun`: Sunday is also 7.
        let last = if n == 4 && last == 0 && first > 0 { 7 } else { last };
        if first > last {
            return Err(wrong());
        }
        all.extend((first..=last).step_by(step as usize));
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// A number without a sign: Rust reads `+5`, too.
fn digits(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn chrono_of(at: DateTime) -> Option<chrono::NaiveDateTime> {
    let part = |n: i8| u32::try_from(n).ok();
    NaiveDate::from_ymd_opt(at.year().into(), part(at.month())?, part(at.day())?)?.and_hms_nano_opt(
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
        u32::try_from(at.subsec_nanosecond()).ok()?,
    )
}

fn jiff_of(at: chrono::NaiveDateTime) -> Option<DateTime> {
    use chrono::{Datelike as _, Timelike as _};
    let part = |n: u32| i8::try_from(n).ok();
    DateTime::new(
        i16::try_from(at.year()).ok()?,
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
        0,
    )
    .ok()
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next ticks, as the wall shows them with the offset.
    fn check(cron: &str, zone: &str, from: &str, expect: &[&str]) {
        let (cron, zone) = (Cron::parse(cron).unwrap(), TimeZone::get(zone).unwrap());
        let mut at: Timestamp = from.parse().unwrap();
        let mut found = Vec::new();
        for _ in expect {
            let tick = cron.after(at, &zone).unwrap();
            assert!(tick.at > at, "never back: {tick:?}");
            at = tick.at;
            let moved = match tick.moved {
                None => "",
                Some(Moved::Gap) => " gap",
                Some(Moved::Overlap) => " overlap",
            };
            found.push(format!("{}{moved}", at.to_zoned(zone.clone()).strftime("%m-%d %a %H:%M%:z")));
        }
        assert_eq!(found, expect, "{} in {zone:?}", cron.source());
    }

    #[test]
    fn posix_weekdays_and_days() {
        let from = "2026-09-20T16:00:00Z"; // Mon 09-21 00:00 in Shanghai
        check("0 9 * * 1", "Asia/Shanghai", from, &["09-21 Mon 09:00+08:00", "09-28 Mon 09:00+08:00"]);
        check("0 9 * * 0", "Asia/Shanghai", from, &["09-27 Sun 09:00+08:00"]);
        check("0 9 * * 7", "Asia/Shanghai", from, &["09-27 Sun 09:00+08:00"]);
        check(
            "0 9 * * fri-sun",
            "Asia/Shanghai",
            from,
            &["09-25 Fri 09:00+08:00", "09-26 Sat 09:00+08:00", "09-27 Sun 09:00+08:00"],
        );
        check("*/30 8-9 1 * 1-5", "Asia/Shanghai", from, &["09-21 Mon 08:00+08:00", "09-21 Mon 08:30+08:00"]);
        // A day or a weekday: either will do.
        check("0 0 26 * 1", "Asia/Shanghai", from, &["09-26 Sat 00:00+08:00", "09-28 Mon 00:00+08:00"]);
        check("@daily", "Asia/Shanghai", from, &["09-22 Tue 00:00+08:00"]);
        check("0 0 29 2 *", "Asia/Shanghai", from, &["02-29 Tue 00:00+08:00"]);
    }

    #[test]
    fn a_clock_put_forward_runs_once_after_the_gap() {
        let from = "2026-03-07T12:00:00Z"; // gap: 2026-03-08 02:00–03:00 in New York
        check("30 2 * * *", "America/New_York", from, &["03-08 Sun 03:30-04:00 gap", "03-09 Mon 02:30-04:00"]);
        check(
            "*/30 * * * *",
            "America/New_York",
            "2026-03-08T06:20:00Z",
            &["03-08 Sun 01:30-05:00", "03-08 Sun 03:00-04:00", "03-08 Sun 03:30-04:00", "03-08 Sun 04:00-04:00"],
        );
        let from = "2026-03-28T12:00:00Z"; // gap: 2026-03-29 02:00–03:00 in Berlin
        check("15 2 * * *", "Europe/Berlin", from, &["03-29 Sun 03:15+02:00 gap", "03-30 Mon 02:15+02:00"]);
    }

    #[test]
    fn a_clock_put_back_runs_once() {
        let from = "2026-10-31T12:00:00Z"; // overlap: 2026-11-01 01:00–02:00 in New York
        check("30 1 * * *", "America/New_York", from, &["11-01 Sun 01:30-04:00 overlap", "11-02 Mon 01:30-05:00"]);
        check(
            "30 * * * *",
            "America/New_York",
            "2026-11-01T04:00:00Z",
            &["11-01 Sun 00:30-04:00", "11-01 Sun 01:30-04:00 overlap", "11-01 Sun 02:30-05:00"],
        );
        check("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["10-25 Sun 02:30+02:00 overlap", "10-26 Mon 02:30+01:00"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, expect) in [
            ("0 0 30 2 *", CronFault::Impossible),
            ("0 0 31 4,6 *", CronFault::Impossible),
            ("0 9 * *", CronFault::Fields(4)),
            ("0 0 9 * * 1", CronFault::Fields(6)),
            ("60 * * * *", CronFault::Part(0, "60".into())),
            ("0 24 * * *", CronFault::Part(1, "24".into())),
            ("0 9 * * 8", CronFault::Part(4, "8".into())),
            ("0 9 ? * 1", CronFault::Part(2, "?".into())),
            ("0 9 L * *", CronFault::Part(2, "L".into())),
            ("*/0 * * * *", CronFault::Part(0, "*/0".into())),
            ("*/+5 * * * *", CronFault::Part(0, "*/+5".into())),
            ("9-5 * * * *", CronFault::Part(0, "9-5".into())),
            ("@dayly", CronFault::Alias("@dayly".into())),
        ] {
            assert_eq!(Cron::parse(text).unwrap_err(), expect, "{text}");
        }
    }
}
