//! Names that a rule gives to values: `let:`. Each is worked out when it is first asked for, once, as of the event's time and on
//! what there was when it arrived, so that actions see what the condition saw.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::decide::{Arrived, Deciding};
use super::expression::Expr;
use super::scope::Stop;
use super::state::Need;
use super::value::Value;
use super::view::View;
use super::window::{self, Function, Window};

/// One name and what it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Let {
    /// The name.
    pub name: String,
    /// What it stands for; may use the names before it.
    pub is: Bound,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// What is read from a window.
    Window(Arc<Window>, Function),
    /// A computed value.
    Value(Expr),
}

/// As it is explained: `count page.viewed within 7d`, `= spent / views`.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(window, function) => write!(f, "{} {window}", function.word()),
            Self::Value(expr) => write!(f, "= {}", expr.source()),
        }
    }
}

/// The names of the rule that is decided, and what is known of them already.
#[derive(Default)]
pub(super) struct Lets<'a> {
    list: &'a [Let],
    known: RefCell<HashMap<usize, Result<Value, String>>>,
}

/// What a name stood for, for whoever asks why.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub is: String,
    /// Its value, or why there is none.
    pub value: Result<Value, String>,
    /// A window that is not complete: what happened before is not in it.
    pub complete_since: Option<Timestamp>,
}

impl<'a> Lets<'a> {
    pub(super) fn new(list: &'a [Let]) -> Self {
        Self { list, known: RefCell::default() }
    }

    /// Whether it gives no names at all.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The value of a name; `None`: there is no such name.
    pub(super) fn value(&self, draft: &Deciding<'_>, arrived: &Arrived<'_>, name: &str) -> Option<Result<Value, Stop>> {
        let place = self.list.iter().position(|l| l.name == name)?;
        if let Some(known) = self.known.borrow().get(&place) {
            return Some(known.clone().map_err(Stop::Unevaluable));
        }
        let found = match &self.list[place].is {
            Bound::Window(window, function) => window::value(draft, arrived, window, *function),
            Bound::Value(expr) => expr.eval(&View::on_arrival(draft, arrived)),
        };
        let found = found.map_err(|stop| match stop {
            Stop::Unevaluable(why) if !why.starts_with(name) => Stop::Unevaluable(format!("{name}: {why}")),
            other => other,
        });
        match &found {
            Ok(value) => drop(self.known.borrow_mut().insert(place, Ok(value.clone()))),
            Err(Stop::Unevaluable(why)) => drop(self.known.borrow_mut().insert(place, Err(why.clone()))),
            Err(Stop::Need(_)) => {}
        }
        Some(found)
    }
}

/// What each name stands for on this event.
pub(super) fn explain(draft: &Deciding<'_>, arrived: &Arrived<'_>) -> Result<Vec<Told>, Need> {
    let mut all = Vec::new();
    for one in arrived.lets.list {
        let value = match arrived.lets.value(draft, arrived, &one.name) {
            Some(Ok(value)) => Ok(value),
            Some(Err(Stop::Unevaluable(why))) => Err(why),
            Some(Err(Stop::Need(need))) => return Err(need),
            None => continue,
        };
        let complete_since = match &one.is {
            Bound::Window(window, _) => window::complete_since(draft, &window.id)?,
            Bound::Value(_) => None,
        };
        all.push(Told { name: one.name.clone(), is: one.is.to_string(), value, complete_since });
    }
    Ok(all)
}
