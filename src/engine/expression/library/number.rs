//! Numbers: rounding as money is rounded (四舍五入, half away from zero), bounds, and numbers out of text.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};

use super::call::{Call, made, nothing, out_of_range, stop, text};
use super::{Function, Run, rows};
use crate::engine::entity::{self, FieldKind};
use crate::engine::expression::node::Evaluated;
use crate::engine::scope::Stop;
use crate::engine::value::Value;

/// How many places to the left and right of the point can be rounded to.
const MAX_DIGITS: i64 = 28;

pub(super) const ROWS: &[Function] = rows! {
    Plain(Run(round)) "round" 1..=2 "round(x[, digits])"
        "rounded, half away from zero as money is; to whole numbers unless digits are given, -2 is to hundreds" "四舍五入,默认取整;-2 表示到百位"
        "round(2.345, 2) == 2.35 and round(-2.5) == -3" [Number, Number -> Number];
    Plain(Run(round_even)) "round_even" 1..=2 "round_even(x[, digits])"
        "rounded, half to the even digit" "四舍六入五成双" "round_even(2.5) == 2" [Number, Number -> Number];
    Plain(Run(floor)) "floor" 1..=1 "floor(x)" "the whole number below" "向下取整" "floor(-1.2) == -2" [Number -> Number];
    Plain(Run(ceil)) "ceil" 1..=1 "ceil(x)" "the whole number above" "向上取整" "ceil(amount / 5000) == 3" [Number -> Number];
    Plain(Run(trunc)) "trunc" 1..=1 "trunc(x)" "without its fraction" "去掉小数部分" "trunc(-1.9) == -1" [Number -> Number];
    Plain(Run(abs)) "abs" 1..=1 "abs(x)" "without its sign" "绝对值" "abs(-3) == 3" [Number -> Number];
    Plain(Run(min)) "min" 1..=32 "min(a, b, …) or min(list)"
        "the least of numbers, texts or times" "最小值,可用于数字、文本或时间,也可给出列表" "min(amount, 500) == 500";
    Plain(Run(max)) "max" 1..=32 "max(a, b, …) or max(list)"
        "the greatest of numbers, texts or times" "最大值,可用于数字、文本或时间,也可给出列表" "max(map(items, item.price)) == 300";
    Plain(Run(clamp)) "clamp" 3..=3 "clamp(x, low, high)"
        "the number, but not below or above these bounds" "限制在上下界之间" "clamp(score, 0, 10) == 10" [Number, Number, Number -> Number];
    Plain(Run(number)) "number" 1..=1 "number(text)"
        "the number that a text reads as: `￥1,234.50`, `22%`; missing if it reads as none" "把文本读作数字,如 `￥1,234.50`、`22%`;读不出则缺失"
        "number('￥1,234.50') == 1234.5" [TextOrNumber -> Number];
    Plain(Run(boolean)) "boolean" 1..=1 "boolean(x)"
        "whether it reads as yes: `是`, `yes`, `1`; missing if it reads as neither" "把 `是`、`yes`、`1` 等读作真,`否`、`no`、`0` 读作假;读不出则缺失"
        "boolean('是')" [Any -> Bool];
    Plain(Run(money)) "money" 1..=1 "money(x)"
        "as text with two digits and commas" "写成带千分位、两位小数的文本" "money(amount) == '12,000.50'" [Number -> Text];
};

fn round<'a>(call: &Call<'a>) -> Evaluated<'a> {
    rounded(call, RoundingStrategy::MidpointAwayFromZero)
}

fn round_even<'a>(call: &Call<'a>) -> Evaluated<'a> {
    rounded(call, RoundingStrategy::MidpointNearestEven)
}

fn rounded<'a>(call: &Call<'a>, how: RoundingStrategy) -> Evaluated<'a> {
    let Some(number) = call.number(0)? else { return nothing() };
    let digits = match call.whole(1)? {
        Some(digits) => digits,
        None if call.has(1) => return nothing(),
        None => 0,
    };
    if digits.abs() > MAX_DIGITS {
        return Err(stop(format!("numbers are rounded to at most {MAX_DIGITS} digits")));
    }
    if let Ok(digits) = u32::try_from(digits) {
        return made(number.round_dp_with_strategy(digits, how));
    }
    let unit =
        (0..digits.unsigned_abs()).try_fold(Decimal::ONE, |unit, _| unit.checked_mul(Decimal::TEN)).ok_or_else(out_of_range)?;
    let units = number.checked_div(unit).ok_or_else(out_of_range)?;
    units.round_dp_with_strategy(0, how).checked_mul(unit).map_or_else(|| Err(out_of_range()), made)
}

fn floor<'a>(call: &Call<'a>) -> Evaluated<'a> {
    call.number(0)?.map_or_else(nothing, |n| made(n.floor()))
}

fn ceil<'a>(call: &Call<'a>) -> Evaluated<'a> {
    call.number(0)?.map_or_else(nothing, |n| made(n.ceil()))
}

fn trunc<'a>(call: &Call<'a>) -> Evaluated<'a> {
    call.number(0)?.map_or_else(nothing, |n| made(n.trunc()))
}

fn abs<'a>(call: &Call<'a>) -> Evaluated<'a> {
    call.number(0)?.map_or_else(nothing, |n| made(n.abs()))
}

fn min<'a>(call: &Call<'a>) -> Evaluated<'a> {
    most(call, Ordering::Less)
}

fn max<'a>(call: &Call<'a>) -> Evaluated<'a> {
    most(call, Ordering::Greater)
}

fn most<'a>(call: &Call<'a>, wanted: Ordering) -> Evaluated<'a> {
    if call.nodes.len() == 1 {
        return match call.value(0)?.as_ref() {
            Value::List(items) => best(items.iter().map(Cow::Borrowed), wanted).map(Cow::Owned),
            Value::Null => nothing(),
            other => Err(call.unfit(0, other, "a list")),
        };
    }
    let all = (0..call.nodes.len()).map(|n| call.value(n)).collect::<Result<Vec<_>, Stop>>()?;
    best(all.into_iter(), wanted).map(Cow::Owned)
}

/// The least or greatest; missing where one of them is missing.
fn best<'v>(values: impl Iterator<Item = Cow<'v, Value>>, wanted: Ordering) -> Result<Value, Stop> {
    let mut found: Option<Cow<'v, Value>> = None;
    for value in values {
        if *value == Value::Null {
            return Ok(Value::Null);
        }
        let better = match &found {
            None => true,
            Some(found) => order(&value, found)? == wanted,
        };
        if better {
            found = Some(value);
        }
    }
    Ok(found.map_or(Value::Null, Cow::into_owned))
}

/// Which of two values of one kind comes first.
pub(super) fn order(a: &Value, b: &Value) -> Result<Ordering, Stop> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Ok(a.cmp(b)),
        (a, b) => Err(stop(format!("{} and {} have no order", a.kind(), b.kind()))),
    }
}

fn clamp<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let (Some(number), Some(low), Some(high)) = (call.number(0)?, call.number(1)?, call.number(2)?) else { return nothing() };
    if low > high {
        return Err(stop("the lower bound is above the upper one"));
    }
    made(number.clamp(low, high))
}

fn number<'a>(call: &Call<'a>) -> Evaluated<'a> {
    match call.value(0)?.into_owned() {
        value @ (Value::Text(_) | Value::Number(_)) => {
            made(entity::normalise(&FieldKind::Percent, value, &TimeZone::UTC).unwrap_or_default())
        }
        Value::Null => nothing(),
        other => Err(call.unfit(0, &other, "text")),
    }
}

fn boolean<'a>(call: &Call<'a>) -> Evaluated<'a> {
    made(entity::normalise(&FieldKind::Boolean, call.value(0)?.into_owned(), &TimeZone::UTC).unwrap_or_default())
}

fn money<'a>(call: &Call<'a>) -> Evaluated<'a> {
    let Some(amount) = call.number(0)? else { return nothing() };
    let rounded = amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    let digits = format!("{:.2}", rounded.abs());
    let (whole, cents) = digits.split_once('.').unwrap_or((&digits, "00"));
    let mut written = String::from(if rounded < Decimal::ZERO { "-" } else { "" });
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    text(written + "." + cents)
}
