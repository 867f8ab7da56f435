//! One side of a backtest: its definitions in a world whose state is tried out on disk, and what fires there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::{Error, MAX_AT_ONCE, MAX_NEEDS, draft, is_told};
use crate::check::world::{self, Behind, World};
use crate::engine::call::{Call, Outcome as Ended};
use crate::engine::cascade::Root;
use crate::engine::definition::Definitions;
use crate::engine::dispatch::Dispatch;
use crate::engine::event::{self, Body, Command, Event};
use crate::engine::log::{Line, Outcome};
use crate::engine::state::{Change, Entry, Key, State, prefix};
use crate::engine::trigger::Trigger;
use crate::store::Stored;
use crate::store::scratch::{Below, Scratch};

/// Keys of one read.
const PAGE: usize = 500;

/// What fires; in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A rule.
    Rule,
    /// A flow: a run starts.
    Flow,
    /// Nothing: all that an event caused was rolled back, because it would not have ended.
    Parked,
}

/// A rule or flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// Which.
    pub kind: Kind,
    /// Its id; empty for what was rolled back.
    pub id: String,
}

/// Something that fired. Two sides have the same one when all of this is the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firing {
    /// When, on the virtual clock.
    pub at: Timestamp,
    /// The recorded event that caused it; none: a timer, or the outcome of a call.
    pub event: Option<u64>,
    /// The rule or flow.
    pub who: Who,
    /// `else`, where a rule's condition did not hold, and what else it does besides `then`.
    pub branch: Option<String>,
    /// The record, as `lead/L20`.
    pub record: Option<String>,
    /// The name of the event it fired on: the recorded one, or one that followed from it.
    pub name: String,
}

/// What came of a rule or flow, and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How often it fired.
    pub fired: u64,
    /// How often an event woke it, so that its condition was looked at.
    pub evaluated: u64,
    /// How often something of it could not be done or not be told.
    pub failed: u64,
    /// Messages and requests that it ordered.
    pub calls: u64,
}

/// What stands behind a side's world.
pub(super) struct Side<'a> {
    definitions: &'a Definitions,
    scratch: Scratch,
    /// The recorded event that is being decided.
    pub(super) root: Option<u64>,
    fired: Vec<Firing>,
    counts: BTreeMap<Who, Count>,
    /// By the names of events.
    woken: HashMap<String, Woken>,
    /// Items in quarantine, likewise.
    items: BTreeMap<u64, u64>,
    /// Silences by the recorded events that began them: here they are known by other numbers.
    silences: BTreeMap<u64, u64>,
    /// Values that this decision has asked for.
    needs: usize,
    /// The last moment, and the events decided in it.
    decided: (Timestamp, usize),
}

/// Whom the events of one name wake.
#[derive(Default)]
struct Woken {
    /// How many there were.
    events: u64,
    /// Whoever each of them wakes.
    each: Vec<Who>,
    /// Whoever it depends for on what else it says.
    some: Vec<(Who, Vec<Trigger>)>,
}

impl Woken {
    fn by(definitions: &Definitions, event: &Event) -> Self {
        let rules = definitions.index.rules(&event.name).into_iter().map(|at| &definitions.rules[at]);
        let rules = rules.map(|rule| (Who { kind: Kind::Rule, id: rule.id.clone() }, &rule.when));
        let flows = definitions.index.flows(&event.name).into_iter();
        let flows = flows.filter_map(|id| Some((&definitions.flows.get(&id)?.when, id)));
        let flows = flows.map(|(when, id)| (Who { kind: Kind::Flow, id }, when));
        let mut woken = Self::default();
        for (who, when) in rules.chain(flows) {
            if when.iter().any(|t| !matches!(t, Trigger::Changed { .. }) && t.concerns(event)) {
                woken.each.push(who);
            } else {
                woken.some.push((who, when.clone()));
            }
        }
        woken
    }
}

/// A side at its beginning. An attempt that was being made then ends as every attempt does.
pub(super) fn begin<'a>(definitions: &'a Definitions, below: Option<Below>, at: Timestamp) -> Result<World<'a, Side<'a>>, Error> {
    let seq = below.as_ref().map_or(0, |below| below.seq);
    let scratch = Scratch::open(below)?;
    let (mut dispatch, mut started) = (Dispatch::default(), Vec::new());
    for kind in [prefix::CALL, prefix::TIMER, prefix::BUDGET, prefix::SWEEP] {
        let mut after = None;
        loop {
            let page = scratch.keys(kind, after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            for key in page {
                let entry = scratch.load(&key)?;
                started.extend(dispatch.apply(&Change { key, entry }));
            }
        }
    }
    let side = Side {
        definitions,
        scratch,
        root: None,
        fired: Vec::new(),
        counts: BTreeMap::new(),
        woken: HashMap::new(),
        silences: BTreeMap::new(),
        items: BTreeMap::new(),
        needs: 0,
        decided: (at, 0),
    };
    let mut world = World::new(definitions, dispatch, side, seq + 1, at);
    for call in &started {
        world.attempt(call)?;
    }
    world.begin()?;
    Ok(world)
}

/// A stretch of what was recorded, on one side; how many of it were told.
pub(super) fn follow(world: &mut World<'_, Side<'_>>, stretch: &[Stored]) -> Result<u64, Error> {
    let mut told = 0;
    for Stored { event, .. } in stretch {
        world.behind.decided.1 = 0; // the clock may stand, where it was set back
        world.pass(event.received)?;
        if !event.is_root() || !is_told(&event.body) {
            continue;
        }
        told += 1;
        let mut draft = draft(event);
        world.behind.root = Some(event.seq);
        world.behind.numbers(event.seq, world.seq, &mut draft.body);
        let started = world.decide(draft)?;
        debug_assert!(started.is_empty(), "what a source tells starts no attempt by itself");
        world.behind.root = None;
        world.pass(event.received)?;
    }
    Ok(told)
}

impl Side<'_> {
    /// What fired since the last time, before that moment; everything: no moment.
    pub(super) fn fired(&mut self, before: Option<Timestamp>) -> Vec<Firing> {
        let count = before.map_or(self.fired.len(), |before| self.fired.partition_point(|firing| firing.at < before));
        self.fired.drain(..count).collect()
    }

    /// What is named by the number of an event is named by the one it has on this side.
    pub(super) fn numbers(&mut self, recorded: u64, own: u64, body: &mut Body) {
        match body {
            Body::Command(Command::Silence(_)) => drop(self.silences.insert(recorded, own)),
            Body::Unread(_) => drop(self.items.insert(recorded, own)),
            Body::Settled { item, .. } => *item = self.items.get(item).copied().unwrap_or(*item),
            Body::Command(Command::EndSilence(id)) => *id = self.silences.get(id).copied().unwrap_or(*id),
            _ => {}
        }
    }

    /// Every rule and flow there is, also those of which nothing came.
    pub(super) fn counts(&self) -> BTreeMap<Who, Count> {
        let rules = self.definitions.rules.iter().map(|r| Who { kind: Kind::Rule, id: r.id.clone() });
        let flows = self.definitions.flows.keys().map(|id| Who { kind: Kind::Flow, id: id.clone() });
        let mut all: BTreeMap<Who, Count> = rules.chain(flows).map(|who| (who, Count::default())).collect();
        all.extend(self.counts.clone());
        for woken in self.woken.values() {
            for who in &woken.each {
                all.entry(who.clone()).or_default().evaluated += woken.events;
            }
        }
        all
    }

    fn count(&mut self, who: Who) -> &mut Count {
        self.counts.entry(who).or_default()
    }

    /// Which rules and flows an event wakes.
    fn evaluated(&mut self, event: &Event) {
        if !self.woken.contains_key(&event.name) {
            self.woken.insert(event.name.clone(), Woken::by(self.definitions, event));
        }
        let Some(woken) = self.woken.get_mut(&event.name) else { return };
        woken.events += 1;
        for (who, _) in woken.some.iter().filter(|(_, when)| when.iter().any(|t| t.matches(event))) {
            self.counts.entry(who.clone()).or_default().evaluated += 1;
        }
    }

    fn note(&mut self, events: &[Event], line: Line) {
        let Some(who) = who(&line) else { return };
        let count = self.count(who.clone());
        let fires = match (line.outcome, line.action.as_str()) {
            (Outcome::Fired, "rule" | "start") => true,
            (Outcome::Failed, "cascade") => true,
            (Outcome::Fired, "email" | "http" | "dingtalk" | "wecom") => {
                count.calls += 1;
                false
            }
            (Outcome::Failed, _) => {
                count.failed += 1;
                false
            }
            _ => false,
        };
        if !fires {
            return;
        }
        count.fired += 1;
        let name = events.iter().find(|e| e.seq == line.event).map(|e| e.name.clone()).unwrap_or_default();
        let branch = line.detail.at(&["branch"]).map(ToString::to_string);
        let record = line.record.as_ref().map(ToString::to_string);
        self.fired.push(Firing { at: line.at, event: self.root, who, branch, record, name });
    }
}

/// Whom a line is about: a run that a rule starts is the flow's.
fn who(line: &Line) -> Option<Who> {
    let of = |kind, id: &Option<String>| id.clone().map(|id| Who { kind, id });
    match line.action.as_str() {
        "cascade" => Some(Who { kind: Kind::Parked, id: String::new() }),
        "start" if line.outcome == Outcome::Fired => of(Kind::Flow, &line.flow),
        _ => of(Kind::Rule, &line.rule).or_else(|| of(Kind::Flow, &line.flow)),
    }
}

impl Behind for Side<'_> {
    type Error = Error;

    /// Far fewer than in the daemon: memory is not to grow with the history, and what is on disk is near.
    const KEEP: usize = 2_000;

    fn load(&mut self, key: &Key) -> Result<Option<Arc<Entry>>, Error> {
        self.needs += 1;
        if self.needs > MAX_NEEDS {
            return Err(Error::TooMuch(self.root.map_or_else(|| "what was due".into(), event::id)));
        }
        Ok(self.scratch.load(key)?)
    }

    fn keys(&self, _: &State, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Error> {
        Ok(self.scratch.keys(prefix, after, limit)?)
    }

    fn events(&self, after: u64, limit: usize) -> Result<Vec<Event>, Error> {
        Ok(self.scratch.events(after, limit)?.into_iter().map(|stored| stored.event).collect())
    }

    fn end(&mut self, _: &Call, _: Timestamp) -> Ended {
        world::done()
    }

    fn settled(&mut self, done: Root) -> Result<(), Error> {
        self.needs = 0;
        if let Some(at) = done.events.first().map(|e| e.received)
            && at > self.decided.0
        {
            self.decided = (at, 0);
        }
        self.decided.1 += done.events.len();
        if self.decided.1 > MAX_AT_ONCE {
            return Err(Error::Endless(self.decided.0));
        }
        // A key that changes more than once is written once.
        let mut seen = BTreeSet::new();
        self.scratch.put(done.changes.iter().rev().map(|(_, change)| change).filter(|change| seen.insert(&change.key)))?;
        for event in &done.events {
            self.evaluated(event);
        }
        for line in done.log {
            self.note(&done.events, line);
        }
        Ok(())
    }
}

impl Who {
    pub(super) fn to_json(&self) -> serde_json::Value {
        let of = |kind| (self.kind == kind).then_some(&self.id);
        json!({ "rule": of(Kind::Rule), "flow": of(Kind::Flow), "parked": self.kind == Kind::Parked })
    }
}
