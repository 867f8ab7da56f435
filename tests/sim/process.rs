//! One life of the daemon: its loop's books, what waits for it, and the calls it has handed out.

use std::any::Any;
use std::collections::VecDeque;

use ifthen::daemon::clock::Now;
use ifthen::daemon::cycle::{Circumstances, Cycle};
use ifthen::daemon::turn::Submission;
use ifthen::engine::call::{Call, Outcome};
use ifthen::engine::value::{Map, Value};
use ifthen::store::Error;

use super::definitions::Version;
use super::disk::Killed;
use super::outside::Flight;

/// What waits for the process.
pub(super) enum Message {
    Submit(Submission),
    Load(usize),
}

/// One life of the daemon.
pub(super) struct Process {
    pub(super) cycle: Cycle,
    pub(super) mailbox: VecDeque<Message>,
    /// Attempts handed out and not ended.
    pub(super) flights: Vec<Flight>,
    /// Those that ended, and how.
    pub(super) ended: Vec<(Call, Outcome)>,
    /// The version in force.
    pub(super) version: usize,
}

/// As the thread of the daemon does: what is due, then what has come in; new definitions end the batch.
pub(super) fn round(
    process: &mut Process,
    versions: &[Version],
    by: Circumstances,
    (quarantine, most, stopping): (usize, usize, bool),
    now: Now,
) -> Result<Vec<Call>, Error> {
    process.cycle.look(by, now);
    let mut submissions = process.cycle.due(stopping, now);
    let mut load = None;
    for _ in 0..most {
        match process.mailbox.pop_front() {
            Some(Message::Submit(submission)) => submissions.push(submission),
            Some(Message::Load(version)) => {
                load = Some(version);
                break;
            }
            None => break,
        }
    }
    let mut started = Vec::new();
    if !submissions.is_empty() {
        process.cycle.turn().limit(quarantine);
        started = process.cycle.take(submissions, now)?;
    }
    if let Some(version) = load {
        let definitions = versions[version].definitions.clone();
        match process.cycle.load(definitions, Value::Map(Map::new()), now) {
            Ok(()) => process.version = version,
            Err(error @ (Error::Broken(_) | Error::Corrupt(_))) => return Err(error),
            Err(_) => process.mailbox.push_back(Message::Load(version)), // a full disk: tried until it is there
        }
    }
    Ok(started)
}

/// What came of it; `None`: the process was killed. Any other panic is a fault of ours.
pub(super) fn lived<T>(came: Result<T, Box<dyn Any + Send>>) -> Result<Option<T>, String> {
    match came {
        Ok(value) => Ok(Some(value)),
        Err(payload) if payload.is::<Killed>() => Ok(None),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|t| (*t).to_owned()));
            Err(format!("panicked: {}", text.unwrap_or_default()))
        }
    }
}
