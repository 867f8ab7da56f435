//! What a person does about a task, handed to the engine and answered by what became of it: the log of its event and the task are read
//! once they are on disk. Decides nothing itself.

use jiff::Timestamp;

use super::case;
use crate::daemon::handle::Handle;
use crate::engine::access::{Actor, Role};
use crate::engine::approval::{Act, Ask, Task, TaskId};
use crate::engine::event::{Body, Command, Draft};
use crate::engine::log::{Line, Outcome};
use crate::store::sqlite::Reader;
use crate::store::{Error, Filter, Read as _};

/// Lines of one event that are looked at.
const LINES: usize = 1_000;
/// Of the engine's log, what is said about what people do.
const ACTIONS: [&str; 8] = ["decide", "transfer", "delegate", "add", "remove", "recall", "code", "task"];

/// What became of it.
#[derive(Debug)]
pub(super) struct Told {
    /// The number of its event.
    pub(super) event: u64,
    /// Why it was not done.
    pub(super) refused: Option<Refused>,
    /// The task as it is by now.
    pub(super) task: Option<Task>,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// The word, for programs.
    pub(super) reason: String,
    /// The sentence, in the language of the definitions; may be empty.
    pub(super) detail: String,
}

/// Why nothing can be said about it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Not now: the disk is full, too much is waiting.
    Later(String),
    /// Something else was asked for under the same key before.
    Other,
}

/// Has it decided. The same again under the same key is answered as it was the first time.
pub(super) async fn submit(handle: &Handle, ask: Ask, key: Option<String>) -> Result<Told, Trouble> {
    let mut draft = Draft::own("ifthen.command", Timestamp::now(), Body::Command(Command::Task(Box::new(ask.clone()))));
    if handle.actor().is_none() && !matches!(ask.act, Act::SendCode | Act::WrongCode | Act::RightCode) {
        // Behind a link: whoever decides has proved who they are before.
        draft.by = Some(Actor {
            name: ask.person.clone(),
            role: Role::Approver,
            way: ask.way.clone(),
            address: ask.address.clone(),
            person: None,
        });
    }
    draft.delivery = key.map(|key| format!("task {key}"));
    let accepted = handle.command(vec![draft]).await.map_err(|refusal| Trouble::Later(refusal.to_string()))?;
    let Some(accepted) = accepted.first().cloned() else { return Err(Trouble::Later("nothing was accepted".into())) };
    let file = handle.file().to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&file)?;
        if accepted.duplicate && !same(&reader, accepted.seq, &ask)? {
            return Ok(Err(Trouble::Other));
        }
        told(&reader, accepted.seq, &ask).map(Ok)
    });
    match read.await {
        Ok(Ok(told)) => told,
        Ok(Err(error)) => Err(Trouble::Later(error.to_string())),
        Err(error) => Err(Trouble::Later(error.to_string())),
    }
}

/// Whether that event asks for the same; from where does not matter.
fn same(reader: &Reader, seq: u64, ask: &Ask) -> Result<bool, Error> {
    let stored = reader.event(seq)?;
    let Some(Body::Command(Command::Task(before))) = stored.map(|s| s.event.body) else { return Ok(false) };
    Ok(Ask { address: String::new(), ..*before } == Ask { address: String::new(), ..ask.clone() })
}

fn told(reader: &Reader, event: u64, ask: &Ask) -> Result<Told, Error> {
    let lines = reader.log(&Filter { event: Some(event), ..Filter::default() }, 0, LINES)?;
    let refused = lines.iter().find(|l| is_about(l, ask.task)).and_then(refused);
    Ok(Told { event, refused, task: case::task(reader, ask.task)? })
}

/// The first such line is about what was asked for; what follows may be what the run does next.
fn is_about(line: &Line, task: TaskId) -> bool {
    ACTIONS.contains(&line.action.as_str()) && line.detail.at(&["task"]).is_some_and(|t| t.to_string() == task.to_string())
}

fn refused(line: &Line) -> Option<Refused> {
    if !matches!(line.outcome, Outcome::Suppressed | Outcome::Failed) {
        return None;
    }
    let text = |name| line.detail.at(&[name]).map(ToString::to_string).unwrap_or_default();
    Some(Refused { reason: text("reason"), detail: text("detail") })
}
