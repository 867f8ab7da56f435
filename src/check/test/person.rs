//! People in a test: which task or run they mean, as a command of theirs, and whether it was refused. What it comes to is decided by
//! the engine alone.

use super::fact::Fact;
use super::world::Refused;
use crate::config::scenario::{ActKind, Whose};
use crate::engine::approval::{Ask, Seated, Task};
use crate::engine::event::Command;
use crate::engine::flow::{self, Run};
use crate::engine::log::Outcome;
use crate::engine::state::{Entry, State, prefix};

/// The way by which people decide here.
const WAY: &str = "test";

/// What a person asks; or that there is nothing, or more than one thing, that they could mean.
pub(super) fn command(state: &State, kind: &ActKind) -> Option<Result<Command, Refused>> {
    Some(match kind {
        ActKind::Decide { at, person, act, comment, links } => task(state, at, person).map(|task| {
            let (person, act, comment, links) = (person.clone(), act.clone(), comment.clone(), links.clone());
            let (way, address) = (WAY.to_owned(), String::new());
            Command::Task(Box::new(Ask { task: task.id, person, act, comment, links, way, address }))
        }),
        ActKind::Run { of, by, act } => run(state, of).map(|run| {
            let (by, act) = (by.clone(), act.clone());
            Command::Run(Box::new(flow::Ask { run: run.id.clone(), act, by, comment: String::new() }))
        }),
        _ => return None,
    })
}

/// What of that was refused.
pub(super) fn refused(facts: &[Fact]) -> Option<Refused> {
    let refused = |f: &&Fact| f.line.outcome == Outcome::Suppressed && matches!(f.line.action.as_str(), "decide" | "run");
    let line = &facts.iter().find(refused)?.line;
    let text = |name: &str| line.detail.at(&[name]).map(ToString::to_string).unwrap_or_default();
    let detail = text("detail");
    Some(Refused { code: text("reason"), detail: if detail.is_empty() { text("error") } else { detail } })
}

fn refuse(code: &str, detail: String) -> Refused {
    Refused { code: code.into(), detail }
}

fn entries<'s, T>(state: &'s State, prefix: &str, of: fn(&'s Entry) -> Option<&'s T>) -> Vec<&'s T> {
    let keys = state.scan(prefix, None, usize::MAX);
    keys.iter().filter_map(|key| state.get(key).ok().flatten()).filter_map(|entry| of(entry)).collect()
}

/// The task that a person means: one that asks them, or else one that they have a part in, or else any.
fn task<'s>(state: &'s State, at: &Whose, person: &str) -> Result<&'s Task, Refused> {
    let all = entries(state, prefix::TASK, |e| if let Entry::Task(task) = e { Some(task) } else { None });
    let meant = |task: &&&Task| {
        at.flow.as_ref().is_none_or(|flow| *flow == task.flow)
            && at.step.as_ref().is_none_or(|step| *step == task.step)
            && at.record.as_ref().is_none_or(|record| task.record.as_ref() == Some(record))
    };
    let part = |task: &Task| {
        let seats = || task.seats.iter().filter(|s| s.person == person);
        match task.ended {
            None if seats().any(|s| s.state == Seated::Open) => 3,
            None if seats().next().is_some() => 2,
            Some(_) if seats().next().is_some() => 1,
            _ => 0,
        }
    };
    let meant: Vec<&Task> = all.iter().filter(meant).copied().collect();
    let most = meant.iter().map(|task| part(task)).max();
    let those: Vec<&Task> = meant.into_iter().filter(|task| Some(part(task)) == most).collect();
    match (&those[..], most) {
        ([task], _) => Ok(task),
        // The last one of those that have ended.
        ([.., last], Some(1)) => Ok(last),
        ([], _) => Err(refuse("no-task", format!("{person}: nobody is asked anything that fits"))),
        (several, _) => {
            let steps: Vec<String> = several.iter().map(|t| format!("{} {}", t.flow, t.step)).collect();
            Err(refuse("several-tasks", format!("{person}: {}; say which with `step`, `flow`, `record`", steps.join(", "))))
        }
    }
}

fn run<'s>(state: &'s State, of: &Whose) -> Result<&'s Run, Refused> {
    let all = entries(state, prefix::RUN, |e| if let Entry::Run(run) = e { Some(run) } else { None });
    let meant = |run: &&&Run| {
        of.flow.as_ref().is_none_or(|flow| *flow == run.flow)
            && of.record.as_ref().is_none_or(|record| run.record.as_ref() == Some(record))
    };
    let meant: Vec<&Run> = all.iter().filter(meant).copied().collect();
    match &meant[..] {
        [run] => Ok(run),
        [] => Err(refuse("no-run", "no run is under way that fits".into())),
        several => {
            let runs: Vec<&str> = several.iter().map(|run| run.flow.as_str()).collect();
            Err(refuse("several-runs", format!("{}; say which with `flow` and `record`", runs.join(", "))))
        }
    }
}
