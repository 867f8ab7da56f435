//! The control API: what the command line and other programs ask of a running daemon, and why. Who may ask is seen to before ([`super::access`]).

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;

use super::access::Acting;
use super::{json, problem};
use crate::check::history::{By, History};
use crate::check::why::Error;
use crate::daemon::handle::Handle;
use crate::engine::call::{CallId, Request};
use crate::engine::event::{self, Body, Command, Draft};
use crate::store::sqlite::Reader;

/// An edited request must be here by then.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// And no larger: a mail's text, not its pictures.
pub(super) const MAX_BODY: usize = 2 << 20;

/// `POST /api/calls/<id>/retry|edit|discard`; the body of `edit` is the new request as `ifthen calls show --json` prints it.
pub(super) async fn call(
    Acting(handle): Acting,
    Path((id, what)): Path<(String, String)>,
    request: axum::extract::Request,
) -> Response {
    let body = match text(request).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
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
    submit(&handle, command).await
}

/// The body; only once who asks is permitted to, and not for ever: one that does not come must not keep its connection.
pub(super) async fn text(request: axum::extract::Request) -> Result<axum::body::Bytes, Box<Response>> {
    let body = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(request.into_body(), MAX_BODY)).await;
    match body {
        Ok(Ok(body)) => Ok(body),
        _ => Err(Box::new(problem(StatusCode::BAD_REQUEST, "body", "the body did not come, or is larger than 2 MiB"))),
    }
}

/// Has a command decided; the answer names its event.
pub(super) async fn submit(handle: &Handle, command: Command) -> Response {
    let draft = Draft::own("ifthen.command", Timestamp::now(), Body::Command(command));
    match handle.command(vec![draft]).await {
        Ok(accepted) => {
            let id = accepted.first().map(|a| event::id(a.seq));
            json(StatusCode::OK, "application/json", &serde_json::json!({ "event": id }))
        }
        Err(refusal) => problem(StatusCode::SERVICE_UNAVAILABLE, "refused", &refusal.to_string()),
    }
}

/// `POST /api/clock/confirm`: the clock is right as it is.
pub(super) async fn clock(Acting(handle): Acting) -> Response {
    submit(&handle, Command::ConfirmClock).await
}

/// `GET /api/why/<event>`, with `?rule=ID` for one rule or flow, `?now=true` by the definitions in force now: as
/// `ifthen why --json` prints it.
pub(super) async fn why(State(handle): State<Handle>, Path(id): Path<String>, Query(asked): Query<Asked>) -> Response {
    let Some(seq) = event::seq(&id) else {
        return problem(StatusCode::BAD_REQUEST, "event", "an event's id looks like e1042");
    };
    let one = asked.rule.is_some();
    let found = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(handle.file()).map_err(Error::from)?;
        let live = handle.live();
        let by = if asked.now { By::Now } else { By::Then };
        History::new(&reader, Some(&live.definitions), by).why(seq, asked.rule.as_deref())
    });
    match found.await {
        Ok(Ok(Some(why))) if one && why.verdicts.is_empty() && why.heard.is_empty() && why.shown.is_some() => {
            problem(StatusCode::NOT_FOUND, "rule", "there is no such rule or flow in the definitions by which this is shown")
        }
        Ok(Ok(Some(why))) => json(StatusCode::OK, "application/json", &why.to_json()),
        Ok(Ok(None)) => problem(StatusCode::NOT_FOUND, "event", "there is no such event"),
        Ok(Err(error)) => problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error.to_string()),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "why", &error.to_string()),
    }
}

/// What may be asked beside an event.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Asked {
    rule: Option<String>,
    #[serde(default)]
    now: bool,
}

/// The body, only after the token and not for ever: one that does not come must not keep its connection.
pub(super) async fn body(request: axum::extract::Request) -> Result<axum::body::Bytes, Box<Response>> {
    let body = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(request.into_body(), MAX_BODY)).await;
    let refused = || problem(StatusCode::BAD_REQUEST, "body", "the body did not come, or is larger than 2 MiB");
    body.ok().and_then(Result::ok).ok_or_else(|| Box::new(refused()))
}
