//! The functions of conditions that measure working time. Which calendar is meant, the scope says; a name written out was
//! checked at load.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::arithmetic::unfit;
use super::library::Which;
use super::node::{Evaluated, Node, instant};
use crate::engine::calendar::Calendar;
use crate::engine::scope::{Scope, Stop};
use crate::engine::value::Value;

/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;

/// The value of such a function. A time that is missing gives no time and no number, and is neither open nor a workday.
pub(super) fn call<'a>(which: Which, arguments: &'a [Node], scope: &'a dyn Scope) -> Evaluated<'a> {
    let calendar = calendar(which.calendar().and_then(|n| arguments.get(n)), scope)?;
    let value = match (which, arguments) {
        (Which::WorkingHoursBetween, [a, b, ..]) => match (instant(a, scope)?, instant(b, scope)?) {
            (Some(a), Some(b)) => hours(calendar.between(a, b).ok_or_else(far)?)?,
            _ => Value::Null,
        },
        (Which::AddWorkingHours, [time, hours, ..]) => match (instant(time, scope)?, duration(hours, scope)?) {
            (Some(time), Some(work)) => Value::Time(calendar.add(time, work).ok_or_else(far)?),
            _ => Value::Null,
        },
        (Which::NextOpening, _) => match moment(arguments.first(), scope)? {
            Some(time) => Value::Time(calendar.next_opening(time).ok_or_else(far)?),
            None => Value::Null,
        },
        (Which::IsWorkday, _) => Value::Bool(day(arguments.first(), calendar, scope)?.is_some_and(|d| calendar.is_workday(d))),
        _ => Value::Bool(moment(arguments.first(), scope)?.is_some_and(|t| calendar.is_open(t))),
    };
    Ok(Cow::Owned(value))
}

/// The calendar of that name; where none is named, the one that is meant here.
fn calendar<'a>(named: Option<&'a Node>, scope: &'a dyn Scope) -> Result<&'a Calendar, Stop> {
    let Some(node) = named else {
        return scope.calendar(None).ok_or_else(|| Stop::Unevaluable("there is no calendar here".into()));
    };
    match node.eval(scope)?.as_ref() {
        Value::Text(name) => {
            scope.calendar(Some(name)).ok_or_else(|| Stop::Unevaluable(format!("there is no calendar {name:.60}")))
        }
        other => Err(unfit(node, other, "the name of a calendar")),
    }
}

/// The time of an argument, or now where there is none.
fn moment(argument: Option<&Node>, scope: &dyn Scope) -> Result<Option<Timestamp>, Stop> {
    match argument {
        Some(node) => instant(node, scope),
        None => Ok(Some(scope.now().timestamp())),
    }
}

/// The day of an argument: a date is itself, a time the day that it is where the calendar is.
fn day(argument: Option<&Node>, calendar: &Calendar, scope: &dyn Scope) -> Result<Option<Date>, Stop> {
    if let Some(node) = argument
        && let Value::Text(text) = node.eval(scope)?.as_ref()
        && text.len() == 10
        && let Ok(date) = text.parse::<Date>()
    {
        return Ok(Some(date));
    }
    Ok(moment(argument, scope)?.map(|t| calendar.date(t)))
}

/// So many hours, to the nanosecond.
fn duration(node: &Node, scope: &dyn Scope) -> Result<Option<SignedDuration>, Stop> {
    match node.eval(scope)?.as_ref() {
        Value::Null => Ok(None),
        Value::Number(hours) => {
            let nanos = hours.checked_mul(Decimal::from(HOUR)).and_then(|n| n.round().to_i128()).ok_or_else(far)?;
            Ok(Some(SignedDuration::from_nanos(i64::try_from(nanos).map_err(|_| far())?)))
        }
        other => Err(unfit(node, other, "a number")),
    }
}

fn hours(time: SignedDuration) -> Result<Value, Stop> {
    let seconds = Decimal::try_from_i128_with_scale(time.as_nanos(), 9).map_err(|_| far())?;
    seconds.checked_div(Decimal::from(3_600)).map(|h| Value::Number(h.normalize())).ok_or_else(far)
}

fn far() -> Stop {
    Stop::Unevaluable("the time is further away than the calendar reaches".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::calendar::tests::cn_2026;
    use crate::engine::expression::{Expr, Fault, FaultKind};
    use crate::engine::scope::{Names, Unknown};

    /// 2026-09-24 16:00, a Thursday; the calendar of DOMAIN.md under two names.
    struct Office(Calendar);

    impl Scope for Office {
        fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
            Ok(Cow::Owned(match path[0].as_str() {
                "owner_at" => Value::Time("2026-09-24T16:00:00+08:00".parse().unwrap()),
                "which" => "客服".into(),
                _ => Value::Null,
            }))
        }
        fn now(&self) -> jiff::Zoned {
            "2026-09-24T16:00+08:00[Asia/Shanghai]".parse().unwrap()
        }
        fn changed(&self, _: &str) -> bool {
            false
        }
        fn calendar(&self, name: Option<&str>) -> Option<&Calendar> {
            matches!(name, None | Some("客服")).then_some(&self.0)
        }
    }

    #[track_caller]
    fn check(source: &str, expect: &str) {
        let office = Office(cn_2026());
        let value = match Expr::parse(source).unwrap().eval(&office) {
            Ok(Value::Time(t)) => t.to_zoned(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()).datetime().to_string(),
            Ok(value) => value.to_string(),
            Err(Stop::Unevaluable(why)) => format!("? {why}"),
            Err(Stop::Need(need)) => format!("{need:?}"),
        };
        assert_eq!(value, expect, "{source}");
    }

    #[test]
    fn working_time_in_conditions() {
        check("add_working_hours(owner_at, 8)", "2026-09-28T16:00:00");
        check("add_working_hours('2026-09-30 17:40', 0.5, '客服')", "2026-10-08T09:10:00");
        check("add_working_hours('2026-09-28 16:00', -8)", "2026-09-24T16:00:00");
        check("working_hours_between(owner_at, '2026-09-28 16:00')", "8");
        check("working_hours_between('2026-10-08 10:00', '2026-10-08 15:30')", "4.5");
        check("working_hours_between('2026-10-08 15:00', '2026-10-08 10:00', which)", "-4");
        check("working_hours_between(owner_at, now()) >= 8", "false");
        check("is_working_time()", "true");
        check("is_working_time('2026-09-24 12:30') or is_working_time('2026-10-01 10:00')", "false");
        check("next_opening('2026-09-30 18:00')", "2026-10-08T09:00:00");
        check("next_opening()", "2026-09-24T16:00:00");
        check("is_workday() and is_workday('2026-10-10') and is_workday('2026-09-20', '客服')", "true");
        check("is_workday('2026-10-01') or is_workday('2026-10-11')", "false");
        // The day of a time is the day that it is where the calendar is: 09-24 18:00 UTC is the 25th, a holiday.
        check("is_workday('2026-09-24T18:00:00Z')", "false");
    }

    #[test]
    fn what_is_missing_or_unfit() {
        check("working_hours_between(missing, now())", "");
        check("add_working_hours(owner_at, missing)", "");
        check("next_opening(missing)", "");
        check("is_working_time(missing) or is_workday(missing)", "false");
        check("is_workday(now(), '仓库')", "? there is no calendar 仓库");
        check("add_working_hours(now(), 100000)", "? the time is further away than the calendar reaches");
        check("add_working_hours(now(), 99999999999999999999)", "? the time is further away than the calendar reaches");
        check("working_hours_between('1800-01-01', now())", "? the time is further away than the calendar reaches");
    }

    struct Known;

    impl Names for Known {
        fn problem(&self, _: &[String]) -> Option<Unknown> {
            None
        }
        fn calendar(&self, name: Option<&str>) -> Option<Unknown> {
            name.filter(|n| *n != "客服").map(|_| Unknown { part: 0, nearest: Some("客服".into()) })
        }
    }

    #[test]
    fn a_calendar_that_is_written_out_is_known_at_load() {
        let faults = |source: &str| Expr::parse(source).unwrap().check(&Known);
        assert!(faults("is_workday(now(), '客服') and is_workday() and is_workday(now(), which)").is_empty());
        let kind = FaultKind::UnknownCalendar { name: "客户".into(), nearest: Some("客服".into()) };
        assert_eq!(faults("next_opening(a, '客户') > a"), vec![Fault { at: 16..20, kind }]);
    }
}
