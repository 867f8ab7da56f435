//! Silences over the control API: begun and ended as events, like every other command.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use super::access::{Acting, signs};
use super::control::{submit, text};
use super::problem;
use crate::engine::event::Command;
use crate::engine::silence::{Ask, meets};

/// Characters of a comment, a pattern, a name.
const MOST: usize = 500;

/// `POST /api/silences`: what to silence, until when and why.
pub(super) async fn begin(Acting(handle): Acting, request: axum::extract::Request) -> Response {
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
    let by = signs(&handle, ask.by);
    submit(&handle, Command::Silence(Ask { by, ..ask })).await
}

/// `POST /api/silences/<id>/end`.
pub(super) async fn end(Acting(handle): Acting, Path(id): Path<String>) -> Response {
    match id.strip_prefix('s').unwrap_or(&id).parse() {
        Ok(seq) => submit(&handle, Command::EndSilence(seq)).await,
        Err(_) => problem(StatusCode::BAD_REQUEST, "silence", "a silence's id looks like s42"),
    }
}
