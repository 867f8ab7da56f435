//! CloudEvents 1.0 over HTTP: structured, binary and batch.
//!
//! The payload that mapping and rules see is the event's `data`, with its attributes in the member `ce` (`event.ce.subject`);
//! data that is no object is the member `data` beside it. The event's name is its `type`, its delivery id `source/id`, its time
//! `time`, unless the mapping says otherwise.

use axum::http::HeaderMap;
use base64::Engine as _;
use percent_encoding::percent_decode;

use super::body::{ContentType, json};
use super::verify::BASE64;
use super::{Cloud, Item, Refusal, object, too_many};
use crate::engine::value::{Map, Value};
use crate::source::map::escape;

/// One event in JSON.
pub(super) fn structured(value: Value) -> Result<Vec<Item>, Refusal> {
    Ok(vec![event(value, "")?])
}

/// A list of events in JSON; it may be empty.
pub(super) fn batch(value: Value, most: usize) -> Result<Vec<Item>, Refusal> {
    match value {
        Value::List(list) if list.len() > most => Err(too_many(list.len(), most)),
        Value::List(list) => list.into_iter().enumerate().map(|(n, value)| event(value, &format!("/{n}"))).collect(),
        other => Err(refused(format!("a batch is a list of events, not {}", other.kind()), "")),
    }
}

/// One event whose attributes are headers and whose data is the body.
pub(super) fn binary(headers: &HeaderMap, kind: Option<&ContentType>, body: &[u8]) -> Result<Vec<Item>, Refusal> {
    let mut attributes = Map::new();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix("ce-") else { continue };
        let value = Value::Text(decode(header.as_str(), value.as_bytes())?);
        if attributes.insert(name.to_owned(), value).is_some() {
            return Err(refused(format!("header `{header}` stands twice"), ""));
        }
    }
    if let Some(kind) = kind {
        attributes.insert("datacontenttype".into(), kind.essence.as_str().into());
    }
    let data = if body.is_empty() { None } else { Some(data(kind, body, "")?) };
    Ok(vec![item(attributes, data, "")?])
}

fn refused(detail: impl Into<String>, pointer: &str) -> Refusal {
    Refusal::new(400, "cloudevent", "This is not a valid CloudEvent", detail).at(pointer)
}

fn event(value: Value, pointer: &str) -> Result<Item, Refusal> {
    let Value::Map(mut attributes) = object(value, pointer)? else { return Err(refused("an object is expected", pointer)) };
    let mut take = |name: &str| attributes.remove(name).filter(|v| *v != Value::Null);
    let data = match (take("data"), take("data_base64")) {
        (Some(_), Some(_)) => return Err(refused("`data` and `data_base64` exclude each other", pointer)),
        (data, None) => data,
        (None, Some(Value::Text(text))) => {
            let bytes = BASE64.decode(&text).map_err(|_| refused("`data_base64` is not Base64", pointer))?;
            let kind = attributes.get("datacontenttype").and_then(Value::as_text).map(ContentType::parse);
            Some(self::data(kind.as_ref(), &bytes, pointer)?)
        }
        (None, Some(_)) => return Err(refused("`data_base64` is not text", pointer)),
    };
    attributes.retain(|_, value| *value != Value::Null); // null is how JSON says that an attribute is not there
    item(attributes, data, pointer)
}

/// Data that came as bytes: JSON as its value, text as text, anything else as Base64 in a member of its own.
fn data(kind: Option<&ContentType>, bytes: &[u8], pointer: &str) -> Result<Value, Refusal> {
    match kind {
        Some(k) if !k.is_json() && (!k.essence.starts_with("text/") || !k.is_utf8()) => {
            Ok([("data_base64", BASE64.encode(bytes).into())].into())
        }
        Some(k) if !k.is_json() => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(text.into()),
            _ => Err(refused(format!("the data is not UTF-8 text, though it is called `{}`", k.essence), pointer)),
        },
        _ => json(bytes).map_err(|refusal| refusal.at(pointer)),
    }
}

fn item(attributes: Map, data: Option<Value>, pointer: &str) -> Result<Item, Refusal> {
    let required = |name: &str| match attributes.get(name) {
        Some(Value::Text(t)) if !t.is_empty() => Ok(t.as_str()),
        Some(Value::Text(_)) | None => Err(refused(format!("attribute `{name}` is missing or empty"), pointer)),
        Some(other) => Err(refused(format!("attribute `{name}` is {}, not text", other.kind()), pointer)),
    };
    let version = required("specversion")?;
    if version != "1.0" {
        return Err(refused(format!("specversion is `{version:.20}`; only 1.0 is taken"), pointer));
    }
    let time = match attributes.get("time") {
        None => None,
        Some(value) => {
            let time = value.as_text().and_then(|t| t.parse().ok());
            Some(time.ok_or_else(|| refused("attribute `time` is not a time as in RFC 3339 (2026-09-21T09:00:00Z)", pointer))?)
        }
    };
    let cloud = Cloud {
        name: required("type")?.to_owned(),
        delivery: format!("{}/{}", required("source")?, escape(required("id")?)),
        time,
    };
    let mut members = match data {
        Some(Value::Map(members)) => members,
        Some(other) => Map::from([("data".to_owned(), other)]),
        None => Map::new(),
    };
    if members.insert("ce".into(), Value::Map(attributes)).is_some() {
        return Err(refused("a member `ce` of the data would be hidden by the attributes of the event", pointer));
    }
    let suffix = pointer.to_owned();
    Ok(Item { data: Value::Map(members), pointer: pointer.to_owned(), suffix, cloud: Some(cloud), ..Item::default() })
}

/// A header as an attribute's value: quotes taken off, percent-encoding undone once, and what comes out must be UTF-8.
fn decode(header: &str, value: &[u8]) -> Result<String, Refusal> {
    let value = value.trim_ascii();
    let bytes = match value {
        [b'"', inner @ .., b'"'] => {
            let mut plain = Vec::with_capacity(inner.len());
            let mut rest = inner.iter();
            while let Some(byte) = rest.next() {
                plain.push(if *byte == b'\\' { *rest.next().unwrap_or(byte) } else { *byte });
            }
            percent_decode(&plain).collect()
        }
        plain => percent_decode(plain).collect::<Vec<u8>>(),
    };
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) => Err(refused(format!("header `{header}` contains NUL"), "")),
        Err(_) => Err(refused(format!("header `{header}` is not UTF-8 once its percent-encoding is undone"), "")),
    }
}
