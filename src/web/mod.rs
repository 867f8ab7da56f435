//! HTTP: webhooks in, health and metrics out, the control API of the command line.
//!
//! Architecture invariant: nothing here changes state but by submitting events through the handle.

mod agent;
mod contact;
mod control;
mod intake;
mod mail;
mod metric;
mod preference;
mod quarantine;
mod record;
mod replay;
mod run;
mod silence;
mod task;

pub use metric::install as install_metrics;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::daemon::handle::Handle;

/// Every route.
pub fn router(handle: Handle) -> Router {
    let intake = intake::Intake::new(handle.clone());
    Router::new()
        .route("/in/{source}", post(intake::post).options(intake::handshake))
        .with_state(intake)
        .merge(task::router(handle.clone()))
        .merge(mail::routes(handle.clone()))
        .merge(
            Router::new()
                .route("/", get(index))
                .route("/healthz", get(healthz))
                .route("/readyz", get(readyz))
                .route("/metrics", get(metric::render))
                .route("/api/calls/{id}/{what}", post(control::call))
                .route("/api/silences", post(silence::begin))
                .route("/api/silences/{id}/end", post(silence::end))
                .route("/api/quarantine/{event}/{what}", post(quarantine::settle))
                .route("/api/records/{entity}/{id}/{what}", post(record::change))
                .route("/api/clock/confirm", post(control::clock))
                .route("/api/contacts", post(contact::set))
                .route("/api/runs/{id}", get(run::show))
                .route("/api/runs/{id}/{act}", post(run::act))
                .route("/api/why/{event}", get(control::why))
                .route("/api/events/replay", post(replay::replay))
                .route("/api/tasks", get(task::api::list))
                .route("/api/tasks/{id}", get(task::api::show))
                .route("/api/tasks/{id}/{what}", post(task::api::act))
                .with_state(handle),
        )
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "not-found", "there is nothing here; webhooks go to /in/<source>") })
        .method_not_allowed_fallback(|| async {
            problem(StatusCode::METHOD_NOT_ALLOWED, "method", "this address does not take that method")
        })
}

async fn index() -> impl IntoResponse {
    "ifthen is running. POST events to /in/<source>; see /healthz, /readyz, /metrics.\n"
}

/// Alive: the process answers and its turn has not ended.
async fn healthz(State(handle): State<Handle>) -> Response {
    if handle.status().gone.load(Ordering::Relaxed) {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "stopped", "the turn has ended");
    }
    if handle.status().stuck(Timestamp::now()) {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "stuck", "a turn has been going on for more than 10 s");
    }
    "ok\n".into_response()
}

/// Ready: what is posted now can be committed.
async fn readyz(State(handle): State<Handle>) -> Response {
    let status = handle.status();
    let full = status.calls.load(Ordering::Relaxed) > handle.live().settings.limits.outbox;
    let why = match () {
        () if status.gone.load(Ordering::Relaxed) => "the turn has ended",
        () if status.stuck(Timestamp::now()) => "a turn has been going on for more than 10 s",
        () if !status.committing.load(Ordering::Relaxed) => "the store cannot commit (disk full?)",
        () if full => "too many calls are waiting",
        () if handle.room() == 0 => "too many events are waiting",
        () => return "ready\n".into_response(),
    };
    problem(StatusCode::SERVICE_UNAVAILABLE, "not-ready", why)
}

/// A problem as RFC 9457 JSON.
fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = serde_json::json!({ "type": "about:blank", "status": status.as_u16(), "code": code, "title": status.canonical_reason().unwrap_or_default(), "detail": detail });
    json(status, "application/problem+json", &body)
}

fn json(status: StatusCode, kind: &'static str, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], format!("{body}\n")).into_response()
}
