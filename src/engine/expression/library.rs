//! The functions of conditions: one table for parsing, for hints and for the documentation, and what each does.

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::arithmetic::{equal, unfit};
use super::node::{Evaluated, Node, instant};
use super::working;
use crate::engine::scope::{Scope, Stop};
use crate::engine::value::Value;

/// One function, as the documentation shows it.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// With its arguments; those in brackets may be left out.
    pub signature: &'static str,
    /// What it says, in English.
    pub english: &'static str,
    /// What it says, in Chinese.
    pub chinese: &'static str,
    /// A condition that uses it.
    pub example: &'static str,
    /// At least so many arguments.
    pub least: usize,
    /// At most so many.
    pub most: usize,
    pub(super) which: Which,
}

/// Every function, in the order of the documentation.
pub fn library() -> &'static [Function] {
    LIBRARY
}

/// The function of that name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    LIBRARY.iter().find(|f| f.name == name)
}

/// What people who come from other languages write.
const ELSEWHERE: [(&str, &str); 16] = [
    ("length", "len"),
    ("size", "len"),
    ("count", "len"),
    ("is_null", "is_empty"),
    ("isblank", "is_empty"),
    ("empty", "is_empty"),
    ("includes", "contains"),
    ("has", "contains"),
    ("like", "matches"),
    ("regex", "matches"),
    ("match", "matches"),
    ("coalesce", "default"),
    ("ifnull", "default"),
    ("iif", "if"),
    ("tolower", "lower"),
    ("toupper", "upper"),
];

/// The nearest function to a name that is none.
pub(super) fn suggest(name: &str) -> Option<&'static str> {
    // `name.contains('x')`: the last part is what was meant.
    let word = name.rsplit('.').next().unwrap_or(name);
    let plain = word.to_lowercase();
    ELSEWHERE
        .iter()
        .find(|(there, _)| *there == plain)
        .map(|(_, here)| *here)
        .or_else(|| find(&plain).map(|f| f.name))
        .or_else(|| super::nearest(word, LIBRARY.iter().map(|f| f.name)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    In,
    IsEmpty,
    Default,
    If,
    Lower,
    Upper,
    Len,
    DaysSince,
    HoursSince,
    Now,
    Today,
    Weekday,
    WorkingHoursBetween,
    AddWorkingHours,
    IsWorkingTime,
    IsWorkday,
    NextOpening,
    Changed,
    Lookup,
}

impl Which {
    /// Whether equal arguments always give the same value.
    pub(super) fn is_constant(self) -> bool {
        !matches!(
            self,
            Self::DaysSince | Self::HoursSince | Self::Now | Self::Today | Self::Weekday | Self::Changed | Self::Lookup
        ) && self.calendar().is_none()
    }

    /// Whether it comes to true or false.
    pub(super) fn holds(self) -> bool {
        matches!(
            self,
            Self::Contains | Self::StartsWith | Self::EndsWith | Self::Matches | Self::In | Self::IsEmpty | Self::Changed
        ) || matches!(self, Self::IsWorkingTime | Self::IsWorkday)
    }

    /// Which argument names a calendar, where one may.
    pub(super) fn calendar(self) -> Option<usize> {
        match self {
            Self::WorkingHoursBetween | Self::AddWorkingHours => Some(2),
            Self::IsWorkingTime | Self::IsWorkday | Self::NextOpening => Some(1),
            _ => None,
        }
    }
}

macro_rules! library {
    ($($which:ident $name:literal $least:literal..=$most:literal $signature:literal $english:literal $chinese:literal $example:literal;)*) => {
        &[$(Function {
            name: $name, signature: $signature, english: $english, chinese: $chinese, example: $example,
            least: $least, most: $most, which: Which::$which,
        }),*]
    };
}

const LIBRARY: &[Function] = library! {
    Contains "contains" 2..=2 "contains(x, part)"
        "the text has this part, or the list has this item" "文本包含这一部分,或列表包含这一项" "contains(tags, 'VIP')";
    StartsWith "starts_with" 2..=2 "starts_with(text, part)"
        "the text begins with this" "文本以此开头" "starts_with(mobile, '+86')";
    EndsWith "ends_with" 2..=2 "ends_with(text, part)"
        "the text ends with this" "文本以此结尾" "ends_with(email, '@example.com')";
    Matches "matches" 2..=2 "matches(text, 'pattern')"
        "the regular expression is found in the text; ^ and $ tie it to the ends" "文本中能找到该正则表达式;用 ^ 和 $ 限定首尾"
        "matches(name, '^[张李]')";
    In "in" 2..=2 "x in ('A', 'B')"
        "the value is one of these, or one of a list field's; also `not in`" "值是其中之一,也可以是列表字段;还有 `not in`" "level in ('A', 'B')";
    IsEmpty "is_empty" 1..=1 "is_empty(x)"
        "nothing is there: no value, blank text, an empty list" "没有值、空白文本或空列表" "is_empty(owner)";
    Default "default" 2..=2 "default(x, other)"
        "the value, or the other where the first is empty" "取值,为空时取后者" "default(score, 0) > 10";
    If "if" 3..=3 "if(condition, a, b)"
        "a where the condition holds, else b" "条件成立取 a,否则取 b" "amount > if(level == 'A', 1000, 5000)";
    Lower "lower" 1..=1 "lower(text)" "in small letters" "转为小写" "lower(country) == 'cn'";
    Upper "upper" 1..=1 "upper(text)" "in capital letters" "转为大写" "upper(code) == 'VIP'";
    Len "len" 1..=1 "len(x)"
        "how many characters a text has, or items a list" "文本的字数或列表的项数" "len(name) >= 2";
    DaysSince "days_since" 1..=1 "days_since(time)"
        "days since then, with their fraction; negative in the future" "距今天数,带小数;未来为负" "days_since(last_follow_up) > 7";
    HoursSince "hours_since" 1..=1 "hours_since(time)"
        "hours since then, with their fraction" "距今小时数,带小数" "hours_since(owner_at) >= 24";
    Now "now" 0..=0 "now()" "the time of the decision" "当前时刻" "starts_at < now()";
    Today "today" 0..=0 "today()" "today's date as 2026-09-21" "今天的日期,如 2026-09-21" "due_on <= today()";
    Weekday "weekday" 0..=1 "weekday([time])"
        "1 Monday to 7 Sunday, of today or of a time" "星期几,1 为周一、7 为周日;可给出时间" "weekday() in (6, 7)";
    WorkingHoursBetween "working_hours_between" 2..=3 "working_hours_between(a, b [, 'calendar'])"
        "the working time from a to b in hours, with their fraction; negative where b is the earlier" "从 a 到 b 的工作时间,以小时计,带小数;b 较早时为负"
        "working_hours_between(owner_at, now()) >= 8";
    AddWorkingHours "add_working_hours" 2..=3 "add_working_hours(time, hours [, 'calendar'])"
        "the instant so many working hours later, or earlier for a negative number" "若干工作小时之后的时刻;负数则为之前"
        "add_working_hours(owner_at, 8) <= now()";
    IsWorkingTime "is_working_time" 0..=2 "is_working_time([time [, 'calendar']])"
        "the calendar is open now, or at a time" "当前(或某时刻)是否在工作时间内" "is_working_time()";
    IsWorkday "is_workday" 0..=2 "is_workday([time [, 'calendar']])"
        "anybody works today, or on the day of a time or date; make-up workdays count, holidays do not"
        "今天(或某时刻、某日期)是否工作日,含调休上班日,不含节假日" "is_workday(due_on)";
    NextOpening "next_opening" 0..=2 "next_opening([time [, 'calendar']])"
        "the first instant from now, or from a time, at which the calendar is open" "从现在(或某时刻)起最近的工作时刻"
        "next_opening(starts_at) > starts_at";
    Changed "changed" 1..=1 "changed(field)"
        "this event changed the field" "本事件改动了该字段" "changed(stage)";
    Lookup "lookup" 3..=3 "lookup('table', key, 'column')"
        "what stands in the column of the table's row of that key" "表中该键所在行的这一列" "lookup('区域', city, '负责人') == owner";
};

/// The value of a function whose arguments are all evaluated. A missing text gives a missing result, or false.
pub(super) fn call<'a>(which: Which, arguments: &'a [Node], scope: &'a dyn Scope) -> Evaluated<'a> {
    let argument = |n: usize| arguments.get(n).map_or(Ok(Cow::Owned(Value::Null)), |a| a.eval(scope));
    let bool = |b: bool| Ok(Cow::Owned(Value::Bool(b)));
    match which {
        Which::Contains | Which::StartsWith | Which::EndsWith => {
            part(which, arguments, argument(0)?.as_ref(), argument(1)?.as_ref()).and_then(bool)
        }
        Which::IsEmpty => bool(argument(0)?.is_empty()),
        Which::Default => {
            let first = argument(0)?;
            if first.is_empty() { argument(1) } else { Ok(first) }
        }
        Which::Lower | Which::Upper | Which::Len => measure(which, &arguments[0], argument(0)?.as_ref()).map(Cow::Owned),
        Which::DaysSince => since(&arguments[0], scope, 86_400),
        Which::HoursSince => since(&arguments[0], scope, 3_600),
        Which::Now => Ok(Cow::Owned(Value::Time(scope.now().timestamp()))),
        Which::Today => Ok(Cow::Owned(Value::Text(scope.now().date().to_string()))),
        Which::Lookup => {
            let (table, key, column) = (argument(0)?, argument(1)?, argument(2)?);
            let found = scope.lookup(table.as_text().unwrap_or_default(), key.as_ref(), column.as_text().unwrap_or_default());
            Ok(Cow::Owned(found))
        }
        Which::Weekday => weekday(arguments.first(), scope),
        Which::WorkingHoursBetween | Which::AddWorkingHours | Which::IsWorkingTime | Which::IsWorkday | Which::NextOpening => {
            working::call(which, arguments, scope)
        }
        // Compiled to forms of their own.
        Which::Matches | Which::In | Which::If | Which::Changed => Ok(Cow::Owned(Value::Null)),
    }
}

fn part(which: Which, nodes: &[Node], whole: &Value, part: &Value) -> Result<bool, Stop> {
    match (whole, part) {
        (Value::Null, _) | (_, Value::Null) => Ok(false),
        (Value::List(items), item) if which == Which::Contains => Ok(items.iter().any(|i| equal(i, item, None))),
        (Value::Text(whole), Value::Text(part)) => Ok(match which {
            Which::StartsWith => whole.starts_with(part),
            Which::EndsWith => whole.ends_with(part),
            _ => whole.contains(part),
        }),
        (Value::Text(_), other) => Err(unfit(&nodes[1], other, "text")),
        (other, _) => Err(unfit(&nodes[0], other, if which == Which::Contains { "text or a list" } else { "text" })),
    }
}

fn measure(which: Which, node: &Node, value: &Value) -> Result<Value, Stop> {
    Ok(match (which, value) {
        (_, Value::Null) => Value::Null,
        (Which::Lower, Value::Text(t)) => Value::Text(t.to_lowercase()),
        (Which::Upper, Value::Text(t)) => Value::Text(t.to_uppercase()),
        (Which::Len, Value::Text(t)) => Value::from(t.chars().count() as u64),
        (Which::Len, Value::List(l)) => Value::from(l.len() as u64),
        (Which::Len, Value::Map(m)) => Value::from(m.len() as u64),
        (Which::Len, other) => return Err(unfit(node, other, "text or a list")),
        (_, other) => return Err(unfit(node, other, "text")),
    })
}

/// Time gone by in units of so many seconds, to the nanosecond.
fn since<'a>(node: &'a Node, scope: &'a dyn Scope, unit: i64) -> Evaluated<'a> {
    let Some(then) = instant(node, scope)? else { return Ok(Cow::Owned(Value::Null)) };
    let gone = scope.now().timestamp().duration_since(then);
    let nanos = Decimal::try_from_i128_with_scale(gone.as_nanos(), 9).ok();
    let units = nanos.and_then(|seconds| seconds.checked_div(Decimal::from(unit)));
    units.map(|n| Cow::Owned(Value::Number(n.normalize()))).ok_or_else(|| Stop::Unevaluable("the result is out of range".into()))
}

fn weekday<'a>(node: Option<&'a Node>, scope: &'a dyn Scope) -> Evaluated<'a> {
    let now = scope.now();
    let day = match node {
        None => now.weekday(),
        Some(node) => match instant(node, scope)? {
            None => return Ok(Cow::Owned(Value::Null)),
            Some(then) => then.to_zoned(now.time_zone().clone()).weekday(),
        },
    };
    Ok(Cow::Owned(Value::from(i64::from(day.to_monday_one_offset()))))
}
