//! Calendars as they are written, the shipped ones and those of `calendars:`, up to what each says of itself; what it takes from
//! its base is added in [`super::definitions`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::catalogue as t;
use super::hours;
use super::problem::{At, Problem, Sink};
use super::scalar;
use super::text::Text;
use super::tree::{self, Entry, Kind, Node};
use crate::engine::calendar::{Interval, Week};

/// The text of the calendars that are shipped.
pub(super) const SHIPPED: &str = include_str!("CN.yaml");
/// The calendar that is meant where nothing else is said.
pub(super) const USUAL: &str = "CN";
/// Days in one range; a longer one is a slip of the year.
const RANGE: i32 = 366;
/// Entries of `off` or `work`: a century of holidays.
const ENTRIES: usize = 2_000;

/// What a calendar says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) zone: Option<TimeZone>,
    /// Its name and where it stands.
    pub(super) base: Option<(String, At)>,
    pub(super) week: Option<Week>,
    pub(super) days: BTreeMap<Date, (Day, At)>,
    pub(super) years: BTreeSet<i16>,
    /// Something in it was told to be wrong: what is missing may be in there.
    pub(super) vague: bool,
}

/// What a day is that is not as its weekday says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Day {
    Off,
    /// An ordinary working day: the hours of the first weekday that has any.
    Ordinary,
    /// As a weekday, Monday 0.
    As(usize),
    Hours(Vec<Interval>),
}

/// The calendars that are shipped, by their names.
pub(super) fn shipped() -> BTreeMap<String, Plan> {
    let sink = Sink::default(); // a test sees that nothing goes into it
    let root = root(&sink);
    root.entries().iter().map(|e| (e.key.clone(), plan(&e.value, &sink))).collect()
}

fn root(sink: &Sink) -> Node {
    let text = Text::new("CN.yaml".into(), SHIPPED, false);
    let root = tree::read(&text, 0, sink).ok().and_then(|(node, _)| node);
    root.unwrap_or_else(|| Node::broken(At::default()))
}

/// What a calendar says of itself; what is wrong in it goes to the sink.
pub(super) fn plan(node: &Node, sink: &Sink) -> Plan {
    let mut plan = Plan {
        zone: node.text_at("zone").and_then(|z| TimeZone::get(z).ok()),
        base: node.get("base").and_then(|b| Some((b.text()?.to_owned(), b.at))),
        ..Plan::default()
    };
    let before = sink.len();
    if let Some(hours) = node.get("hours") {
        plan.week = week(hours, sink);
        plan.vague = plan.week.is_none();
    }
    let years = node.get("years").map(Node::one_or_more).unwrap_or_default();
    plan.years = years.iter().filter_map(|y| i16::try_from(scalar::count(y)?).ok()).collect();
    for list in ["off", "work"].iter().filter_map(|key| node.get(key)) {
        if list.items().len().max(list.entries().len()) > ENTRIES {
            sink.say(list.at, &t::TOO_MANY_DAYS, [ENTRIES.to_string().into()]);
            return Plan { vague: true, ..plan };
        }
    }
    plan.days = days(node, sink);
    plan.vague |= sink.len() > before;
    plan
}

/// The days that are not as their weekday says.
fn days(node: &Node, sink: &Sink) -> BTreeMap<Date, (Day, At)> {
    let mut days = BTreeMap::new();
    for one in node.get("off").map(Node::one_or_more).unwrap_or_default() {
        for date in dates(one.at, one.text(), sink) {
            days.insert(date, (Day::Off, one.at));
        }
    }
    if let Some(work) = node.get("work") {
        let ordinary = if work.entries().is_empty() { work.one_or_more() } else { &[] };
        let listed = ordinary.iter().map(|one| (one.at, one.text(), Some(Day::Ordinary)));
        let own = work.entries().iter().map(|e| (e.at, Some(e.key.as_str()), day(e, sink)));
        for (at, text, day) in listed.chain(own) {
            for date in dates(at, text, sink) {
                if let (Some((Day::Off, off)), true) = (days.get(&date), day.is_some()) {
                    let problem = Problem::new(at, t::DAY_BOTH.with([date.to_string().into()]));
                    sink.add(problem.also(*off, t::FIRST_HERE.with([])));
                    break; // of a range that lies in another, once
                }
                if let (Some((_, first)), Some(Day::As(_) | Day::Hours(_))) = (days.get(&date), &day) {
                    let problem = Problem::new(at, t::HOURS_TWICE.with([date.to_string().into()]));
                    sink.add(problem.also(*first, t::FIRST_HERE.with([])));
                    break;
                }
                if let Some(day) = &day {
                    days.insert(date, (day.clone(), at));
                }
            }
        }
    }
    days
}

/// The hours of a day of its own, or the weekday whose hours it has.
fn day(entry: &Entry, sink: &Sink) -> Option<Day> {
    let node = &entry.value;
    match node.text().map(|text| (text, hours::interval(text))) {
        Some((text, None)) => match hours::weekdays(text).as_deref() {
            Some([day]) => Some(Day::As(*day)),
            _ => {
                let problem =
                    Problem::new(node.at, t::EXPECTED.with([t::K_HOURS.with([]).into(), format!("`{text:.40}`").into()]));
                sink.add(problem.help(t::WEEKDAY_HELP.with([])));
                None
            }
        },
        _ => Some(Day::Hours(intervals(node, sink)?)),
    }
}

/// The hours of the week: those of Monday to Friday, or by weekday. `None`: something in them was told.
fn week(node: &Node, sink: &Sink) -> Option<Week> {
    let (mut week, mut sound) = (Week::default(), true);
    if !matches!(node.kind, Kind::Map(_)) {
        let hours = intervals(node, sink)?;
        week.iter_mut().take(5).for_each(|day| day.clone_from(&hours));
        return Some(week);
    }
    let mut given: [Option<At>; 7] = [None; 7];
    for entry in node.entries() {
        let Some(days) = hours::weekdays(&entry.key) else {
            let problem = Problem::new(entry.at, t::NOT_A_WEEKDAY.with([entry.key.as_str().into()]));
            sink.add(problem.help(t::WEEKDAY_HELP.with([])));
            sound = false;
            continue;
        };
        let hours = intervals(&entry.value, sink);
        sound &= hours.is_some();
        let hours = hours.unwrap_or_default();
        for day in days {
            if let Some(first) = given[day] {
                let problem = Problem::new(entry.at, t::HOURS_TWICE.with([weekday(day)]));
                sink.add(problem.also(first, t::FIRST_HERE.with([])));
                break;
            }
            given[day] = Some(entry.at);
            week[day].clone_from(&hours);
        }
    }
    sound.then_some(week)
}

/// A weekday in both languages.
fn weekday(day: usize) -> super::problem::Arg {
    let words = [
        ("Monday", "周一"),
        ("Tuesday", "周二"),
        ("Wednesday", "周三"),
        ("Thursday", "周四"),
        ("Friday", "周五"),
        ("Saturday", "周六"),
        ("Sunday", "周日"),
    ];
    words.get(day).map_or_else(|| "".into(), |(en, zh)| super::problem::Said::Word(en, zh).into())
}

/// Hours of one day, in order. `None`: something in them was told.
fn intervals(node: &Node, sink: &Sink) -> Option<Vec<Interval>> {
    let mut found: Vec<(Interval, &Node)> = Vec::new();
    let mut sound = true;
    for one in node.one_or_more() {
        let Some((text, interval)) = one.text().and_then(|text| Some((text, hours::interval(text)?))) else {
            sound = false; // its shape was told
            continue;
        };
        if interval.to <= interval.from {
            let problem = Problem::new(one.at, t::HOURS_REVERSED.with([text.into()]));
            sink.add(problem.help(t::OVERNIGHT_HELP.with([])));
            sound = false;
            continue;
        }
        let clash = found.iter().find(|(other, _)| interval.from < other.to && other.from < interval.to);
        if let Some((_, other)) = clash {
            let problem = Problem::new(one.at, t::HOURS_OVERLAP.with([text.into(), other.text().unwrap_or_default().into()]));
            sink.add(problem.also(other.at, t::FIRST_HERE.with([])));
            sound = false;
            continue;
        }
        found.push((interval, one));
    }
    found.sort_by_key(|(interval, _)| *interval);
    sound.then(|| found.into_iter().map(|(interval, _)| interval).collect())
}

/// The days of `2026-10-01` or `2026-10-01..2026-10-07`; none where that cannot be.
fn dates(at: At, text: Option<&str>, sink: &Sink) -> Vec<Date> {
    let Some((text, (first, last))) = text.map(|text| (text, hours::days(text))).and_then(|(text, days)| Some((text, days?)))
    else {
        if let Some(text) = text {
            let problem = t::EXPECTED.with([t::K_DAYS.with([]).into(), format!("`{text:.40}`").into()]);
            sink.add(Problem::new(at, problem));
        }
        return Vec::new();
    };
    let (Some(from), Some(to)) = (hours::date(first), hours::date(last)) else {
        let missing = if hours::date(first).is_none() { first } else { last };
        sink.say(at, &t::NO_SUCH_DAY, [missing.into()]);
        return Vec::new();
    };
    if to < from {
        sink.say(at, &t::DAYS_REVERSED, [text.into()]);
        return Vec::new();
    }
    if from.until(to).is_ok_and(|span| span.get_days() >= RANGE) {
        sink.say(at, &t::DAYS_LONG, [text.into(), RANGE.to_string().into()]);
        return Vec::new();
    }
    from.series(jiff::Span::new().days(1)).take_while(|date| *date <= to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{grammar, table};

    #[test]
    fn what_is_shipped_reads_without_a_word() {
        let sink = Sink::default();
        let root = root(&sink);
        for entry in root.entries() {
            grammar::check(&entry.value, &grammar::Shape::Keys(&table::calendar::CALENDAR), &[], &sink);
            let plan = plan(&entry.value, &sink);
            assert!(!plan.vague && plan.week.is_some(), "{}", entry.key);
        }
        let said: Vec<_> = sink.take().iter().map(|p| p.message(crate::config::Lang::En)).collect();
        assert!(said.is_empty(), "{said:?}");
    }

    #[test]
    fn the_holidays_of_china() {
        let cn = &shipped()[USUAL];
        let weekend = |date: &Date| date.weekday().to_monday_zero_offset() >= 5;
        for (year, off, work) in [(2025, 28, 5), (2026, 33, 6)] {
            let of =
                |day: Day| cn.days.iter().filter(move |(date, (d, _))| date.year() == year && *d == day).map(|(date, _)| *date);
            let (free, made_up): (Vec<Date>, Vec<Date>) = (of(Day::Off).collect(), of(Day::Ordinary).collect());
            assert_eq!((free.len(), made_up.len()), (off, work), "{year}");
            assert!(made_up.iter().all(weekend), "{year}: a make-up workday that is a workday anyway");
            // 365 days, 104 of weekends, 13 of public holidays: 248 working days, in both years.
            let lost = free.iter().filter(|date| !weekend(date)).count();
            assert_eq!(261 - lost + made_up.len(), 248, "{year}");
        }
    }
}
