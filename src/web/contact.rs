//! Contacts over the control API: whether an address is to get marketing mail, said by a person, as an event like every other command.

use axum::http::StatusCode;
use axum::response::Response;

use super::access::{Acting, signs};
use super::control::{submit, text};
use super::problem;
use crate::engine::contact::address;
use crate::engine::event::Command;
use crate::engine::mail::Ask;

/// Characters of a name.
const MOST: usize = 100;

/// `POST /api/contacts`: `{"address": …, "subscribe": false, "by": …}`.
pub(super) async fn set(Acting(handle): Acting, request: axum::extract::Request) -> Response {
    let body = match text(request).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let ask = match serde_json::from_slice::<Ask>(&body) {
        Ok(ask) => ask,
        Err(error) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "contact", &error.to_string()),
    };
    let Some(address) = address(&ask.address).filter(|_| ask.by.chars().count() <= MOST) else {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "contact", "a mail address such as zhang@example.com is expected");
    };
    let by = signs(&handle, ask.by);
    submit(&handle, Command::Contact(Ask { address, by, ..ask })).await
}
