//! How events find the runs that wait for them: by their record, or by a member of their data. A run is found from when it begins,
//! so that what happens before its wait is kept; and by changes of its record where something may stop or divert it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::step::Begun;
use super::walk::{Trouble, Walk};
use super::{Came, How, Run, Signal, Wait, Waits};
use crate::engine::decide::{Arrived, Deciding};
use crate::engine::definition::{At, Await, AwaitKey, Step, StepKind};
use crate::engine::log::Outcome;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need};
use crate::engine::value::Value;

/// Signals that a run keeps.
const MOST_SIGNALS: usize = 100;
/// Runs that one event may find.
const MOST_RUNS: usize = 1_000;

/// An event has arrived: the runs that wait for it go on, those that will wait for it keep it.
pub(in crate::engine) fn arrived(draft: &mut Deciding<'_>, arrived: &Arrived<'_>) -> Result<(), Need> {
    let entry = draft.get(&Key::Awaits)?;
    let Some(Entry::Awaits(all)) = entry.as_deref() else { return Ok(()) };
    let Some(paths) = all.get(&draft.event.name) else { return Ok(()) };
    let name = draft.event.name.clone();
    let mut found = BTreeSet::new();
    for path in paths {
        let subject = match path.is_empty() {
            true => draft.event.record.as_ref().map(ToString::to_string),
            false => {
                let way: Vec<&str> = path.split('.').collect();
                arrived.data.at(&way).filter(|v| !v.is_empty()).map(ToString::to_string)
            }
        };
        let Some(subject) = subject else { continue };
        let key = Key::Awaiting { event: name.clone(), path: path.clone(), subject };
        if let Some(Entry::Awaiting(runs)) = draft.get(&key)?.as_deref() {
            found.extend(runs.iter().cloned());
        }
    }
    for id in found {
        let Some(mut walk) = Walk::load(draft, &id)? else { continue };
        if !walk.stops(Some((&name, &arrived.data)))? && !walk.reroute(&name, arrived.old)? {
            walk.happened(&name, &arrived.data, false)?;
        }
        walk.go()?;
    }
    Ok(())
}

/// Has events find a run, from its beginning on.
pub(super) fn register_all(walk: &mut Walk<'_, '_>) -> Result<(), Need> {
    let flow = Arc::clone(&walk.flow);
    for step in &flow.steps {
        if let StepKind::Event(wait) = &step.kind
            && let Ok(Some(key)) = walk.key(0, wait)
        {
            walk.register(key)?;
        }
    }
    let Some(record) = walk.run.record.clone() else { return Ok(()) };
    let mut events: BTreeSet<String> = flow.stops.iter().filter_map(|s| s.event.clone()).collect();
    if !flow.reroutes.is_empty() || flow.stops.iter().any(|s| s.event.is_none()) {
        events.insert(format!("{}.changed", record.entity));
    }
    for event in events {
        walk.register(Key::Awaiting { event, path: String::new(), subject: record.to_string() })?;
    }
    Ok(())
}

/// No event finds the run any more.
pub(super) fn forget(draft: &mut Deciding<'_>, run: &Run) -> Result<(), Need> {
    for key in &run.awaits {
        let Some(Entry::Awaiting(mut runs)) = draft.get(key)?.as_deref().cloned() else { continue };
        runs.remove(&run.id);
        if runs.is_empty() {
            draft.remove(key.clone());
        } else {
            draft.put(key.clone(), Entry::Awaiting(runs));
        }
    }
    Ok(())
}

impl Walk<'_, '_> {
    /// By what an awaited event finds this run; `None`: the value is not there yet.
    fn key(&self, id: u32, wait: &Await) -> Result<Option<Key>, Stop> {
        let event = wait.event.clone();
        Ok(match &wait.key {
            AwaitKey::Record => {
                let record = self.run.record.as_ref();
                record.map(|r| Key::Awaiting { event, path: String::new(), subject: r.to_string() })
            }
            AwaitKey::Member { path, equals } => {
                let value = self.seeing(id, None, None, |v| equals.eval(v))?;
                let subject = Some(value).filter(|v| !v.is_empty()).map(|v| v.to_string());
                subject.map(|subject| Key::Awaiting { event, path: path.join("."), subject })
            }
        })
    }

    /// Has events find this run by a key; whether that is possible.
    fn register(&mut self, key: Key) -> Result<bool, Need> {
        if self.run.awaits.contains(&key) {
            return Ok(true);
        }
        let Key::Awaiting { event, path, .. } = &key else { return Ok(false) };
        let mut all: BTreeMap<String, BTreeSet<String>> = match self.draft.get(&Key::Awaits)?.as_deref() {
            Some(Entry::Awaits(all)) => all.clone(),
            _ => BTreeMap::new(),
        };
        if all.entry(event.clone()).or_default().insert(path.clone()) {
            self.draft.put(Key::Awaits, Entry::Awaits(all));
        }
        let mut runs = match self.draft.get(&key)?.as_deref() {
            Some(Entry::Awaiting(runs)) => runs.clone(),
            _ => BTreeSet::new(),
        };
        if runs.len() >= MOST_RUNS {
            return Ok(false);
        }
        runs.insert(self.run.id.clone());
        self.draft.put(key.clone(), Entry::Awaiting(runs));
        self.run.awaits.insert(key);
        Ok(true)
    }

    /// A step waits for an event; what came before is taken.
    pub(super) fn wait_for(&mut self, id: u32, step: &Step, wait: &Await) -> Result<Begun, Trouble> {
        let kept = self.run.signals.clone();
        for (n, signal) in kept.iter().enumerate().filter(|(_, s)| s.name == wait.event) {
            if signal.direct || self.fits(id, wait, &signal.data)? {
                self.run.signals.remove(n);
                self.say_event(step, &signal.name, true);
                return Ok(Begun::Done(Some(signal.data.clone())));
            }
        }
        let key = self.key(id, wait)?;
        let Some(key) = key else {
            return Err(Trouble::Park(format!("nothing to tell by which {} is meant", wait.event)));
        };
        if !self.register(key)? {
            return Err(Trouble::Park(format!("more than {MOST_RUNS} runs wait for the same {}", wait.event)));
        }
        let until = step.within.map(|within| self.after(within)).transpose().map_err(Trouble::Park)?;
        let detail = [("event", Some(wait.event.as_str().into())), ("until", until.map(Value::from))];
        let detail = detail.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "wait", Outcome::Fired, Value::Map(detail));
        self.wait(id, Wait::Event);
        Ok(Begun::Waits)
    }

    /// Whether an event's data is what a step waits for.
    fn fits(&self, id: u32, wait: &Await, data: &Value) -> Result<bool, Stop> {
        if let AwaitKey::Member { path, equals } = &wait.key {
            let wanted = self.seeing(id, None, None, |v| equals.eval(v))?;
            let there = data.at(path).map(ToString::to_string);
            if wanted.is_empty() || there != Some(wanted.to_string()) {
                return Ok(false);
            }
        }
        match &wait.condition {
            Some(condition) => self.seeing(id, Some(data), None, |v| condition.test(v)),
            None => Ok(true),
        }
    }

    /// Something happened: strands that wait for it go on; else it is kept where a step may wait for it later. What came of it.
    pub(super) fn happened(&mut self, name: &str, data: &Value, direct: bool) -> Result<Came, Need> {
        let flow = Arc::clone(&self.flow);
        let awaited = |at: At| match flow.steps.get(at).map(|s| (s, &s.kind)) {
            Some((step, StepKind::Event(wait))) if wait.event == name => Some((step, wait)),
            _ => None,
        };
        let waiting: Vec<(u32, At)> =
            self.run.strands.iter().filter(|(_, s)| s.waits.contains(&Wait::Event)).map(|(id, s)| (*id, s.at)).collect();
        let mut met = false;
        for (id, at) in waiting {
            let Some((step, wait)) = awaited(at) else { continue };
            let fits = match direct {
                true => Ok(true),
                false => self.fits(id, wait, data),
            };
            let condition = wait.condition.as_ref().filter(|_| !direct);
            self.hear(id, Waits::Event, Came::of(&fits), (condition, Some(data)))?;
            match fits {
                Ok(true) => {
                    met = true;
                    self.say_event(step, name, false);
                    self.pass(id, How::Done, Some(data.clone()), Vec::new())?;
                }
                Ok(false) => {}
                Err(Stop::Need(need)) => return Err(need),
                Err(Stop::Unevaluable(why)) => {
                    let detail = Value::from([("reason", "unevaluable".into()), ("error", why.into())]);
                    self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "wait", Outcome::Failed, detail);
                }
            }
        }
        let later = (0..flow.steps.len()).find_map(awaited).filter(|_| !met);
        if let Some((step, _)) = later {
            self.note(Some(step.id.clone()), Waits::Event, Came::Kept, None);
            if self.run.signals.len() >= MOST_SIGNALS {
                self.run.signals.remove(0);
            }
            let at = self.draft.event.at;
            self.run.signals.push(Signal { name: name.to_owned(), data: data.clone(), at, direct });
        }
        Ok(match later {
            Some(_) => Came::Kept,
            None if met => Came::Met,
            None => Came::NotMet,
        })
    }

    fn say_event(&mut self, step: &Step, name: &str, kept: bool) {
        let mut detail = vec![("event", name.into())];
        if kept {
            detail.push(("kept", true.into()));
        }
        let detail = detail.into_iter().map(|(k, v): (&str, Value)| (k.to_owned(), v)).collect();
        self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "wait", Outcome::Done, Value::Map(detail));
    }
}
