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
use crate::engine::event::{self, Body as DraftBody};
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
        Ok((accepted, unread)) => {
            let code = if unread.iter().any(Option::is_some) { "quarantined" } else { "accepted" };
            (answer(&accepted, &unread), code)
        }
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

/// Beside what was accepted: which of it is kept in quarantine, and why.
type Answered = (Vec<Accepted>, Vec<Option<Why>>);

/// Why an item was not understood: in words, and the path of the member concerned.
type Why = (String, Option<String>);

async fn accept(intake: &Intake, id: &str, peer: SocketAddr, request: Request) -> Result<Answered, Refusal> {
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
    let limits = &live.settings.limits;
    let drafts = match source.bounces {
        Some(form) => webhook::bounce::read(id, form, (request.headers, request.body), limits, intake.handle.key(), now)?,
        None => webhook::read(id, source, &live.definitions, limits, &request)?,
    };
    if drafts.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let unread: Vec<Option<Why>> = drafts
        .iter()
        .map(|d| if let DraftBody::Unread(u) = &d.body { Some((u.reason.clone(), u.field.clone())) } else { None })
        .collect();
    let accepted = intake.handle.submit(drafts).await.map_err(|refused| match refused {
        Refused::Unavailable(why) => Refusal { retry_after: Some(RETRY_AFTER), ..refusal(503, "unavailable", why) },
        Refused::Overloaded(what) => {
            Refusal { retry_after: Some(RETRY_AFTER), ..refusal(503, "overloaded", format!("too many {what} are waiting")) }
        }
        Refused::Rejected(why) => refusal(422, "rejected", why),
    })?;
    Ok((accepted, unread))
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

/// `202`, or `200` when all of it was there before. What was not understood is said to be in quarantine.
fn answer(accepted: &[Accepted], unread: &[Option<Why>]) -> Response {
    let one = |(a, unread): (&Accepted, &Option<Why>)| {
        let mut one = json!({ "id": event::id(a.seq) });
        match unread {
            _ if a.duplicate => one["duplicate"] = true.into(),
            Some((reason, field)) => {
                one["outcome"] = "quarantined".into();
                one["reason"] = reason.as_str().into();
                one["field"] = field.as_deref().into();
            }
            None => {}
        }
        one
    };
    let list: Vec<Value> = accepted.iter().zip(unread).map(one).collect();
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
