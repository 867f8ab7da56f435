//! The control API: what the command line asks of a running daemon, with the token that only the data folder's owner can read.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;

use super::{json, problem};
use crate::daemon::handle::Handle;
use crate::engine::call::{CallId, Request};
use crate::engine::event::{self, Body, Command, Draft};

/// `POST /api/calls/<id>/retry|edit|discard`; the body of `edit` is the new request as `ifthen calls show --json` prints it.
pub(super) async fn call(
    State(handle): State<Handle>,
    Path((id, what)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|h| h.to_str().ok()).and_then(|h| h.strip_prefix("Bearer "));
    if !token.is_some_and(|t| handle.is_token(t)) {
        return problem(StatusCode::UNAUTHORIZED, "token", "the token in the data folder's file `control` is needed");
    }
    let Ok(id) = id.parse::<CallId>() else {
        return problem(StatusCode::BAD_REQUEST, "call", "a call id looks like c1042-2");
    };
    let command = match what.as_str() {
        "retry" => Command::Retry(id),
        "discard" => Command::Discard(id),
        "edit" => match serde_json::from_slice::<Request>(&body) {
            Ok(request) => Command::Edit(id, Box::new(request)),
            Err(error) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "request", &error.to_string()),
        },
        _ => return problem(StatusCode::NOT_FOUND, "not-found", "retry, edit or discard"),
    };
    let draft = Draft::own("ifthen.command", Timestamp::now(), Body::Command(command));
    match handle.command(vec![draft]).await {
        Ok(accepted) => {
            let id = accepted.first().map(|a| event::id(a.seq));
            json(StatusCode::OK, "application/json", &serde_json::json!({ "event": id }))
        }
        Err(refusal) => problem(StatusCode::SERVICE_UNAVAILABLE, "refused", &refusal.to_string()),
    }
}
