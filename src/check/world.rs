//! A world on a virtual clock: what the daemon's turn has, without committing anything and without acting. Tests, and whoever
//! tries definitions on history, live in it; what stands behind it (a store, nothing, those who answer calls) is theirs.
//!
//! It decides nothing: events go through `cascade::settle`, and what is due is told by the same dispatch as in the daemon.

use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::call::{Call, Outcome};
use crate::engine::cascade::{Root, settle};
use crate::engine::definition::Definitions;
use crate::engine::dispatch::Dispatch;
use crate::engine::event::{Body, Draft, Event};
use crate::engine::explain::{Explanation, explain};
use crate::engine::state::{Entry, Key, Need, State};
use crate::engine::sweep;
use crate::engine::value::Value;

/// What stands behind a world.
pub(super) trait Behind {
    /// Why it cannot go on.
    type Error;

    /// Loaded values kept from one root event to the next; beyond, all are forgotten and loaded again when needed.
    const KEEP: usize;

    /// The value under a key that the world has not loaded.
    fn load(&mut self, key: &Key) -> Result<Option<Arc<Entry>>, Self::Error>;

    /// Keys below a prefix and after a key, in the order of their text, at most so many: what sweeps go over.
    fn keys(&self, state: &State, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Self::Error>;

    /// Events after this number, in order, at most so many.
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, Self::Error>;

    /// How an attempt of a call ends.
    fn end(&mut self, call: &Call, now: Timestamp) -> Outcome;

    /// Whether someone wants to know why, of every event.
    fn is_watching(&self) -> bool {
        false
    }

    /// Why the rules and flows that wait for an event do what they do.
    fn explained(&mut self, _event: &Event, _explained: Explanation) {}

    /// A root event and all it caused is decided: what changed is in force.
    fn settled(&mut self, done: Root) -> Result<(), Self::Error>;
}

/// State, dispatch and clock.
pub(super) struct World<'d, B> {
    definitions: &'d Definitions,
    pub(super) state: State,
    pub(super) dispatch: Dispatch,
    /// The number of the next event.
    pub(super) seq: u64,
    pub(super) now: Timestamp,
    pub(super) behind: B,
}

impl<'d, B: Behind> World<'d, B> {
    /// Begins at that time with what waits already; its first event gets the number `seq`.
    pub(super) fn new(definitions: &'d Definitions, dispatch: Dispatch, behind: B, seq: u64, now: Timestamp) -> Self {
        Self { definitions, state: State::default(), dispatch, seq, now, behind }
    }

    /// The definitions come into force, over what is there already; what must be looked at again for that is due.
    pub(super) fn begin(&mut self) -> Result<(), B::Error> {
        let body = Body::Loaded { hash: self.definitions.hash.clone(), detail: "start".into() };
        let started = self.decide(Draft::own("ifthen.loaded", self.now, body))?;
        debug_assert!(started.is_empty(), "a reload starts no attempt by itself");
        Ok(())
    }

    /// When something is due by itself, at the earliest; not before now.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        if self.dispatch.is_sweeping() {
            return Some(self.now);
        }
        self.dispatch.wake(self.definitions, self.now).map(|wake| wake.max(self.now))
    }

    /// Lets time pass: whatever falls due until then happens, in its order, and each at its time. Sweeps go on beside it, slice by
    /// slice as in the daemon, and to their end before time passes.
    pub(super) fn pass(&mut self, until: Timestamp) -> Result<(), B::Error> {
        while let Some(wake) = self.wake().filter(|wake| *wake <= until) {
            self.now = wake;
            let mut due = self.dispatch.due(self.definitions, self.now);
            due.extend(self.dispatch.slices(self.now, &Swept { behind: &self.behind, state: &self.state })?);
            if due.is_empty() {
                break; // nothing it could say now; it would say the same again
            }
            let mut started = Vec::new();
            for draft in &due {
                started.extend(self.decide(draft.clone())?);
            }
            self.dispatch.give_up(&due);
            for call in started {
                self.attempt(&call)?;
            }
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// An attempt of a call is made, and ends.
    pub(super) fn attempt(&mut self, call: &Call) -> Result<(), B::Error> {
        let outcome = self.behind.end(call, self.now);
        let body = Body::Ended { call: call.id, attempt: call.attempt, outcome };
        let draft = Draft::own("ifthen.call.ended", self.now, body);
        let more = self.decide(Draft { record: call.record.clone(), ..draft })?;
        debug_assert!(more.is_empty(), "an outcome starts no call by itself");
        Ok(())
    }

    /// One root event and all it causes, now; the calls whose attempts start with it.
    pub(super) fn decide(&mut self, draft: Draft) -> Result<Vec<Call>, B::Error> {
        if let Body::Slice(slice) = &draft.body {
            for key in &slice.wants {
                if self.state.get(key).is_err() {
                    let entry = self.behind.load(key)?;
                    self.state.load(key.clone(), entry);
                }
            }
        }
        let root = draft.event(self.seq);
        let mark = self.state.mark();
        let behind = &mut self.behind;
        let load = |state: &mut State, need: Need| {
            let key = need.key();
            let entry = behind.load(&key)?;
            state.load(key, entry);
            Ok(())
        };
        let done = settle(self.definitions, &mut self.state, root, self.now, load)?;
        if self.behind.is_watching() {
            self.explain(&done, mark)?;
        }
        self.state.publish(B::KEEP);
        self.seq += done.events.len() as u64;
        let started = self.tell(&done);
        self.behind.settled(done)?;
        Ok(started)
    }

    /// Once more, event by event: each is explained on the state before it.
    fn explain(&mut self, done: &Root, mark: usize) -> Result<(), B::Error> {
        self.state.rollback(mark);
        for event in &done.events {
            let explained = loop {
                match explain(self.definitions, &self.state, event, self.now, None) {
                    Ok(explained) => break explained,
                    Err(need) => {
                        let key = need.key();
                        let entry = self.behind.load(&key)?;
                        self.state.load(key, entry);
                    }
                }
            };
            if !explained.is_empty() {
                self.behind.explained(event, explained);
            }
            done.changes.iter().filter(|(seq, _)| *seq == event.seq).for_each(|(_, change)| self.state.apply(change));
        }
        Ok(())
    }

    /// Tells the dispatch what changed. The last word counts: a call may have started and ended in it.
    fn tell(&mut self, done: &Root) -> Vec<Call> {
        let mut started: Vec<Call> = Vec::new();
        for (_, change) in &done.changes {
            let call = self.dispatch.apply(change);
            if let Key::Call(id) = &change.key {
                started.retain(|c| c.id != *id);
                started.extend(call);
            }
        }
        started
    }
}

/// What sweeps go over.
struct Swept<'w, B> {
    behind: &'w B,
    state: &'w State,
}

impl<B: Behind> sweep::Source<B::Error> for Swept<'_, B> {
    fn keys(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, B::Error> {
        self.behind.keys(self.state, prefix, after, limit)
    }
    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, B::Error> {
        self.behind.events(after, limit)
    }
}

/// An attempt that went well.
pub(super) fn done() -> Outcome {
    Outcome::Done(Value::from([("status", 200u64.into()), ("body", "".into())]))
}
