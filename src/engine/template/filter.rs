//! The closed list of filters, tests and functions of templates: minijinja's own that cannot take memory without bound, and ours
//! for money, dates, exact text, JSON and URLs. There is no `format`, `indent`, `safe` or `range`.

use std::borrow::Cow;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value as Shown, filters, tests};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rust_decimal::{Decimal, RoundingStrategy};

use super::shown::{loaded, write};
use super::{FUEL, MAX_OUTPUT};
use crate::engine::entity;
use crate::engine::value::Value;

/// What stays as it is in a part of a URL (RFC 3986, unreserved).
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Functions without arguments.
pub(super) const FUNCTIONS: &[&str] = &["now", "today"];

macro_rules! named {
    ($($list:ident $adder:ident $add:ident { $($name:literal $function:expr;)* })*) => {
        $(
            /// All of them, for checking at load.
            pub(super) const $list: &[&str] = &[$($name),*];
            fn $adder(environment: &mut Environment<'static>) {
                $(environment.$add($name, $function);)*
            }
        )*
    };
}

named! {
    FILTERS add_filters add_filter {
        "money" money;
        "date" date;
        "time" time;
        "default" default;
        "string" string;
        "number" number;
        "join" join;
        "replace" replace;
        "tojson" tojson;
        "urlencode" urlencode;
        "escape" filters::escape;
        "e" filters::escape;
        "lower" filters::lower;
        "upper" filters::upper;
        "title" filters::title;
        "capitalize" filters::capitalize;
        "trim" filters::trim;
        "split" filters::split;
        "lines" filters::lines;
        "length" filters::length;
        "count" filters::length;
        "first" filters::first;
        "last" filters::last;
        "reverse" filters::reverse;
        "sort" filters::sort;
        "unique" filters::unique;
        "list" filters::list;
        "items" filters::items;
        "dictsort" filters::dictsort;
        "map" filters::map;
        "select" filters::select;
        "reject" filters::reject;
        "selectattr" filters::selectattr;
        "rejectattr" filters::rejectattr;
        "min" filters::min;
        "max" filters::max;
        "sum" filters::sum;
        "round" filters::round;
        "abs" filters::abs;
        "int" filters::int;
        "float" filters::float;
    }
    TESTS add_tests add_test {
        "defined" tests::is_defined;
        "undefined" tests::is_undefined;
        "none" tests::is_none;
        "number" tests::is_number;
        "integer" tests::is_integer;
        "string" tests::is_string;
        "sequence" tests::is_sequence;
        "mapping" tests::is_mapping;
        "odd" tests::is_odd;
        "even" tests::is_even;
        "divisibleby" tests::is_divisibleby;
        "startingwith" tests::is_startingwith;
        "endingwith" tests::is_endingwith;
        "true" tests::is_true;
        "false" tests::is_false;
        "in" tests::is_in;
        "eq" tests::is_eq;
        "equalto" tests::is_eq;
        "ne" tests::is_ne;
        "lt" tests::is_lt;
        "le" tests::is_le;
        "gt" tests::is_gt;
        "ge" tests::is_ge;
    }
}

/// Jinja's syntax; a newline at the end is part of the text.
pub(super) fn syntax() -> SyntaxConfig {
    static SYNTAX: LazyLock<SyntaxConfig> =
        LazyLock::new(|| SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default());
    SYNTAX.clone()
}

/// An environment without a template; what it holds is shared.
pub(super) fn environment() -> Environment<'static> {
    static EMPTY: LazyLock<Environment<'static>> = LazyLock::new(|| {
        let mut environment = Environment::empty();
        environment.set_syntax(syntax());
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|name| if name == super::title(true) { AutoEscape::Html } else { AutoEscape::None });
        environment.set_formatter(write);
        environment.set_debug(false);
        add_filters(&mut environment);
        add_tests(&mut environment);
        environment.add_function("now", |state: &State<'_, '_>| {
            Ok::<_, Error>(loaded(state)?.now.strftime("%Y-%m-%d %H:%M").to_string())
        });
        environment.add_function("today", |state: &State<'_, '_>| Ok::<_, Error>(loaded(state)?.now.date().to_string()));
        environment
    });
    EMPTY.clone()
}

fn fail(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn is_missing(value: &Shown) -> bool {
    value.is_undefined() || value.is_none()
}

/// `880,000.10`
fn money(state: &State<'_, '_>, value: &Shown) -> Result<String, Error> {
    if is_missing(value) {
        return Ok(String::new());
    }
    let amount = loaded(state)?.decimal(value).or_else(|| value.as_str()?.trim().parse().ok());
    let amount = amount.ok_or_else(|| fail(format!("money: `{value:.40}` is not a number")))?;
    let rounded = amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    let digits = format!("{:.2}", rounded.abs());
    let (whole, cents) = digits.split_once('.').unwrap_or((&digits, "00"));
    let mut text = String::from(if rounded < Decimal::ZERO { "-" } else { "" });
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    Ok(text + "." + cents)
}

fn zoned(state: &State<'_, '_>, value: &Shown, form: &str) -> Result<String, Error> {
    if is_missing(value) || value.as_str().is_some_and(|t| t.trim().is_empty()) {
        return Ok(String::new());
    }
    let loaded = loaded(state)?;
    let zone = loaded.now.time_zone();
    let told = match value.as_str() {
        Some(text) => Some(Value::Text(text.to_owned())),
        None => loaded.decimal(value).map(Value::Number),
    };
    let instant = told.and_then(|v| entity::time(&v, zone)).ok_or_else(|| fail(format!("`{value:.40}` is not a time")))?;
    Ok(instant.to_zoned(zone.clone()).strftime(form).to_string())
}

/// `2026-09-21`
fn date(state: &State<'_, '_>, value: &Shown) -> Result<String, Error> {
    zoned(state, value, "%Y-%m-%d")
}

/// `09:00`
fn time(state: &State<'_, '_>, value: &Shown) -> Result<String, Error> {
    zoned(state, value, "%H:%M")
}

/// The other where nothing is there, as in conditions.
fn default(value: Shown, other: Option<Shown>) -> Shown {
    let blank = value.as_str().is_some_and(|t| t.trim().is_empty());
    let nothing = matches!(value.kind(), ValueKind::Seq | ValueKind::Map) && value.len() == Some(0);
    if is_missing(&value) || blank || nothing { other.unwrap_or_else(|| Shown::from("")) } else { value }
}

/// Nothing but a number: what stands beside `*` must not be repeated.
fn number(value: Shown) -> Result<Shown, Error> {
    match value.kind() {
        ValueKind::Number => Ok(value),
        ValueKind::Undefined => Err(Error::new(ErrorKind::UndefinedError, "a missing value cannot be multiplied")),
        other => Err(Error::new(ErrorKind::InvalidOperation, format!("`*` calculates with numbers, not with a {other}"))),
    }
}

fn string(state: &State<'_, '_>, value: &Shown) -> Result<Shown, Error> {
    if value.as_str().is_some() {
        return Ok(value.clone());
    }
    Ok(Shown::from(loaded(state)?.text(value)?.into_owned()))
}

fn join(state: &State<'_, '_>, value: &Shown, between: Option<Cow<'_, str>>) -> Result<String, Error> {
    if is_missing(value) {
        return Ok(String::new());
    }
    loaded(state)?.joined(value, between.as_deref().unwrap_or(""))
}

fn replace(state: &State<'_, '_>, value: &Shown, from: &str, to: &str) -> Result<String, Error> {
    let loaded = loaded(state)?;
    let text = loaded.text(value)?;
    let length = text.matches(from).count().saturating_mul(to.len());
    if length > MAX_OUTPUT {
        return Err(fail("replace: the text would be too long".into()));
    }
    Ok(text.replace(from, to))
}

fn tojson(state: &State<'_, '_>, value: &Shown) -> Result<String, Error> {
    Ok(loaded(state)?.json(value)?.to_string())
}

fn urlencode(state: &State<'_, '_>, value: &Shown) -> Result<String, Error> {
    Ok(utf8_percent_encode(&loaded(state)?.text(value)?, PART).to_string())
}
