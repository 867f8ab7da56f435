//! Dates and times. Days, weeks and months are those of the calendar in the zone of the decision, or of the zone that is named;
//! a day is kept as text (`2026-09-21`), as date fields keep it. Reads no clock: now is the scope's.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{RoundMode, Span, Timestamp, ToSpan, Unit, Zoned, ZonedRound};
use rust_decimal::Decimal;

use super::call::{Call, made, nothing, out_of_range, stop, text};
use super::{Function, Run, rows};
use crate::engine::entity;
use crate::engine::expression::fault::{FaultKind, Wanted};
use crate::engine::expression::node::Evaluated;
use crate::engine::scope::Stop;
use crate::engine::value::Value;

pub(super) const ROWS: &[Function] = rows! {
    Timed(Run(date)) "date" 1..=2 "date(time[, zone])"
        "the day as text such as 2026-09-21; missing if it does not read as a time" "日期文本,如 2026-09-21;读不出则缺失" "date(created_at) == '2026-09-01'"
        [Time, Text -> Date];
    Timed(Run(instant)) "time" 1..=1 "time(text)"
        "the instant that a text reads as; missing if it reads as none" "把文本读作时刻;读不出则缺失" "time('2026-09-01 09:30') <= created_at"
        [Time -> Time];
    Timed(Run(year)) "year" 1..=2 "year(time[, zone])" "its year" "年" "year(created_at) == 2026" [Time, Text -> Number];
    Timed(Run(quarter)) "quarter" 1..=2 "quarter(time[, zone])" "1 to 4" "季度,1 到 4" "quarter(created_at) == 3" [Time, Text -> Number];
    Timed(Run(month)) "month" 1..=2 "month(time[, zone])" "1 to 12" "月,1 到 12" "month(today()) == 9" [Time, Text -> Number];
    Timed(Run(week)) "week" 1..=2 "week(time[, zone])"
        "the week of the year by ISO 8601, 1 to 53" "一年中的第几周(ISO 8601),1 到 53" "week('2026-01-05') == 2" [Time, Text -> Number];
    Timed(Run(day)) "day" 1..=2 "day(time[, zone])" "the day of the month" "日" "day(created_at) == 1" [Time, Text -> Number];
    Timed(Run(hour)) "hour" 1..=2 "hour(time[, zone])" "0 to 23" "时,0 到 23" "hour(now(), 'Europe/Berlin') == 4" [Time, Text -> Number];
    Timed(Run(minute)) "minute" 1..=2 "minute(time[, zone])" "0 to 59" "分,0 到 59" "minute(created_at) == 30" [Time, Text -> Number];
    Timed(Run(add)) "add" 2..=2 "add(time, '3 months')"
        "later by `90s 15m 24h 5d 2w 3 months 1 year` or sums of them, earlier with `-` before it; a day stays a day" "加上时长(`90s 15m 24h 5d 2w 3 months 1 year`,可组合,前加 `-` 为减);日期仍为日期"
        "add(due_on, '1 month') == '2026-10-30'" [Time, Text -> Any];
    Timed(Run(minutes_between)) "minutes_between" 2..=2 "minutes_between(from, to)"
        "minutes, with their fraction" "相差的分钟数,带小数" "minutes_between(created_at, now()) > 0" [Time, Time -> Number];
    Timed(Run(hours_between)) "hours_between" 2..=2 "hours_between(from, to)"
        "hours, with their fraction" "相差的小时数,带小数" "hours_between('2026-09-01 09:00', created_at) == 0.5" [Time, Time -> Number];
    Timed(Run(days_between)) "days_between" 2..=2 "days_between(from, to)"
        "whole days from date to date" "两个日期相差的天数" "days_between(today(), due_on) == 10" [Time, Time -> Number];
    Timed(Run(months_between)) "months_between" 2..=2 "months_between(from, to)"
        "full months" "满几个月" "months_between('2026-06-20', today()) == 3" [Time, Time -> Number];
    Timed(Run(years_between)) "years_between" 2..=2 "years_between(from, to)"
        "full years, as ages are counted" "满几年,如周岁" "years_between('1990-09-20', today()) == 36" [Time, Time -> Number];
    Timed(Run(start_of)) "start_of" 2..=3 "start_of(time, 'month'[, zone])"
        "the start of its `hour day week month quarter year`; weeks begin on Monday, a day stays a day" "所在 `hour day week month quarter year` 的开始;一周从周一开始,日期仍为日期"
        "start_of(due_on, 'month') == '2026-09-01'" [Time, Text, Text -> Any];
    Timed(Run(end_of)) "end_of" 2..=3 "end_of(time, 'month'[, zone])"
        "the last instant of it; of a day the last day" "所在周期的最后一刻;日期则为最后一天" "end_of(due_on, 'quarter') == '2026-09-30'" [Time, Text, Text -> Any];
    Timed(Run(format_time)) "format_time" 2..=3 "format_time(time, '%Y年%m月%d日'[, zone])"
        "as text: `%Y %m %d %H %M %S`, `%a` the weekday; `%-m` without a zero" "写成文本:`%Y %m %d %H %M %S`,`%a` 为星期;`%-m` 不补零"
        "format_time(created_at, '%Y年%-m月%-d日') == '2026年9月1日'" [Time, Text, Text -> Text];
    Timed(Run(in_zone)) "in_zone" 2..=2 "in_zone(time, 'America/New_York')"
        "what clocks show there, as text such as 2026-09-21 09:30" "该时区的当地时间文本,如 2026-09-21 09:30" "in_zone(created_at, 'UTC') == '2026-09-01 01:30'"
        [Time, Text -> Text];
    Timed(Run(unix)) "unix" 1..=1 "unix(time)" "seconds since 1970" "1970 年以来的秒数" "unix(created_at) > 1700000000" [Time -> Number];
};

/// The time an argument is, in the zone of the decision or in that of another argument. `None`: one of them is missing.
pub(in crate::engine::expression) fn zoned(call: &Call<'_>, n: usize, zone: usize) -> Result<Option<Zoned>, Stop> {
    let Some(at) = call.instant(n)? else { return Ok(None) };
    if !call.has(zone) {
        return Ok(Some(at.to_zoned(call.scope.now().time_zone().clone())));
    }
    let Some(name) = call.text(zone)? else { return Ok(None) };
    let zone = zone_of(&name).ok_or_else(|| stop(format!("`{name:.40}` is no time zone")))?;
    Ok(Some(at.to_zoned(zone)))
}

/// The IANA zone of a name.
fn zone_of(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

fn part<'a>(call: &Call<'a>, of: fn(&Zoned) -> i64) -> Evaluated<'a> {
    zoned(call, 0, 1)?.map_or_else(nothing, |t| made(of(&t)))
}

fn year<'a>(call: &Call<'a>) -> Evaluated<'a> {
    part(call, |t| i64::from(t.year()))
}
fn quarter<'a>(call: &Call<'a>) -> Evaluated<'a> {
    part(call, |t| i64::from((t.month() - 1) / 3 + 1))
}
fn month<'a>(call: &Call<'a>) -> Evaluated<'a> {
    part(call, |t| i64::from(t.month()))
}
fn week<'a>(call: &Call<'a>) -> Evaluated<'a> {
    part(call, |t| i64::from(t.date().iso_week_date().week()))
}
fn day<'a>(call: &Call<'a>) -> Evaluated<'a> {
    part(call, |t| i64::from(t.day()))
}
fn hour<'a>(call: &Call<'a>) -> Evaluated<'a> {
    part(call, |t| i64::from(t.hour()))
}
fn minute<'a>(call: &Call<'a>) -> Evaluated<'a> {
    part(call, |t| i64::from(t.minute()))
}

fn date<'a>(call: &Call<'a>) -> Evaluated<'a> {
    if unreadable(call)? {
        return nothing();
    }
    zoned(call, 0, 1)?.map_or_else(nothing, |t| made(t.date().to_string()))
}

fn instant<'a>(call: &Call<'a>) -> Evaluated<'a> {
    if unreadable(call)? {
        return nothing();
    }
    call.instant(0)?.map_or_else(nothing, made)
}

/// Whether the first argument is text that does not read as a time.
fn unreadable(call: &Call<'_>) -> Result<bool, Stop> {
    let value = call.value(0)?;
    Ok(matches!(value.as_ref(), Value::Text(_)) && entity::time(&value, call.scope.now().time_zone()).is_none())
}

fn unix<'a>(call: &Call<'a>) -> Evaluated<'a> {
    call.instant(0)?.map_or_else(nothing, |t| made(t.as_second()))
}

/// The day that a text is, and nothing more than a day.
fn only_day(value: &Value) -> Option<Date> {
    value.as_text().map(str::trim).filter(|t| t.len() == 10)?.parse().ok()
}

fn add<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (value, Some(length)) = (call.value(0)?, call.text(1)?) else { return nothing() };
    let span = span(&length).ok_or_else(|| stop(format!("`{length:.40}` is no duration such as `3 months`")))?;
    if let Some(day) = only_day(&value).filter(|_| whole_days(&span)) {
        return day.checked_add(span).map_or_else(|_| Err(out_of_range()), |d| made(d.to_string()));
    }
    let Some(from) = zoned(call, 0, usize::MAX)? else { return nothing() };
    from.checked_add(span).map_or_else(|_| Err(out_of_range()), |t| made(t.timestamp()))
}

fn whole_days(span: &Span) -> bool {
    span.get_hours() == 0 && span.get_minutes() == 0 && span.get_seconds() == 0
}

/// Reads `90s 15m 24h 5d 2w 3 months 1 year`, sums of them, and the same with `-` before it. Days and longer are the calendar's.
fn span(source: &str) -> Option<Span> {
    let source = source.trim();
    let (negative, mut rest) = source.strip_prefix('-').map_or((false, source), |rest| (true, rest.trim_start()));
    let mut span = Span::new();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|n| *n > 0)?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].trim_start();
        let end = unit.find(|c: char| !c.is_alphabetic()).unwrap_or(unit.len());
        span = match &unit[..end] {
            "s" | "second" | "seconds" | "秒" => span.try_seconds(number.checked_add(span.get_seconds())?),
            "m" | "min" | "minute" | "minutes" | "分钟" => span.try_minutes(number.checked_add(span.get_minutes())?),
            "h" | "hour" | "hours" | "小时" => span.try_hours(number.checked_add(i64::from(span.get_hours()))?),
            "d" | "day" | "days" | "天" => span.try_days(number.checked_add(i64::from(span.get_days()))?),
            "w" | "week" | "weeks" | "周" => span.try_weeks(number.checked_add(i64::from(span.get_weeks()))?),
            "month" | "months" | "个月" => span.try_months(number.checked_add(i64::from(span.get_months()))?),
            "quarter" | "quarters" | "季度" => {
                span.try_months(number.checked_mul(3)?.checked_add(i64::from(span.get_months()))?)
            }
            "y" | "year" | "years" | "年" => span.try_years(number.checked_add(i64::from(span.get_years()))?),
            _ => return None,
        }
        .ok()?;
        rest = unit[end..].trim_start();
    }
    Some(if negative { span.negate() } else { span })
}

fn nanos(call: &Call<'_>) -> Result<Option<Decimal>, Stop> {
    let (Some(from), Some(to)) = (call.instant(0)?, call.instant(1)?) else { return Ok(None) };
    Decimal::try_from_i128_with_scale(to.duration_since(from).as_nanos(), 9).map(Some).map_err(|_| out_of_range())
}

fn units<'a>(call: &Call<'a>, seconds: i64) -> Evaluated<'a> {
    let Some(gone) = nanos(call)? else { return nothing() };
    gone.checked_div(Decimal::from(seconds)).map_or_else(|| Err(out_of_range()), |n| made(n.normalize()))
}

fn minutes_between<'a>(call: &Call<'a>) -> Evaluated<'a> {
    units(call, 60)
}

fn hours_between<'a>(call: &Call<'a>) -> Evaluated<'a> {
    units(call, 3_600)
}

fn dates<'a>(call: &Call<'a>, largest: Unit, of: fn(&Span) -> i64) -> Evaluated<'a> {
    let (Some(from), Some(to)) = (zoned(call, 0, usize::MAX)?, zoned(call, 1, usize::MAX)?) else { return nothing() };
    from.date().until((largest, to.date())).map_or_else(|_| Err(out_of_range()), |span| made(of(&span)))
}

fn days_between<'a>(call: &Call<'a>) -> Evaluated<'a> {
    dates(call, Unit::Day, |s| i64::from(s.get_days()))
}

fn months_between<'a>(call: &Call<'a>) -> Evaluated<'a> {
    dates(call, Unit::Month, |s| i64::from(s.get_months()))
}

fn years_between<'a>(call: &Call<'a>) -> Evaluated<'a> {
    dates(call, Unit::Year, |s| i64::from(s.get_years()))
}

/// What of a calendar begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Period {
    /// Their words.
    const WORDS: [&str; 6] = ["hour", "day", "week", "month", "quarter", "year"];

    fn of(word: &str) -> Option<Self> {
        let all = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];
        Self::WORDS.iter().position(|w| *w == word).map(|n| all[n])
    }

    /// The first day of it.
    fn first(self, day: Date) -> Option<Date> {
        let first = match self {
            Self::Hour | Self::Day => Ok(day),
            Self::Week => day.checked_sub(i64::from(day.weekday().since(Weekday::Monday)).days()),
            Self::Month => Ok(day.first_of_month()),
            Self::Quarter => Date::new(day.year(), (day.month() - 1) / 3 * 3 + 1, 1),
            Self::Year => Ok(day.first_of_year()),
        };
        first.ok()
    }

    fn length(self) -> Span {
        match self {
            Self::Hour => 1.hour(),
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
            Self::Quarter => 3.months(),
            Self::Year => 1.year(),
        }
    }

    fn starts(self, at: &Zoned) -> Option<Zoned> {
        if self == Self::Hour {
            return at.round(ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc)).ok();
        }
        self.first(at.date())?.to_zoned(at.time_zone().clone()).ok()
    }

    fn ends(self, at: &Zoned) -> Option<Timestamp> {
        let next = match self {
            Self::Hour => self.starts(at)?.checked_add(self.length()).ok()?,
            _ => self.first(at.date())?.checked_add(self.length()).ok()?.to_zoned(at.time_zone().clone()).ok()?,
        };
        next.timestamp().checked_sub(1.nanosecond()).ok()
    }
}

fn period(call: &Call<'_>) -> Result<Option<Period>, Stop> {
    let Some(word) = call.text(1)? else { return Ok(None) };
    let period = Period::of(&word);
    period.map(Some).ok_or_else(|| stop(format!("`{word:.40}` is none of {}", Period::WORDS.join(", "))))
}

fn start_of<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(period) = period(call)? else { return nothing() };
    if let Some(day) = only_day(&*call.value(0)?).filter(|_| period != Period::Hour) {
        return period.first(day).map_or_else(|| Err(out_of_range()), |d| made(d.to_string()));
    }
    let Some(at) = zoned(call, 0, 2)? else { return nothing() };
    period.starts(&at).map_or_else(|| Err(out_of_range()), |t| made(t.timestamp()))
}

fn end_of<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(period) = period(call)? else { return nothing() };
    if let Some(day) = only_day(&*call.value(0)?).filter(|_| period != Period::Hour) {
        let last = period.first(day).and_then(|d| d.checked_add(period.length()).ok()?.yesterday().ok());
        return last.map_or_else(|| Err(out_of_range()), |d| made(d.to_string()));
    }
    let Some(at) = zoned(call, 0, 2)? else { return nothing() };
    period.ends(&at).map_or_else(|| Err(out_of_range()), made)
}

fn format_time<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(format) = call.text(1)? else { return nothing() };
    let Some(at) = zoned(call, 0, 2)? else { return nothing() };
    let written = jiff::fmt::strtime::format(format.as_ref(), &at);
    written.map_or_else(|_| Err(stop(format!("`{format:.40}` is no form for a time"))), text)
}

/// What is wrong with a text written out as an argument, if it must be one of a few or of a form.
pub(in crate::engine::expression) fn unfit(function: &str, n: usize, found: &str) -> Option<FaultKind> {
    let wanted = match (function, n) {
        ("add", 1) => span(found).is_none().then_some(Wanted::Duration),
        ("start_of" | "end_of", 1) => Period::of(found).is_none().then_some(Wanted::Period),
        ("format_time", 1) => form_problem(found).map(|reason| Wanted::Form { reason }),
        ("year" | "quarter" | "month" | "week" | "day" | "hour" | "minute" | "date" | "weekday" | "in_zone", 1)
        | ("start_of" | "end_of" | "format_time", 2) => zone_of(found).is_none().then_some(Wanted::Zone),
        _ => None,
    };
    wanted.map(|wanted| FaultKind::Written { found: found.chars().take(40).collect(), wanted })
}

/// What a form for times lacks, in words.
fn form_problem(form: &str) -> Option<String> {
    let at = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(form, &at).err().map(|e| {
        let said = e.to_string();
        said.rsplit(": ").next().unwrap_or(&said).to_owned()
    })
}

fn in_zone<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(at) = zoned(call, 0, 1)? else { return nothing() };
    jiff::fmt::strtime::format("%Y-%m-%d %H:%M", &at).map_or_else(|_| Err(out_of_range()), text)
}
