//! Tasks for programs and for the command line, with the control token: what people are asked, and what they do about it.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::super::control::{body, permitted};
use super::super::{json as answer, problem};
use super::submit::{Told, Trouble, submit};
use super::{address, case};
use crate::daemon::handle::Handle;
use crate::engine::approval::{Act, Ask, Decision, Task, TaskId};
use crate::engine::definition::Signing;
use crate::engine::value::{Value, from_json};
use crate::store::sqlite::Reader;

/// Tasks of one list.
const MOST: usize = 1_000;
/// Characters of a comment, a name, an address.
const LONGEST: usize = 2_000;
/// Characters of an idempotency key.
const KEY: usize = 200;

/// Which tasks are listed.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct Asked {
    /// Whose turn it is, or was.
    person: Option<String>,
    /// `open` unless said, `ended`, `all`.
    status: Option<String>,
}

/// `GET /api/tasks?person=&status=`
pub(in crate::web) async fn list(State(handle): State<Handle>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    if let Err(refusal) = permitted(&handle, &headers) {
        return *refusal;
    }
    let status = asked.status.as_deref().unwrap_or("open").to_owned();
    if !matches!(status.as_str(), "open" | "ended" | "all") {
        return problem(StatusCode::BAD_REQUEST, "status", "open, ended or all");
    }
    let file = handle.file().to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        case::each(&Reader::open(&file)?, None, |task| {
            let open = task.ended.is_none();
            let wanted = status == "all" || open == (status == "open");
            if wanted && asked.person.as_ref().is_none_or(|person| task.concerns(person)) {
                found.push(task.to_json());
            }
            found.len() < MOST
        })?;
        Ok::<_, crate::store::Error>(found)
    });
    match read.await {
        Ok(Ok(tasks)) => answer(StatusCode::OK, "application/json", &json!({ "tasks": tasks })),
        Ok(Err(error)) => problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error.to_string()),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "tasks", &error.to_string()),
    }
}

/// `GET /api/tasks/<id>`
pub(in crate::web) async fn show(State(handle): State<Handle>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if let Err(refusal) = permitted(&handle, &headers) {
        return *refusal;
    }
    match load(&handle, &id).await {
        Ok(task) => answer(StatusCode::OK, "application/json", &task.to_json()),
        Err(refusal) => *refusal,
    }
}

async fn load(handle: &Handle, id: &str) -> Result<Task, Box<Response>> {
    let Ok(id) = id.parse::<TaskId>() else {
        return Err(Box::new(problem(StatusCode::BAD_REQUEST, "task", "a task's id looks like t1042-1")));
    };
    let file = handle.file().to_owned();
    let read = tokio::task::spawn_blocking(move || case::task(&Reader::open(&file)?, id)).await;
    Err(Box::new(match read {
        Ok(Ok(Some(task))) => return Ok(task),
        Ok(Ok(None)) => problem(StatusCode::NOT_FOUND, "unknown-task", &format!("there is no task {id}, or none any more")),
        Ok(Err(error)) => problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error.to_string()),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "task", &error.to_string()),
    }))
}

/// What is done about a task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    /// Who does it.
    person: String,
    #[serde(default)]
    comment: String,
    /// Addresses of documents.
    #[serde(default)]
    links: Vec<String>,
    /// `reject`: the step to which it goes back. `transfer`, `delegate`, `remove`: the person.
    to: Option<String>,
    /// `reject`: afterwards it comes straight back.
    #[serde(default)]
    here: bool,
    /// `add`: whom.
    #[serde(default)]
    people: Vec<String>,
    /// `add`: 后加签 instead of 前加签.
    #[serde(default)]
    after: bool,
    /// `add`: how these decide among themselves.
    mode: Option<Signing>,
    /// `answer`: by the names of the form's fields.
    answers: Option<Json>,
    /// `cli`; `api` unless said.
    way: Option<String>,
    /// From where, as the other program knows it.
    address: Option<String>,
}

/// `POST /api/tasks/<id>/approve|reject|answer|transfer|delegate|add|remove|recall`
pub(in crate::web) async fn act(
    State(handle): State<Handle>,
    Path((id, what)): Path<(String, String)>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    if let Err(refusal) = permitted(&handle, &headers) {
        return *refusal;
    }
    let text = match body(request).await {
        Ok(text) => text,
        Err(refusal) => return *refusal,
    };
    let task = match load(&handle, &id).await {
        Ok(task) => task,
        Err(refusal) => return *refusal,
    };
    let given = match serde_json::from_slice::<Given>(&text) {
        Ok(given) => given,
        Err(error) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "body", &error.to_string()),
    };
    let ask = match read(&task, &what, given, || address(peer, &headers)) {
        Ok(ask) => ask,
        Err(refusal) => return *refusal,
    };
    let key = headers.get("idempotency-key").and_then(|k| k.to_str().ok()).map(str::to_owned);
    if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key", "an Idempotency-Key has 1 to 200 characters");
    }
    if key.is_none() && is_done(&task, &ask) {
        let told = json!({ "outcome": "already", "task": task.to_json() });
        return answer(StatusCode::OK, "application/json", &told);
    }
    match submit(&handle, ask, key).await {
        Ok(told) => became(&told),
        Err(Trouble::Later(why)) => problem(StatusCode::SERVICE_UNAVAILABLE, "refused", &why),
        Err(Trouble::Other) => {
            problem(StatusCode::CONFLICT, "idempotency-key", "something else was asked for under the same Idempotency-Key before")
        }
    }
}

fn read(task: &Task, what: &str, given: Given, from: impl FnOnce() -> String) -> Result<Ask, Box<Response>> {
    let wrong = |code: &str, detail: &str| Box::new(problem(StatusCode::UNPROCESSABLE_ENTITY, code, detail));
    let long = |text: &str| text.chars().count() > LONGEST;
    let texts = [&given.person, &given.comment].into_iter().chain(&given.links).chain(&given.people).chain(&given.to);
    if texts.chain(&given.address).any(|t| long(t)) {
        return Err(wrong("too-long", "a text is longer than 2,000 characters"));
    }
    if given.links.iter().any(|link| super::field::address(link).is_none()) {
        return Err(wrong("links", "a link begins with http:// or https://"));
    }
    let to = || given.to.clone().filter(|to| !to.is_empty()).ok_or_else(|| wrong("to", "`to` names the person"));
    let act = match what {
        "approve" => Act::Approve,
        "reject" => Act::Reject { to: given.to.clone().filter(|to| !to.is_empty()), here: given.here },
        "transfer" => Act::Transfer(to()?),
        "delegate" => Act::Delegate(to()?),
        "remove" => Act::Remove(to()?),
        "add" if given.people.is_empty() => return Err(wrong("people", "`people` names whom to add")),
        "add" => Act::Add { people: given.people, before: !given.after, mode: given.mode },
        "recall" => Act::Recall,
        "answer" => {
            let answers = given.answers.unwrap_or_default();
            match from_json(answers.to_string().as_bytes()) {
                Ok(Value::Map(answers)) => Act::Answer(Value::Map(answers)),
                Ok(_) => return Err(wrong("answers", "`answers` is an object by the names of the form's fields")),
                Err(error) => return Err(wrong("answers", &error.to_string())),
            }
        }
        _ => {
            return Err(Box::new(problem(StatusCode::NOT_FOUND, "not-found", &Act::WORDS.join(", "))));
        }
    };
    let way = match given.way.as_deref() {
        None | Some("api") => "api",
        Some("cli") => "cli",
        Some(_) => return Err(wrong("way", "api or cli")),
    };
    let address = given.address.unwrap_or_else(from);
    Ok(Ask { task: task.id, person: given.person, act, comment: given.comment, links: given.links, way: way.into(), address })
}

/// Whether that very decision is there already: asked for again, it is no conflict.
fn is_done(task: &Task, ask: &Ask) -> bool {
    let same = |decision: &Decision| match &ask.act {
        Act::Approve => decision.approved && decision.comment == ask.comment.trim(),
        Act::Reject { to, here } => {
            !decision.approved && decision.comment == ask.comment.trim() && decision.to == *to && decision.here == *here
        }
        _ => false,
    };
    let decisions = task.seats.iter().filter(|s| s.person == ask.person).filter_map(|s| s.decision.as_ref());
    !task.is_open_to(&ask.person) && decisions.max_by_key(|d| d.at).is_some_and(same)
}

/// What became of it, as the log says.
fn became(told: &Told) -> Response {
    let event = crate::engine::event::id(told.event);
    let Some(refused) = &told.refused else {
        let task = told.task.as_ref().map(Task::to_json);
        return answer(StatusCode::OK, "application/json", &json!({ "event": event, "outcome": "done", "task": task }));
    };
    let status = match refused.reason.as_str() {
        "unknown-task" => StatusCode::NOT_FOUND,
        "not-asked" | "inactive" => StatusCode::FORBIDDEN,
        "unknown-person" | "bad-link" | "too-long" | "no-comment" | "no-return" | "wrong-kind" | "wrong-answer" | "self"
        | "no-form" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    };
    let detail = if refused.detail.is_empty() { &refused.reason } else { &refused.detail };
    problem(status, &refused.reason, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_has_its_status() {
        let check = |reason: &str, status: u16| {
            let refused = super::super::submit::Refused { reason: reason.into(), detail: String::new() };
            let told = Told { event: 1, refused: Some(refused), task: None };
            assert_eq!(became(&told).status().as_u16(), status, "{reason}");
        };
        check("unknown-task", 404);
        check("not-asked", 403);
        check("no-comment", 422);
        check("already-decided", 409);
        check("something new", 409);
        assert_eq!(became(&Told { event: 1, refused: None, task: None }).status().as_u16(), 200);
    }
}
