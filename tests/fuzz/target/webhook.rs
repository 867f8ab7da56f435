//! Bodies of webhooks: refused with a word and a place, or events that hold what was sent, no deeper, larger or other than the
//! limits and the mapping say, and that can be stored and decided.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use ifthen::config::settings::{Limits, Source};
use ifthen::engine::event::{Body, Draft, Event};
use ifthen::engine::mail::EVENTS;
use ifthen::engine::value::{MAX_DEPTH, Value};
use ifthen::source::webhook::{self, Request};
use jiff::Timestamp;

use super::definitions::{self, Decided};
use crate::feed::Feed;

const SOURCES: [&str; 5] = ["plain", "orders", "crm", "clouds", "signed"];
const TYPES: [&str; 9] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/json; charset=utf-8",
    "text/plain",
    "application/vnd.api+json",
    "application/cloudevents+xml",
    "application/json; charset=gbk",
];
const NOW: &str = "2026-09-21T01:00:00Z";

/// Three bytes choose the source, the content type and the headers, the rest is the body.
pub(super) fn run(data: &[u8]) {
    let mut feed = Feed::new(data);
    let id = feed.pick(&SOURCES);
    let kind = Some(feed.below(TYPES.len() + 1)).and_then(|n| TYPES.get(n).copied());
    let (dress, body) = (feed.byte(), feed.rest());
    let headers = headers(kind, dress);
    let loaded = definitions::loaded();
    let source = &loaded.settings.sources[id];
    let limits = Limits { body: 64 << 10, items: 50, ..Limits::default() };
    let now: Timestamp = NOW.parse().unwrap();
    let request = Request { method: &Method::POST, path: "/in/x", headers: &headers, body, peer: [10, 0, 0, 1].into(), now };
    let got = webhook::receive(id, source, &loaded.definitions, &limits, &request);
    assert_eq!(got, webhook::receive(id, source, &loaded.definitions, &limits, &request), "the same again");
    match got {
        Err(refusal) => refused(&refusal, body, &limits),
        Ok(drafts) => {
            assert!(body.len() <= limits.body && drafts.len() <= limits.items, "{} drafts of {}", drafts.len(), body.len());
            if kind.is_some_and(|k| k.contains("json") && !k.contains("cloud")) && dress & 1 == 0 {
                same(id, source, body, &drafts);
            }
            for (n, draft) in drafts.into_iter().enumerate() {
                accepted(id, &draft, now);
                let event = stored(draft.event(100 + n as u64));
                if n < 3 {
                    Decided::new(&loaded.definitions, now).decide(event);
                }
            }
        }
    }
}

fn headers(kind: Option<&str>, dress: u8) -> HeaderMap {
    let mut all: Vec<(&str, &str)> = kind.map(|k| ("content-type", k)).into_iter().collect();
    if dress & 1 == 1 {
        all.extend([("ce-specversion", "1.0"), ("ce-id", "A-1"), ("ce-type", "page.viewed"), ("ce-source", "/web")]);
    }
    if dress & 2 == 2 {
        all.push(("ce-time", ["2026-09-21T00:00:00Z", "9999-12-31T23:59:60Z", "昨天", ""][usize::from(dress >> 6)]));
    }
    if dress & 4 == 0 {
        all.push(("x-delivery-id", ["1", "刘", " ", "a/0"][usize::from(dress >> 6)]));
    }
    if dress & 8 == 8 {
        all.push(("content-encoding", ["gzip", "identity", "", "br"][usize::from(dress >> 6)]));
    }
    all.push(("authorization", if dress & 48 == 48 { "Bearer bad" } else { "Bearer good" }));
    let value = |v: &str| HeaderValue::from_bytes(v.as_bytes()).unwrap();
    all.into_iter().map(|(n, v)| (HeaderName::from_bytes(n.as_bytes()).unwrap(), value(v))).collect()
}

fn refused(refusal: &webhook::Refusal, body: &[u8], limits: &Limits) {
    assert!([400, 401, 413, 415, 422].contains(&refusal.status), "{refusal:?}");
    assert!(body.len() <= limits.body || refusal.status == 413 || refusal.status == 401, "{refusal:?}");
    assert!(!refusal.code.is_empty() && !refusal.title.is_empty() && !refusal.detail.is_empty(), "{refusal:?}");
    // It answers a stranger, and what it says comes from there.
    assert!(refusal.detail.chars().count() <= 600, "{} characters: {refusal:?}", refusal.detail.chars().count());
    assert!(refusal.pointer.as_ref().is_none_or(|p| p.starts_with('/')), "{refusal:?}");
    assert!(!refusal.problem().to_string().contains("good"), "{refusal:?}");
}

/// As many as there are items, each with what stands there.
fn same(id: &str, source: &Source, body: &[u8], drafts: &[Draft]) {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_else(|e| panic!("{id} takes what is no JSON: {e}"));
    if source.map.each.is_some() {
        return;
    }
    let items: Vec<&serde_json::Value> = json.as_array().map_or(vec![&json], |list| list.iter().collect());
    assert_eq!(items.len(), drafts.len());
    for (item, draft) in items.into_iter().zip(drafts) {
        if let Body::Happened { data, .. } = &draft.body {
            equal(item, data);
        }
    }
}

fn equal(json: &serde_json::Value, value: &Value) {
    match (json, value) {
        (serde_json::Value::Null, Value::Null) => {}
        (serde_json::Value::Bool(a), Value::Bool(b)) => assert_eq!(a, b),
        (serde_json::Value::String(a), Value::Text(b)) => assert_eq!(a, b),
        (serde_json::Value::Array(a), Value::List(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| equal(a, b));
        }
        (serde_json::Value::Object(a), Value::Map(b)) => {
            assert_eq!(a.len(), b.len(), "{json} is {value:?}");
            a.iter().for_each(|(name, a)| equal(a, &b[name]));
        }
        (serde_json::Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.to_string().parse::<f64>().unwrap());
            assert!((a - b).abs() <= a.abs() * 1e-12 + 1e-28, "{json} is {value:?}");
        }
        _ => panic!("{json} is {value:?}"),
    }
}

fn accepted(id: &str, draft: &Draft, now: Timestamp) {
    assert_eq!((draft.origin.as_str(), draft.received), (id, now));
    assert!(draft.at <= now, "{draft:?} is of the future");
    let told = matches!(draft.body, Body::Happened { .. });
    let name = draft.name.as_str();
    let ours = ["ifthen", "lead.created", "lead.changed", "lead.merged", "lead.deleted"].into_iter().chain(EVENTS);
    let ours = name.starts_with("ifthen.") || ours.collect::<Vec<_>>().contains(&name);
    assert!(!told || !name.is_empty() && !ours, "{draft:?}");
    let text = |t: &str| assert!(!t.contains('\0'), "{draft:?}");
    text(&draft.name);
    draft.delivery.iter().for_each(|d| text(d));
    draft.record.iter().for_each(|r| text(&r.id));
    match &draft.body {
        Body::Happened { data, upsert } => {
            clean(data);
            assert!(data.depth() <= MAX_DEPTH, "{}", data.depth());
            upsert.iter().flat_map(|u| u.fields.values()).for_each(clean);
        }
        Body::Unread(unread) => assert!(unread.reason.chars().count() <= 600, "{unread:?}"),
        other => panic!("{other:?}"),
    }
}

fn clean(value: &Value) {
    match value {
        Value::Text(t) => assert!(!t.contains('\0'), "{t:?}"),
        Value::List(l) => l.iter().for_each(clean),
        Value::Map(m) => m.iter().for_each(|(name, v)| {
            assert!(!name.contains('\0'), "{name:?}");
            clean(v);
        }),
        _ => {}
    }
}

/// Written and read back.
fn stored(event: Event) -> Event {
    let text = serde_json::to_string(&event).unwrap();
    let back: Event = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(back, event, "{text}");
    back
}
