//! Handing old events in again: read from the store, submitted as new ones, all or none of them.
//!
//! Architecture invariant: only what a source told. What the engine told itself, or a decision emitted, would happen a second
//! time beside what it belongs to.

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::json;

use super::access::Acting;
use super::control::{BODY_TIMEOUT, MAX_BODY};
use super::{json, problem};
use crate::daemon::turn::Refusal;
use crate::engine::event::{self, Draft};
use crate::store::sqlite::Reader;
use crate::store::{Error, Read as _};

/// Events of one request.
const MOST: usize = 1_000;

/// What is asked for.
#[derive(Debug, serde::Deserialize)]
struct Asked {
    /// `e1042`, …
    events: Vec<String>,
    /// As if they happened now.
    #[serde(default)]
    as_new: bool,
}

/// `POST /api/events/replay` with `{"events": ["e1042"], "as_new": false}`; answers `{"events": ["e2001"]}`, in the same order.
pub(super) async fn replay(Acting(handle): Acting, request: axum::extract::Request) -> Response {
    let body = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(request.into_body(), MAX_BODY)).await;
    let Ok(Ok(body)) = body else {
        return problem(StatusCode::BAD_REQUEST, "body", "the body did not come, or is larger than 2 MiB");
    };
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "request", &error.to_string()),
    };
    if asked.events.len() > MOST {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "request", &format!("more than {MOST} events at a time"));
    }
    let file = handle.file().to_owned();
    let drafts = tokio::task::spawn_blocking(move || read(&file, &asked)).await;
    let drafts = match drafts {
        Ok(Ok(drafts)) => drafts,
        Ok(Err(Wrong::Store(error))) => return problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error.to_string()),
        Ok(Err(Wrong::Event(why))) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "event", &why),
        Err(error) => return problem(StatusCode::INTERNAL_SERVER_ERROR, "replay", &error.to_string()),
    };
    match handle.submit(drafts).await {
        Ok(accepted) => {
            let ids: Vec<String> = accepted.iter().map(|a| event::id(a.seq)).collect();
            json(StatusCode::OK, "application/json", &json!({ "events": ids }))
        }
        Err(Refusal::Rejected(why)) => problem(StatusCode::UNPROCESSABLE_ENTITY, "refused", &why),
        Err(refusal) => problem(StatusCode::SERVICE_UNAVAILABLE, "refused", &refusal.to_string()),
    }
}

/// Why an event cannot be handed in again.
enum Wrong {
    Store(Error),
    Event(String),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

fn read(file: &std::path::Path, asked: &Asked) -> Result<Vec<Draft>, Wrong> {
    let reader = Reader::open(file)?;
    let now = Timestamp::now();
    let draft = |id: &String| {
        let stored = match event::seq(id) {
            Some(seq) => reader.event(seq)?,
            None => return Err(Wrong::Event(format!("`{id}` is no event: an event's id looks like e1042"))),
        };
        match stored {
            None => Err(Wrong::Event(format!("there is no event {id}"))),
            Some(stored) if stored.event.is_told() => Ok(stored.event.replayed(now, asked.as_new)),
            Some(stored) => Err(Wrong::Event(format!("{id} ({}) was told by no source", stored.event.name))),
        }
    };
    asked.events.iter().map(draft).collect()
}
