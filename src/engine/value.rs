//! The one dynamic value: what records hold, events carry and conditions compare.
//!
//! Numbers are decimals, never floats: `0.1 + 0.2 == 0.3`, and money keeps its cents. `Time` has two written forms: plain
//! (RFC 3339 text, for people and other programs) and stored (`{"$time": "…"}`, so that what is read back is a time again).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// An object's members, in name order so that equal objects have equal text.
pub type Map = BTreeMap<String, Value>;

/// How deep lists and objects may nest, in a webhook's body as in our own store.
pub const MAX_DEPTH: usize = 64;

/// How deep what we stored ourselves may nest: a payload inside an event, an answer inside a run. serde_json stops at 128.
const STORED_DEPTH: usize = 112;

/// The member name under which a stored time is told from text.
const TIME: &str = "$time";
/// What serde_json calls the one member of a number it hands over with all its digits.
const NUMBER: &str = "$serde_json::private::Number";

/// A value of a field, of an event's data, of a condition.
///
/// Stored format: JSON as written by [`Serialize`], where a member's name that begins with `$` has one `$` more; a change of it needs a test that reads the former one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Value {
    /// Told to be empty; a member that is absent is not in the map at all.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number, exact to 28 digits.
    Number(Decimal),
    /// Text, always valid UTF-8 without NUL.
    Text(String),
    /// An instant, to the nanosecond.
    Time(Timestamp),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Map(Map),
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(t) = self { Some(t) } else { None }
    }

    /// The members, if it is an object.
    pub fn as_map(&self) -> Option<&Map> {
        if let Self::Map(m) = self { Some(m) } else { None }
    }

    /// The member at a path (`["lead", "name"]`); a number in the path picks from a list, from 0.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Value> {
        path.iter().try_fold(self, |value, name| match value {
            Self::Map(m) => m.get(name.as_ref()),
            Self::List(l) => l.get(name.as_ref().parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// How deep it nests: 0 for what is no list or object.
    pub fn depth(&self) -> usize {
        match self {
            Self::List(l) => 1 + l.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(m) => 1 + m.values().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Null, empty text or blanks, an empty list or object.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(t) => t.trim().is_empty(),
            Self::List(l) => l.is_empty(),
            Self::Map(m) => m.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Time(_) => false,
        }
    }

    /// The word for its kind, as error messages use it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true/false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::Time(_) => "a time",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }

    /// The form for other programs: as [`Serialize`], but times as plain RFC 3339 text.
    pub fn plain(&self) -> Plain<'_> {
        Plain(self)
    }
}

/// As a person reads it: text bare, nothing as the empty text, lists and objects as JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(t) => f.write_str(t),
            Self::Time(t) => write!(f, "{t}"),
            Self::List(_) | Self::Map(_) => f.write_str(&serde_json::to_string(&self.plain()).map_err(|_| fmt::Error)?),
        }
    }
}

impl From<&str> for Value {
    fn from(t: &str) -> Self {
        Self::Text(t.to_owned())
    }
}
impl From<String> for Value {
    fn from(t: String) -> Self {
        Self::Text(t)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}
impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Number(n.into())
    }
}
impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::Number(n.into())
    }
}
impl From<Decimal> for Value {
    fn from(n: Decimal) -> Self {
        Self::Number(n)
    }
}
impl From<Timestamp> for Value {
    fn from(t: Timestamp) -> Self {
        Self::Time(t)
    }
}
impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(l: Vec<V>) -> Self {
        Self::List(l.into_iter().map(Into::into).collect())
    }
}
impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(v: Option<V>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}
impl<K: Into<String>, const N: usize> From<[(K, Value); N]> for Value {
    fn from(members: [(K, Value); N]) -> Self {
        Self::Map(members.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        write(self, s, true)
    }
}

/// A value written for other programs; see [`Value::plain`].
#[derive(Debug)]
pub struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        write(self.0, s, false)
    }
}

fn write<S: Serializer>(value: &Value, s: S, stored: bool) -> Result<S::Ok, S::Error> {
    match value {
        Value::Null => s.serialize_unit(),
        Value::Bool(b) => s.serialize_bool(*b),
        Value::Number(n)
            if n.scale() == 0
                && let Some(n) = n.to_i64() =>
        {
            s.serialize_i64(n)
        }
        // serde_json keeps every digit of a `Number` made from text (feature arbitrary_precision).
        Value::Number(n) => n.to_string().parse::<serde_json::Number>().map_err(serde::ser::Error::custom)?.serialize(s),
        Value::Text(t) => s.serialize_str(t),
        Value::Time(t) if stored => {
            let mut m = s.serialize_map(Some(1))?;
            m.serialize_entry(TIME, &t.to_string())?;
            m.end()
        }
        Value::Time(t) => s.serialize_str(&t.to_string()),
        Value::List(l) if stored => s.collect_seq(l),
        Value::List(l) => s.collect_seq(l.iter().map(Plain)),
        Value::Map(m) if stored => s.collect_map(m.iter().map(|(k, v)| (kept(k), v))),
        Value::Map(m) => s.collect_map(m.iter().map(|(k, v)| (k, Plain(v)))),
    }
}

/// A member's name in the stored form: one that begins with `$` gets another, so that no payload can write [`TIME`] or [`NUMBER`].
fn kept(name: &str) -> Cow<'_, str> {
    if name.starts_with('$') { Cow::Owned(format!("${name}")) } else { Cow::Borrowed(name) }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Reader { depth: 0, stored: true }.deserialize(d)
    }
}

/// Reads JSON of another program: duplicate members, NUL and nesting beyond [`MAX_DEPTH`] are errors, `$time` means nothing.
pub fn from_json(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut d = serde_json::Deserializer::from_slice(bytes);
    let value = Reader { depth: 0, stored: false }.deserialize(&mut d)?;
    d.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Reader {
    depth: usize,
    stored: bool,
}

impl Reader {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let most = if self.stored { STORED_DEPTH } else { MAX_DEPTH };
        if self.depth >= most {
            return Err(E::custom(format_args!("nested deeper than {most}")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

fn text<E: de::Error>(t: &str) -> Result<&str, E> {
    if t.contains('\0') { Err(E::custom("text contains NUL (\\u0000)")) } else { Ok(t) }
}

fn number<E: de::Error>(t: &str) -> Result<Value, E> {
    t.parse::<Decimal>()
        .or_else(|_| Decimal::from_scientific(t))
        .map(Value::Number)
        .map_err(|_| E::custom(format_args!("number `{t:.40}` is out of range (28 digits)")))
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(n.into())
    }
    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(n.into())
    }
    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Value, E> {
        number(&n.to_string())
    }
    fn visit_str<E: de::Error>(self, t: &str) -> Result<Value, E> {
        text(t).map(Value::from)
    }
    fn visit_string<E: de::Error>(self, t: String) -> Result<Value, E> {
        text(&t)?;
        Ok(Value::Text(t))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(v) = seq.next_element_seed(inner)? {
            list.push(v);
        }
        Ok(Value::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if name == NUMBER {
                return number(&members.next_value::<String>()?);
            }
            if self.stored && name == TIME {
                let t = members.next_value::<String>()?;
                return t.parse().map(Value::Time).map_err(de::Error::custom);
            }
            let name = match name.strip_prefix('$') {
                Some(own) if self.stored && own.starts_with('$') => own.to_owned(),
                _ => name,
            };
            text(&name)?;
            let value = members.next_value_seed(inner)?;
            if map.contains_key(&name) {
                return Err(de::Error::custom(format_args!("member `{name:.60}` stands twice")));
            }
            map.insert(name, value);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, plain: &str) {
        let value = from_json(json.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&value.plain()).unwrap(), plain);
        let stored = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), value);
    }

    #[test]
    fn numbers_keep_their_digits() {
        check("9007199254740993.01", "9007199254740993.01");
        check("[0.1, 12.50, -3, 1e3]", "[0.1,12.50,-3,1000]");
        assert!(from_json(b"1e400").is_err());
        let max = Decimal::MAX.to_string();
        check(&max, &max);
    }

    #[test]
    fn a_stored_time_is_a_time_again_and_yesterdays_form_is_read() {
        let t: Timestamp = "2026-09-21T01:00:00Z".parse().unwrap();
        let stored = r#"{"owner_at":{"$time":"2026-09-21T01:00:00Z"}}"#;
        assert_eq!(serde_json::from_str::<Value>(stored).unwrap(), Value::from([("owner_at", Value::Time(t))]));
        assert_eq!(serde_json::to_string(&Value::Time(t).plain()).unwrap(), r#""2026-09-21T01:00:00Z""#);
        assert!(from_json(stored.as_bytes()).unwrap().at(&["owner_at", "$time"]).is_some());
    }

    #[test]
    fn no_member_of_a_payload_reads_back_as_ours() {
        check(r#"{"$time":"never"}"#, r#"{"$time":"never"}"#);
        check(r#"{"$time":"2026-09-21T01:00:00Z"}"#, r#"{"$time":"2026-09-21T01:00:00Z"}"#);
        check(r#"{"$oid":"1","$$time":1,"$":2}"#, r#"{"$":2,"$$time":1,"$oid":"1"}"#);
        let form = Value::from([(NUMBER, "x".into())]);
        assert_eq!(serde_json::from_str::<Value>(&serde_json::to_string(&form).unwrap()).unwrap(), form);
    }

    #[test]
    fn hostile_json_is_refused() {
        for bad in [r#"{"a":1,"a":2}"#, r#""\u0000""#, r#""\ud800""#, "[1] x", "", "{\"a\\u0000\":1}"] {
            assert!(from_json(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(from_json(b"\"\xff\"").is_err());
        assert!(from_json("[".repeat(10_000).as_bytes()).is_err());
        assert!(from_json(format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)).as_bytes()).is_ok());
    }
}
