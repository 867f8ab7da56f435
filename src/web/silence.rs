//! Silences over the control API: begun and ended as events, like every other command.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::control::{permitted, submit, text};
use super::problem;
use crate::daemon::handle::Handle;
use crate::engine::event::Command;
use crate::engine::silence::{Ask, meets};

/// Characters of a comment, a pattern, a name.
const MOST: usize = 500;

/// `POST /api/silences`: what to silence, until when and why.
pub(super) async fn begin(State(handle): State<Handle>, request: axum::extract::Request) -> Response {
    if let Err(refusal) = permitted(&handle, request.headers()) {
        return *refusal;
    }
    let body = match text(request).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let ask = match serde_json::from_slice::<Ask>(&body) {
        Ok(ask) => ask,
        Err(error) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "silence", &error.to_string()),
    };
    if [&ask.rule, &ask.comment, &ask.by].iter().any(|t| t.chars().count() > MOST) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "silence", "a text is longer than 500 characters");
    }
    if !meets(&handle.live().definitions, &ask.rule) {
        return problem(StatusCode::NOT_FOUND, "rule", &format!("no rule or flow is meant by `{}`", ask.rule));
    }
    submit(&handle, Command::Silence(ask)).await
}

/// `POST /api/silences/<id>/end`.
pub(super) async fn end(State(handle): State<Handle>, Path(id): Path<String>, headers: axum::http::HeaderMap) -> Response {
    if let Err(refusal) = permitted(&handle, &headers) {
        return *refusal;
    }
    match id.strip_prefix('s').unwrap_or(&id).parse() {
        Ok(seq) => submit(&handle, Command::EndSilence(seq)).await,
        Err(_) => problem(StatusCode::BAD_REQUEST, "silence", "a silence's id looks like s42"),
    }
}
