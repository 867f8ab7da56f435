//! What names mean while a condition or template is evaluated: the record's fields, `event.x`, `old.x`, references followed.

use std::borrow::Cow;

use jiff::Zoned;

use super::calendar::Calendar;
use super::expression::{Kind, Steps};
use super::state::Need;
use super::value::Value;

/// Why an evaluation did not come to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A value must be loaded first; then ask again.
    Need(Need),
    /// It cannot be evaluated, for this reason in words: `amount is missing`, `division by zero`. The rule does neither
    /// `then` nor `else`; the log says why.
    Unevaluable(String),
}

impl From<Need> for Stop {
    fn from(need: Need) -> Self {
        Self::Need(need)
    }
}

/// The names in force where an expression stands.
pub trait Scope {
    /// The value of a dotted name: `["amount"]`, `["event", "page"]`, `["old", "stage"]`, `["owner", "manager"]`.
    /// What is not there is null; the names were checked at load.
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop>;

    /// The value of a dotted name where it lies at hand: what [`Scope::name`] says, sooner. Nothing: ask that.
    fn at_hand(&self, _path: &[String]) -> Option<&Value> {
        None
    }

    /// The time of the decision, in the zone of the definitions.
    fn now(&self) -> Zoned;

    /// What stands in a table's row of that key, in that column; nothing where there is none.
    fn lookup(&self, _table: &str, _key: &Value, _column: &str) -> Value {
        Value::Null
    }

    /// Whether this event changed the field.
    fn changed(&self, field: &str) -> bool;

    /// Where one item of a list is looked at: what has been done so far for items, which is bounded.
    fn steps(&self) -> Option<&Steps> {
        None
    }

    /// The calendar of that name; without a name, the one that is meant here. `None`: there is none.
    fn calendar(&self, _name: Option<&str>) -> Option<&Calendar> {
        None
    }
}

/// The names that may stand where an expression stands, for checking it at load.
///
/// `None` from [`Names::problem`] means the name is fine.
pub trait Names {
    /// What is wrong with a dotted name, with the nearest right one where there is one.
    fn problem(&self, path: &[String]) -> Option<Unknown>;

    /// What a name always stands for, if it is there; [`Kind::Any`] unless that is certain.
    fn kind(&self, _path: &[String]) -> Kind {
        Kind::Any
    }

    /// Told of every use of a calendar, by its name or, without one, of the one that is meant then: what is wrong with the
    /// name, with the nearest right one where there is one.
    fn calendar(&self, _name: Option<&str>) -> Option<Unknown> {
        None
    }
}

/// A name that means nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The part of the path that is unknown, from 0.
    pub part: usize,
    /// The nearest right name.
    pub nearest: Option<String>,
}
