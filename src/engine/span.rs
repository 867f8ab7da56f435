//! Lengths of time where a calendar may matter: `90s 15m 24h 5d 2w`, `3 months`, `8 working hours`, `2 working days`.
//!
//! Seconds, minutes and hours are exact. Days and weeks are the calendar's: the same time of day in the zone; where the clock
//! skips that time, as much later as it skips, where it shows it twice, the first. Months end with the month: 31 January and a month
//! is the last of February. Working time is measured on a [`Calendar`], which knows its own zone.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::calendar::Calendar;

/// The longest that can be written: 100 years, in seconds.
const LONGEST: i64 = 100 * 366 * 86_400;

/// A length of time as YAML writes it; never negative.
///
/// Stored format: its text, which [`Span::parse`] reads back to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// Time that passes day and night; its parts are gone in this order.
    Plain {
        /// Calendar months; a year is twelve.
        months: u32,
        /// Calendar days; a week is seven.
        days: u32,
        /// Exact seconds.
        seconds: u64,
    },
    /// Time that passes while a calendar is open; days first.
    Working {
        /// Working days, as [`Calendar::add_days`] counts them.
        days: u32,
        /// Working minutes.
        minutes: u64,
    },
}

/// A unit: what one of it is.
enum Unit {
    Months(u32),
    Days(u32),
    Seconds(u64),
    WorkingDays,
    WorkingMinutes(u64),
}

/// The unit of a name without blanks.
fn unit(name: &str) -> Option<Unit> {
    Some(match name {
        "s" | "second" | "seconds" | "秒" | "秒钟" => Unit::Seconds(1),
        "m" | "minute" | "minutes" | "分" | "分钟" => Unit::Seconds(60),
        "h" | "hour" | "hours" | "小时" | "个小时" => Unit::Seconds(3_600),
        "d" | "day" | "days" | "天" | "日" => Unit::Days(1),
        "w" | "week" | "weeks" | "周" | "星期" | "个星期" => Unit::Days(7),
        "month" | "months" | "个月" => Unit::Months(1),
        "year" | "years" | "年" => Unit::Months(12),
        "workingminute" | "workingminutes" | "工作分钟" | "个工作分钟" => Unit::WorkingMinutes(1),
        "workinghour" | "workinghours" | "工作小时" | "个工作小时" => Unit::WorkingMinutes(60),
        "workingday" | "workingdays" | "工作日" | "个工作日" => Unit::WorkingDays,
        _ => return None,
    })
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self::Plain { months: 0, days: 0, seconds: 0 };

    /// Reads what YAML may write: a number and a unit, or a sum of such (`1h30m`, `1 month 3d`), with or without blanks. `None` for
    /// anything else: nothing negative, no fractions, at most 100 years, working time never added to other time.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let (mut months, mut days, mut seconds) = (0u32, 0u32, 0u64);
        let (mut working_days, mut working_minutes) = (0u32, 0u64);
        let (mut plain, mut working) = (false, false);
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|n| (1..=10).contains(n))?;
            let number: u64 = rest[..digits].parse().ok()?;
            let after = &rest[digits..];
            let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let name: String = after[..end].chars().filter(|c| !c.is_whitespace()).collect();
            let small = u32::try_from(number).ok()?;
            match unit(&name)? {
                Unit::Months(n) => months = months.checked_add(small.checked_mul(n)?)?,
                Unit::Days(n) => days = days.checked_add(small.checked_mul(n)?)?,
                Unit::Seconds(n) => seconds = seconds.checked_add(number.checked_mul(n)?)?,
                Unit::WorkingDays => working_days = working_days.checked_add(small)?,
                Unit::WorkingMinutes(n) => working_minutes = working_minutes.checked_add(number.checked_mul(n)?)?,
            }
            match name.contains("working") || name.contains("工作") {
                true => working = true,
                false => plain = true,
            }
            rest = after[end..].trim_start();
        }
        let span = match (plain, working) {
            (true, false) => Self::Plain { months, days, seconds },
            (false, true) => Self::Working { days: working_days, minutes: working_minutes },
            _ => return None,
        };
        span.is_short_enough().then_some(span)
    }

    fn is_short_enough(&self) -> bool {
        let seconds = match *self {
            Self::Plain { months, days, seconds } => {
                i128::from(months) * (366 * 86_400 / 12) + i128::from(days) * 86_400 + i128::from(seconds)
            }
            Self::Working { days, minutes } => i128::from(days) * 86_400 + i128::from(minutes) * 60,
        };
        seconds <= i128::from(LONGEST)
    }

    /// Whether it is measured on a calendar of working time.
    pub fn is_working(&self) -> bool {
        matches!(self, Self::Working { .. })
    }

    /// No time at all.
    pub fn is_zero(&self) -> bool {
        matches!(self, Self::Plain { months: 0, days: 0, seconds: 0 } | Self::Working { days: 0, minutes: 0 })
    }

    /// How long it is where that does not depend on when it begins, a day taken as 24 hours: not for months and working time.
    pub fn exact(&self) -> Option<SignedDuration> {
        match *self {
            Self::Plain { months: 0, days, seconds } => {
                let seconds = u64::from(days).checked_mul(86_400)?.checked_add(seconds)?;
                Some(SignedDuration::from_secs(i64::try_from(seconds).ok()?))
            }
            _ => None,
        }
    }

    /// The instant so long after `from`. `None`: beyond all time, or working time without a calendar or further than it reaches.
    pub fn after(&self, from: Timestamp, zone: &TimeZone, calendar: Option<&Calendar>) -> Option<Timestamp> {
        match *self {
            Self::Plain { months: 0, days: 0, seconds } => from.checked_add(exact(seconds)?).ok(),
            Self::Plain { months, days, seconds } => {
                let local = zone.to_datetime(from).checked_add(civil(months, days)?).ok()?;
                let at = zone.to_ambiguous_timestamp(local).compatible().ok()?;
                at.checked_add(exact(seconds)?).ok()
            }
            Self::Working { days, minutes } => {
                let calendar = calendar?;
                let days = i32::try_from(days).ok()?;
                let at = if days > 0 { calendar.add_days(from, days)? } else { from };
                calendar.add(at, working(minutes)?)
            }
        }
    }

    /// The instant so long before `from`; its parts are taken away in the same order. `None` as for [`Span::after`].
    pub fn before(&self, from: Timestamp, zone: &TimeZone, calendar: Option<&Calendar>) -> Option<Timestamp> {
        match *self {
            Self::Plain { months: 0, days: 0, seconds } => from.checked_sub(exact(seconds)?).ok(),
            Self::Plain { months, days, seconds } => {
                let local = zone.to_datetime(from).checked_sub(civil(months, days)?).ok()?;
                let at = zone.to_ambiguous_timestamp(local).compatible().ok()?;
                at.checked_sub(exact(seconds)?).ok()
            }
            Self::Working { days, minutes } => {
                let calendar = calendar?;
                let days = i32::try_from(days).ok()?;
                let at = if days > 0 { calendar.add_days(from, -days)? } else { from };
                calendar.subtract(at, working(minutes)?)
            }
        }
    }
}

fn exact(seconds: u64) -> Option<SignedDuration> {
    i64::try_from(seconds).ok().map(SignedDuration::from_secs)
}

fn working(minutes: u64) -> Option<SignedDuration> {
    exact(minutes.checked_mul(60)?)
}

fn civil(months: u32, days: u32) -> Option<jiff::Span> {
    jiff::Span::new().try_months(months).ok()?.try_days(days).ok()
}

/// The shortest text that [`Span::parse`] reads back; weeks are written as days, years as such where they are whole.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        let mut word = |n: u64, one: &str| match n {
            0 => {}
            1 => words.push(format!("1 {one}")),
            n => words.push(format!("{n} {one}s")),
        };
        match *self {
            Self::Plain { months, days, seconds } => {
                word(u64::from(months / 12), "year");
                word(u64::from(months % 12), "month");
                let mut short = if days > 0 { format!("{days}d") } else { String::new() };
                for (name, n) in [('h', seconds / 3_600), ('m', seconds / 60 % 60), ('s', seconds % 60)] {
                    if n > 0 {
                        short.push_str(&format!("{n}{name}"));
                    }
                }
                if short.is_empty() && words.is_empty() {
                    short.push_str("0s");
                }
                if !short.is_empty() {
                    words.push(short);
                }
            }
            Self::Working { days, minutes } => {
                word(u64::from(days), "working day");
                match minutes % 60 {
                    0 => word(minutes / 60, "working hour"),
                    _ => word(minutes, "working minute"),
                }
                if words.is_empty() {
                    words.push("0 working minutes".into());
                }
            }
        }
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Span {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::parse(text).ok_or(())
    }
}

super::serde_as_text!(Span, "a length of time");

impl From<SignedDuration> for Span {
    /// As exact time, to the second; nothing negative.
    fn from(duration: SignedDuration) -> Self {
        Self::Plain { months: 0, days: 0, seconds: u64::try_from(duration.as_secs()).unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::calendar::tests::{at, cn_2026};

    #[test]
    fn reads_and_writes() {
        for (input, text) in [
            ("90s", "1m30s"),
            ("15m", "15m"),
            ("24h", "24h"),
            ("5d", "5d"),
            ("2w", "14d"),
            ("1h30m", "1h30m"),
            ("1h 30m", "1h30m"),
            (" 3 months ", "3 months"),
            ("1 month", "1 month"),
            ("1year", "1 year"),
            ("18 months", "1 year 6 months"),
            ("1 month 2d 1h", "1 month 2d1h"),
            ("8 working hours", "8 working hours"),
            ("1 working hour", "1 working hour"),
            ("90 working minutes", "90 working minutes"),
            ("2 working days", "2 working days"),
            ("1 working day 4 working hours", "1 working day 4 working hours"),
            ("0s", "0s"),
            ("0 working days", "0 working minutes"),
            ("3个月", "3 months"),
            ("8个工作小时", "8 working hours"),
            ("2 个工作日", "2 working days"),
            ("30 工作分钟", "30 working minutes"),
            ("1小时30分钟", "1h30m"),
            ("30天", "30d"),
            ("2周", "14d"),
            ("100 years", "100 years"),
        ] {
            let span = Span::parse(input).unwrap_or_else(|| panic!("{input}"));
            assert_eq!(span.to_string(), text, "{input}");
            assert_eq!(Span::parse(text), Some(span), "{text} reads back");
            assert_eq!(serde_json::from_str::<Span>(&serde_json::to_string(&span).unwrap()).unwrap(), span);
        }
    }

    #[test]
    fn refuses_what_is_no_length() {
        for wrong in [
            "",
            "d",
            "3x",
            "-1d",
            "1.5h",
            "3M",
            "3月",
            "5",
            "1h30",
            "8 working",
            "working hours",
            "2h 1 working hour",
            "9999999999w",
            "99999999999999999999s",
            "101 years",
            "5000000000 working days",
            "１h",
            "3 months ago",
        ] {
            assert_eq!(Span::parse(wrong), None, "{wrong}");
        }
    }

    fn check(span: &str, zone: &str, from: &str, after: &str) {
        let calendar = cn_2026();
        let zone = TimeZone::get(zone).unwrap();
        let span = Span::parse(span).unwrap();
        assert_eq!(span.after(at(from, &zone), &zone, Some(&calendar)), Some(at(after, &zone)), "{from} + {span}");
    }

    #[test]
    fn days_and_months_are_the_calendars() {
        let cn = "Asia/Shanghai";
        check("1 month", cn, "2026-01-31 09:00", "2026-02-28 09:00");
        check("1 month", cn, "2028-01-31 09:00", "2028-02-29 09:00");
        check("1 year", cn, "2028-02-29 09:00", "2029-02-28 09:00");
        check("3 months", cn, "2026-06-25 10:00", "2026-09-25 10:00");
        check("5d", cn, "2026-09-21 16:30", "2026-09-26 16:30");
        check("30d", cn, "2026-08-20 09:12", "2026-09-19 09:12");
        check("24h", cn, "2026-09-22 10:15", "2026-09-23 10:15");
    }

    #[test]
    fn the_clock_is_turned() {
        let ny = "America/New_York"; // 2026-03-08 02:00 → 03:00, 2026-11-01 02:00 → 01:00
        check("1d", ny, "2026-03-07 12:00", "2026-03-08 12:00");
        check("24h", ny, "2026-03-07 12:00", "2026-03-08 13:00");
        check("1d", ny, "2026-03-07 02:30", "2026-03-08 03:30");
        check("1w", ny, "2026-10-28 09:00", "2026-11-04 09:00");
        check("1d", ny, "2026-10-31 01:30", "2026-11-01 01:30-04:00");
        check("1d 1h", ny, "2026-10-31 01:30", "2026-11-01 01:30-05:00");
        check("1 month", "Europe/Berlin", "2026-02-28 02:30", "2026-03-28 02:30");
        check("1 month", "Europe/Berlin", "2026-02-28 12:00", "2026-03-28 12:00");
        check("1d", "Europe/Berlin", "2026-03-28 02:30", "2026-03-29 03:30");
    }

    #[test]
    fn working_time_is_the_calendars() {
        let cn = "Asia/Shanghai";
        check("8 working hours", cn, "2026-09-24 16:00", "2026-09-28 16:00");
        check("30 working minutes", cn, "2026-09-30 17:40", "2026-10-08 09:10");
        check("2 working days", cn, "2026-09-30 15:00", "2026-10-09 15:00");
        check("1 working day 4 working hours", cn, "2026-09-30 15:00", "2026-10-09 10:00");
    }

    #[test]
    fn before_mirrors_after() {
        let (zone, calendar) = (TimeZone::get("Asia/Shanghai").unwrap(), cn_2026());
        for (span, from, before) in [
            ("2h", "2026-09-23 10:15", "2026-09-23 08:15"),
            ("1 month", "2026-03-31 09:00", "2026-02-28 09:00"),
            ("8 working hours", "2026-09-28 16:00", "2026-09-24 16:00"),
            ("1 working day", "2026-10-08 09:30", "2026-09-30 09:30"),
        ] {
            let span = Span::parse(span).unwrap();
            assert_eq!(span.before(at(from, &zone), &zone, Some(&calendar)), Some(at(before, &zone)), "{from} - {span}");
        }
    }

    #[test]
    fn nothing_panics_at_the_ends_of_time() {
        let calendar = cn_2026();
        for zone in ["Asia/Shanghai", "America/New_York", "UTC"] {
            let zone = TimeZone::get(zone).unwrap();
            for t in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
                for span in ["100 years", "1d", "1s", "8 working hours", "2 working days", "800000 working hours", "0s"] {
                    let span = Span::parse(span).unwrap();
                    let _ = span.after(t, &zone, Some(&calendar));
                    let _ = span.before(t, &zone, Some(&calendar));
                }
            }
            let day = Span::parse("1d").unwrap();
            assert_eq!(day.after(Timestamp::MAX, &zone, None), None);
            assert_eq!(day.before(Timestamp::MIN, &zone, None), None);
        }
        assert_eq!(Span::parse("1 working hour").unwrap().after(Timestamp::UNIX_EPOCH, &TimeZone::UTC, None), None);
    }

    #[test]
    fn reads_what_earlier_versions_stored() {
        for seconds in [0, 1, 90, 5_400, 86_400, 90_061, 14 * 86_400, LONGEST] {
            let duration = SignedDuration::from_secs(seconds);
            let stored = serde_json::to_string(&crate::engine::duration::text(duration)).unwrap();
            assert_eq!(serde_json::from_str::<Span>(&stored).unwrap().exact(), Some(duration), "{stored}");
        }
    }

    #[test]
    fn exact_only_where_it_is() {
        let exact = |text: &str| Span::parse(text).unwrap().exact().map(|d| d.as_secs());
        assert_eq!(exact("1d1h"), Some(90_000));
        assert_eq!(exact("1 month"), None);
        assert_eq!(exact("8 working hours"), None);
        assert_eq!(Span::from(SignedDuration::from_hours(26)).to_string(), "26h");
    }
}
