//! `POST /in/<source>`: verified, mapped, submitted, and answered once it is on disk.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::warn;

use crate::config::settings::SourceKind;
use crate::daemon::handle::Handle;
use crate::daemon::turn::{Accepted, Refusal as Refused};
use crate::engine::event;
use crate::source::webhook::{self, Refusal, rate::Buckets};

/// A body must be here by then: longer is a stalled or hostile sender.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two messages about refusals of one source.
const QUIET: Duration = Duration::from_secs(1);
/// What a sender is told to wait when we cannot take more: by then a burst is worked off.
const RETRY_AFTER: u32 = 2;

/// What the intake keeps.
#[derive(Clone)]
pub(super) struct Intake {
    handle: Handle,
    rates: Arc<Mutex<Buckets>>,
    /// By source.
    said: Arc<Mutex<BTreeMap<String, Said>>>,
}

/// When a refusal was told last, and how many were not since.
type Said = (Option<Instant>, u64);

impl Intake {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, rates: Arc::new(Mutex::new(Buckets::default())), said: Arc::default() }
    }

    /// Says that something was refused, at most once a second and source: a flood must not flood our own messages.
    fn say(&self, id: &str, peer: SocketAddr, refusal: &Refusal) {
        let id = if self.handle.live().settings.sources.contains_key(id) { id } else { "?" };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, silent) = said.entry(id.to_owned()).or_insert((None, 0));
        if last.is_some_and(|at: Instant| at.elapsed() < QUIET) {
            *silent += 1;
            return;
        }
        let Refusal { status, code, detail, .. } = refusal;
        warn!(source = id, %peer, status, code, more = *silent, "refused: {detail}");
        (*last, *silent) = (Some(Instant::now()), 0);
    }
}

/// One request of a source.
pub(super) async fn post(
    State(intake): State<Intake>,
    Path(id): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let begun = std::time::Instant::now();
    let (response, code) = match accept(&intake, &id, peer, request).await {
        Ok(accepted) => (answer(&accepted), "accepted"),
        Err(refusal) => {
            let code = refusal.code;
            intake.say(&id, peer, &refusal);
            (refuse(refusal), code)
        }
    };
    metrics::counter!("ifthen_requests_total", "result" => code).increment(1);
    metrics::histogram!("ifthen_request_seconds").record(begun.elapsed().as_secs_f64());
    response
}

async fn accept(intake: &Intake, id: &str, peer: SocketAddr, request: Request) -> Result<Vec<Accepted>, Refusal> {
    let live = intake.handle.live();
    let source = live.settings.sources.get(id).filter(|s| matches!(s.kind, SourceKind::Webhook(_)));
    let source =
        source.ok_or_else(|| refusal(404, "unknown-source", format!("there is no webhook source `{id}` in config.yaml")))?;
    let now = Timestamp::now();
    let SourceKind::Webhook(webhook) = &source.kind else { unreachable!("filtered above") };
    let (parts, body) = request.into_parts();
    let body = read(body, live.settings.limits.body).await?;
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let request = webhook::Request { method: &parts.method, path, headers: &parts.headers, body: &body, peer: peer.ip(), now };
    webhook::check(source, &live.settings.limits, &request)?;
    // After the proof: strangers must not use up the rate of the real sender.
    intake.rates.lock().unwrap_or_else(PoisonError::into_inner).admit(id, webhook.rate, now)?;
    let drafts = webhook::read(id, source, &live.definitions, &live.settings.limits, &request)?;
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    intake.handle.submit(drafts).await.map_err(|refused| match refused {
        Refused::Unavailable(why) => Refusal { retry_after: Some(RETRY_AFTER), ..refusal(503, "unavailable", why) },
        Refused::Overloaded(what) => {
            Refusal { retry_after: Some(RETRY_AFTER), ..refusal(503, "overloaded", format!("too many {what} are waiting")) }
        }
        Refused::Rejected(why) => refusal(422, "rejected", why),
    })
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let late = |_| refusal(408, "timeout", format!("the body was not there within {} s", BODY_TIMEOUT.as_secs()));
    let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, limit)).await.map_err(late)?;
    read.map_err(|error| {
        use std::error::Error;
        if error.source().is_some_and(|e| e.to_string().contains("length limit")) {
            refusal(413, "too-large", format!("the body is larger than {limit} bytes (limits.body)"))
        } else {
            refusal(400, "broken-body", "the body ended before it was whole".to_owned())
        }
    })
}

fn refusal(status: u16, code: &'static str, detail: impl Into<String>) -> Refusal {
    let title = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or_default().to_owned();
    Refusal { status, code, title, detail: detail.into(), pointer: None, retry_after: None }
}

/// `202`, or `200` when all of it was there before.
fn answer(accepted: &[Accepted]) -> Response {
    let list: Vec<Value> =
        accepted
            .iter()
            .map(|a| {
                if a.duplicate { json!({ "id": event::id(a.seq), "duplicate": true }) } else { json!({ "id": event::id(a.seq) }) }
            })
            .collect();
    let status = if accepted.iter().all(|a| a.duplicate) && !accepted.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    super::json(status, "application/json", &json!({ "accepted": list }))
}

fn refuse(refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = super::json(status, "application/problem+json", &refusal.problem());
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer, Basic, Signature"));
    }
    response
}

/// The CloudEvents handshake: a sender asks whether it may.
pub(super) async fn handshake(State(intake): State<Intake>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if !intake.handle.live().settings.sources.contains_key(&id) {
        return refuse(refusal(404, "unknown-source", format!("there is no webhook source `{id}` in config.yaml")));
    }
    let mut response = (StatusCode::OK, [(header::ALLOW, "POST, OPTIONS")]).into_response();
    if let Some(origin) = headers.get("webhook-request-origin") {
        response.headers_mut().insert(HeaderName::from_static("webhook-allowed-origin"), origin.clone());
        response.headers_mut().insert(HeaderName::from_static("webhook-allowed-rate"), HeaderValue::from_static("*"));
    }
    response
}
