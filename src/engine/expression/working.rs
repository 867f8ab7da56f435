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
