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

/// A root event being decided, and how far.
///
/// On [`Need`] it stands still: load the value and [`run`](Cascade::run) on. Whoever gives it up rolls the state back to where
/// it was when the cascade began.
#[derive(Debug)]
pub struct Cascade {
    queue: VecDeque<Event>,
    next_seq: u64,
    mark: usize,
    done: Root,
}

impl Cascade {
    /// Begins with a root event, whose number is given; what follows gets the numbers after it.
    pub fn new(root: Event, state: &State) -> Self {
        Self { next_seq: root.seq + 1, queue: VecDeque::from([root]), mark: state.mark(), done: Root::default() }
    }

    /// Decides what is left and applies it to `state`.
    ///
    /// Beyond the limits the whole root is rolled back and parked: it stays in the history, is listed, and its cycle is named.
    pub fn run(&mut self, definitions: &Definitions, state: &mut State, now: Timestamp) -> Result<Root, Need> {
        while let Some(event) = self.queue.pop_front() {
            let Decision { changes, emits, log } = match decide(definitions, state, &event, now) {
                Ok(decision) => decision,
                Err(need) => {
                    self.queue.push_front(event);
                    return Err(need);
                }
            };
            for change in changes {
                state.apply(&change);
                self.done.changes.push((event.seq, change));
            }
            self.done.log.extend(log);
            self.done.events.push(event);
            let mut deep = None;
            for draft in emits {
                let emitted = draft.event(self.next_seq);
                self.next_seq += 1;
                if emitted.cause.as_ref().is_some_and(|c| c.depth > MAX_DEPTH) {
                    deep.get_or_insert_with(|| emitted.clone());
                }
                self.queue.push_back(emitted);
            }
            if deep.is_some() || self.done.events.len() + self.queue.len() > MAX_EVENTS {
                state.rollback(self.mark);
                let last = deep.or_else(|| self.queue.pop_back());
                self.queue.clear();
                return park(definitions, state, std::mem::take(&mut self.done).events, last.as_ref(), now);
            }
        }
        Ok(std::mem::take(&mut self.done))
    }
}

/// A whole cascade, with `load` bringing what is needed into the state. On its error nothing is applied.
pub fn settle<E>(
    definitions: &Definitions,
    state: &mut State,
    root: Event,
    now: Timestamp,
    mut load: impl FnMut(&mut State, Need) -> Result<(), E>,
) -> Result<Root, E> {
    let mut cascade = Cascade::new(root, state);
    loop {
        match cascade.run(definitions, state, now) {
            Ok(done) => return Ok(done),
            Err(need) => {
                if let Err(error) = load(state, need) {
                    state.rollback(cascade.mark);
                    return Err(error);
                }
            }
        }
    }
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
    // A timer that fired has fired, a call that ended has ended, whatever came of it. All it needs was loaded before.
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
        let Some(cause) = event.cause.as_ref().filter(|_| !event.is_root()) else { break };
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
