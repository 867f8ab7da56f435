//! Who may use a route of the API: a token is looked up, its role compared with the route's, and what follows is in its name.
//!
//! Architecture invariant: every route below `/api` is made by [`needs`]; a handler that changes something takes [`Acting`], so that
//! nothing is asked for in nobody's name. What was revoked is refused from the commit on: tokens are read, not remembered.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::limit::Limit;
use super::{problem, too_many};
use crate::daemon::handle::Handle;
use crate::engine::access::{self, Actor, Ask, NAME, Role, Token};
use crate::engine::event::{Body, Command, Draft};
use crate::engine::state::Key;
use crate::store::sqlite::Reader;
use crate::store::{Error, Read as _};

/// What a token begins with, so that one that leaked is found by whoever looks for such.
pub(super) const PREFIX: &str = "ift_";
/// Characters of the longest that is looked at.
const LONGEST: usize = 200;
/// The header by which the command line says which user of the machine asks.
const USER: &str = "x-ifthen-user";
/// How exactly the last use is told.
const HOUR: i64 = 3_600;

/// What is needed to tell who asks.
#[derive(Clone)]
pub(super) struct Gate {
    handle: Handle,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    /// One connection to the store for all; opened when first needed.
    reader: Mutex<Option<Reader>>,
    /// By token's name.
    rates: Mutex<Limit<String>>,
    /// The hour in which a token's use was told last.
    used: Mutex<HashMap<String, i64>>,
}

/// The route's handlers, for those who have this role.
pub(super) fn needs(role: Role, gate: &Gate, methods: MethodRouter<Handle>) -> MethodRouter<Handle> {
    methods.route_layer(from_fn_with_state((gate.clone(), role), enter))
}

async fn enter(State((gate, needed)): State<(Gate, Role)>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let actor = match gate.who(request.headers(), peer).await {
        Ok(Some(actor)) => actor,
        Ok(None) => return stranger(),
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error),
    };
    let rate = gate.handle.live().settings.limits.requests;
    let admitted = {
        let mut rates = gate.kept.rates.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has the data folder is not kept from it.
        if actor.way == "token" { rates.admit(actor.name.clone(), 1, rate, Instant::now()) } else { Ok(()) }
    };
    if let Err(seconds) = admitted {
        return too_many(seconds, &format!("this token may ask {rate} times a second (limits.requests)"));
    }
    if !actor.role.may(needed) {
        let detail = format!("this token's role is {}; {} is needed here", actor.role.word(), needed.word());
        return problem(StatusCode::FORBIDDEN, "role", &detail);
    }
    let mut request = request;
    request.extensions_mut().insert(actor);
    next.run(request).await
}

fn stranger() -> Response {
    let detail =
        "a token is needed: `Authorization: Bearer …`, from `ifthen tokens add`, or the one in the data folder's file `control`";
    let mut response = problem(StatusCode::UNAUTHORIZED, "token", detail);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// The way to the turn in the name of whoever asks.
pub(super) struct Acting(pub(super) Handle);

impl FromRequestParts<Handle> for Acting {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, handle: &Handle) -> Result<Self, Response> {
        match parts.extensions.get::<Actor>() {
            Some(actor) => Ok(Self(handle.acting(actor.clone()))),
            None => Err(stranger()), // a route that was not made by `needs`
        }
    }
}

/// Refused: whoever asks may not do it in that person's name.
pub(super) fn as_person(handle: &Handle, person: &str) -> Result<(), Box<Response>> {
    match handle.actor() {
        Some(actor) if actor.speaks_for(person) => Ok(()),
        _ => Err(Box::new(problem(StatusCode::FORBIDDEN, "person", "this token does not speak for that person"))),
    }
}

/// The name under which something is done; see [`Actor::signs`].
pub(super) fn signs(handle: &Handle, told: String) -> String {
    handle.actor().map_or(told.clone(), |actor| actor.signs(told))
}

/// The SHA-256 of a token, in hex.
pub(super) fn hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

impl Gate {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, kept: Arc::default() }
    }

    /// Who asks; none: nobody we know.
    async fn who(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Result<Option<Actor>, String> {
        let given = headers.get(header::AUTHORIZATION).and_then(|h| h.to_str().ok()).and_then(|h| h.strip_prefix("Bearer "));
        let Some(given) = given.filter(|g| g.len() <= LONGEST) else { return Ok(None) };
        let address = peer.map(|peer| super::address(peer, headers)).unwrap_or_default();
        if self.handle.is_token(given) {
            let user = headers.get(USER).map(|h| String::from_utf8_lossy(h.as_bytes()).chars().take(NAME).collect::<String>());
            let way = if user.is_some() { "cli" } else { "control" };
            let name = user.filter(|user| !user.is_empty()).unwrap_or_else(|| "control".into());
            return Ok(Some(Actor { name, role: Role::Admin, way: way.into(), address, person: None }));
        }
        if !given.starts_with(PREFIX) {
            return Ok(None);
        }
        let (kept, handle, hash) = (Arc::clone(&self.kept), self.handle.clone(), hash(given));
        let found = tokio::task::spawn_blocking(move || kept.find(&handle, &hash)).await;
        let token = found.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        let now = Timestamp::now();
        Ok(token.filter(|token| token.is_valid(now)).map(|token| {
            self.use_of(&token, now);
            Actor { name: token.name, role: token.role, way: "token".into(), address, person: token.person }
        }))
    }

    /// Tells that a token was used, once an hour.
    fn use_of(&self, token: &Token, now: Timestamp) {
        let hour = now.as_second() - now.as_second().rem_euclid(HOUR);
        let mut used = self.kept.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() > 2 * access::MOST {
            used.clear(); // names of tokens that are not there any more
        }
        let known = used.insert(token.name.clone(), hour);
        let at = Timestamp::from_second(hour).unwrap_or(now);
        if known != Some(hour) && token.used != Some(at) {
            let ask = Command::Token(Ask::Used(token.name.clone(), at));
            self.handle.tell(vec![Draft::own("ifthen.command", now, Body::Command(ask))]);
        }
    }
}

impl Kept {
    /// The token of this hash; every one is compared, whichever it is.
    fn find(&self, handle: &Handle, hash: &str) -> Result<Option<Token>, Error> {
        let mut place = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = match place.take() {
            Some(reader) => reader,
            None => Reader::open(handle.file())?,
        };
        let entry = reader.load(&Key::Tokens)?; // on an error the connection is not kept
        *place = Some(reader);
        let mut found = None;
        for token in access::all(entry.as_deref()) {
            if token.hash.as_bytes().ct_eq(hash.as_bytes()).into() {
                found = Some(token.clone());
            }
        }
        Ok(found)
    }
}
