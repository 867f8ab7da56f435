//! Values on their way into a template and onto the page. Whole numbers go in as integers, others as floats so that they can be
//! compared and calculated with; the decimal each float came from is remembered, so that it is printed with its own digits.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Zoned;
use minijinja::value::{Object, ValueKind};
use minijinja::{Error, Output, State, Value as Shown, escape_formatter};
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use super::{MAX_OUTPUT, read};
use crate::engine::expression::Name;
use crate::engine::scope::{Scope, Stop};
use crate::engine::value::Value;

/// Items of a list that are written: more is no message any more.
const MAX_ITEMS: usize = 100_000;
/// How times are written.
const TIME: &str = "%Y-%m-%d %H:%M";
/// The variable under which filters find what was loaded; no template can write it.
const ITSELF: &str = "ifthen loaded";

/// The values of a template's names.
#[derive(Debug)]
pub(super) struct Loaded {
    values: Vec<Shown>,
    decimals: HashMap<u64, Decimal>,
    pub(super) now: Zoned,
}

impl Loaded {
    /// Looks every name up once.
    pub(super) fn new(names: &[Name], scope: &dyn Scope) -> Result<Self, Stop> {
        let mut loaded = Self { values: Vec::with_capacity(names.len()), decimals: HashMap::new(), now: scope.now() };
        let mut known: HashMap<&[String], Shown> = HashMap::new();
        for name in names {
            let value = match known.get(name.path.as_slice()) {
                Some(value) => value.clone(),
                None => loaded.show(scope.name(&name.path)?.as_ref()),
            };
            known.insert(&name.path, value.clone());
            loaded.values.push(value);
        }
        Ok(loaded)
    }

    fn show(&mut self, value: &Value) -> Shown {
        match value {
            Value::Null => Shown::UNDEFINED,
            Value::Bool(b) => Shown::from(*b),
            Value::Number(n) if n.scale() == 0 => match n.to_i64() {
                Some(n) => Shown::from(n),
                None => Shown::from(n.mantissa()),
            },
            Value::Number(n) => {
                let float = n.to_f64().unwrap_or_default();
                let known = self.decimals.entry(float.to_bits()).or_insert(*n);
                // Another decimal that shares the float, or its digits (0.10 beside 0.1): printed as what it is, as text.
                if known.to_string() == n.to_string() { Shown::from(float) } else { Shown::from(n.to_string()) }
            }
            Value::Text(t) => Shown::from(t.as_str()),
            Value::Time(t) => Shown::from(t.to_zoned(self.now.time_zone().clone()).strftime(TIME).to_string()),
            Value::List(items) => Shown::from(items.iter().map(|i| self.show(i)).collect::<Vec<_>>()),
            Value::Map(members) => {
                Shown::from(members.iter().map(|(k, v)| (k.clone(), self.show(v))).collect::<BTreeMap<_, _>>())
            }
        }
    }

    /// The decimal that a number is.
    pub(super) fn decimal(&self, value: &Shown) -> Option<Decimal> {
        if value.kind() != ValueKind::Number {
            return None;
        }
        if value.is_integer() {
            return Decimal::from_i128(i128::try_from(value.clone()).ok()?);
        }
        let float = f64::try_from(value.clone()).ok()?;
        self.decimals.get(&float.to_bits()).copied().or_else(|| Decimal::from_f64(float).map(|n| n.normalize()))
    }

    /// As a person reads it; lists are joined with `, `.
    pub(super) fn text<'v>(&self, value: &'v Shown) -> Result<Cow<'v, str>, Error> {
        Ok(match value.kind() {
            ValueKind::Undefined | ValueKind::None => Cow::Borrowed(""),
            ValueKind::Bool => Cow::Borrowed(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => Cow::Owned(self.decimal(value).map_or_else(|| value.to_string(), |n| n.to_string())),
            ValueKind::Seq | ValueKind::Iterable => Cow::Owned(self.joined(value, ", ")?),
            ValueKind::Map => Cow::Owned(self.json(value)?.to_string()),
            _ => match value.as_str() {
                Some(text) => Cow::Borrowed(text),
                None => Cow::Owned(value.to_string()),
            },
        })
    }

    /// The items of a list with something between them.
    pub(super) fn joined(&self, list: &Shown, between: &str) -> Result<String, Error> {
        let mut text = String::new();
        for (n, item) in list.try_iter()?.enumerate() {
            if n > 0 {
                text.push_str(between);
            }
            text.push_str(&self.text(&item)?);
            if text.len() > MAX_OUTPUT || n > MAX_ITEMS {
                return Err(Error::new(minijinja::ErrorKind::InvalidOperation, "a list is too long to be written"));
            }
        }
        Ok(text)
    }

    /// The value as JSON with exact numbers.
    pub(super) fn json(&self, value: &Shown) -> Result<serde_json::Value, Error> {
        use serde_json::Value as Json;
        Ok(match value.kind() {
            ValueKind::Undefined | ValueKind::None => Json::Null,
            ValueKind::Bool => Json::Bool(value.is_true()),
            ValueKind::Number => self.text(value)?.parse().map_or(Json::Null, Json::Number),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.take(MAX_ITEMS + 1).map(|i| self.json(&i)).collect::<Result<Vec<_>, _>>()?;
                if items.len() > MAX_ITEMS {
                    return Err(Error::new(minijinja::ErrorKind::InvalidOperation, "a list is too long to be written"));
                }
                Json::Array(items)
            }
            ValueKind::Map => {
                let member = |key: Shown| Ok((self.text(&key)?.into_owned(), self.json(&value.get_item(&key)?)?));
                Json::Object(value.try_iter()?.map(member).collect::<Result<_, Error>>()?)
            }
            _ => Json::String(self.text(value)?.into_owned()),
        })
    }
}

impl Object for Loaded {
    fn get_value(self: &Arc<Self>, key: &Shown) -> Option<Shown> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Shown> {
        if key == ITSELF {
            return Some(Shown::from_dyn_object(self.clone()));
        }
        self.values.get(read::variable(key)?).cloned()
    }
}

/// What was loaded for this text.
pub(super) fn loaded(state: &State<'_, '_>) -> Result<Arc<Loaded>, Error> {
    let found = state.lookup(ITSELF).and_then(|v| v.downcast_object::<Loaded>());
    found.ok_or_else(|| Error::new(minijinja::ErrorKind::InvalidOperation, "nothing was loaded"))
}

/// Writes a value onto the page, escaped where the template is HTML.
pub(super) fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Shown) -> Result<(), Error> {
    if value.as_str().is_some() {
        return escape_formatter(out, state, value);
    }
    let text = loaded(state)?.text(value)?.into_owned();
    escape_formatter(out, state, &Shown::from(text))
}
