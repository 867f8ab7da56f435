//! What waits in the state, in memory by when it is due: timers, and calls by connection and lane. Rebuilt from the store at start.
//!
//! It decides nothing: it tells the engine that something is due, and the engine says what that means. What is being told is not
//! told again until it is settled: by the committed change, or by [`Dispatch::give_up`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::budget::Budget;
use super::call::{Call, CallId, Status};
use super::definition::{Definitions, Rate};
use super::event::{Body, Draft};
use super::planted::Bug;
use super::state::{Change, Entry, Key, TimerId};
use super::sweep::{self, Sweep};

/// Calls behind the first of a lane that are shown to the engine for merging.
const SHOWN: usize = 64;
/// Sweeps that move on in one turn.
const SWEEPS: usize = 4;
/// Timers told in one turn.
const TIMERS: usize = 256;

/// Everything that waits.
#[derive(Debug, Default)]
pub struct Dispatch {
    timers: BTreeSet<TimerId>,
    /// What is driven by time waits: sources catch up first, or the clock is not to be trusted.
    held: bool,
    /// Time stands still until somebody says that the clock is right.
    paused: bool,
    /// Told to the engine, not yet settled.
    telling: HashSet<TimerId>,
    /// Sweeps that are under way, and whether their next slice is being told.
    sweeps: BTreeMap<String, (Sweep, bool)>,
    /// Every call that is not done, dead or merged, and where it is.
    calls: HashMap<CallId, Place>,
    connections: BTreeMap<String, Connection>,
}

#[derive(Debug, Clone)]
struct Place {
    connection: String,
    lane: String,
    due: Timestamp,
}

#[derive(Debug, Default)]
struct Connection {
    lanes: HashMap<String, Lane>,
    /// The first of each lane that is not busy, by due time.
    ready: BTreeSet<(Timestamp, CallId)>,
    /// Calls that are told or started.
    busy: usize,
    /// Calls that are started.
    started: usize,
    budget: Budget,
}

/// Calls that go one after another.
#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeSet<CallId>,
    /// The one that is told or started; nobody else goes meanwhile.
    busy: Option<(CallId, bool)>,
}

impl Connection {
    /// Nobody of the lane is ready any more; to be followed by [`Connection::offer`].
    fn withdraw(&mut self, lane: &str, calls: &HashMap<CallId, Place>) {
        if let Some(first) = self.lanes.get(lane).and_then(|l| l.waiting.first())
            && let Some(place) = calls.get(first)
        {
            self.ready.remove(&(place.due, *first));
        }
    }

    /// The first of the lane is ready, unless one is busy. An empty lane is forgotten.
    fn offer(&mut self, name: &str, calls: &HashMap<CallId, Place>) {
        let Some(lane) = self.lanes.get(name) else { return };
        if lane.busy.is_some() {
            return;
        }
        match lane.waiting.first() {
            None => drop(self.lanes.remove(name)),
            Some(first) => {
                if let Some(place) = calls.get(first) {
                    self.ready.insert((place.due, *first));
                }
            }
        }
    }

    /// Whether another may start, and under which rate.
    fn open(&self, name: &str, definitions: &Definitions) -> Option<Option<Rate>> {
        let known = definitions.connections.get(name);
        let (rate, concurrency) = known.map_or((None, 1), |k| (k.rate, k.concurrency as usize));
        (self.busy < concurrency).then_some(rate)
    }
}

impl Dispatch {
    /// Whether an attempt of this call is on its way, by what was taken in so far.
    pub fn is_started(&self, id: CallId) -> bool {
        let lane = self.calls.get(&id).and_then(|p| self.connections.get(&p.connection)?.lanes.get(&p.lane));
        lane.is_some_and(|lane| lane.busy == Some((id, true)))
    }

    /// A timer waits, whatever it is for.
    pub fn set(&mut self, key: &Key) {
        if let Key::Timer(id) = key {
            self.timers.insert(*id);
        }
    }

    /// Takes a change in; a call comes back whose attempt is on its way by it.
    pub fn apply(&mut self, change: &Change) -> Option<Call> {
        match (&change.key, change.entry.as_deref()) {
            (key @ Key::Timer(_), Some(_)) => self.set(key),
            (Key::Timer(id), None) => {
                self.timers.remove(id);
                self.telling.remove(id);
            }
            (Key::Paused, entry) => self.paused = entry.is_some(),
            (Key::Sweep(id), Some(Entry::Sweep(sweep))) => drop(self.sweeps.insert(id.clone(), (sweep.clone(), false))),
            (Key::Sweep(id), _) => drop(self.sweeps.remove(id)),
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

    fn forget(&mut self, id: CallId) {
        let Some(lane_name) = self.calls.get(&id).map(|p| p.lane.clone()) else { return };
        let Some(connection) = self.calls.get(&id).and_then(|p| self.connections.get_mut(&p.connection)) else { return };
        connection.withdraw(&lane_name, &self.calls);
        if let Some(lane) = connection.lanes.get_mut(&lane_name) {
            lane.waiting.remove(&id);
            if let Some((_, started)) = lane.busy.take_if(|(busy, _)| *busy == id) {
                connection.busy -= 1;
                connection.started -= usize::from(started);
            }
        }
        self.calls.remove(&id);
        connection.offer(&lane_name, &self.calls);
    }

    fn place(&mut self, call: &Call) -> Option<Call> {
        let started = match call.status {
            Status::Queued => false,
            Status::Started => true,
            Status::Dead | Status::Merged(_) => return None,
        };
        let connection = self.connections.entry(call.connection.clone()).or_default();
        connection.withdraw(&call.lane, &self.calls);
        let lane = connection.lanes.entry(call.lane.clone()).or_default();
        if started {
            lane.busy = Some((call.id, true));
            connection.busy += 1;
            connection.started += 1;
        } else {
            lane.waiting.insert(call.id);
        }
        let place = Place { connection: call.connection.clone(), lane: call.lane.clone(), due: call.due };
        self.calls.insert(call.id, place);
        connection.offer(&call.lane, &self.calls);
        started.then(|| call.clone())
    }

    /// Whether timers wait, however long since they are due.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Whether time stands still, by what is committed.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// What is due: the timers in due order, then the calls that may start.
    pub fn due(&mut self, definitions: &Definitions, now: Timestamp) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let most = if (self.held || self.paused) && !definitions.planted(Bug::IgnoredClock) { 0 } else { TIMERS };
        let due: Vec<TimerId> = self.timers.iter().take_while(|t| t.due <= now.as_millisecond()).take(most).copied().collect();
        for id in due {
            self.timers.remove(&id);
            self.telling.insert(id);
            let at = Timestamp::from_millisecond(id.due).unwrap_or(now);
            drafts.push(Draft { at, ..Draft::own("ifthen.timer", now, Body::Due(Key::Timer(id))) });
        }
        drafts.extend(self.starts(definitions, now));
        drafts
    }

    /// The calls that may start.
    pub fn starts(&mut self, definitions: &Definitions, now: Timestamp) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for (name, connection) in &mut self.connections {
            while let Some(rate) = connection.open(name, definitions) {
                if connection.budget.opens(rate, now).is_some() {
                    break;
                }
                let Some((due, id)) = connection.ready.first().copied().filter(|(due, _)| *due <= now) else { break };
                connection.ready.remove(&(due, id));
                let Some(lane) = self.calls.get(&id).and_then(|p| connection.lanes.get_mut(&p.lane)) else { continue };
                let ids: Vec<CallId> = match rate {
                    // Only where a budget can run out is there anything to merge.
                    Some(_) => lane.waiting.range(id..).take(1 + SHOWN).copied().collect(),
                    None => vec![id],
                };
                lane.waiting.remove(&id);
                lane.busy = Some((id, false));
                connection.busy += 1;
                drafts.push(Draft::own("ifthen.call.start", now, Body::Start(ids)));
            }
        }
        drafts
    }

    /// The next slice of every sweep that is under way, read from where its keys or events are kept.
    pub fn slices<E>(&mut self, now: Timestamp, source: &impl sweep::Source<E>) -> Result<Vec<Draft>, E> {
        let mut drafts = Vec::new();
        for (id, (sweep, telling)) in self.sweeps.iter_mut().filter(|(_, (_, telling))| !telling).take(SWEEPS) {
            drafts.push(sweep::draft(id, sweep, now, source)?);
            *telling = true;
        }
        Ok(drafts)
    }

    /// Whether a sweep has a slice to tell.
    pub fn is_sweeping(&self) -> bool {
        self.sweeps.values().any(|(_, telling)| !telling)
    }

    /// Changes that were taken in are not to be, after all: what was under their keys is again.
    pub fn take_back(&mut self, former: impl IntoIterator<Item = Change>) {
        let former: Vec<Change> = former.into_iter().collect();
        // All of them first: a lane is free before the one returns that had it.
        for change in former.iter().filter(|change| matches!(change.key, Key::Call(_))) {
            self.apply(&Change { key: change.key.clone(), entry: None });
        }
        for change in &former {
            self.apply(change);
        }
    }

    /// Whether what is kept under a key is looked at here.
    pub fn concerns(key: &Key) -> bool {
        matches!(key, Key::Timer(_) | Key::Paused | Key::Sweep(_) | Key::Budget(_) | Key::Call(_))
    }

    /// What was told is settled, committed or not: what still waits is due again.
    pub fn give_up(&mut self, drafts: &[Draft]) {
        for draft in drafts {
            match &draft.body {
                // Committed, it was removed from the state and from `telling`.
                Body::Due(Key::Timer(id)) if self.telling.remove(id) => {
                    self.timers.insert(*id);
                }
                Body::Slice(slice) => {
                    if let Some((_, telling)) = self.sweeps.get_mut(&slice.sweep) {
                        *telling = false;
                    }
                }
                Body::Start(ids) => {
                    let Some((id, place)) = ids.first().and_then(|id| Some((*id, self.calls.get(id)?.clone()))) else { continue };
                    let Some(connection) = self.connections.get_mut(&place.connection) else { continue };
                    let Some(lane) = connection.lanes.get_mut(&place.lane) else { continue };
                    // Committed, it is started or placed anew.
                    if lane.busy == Some((id, false)) {
                        lane.busy = None;
                        lane.waiting.insert(id);
                        connection.busy -= 1;
                        connection.offer(&place.lane, &self.calls);
                    }
                }
                _ => {}
            }
        }
    }

    /// The earliest time at which [`Dispatch::due`] has something to say; the past: now.
    pub fn wake(&self, definitions: &Definitions, now: Timestamp) -> Option<Timestamp> {
        let timer =
            self.timers.first().filter(|_| !self.held && !self.paused).and_then(|t| Timestamp::from_millisecond(t.due).ok());
        let calls = self.connections.iter().filter_map(|(name, c)| {
            let rate = c.open(name, definitions)?;
            // What is due already is judged by now: by then, attempts that came after it had not spent anything yet.
            let at = c.ready.first().map(|(due, _)| (*due).max(now))?;
            Some(c.budget.opens(rate, at).unwrap_or(at))
        });
        timer.into_iter().chain(calls).min()
    }

    /// Calls that are neither done nor dead; and how many of them are being performed.
    pub fn waiting(&self) -> (usize, usize) {
        (self.calls.len(), self.connections.values().map(|c| c.started).sum())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::call::{Format, Mentions, Request, RobotMessage};
    use crate::engine::definition::{ConnectionKind, Deliver};

    fn call(seq: u64, lane: &str, status: Status) -> Change {
        let message = RobotMessage { format: Format::Text, title: String::new(), text: "x".into(), at: Mentions::default() };
        let call = Call {
            id: CallId { seq, n: 1 },
            connection: "ops".into(),
            lane: lane.into(),
            record: None,
            by: "rule:x".into(),
            run: None,
            emit: None,
            request: Request::Wecom(message),
            generation: 0,
            depth: 0,
            tried: false,
            unknown: false,
            urgent: false,
            markers: Vec::new(),
            own: None,
            carries: Vec::new(),
            status,
            attempt: 0,
            due: Timestamp::UNIX_EPOCH,
            error: None,
            retry: Vec::new(),
            exact: false,
            beside: false,
            cancelled: false,
        };
        Change { key: Key::Call(call.id), entry: Some(Arc::new(Entry::Call(call))) }
    }

    fn definitions() -> Definitions {
        use crate::engine::definition::Connection;
        let ops =
            Connection { kind: ConnectionKind::Wecom, deliver: Deliver::Live, rate: None, retry: Vec::new(), concurrency: 2 };
        Definitions { connections: [("ops".to_owned(), ops)].into(), ..Definitions::default() }
    }

    /// The calls told now, by number.
    fn told(d: &mut Dispatch) -> Vec<u64> {
        let drafts = d.due(&definitions(), Timestamp::UNIX_EPOCH);
        drafts.iter().filter_map(|d| if let Body::Start(ids) = &d.body { Some(ids[0].seq) } else { None }).collect()
    }

    #[test]
    fn one_of_a_lane_at_a_time_and_no_more_than_may_be() {
        let mut d = Dispatch::default();
        for (seq, lane) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
            assert!(d.apply(&call(seq, lane, Status::Queued)).is_none());
        }
        assert_eq!(told(&mut d), [1, 3]);
        assert_eq!(told(&mut d), [0u64; 0], "they are being told");
        assert!(d.apply(&call(1, "a", Status::Started)).is_some());
        d.give_up(&[Draft::own("x", Timestamp::UNIX_EPOCH, Body::Start(vec![CallId { seq: 3, n: 1 }]))]);
        assert_eq!(told(&mut d), [3], "it was not committed");
        d.apply(&Change { key: Key::Call(CallId { seq: 1, n: 1 }), entry: None });
        assert_eq!(told(&mut d), [2]);
        assert_eq!(d.waiting(), (3, 0));
    }

    #[test]
    fn a_spent_budget_wakes_nobody_before_it_opens() {
        let mut definitions = definitions();
        let rate = Rate { count: 1, per: jiff::SignedDuration::from_secs(60) };
        definitions.connections.get_mut("ops").unwrap().rate = Some(rate);
        let later = Timestamp::from_second(10).unwrap();
        let budget = Budget { sent: vec![later], ..Budget::default() };
        let mut d = Dispatch::default();
        d.apply(&Change { key: Key::Budget("ops".into()), entry: Some(Arc::new(Entry::Budget(budget))) });
        d.apply(&call(1, "a", Status::Queued)); // due long before that attempt
        assert!(d.due(&definitions, later).is_empty());
        let wake = d.wake(&definitions, later).unwrap();
        assert!(wake >= Timestamp::from_second(70).unwrap(), "{wake}");
        assert_eq!(d.due(&definitions, wake).len(), 1);
    }

    #[test]
    fn a_dead_call_that_is_retried_waits_for_the_one_that_has_passed_it() {
        let mut d = Dispatch::default();
        d.apply(&call(1, "a", Status::Dead));
        d.apply(&call(2, "a", Status::Queued));
        assert_eq!(told(&mut d), [2]);
        d.apply(&call(2, "a", Status::Started));
        d.apply(&call(1, "a", Status::Queued));
        assert_eq!(told(&mut d), [0u64; 0]);
        d.apply(&Change { key: Key::Call(CallId { seq: 2, n: 1 }), entry: None });
        assert_eq!(told(&mut d), [1]);
        d.apply(&call(1, "a", Status::Dead));
        assert_eq!(d.waiting(), (0, 0));
        assert!(d.connections["ops"].lanes.is_empty() && d.connections["ops"].busy == 0);
    }
}
