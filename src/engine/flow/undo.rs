//! Undoing: in reverse order, one step after another, each once what was on its way has come to an end. What cannot be undone
//! waits for a person.

use std::sync::Arc;

use super::step::Begun;
use super::walk::{Trouble, Walk};
use super::{How, Passed, Phase, Strand, Then, Wait};
use crate::engine::definition::{BackTo, Step, Target};
use crate::engine::log::Outcome;
use crate::engine::state::Need;
use crate::engine::value::Value;

impl Walk<'_, '_> {
    /// Everything is let go, and what was done since so many things were, is undone.
    pub(super) fn begin_undo(&mut self, then: Then, keep: usize) -> Result<(), Need> {
        self.cancel_all("undone")?;
        self.run.then = Some(then);
        self.run.keep = u32::try_from(keep).unwrap_or(u32::MAX);
        self.run.resume = None;
        self.next_undo()
    }

    /// The next thing to undo, or what comes once all is undone.
    pub(super) fn next_undo(&mut self) -> Result<(), Need> {
        if self.run.undoable.len() > self.run.keep as usize
            && let Some(undoable) = self.run.undoable.pop()
        {
            let phase = match (undoable.calls.is_empty(), undoable.unknown) {
                (false, _) => Phase::Settle,
                (true, true) => Phase::Check,
                (true, false) => Phase::Undo(0),
            };
            let id = self.flow.steps.get(undoable.at).map(|s| s.id.clone()).unwrap_or_default();
            // By what it came to itself, not by what another pass of a loop did; why it failed stays known.
            let failed = self.run.steps.get(&id).is_some_and(|result| result.at(&["error"]).is_some());
            if undoable.result != Value::Null || !failed {
                self.run.steps.insert(id, undoable.result);
            }
            let waits = undoable.calls.into_iter().map(Wait::Call).collect();
            let now = self.draft.event.at;
            let (came, maybe) = (undoable.happened, undoable.unknown);
            let strand = Strand { phase, waits, items: undoable.items, came, maybe, ..Strand::new(undoable.at, now) };
            self.spawn(strand);
            return Ok(());
        }
        let flow = Arc::clone(&self.flow);
        match self.run.then.take() {
            Some(Then::Fail) => self.divert(flow.failed, "failed", Outcome::Failed),
            Some(Then::End(word)) => self.end(&word, Outcome::Done),
            Some(Then::Back { from, to: BackTo { to: Target::Step(target), here, .. }, through }) => {
                self.rewind(from, target, (here, through), "undone")
            }
            Some(Then::Back { .. }) | None => Ok(()),
        }
    }

    /// The next action that undoes a step.
    pub(super) fn undo(&mut self, id: u32, step: &Step) -> Result<Begun, Trouble> {
        let Some(strand) = self.run.strands.get_mut(&id) else { return Ok(Begun::Elsewhere) };
        let n = if let Phase::Undo(n) = strand.phase { n } else { 0 };
        let Some(action) = step.undo.get(n as usize) else {
            let from = strand.since;
            self.run.strands.remove(&id);
            let (round, to) = (self.run.round, self.draft.event.at);
            self.run.left += 1;
            let (step_id, n) = (step.id.clone(), self.run.left);
            let passed =
                Passed { step: step_id, round, from, to, how: How::Undone, by: Vec::new(), n, times: 1, was: None, void: None };
            self.run.path.push(passed);
            let detail = Value::from([("step", step.id.as_str().into())]);
            self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "undo", Outcome::Done, detail);
            self.next_undo()?;
            return Ok(Begun::Elsewhere);
        };
        strand.phase = Phase::Undo(n);
        let calls = self.perform(id, step, action, None)?;
        if calls.is_empty() {
            if let Some(strand) = self.run.strands.get_mut(&id) {
                strand.phase = Phase::Undo(n + 1);
            }
            self.ready.push_back(id);
            return Ok(Begun::Elsewhere);
        }
        calls.into_iter().for_each(|call| self.wait(id, Wait::Call(call)));
        Ok(Begun::Elsewhere)
    }

    /// Finds out whether what may have happened has.
    pub(super) fn look_up(&mut self, id: u32, step: &Step) -> Result<Begun, Trouble> {
        let Some(verify) = &step.verify else {
            // Nobody can tell: as if it had, since undoing what has not happened does less harm.
            return self.undo(id, step);
        };
        let calls = self.perform(id, step, &verify.action, None)?;
        if calls.is_empty() {
            return Err(Trouble::Park("`verify` asked nobody".into()));
        }
        calls.into_iter().for_each(|call| self.wait(id, Wait::Call(call)));
        Ok(Begun::Elsewhere)
    }

    /// What was looked up has been answered.
    pub(super) fn looked_up(&mut self, id: u32, step: &Step, answer: &Value) -> Result<(), Need> {
        let Some(verify) = &step.verify else { return Ok(()) };
        let happened = match self.seeing(id, None, Some(answer), |v| verify.happened.test(v)) {
            Ok(happened) => happened,
            Err(crate::engine::scope::Stop::Need(need)) => return Err(need),
            Err(crate::engine::scope::Stop::Unevaluable(why)) => {
                self.park(id, &why);
                return Ok(());
            }
        };
        let phase = self.run.strands.get(&id).map(|s| s.phase);
        let detail = Value::from([("step", step.id.as_str().into()), ("happened", happened.into())]);
        self.draft.say_of(&self.by(Some(step)), self.run.record.clone(), "verify", Outcome::Done, detail);
        match (phase, happened) {
            (Some(Phase::Verify), true) => {
                if let Some(strand) = self.run.strands.get_mut(&id) {
                    strand.phase = Phase::Forward;
                }
                self.pass(id, How::Done, Some(answer.clone()), Vec::new())
            }
            (Some(Phase::Verify), false) => {
                if let Some(strand) = self.run.strands.get_mut(&id) {
                    strand.phase = Phase::Forward;
                }
                self.trouble(id, "it was looked up and has not happened", true)
            }
            (_, true) => {
                self.run.steps.insert(step.id.clone(), answer.clone());
                self.undo_now(id);
                Ok(())
            }
            (_, false) => {
                self.run.strands.remove(&id);
                self.next_undo()
            }
        }
    }

    /// What was on its way has come to an end, unless more is: undone where any of it happened, looked up where nobody knows.
    pub(super) fn settle(&mut self, id: u32) -> Result<(), Need> {
        match self.run.strands.get_mut(&id) {
            Some(strand) if !strand.waits.is_empty() => Ok(()),
            Some(strand) if strand.came => {
                self.undo_now(id);
                Ok(())
            }
            Some(strand) if strand.maybe => {
                strand.phase = Phase::Check;
                self.ready.push_back(id);
                Ok(())
            }
            Some(_) => {
                self.run.strands.remove(&id);
                self.next_undo()
            }
            None => Ok(()),
        }
    }

    /// What was waited for is known: it is undone.
    pub(super) fn undo_now(&mut self, id: u32) {
        if let Some(strand) = self.run.strands.get_mut(&id) {
            strand.phase = Phase::Undo(0);
            strand.waits.clear();
            self.ready.push_back(id);
        }
    }
}
