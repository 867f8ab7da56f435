//! Webhooks: one HTTP request in, drafts of events out, or a [`Refusal`] that tells the sender what is wrong.
//!
//! Never answers, never stores, never reads a clock. Order: address → size → proof → rate → body → mapping, so that a stranger
//! costs as little as possible. All items of one request are kept, or none is: those that do not fit the mapping in quarantine.

mod body;
pub mod bounce;
mod cloudevent;
pub mod rate;
mod verify;

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use jiff::Timestamp;
use serde_json::json;

use crate::config::settings::{Delivery, Limits, Mapping, Source, SourceKind, Webhook};
use crate::engine::definition::Definitions;
use crate::engine::event::Draft;
use crate::engine::quarantine::Unread;
use crate::engine::value::Value;
use crate::source::map::{self, Fault};
use crate::source::quarantine;

/// What was posted, whole.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `POST`, as a rule.
    pub method: &'a Method,
    /// Path and query as they came, still percent-encoded: `/in/crm?x=1`. Some senders sign it.
    pub path: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The raw bytes.
    pub body: &'a [u8],
    /// Who sent it.
    pub peer: IpAddr,
    /// When it was received.
    pub now: Timestamp,
}

/// Why a request is not accepted, for the one who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// A word for programs: `signature`, `too_large`, `json`, `mapping`.
    pub code: &'static str,
    /// The kind of refusal in words, the same for every one of its code.
    pub title: String,
    /// This one, in words.
    pub detail: String,
    /// JSON pointer to the item or member concerned.
    pub pointer: Option<String>,
    /// Seconds after which it is worth trying again.
    pub retry_after: Option<u32>,
}

impl Refusal {
    fn new(status: u16, code: &'static str, title: &str, detail: impl Into<String>) -> Self {
        Self { status, code, title: title.into(), detail: detail.into(), pointer: None, retry_after: None }
    }

    fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into()).filter(|p| !p.is_empty());
        self
    }

    /// Our own settings are at fault, not the sender: 500, so that it tries again once they are mended.
    fn misconfigured(detail: impl Into<String>) -> Self {
        Self::new(500, "settings", "This source is not configured rightly", detail)
    }

    /// The body of the answer, `application/problem+json` (RFC 9457); `code` and `pointer` are its extensions.
    pub fn problem(&self) -> serde_json::Value {
        let mut problem = json!({ "status": self.status, "title": self.title, "detail": self.detail, "code": self.code });
        if let Some(pointer) = &self.pointer {
            problem["pointer"] = json!(pointer);
        }
        problem
    }
}

/// [`check`], then [`read`].
pub fn receive(
    id: &str,
    source: &Source,
    definitions: &Definitions,
    limits: &Limits,
    request: &Request<'_>,
) -> Result<Vec<Draft>, Refusal> {
    check(source, limits, request)?;
    read(id, source, definitions, limits, request)
}

/// Whether the request may be read at all: the peer's address, the size, and every proof that the source demands.
///
/// The rate ([`rate::Buckets`]) is best counted after this, so that strangers cannot use it up for the real sender.
pub fn check(source: &Source, limits: &Limits, request: &Request<'_>) -> Result<(), Refusal> {
    let Webhook { verify, .. } = webhook(source)?;
    verify::address(&verify.from, request.peer)?;
    if request.body.len() > limits.body {
        let detail = format!("the body has {} bytes, at most {} are taken (limits: body)", request.body.len(), limits.body);
        return Err(Refusal::new(413, "too_large", "The body is too large", detail));
    }
    verify::check(verify, request)
}

/// The drafts of a request that [`check`] has let through; none for an empty list.
pub fn read(
    id: &str,
    source: &Source,
    definitions: &Definitions,
    limits: &Limits,
    request: &Request<'_>,
) -> Result<Vec<Draft>, Refusal> {
    let mut items = body::parse(request.headers, request.body, limits.items)?;
    if let Some(path) = &source.map.each {
        items = unwrap(items, path, limits.items)?;
    }
    let header = match &source.map.delivery {
        Some(Delivery::Header(name)) => Some(delivery_header(name, request.headers)?),
        _ => None,
    };
    let mut kept = 0;
    let alone = items.len() == 1 && source.map.each.is_none();
    items
        .into_iter()
        .map(|item| {
            let Item { data, pointer, suffix, inner, outer, cloud, fault } = item;
            let told = map::Told {
                name: cloud.as_ref().map(|c| c.name.clone()),
                time: cloud.as_ref().and_then(|c| c.time),
                delivery: match (&header, &cloud) {
                    (Some(id), _) => Some(format!("{id}{suffix}")),
                    (None, Some(cloud)) => Some(format!("{}{inner}", cloud.delivery)),
                    (None, None) => None,
                },
                place: suffix,
                data,
                outer,
            };
            let list = fault.is_some();
            let (fault, told) = match fault.or_else(|| told.data.as_map().is_none().then(|| no_object(&told.data))) {
                Some(fault) => (fault, told),
                None => match map::understand(id, &source.map, definitions, told, request.now) {
                    Ok(draft) => return Ok(draft),
                    Err(unread) => *unread,
                },
            };
            if fault.ours {
                return Err(Refusal::misconfigured(fault.detail));
            }
            let mut unread = Unread { list, ..quarantine::unread(&told, fault) };
            unread.raw = alone.then(|| quarantine::raw(request.body));
            let size = quarantine::size(&unread);
            kept += size;
            if size > quarantine::MAX_BYTES || kept > quarantine::MAX_REQUEST {
                return Err(too_large(&unread, &pointer));
            }
            Ok(quarantine::draft(id, &source.map, unread, request.now))
        })
        .collect()
}

fn no_object(value: &Value) -> Fault {
    Fault::new(format!("an object is expected, not {}", value.kind()))
}

/// What does not fit and is too large to be kept.
fn too_large(unread: &Unread, pointer: &str) -> Refusal {
    let most = quarantine::MAX_BYTES >> 10;
    let detail = format!("{}; to be kept for mending it is too large (at most {most} KiB an item)", unread.reason);
    let member = unread.field.as_ref().map(|path| map::pointer(path)).unwrap_or_default();
    Refusal::new(413, "too_large", MAPPING, detail).at(format!("{pointer}{member}"))
}

/// The items of one that was kept before its list was found.
pub(super) fn opened(told: map::Told, map: &Mapping, most: usize) -> Result<Vec<map::Told>, Fault> {
    let Some(path) = &map.each else { return Ok(vec![told]) };
    let map::Told { data, place, name, time, delivery, .. } = told;
    let items = unwrap(vec![Item { data, suffix: place, ..Item::default() }], path, most);
    let items = items.map_err(|refusal| Fault::new(refusal.detail))?;
    items
        .into_iter()
        .map(|item| match item.fault {
            Some(fault) => Err(fault),
            None => Ok(map::Told {
                name: name.clone(),
                time,
                delivery: delivery.as_ref().map(|id| format!("{id}{}", item.inner)),
                place: item.suffix,
                data: item.data,
                outer: item.outer,
            }),
        })
        .collect()
}

fn webhook(source: &Source) -> Result<&Webhook, Refusal> {
    match &source.kind {
        SourceKind::Webhook(webhook) => Ok(webhook),
        SourceKind::Poll(_) => Err(Refusal::new(404, "not_found", "There is no such webhook", "this source is polled")),
    }
}

/// One thing that a request tells.
#[derive(Debug, Default)]
struct Item {
    /// Always an object.
    data: Value,
    /// Where it stands in the body, as a JSON pointer.
    pointer: String,
    /// Tells it from its neighbours where the request has one id for all: `/3`, or nothing where it stands alone.
    suffix: String,
    /// The part of `suffix` that `each:` added.
    inner: String,
    /// What stands around the list that `each:` names.
    outer: Option<Arc<Value>>,
    /// What its CloudEvents attributes say.
    cloud: Option<Cloud>,
    /// The list that `each:` names is not in it.
    fault: Option<Fault>,
}

/// What an event's CloudEvents attributes say where the mapping says nothing.
#[derive(Debug, Clone)]
struct Cloud {
    name: String,
    delivery: String,
    time: Option<Timestamp>,
}

/// The items of the list that `each:` names, in each item.
fn unwrap(items: Vec<Item>, path: &str, most: usize) -> Result<Vec<Item>, Refusal> {
    let mut all = Vec::new();
    for mut item in items {
        if !has_list(&item.data, path) {
            item.fault = Some(Fault::at(path, format!("a list is expected at `{path}` (each: {path})")));
            all.push(item);
            continue;
        }
        let Some(Value::List(list)) = take(&mut item.data, path) else { continue };
        if all.len() + list.len() > most {
            return Err(too_many(all.len() + list.len(), most));
        }
        let outer = Arc::new(item.data);
        for (n, data) in list.into_iter().enumerate() {
            let pointer = format!("{}{}/{n}", item.pointer, map::pointer(path));
            let (inner, suffix) = (format!("/{n}"), format!("{}/{n}", item.suffix));
            let (outer, cloud) = (Some(Arc::clone(&outer)), item.cloud.clone());
            all.push(Item { data, pointer, suffix, inner, outer, cloud, fault: None });
        }
    }
    Ok(all)
}

fn has_list(value: &Value, path: &str) -> bool {
    let parts: Vec<&str> = path.split('.').collect();
    matches!(value.at(&parts), Some(Value::List(_)))
}

/// Takes the value at a dotted path out of an object and leaves null.
fn take(value: &mut Value, path: &str) -> Option<Value> {
    let member = path.split('.').try_fold(value, |value, name| match value {
        Value::Map(members) => members.get_mut(name),
        _ => None,
    })?;
    Some(std::mem::take(member))
}

fn object(value: Value, pointer: &str) -> Result<Value, Refusal> {
    if value.as_map().is_some() {
        return Ok(value);
    }
    let detail = format!("an object is expected, not {}", value.kind());
    Err(Refusal::new(400, "not_an_object", "An item is not an object", detail).at(pointer))
}

fn too_many(count: usize, most: usize) -> Refusal {
    let detail = format!("{count} items, at most {most} are taken in one request (limits: items); send them in parts");
    Refusal::new(413, "too_many", "There are too many items", detail)
}

fn delivery_header(name: &str, headers: &HeaderMap) -> Result<String, Refusal> {
    let value = headers.get(name).and_then(|v| std::str::from_utf8(v.as_bytes()).ok()).map(str::trim).filter(|v| !v.is_empty());
    value.map(str::to_owned).ok_or_else(|| {
        let detail = format!("header `{name}`, which holds the delivery's id, is missing (map: delivery)");
        Refusal::new(422, "mapping", MAPPING, detail)
    })
}

const MAPPING: &str = "The body does not fit the mapping of this source";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::{HeaderName, HeaderValue};

    use super::*;
    use crate::config::settings::{RecordMapping, Verify};
    use crate::engine::entity::{Entity, Field, FieldKind, From};
    use crate::engine::event::Body;

    fn source(map: Mapping) -> Source {
        let verify = Verify { bearer: vec!["good".into()], from: vec!["10.0.0.0/8".parse().unwrap()], ..Verify::default() };
        Source {
            kind: SourceKind::Webhook(Webhook { verify, rate: None }),
            map,
            lateness: jiff::SignedDuration::ZERO,
            bounces: None,
        }
    }

    fn definitions() -> Definitions {
        let field = || Field { kind: FieldKind::Number, from: From::Anyone, opt_out: false };
        let lead = Entity { key: "id".into(), fields: [("id".into(), field())].into(), ..Entity::default() };
        Definitions { entities: [("lead".to_owned(), lead)].into(), ..Definitions::default() }
    }

    /// Names, delivery ids and times of the drafts, or the refusal. Good proof and address unless `headers` say otherwise.
    fn check(map: Mapping, headers: &[&str], body: &str, expect: &str) {
        let mut all = HeaderMap::new();
        all.insert("authorization", HeaderValue::from_static("Bearer good"));
        for (name, value) in headers.iter().map(|h| h.split_once(": ").unwrap()) {
            all.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let peer = all.get("peer").map_or("10.0.0.1", |v| v.to_str().unwrap()).parse().unwrap();
        let now = "2026-09-21T01:00:00Z".parse().unwrap();
        let request = Request { method: &Method::POST, path: "/in/crm", headers: &all, body: body.as_bytes(), peer, now };
        let limits = Limits { body: 300, items: 3, ..Limits::default() };
        let got = match receive("crm", &source(map), &definitions(), &limits, &request) {
            Ok(drafts) => {
                assert!(drafts.iter().all(|d| d.origin == "crm" && d.received == now && d.at <= now));
                let one = |d: Draft| match d.body {
                    Body::Unread(u) => format!(
                        "unread {} {}{}: {}",
                        d.delivery.map(|id| if id.starts_with("unread#") { "#".into() } else { id }).unwrap_or_default(),
                        u.place,
                        u.field.map(|f| format!(" {f}")).unwrap_or_default(),
                        u.reason
                    ),
                    _ => format!("{} {}", d.name, d.delivery.unwrap_or_default()),
                };
                drafts.into_iter().map(one).collect::<Vec<_>>().join(", ")
            }
            Err(r) => format!("{} {} {}: {}", r.status, r.code, r.pointer.unwrap_or_default(), r.detail),
        };
        assert_eq!(got, expect, "{headers:?} {body}");
    }

    fn header_delivery() -> Mapping {
        Mapping { delivery: Some(Delivery::Header("X-Id".into())), ..Mapping::default() }
    }

    #[test]
    fn the_cheapest_check_comes_first() {
        let large = "x".repeat(301);
        let none = Mapping::default;
        let address = "403 address : 11.0.0.1 is not one of the addresses from which this source may send (verify: from)";
        check(none(), &["peer: 11.0.0.1", "authorization: Bearer bad"], &large, address);
        let size = "413 too_large : the body has 301 bytes, at most 300 are taken (limits: body)";
        check(none(), &["authorization: Bearer bad"], &large, size);
        check(none(), &["authorization: Bearer bad"], "{", "401 bearer : the bearer token is not the right one");
        check(none(), &[], "{", "400 json : line 1, column 1: EOF while parsing an object");
        check(none(), &[], "{}", "crm.received ");
    }

    #[test]
    fn one_delivery_id_for_a_list_is_told_apart_by_place() {
        check(header_delivery(), &["x-id: d1"], "{}", "crm.received d1");
        check(header_delivery(), &["x-id: d1"], "[{},{}]", "crm.received d1/0, crm.received d1/1");
        check(
            header_delivery(),
            &[],
            "[]",
            "422 mapping : header `X-Id`, which holds the delivery's id, is missing (map: delivery)",
        );
    }

    #[test]
    fn each_takes_the_list_out_of_its_wrapper() {
        let map = |paths: &[&str]| Mapping {
            each: Some("data.rows".into()),
            delivery: Some(Delivery::Body(paths.iter().map(|p| (*p).into()).collect())),
            ..Mapping::default()
        };
        let body = r#"{"id":"d1","data":{"rows":[{"n":1},{"n":2}]}}"#;
        check(map(&["n"]), &[], body, "crm.received 1, crm.received 2");
        check(map(&["outer.id"]), &[], body, "crm.received d1/0, crm.received d1/1");
        check(map(&["outer.id", "n"]), &[], body, "crm.received d1/1, crm.received d1/2");
        check(
            Mapping { each: Some("data.rows".into()), ..header_delivery() },
            &["x-id: d"],
            body,
            "crm.received d/0, crm.received d/1",
        );
        let list = "unread #  data.rows: a list is expected at `data.rows` (each: data.rows)";
        check(map(&["n"]), &[], r#"{"data":{}}"#, list);
        let number = "crm.received 1, unread # /1: an object is expected, not a number";
        check(map(&["n"]), &[], r#"{"data":{"rows":[{"n":1},7]}}"#, number);
        let many = "413 too_many : 4 items, at most 3 are taken in one request (limits: items); send them in parts";
        check(map(&["n"]), &[], r#"[{"data":{"rows":[{},{}]}},{"data":{"rows":[{},{}]}}]"#, many);
    }

    #[test]
    fn one_bad_item_is_kept_and_named_and_the_others_are_accepted() {
        let map = |delivery| {
            let fields: BTreeMap<String, String> = [("id".to_owned(), "lead.no".to_owned())].into();
            let record = RecordMapping { entity: "lead".into(), fields, values: BTreeMap::new(), at: None };
            Mapping { record: Some(record), delivery, ..Mapping::default() }
        };
        let detail = "unread  /1 lead.no: field `id`: a number such as 1234.5 expected, not `x`";
        check(map(None), &[], r#"[{"lead":{"no":1}},{"lead":{"no":"x"}}]"#, &format!("crm.received , {detail}"));
        let both = format!("crm.received d/0, {}", detail.replace("unread ", "unread d/1"));
        check(map(Some(Delivery::Header("X-Id".into()))), &["x-id: d"], r#"[{"lead":{"no":1}},{"lead":{"no":"x"}}]"#, &both);
    }

    #[test]
    fn cloud_events_bring_name_id_and_time() {
        let ce = "content-type: application/cloudevents+json";
        let body = r#"{"specversion":"1.0","type":"com.x.y","source":"/s","id":"A/1","time":"2026-09-20T00:00:00Z"}"#;
        check(Mapping::default(), &[ce], body, "com.x.y /s/A%2F1");
        check(header_delivery(), &[ce, "x-id: d1"], body, "com.x.y d1");
        let reserved = body.replace("com.x.y", "lead.created");
        let why = "only ifthen itself says so, when a record really changes; say another name in `event:` of the source's map";
        check(Mapping::default(), &[ce], &reserved, &format!("unread /s/A%2F1 : event name `lead.created` is reserved: {why}"));
    }

    #[test]
    fn a_problem_says_what_is_wrong() {
        let refusal = Refusal::new(422, "mapping", MAPPING, "item /1: field `名`").at("/1/名");
        let problem = json!({
            "status": 422, "code": "mapping", "title": "The body does not fit the mapping of this source",
            "detail": "item /1: field `名`", "pointer": "/1/名",
        });
        assert_eq!(refusal.problem(), problem);
    }
}
