//! What waits in the state, in memory by when it is due: timers, and calls by connection and lane. Rebuilt from the store at start.
//!
//! It decides nothing: it tells the engine that something is due, and the engine says what that means.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use crate::engine::call::{Call, CallId, Status};
use crate::engine::definition::Definitions;
use crate::engine::event::{Body, Draft};
use crate::engine::outbox::Budget;
use crate::engine::state::{Change, Entry, Key, TimerId};

/// Calls behind the first of a lane that are shown to the engine for merging.
const SHOWN: usize = 64;
/// Timers told in one turn.
const TIMERS: usize = 500;

/// Everything that waits.
#[derive(Debug, Default)]
pub(super) struct Dispatch {
    timers: BTreeSet<TimerId>,
    /// Told to the engine, not yet committed.
    telling: HashSet<TimerId>,
    /// Every call that is not done or dead, and where it is.
    calls: HashMap<CallId, Place>,
    connections: BTreeMap<String, Connection>,
}

#[derive(Debug, Clone)]
struct Place {
    connection: String,
    lane: String,
    due: Timestamp,
    status: Status,
}

#[derive(Debug, Default)]
struct Connection {
    /// Queued and started calls in their order; only the first of a lane may go.
    lanes: HashMap<String, BTreeSet<CallId>>,
    /// The first of each lane that is queued and not being told, by due time.
    ready: BTreeSet<(Timestamp, CallId)>,
    /// Told to the engine, not yet committed.
    telling: HashSet<CallId>,
    started: usize,
    budget: Budget,
}

impl Dispatch {
    /// Takes a committed change in; a call whose attempt is committed comes back, to be performed.
    pub(super) fn apply(&mut self, change: &Change) -> Option<Call> {
        match (&change.key, change.entry.as_deref()) {
            (Key::Timer(id), Some(_)) => {
                self.timers.insert(*id);
            }
            (Key::Timer(id), None) => {
                self.timers.remove(id);
                self.telling.remove(id);
            }
            (Key::Budget(name), Some(Entry::Budget(budget))) => {
                self.connections.entry(name.clone()).or_default().budget = budget.clone();
            }
            (Key::Call(id), entry) => {
                self.forget(*id);
                if let Some(Entry::Call(call)) = entry {
                    return self.place(call);
                }
            }
            _ => {}
        }
        None
    }

    /// Takes a call out of its lane; the next one of the lane becomes ready.
    fn forget(&mut self, id: CallId) {
        let Some(place) = self.calls.remove(&id) else { return };
        let Some(connection) = self.connections.get_mut(&place.connection) else { return };
        connection.telling.remove(&id);
        connection.ready.remove(&(place.due, id));
        if place.status == Status::Started {
            connection.started = connection.started.saturating_sub(1);
        }
        if let Some(lane) = connection.lanes.get_mut(&place.lane) {
            lane.remove(&id);
            match lane.first() {
                None => drop(connection.lanes.remove(&place.lane)),
                Some(next) => {
                    if let Some(next_place) = self.calls.get(next).filter(|p| p.status == Status::Queued)
                        && !connection.telling.contains(next)
                    {
                        connection.ready.insert((next_place.due, *next));
                    }
                }
            }
        }
    }

    fn place(&mut self, call: &Call) -> Option<Call> {
        if !matches!(call.status, Status::Queued | Status::Started) {
            return None;
        }
        let place = Place { connection: call.connection.clone(), lane: call.lane.clone(), due: call.due, status: call.status };
        let connection = self.connections.entry(call.connection.clone()).or_default();
        let lane = connection.lanes.entry(call.lane.clone()).or_default();
        let former = lane.first().copied();
        lane.insert(call.id);
        let first = lane.first() == Some(&call.id);
        if first
            && former.is_some_and(|f| f != call.id)
            && let Some(former) = former
            && let Some(p) = self.calls.get(&former)
        {
            connection.ready.remove(&(p.due, former));
        }
        let started = call.status == Status::Started;
        if started {
            connection.started += 1;
        } else if first {
            connection.ready.insert((call.due, call.id));
        }
        self.calls.insert(call.id, place);
        started.then(|| call.clone())
    }

    /// What is due: first the timers in due order, then, if wanted, the calls that may start.
    pub(super) fn due(&mut self, definitions: &Definitions, now: Timestamp, calls: bool) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let due: Vec<TimerId> = self.timers.iter().take_while(|t| t.due <= now.as_millisecond()).take(TIMERS).copied().collect();
        for id in due {
            self.timers.remove(&id);
            self.telling.insert(id);
            let at = Timestamp::from_millisecond(id.due).unwrap_or(now);
            drafts.push(Draft { at, ..Draft::own("ifthen.timer", now, Body::Due(Key::Timer(id))) });
        }
        if !calls {
            return drafts;
        }
        for (name, connection) in &mut self.connections {
            let known = definitions.connections.get(name);
            let (rate, concurrency) = known.map_or((None, 1), |k| (k.rate, k.concurrency as usize));
            while connection.started + connection.telling.len() < concurrency && connection.budget.opens(rate, now).is_none() {
                let Some((due, id)) = connection.ready.first().copied().filter(|(due, _)| *due <= now) else { break };
                connection.ready.remove(&(due, id));
                connection.telling.insert(id);
                let lane = self.calls.get(&id).and_then(|p| connection.lanes.get(&p.lane));
                let behind = lane.into_iter().flat_map(|l| l.range(id..).skip(1).take(SHOWN));
                let ids = std::iter::once(id).chain(behind.copied()).collect();
                drafts.push(Draft::own("ifthen.call.start", now, Body::Start(ids)));
            }
        }
        drafts
    }

    /// What was told is settled, committed or not: what still waits is due again.
    pub(super) fn give_up(&mut self, drafts: &[Draft]) {
        for draft in drafts {
            match &draft.body {
                Body::Due(Key::Timer(id)) => {
                    // Committed, it was removed from the state and from `telling`.
                    if self.telling.remove(id) {
                        self.timers.insert(*id);
                    }
                }
                Body::Start(ids) => {
                    let Some(id) = ids.first() else { continue };
                    let Some(place) = self.calls.get(id) else { continue };
                    let Some(connection) = self.connections.get_mut(&place.connection) else { continue };
                    if connection.telling.remove(id) && place.status == Status::Queued {
                        connection.ready.insert((place.due, *id));
                    }
                }
                _ => {}
            }
        }
    }

    /// The earliest time at which [`Dispatch::due`] has something to say; the past: now.
    pub(super) fn wake(&self, definitions: &Definitions) -> Option<Timestamp> {
        let timer = self.timers.first().and_then(|t| Timestamp::from_millisecond(t.due).ok());
        let calls = self.connections.iter().filter_map(|(name, c)| {
            let known = definitions.connections.get(name);
            let (rate, concurrency) = known.map_or((None, 1), |k| (k.rate, k.concurrency as usize));
            if c.started + c.telling.len() >= concurrency {
                return None;
            }
            let (due, _) = c.ready.first()?;
            Some(c.budget.opens(rate, *due).map_or(*due, |opens| opens.max(*due)))
        });
        timer.into_iter().chain(calls).min()
    }

    /// Calls that are neither done nor dead; and how many of them are being performed.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.calls.len(), self.connections.values().map(|c| c.started).sum())
    }
}
