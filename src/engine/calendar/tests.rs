//! Calendars against DOMAIN.md's figures, against the clock's turns, and against counting minutes.

use jiff::SignedDuration;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;

/// `2026-09-24 16:00` there; with an offset at its end (`2026-11-01 01:30-04:00`) whatever the zone.
pub(in crate::engine) fn at(text: &str, zone: &TimeZone) -> Timestamp {
    let iso = text.replacen(' ', "T", 1);
    iso.parse::<Timestamp>()
        .or_else(|_| zone.to_timestamp(iso.parse::<jiff::civil::DateTime>().unwrap()))
        .unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// `09:00-12:00 13:00-18:00`
fn hours(text: &str) -> Vec<Interval> {
    let minute = |t: &str| {
        let (h, m) = t.split_once(':').unwrap();
        h.parse::<u16>().unwrap() * 60 + m.parse::<u16>().unwrap()
    };
    let interval = |i: &str| i.split_once('-').map(|(from, to)| Interval { from: minute(from), to: minute(to) }).unwrap();
    text.split_whitespace().map(interval).collect()
}

fn five_days(text: &str) -> Week {
    std::array::from_fn(|day| if day < 5 { hours(text) } else { Vec::new() })
}

fn every_day(text: &str) -> Week {
    std::array::from_fn(|_| hours(text))
}

/// DOMAIN.md's calendar.
pub(in crate::engine) fn cn_2026() -> Calendar {
    let office = "09:00-12:00 13:00-18:00";
    let mut days = BTreeMap::new();
    days.extend((25..=27).map(|d| (date(2026, 9, d), Vec::new())));
    days.extend((1..=7).map(|d| (date(2026, 10, d), Vec::new())));
    days.extend([date(2026, 9, 20), date(2026, 10, 10)].map(|d| (d, hours(office))));
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    Calendar::new(zone, five_days(office), days, Some(BTreeSet::from([2026]))).unwrap()
}

fn abroad(zone: &str, week: Week) -> Calendar {
    Calendar::new(TimeZone::get(zone).unwrap(), week, BTreeMap::new(), None).unwrap()
}

#[track_caller]
fn check_add(calendar: &Calendar, from: &str, minutes: i64, expected: &str) {
    let zone = calendar.zone();
    let (from, to) = (at(from, zone), at(expected, zone));
    let work = SignedDuration::from_mins(minutes);
    let shown = |t: Option<Timestamp>| t.map(|t| zone.to_datetime(t).to_string());
    assert_eq!(shown(calendar.add(from, work)), shown(Some(to)));
    assert_eq!(calendar.between(from, to), Some(work));
    assert_eq!(calendar.between(to, from), Some(-work));
    assert_eq!(calendar.add(to, -work), calendar.subtract(to, work));
}

#[test]
fn the_deadlines_of_the_scenarios() {
    let cn = cn_2026();
    for (from, minutes, expected) in [
        // D: the pool after eight working hours
        ("2026-09-24 16:00", 8 * 60, "2026-09-28 16:00"),
        // E: approvals
        ("2026-09-28 14:00", 8 * 60, "2026-09-29 14:00"),
        ("2026-09-28 15:30", 16 * 60, "2026-09-30 15:30"),
        // F: response 30 minutes, warning at 80 %; resolution eight hours
        ("2026-09-30 17:40", 24, "2026-10-08 09:04"),
        ("2026-09-30 17:40", 30, "2026-10-08 09:10"),
        ("2026-09-30 17:40", 8 * 60, "2026-10-08 17:40"),
        // F: paused 10:00 to 15:00, that is four working hours: 240 minutes more
        ("2026-09-30 17:40", 8 * 60 + 240, "2026-10-09 13:40"),
        ("2026-09-30 17:40", 384 + 240, "2026-10-09 11:04"),
        ("2026-09-30 17:40", 8 * 60 + 240 + 120, "2026-10-09 15:40"),
        ("2026-09-30 17:40", 530 + 240, "2026-10-09 14:30"),
        // the edges of a day: what ends with it ends at its closing
        ("2026-09-28 09:00", 8 * 60, "2026-09-28 18:00"),
        ("2026-09-28 08:00", 180, "2026-09-28 12:00"),
        ("2026-09-28 12:30", 1, "2026-09-28 13:01"),
        ("2026-09-28 18:00", 1, "2026-09-29 09:01"),
        ("2026-10-03 12:00", 0, "2026-10-03 12:00"),
        // make-up workdays: Sunday 09-20 and Saturday 10-10
        ("2026-09-18 17:00", 120, "2026-09-20 10:00"),
        ("2026-10-09 17:00", 120, "2026-10-10 10:00"),
        ("2026-10-10 17:00", 120, "2026-10-12 10:00"),
    ] {
        check_add(&cn, from, minutes, expected);
    }
    let pause = |a, b| cn.between(at(a, cn.zone()), at(b, cn.zone())).unwrap();
    assert_eq!(pause("2026-10-08 10:00", "2026-10-08 15:00"), SignedDuration::from_hours(4));
}

#[test]
fn backwards() {
    let cn = cn_2026();
    let back = |from: &str, minutes| {
        let t = cn.subtract(at(from, cn.zone()), SignedDuration::from_mins(minutes)).unwrap();
        cn.zone().to_datetime(t).to_string()
    };
    assert_eq!(back("2026-09-28 16:00", 480), "2026-09-24T16:00:00");
    assert_eq!(back("2026-10-08 09:00", 60), "2026-09-30T17:00:00");
    assert_eq!(back("2026-10-08 18:00", 480), "2026-10-08T09:00:00"); // the last instant from which it is so much
    assert_eq!(back("2026-10-03 12:00", 0), "2026-10-03T12:00:00");
}

#[test]
fn open_closed_and_next() {
    let cn = cn_2026();
    let t = |text: &str| at(text, cn.zone());
    for (text, open, next) in [
        ("2026-09-28 09:00", true, "2026-09-28 09:00"),
        ("2026-09-28 08:59", false, "2026-09-28 09:00"),
        ("2026-09-28 12:00", false, "2026-09-28 13:00"),
        ("2026-09-28 17:59", true, "2026-09-28 17:59"),
        ("2026-09-28 18:00", false, "2026-09-29 09:00"),
        ("2026-09-26 16:30", false, "2026-09-28 09:00"),
        ("2026-09-30 18:00", false, "2026-10-08 09:00"),
        ("2026-10-09 20:00", false, "2026-10-10 09:00"),
    ] {
        assert_eq!(cn.is_open(t(text)), open, "{text}");
        assert_eq!(cn.next_opening(t(text)), Some(t(next)), "{text}");
    }
    assert!(cn.is_workday(date(2026, 10, 10)) && !cn.is_workday(date(2026, 10, 1)));
    assert!(cn.known(date(2026, 1, 1)) && !cn.known(date(2027, 1, 1)));
}

#[test]
fn working_days_keep_the_time_of_day() {
    let cn = cn_2026();
    for (from, days, expected) in [
        ("2026-09-30 15:00", 1, "2026-10-08 15:00"),
        ("2026-09-30 15:00", 3, "2026-10-10 15:00"),
        ("2026-09-18 18:00", 1, "2026-09-20 18:00"), // a closing is within the hours
        ("2026-09-24 20:00", 1, "2026-09-29 09:00"), // 09-28 20:00 is not open
        ("2026-09-26 10:00", 1, "2026-09-28 10:00"), // of a day off, the first working day is the first
        ("2026-09-28 12:30", 1, "2026-09-29 13:00"),
        ("2026-10-03 10:00", 0, "2026-10-08 09:00"),
        ("2026-09-28 10:00", 0, "2026-09-28 10:00"),
        ("2026-10-08 10:00", -1, "2026-09-30 10:00"),
        ("2026-10-10 00:00", -2, "2026-10-08 09:00"), // of a date alone: that day's opening
        ("2026-10-10 20:00", -2, "2026-10-08 18:00"),
    ] {
        let t = cn.add_days(at(from, cn.zone()), days);
        assert_eq!(t, Some(at(expected, cn.zone())), "{from} {days:+} working days");
    }
    assert_eq!(cn.add_days(at("2026-09-30 15:00", cn.zone()), 5_000), None);
}

#[test]
fn hours_across_a_turn_of_the_clock_pass_as_they_pass() {
    let ny = abroad("America/New_York", every_day("00:00-24:00"));
    check_add(&ny, "2026-03-08 00:00", 23 * 60, "2026-03-09 00:00");
    check_add(&ny, "2026-11-01 00:00", 25 * 60, "2026-11-02 00:00");
    let night = abroad("America/New_York", every_day("01:00-02:30 03:00-04:00"));
    check_add(&night, "2026-03-08 00:00", 60 + 60, "2026-03-08 04:00"); // 02:00 to 03:00 is not shown at all
    check_add(&night, "2026-11-01 00:00", 150 + 60, "2026-11-01 04:00"); // 01:00 to 02:00 is shown twice
    let gap = abroad("America/New_York", every_day("02:00-02:30"));
    check_add(&gap, "2026-03-07 02:00", 60, "2026-03-09 02:30"); // nothing on the 8th
    // Clocks went back from 00:01 to 23:01: Sunday had begun, and goes on while they show Saturday again.
    let sunday = std::array::from_fn(|day| if day == 6 { hours("00:00-24:00") } else { Vec::new() });
    let st_johns = abroad("America/St_Johns", sunday);
    check_add(&st_johns, "2010-11-06 23:30-03:30", 15, "2010-11-06 23:45-03:30");
    assert!(st_johns.is_open(at("2010-11-06 23:30-03:30", st_johns.zone())));
    assert!(!st_johns.is_open(at("2010-11-06 23:30-02:30", st_johns.zone())));
    let berlin = abroad("Europe/Berlin", five_days("09:00-17:00"));
    check_add(&berlin, "2026-03-27 16:00", 120, "2026-03-30 10:00");
    check_add(&berlin, "2026-10-23 16:00", 120, "2026-10-26 10:00");
    check_add(&berlin, "2026-01-01 00:00", 261 * 480, "2026-12-31 17:00"); // a year, by whole weeks
}

#[test]
fn refused_and_out_of_reach() {
    let zone = TimeZone::UTC;
    let new = |text: &str| Calendar::new(TimeZone::UTC, five_days(text), BTreeMap::new(), None);
    assert!(new("").is_none() && new("09:00-12:00 11:00-13:00").is_none() && new("12:00-09:00").is_none());
    assert!(new("13:00-24:00 09:00-13:00").is_some(), "order is no matter, touching is no overlap");
    let calendar = new("09:00-10:00").unwrap();
    assert_eq!(calendar.add(at("2026-01-01 00:00", &zone), SignedDuration::from_hours(261 * 11)), None);
    assert!(calendar.between(at("2026-01-01 00:00", &zone), at("2125-01-01 00:00", &zone)).is_some());
    assert_eq!(calendar.between(Timestamp::MIN, Timestamp::MAX), None);
    for t in [Timestamp::MIN, Timestamp::MAX] {
        for days in [i32::MIN, -1, 0, 1, i32::MAX] {
            let _ = calendar.add_days(t, days);
        }
        let _ = (calendar.add(t, SignedDuration::MAX), calendar.add(t, SignedDuration::MIN), calendar.next_opening(t));
        let _ = (calendar.subtract(t, SignedDuration::MAX), calendar.subtract(t, SignedDuration::MIN), calendar.is_open(t));
    }
}

/// Open by the clock on the wall: the latest time of the day shown so far is within the hours.
fn counted(calendar: &Calendar, a: Timestamp, b: Timestamp) -> i64 {
    let mut t = a - SignedDuration::from_hours(30);
    let (mut day, mut latest, mut minutes) = (Date::MIN, 0, 0);
    while t < b {
        let local = calendar.zone().to_datetime(t);
        let minute = u16::try_from(local.hour()).unwrap() * 60 + u16::try_from(local.minute()).unwrap();
        latest = if local.date() == day { minute.max(latest) } else { minute };
        day = local.date();
        if t >= a && calendar.hours(day).iter().any(|i| i.from <= latest && latest < i.to) {
            minutes += 1;
        }
        t += SignedDuration::from_mins(1);
    }
    minutes
}

fn any_calendar() -> impl Strategy<Value = Calendar> {
    let zones = prop::sample::select(vec!["America/New_York", "Europe/Berlin", "Asia/Shanghai", "Australia/Lord_Howe"]);
    let hours =
        prop::sample::select(vec!["", "09:00-12:00 13:00-18:00", "00:00-24:00", "01:30-02:15 02:45-07:00", "22:00-24:00"]);
    let off = prop::collection::btree_map(0i32..730, any::<bool>(), 0..40);
    (zones, prop::array::uniform7(hours), off).prop_map(|(zone, week, off)| {
        let mut week = week.map(self::hours);
        week[0] = self::hours("09:00-12:00 13:00-18:00");
        let day = |n| date(2026, 1, 1).checked_add(jiff::Span::new().days(n)).unwrap();
        let days = off.into_iter().map(|(n, work)| (day(n), if work { self::hours("10:00-16:00") } else { Vec::new() }));
        Calendar::new(TimeZone::get(zone).unwrap(), week, days.collect(), None).unwrap()
    })
}

fn minute_of_2026(n: i64) -> Timestamp {
    "2026-01-01T00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(n)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn between_is_what_counting_minutes_gives(calendar in any_calendar(), from in 0..525_600i64, length in 0..43_200i64) {
        let (a, b) = (minute_of_2026(from), minute_of_2026(from + length));
        prop_assert_eq!(calendar.between(a, b), Some(SignedDuration::from_mins(counted(&calendar, a, b))));
        prop_assert_eq!(calendar.is_open(a), counted(&calendar, a, a + SignedDuration::from_mins(1)) == 1);
    }

    #[test]
    fn add_and_between_are_inverse(calendar in any_calendar(), from in 0..525_600i64, work in 1..100_000i64) {
        let (a, work) = (minute_of_2026(from), SignedDuration::from_mins(work));
        let b = calendar.add(a, work).unwrap();
        prop_assert_eq!(calendar.between(a, b), Some(work));
        let second = SignedDuration::from_secs(1);
        prop_assert_eq!(calendar.between(a, b - second), Some(work - second), "the first such instant");
        let back = calendar.subtract(b, work).unwrap();
        prop_assert_eq!(calendar.between(back, b), Some(work));
        prop_assert_eq!(calendar.between(back + second, b), Some(work - second), "the last such instant");
        prop_assert!(back >= a);
        let open = calendar.next_opening(a).unwrap();
        prop_assert!(open >= a && calendar.is_open(open) && calendar.between(a, open) == Some(SignedDuration::ZERO));
    }

    #[test]
    fn weeks_in_one_step_are_what_days_are(calendar in any_calendar(), from in 0..525_600i64, days in 1..2_000i64) {
        let a = minute_of_2026(from);
        let b = a + SignedDuration::from_hours(24 * days);
        let daily = (0..days).map(|n| {
            let (from, to) = (a + SignedDuration::from_hours(24 * n), a + SignedDuration::from_hours(24 * (n + 1)));
            calendar.between(from, to).unwrap()
        });
        prop_assert_eq!(calendar.between(a, b), Some(daily.fold(SignedDuration::ZERO, |sum, d| sum + d)));
    }
}
