//! What a task came to: for the flow that waits for it, and for the log.

use super::act::is_opinion;
use super::{Decision, End, Seat, Task, Why};
use crate::engine::value::{Map, Value};

/// How a task ended, for the flow.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) struct Outcome {
    /// How.
    pub(in crate::engine) how: End,
    /// `steps.<id>`: `approved`, `by`, `comment`, `answers`, `decisions`.
    pub(in crate::engine) result: Value,
    /// The people who decided themselves: neither a policy nor the clock did it for them.
    pub(in crate::engine) by: Vec<String>,
}

/// What the flow is told of a task that has ended.
pub(in crate::engine) fn result(task: &Task) -> Option<Outcome> {
    let how = task.ended.as_ref()?.how.clone();
    let mut decided: Vec<(usize, &Seat, &Decision)> =
        task.seats.iter().enumerate().filter_map(|(at, s)| Some((at, s, s.decision.as_ref()?))).collect();
    decided.sort_by_key(|(_, _, d)| d.at);
    let counted = decided.iter().filter(|(at, ..)| !is_opinion(&task.seats, *at));
    let last = counted.clone().next_back();
    let mut by: Vec<String> = Vec::new();
    for (_, seat, _) in counted.filter(|(_, _, d)| d.is_own()) {
        if !by.contains(&seat.person) {
            by.push(seat.person.clone());
        }
    }
    let mut members = Map::from([
        ("approved".to_owned(), Value::Bool(how == End::Approved)),
        ("by".to_owned(), by.last().cloned().into()),
        ("comment".to_owned(), last.map(|(_, _, d)| d.comment.clone()).into()),
        ("decisions".to_owned(), Value::List(decided.iter().map(|(at, _, d)| Value::Map(said(task, *at, d))).collect())),
    ]);
    if task.form.is_some() {
        members.insert("answers".to_owned(), Value::Map(last.map(|(_, _, d)| d.answers.clone()).unwrap_or_default()));
    }
    Some(Outcome { how, result: Value::Map(members), by })
}

/// One decision, as a flow and its templates see it.
fn said(task: &Task, at: usize, decision: &Decision) -> Map {
    let seat = &task.seats[at];
    let mut members = Map::from([
        ("person".to_owned(), Value::from(seat.person.as_str())),
        ("approved".to_owned(), decision.approved.into()),
        ("comment".to_owned(), decision.comment.as_str().into()),
        ("at".to_owned(), decision.at.into()),
        ("way".to_owned(), decision.way.as_str().into()),
    ]);
    if let Some(principal) = stands_for(task, at) {
        members.insert("for".to_owned(), principal.into());
    }
    if is_opinion(&task.seats, at) {
        members.insert("opinion".to_owned(), true.into());
    }
    if !decision.links.is_empty() {
        members.insert("links".to_owned(), decision.links.clone().into());
    }
    members
}

/// For whom somebody stands in: the first of the chain.
pub(super) fn stands_for(task: &Task, mut at: usize) -> Option<&str> {
    let mut principal = None;
    while task.seats[at].why == Why::Proxy {
        at = task.seats[at].of? as usize;
        principal = Some(task.seats[at].person.as_str());
    }
    principal
}

/// A decision, for the log.
pub(super) fn line(task: &Task, decision: &Decision, person: &str) -> Map {
    let word = match (task.form.is_some(), decision.approved) {
        (true, true) => "answered",
        (false, true) => "approved",
        (_, false) => "rejected",
    };
    let mut members = Map::from([
        ("task".to_owned(), Value::from(task.id.to_string())),
        ("step".to_owned(), task.step.as_str().into()),
        ("round".to_owned(), u64::from(task.round).into()),
        ("decision".to_owned(), word.into()),
        ("way".to_owned(), decision.way.as_str().into()),
    ]);
    let mut more = |name: &str, value: Value| {
        if !value.is_empty() {
            members.insert(name.to_owned(), value);
        }
    };
    more("who", person.into());
    more("comment", decision.comment.as_str().into());
    more("links", decision.links.clone().into());
    more("answers", Value::Map(decision.answers.clone()));
    more("address", decision.address.as_str().into());
    more("to", decision.to.clone().into());
    if decision.here {
        more("here", true.into());
    }
    members
}
