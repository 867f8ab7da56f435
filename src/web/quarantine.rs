//! The control API of the quarantine: an item is mended, tried again or discarded.
//!
//! Whether it fits now is found out here, by the mapping in force; that it is still there when it counts is seen to by the engine.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;

use super::access::Acting;
use super::control::body;
use super::problem;
use crate::daemon::handle::Handle;
use crate::engine::event::{self, Body, Draft};
use crate::engine::quarantine::{Retold, Unread};
use crate::engine::state::Key;
use crate::engine::value::{Value, from_json};
use crate::source::quarantine;
use crate::store::Read as _;
use crate::store::sqlite::Reader;

/// `POST /api/quarantine/<event>/fix|replay|discard`; the body of `fix` is the item as it should have come, as JSON.
pub(super) async fn settle(
    Acting(handle): Acting,
    Path((id, what)): Path<(String, String)>,
    request: axum::extract::Request,
) -> Response {
    let text = match body(request).await {
        Ok(text) => text,
        Err(refusal) => return *refusal,
    };
    let Some(seq) = event::seq(&id) else {
        return problem(StatusCode::BAD_REQUEST, "event", "an item's id looks like e1042");
    };
    let mended = match what.as_str() {
        "fix" => match from_json(&text) {
            Ok(value) => Some(value),
            Err(error) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "json", &error.to_string()),
        },
        "replay" | "discard" => None,
        _ => return problem(StatusCode::NOT_FOUND, "not-found", "fix, replay or discard"),
    };
    let reader = handle.clone();
    let found = match tokio::task::spawn_blocking(move || item(&reader, seq)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error.to_string()),
        Err(error) => return problem(StatusCode::INTERNAL_SERVER_ERROR, "item", &error.to_string()),
    };
    let Some(found) = found else {
        return problem(StatusCode::NOT_FOUND, "item", &format!("{} is not in quarantine (any more)", event::id(seq)));
    };
    let told = if what == "discard" { Ok(Vec::new()) } else { retell(&handle, &found, mended) };
    let told = match told {
        Ok(told) => told,
        Err(why) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "mapping", &why),
    };
    let draft = Draft::own("ifthen.settled", Timestamp::now(), Body::Settled { item: seq, told });
    match handle.command(vec![draft]).await {
        Ok(accepted) => {
            let id = accepted.first().map(|a| event::id(a.seq));
            super::json(StatusCode::OK, "application/json", &json!({ "event": id }))
        }
        Err(refusal) => problem(StatusCode::SERVICE_UNAVAILABLE, "refused", &refusal.to_string()),
    }
}

/// An item that waits.
struct Item {
    source: String,
    received: Timestamp,
    unread: Box<Unread>,
}

fn item(handle: &Handle, seq: u64) -> Result<Option<Item>, crate::store::Error> {
    let reader = Reader::open(handle.file())?;
    if reader.load(&Key::Quarantine(seq))?.is_none() {
        return Ok(None);
    }
    Ok(reader.event(seq)?.and_then(|stored| match stored.event.body {
        Body::Unread(unread) => Some(Item { source: stored.event.origin, received: stored.event.received, unread }),
        _ => None,
    }))
}

/// What it means by the mapping in force.
fn retell(handle: &Handle, item: &Item, mended: Option<Value>) -> Result<Vec<Retold>, String> {
    let live = handle.live();
    let id = item.source.as_str();
    let source = live.settings.sources.get(id).ok_or_else(|| format!("there is no source `{id}` in config.yaml any more"))?;
    let Item { received, unread, .. } = item;
    let told = quarantine::retell(id, source, &live.definitions, &live.settings.limits, unread, mended, *received);
    match told {
        Ok(told) if told.is_empty() => Err("its list is empty: discard it".into()),
        Ok(told) => Ok(told),
        Err(fault) => Err(match fault.path {
            Some(path) if !fault.detail.contains(&path) => format!("{path}: {}", fault.detail),
            _ => fault.detail,
        }),
    }
}
