//! Schedules: what is read agrees with a plain reading of the five fields, every tick with a scan of each minute on the wall.

use ifthen::engine::schedule::cron::{Cron, Moved};
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::feed::Feed;

const ZONES: [&str; 8] = [
    "Asia/Shanghai",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe", // by half an hour
    "Antarctica/Troll",    // by two
    "Africa/Casablanca",   // back for a month
    "America/Santiago",    // at midnight
    "UTC",
];
/// How far is scanned.
const DAYS: i64 = 4;
/// Clocks are put forward or back by less.
const SHIFT: i64 = 4;

/// The first five bytes are an instant and a zone, the rest is the expression.
pub(super) fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    // 2024 to 2058, to the second: schedules are asked for from now on.
    let from = Timestamp::from_second(1_704_067_200 + i64::from(feed.number() >> 2)).unwrap();
    let zone = TimeZone::get(feed.pick(&ZONES)).unwrap();
    let text = super::text(feed.rest()).into_owned();
    let plain = Plain::parse(&text).filter(Plain::is_possible);
    let read = Cron::parse(&text);
    let (cron, plain) = match (read, plain) {
        (Ok(cron), Some(plain)) => (cron, plain),
        (Err(_), None) => return,
        (read, plain) => panic!("{text:?} is {read:?}, and read plainly {plain:?}"),
    };
    assert_eq!(Cron::parse(cron.source()).unwrap(), cron, "read again");
    let mut at = from;
    for _ in 0..3 {
        let expected = plain.after(at, &zone);
        let found = cron.after(at, &zone);
        match (found, expected) {
            (Some(tick), expected) => {
                assert!(tick.at > at, "{text:?}: {tick:?} is not after {at}");
                assert!(plain.matches(tick.wall), "{text:?} does not say {tick:?}");
                assert_eq!(zone.to_ambiguous_timestamp(tick.wall).compatible().unwrap(), tick.at, "{text:?}");
                let shown = zone.to_datetime(tick.at) == tick.wall;
                assert_eq!(tick.moved == Some(Moved::Gap), !shown, "{text:?}: {tick:?}");
                match expected {
                    Some(expected) => assert_eq!(tick.at, expected, "{text:?} after {at}"),
                    None => assert!(tick.at > at + SignedDuration::from_hours(24 * DAYS), "{text:?} after {at}: {tick:?}"),
                }
                at = tick.at;
            }
            (None, Some(missed)) => panic!("{text:?} misses {missed} after {at}"),
            (None, None) => return,
        }
    }
}

/// The fields, as sets.
#[derive(Debug)]
struct Plain {
    sets: [Vec<u32>; 5],
    /// A day or a weekday will do.
    either: bool,
}

impl Plain {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let five = match text.to_ascii_lowercase().as_str() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            _ => text,
        };
        let parts: Vec<&str> = five.split_whitespace().collect();
        let parts: [&str; 5] = parts.try_into().ok()?;
        let either = !parts[2].starts_with('*') && !parts[4].starts_with('*');
        let mut sets: [Vec<u32>; 5] = Default::default();
        for (n, part) in parts.iter().enumerate() {
            for one in part.split(',') {
                sets[n].extend(field(n, one)?);
            }
        }
        sets[4].iter_mut().for_each(|d| *d %= 7);
        Some(Self { sets, either })
    }

    /// Whether there is such a day at all.
    fn is_possible(&self) -> bool {
        let mut day = date(2024, 1, 1);
        while day < date(2100, 1, 1) {
            if self.on(day.at(0, 0, 0, 0)) {
                return true;
            }
            day = day.tomorrow().unwrap();
        }
        false
    }

    fn on(&self, at: DateTime) -> bool {
        let has = |n: usize, value: i8| self.sets[n].contains(&u32::try_from(value).unwrap());
        let (day, weekday) = (has(2, at.day()), has(4, at.weekday().to_sunday_zero_offset()));
        has(3, at.month()) && if self.either { day || weekday } else { day && weekday }
    }

    fn matches(&self, at: DateTime) -> bool {
        let has = |n: usize, value: i8| self.sets[n].contains(&u32::try_from(value).unwrap());
        at.second() == 0 && has(0, at.minute()) && has(1, at.hour()) && self.on(at)
    }

    /// The first tick of the next days, by looking at every minute that the wall may show.
    fn after(&self, instant: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let first = zone.to_datetime(instant).checked_sub(SignedDuration::from_hours(SHIFT)).unwrap();
        let mut wall = first.date().at(first.hour(), first.minute(), 0, 0);
        let (end, mut best) = (instant + SignedDuration::from_hours(24 * DAYS), None::<Timestamp>);
        for _ in 0..(24 * DAYS + 2 * SHIFT) * 60 {
            if self.matches(wall) {
                let at = zone.to_ambiguous_timestamp(wall).compatible().unwrap();
                if at > instant && at <= end && best.is_none_or(|b| at < b) {
                    best = Some(at);
                }
            }
            if best.is_some_and(|best| wall > zone.to_datetime(best).saturating_add(SignedDuration::from_hours(SHIFT))) {
                break;
            }
            wall = wall.checked_add(SignedDuration::from_mins(1)).unwrap();
        }
        best
    }
}

/// `*`, `5`, `5-9`, `mon-fri`, each with `/2` or without.
fn field(n: usize, text: &str) -> Option<Vec<u32>> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let (least, most) = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)][n];
    let digits = |text: &str| match !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u32>().ok(),
        false => None,
    };
    let value = |text: &str| {
        let small = text.to_ascii_lowercase();
        let named = match n {
            3 => MONTHS.iter().position(|m| *m == small).map(|m| m as u32 + 1),
            4 => DAYS.iter().position(|d| *d == small).map(|d| d as u32),
            _ => None,
        };
        named.or_else(|| digits(text)).filter(|v| (least..=most).contains(v))
    };
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (range, Some(digits(step).filter(|s| (1..=most).contains(s))?)),
        None => (text, None),
    };
    let (first, last) = match range.split_once('-') {
        _ if range == "*" => (least, if n == 4 { 6 } else { most }),
        Some((first, last)) => (value(first)?, value(last)?),
        None => (value(range)?, if step.is_some() { most } else { value(range)? }),
    };
    let last = if n == 4 && last == 0 && first > 0 { 7 } else { last };
    (first <= last).then(|| (first..=last).filter(|v| (v - first) % step.unwrap_or(1) == 0).collect())
}
