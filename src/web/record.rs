//! Merging records, and making them two again, over the control API: events, like every other command.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::access::{Acting, signs};
use super::control::{submit, text};
use super::problem;
use crate::engine::event::{Command, RecordRef};
use crate::engine::merge::{Ask, Undoing};

/// Characters of an id or a name.
const MOST: usize = 500;

/// What is asked beside the record in the address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// For a merge: the other record, `lead/L2`.
    #[serde(default)]
    loser: String,
    /// Who asks.
    #[serde(default)]
    by: String,
}

/// `POST /api/records/<entity>/<id>/merge` with `{ "loser": "lead/L2", "by": "…" }`: that one's id leads here from then on.
/// `POST /api/records/<entity>/<id>/unmerge` with `{ "by": "…" }`: this one is a record of its own again.
pub(super) async fn change(
    Acting(handle): Acting,
    Path((entity, id, what)): Path<(String, String, String)>,
    request: axum::extract::Request,
) -> Response {
    let body = match text(request).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let asked = match serde_json::from_slice::<Asked>(&body) {
        Ok(asked) => asked,
        Err(error) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "merge", &error.to_string()),
    };
    if [&entity, &id, &asked.loser, &asked.by].iter().any(|t| t.chars().count() > MOST) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "merge", "a text is longer than 500 characters");
    }
    let record = RecordRef { entity, id };
    let Asked { loser, by } = asked;
    let by = signs(&handle, by);
    match (what.as_str(), loser.split_once('/')) {
        ("merge", Some((entity, id))) if !entity.is_empty() && !id.is_empty() => {
            let loser = RecordRef { entity: entity.into(), id: id.into() };
            submit(&handle, Command::Merge(Ask { winner: record, loser, by })).await
        }
        ("merge", _) => problem(StatusCode::UNPROCESSABLE_ENTITY, "merge", "`loser` is an entity and an id: lead/L2"),
        ("unmerge", _) => submit(&handle, Command::Unmerge(Undoing { record, by })).await,
        _ => problem(StatusCode::NOT_FOUND, "not-found", "merge or unmerge"),
    }
}
