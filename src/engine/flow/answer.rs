//! What a run waited for has come: a timer, the outcome of a call.

use std::sync::Arc;

use super::walk::Walk;
use super::{How, Phase, Wait};
use crate::engine::approval;
use crate::engine::call::CallId;
use crate::engine::decide::Deciding;
use crate::engine::definition::{Late, Rung, Step};
use crate::engine::log::Outcome;
use crate::engine::outbox;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, TimerId};
use crate::engine::value::Value;

/// A run's timer reached its due time. One that belongs to nothing any more means nothing.
pub(in crate::engine) fn due(draft: &mut Deciding<'_>, id: &str, timer: TimerId) -> Result<(), Need> {
    let Some(mut walk) = Walk::load(draft, id)? else { return Ok(()) };
    if walk.run.deadline == Some(timer) {
        walk.run.deadline = None;
        if walk.run.then.is_some() {
            walk.keep(); // it ends as it is: what is being undone is undone first
            return Ok(());
        }
        walk.run.failed = None;
        let late = walk.flow.late;
        walk.divert(late, "late", Outcome::Done)?;
        return walk.go();
    }
    if let Some(strand) = walk.strand(|s| s.deadline == Some(timer)) {
        walk.late(strand)?;
        return walk.go();
    }
    if let Some(strand) = walk.strand(|s| s.waits.contains(&Wait::Timer(timer))) {
        walk.pass(strand, How::Done, None, Vec::new())?;
        return walk.go();
    }
    if let Some(strand) = walk.strand(|s| s.waits.contains(&Wait::Window(timer))) {
        walk.run.strands.entry(strand).and_modify(|s| s.waits.clear());
        walk.ready.push_back(strand);
        return walk.go();
    }
    Ok(())
}

/// A call that a run waits for came to an end; `Err`: it is dead, and whether it may have happened all the same.
pub(in crate::engine) fn answered(
    draft: &mut Deciding<'_>,
    run: &str,
    call: CallId,
    answer: Result<&Value, (&str, bool)>,
) -> Result<(), Need> {
    let Some(mut walk) = Walk::load(draft, run)? else { return Ok(()) };
    let Some(id) = walk.strand(|s| s.waits.contains(&Wait::Call(call))) else {
        if walk.settled(call, answer) {
            walk.keep();
        }
        return Ok(());
    };
    let flow = Arc::clone(&walk.flow);
    let Some((phase, step)) = walk.run.strands.get(&id).and_then(|s| Some((s.phase, flow.steps.get(s.at)?))) else {
        return Ok(());
    };
    match (phase, answer) {
        (_, Ok(answer)) => walk.came(id, step, phase, call, answer)?,
        (Phase::Settle, Err((_, unknown))) => {
            if let Some(strand) = walk.run.strands.get_mut(&id) {
                strand.waits.retain(|w| *w != Wait::Call(call));
                strand.maybe |= unknown;
            }
            walk.settle(id)?;
        }
        (Phase::Forward, Err((_, true))) if step.verify.is_some() => {
            if let Some(strand) = walk.run.strands.get_mut(&id) {
                strand.waits.clear();
                strand.phase = Phase::Verify;
                walk.ready.push_back(id);
            }
        }
        // A dead call that is retried by hand and then succeeds takes its run along: it is waited for still.
        (_, Err((error, unknown))) => walk.died(id, error, unknown)?,
    }
    walk.go()
}

/// Whether a run waits for a call, alive or dead.
pub(in crate::engine) fn waits_for(draft: &Deciding<'_>, run: &str, call: CallId) -> Result<bool, Need> {
    let entry = draft.get(&Key::Run(run.to_owned()))?;
    let Some(Entry::Run(run)) = entry.as_deref() else { return Ok(false) };
    Ok(run.strands.values().any(|s| s.waits.contains(&Wait::Call(call))))
}

/// A call that a run waits for was discarded by hand: the run ends with it, so that its record can begin anew.
pub(in crate::engine) fn abandon(draft: &mut Deciding<'_>, id: &str, call: CallId) -> Result<(), Need> {
    let Some(mut walk) = Walk::load(draft, id)? else { return Ok(()) };
    let Some(strand) = walk.strand(|s| s.waits.contains(&Wait::Call(call))) else { return Ok(()) };
    if walk.run.then.is_some() {
        walk.skip(strand)?; // what else there is to undo is undone all the same
        return walk.go();
    }
    let by = walk.by(None);
    walk.draft.say_of(&by, walk.run.record.clone(), "run", Outcome::Suppressed, Value::from([("reason", "discarded".into())]));
    walk.finish("discarded", true)?;
    walk.go()
}

impl Walk<'_, '_> {
    /// The strand for which something is so.
    pub(super) fn strand(&self, is: impl Fn(&super::Strand) -> bool) -> Option<u32> {
        self.run.strands.iter().find(|(_, s)| is(s)).map(|(id, _)| *id)
    }

    /// A call has ended well.
    fn came(&mut self, id: u32, step: &Step, phase: Phase, call: CallId, answer: &Value) -> Result<(), Need> {
        let Some(strand) = self.run.strands.get_mut(&id) else { return Ok(()) };
        strand.waits.retain(|w| *w != Wait::Call(call));
        strand.came |= phase == Phase::Forward;
        let more = !strand.waits.is_empty();
        if !more {
            strand.error = None;
        }
        self.run.failed = self.run.strands.values().find_map(|s| s.error.clone());
        match phase {
            Phase::Forward => {
                self.run.steps.insert(step.id.clone(), answer.clone());
                if more { Ok(()) } else { self.pass(id, How::Done, Some(answer.clone()), Vec::new()) }
            }
            Phase::Verify | Phase::Check => self.looked_up(id, step, answer),
            Phase::Settle => {
                self.run.steps.insert(step.id.clone(), answer.clone());
                self.run.strands.entry(id).and_modify(|s| s.came = true);
                self.settle(id)
            }
            Phase::Undo(n) => {
                if let (false, Some(strand)) = (more, self.run.strands.get_mut(&id)) {
                    strand.phase = Phase::Undo(n + 1);
                    self.ready.push_back(id);
                }
                Ok(())
            }
        }
    }

    /// A call that no strand waits for came to an end: what is to be undone later knows of it. Whether there is such.
    fn settled(&mut self, call: CallId, answer: Result<&Value, (&str, bool)>) -> bool {
        let Some(n) = self.run.undoable.iter().position(|u| u.calls.contains(&call)) else { return false };
        let undoable = &mut self.run.undoable[n];
        undoable.calls.retain(|c| *c != call);
        match answer {
            Ok(answer) => (undoable.result, undoable.happened) = (answer.clone(), true),
            Err((_, unknown)) => undoable.unknown |= unknown,
        }
        // Nothing of it has happened: there is nothing to undo.
        if undoable.calls.is_empty()
            && !undoable.unknown
            && !undoable.happened
            && undoable.result == Value::Null
            && answer.is_err()
        {
            self.run.undoable.remove(n);
            self.run.keep -= u32::from((n as u64) < u64::from(self.run.keep));
        }
        true
    }

    /// A call is dead. Where its run goes on, it is waited for no more; where it stands still, it may be retried.
    fn died(&mut self, id: u32, error: &str, unknown: bool) -> Result<(), Need> {
        if let Some(strand) = self.run.strands.get_mut(&id) {
            strand.maybe |= match strand.phase {
                Phase::Forward => unknown,
                Phase::Verify => true, // that is why it was looked up
                _ => false,
            };
        }
        self.trouble(id, error, true)
    }

    /// A step's time is over.
    fn late(&mut self, id: u32) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        let Some(strand) = self.run.strands.get_mut(&id) else { return Ok(()) };
        strand.deadline = None;
        let count = strand.late;
        strand.late += 1;
        let at = strand.at;
        let task = strand.waits.iter().find_map(|w| if let Wait::Task(task) = w { Some(*task) } else { None });
        let Some(step) = flow.steps.get(at) else { return Ok(()) };
        let Some(rung) = next_rung(&step.late, count) else { return Ok(()) };
        for action in &rung.actions {
            match self.perform(id, step, action, None) {
                Ok(calls) => {
                    // Told beside the way: not waited for.
                    for call in calls {
                        outbox::beside(self.draft, call)?;
                    }
                }
                Err(Stop::Need(need)) => return Err(need),
                Err(Stop::Unevaluable(why)) => {
                    let detail = Value::from([("reason", "unevaluable".into()), ("error", why.into())]);
                    self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), action.name(), Outcome::Failed, detail);
                }
            }
        }
        if let Late::Go(to) = &rung.then {
            let detail = Value::from([("step", step.id.as_str().into())]);
            self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "late", Outcome::Done, detail);
            self.release(id, "late")?;
            self.leave(id, How::Late, Vec::new());
            self.run.steps.insert(step.id.clone(), Value::from([("late", true.into())]));
            if let Some(strand) = self.run.strands.get_mut(&id) {
                strand.origin = to.is_some().then_some(at).or(strand.origin);
            }
            self.put_at(id, to.or(step.next));
            return Ok(());
        }
        let Some(task) = task else { return Ok(()) };
        let due = step.within.map(|within| self.after(within)).transpose().ok().flatten();
        let done = match &rung.then {
            Late::Remind { .. } => approval::remind(self.draft, task).map_err(Stop::from),
            Late::Escalate(who) => match self.seeing(id, None, None, |v| v.who(who)) {
                Ok(people) => approval::escalate(self.draft, task, &people, due),
                Err(stop) => Err(stop),
            },
            Late::Decide { approved } => match approval::decide_by_timeout(self.draft, task, *approved) {
                Ok(Some(outcome)) => return self.decided(id, outcome),
                Ok(None) => Ok(()),
                Err(stop) => Err(stop),
            },
            Late::Stay | Late::Go(_) => Ok(()),
        };
        match done {
            Ok(()) => {}
            Err(Stop::Need(need)) => return Err(need),
            Err(Stop::Unevaluable(why)) => {
                self.park(id, &why);
                return Ok(());
            }
        }
        if let (Some(due), Some(_)) = (due, next_rung(&step.late, count + 1)) {
            let timer = self.timer(due);
            self.run.strands.entry(id).and_modify(|s| s.deadline = Some(timer));
        }
        Ok(())
    }

    /// The run is ended from outside, in this word; what was done is undone first where that is asked for.
    pub(super) fn finish(&mut self, word: &str, undo: bool) -> Result<(), Need> {
        if let Some(then) = self.run.then.as_mut().filter(|_| undo) {
            // It is being undone already: all of it, and then it ends so.
            *then = super::Then::End(word.to_owned());
            self.run.keep = 0;
            return Ok(());
        }
        if undo {
            // What is on its way is undone too.
            return self.begin_undo(super::Then::End(word.to_owned()), 0);
        }
        self.end(word, Outcome::Done)
    }
}

/// What is done when time is over for the so manieth time, from 0.
fn next_rung(late: &[Rung], count: u32) -> Option<&Rung> {
    let mut left = count;
    for rung in late {
        let times = match rung.then {
            Late::Remind { times: None } => return Some(rung),
            Late::Remind { times: Some(times) } => times,
            _ => 1,
        };
        if left < times {
            return Some(rung);
        }
        left -= times;
    }
    None
}
