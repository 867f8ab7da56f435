//! The model: what is on disk, gone through commit by commit, with what must hold of it. Knows nothing of how a turn works.
//!
//! Everything that was decided is decided once more from the events alone ([`Book::again`]): what a batch that failed, a submission
//! that was refused or a restart left behind would come out otherwise. What the engine itself might get wrong the same way twice is
//! worked out here independently: who was paid what, who is whose, which timer rang.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use ifthen::engine::call::{CallId, Status};
use ifthen::engine::cascade::settle;
use ifthen::engine::definition::Definitions;
use ifthen::engine::event::{Body, Event};
use ifthen::engine::log::{Line, Outcome};
use ifthen::engine::state::{Change, Entry, Key, Need, State, TimerId};
use ifthen::engine::value::Value;
use ifthen::store::Batch;
use jiff::Timestamp;

use super::definitions::Version;
use super::disk::shown;
use super::runs;

/// What is known of a call from its changes and its log lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// A record's calls on one connection go one after another; a group robot's all.
    lane: String,
    status: Option<Status>,
    attempt: u32,
    pub(super) done: usize,
    pub(super) merged: bool,
    pub(super) dead: usize,
    pub(super) withdrawn: usize,
    /// How often it may become another message: edited, or taken apart.
    pub(super) apart: usize,
    /// A person has asked for it: it may have been passed by others.
    asked: bool,
}

/// What is due to a lead.
#[derive(Debug, Clone, Default, PartialEq)]
struct Lead {
    total: i64,
    trail: String,
    left: i64,
    owner: String,
    reminded: i64,
    /// How many orders; what the rule says as long as its window is what it is.
    recent: i64,
}

/// Everything known from what is on disk.
#[derive(Default)]
pub(super) struct Book {
    /// Of the second decision.
    pub(super) state: State,
    /// The definitions in force, as was said last.
    loaded: String,
    /// Commits gone through.
    pub(super) read: usize,
    /// By source and delivery: the event.
    pub(super) deliveries: BTreeMap<(String, String), u64>,
    /// Rows of the polled system, how often each.
    pub(super) rows: BTreeMap<i64, usize>,
    pub(super) calls: BTreeMap<CallId, Known>,
    leads: BTreeMap<String, Lead>,
    created: usize,
    /// Timers that rang.
    rang: BTreeSet<TimerId>,
    /// Instants for which a hold was said, by lead.
    held: BTreeSet<(String, i64)>,
    /// Time stands still.
    paused: bool,
    /// Runs that came to an end.
    ended: BTreeSet<String>,
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl Book {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// The status of a call, as committed.
    pub(super) fn started(&self) -> impl Iterator<Item = (CallId, u32)> + '_ {
        self.calls.iter().filter(|(_, k)| k.status == Some(Status::Started)).map(|(id, k)| (*id, k.attempt))
    }

    /// Calls that are neither done nor dead; what a dead one carries is dead with it.
    pub(super) fn waiting(&self) -> usize {
        let dead = |id: &CallId| self.calls.get(id).is_some_and(|k| k.status == Some(Status::Dead));
        let waits = |status: Status| match status {
            Status::Dead => false,
            Status::Merged(carrier) => !dead(&carrier),
            _ => true,
        };
        self.calls.values().filter(|k| k.status.is_some_and(waits)).count()
    }

    /// Goes through a commit; what is wrong with it.
    pub(super) fn read(&mut self, batch: &Batch, now: Timestamp, versions: &[Version]) -> Result<(), String> {
        let version = versions.iter().find(|v| v.definitions.hash == batch.definitions);
        let definitions = Arc::clone(&version.ok_or("decided by definitions that were never there")?.definitions);
        self.again(batch, now, &definitions)?;
        let (mut changes, mut log) = (batch.changes.iter().peekable(), batch.log.iter().peekable());
        for event in &batch.events {
            match &event.body {
                Body::Loaded { hash, .. } => self.loaded.clone_from(hash),
                _ if self.loaded != batch.definitions => {
                    return Err(format!(
                        "event {} `{}` is decided by definitions that are not in force yet",
                        event.seq, event.name
                    ));
                }
                _ => {}
            }
            self.event(event, now)?;
            while let Some((_, change)) = changes.next_if(|(seq, _)| *seq == event.seq) {
                self.change(change, event)?;
            }
            while let Some(line) = log.next_if(|line| line.event == event.seq) {
                self.line(line)?;
            }
        }
        if let Some((seq, change)) = changes.next() {
            return Err(format!("a change of no event of its commit: {seq} {}", shown(change)));
        }
        runs::hold(&self.state)?;
        self.read += 1;
        Ok(())
    }

    /// Decides all of it once more, from the events alone.
    fn again(&mut self, batch: &Batch, now: Timestamp, definitions: &Definitions) -> Result<(), String> {
        let (mut events, mut changes, mut log) = (batch.events.as_slice(), batch.changes.as_slice(), batch.log.as_slice());
        while let Some(root) = events.first() {
            let load = |state: &mut State, need: Need| -> Result<(), Infallible> {
                let key = need.key();
                state.load(key, None);
                Ok(())
            };
            let Ok(mut done) = settle(definitions, &mut self.state, root.clone(), now, load);
            for (line, stored) in done.log.iter_mut().zip(log) {
                line.seq = stored.seq;
            }
            let at = |what: &str| {
                format!("event {} `{}`: {what} otherwise than by deciding it from what is on disk", root.seq, root.name)
            };
            events = events.strip_prefix(done.events.as_slice()).ok_or_else(|| at("caused events"))?;
            changes = changes.strip_prefix(done.changes.as_slice()).ok_or_else(|| {
                let all: Vec<String> = done.changes.iter().map(|(_, c)| shown(c)).collect();
                let had: Vec<String> = changes.iter().take(all.len()).map(|(_, c)| shown(c)).collect();
                at(&format!("changed {had:#?} and not {all:#?},"))
            })?;
            log = log.strip_prefix(done.log.as_slice()).ok_or_else(|| at("logged"))?;
        }
        self.state.publish(usize::MAX);
        match (changes.first(), log.first()) {
            (None, None) => Ok(()),
            _ => Err("a commit holds more than its events come to".into()),
        }
    }

    fn event(&mut self, event: &Event, now: Timestamp) -> Result<(), String> {
        if let Some(delivery) = &event.delivery
            && let Some(former) = self.deliveries.insert((event.origin.clone(), delivery.clone()), event.seq)
        {
            return Err(format!("delivery {delivery} of {} stands twice: events {former} and {}", event.origin, event.seq));
        }
        let lead = event.record.as_ref().map(|r| r.id.clone()).unwrap_or_default();
        match &event.body {
            Body::Due(Key::Timer(id)) => {
                self.count("said.timer");
                if !self.rang.insert(*id) {
                    return Err(format!("timer {id:?} rings twice"));
                }
                if id.due > now.as_millisecond() {
                    return Err(format!("timer {id:?} rings before its time"));
                }
                if self.paused {
                    return Err(format!("timer {id:?} rings while time stands still"));
                }
            }
            Body::Happened { data, .. } => self.happened(&event.name, lead, data, event)?,
            Body::Created { .. } => {
                // Strictly in turn, by the order in which they came to be.
                let owner = ["张三", "李四"][self.created % 2].to_owned();
                self.created += 1;
                self.leads.entry(lead).or_default().owner = owner;
            }
            _ => {}
        }
        Ok(())
    }

    fn happened(&mut self, name: &str, lead: String, data: &Value, event: &Event) -> Result<(), String> {
        let number = |member: &str| data.at(&[member]).and_then(|v| v.to_string().parse::<i64>().ok()).unwrap_or_default();
        match name {
            "order.paid" => {
                let lead = self.leads.entry(lead).or_default();
                lead.total += number("amount");
                lead.recent += 1;
                if lead.trail.is_empty() {
                    lead.trail = "0".into();
                }
                lead.trail.push_str(&format!(",{}", number("no")));
            }
            "stock.moved" => {
                let row = number("row");
                if self.rows.last_key_value().is_some_and(|(last, _)| *last >= row) {
                    return Err(format!("row {row} comes again, or too late"));
                }
                *self.rows.entry(row).or_default() += 1;
                self.leads.entry(lead).or_default().left += number("n");
            }
            "ifthen.held.催办" => {
                self.count("said.hold");
                self.leads.entry(lead.clone()).or_default().reminded += 1;
                if !self.held.insert((lead.clone(), event.at.as_millisecond())) {
                    return Err(format!("{lead} is reminded twice of the same hold"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn change(&mut self, change: &Change, event: &Event) -> Result<(), String> {
        match (&change.key, change.entry.as_deref()) {
            (Key::Call(id), Some(Entry::Call(call))) => {
                let known = self.calls.entry(*id).or_default();
                if known.lane.is_empty() {
                    let record = call.record.as_ref().filter(|_| call.connection != "ops");
                    known.lane = format!("{} {}", call.connection, record.map(ToString::to_string).unwrap_or_default());
                }
                let began = call.status == Status::Started && known.status != Some(Status::Started);
                (known.status, known.attempt) = (Some(call.status), call.attempt);
                if began {
                    let (lane, asked) = (known.lane.clone(), known.asked);
                    self.in_order(*id, &lane, asked)?;
                }
            }
            (Key::Call(id), None) => self.calls.entry(*id).or_default().status = None,
            (Key::Paused, entry) => self.paused = entry.is_some(),
            (Key::Run(id), Some(_)) if self.ended.contains(id) => return Err(format!("run {id} goes on after its end")),
            (Key::Run(id), None) => {
                self.count("said.run ended");
                self.ended.insert(id.clone());
            }
            (Key::Parked(_), Some(_)) => {
                self.count("said.parked");
                if event.name != "loop.begin" {
                    return Err(format!("event {} `{}` is parked", event.seq, event.name));
                }
            }
            (Key::Quarantine(_), Some(_)) => self.count("said.quarantine"),
            _ => {}
        }
        Ok(())
    }

    /// An attempt begins: nobody of its lane is on the way, and none that was ordered before still waits.
    fn in_order(&self, id: CallId, lane: &str, asked: bool) -> Result<(), String> {
        for (other, known) in self.calls.iter().filter(|(other, k)| **other != id && k.lane == lane) {
            match known.status {
                Some(Status::Started) => return Err(format!("{id} starts while {other} of its lane is on its way")),
                Some(Status::Queued) if *other < id && !asked && !known.asked => {
                    return Err(format!("{id} starts before {other}, which was ordered before it in lane `{lane}`"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &Line) -> Result<(), String> {
        let call = line.detail.at(&["call"]).and_then(|v| v.to_string().parse::<CallId>().ok());
        let reason = line.detail.at(&["reason"]).map(ToString::to_string).unwrap_or_default();
        if line.action == "step" && line.outcome == Outcome::Failed || line.action == "cascade" {
            self.count("said.failure");
        }
        let Some(known) = call.map(|id| self.calls.entry(id).or_default()) else { return Ok(()) };
        match line.outcome {
            Outcome::Done => {
                known.done += 1;
                let merged = line.detail.at(&["merged"]).is_some();
                known.merged |= merged;
                self.count(if merged { "said.call merged" } else { "said.call done" });
            }
            Outcome::Dead => {
                known.dead += 1;
                self.count("said.call dead");
            }
            Outcome::Unknown => self.count("said.call unknown"),
            Outcome::Suppressed if reason == "late answer" => self.count("said.late answer"),
            Outcome::Suppressed => {
                known.withdrawn += 1;
                self.count("said.call withdrawn");
            }
            Outcome::Retrying if reason == "apart" => {
                known.apart += 1;
                self.count("said.taken apart");
            }
            Outcome::Retrying if reason == "asked for" => known.asked = true,
            Outcome::Retrying => self.count("said.call retrying"),
            _ => {}
        }
        let known = call.and_then(|id| self.calls.get(&id));
        match known {
            Some(known) if known.done > 1 => Err(format!("{call:?} is done twice")),
            _ => Ok(()),
        }
    }

    /// What the leads have come to, beside what they should have.
    pub(super) fn settled(&self, shifted: bool) -> Result<(), String> {
        for (id, lead) in &self.leads {
            let at = ifthen::engine::event::RecordRef { entity: "lead".into(), id: id.clone() };
            let Ok(Some(Entry::Record(record))) = self.state.get(&Key::Record(at)).map(|e| e.map(AsRef::as_ref)) else {
                return Err(format!("lead {id} is lost"));
            };
            let number = |field: &str| record.value(field).to_string().parse::<i64>().unwrap_or_default();
            let is = Lead {
                total: number("total"),
                trail: record.value("trail").to_string(),
                left: number("left"),
                owner: record.value("owner").to_string(),
                reminded: number("reminded"),
                recent: if shifted { lead.recent } else { number("recent") },
            };
            if is != *lead {
                return Err(format!("lead {id} is {is:?} and should be {lead:?}"));
            }
        }
        Ok(())
    }
}
