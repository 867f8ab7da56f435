//! A run goes on by another version of its flow: who is asked at the step where it waits is worked out anew. Whoever is still named
//! keeps their seat, what they decided and what came of it; the task stays the same one, so that links already sent stay good.

use super::begin::{Named, describe, returns, signing, staffed};
use super::command::keep;
use super::outcome::result;
use super::seats::{Desk, ancestors};
use super::{Outcome, Seat, Seated, Task, TaskId, Why, act, notice};
use crate::engine::action::Doing;
use crate::engine::decide::Deciding;
use crate::engine::definition::Step;
use crate::engine::flow::Run;
use crate::engine::log::Outcome as Said;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key};
use crate::engine::value::Value;

/// Who is asked, by the step as it is now; how it ended, if by that it has.
pub(in crate::engine) fn renew(
    draft: &mut Deciding<'_>,
    run: &Run,
    step: &Step,
    doing: &Doing<'_>,
    id: TaskId,
) -> Result<Option<Outcome>, Stop> {
    let Some(Entry::Task(mut task)) = draft.get(&Key::Task(id))?.as_deref().cloned() else { return Ok(None) };
    if task.ended.is_some() {
        return Ok(None);
    }
    let before = people(&task);
    (task.mode, task.own) = signing(step);
    if let Some(Entry::Graph(graph)) = draft.get(&Key::Graph(run.graph.clone()))?.as_deref() {
        task.returns = returns(Some(graph.as_ref()), step);
    }
    describe(draft, &mut task, doing, step)?;
    let who = staffed(draft, run, doing, step, &mut task)?;
    let desk = Desk { people: &draft.definitions.people, at: draft.event.at };
    reseat(&mut task, who, &desk);
    let asked = if task.ended.is_none() { act::follow(&mut task, &desk) } else { Vec::new() };
    let after = people(&task);
    let named = |some: Vec<&String>| Value::List(some.into_iter().map(|p| p.as_str().into()).collect());
    let new: Vec<&String> = after.iter().filter(|p| !before.contains(p)).collect();
    let out: Vec<&String> = before.iter().filter(|p| !after.contains(p)).collect();
    if !new.is_empty() || !out.is_empty() {
        let task_id = task.id.to_string();
        let mut detail = vec![("task", task_id.into()), ("step", task.step.as_str().into()), ("asked", named(new))];
        if !out.is_empty() {
            detail.push(("without", named(out)));
        }
        let action = if task.form.is_some() { "ask" } else { "approve" };
        let detail = detail.into_iter().map(|(k, v): (&str, Value)| (k.to_owned(), v)).collect();
        draft.say_of(&notice::by(&task), task.record.clone(), action, Said::Fired, Value::Map(detail));
    }
    notice::tell_of(draft, &mut task, Some(run), (&asked, false, ""))?;
    match result(&task) {
        Some(outcome) => {
            keep(draft, &mut task);
            Ok(Some(outcome))
        }
        None => {
            draft.put(Key::Task(id), Entry::Task(task));
            Ok(None)
        }
    }
}

/// Those whose turn it is or will be.
fn people(task: &Task) -> Vec<String> {
    let seats = task.seats.iter().filter(|s| matches!(s.state, Seated::Open | Seated::Waiting));
    seats.map(|s| s.person.clone()).collect()
}

/// Seats for those who are named now, in their order. Who sat there keeps the seat and all that is of it; who came in because time
/// was over stays.
fn reseat(task: &mut Task, who: Vec<Named>, desk: &Desk<'_>) {
    let old = std::mem::take(&mut task.seats);
    let is_root = |s: &Seat| s.of.is_none() && s.why != Why::Escalated;
    let mut places: Vec<Option<usize>> = vec![None; old.len()];
    for (person, why, decided) in who {
        match old.iter().position(|s| is_root(s) && s.person == person) {
            Some(at) => {
                places[at] = Some(task.seats.len());
                task.seats.push(old[at].clone());
            }
            None => task.seats.push(Seat::named(&person, why, decided, desk.at)),
        }
    }
    for (at, seat) in old.iter().enumerate() {
        let root = ancestors(&old, at).last().unwrap_or(at);
        if places[at].is_none() && (places[root].is_some() || old[root].why == Why::Escalated) {
            places[at] = Some(task.seats.len());
            let of = seat.of.and_then(|of| places.get(of as usize).copied().flatten()).and_then(|of| u32::try_from(of).ok());
            task.seats.push(Seat { of, ..seat.clone() });
        }
    }
}
