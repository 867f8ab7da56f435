//! Whether the calendars that something goes by know their holidays for long enough.

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use super::super::words::{Lang, Words as _};
use super::Findings;
use crate::config::Loaded;
use crate::engine::calendar::Calendar;

/// Holidays must be known for so many days: next year's are announced by then.
const AHEAD: i32 = 60;

/// Tells of each calendar that is used; one that follows no list of holidays has nothing to tell.
pub(super) fn calendars(loaded: &Loaded, now: Timestamp, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let lang = found.lang;
    let what = lang.pick("calendar", "工作日历");
    for id in &loaded.definitions.calendars_used {
        let Some(calendar) = loaded.definitions.calendars.get(id) else { continue };
        let (today, Some(last)) = (calendar.date(now), last(calendar, calendar.date(now))) else { continue };
        let text = told(lang, id, last);
        if far(today, last) {
            found.well(what, text)?;
            continue;
        }
        let year = last.year() + 1;
        let todo = lang.pick(
            format!("add the holidays of {year} to the calendar `{id}`: `years`, `off`, `work`; until then days of that year are as their weekdays say"),
            format!("为工作日历 `{id}` 补充 {year} 年的节假日(`years`、`off`、`work`);在此之前,该年按星期几计算"),
        );
        found.wrong(what, text, todo)?;
    }
    Ok(())
}

/// Whether there is time enough.
fn far(today: Date, last: Date) -> bool {
    today.checked_add(Span::new().days(AHEAD)).is_ok_and(|ahead| ahead <= last)
}

fn told(lang: Lang, id: &str, last: Date) -> String {
    lang.pick(format!("{id}: holidays known until {last}"), format!("{id}:节假日已知至 {last}"))
}

/// The last day from which back to today all holidays are known; yesterday's year's end where today's are not.
fn last(calendar: &Calendar, today: Date) -> Option<Date> {
    let years = calendar.covered()?;
    let mut year = today.year();
    while years.contains(&year) {
        year += 1;
    }
    Date::new(year - 1, 12, 31).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::engine::calendar::{Interval, Week};

    #[test]
    fn until_when_holidays_are_known() {
        let week: Week = std::array::from_fn(|_| vec![Interval { from: 540, to: 1_080 }]);
        let calendar = |years: Option<&[i16]>| {
            let covered = years.map(|y| y.iter().copied().collect::<BTreeSet<_>>());
            Calendar::new(TimeZone::UTC, week.clone(), BTreeMap::new(), covered).unwrap()
        };
        for (years, expect) in [
            (Some(&[2025, 2026, 2027][..]), Some(date(2027, 12, 31))),
            (Some(&[2026, 2028]), Some(date(2026, 12, 31))), // a gap ends it
            (Some(&[2024, 2025]), Some(date(2025, 12, 31))),
            (None, None),
        ] {
            assert_eq!(last(&calendar(years), date(2026, 11, 22)), expect, "{years:?}");
        }
        let end = date(2026, 12, 31);
        assert!(far(date(2026, 11, 1), end) && !far(date(2026, 11, 2), end) && !far(date(2027, 1, 1), end));
    }
}
