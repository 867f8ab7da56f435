//! The arguments of a function while it is evaluated, each as what the function wants; and the bounds that hold for all of them.

use std::borrow::Cow;
use std::cell::Cell;

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::engine::expression::arithmetic::unfit;
use crate::engine::expression::node::{Evaluated, Node, instant};
use crate::engine::scope::{Scope, Stop};
use crate::engine::value::Value;

/// Longest text that a function makes, in bytes.
pub(in crate::engine::expression) const MAX_TEXT: usize = 64 * 1024;
/// Longest list that a function makes.
pub(in crate::engine::expression) const MAX_ITEMS: usize = 10_000;
/// Most that a list holds which an expression makes, in bytes.
pub(in crate::engine::expression) const MAX_LIST: usize = 1024 * 1024;
/// What may be done for the items of lists in one evaluation; see [`weight`].
const MAX_STEPS: usize = 100_000;

/// How much has been done for the items of lists, those of lists within them counted too.
#[derive(Debug, Default)]
pub struct Steps(Cell<usize>);

impl Steps {
    /// Notes so many more.
    pub(in crate::engine::expression) fn take(&self, more: usize) -> Result<(), Stop> {
        let taken = self.0.get().saturating_add(more);
        self.0.set(taken);
        if taken > MAX_STEPS { Err(stop("the lists in it are too long to be looked at item by item")) } else { Ok(()) }
    }
}

/// What it costs to look at all of a value, in steps.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Text(t) => t.len() / 256,
        Value::List(l) => l.len() / 8,
        _ => 0,
    }
}

/// What a value holds in memory, in bytes, as far as `most`.
pub(in crate::engine::expression) fn size(value: &Value, most: usize) -> usize {
    let own = size_of::<Value>();
    let mut found = own;
    match value {
        Value::Text(t) => found += t.len(),
        Value::List(items) => {
            for item in items {
                found += size(item, most.saturating_sub(found));
                if found > most {
                    break;
                }
            }
        }
        Value::Map(members) => {
            for (name, item) in members {
                found += name.len() + size(item, most.saturating_sub(found));
                if found > most {
                    break;
                }
            }
        }
        _ => {}
    }
    found
}

/// The arguments of a call.
pub(in crate::engine::expression) struct Call<'a> {
    pub(in crate::engine::expression) nodes: &'a [Node],
    pub(in crate::engine::expression) scope: &'a dyn Scope,
}

impl<'a> Call<'a> {
    /// Whether so many arguments were written.
    pub(super) fn has(&self, n: usize) -> bool {
        n < self.nodes.len()
    }

    /// An argument; missing where it was left out.
    pub(super) fn value(&self, n: usize) -> Evaluated<'a> {
        let Some(node) = self.nodes.get(n) else { return nothing() };
        let value = node.eval(self.scope)?;
        if let Some(steps) = self.scope.steps() {
            steps.take(weight(&value))?;
        }
        Ok(value)
    }

    /// What is wrong with an argument.
    pub(super) fn unfit(&self, n: usize, value: &Value, expected: &str) -> Stop {
        self.nodes.get(n).map_or_else(|| stop("a value is missing"), |node| unfit(node, value, expected))
    }

    /// A text, if it is there.
    pub(super) fn text(&self, n: usize) -> Result<Option<Cow<'a, str>>, Stop> {
        match self.value(n)? {
            Cow::Borrowed(Value::Text(t)) => Ok(Some(Cow::Borrowed(t))),
            Cow::Owned(Value::Text(t)) => Ok(Some(Cow::Owned(t))),
            value if *value == Value::Null => Ok(None),
            other => Err(self.unfit(n, &other, "text")),
        }
    }

    /// A number, if it is there.
    pub(super) fn number(&self, n: usize) -> Result<Option<Decimal>, Stop> {
        match self.value(n)?.as_ref() {
            Value::Number(number) => Ok(Some(*number)),
            Value::Null => Ok(None),
            other => Err(self.unfit(n, other, "a number")),
        }
    }

    /// A whole number, if it is there.
    pub(super) fn whole(&self, n: usize) -> Result<Option<i64>, Stop> {
        let Some(number) = self.number(n)? else { return Ok(None) };
        let whole = number.is_integer().then(|| number.to_i64()).flatten();
        whole.map(Some).ok_or_else(|| self.unfit(n, &Value::Number(number), "a whole number"))
    }

    /// A list, if it is there.
    pub(super) fn list(&self, n: usize) -> Result<Option<Cow<'a, [Value]>>, Stop> {
        match self.value(n)? {
            Cow::Borrowed(Value::List(items)) => Ok(Some(Cow::Borrowed(items))),
            Cow::Owned(Value::List(items)) => Ok(Some(Cow::Owned(items))),
            value if *value == Value::Null => Ok(None),
            other => Err(self.unfit(n, &other, "a list")),
        }
    }

    /// An instant, if it is there; text is read in the zone of the decision.
    pub(super) fn instant(&self, n: usize) -> Result<Option<Timestamp>, Stop> {
        self.nodes.get(n).map_or(Ok(None), |node| instant(node, self.scope))
    }
}

pub(in crate::engine::expression) fn stop(reason: impl Into<String>) -> Stop {
    Stop::Unevaluable(reason.into())
}

/// A missing value.
#[expect(clippy::unnecessary_wraps, reason = "it stands where a function's value stands")]
pub(in crate::engine::expression) fn nothing<'a>() -> Evaluated<'a> {
    Ok(Cow::Owned(Value::Null))
}

/// A value made here.
#[expect(clippy::unnecessary_wraps, reason = "it stands where a function's value stands")]
pub(in crate::engine::expression) fn made<'a>(value: impl Into<Value>) -> Evaluated<'a> {
    Ok(Cow::Owned(value.into()))
}

/// A text made here, unless it is too long.
pub(super) fn text<'a>(text: impl Into<String>) -> Evaluated<'a> {
    let text = text.into();
    fits(text.len())?;
    made(text)
}

/// Whether a text of so many bytes may be made.
pub(super) fn fits(bytes: usize) -> Result<(), Stop> {
    if bytes > MAX_TEXT { Err(stop(format!("the text would be longer than {} KiB", MAX_TEXT / 1024))) } else { Ok(()) }
}

/// A list in the making, within its bounds.
#[derive(Default)]
pub(in crate::engine::expression) struct Gathered {
    items: Vec<Value>,
    bytes: usize,
}

impl Gathered {
    pub(in crate::engine::expression) fn push(&mut self, item: Value) -> Result<(), Stop> {
        self.bytes += size(&item, MAX_LIST);
        if self.items.len() >= MAX_ITEMS || self.bytes > MAX_LIST {
            return Err(stop(format!("the list would be longer than {MAX_ITEMS} items or {} KiB", MAX_LIST / 1024)));
        }
        self.items.push(item);
        Ok(())
    }

    pub(in crate::engine::expression) fn done(self) -> Value {
        Value::List(self.items)
    }
}

pub(super) fn out_of_range() -> Stop {
    stop("the result is out of range")
}
