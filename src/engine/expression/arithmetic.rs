//! How values compare and calculate: numbers as numbers, text by characters, times also with text that reads as a time.
//! A missing value equals nothing, not even another missing one, and has no order.

use std::cmp::Ordering;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::library::call::MAX_TEXT;
use super::node::Node;
use crate::engine::entity;
use crate::engine::scope::{Scope, Stop};
use crate::engine::value::Value;

/// Beyond this every power but those of 0, 1 and -1 is out of range.
const MAX_EXPONENT: i64 = 100_000;

/// An operator on numbers; `+` also joins texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

fn stop(reason: impl Into<String>) -> Stop {
    Stop::Unevaluable(reason.into())
}

/// `amount is missing`
pub(super) fn missing(node: &Node) -> Stop {
    stop(match node.first_name() {
        Some(name) => format!("{name} is missing"),
        None => "a value is missing".to_owned(),
    })
}

/// `amount is a number, text expected`
pub(super) fn unfit(node: &Node, value: &Value, expected: &str) -> Stop {
    if *value == Value::Null { missing(node) } else { stop(format!("{node} is {}, {expected} expected", value.kind())) }
}

/// Whether two values are the same. Without a scope, text is not read as a time.
pub(super) fn equal(a: &Value, b: &Value, scope: Option<&dyn Scope>) -> bool {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Time(t), Value::Text(x)) | (Value::Text(x), Value::Time(t)) => {
            scope.is_some_and(|s| time(x, s.now().time_zone()) == Some(*t))
        }
        (a, b) => a == b,
    }
}

fn time(text: &str, zone: &TimeZone) -> Option<jiff::Timestamp> {
    entity::time(&Value::Text(text.to_owned()), zone)
}

/// Whether the comparison holds.
pub(super) fn compare(by: Comparison, nodes: [&Node; 2], a: &Value, b: &Value, scope: &dyn Scope) -> Result<bool, Stop> {
    match by {
        Comparison::Eq => return Ok(equal(a, b, Some(scope))),
        Comparison::Ne => return Ok(!equal(a, b, Some(scope))),
        _ => {}
    }
    let order = order(nodes, a, b, scope)?;
    Ok(match by {
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn order(nodes: [&Node; 2], a: &Value, b: &Value, scope: &dyn Scope) -> Result<Ordering, Stop> {
    let read = |text: &str, node: &Node| {
        time(text, scope.now().time_zone()).ok_or_else(|| stop(format!("{node} is text that does not read as a time")))
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Ok(a.cmp(b)),
        (Value::Time(a), Value::Text(b)) => Ok(a.cmp(&read(b, nodes[1])?)),
        (Value::Text(a), Value::Time(b)) => Ok(read(a, nodes[0])?.cmp(b)),
        (Value::Null, _) => Err(missing(nodes[0])),
        (_, Value::Null) => Err(missing(nodes[1])),
        (a, b) => Err(stop(format!("{} is {}, {} is {}: neither is before the other", nodes[0], a.kind(), nodes[1], b.kind()))),
    }
}

/// The result of an operator; what cannot be told exactly is rounded to 28 digits.
pub(super) fn sum(by: Sum, nodes: [&Node; 2], a: &Value, b: &Value) -> Result<Value, Stop> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number(by, *a, *b).map(Value::Number),
        (Value::Text(a), Value::Text(b)) if by == Sum::Add && a.len() + b.len() > MAX_TEXT => {
            Err(stop(format!("the text would be longer than {} KiB", MAX_TEXT / 1024)))
        }
        (Value::Text(a), Value::Text(b)) if by == Sum::Add => Ok(Value::Text(format!("{a}{b}"))),
        (Value::Null, _) => Err(missing(nodes[0])),
        (_, Value::Null) => Err(missing(nodes[1])),
        (a, b) if by == Sum::Add => {
            Err(stop(format!("{} is {}, {} is {}: `+` takes two numbers or two texts", nodes[0], a.kind(), nodes[1], b.kind())))
        }
        (Value::Number(_), b) => Err(unfit(nodes[1], b, "a number")),
        (a, _) => Err(unfit(nodes[0], a, "a number")),
    }
}

fn number(by: Sum, a: Decimal, b: Decimal) -> Result<Decimal, Stop> {
    if b.is_zero() && matches!(by, Sum::Div | Sum::Rem) {
        return Err(stop("division by zero"));
    }
    let result = match by {
        Sum::Add => a.checked_add(b),
        Sum::Sub => a.checked_sub(b),
        Sum::Mul => a.checked_mul(b),
        // Division fills up with zeros: 10 / 4 is 2.5, not 2.50.
        Sum::Div => a.checked_div(b).map(|n| n.normalize()),
        Sum::Rem => a.checked_rem(b),
        Sum::Pow => return power(a, b),
    };
    result.ok_or_else(out_of_range)
}

fn out_of_range() -> Stop {
    stop("the result is out of range")
}

fn power(base: Decimal, exponent: Decimal) -> Result<Decimal, Stop> {
    if !exponent.is_integer() {
        return Err(stop("the exponent of `^` is not a whole number"));
    }
    let exponent = i64::try_from(exponent.normalize()).ok().filter(|e| e.abs() <= MAX_EXPONENT).ok_or_else(out_of_range)?;
    let (mut result, mut square, mut left) = (Decimal::ONE, base, exponent.unsigned_abs());
    while left > 0 {
        if left & 1 == 1 {
            result = result.checked_mul(square).ok_or_else(out_of_range)?;
        }
        left >>= 1;
        if left > 0 {
            square = square.checked_mul(square).ok_or_else(out_of_range)?;
        }
    }
    match exponent {
        0.. => Ok(result),
        _ if result.is_zero() => Err(stop(if base.is_zero() { "division by zero" } else { "the result is out of range" })),
        _ => Decimal::ONE.checked_div(result).map(|n| n.normalize()).ok_or_else(out_of_range),
    }
}
