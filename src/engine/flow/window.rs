//! The hours in which a flow's messages may leave: on working days where it names a calendar, in the contact's zone where it says so.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::engine::definition::Window;
use crate::engine::scope::{Scope as _, Stop};
use crate::engine::view::View;

/// Days that are looked ahead for one on which it opens: longer than any holiday.
const MOST_DAYS: i32 = 60;

/// When the window is open next: now, if it is.
pub(super) fn opens(window: &Window, view: &View<'_>, now: Timestamp) -> Result<Timestamp, Stop> {
    let zone = match &window.zone {
        Some(zone) => {
            let name = zone.eval(view)?;
            match name.as_text().filter(|n| !n.is_empty()) {
                Some(name) => TimeZone::get(name).map_err(|_| Stop::Unevaluable(format!("there is no time zone {name}")))?,
                None => view.now().time_zone().clone(),
            }
        }
        None => view.now().time_zone().clone(),
    };
    let calendar = match &window.calendar {
        Some(name) => {
            let there = view.calendar(Some(name));
            Some(there.ok_or_else(|| Stop::Unevaluable(format!("there is no calendar {name}")))?)
        }
        None => None,
    };
    let today = now.to_zoned(zone.clone()).date();
    // Yesterday's window may reach past midnight.
    for n in -1..MOST_DAYS {
        let Ok(day) = today.checked_add(n.days()) else { continue };
        if calendar.is_some_and(|c| !c.is_workday(day)) {
            continue;
        }
        let over = window.to <= window.from;
        let Ok(last) = day.checked_add(i32::from(over).days()) else { continue };
        let at = |date, time| zone.to_timestamp(DateTime::from_parts(date, time)).ok();
        let (Some(from), Some(to)) = (at(day, window.from), at(last, window.to)) else { continue };
        if now < to {
            return Ok(now.max(from));
        }
    }
    Err(Stop::Unevaluable(format!("the window does not open within {MOST_DAYS} days")))
}
