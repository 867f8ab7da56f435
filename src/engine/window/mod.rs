//! Windows: what happened to somebody within a time, counted and summed as it happens.
//!
//! An event of time e counts at t while `e <= t < e + within`, where t is the time of the event that is decided (`at`, not when we
//! learnt of it); the event itself counts, since windows are fed before anything is woken. Months go by the calendar in the zone
//! of the definitions: `3 months` from November 30th end on February 28th (29th) at the same time of day. Of several events of one
//! time the order is that of their numbers, whether a window was fed with them, filled, or united with another.
//!
//! Reading order: here what a window is, `kept` what is kept of it, `feed` how events get in and age out, `fill` how a new
//! one is filled from history. Architecture invariant: no value is ever found by reading events; as of a time of which it is not
//! all known what counted, since it aged out too long ago, none is told.

mod feed;
mod fill;
pub mod kept;
mod merged;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(super) use feed::{due, feed, value};
pub use fill::{Book, Fill, Life};
pub(super) use fill::{complete_since, defined, fill_slice, forget_slice};
pub(super) use merged::{is_filling, merged, unmerged, weight};

use self::kept::reach::Reach;
use super::definition::Definitions;
use super::expression::Expr;
use super::span::Span;
use super::trigger::glob;
use super::value::Value;

/// The beginning of the name of the events that say that something aged out; the window's id follows.
pub const AGED: &str = "ifthen.aged.";
/// Longest text that is kept as a value, and longest subject, in bytes.
pub const MAX_TEXT: usize = 256;

/// A window: which events count, for whom, for how long. What is read from it is [`Function`]; windows that are alike are one.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Made from all that follows: another window has another.
    pub id: String,
    /// Names of the events that count; may hold `*`.
    pub event: String,
    /// Must hold for an event to count.
    pub filter: Option<Expr>,
    /// The value that is kept of each.
    pub of: Option<Expr>,
    /// What that value must be.
    pub keeps: Keeps,
    /// For how long.
    pub within: Span,
    /// For whom; none: the event's record.
    pub by: Option<Expr>,
    /// Some rule waits for something to age out.
    pub awaited: bool,
}

/// What is kept of each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Only that it happened.
    Times,
    /// A number: `sum`, `avg`.
    Numbers,
    /// A number or a time: `min`, `max`.
    Ordered,
    /// Any value that is no list or object: `distinct`, `first`, `last`.
    Any,
}

impl Keeps {
    /// The stable word of it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Times => "times",
            Self::Numbers => "numbers",
            Self::Ordered => "ordered",
            Self::Any => "any",
        }
    }

    /// Why a value cannot be kept beside another; in words that go behind `event.amount `.
    fn unfit(self, value: &Value, other: Option<&Value>) -> Option<String> {
        let expected = match (self, value) {
            (_, Value::Null) => return Some("is missing".into()),
            (_, Value::Text(t)) if t.len() > MAX_TEXT => return Some(format!("is longer than {MAX_TEXT} bytes")),
            (Self::Numbers, Value::Number(_)) => return None,
            (Self::Numbers, _) => "a number",
            (Self::Ordered, Value::Number(_) | Value::Time(_)) => match other {
                Some(other) if other.kind() != value.kind() => other.kind(),
                _ => return None,
            },
            (Self::Ordered, _) => "a number or a time",
            (Self::Any | Self::Times, Value::List(_) | Value::Map(_)) => "a text, a number or a time",
            (Self::Any | Self::Times, _) => return None,
        };
        Some(format!("is {}, {expected} expected", value.kind()))
    }
}

/// What is read from a window; closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// How many.
    Count,
    /// All of them together; 0 when there are none.
    Sum,
    /// Their average; nothing when there are none.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// How many different ones.
    Distinct,
    /// The earliest; of several at one time the one that came first.
    First,
    /// The latest; of several at one time the one that came last.
    Last,
}

impl Function {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 8] = [
        ("count", Self::Count),
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("min", Self::Min),
        ("max", Self::Max),
        ("distinct", Self::Distinct),
        ("first", Self::First),
        ("last", Self::Last),
    ];

    /// Its name in YAML.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, f)| *f == self).map_or("", |(word, _)| word)
    }

    /// What a window must keep for it.
    pub fn keeps(self) -> Keeps {
        match self {
            Self::Count => Keeps::Times,
            Self::Sum | Self::Avg => Keeps::Numbers,
            Self::Min | Self::Max => Keeps::Ordered,
            Self::Distinct | Self::First | Self::Last => Keeps::Any,
        }
    }
}

impl Window {
    /// The name of the event that says that something of it aged out.
    pub fn aged(&self) -> String {
        format!("{AGED}{}", self.id)
    }

    fn reach<'a>(&'a self, definitions: &'a Definitions) -> Reach<'a> {
        Reach { within: &self.within, zone: &definitions.zone.0 }
    }
}

/// Without what is read from it: `page.viewed where event.page == 'A产品' within 7d`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.event)?;
        for (word, expr) in [("of", &self.of), ("where", &self.filter), ("by", &self.by)] {
            if let Some(expr) = expr {
                write!(f, " {word} {}", expr.source())?;
            }
        }
        write!(f, " within {}", self.within)
    }
}

/// The windows of the definitions, each once, found by the events that feed them.
#[derive(Debug, Clone, Default)]
pub struct Windows {
    all: BTreeMap<String, Arc<Window>>,
    exact: BTreeMap<String, Vec<Arc<Window>>>,
    globs: Vec<Arc<Window>>,
}

impl Windows {
    /// Gathers and indexes them.
    pub fn new<'a>(windows: impl Iterator<Item = &'a Arc<Window>>) -> Self {
        let mut index = Self::default();
        for window in windows {
            index.all.entry(window.id.clone()).or_insert_with(|| Arc::clone(window));
        }
        for window in index.all.values() {
            if window.event.contains('*') {
                index.globs.push(Arc::clone(window));
            } else {
                index.exact.entry(window.event.clone()).or_default().push(Arc::clone(window));
            }
        }
        index
    }

    /// All of them, in the order of their ids.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Window>> {
        self.all.values()
    }

    /// The window of this id.
    pub fn find(&self, id: &str) -> Option<&Arc<Window>> {
        self.all.get(id)
    }

    /// Those that events of this name feed. What ages out feeds nothing.
    fn fed_by(&self, name: &str) -> impl Iterator<Item = &Arc<Window>> {
        let exact = self.exact.get(name).into_iter().flatten();
        let own = name.starts_with(AGED);
        exact.chain(self.globs.iter().filter(move |w| !own && glob(&w.event, name)))
    }
}
