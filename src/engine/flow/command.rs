//! What people ask of a run: signal, cancel, retry, skip, back, recall, migrate. What cannot be done says why and changes nothing.

use std::sync::Arc;

use super::walk::{Trouble, Walk};
use super::{Act, Ask, Came, How, Phase, Strand, Wait, event, migrate, recall};
use crate::engine::approval;
use crate::engine::decide::{By, Deciding};
use crate::engine::definition::{BackTo, StepKind, Target};
use crate::engine::log::Outcome;
use crate::engine::scope::Stop;
use crate::engine::state::Need;
use crate::engine::value::Value;

/// A person asks something of a run.
pub(in crate::engine) fn command(draft: &mut Deciding<'_>, ask: &Ask) -> Result<(), Need> {
    if ask.act == Act::Migrate {
        if migrate::apply(draft, ask)?.is_some()
            && let Some(mut walk) = Walk::load(draft, &ask.run)?
        {
            event::register_all(&mut walk)?;
            walk.ask_anew()?;
            walk.go()?;
        }
        return Ok(());
    }
    let Some(mut walk) = Walk::load(draft, &ask.run)? else {
        let by = By { run: Some(ask.run.clone()), ..By::default() };
        draft.say(&by, "run", Outcome::Suppressed, told(ask, "no such run"));
        return Ok(());
    };
    match &ask.act {
        Act::Signal { name, data } => {
            let came = walk.happened(name, data, true)?;
            let kept = (came == Came::Kept).then_some(("kept", name.as_str()));
            walk.answer_with(ask, if came == Came::NotMet { Some("it waits for no such event") } else { None }, kept);
        }
        Act::Cancel { undo } => {
            walk.answer(ask, None);
            walk.finish("cancelled", *undo)?;
        }
        Act::Retry => {
            let stuck = walk.stuck();
            walk.answer(ask, if stuck.is_empty() { Some("it does not stand still") } else { None });
            for id in stuck {
                walk.again(id)?;
            }
        }
        Act::Skip => {
            let stuck = walk.stuck();
            walk.answer(ask, if stuck.is_empty() { Some("it does not stand still") } else { None });
            for id in stuck {
                walk.skip(id)?;
            }
        }
        Act::Back { step } => walk.sent_back(ask, step)?,
        Act::Recall => walk.recall(ask)?,
        Act::Migrate => {} // above
    }
    walk.go()
}

fn told(ask: &Ask, reason: &str) -> Value {
    let act = ask.act.word();
    let members = [("act", act), ("reason", reason), ("who", &ask.by), ("comment", &ask.comment)];
    let said = members.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), v.into()));
    Value::Map(said.collect())
}

impl Walk<'_, '_> {
    /// Says what became of what was asked; `why`: nothing did.
    fn answer(&mut self, ask: &Ask, why: Option<&str>) {
        self.answer_with(ask, why, None);
    }

    /// As [`Walk::answer`], with one thing more to say.
    fn answer_with(&mut self, ask: &Ask, why: Option<&str>, more: Option<(&str, &str)>) {
        let outcome = if why.is_some() { Outcome::Suppressed } else { Outcome::Done };
        let mut told = told(ask, why.unwrap_or_default());
        if let Value::Map(members) = &mut told {
            members.extend(more.map(|(name, text)| (name.to_owned(), text.into())));
        }
        self.draft.say_of(&self.by(None), self.run.record.clone(), "run", outcome, told);
    }

    /// On another version of its flow: who is asked where it waits is worked out anew.
    fn ask_anew(&mut self) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        let tasks = |s: &Strand| s.waits.iter().filter_map(|w| if let Wait::Task(task) = w { Some(*task) } else { None }).next();
        let waiting: Vec<_> = self.run.strands.iter().filter_map(|(id, s)| Some((*id, s.at, tasks(s)?))).collect();
        for (id, at, task) in waiting {
            let Some(step) = flow.steps.get(at) else { continue };
            match self.doing(id, step, None, |draft, run, doing| approval::renew(draft, run, step, doing, task)) {
                Ok(None) => {}
                Ok(Some(outcome)) => self.decided(id, outcome)?,
                Err(Stop::Need(need)) => return Err(need),
                Err(Stop::Unevaluable(why)) => self.park(id, &why),
            }
        }
        Ok(())
    }

    fn stuck(&self) -> Vec<u32> {
        self.run.strands.iter().filter(|(_, s)| s.error.is_some()).map(|(id, _)| *id).collect()
    }

    /// What a strand stands still at is done again.
    fn again(&mut self, id: u32) -> Result<(), Need> {
        let mut calls = Vec::new();
        if let Some(strand) = self.run.strands.get_mut(&id) {
            calls.append(&mut strand.former);
            calls.extend(strand.waits.extract_if(.., |w| matches!(w, Wait::Call(_))).filter_map(|w| w.call()));
            strand.maybe = false; // that is known of the calls: under their keys it happens once
        }
        if self.run.strands.get(&id).is_some_and(|s| s.phase != Phase::Verify) {
            self.release(id, "retried")?; // else it is looked up again
        }
        if let Some(strand) = self.run.strands.get_mut(&id) {
            strand.error = None;
            strand.late = 0;
            strand.former = calls;
        }
        self.run.failed = self.run.strands.values().find_map(|s| s.error.clone());
        self.void_branches(id);
        self.ready.push_back(id);
        Ok(())
    }

    /// Branches that were not through begin anew: what was done in them counts no more, though it can be undone.
    fn void_branches(&mut self, id: u32) {
        let flow = Arc::clone(&self.flow);
        let Some(strand) = self.run.strands.get_mut(&id) else { return };
        let each = match flow.steps.get(strand.at).map(|s| &s.kind) {
            Some(StepKind::Each(_)) => true,
            Some(StepKind::Parallel(_)) => false,
            _ => return,
        };
        if each {
            strand.through.clear(); // its list begins anew
        }
        let (of, through, since, round) = (strand.at, strand.through.clone(), strand.since, self.run.round);
        let within = |step: &str| {
            let around = flow.find(step).map(|at| recall::around(&flow, at)).unwrap_or_default();
            around.iter().any(|(at, branch)| *at == of && !through.contains(branch))
        };
        for passed in self.run.path.iter_mut().filter(|p| p.round == round && p.from >= since && within(&p.step)) {
            if matches!(passed.how, How::Done | How::Approved) {
                passed.how = How::Void;
            }
        }
    }

    /// What a strand stands still at counts as done.
    pub(super) fn skip(&mut self, id: u32) -> Result<(), Need> {
        self.release(id, "skipped")?;
        let phase = self.run.strands.get(&id).map(|s| s.phase);
        if let Some(strand) = self.run.strands.get_mut(&id) {
            strand.error = None;
        }
        match phase {
            Some(Phase::Forward | Phase::Verify) => self.pass(id, How::Skipped, None, Vec::new()),
            Some(Phase::Undo(n)) => {
                if let Some(strand) = self.run.strands.get_mut(&id) {
                    strand.phase = Phase::Undo(n + 1);
                }
                self.run.failed = None;
                self.ready.push_back(id);
                Ok(())
            }
            Some(Phase::Settle | Phase::Check) => {
                self.run.strands.remove(&id);
                self.run.failed = None;
                self.next_undo()
            }
            None => Ok(()),
        }
    }

    fn sent_back(&mut self, ask: &Ask, step: &str) -> Result<(), Need> {
        let Some(at) = self.flow.find(step) else {
            self.answer(ask, Some("there is no such step"));
            return Ok(());
        };
        if self.run.then.is_some() {
            self.answer(ask, Some("what it did is being undone"));
            return Ok(());
        }
        let from = self.run.strands.values().find(|s| s.parent.is_none()).map_or(at, |s| s.at);
        self.answer(ask, None);
        let why = if ask.comment.is_empty() { "asked for" } else { &ask.comment };
        match self.back(from, &BackTo { to: Target::Step(at), here: false, undo: false }, why) {
            Ok(()) => Ok(()),
            Err(Trouble::Need(need)) => Err(need),
            Err(Trouble::Park(why) | Trouble::Fail(why)) => {
                self.answer(ask, Some(&why));
                Ok(())
            }
        }
    }

    /// 撤回 by the initiator: before anybody has decided in this round.
    fn recall(&mut self, ask: &Ask) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        let why = if !flow.recall {
            Some("this flow cannot be recalled")
        } else if self.run.initiator.as_deref() != Some(ask.by.as_str()) {
            Some("only who asked for it can recall it")
        } else if self.run.then.is_some() {
            Some("what it did is being undone")
        } else if self.acted()? {
            Some("somebody has decided already")
        } else {
            None
        };
        self.answer(ask, why);
        if why.is_some() { Ok(()) } else { self.divert(flow.recalled, "recalled", Outcome::Done) }
    }

    /// Whether anybody has decided in this round.
    fn acted(&self) -> Result<bool, Need> {
        let round = self.run.round;
        if self.run.path.iter().any(|p| p.round == round && matches!(p.how, How::Approved | How::Rejected)) {
            return Ok(true);
        }
        for strand in self.run.strands.values() {
            if self.has_decided(strand)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
