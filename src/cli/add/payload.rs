//! A real payload, taken apart: its members in the order in which they stand, and which object in it is the record.
//!
//! Only looks; what the members mean is guessed by [`super::guess`].

use std::fmt;

use anyhow::{Context as _, bail};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::guess::{is_container, is_envelope};
use crate::engine::value::{Value, from_json};

/// Members looked at; a form of this size is a mistake.
const MOST: usize = 300;
/// How deep a record may be wrapped.
const WRAPPED: usize = 5;

/// What serde_json calls the one member of a number it hands over with all its digits.
const NUMBER: &str = "$serde_json::private::Number";

/// One value of a payload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    /// Names from the outermost object on.
    pub(super) path: Vec<String>,
    /// A scalar, or a list of scalars.
    pub(super) value: Value,
}

impl Leaf {
    /// As the mapping names it: `data.lead.name`.
    pub(super) fn dotted(&self) -> String {
        self.path.join(".")
    }
}

/// A payload, taken apart.
#[derive(Debug)]
pub(super) struct Payload {
    /// It is a CloudEvent, whose attributes say name, id and time.
    pub(super) cloud: bool,
    /// The path of the list of items that it wraps.
    pub(super) each: Option<String>,
    /// Where the record is: names from the outermost object of an item on.
    pub(super) base: Vec<String>,
    /// The values of one item, in order.
    pub(super) leaves: Vec<Leaf>,
    /// Paths of what a field cannot hold: lists of objects.
    pub(super) left_out: Vec<String>,
}

impl Payload {
    /// Reads JSON: an object, or a list of objects of which the first is looked at.
    pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let value = from_json(bytes).context("the payload is not JSON")?;
        let order: Order = serde_json::from_slice(bytes).context("the payload is not JSON")?;
        let (value, order) = match (value, order) {
            (Value::List(items), Order::List(orders)) => match items.into_iter().zip(orders).next() {
                Some(first) => first,
                None => bail!("the payload is an empty list"),
            },
            other => other,
        };
        let Some(members) = value.as_map() else { bail!("the payload is {}, an object is expected", value.kind()) };
        let cloud = members.contains_key("specversion") && members.contains_key("type");
        let (value, order) = match (cloud, members.get("data")) {
            (true, Some(data @ Value::Map(_))) => (data.clone(), order.member("data")),
            _ => (value, order),
        };
        let (value, order, each) = unwrap(value, order);
        let mut payload = Self { cloud, each, base: Vec::new(), leaves: Vec::new(), left_out: Vec::new() };
        payload.flatten(&value, &order, &mut Vec::new());
        if payload.leaves.is_empty() {
            bail!("nothing is in the payload");
        }
        if payload.leaves.len() > MOST {
            bail!("the payload has {} values, at most {MOST} are drafted", payload.leaves.len());
        }
        payload.base = base(&value);
        Ok(payload)
    }

    fn flatten(&mut self, value: &Value, order: &Order, path: &mut Vec<String>) {
        match (value, order) {
            (Value::Map(members), Order::Map(names)) => {
                for (name, order) in names {
                    path.push(name.clone());
                    if let Some(value) = members.get(name) {
                        self.flatten(value, order, path);
                    }
                    path.pop();
                }
            }
            (Value::List(items), _) if items.iter().any(|i| matches!(i, Value::Map(_) | Value::List(_))) => {
                self.left_out.push(path.join("."));
            }
            // A path is written with dots: a name that holds one can only be found where it is outermost.
            _ if path.iter().any(|name| name.contains('.')) && path.len() > 1 => self.left_out.push(path.join(".")),
            _ => self.leaves.push(Leaf { path: path.clone(), value: value.clone() }),
        }
    }

    /// The values of the record, and what stands around it.
    pub(super) fn parts(&self) -> (Vec<&Leaf>, Vec<&Leaf>) {
        self.leaves.iter().partition(|leaf| leaf.path.starts_with(&self.base))
    }
}

/// A payload that only wraps a list of objects: its first item, and the path of the list.
fn unwrap(value: Value, order: Order) -> (Value, Order, Option<String>) {
    let mut path: Vec<String> = Vec::new();
    let (mut at, mut at_order) = (&value, &order);
    while let (Value::Map(members), Order::Map(names)) = (at, at_order)
        && path.len() < WRAPPED
    {
        let wraps = |v: &Value| match v {
            Value::Map(_) => true,
            Value::List(items) => matches!(items.first(), Some(Value::Map(_))),
            _ => false,
        };
        let inner: Vec<_> = names.iter().filter(|(name, _)| members.get(name).is_some_and(wraps)).collect();
        let [(name, inner)] = inner[..] else { break };
        if !members.keys().all(|other| other == name || is_envelope(other)) {
            break;
        }
        path.push(name.clone());
        match (&members[name], inner) {
            (Value::List(items), Order::List(orders)) => {
                if let (Some(item), Some(order)) = (items.first(), orders.first()) {
                    return (item.clone(), order.clone(), Some(path.join(".")));
                }
                break;
            }
            (object, order) => (at, at_order) = (object, order),
        }
    }
    (value, order, None)
}

/// Which object is the record: inwards as long as what stands around is an envelope.
fn base(value: &Value) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = value;
    while let Some(members) = at.as_map()
        && path.len() < WRAPPED
    {
        let scalars = members.iter().filter(|(_, v)| !matches!(v, Value::Map(_)));
        if !scalars.clone().all(|(name, _)| is_envelope(name)) {
            break;
        }
        let objects = members.iter().filter(|(name, v)| is_container(name) && v.as_map().is_some_and(|m| !m.is_empty()));
        let Some((name, inner)) = objects.max_by_key(|(_, v)| size(v)) else { break };
        path.push(name.clone());
        at = inner;
    }
    path
}

fn size(value: &Value) -> usize {
    match value {
        Value::Map(members) => members.values().map(size).sum(),
        _ => 1,
    }
}

/// The names of a JSON text in the order in which they stand.
#[derive(Debug, Clone)]
enum Order {
    Scalar,
    List(Vec<Order>),
    Map(Vec<(String, Order)>),
}

impl Order {
    fn member(&self, name: &str) -> Self {
        let found = if let Self::Map(members) = self { members.iter().find(|(n, _)| n == name) } else { None };
        found.map_or(Self::Scalar, |(_, order)| order.clone())
    }
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Order;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Order, E> {
        Ok(Order::Scalar)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Order, E> {
        Ok(Order::Scalar)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Order, E> {
        Ok(Order::Scalar)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Order, E> {
        Ok(Order::Scalar)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Order, E> {
        Ok(Order::Scalar)
    }
    fn visit_str<E>(self, _: &str) -> Result<Order, E> {
        Ok(Order::Scalar)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Order, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Order::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Order, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == NUMBER {
                map.next_value::<String>()?;
                return Ok(Order::Scalar);
            }
            members.push((name, map.next_value()?));
        }
        Ok(Order::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the record of a payload is, and the paths of its values.
    fn check(json: &str, base: &str, each: Option<&str>, paths: &[&str]) {
        let payload = Payload::read(json.as_bytes()).unwrap();
        assert_eq!((payload.base.join(".").as_str(), payload.each.as_deref()), (base, each), "{json}");
        assert_eq!(payload.leaves.iter().map(Leaf::dotted).collect::<Vec<_>>(), paths, "{json}");
    }

    #[test]
    fn members_stay_in_order_and_are_flat() {
        check(r#"{"姓名":"刘洋","手机":138,"地址":{"省":"上海","市":1.5}}"#, "", None, &["姓名", "手机", "地址.省", "地址.市"]);
        check(r#"[{"b":1,"a":[1,2]},{"c":3}]"#, "", None, &["b", "a"]);
        check(r#"{"a.b":1,"tags":["x"]}"#, "", None, &["a.b", "tags"]);
    }

    #[test]
    fn the_record_is_found_inside_its_envelope() {
        let crm = r#"{"event_id":"E1","type":"lead.updated","data":{"lead":{"id":7,"name":"x"},"old":{"name":"y"}}}"#;
        check(crm, "data.lead", None, &["event_id", "type", "data.lead.id", "data.lead.name", "data.old.name"]);
        check(
            r#"{"data":{"id":"1","type":"leads","attributes":{"name":"x"}}}"#,
            "data.attributes",
            None,
            &["data.id", "data.type", "data.attributes.name"],
        );
        check(r#"{"id":"1","name":"x","data":{"a":1}}"#, "", None, &["id", "name", "data.a"]);
        check(r#"{"id":"1","type":"x","address":{"city":"y"}}"#, "", None, &["id", "type", "address.city"]);
        check(r#"{"code":0,"data":{"total":2,"list":[{"id":1,"n":2}]}}"#, "", Some("data.list"), &["id", "n"]);
        check(r#"{"id":1,"items":[{"sku":2}],"amount":3}"#, "", None, &["id", "amount"]);
        let cloud = r#"{"specversion":"1.0","type":"t.x","source":"/s","id":"1","data":{"id":2,"name":"x"}}"#;
        check(cloud, "", None, &["id", "name"]);
        assert!(Payload::read(cloud.as_bytes()).unwrap().cloud);
    }

    #[test]
    fn what_is_no_payload_is_refused() {
        for (json, expect) in [
            ("[]", "the payload is an empty list"),
            ("7", "the payload is a number, an object is expected"),
            ("{}", "nothing is in the payload"),
            ("a=b", "the payload is not JSON"),
        ] {
            assert_eq!(Payload::read(json.as_bytes()).unwrap_err().to_string(), expect, "{json}");
        }
    }
}
