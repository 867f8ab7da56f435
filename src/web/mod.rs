//! HTTP: webhooks in, health and metrics out, the control API of the command line.
//!
//! Architecture invariant: nothing here changes state but by submitting events through the handle.

mod access;
mod agent;
mod contact;
mod control;
mod intake;
mod limit;
mod mail;
mod metric;
mod preference;
mod quarantine;
mod record;
mod replay;
mod run;
mod shield;
mod silence;
mod task;
mod token;

pub use metric::{install as install_metrics, sum_up as sum_up_metrics, tend as tend_metrics};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::daemon::handle::Handle;
use crate::engine::access::Role;
use access::{Gate, needs};
use shield::Shield;

/// Every route.
pub fn router(handle: Handle) -> Router {
    let intake = intake::Intake::new(handle.clone());
    let gate = Gate::new(handle.clone());
    let viewer = |methods| needs(Role::Viewer, &gate, methods);
    let operator = |methods| needs(Role::Operator, &gate, methods);
    let approver = |methods| needs(Role::Approver, &gate, methods);
    let admin = |methods| needs(Role::Admin, &gate, methods);
    let shield = Shield::new(handle.clone());
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
                .route("/api/calls/{id}/{what}", operator(post(control::call)))
                .route("/api/silences", operator(post(silence::begin)))
                .route("/api/silences/{id}/end", operator(post(silence::end)))
                .route("/api/quarantine/{event}/{what}", operator(post(quarantine::settle)))
                .route("/api/records/{entity}/{id}/{what}", operator(post(record::change)))
                .route("/api/clock/confirm", operator(post(control::clock)))
                .route("/api/contacts", operator(post(contact::set)))
                .route("/api/runs/{id}", viewer(get(run::show)))
                .route("/api/runs/{id}/{act}", operator(post(run::act)))
                .route("/api/why/{event}", viewer(get(control::why)))
                .route("/api/events/replay", operator(post(replay::replay)))
                .route("/api/tasks", viewer(get(task::api::list)))
                .route("/api/tasks/{id}", viewer(get(task::api::show)))
                .route("/api/tasks/{id}/{what}", approver(post(task::api::act)))
                .route("/api/tokens", admin(get(token::list).post(token::add)))
                .route("/api/tokens/{name}/revoke", admin(post(token::revoke)))
                .with_state(handle),
        )
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "not-found", "there is nothing here; webhooks go to /in/<source>") })
        .method_not_allowed_fallback(|| async {
            problem(StatusCode::METHOD_NOT_ALLOWED, "method", "this address does not take that method")
        })
        .layer(from_fn_with_state(shield, shield::around))
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

/// Too much was asked for; none of it was done.
fn too_many(seconds: u32, detail: &str) -> Response {
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "rate", detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// From where somebody comes: what a proxy on this machine says, otherwise the connection's own address.
fn address(peer: SocketAddr, headers: &HeaderMap) -> String {
    let told = headers.get_all("x-forwarded-for").into_iter().filter_map(|h| h.to_str().ok()).next_back();
    let told = told.and_then(|list| list.rsplit(',').next()?.trim().parse::<std::net::IpAddr>().ok());
    told.filter(|_| peer.ip().is_loopback()).unwrap_or_else(|| peer.ip()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        let check = |peer: &str, told: &str, expect: &str| {
            let headers = [(HeaderName::from_static("x-forwarded-for"), told.parse().unwrap())].into_iter().collect();
            assert_eq!(address(peer.parse().unwrap(), &headers), expect);
        };
        check("127.0.0.1:1", "10.0.0.9, 203.0.113.5", "203.0.113.5");
        check("203.0.113.9:1", "10.0.0.9", "203.0.113.9");
        check("127.0.0.1:1", "unknown", "127.0.0.1");
    }
}
