//! Access tokens over the control API: made, listed, revoked, by an admin. A token is told once, in the answer that makes it; what is
//! kept is its hash.

use std::io::Read as _;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::access::{Acting, PREFIX, hash};
use super::control::{submit, text};
use super::{json as answer, problem};
use crate::daemon::handle::Handle;
use crate::engine::access::{self, Ask, NAME, Role, Token};
use crate::engine::event::{self, Body, Command, Draft};
use crate::engine::log::Outcome;
use crate::engine::state::Key;
use crate::store::sqlite::Reader;
use crate::store::{Filter, Read as _};

/// Log lines of one event that are looked at.
const LINES: usize = 20;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    role: String,
    /// An approver's person.
    person: Option<String>,
    /// Till then; for ever unless said.
    until: Option<Timestamp>,
}

/// `POST /api/tokens` with `{"name": …, "role": …, "person": …, "until": …}`; the answer's `token` is told this once.
pub(super) async fn add(Acting(handle): Acting, request: axum::extract::Request) -> Response {
    let body = match text(request).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let asked = match serde_json::from_slice::<Asked>(&body).map_err(|e| e.to_string()).and_then(|a| read(&handle, a)) {
        Ok(asked) => asked,
        Err(why) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "token", &why),
    };
    let secret = match random() {
        Ok(secret) => secret,
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, "random", &error.to_string()),
    };
    let by = handle.actor().map(|actor| actor.name.clone()).unwrap_or_default();
    let token = Token { hash: hash(&secret), by, ..asked };
    let draft = Draft::own("ifthen.command", Timestamp::now(), Body::Command(Command::Token(Ask::Add(token))));
    let seq = match handle.command(vec![draft]).await {
        Ok(accepted) => accepted.first().map(|a| a.seq),
        Err(refusal) => return problem(StatusCode::SERVICE_UNAVAILABLE, "refused", &refusal.to_string()),
    };
    let file = handle.file().to_owned();
    let refused = tokio::task::spawn_blocking(move || {
        let lines = Reader::open(&file)?.log(&Filter { event: seq, ..Filter::default() }, 0, LINES)?;
        let failed = lines.into_iter().find(|line| line.outcome == Outcome::Failed);
        Ok::<_, crate::store::Error>(failed.and_then(|line| line.detail.at(&["reason"]).map(ToString::to_string)))
    });
    match refused.await {
        Ok(Ok(None)) => answer(StatusCode::OK, "application/json", &json!({ "event": seq.map(event::id), "token": secret })),
        Ok(Ok(Some(why))) => problem(StatusCode::CONFLICT, "token", &why),
        Ok(Err(error)) => problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error.to_string()),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "token", &error.to_string()),
    }
}

fn read(handle: &Handle, asked: Asked) -> Result<Token, String> {
    let Asked { name, role, person, until } = asked;
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(|c| c.is_control() || c == '/') {
        return Err(format!("a token's name has 1 to {NAME} characters, and no `/`"));
    }
    let role = Role::of(&role).ok_or("a role is viewer, operator, approver or admin")?;
    match (role, &person) {
        (Role::Approver, None) => return Err("an approver decides for a person: `person` says for whom".into()),
        (Role::Approver, Some(person)) if !handle.live().definitions.people.contains_key(person) => {
            return Err(format!("there is no person `{person}` in the definitions"));
        }
        (Role::Approver, _) | (_, None) => {}
        (_, Some(_)) => return Err("only an approver decides for a person".into()),
    }
    if until.is_some_and(|until| until <= Timestamp::now()) {
        return Err("`until` is over already".into());
    }
    Ok(Token { name, role, person, until, hash: String::new(), made: Timestamp::now(), by: String::new(), used: None })
}

/// 256 bits.
fn random() -> std::io::Result<String> {
    let mut bytes = [0_u8; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// `POST /api/tokens/<name>/revoke`
pub(super) async fn revoke(Acting(handle): Acting, Path(name): Path<String>) -> Response {
    submit(&handle, Command::Token(Ask::Revoke(name))).await
}

/// `GET /api/tokens`: all but what they are.
pub(super) async fn list(State(handle): State<Handle>) -> Response {
    let file = handle.file().to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let entry = Reader::open(&file)?.load(&Key::Tokens)?;
        Ok::<_, crate::store::Error>(access::all(entry.as_deref()).iter().map(shown).collect::<Vec<_>>())
    });
    match read.await {
        Ok(Ok(tokens)) => answer(StatusCode::OK, "application/json", &json!({ "tokens": tokens })),
        Ok(Err(error)) => problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error.to_string()),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "tokens", &error.to_string()),
    }
}

fn shown(token: &Token) -> serde_json::Value {
    let Token { name, role, person, until, made, by, used, hash: _ } = token;
    json!({ "name": name, "role": role.word(), "person": person, "until": until, "made": made, "by": by, "used": used })
}
