//! Runs over the control API: shown, under way or through; signalled, cancelled, retried, skipped, sent back, recalled, migrated, each as an
//! event like every other command. The answer tells what became of it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::access::{Acting, as_person, signs};
use super::control::text;
use super::{json, problem};
use crate::check::history::{By, History};
use crate::check::why;
use crate::daemon::handle::Handle;
use crate::engine::event::{self, Body, Command, Draft};
use crate::engine::flow::{Act, Ask, Run};
use crate::engine::log::{Json, Outcome};
use crate::engine::state::{Entry, Key};
use crate::engine::value::{self, Value};
use crate::store::sqlite::Reader;
use crate::store::{Error, Filter, Read as _};

/// Characters of a comment, a name.
const MOST: usize = 500;
/// Log lines of an answer.
const LINES: usize = 200;

/// What the body may say; nothing of it for most acts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Who asks: a person of the definitions for `recall`.
    #[serde(default)]
    by: String,
    #[serde(default)]
    comment: String,
    /// Of a signal.
    #[serde(default)]
    name: String,
    /// Of a signal.
    #[serde(default)]
    data: serde_json::Value,
    /// Of `cancel`.
    #[serde(default)]
    undo: bool,
    /// Of `back`.
    #[serde(default)]
    step: String,
}

/// `POST /api/runs/<id>/signal|cancel|retry|skip|back|recall|migrate`.
pub(super) async fn act(
    Acting(handle): Acting,
    Path((id, what)): Path<(String, String)>,
    request: axum::extract::Request,
) -> Response {
    let body = match text(request).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let asked = if body.is_empty() { Ok(Asked::default()) } else { serde_json::from_slice::<Asked>(&body) };
    let ask = match asked.map_err(|e| e.to_string()).and_then(|asked| ask(id.clone(), &what, asked)) {
        // What only one person may do is no operator's business.
        Ok(Some(ask)) if matches!(ask.act, Act::Recall) => match as_person(&handle, &ask.by) {
            Ok(()) => ask,
            Err(refusal) => return *refusal,
        },
        Ok(Some(ask)) => Ask { by: signs(&handle, ask.by), ..ask },
        Ok(None) => {
            return problem(StatusCode::NOT_FOUND, "not-found", "signal, cancel, retry, skip, back, recall or migrate");
        }
        Err(why) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "request", &why),
    };
    match look(&handle, &id, None).await {
        Ok(Some(_)) => {}
        Ok(None) => {
            let none = format!("there is no run {id}: it is through, or never was (`ifthen tail` tells)");
            return problem(StatusCode::NOT_FOUND, "run", &none);
        }
        Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error),
    }
    let draft = Draft::own("ifthen.command", Timestamp::now(), Body::Command(Command::Run(Box::new(ask))));
    let seq = match handle.command(vec![draft]).await {
        Ok(accepted) => accepted.first().map(|a| a.seq),
        Err(refusal) => return problem(StatusCode::SERVICE_UNAVAILABLE, "refused", &refusal.to_string()),
    };
    match look(&handle, &id, seq).await {
        Ok(became) => json(StatusCode::OK, "application/json", &became.unwrap_or_default()),
        // It is done all the same; only what became of it cannot be told.
        Err(_) => json(StatusCode::OK, "application/json", &serde_json::json!({ "event": seq.map(event::id) })),
    }
}

/// `GET /api/runs/<id>`: a run under way, or one that is through as it was when it ended, with the path it took.
pub(super) async fn show(State(handle): State<Handle>, Path(id): Path<String>) -> Response {
    let found = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(handle.file())?;
        if let Some(Entry::Run(run)) = reader.load(&Key::Run(id.clone()))?.as_deref() {
            return Ok(Some(shown(run, None)));
        }
        let live = handle.live();
        let ended = History::new(&reader, Some(&live.definitions), By::Then).ended(&id)?;
        Ok::<_, why::Error>(ended.map(|ended| shown(&ended.run, Some(ended.to_json()))))
    });
    match found.await {
        Ok(Ok(Some(run))) => json(StatusCode::OK, "application/json", &run),
        Ok(Ok(None)) => problem(StatusCode::NOT_FOUND, "run", "there is no such run, or its history is no longer kept"),
        Ok(Err(error)) => problem(StatusCode::SERVICE_UNAVAILABLE, "store", &error.to_string()),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "run", &error.to_string()),
    }
}

/// A run for programs; the keys are a promise.
fn shown(run: &Run, ended: Option<serde_json::Value>) -> serde_json::Value {
    let plain = |map: &value::Map| serde_json::json!(Value::Map(map.clone()).plain());
    let path = run
        .path
        .iter()
        .map(|p| serde_json::json!({ "step": p.step, "round": p.round, "from": p.from, "to": p.to, "how": p.how, "by": p.by }));
    serde_json::json!({
        "run": run.id, "flow": run.flow, "record": run.record.as_ref().map(ToString::to_string), "subject": run.subject,
        "initiator": run.initiator, "round": run.round, "started": run.started, "failed": run.failed, "graph": run.graph,
        "preview": run.preview, "vars": plain(&run.vars), "steps": plain(&run.steps), "path": path.collect::<Vec<_>>(), "ended": ended,
    })
}

/// What is asked of the engine; none: there is no such act.
fn ask(run: String, what: &str, asked: Asked) -> Result<Option<Ask>, String> {
    let Asked { by, comment, name, data, undo, step } = asked;
    if [&by, &comment, &name, &step].iter().any(|text| text.chars().count() > MOST) {
        return Err("a text is longer than 500 characters".into());
    }
    let said = |text: String, what: &str| if text.is_empty() { Err(format!("`{what}` is needed")) } else { Ok(text) };
    let act = match what {
        "signal" => {
            let data = value::from_json(data.to_string().as_bytes()).unwrap_or(Value::Null);
            Act::Signal { name: said(name, "name")?, data }
        }
        "cancel" => Act::Cancel { undo },
        "retry" => Act::Retry,
        "skip" => Act::Skip,
        "back" => Act::Back { step: said(step, "step")? },
        "recall" => Act::Recall,
        "migrate" => Act::Migrate,
        _ => return Ok(None),
    };
    let by = if matches!(act, Act::Recall) { said(by, "by")? } else { by };
    Ok(Some(Ask { run, act, by, comment }))
}

/// The run as it is; after an event, with what that event came to. None: neither is there.
async fn look(handle: &Handle, id: &str, seq: Option<u64>) -> Result<Option<serde_json::Value>, String> {
    let (file, id) = (handle.file().to_owned(), id.to_owned());
    let read = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&file)?;
        let entry = reader.load(&Key::Run(id))?;
        let run = if let Some(Entry::Run(run)) = entry.as_deref() { Some(run) } else { None };
        let Some(seq) = seq else { return Ok(run.map(|_| serde_json::Value::Null)) };
        let lines = reader.log(&Filter { event: Some(seq), ..Filter::default() }, 0, LINES)?;
        let done = lines.iter().all(|l| l.outcome != Outcome::Failed);
        let log: Vec<Json<'_>> = lines.iter().map(Json::from).collect();
        let stands = run.map(|run| serde_json::json!({ "round": run.round, "failed": run.failed, "graph": run.graph }));
        Ok::<_, Error>(Some(serde_json::json!({ "event": event::id(seq), "done": done, "log": log, "run": stands })))
    });
    match read.await {
        Ok(found) => found.map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    }
}
