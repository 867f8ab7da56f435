//! A root event and all that follows from it in the same turn: emitted events are decided at once, within limits.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use super::decide::{Decision, decide};
use super::definition::Definitions;
use super::event::Event;
use super::log::{Line, Outcome};
use super::state::{Change, Entry, Key, Need, State};
use super::value::Value;

/// How many steps an event may be from its root: rules that wake each other in earnest are two or three deep, a loop is endless.
pub const MAX_DEPTH: u32 = 16;
/// How many events one root may cause: `each`-like rules fan out, but what is larger belongs into a sweep.
pub const MAX_EVENTS: usize = 1_000;

/// What a root event comes to: to be committed as one.
#[derive(Debug, Default, PartialEq)]
pub struct Root {
    /// The root first, then what it caused, in the order they were decided.
    pub events: Vec<Event>,
    /// In order, each with the event it was decided on.
    pub changes: Vec<(u64, Change)>,
    /// In order; numbered by the shell.
    pub log: Vec<Line>,
}

/// Decides a root event and everything it causes, and applies it to `state`. `root.seq` is given; what follows gets the numbers
/// after it. On [`Need`] nothing is applied.
///
/// Beyond the limits the whole root is rolled back and parked: it stays in the history, is listed, and its cycle is named.
pub fn cascade(definitions: &Definitions, state: &mut State, root: Event, now: Timestamp) -> Result<Root, Need> {
    let mark = state.mark();
    let mut done = Root::default();
    let mut next_seq = root.seq + 1;
    let mut queue = VecDeque::from([root]);
    while let Some(event) = queue.pop_front() {
        let Decision { changes, emits, log } = match decide(definitions, state, &event, now) {
            Ok(decision) => decision,
            Err(need) => {
                state.rollback(mark);
                return Err(need);
            }
        };
        for change in changes {
            state.apply(&change);
            done.changes.push((event.seq, change));
        }
        done.log.extend(log);
        for draft in emits {
            queue.push_back(draft.event(next_seq));
            next_seq += 1;
        }
        done.events.push(event);
        let deep = queue.iter().find(|e| e.cause.as_ref().is_some_and(|c| c.depth > MAX_DEPTH)).cloned();
        if deep.is_some() || done.events.len() + queue.len() > MAX_EVENTS {
            state.rollback(mark);
            let last = deep.or_else(|| queue.pop_back());
            return park(definitions, state, done.events, last.as_ref(), now);
        }
    }
    Ok(done)
}

fn park(
    definitions: &Definitions,
    state: &mut State,
    mut events: Vec<Event>,
    last: Option<&Event>,
    now: Timestamp,
) -> Result<Root, Need> {
    let cycle = last.map_or_else(String::new, |e| cycle(&events, e));
    let limit = if last.and_then(|e| e.cause.as_ref()).is_some_and(|c| c.depth > MAX_DEPTH) {
        format!("more than {MAX_DEPTH} steps from the first event")
    } else {
        format!("more than {MAX_EVENTS} events from one")
    };
    events.truncate(1);
    let root = &events[0];
    let reason = format!("{limit}: {cycle}");
    // A timer that fired has fired, a call that ended has ended, whatever came of it.
    let own = if root.body.is_own() { decide(definitions, state, root, now)? } else { Decision::default() };
    let parked = Change { key: Key::Parked(root.seq), entry: Some(Arc::new(Entry::Parked(reason))) };
    let changes: Vec<(u64, Change)> = own.changes.into_iter().chain([parked]).map(|change| (root.seq, change)).collect();
    for (_, change) in &changes {
        state.apply(change);
    }
    let line = Line {
        seq: 0,
        at: now,
        event: root.seq,
        rule: None,
        flow: None,
        run: None,
        record: root.record.clone(),
        action: "cascade".into(),
        outcome: Outcome::Failed,
        detail: Value::from([("reason", "loop".into()), ("limit", limit.into()), ("cycle", cycle.into())]),
    };
    let log = own.log.into_iter().chain([line]).collect();
    Ok(Root { changes, log, events })
}

/// The way from the last repetition to the event: `rule:a → deal.changed → rule:b → deal.changed → rule:a`.
fn cycle(events: &[Event], last: &Event) -> String {
    let mut way = Vec::new(); // latest first
    let mut at = Some(last);
    while let Some(event) = at {
        let Some(cause) = &event.cause else { break };
        way.push((cause.by.as_str(), event.name.as_str()));
        at = events.iter().find(|e| e.seq == cause.seq);
        if way.len() > 1 && way[1..].iter().any(|step| *step == way[0]) {
            break;
        }
    }
    let mut text = String::new();
    for (by, name) in way.iter().rev() {
        text.push_str(&format!("{by} → {name} → "));
    }
    text.push_str(way.first().map_or("", |(by, _)| by));
    text
}
