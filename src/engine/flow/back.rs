//! Going elsewhere: `go_to`, and `back_to`, which opens a new round.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::step::Begun;
use super::walk::{Trouble, Walk};
use super::{How, Resume, Strand, Then, Wait};
use crate::engine::definition::{At, BackTo, StepKind, Target};
use crate::engine::log::Outcome;
use crate::engine::state::Need;
use crate::engine::value::Value;

/// The `parallel`s and `each`es around a step, outermost first, and what of them is through.
type Through = Vec<(At, BTreeSet<u32>)>;

impl Walk<'_, '_> {
    /// The strand, or the one around it that the target belongs to, goes on there; what it leaves behind is cancelled.
    pub(super) fn go_to(&mut self, id: u32, to: At) -> Result<Begun, Trouble> {
        let flow = Arc::clone(&self.flow);
        let wanted = flow.steps.get(to).and_then(|s| s.inside);
        let mut at = id;
        loop {
            let Some(strand) = self.run.strands.get(&at) else { return Ok(Begun::Elsewhere) };
            if flow.steps.get(strand.at).and_then(|s| s.inside) == wanted {
                break;
            }
            let Some(parent) = strand.parent else {
                return Err(Trouble::Park("the step it should go to is in another branch".into()));
            };
            at = parent;
        }
        if at != id {
            self.leave(id, How::Done, Vec::new());
            self.release(at, "left")?;
            self.leave(at, How::Cancelled, Vec::new());
        } else {
            self.leave(id, How::Done, Vec::new());
        }
        if let Some(strand) = self.run.strands.get_mut(&at) {
            strand.loops.retain(|repeat, _| *repeat < to); // those behind begin anew
        }
        self.put_at(at, Some(to));
        Ok(Begun::Elsewhere)
    }

    /// Goes back from a step: a new round, in which nothing of the former is waited for.
    pub(super) fn back(&mut self, from: At, to: &BackTo, why: &str) -> Result<(), Trouble> {
        let Some(target) = self.target(from, to.to) else {
            return Err(Trouble::Park("there is no earlier step at which people decided".into()));
        };
        if to.undo {
            let since = self.since(target);
            let keep = self.run.undoable.iter().take_while(|u| self.was_before(u, since)).count();
            let to = BackTo { to: Target::Step(target), undo: false, ..to.clone() };
            let through = self.around(from); // of the branches nothing is left by then
            return Ok(self.begin_undo(Then::Back { from, to, through }, keep)?);
        }
        let through = self.around(from);
        Ok(self.rewind(from, target, (to.here, through), why)?)
    }

    /// Whether something that can be undone was done before that place in the path.
    fn was_before(&self, undoable: &super::Undoable, since: usize) -> bool {
        if undoable.n > 0 {
            return self.run.path.get(since).is_none_or(|p| undoable.n < p.n);
        }
        let step = self.flow.steps.get(undoable.at).map(|s| s.id.as_str()).unwrap_or_default();
        self.run.path.iter().rposition(|p| p.step == step && p.round == undoable.round).is_some_and(|at| at < since)
    }

    fn target(&self, from: At, target: Target) -> Option<At> {
        match target {
            Target::Step(at) => Some(at),
            Target::Start => Some(0),
            Target::Previous => {
                let own = self.flow.steps.get(from).map(|s| s.id.as_str());
                let earlier = self.run.path.iter().rev().filter(|p| p.how == How::Approved && Some(p.step.as_str()) != own);
                earlier.filter_map(|p| self.flow.find(&p.step)).next()
            }
        }
    }

    /// From where in the path on what was done counts no more. An aside is behind everything.
    fn since(&self, target: At) -> usize {
        let Some(step) = self.flow.steps.get(target).filter(|s| s.aside.is_none()) else { return 0 };
        let counts = |p: &super::Passed| !matches!(p.how, How::Void | How::Cancelled | How::Undone);
        let passed = self.run.path.iter().rposition(|p| p.step == step.id && counts(p));
        // One that was never come to: whatever was done before it in the file counts.
        let earlier = |p: &super::Passed| counts(p) && self.flow.find(&p.step).is_some_and(|at| at < target);
        let before = || self.run.path.iter().rposition(earlier).map_or(0, |last| last + 1);
        passed.unwrap_or_else(before)
    }

    /// The run goes back: what came after the target counts no more; what is around the step that goes back stays through.
    pub(super) fn rewind(&mut self, from: At, target: At, (here, around): (bool, Through), why: &str) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        self.cancel_all("went back")?;
        let aside = |at: At| flow.steps.get(at).is_some_and(|s| s.aside.is_some());
        // Out of an aside it comes back to the path in the round that led there.
        let same = self.run.revising && aside(from);
        let void = self.void(target, here, same);
        self.run.round += u32::from(!same);
        self.run.revising = aside(target);
        self.run.failing = None;
        self.run.signals.clear();
        self.run.resume = here.then(|| {
            let end = if flow.steps.get(target).is_some_and(|s| s.aside.is_some()) { usize::MAX } else { target };
            Resume { after: end, at: from, through: around.clone() }
        });
        let name = |at: At| flow.steps.get(at).map(|s| s.id.as_str()).unwrap_or_default();
        let detail = Value::from([
            ("to", name(target).into()),
            ("from", name(from).into()),
            ("round", u64::from(self.run.round).into()),
            ("void", void.into()),
            ("why", why.into()),
        ]);
        self.draft.say_of(&self.by(flow.steps.get(from)), self.run.record.clone(), "back", Outcome::Done, detail);
        self.enter(target, &around);
        Ok(())
    }

    /// The `parallel`s and `each`es around a step, outermost first, with what of them is through by now.
    fn around(&self, at: At) -> Through {
        let mut found = Vec::new();
        let mut inside = self.flow.steps.get(at).and_then(|s| s.inside);
        while let Some(of) = inside {
            let strand = self.run.strands.values().find(|s| s.at == of.step);
            found.push((of.step, strand.map(|s| s.through.clone()).unwrap_or_default()));
            inside = self.flow.steps.get(of.step).and_then(|s| s.inside);
        }
        found.reverse();
        found
    }

    /// What came after the target in the path is void: decisions when it leads out of the path (an aside), everything
    /// otherwise. The names of the decisions.
    fn void(&mut self, target: At, here: bool, same: bool) -> Vec<String> {
        let flow = Arc::clone(&self.flow);
        let aside = flow.steps.get(target).is_some_and(|s| s.aside.is_some());
        let since = self.since(target);
        let mut void = Vec::new();
        let target_id = flow.steps.get(target).map(|s| s.id.as_str()).unwrap_or_default().to_owned();
        for passed in &mut self.run.path[since..] {
            let decided = matches!(passed.how, How::Approved | How::Rejected);
            let counts = if here { passed.step == target_id || passed.how == How::Rejected } else { decided || !aside };
            let newest = same && passed.round == self.run.round;
            if newest || !counts || !matches!(passed.how, How::Done | How::Approved | How::Rejected | How::Late | How::Failed) {
                continue;
            }
            if passed.how == How::Approved {
                void.push(passed.step.clone());
            }
            passed.how = How::Void;
            self.run.steps.remove(&passed.step);
        }
        void
    }

    /// A trunk begins at a step, however deep inside others it is; branches that were through stay so, the others begin anew.
    fn enter(&mut self, target: At, through: &[(At, BTreeSet<u32>)]) {
        let flow = Arc::clone(&self.flow);
        let mut way = Vec::new(); // innermost first
        let mut inside = flow.steps.get(target).and_then(|s| s.inside);
        while let Some(of) = inside {
            way.push(of);
            inside = flow.steps.get(of.step).and_then(|s| s.inside);
        }
        way.reverse();
        // The list of an `each` is gone: it begins anew.
        if let Some(n) = way.iter().position(|of| matches!(flow.steps.get(of.step).map(|s| &s.kind), Some(StepKind::Each(_)))) {
            let each = way[n].step;
            return self.enter(each, through);
        }
        let now = self.draft.event.at;
        let mut parent = None;
        for of in way {
            let done = through.iter().find(|(at, _)| *at == of.step).map(|(_, done)| done.clone()).unwrap_or_default();
            let done: BTreeSet<u32> = done.into_iter().filter(|branch| *branch != of.branch).collect();
            let strand = Strand {
                parent: parent.map(|(id, _)| id),
                branch: parent.map_or(0, |(_, branch)| branch),
                waits: vec![Wait::Branches],
                through: done.clone(),
                ..Strand::new(of.step, now)
            };
            let id = self.spawn(strand);
            if let Some(StepKind::Parallel(parallel)) = flow.steps.get(of.step).map(|s| &s.kind) {
                for (n, (_, first)) in parallel.branches.iter().enumerate() {
                    let branch = u32::try_from(n).unwrap_or(u32::MAX);
                    match first {
                        Some(first) if branch != of.branch && !done.contains(&branch) => {
                            self.fork_one(id, *first, branch, None);
                        }
                        _ => {}
                    }
                }
            }
            parent = Some((id, of.branch));
        }
        let strand = Strand {
            parent: parent.map(|(id, _)| id),
            branch: parent.map_or(0, |(_, branch)| branch),
            ..Strand::new(target, now)
        };
        self.spawn(strand);
    }

    /// What was gone back to is through: it goes on straight at the step that went back.
    pub(super) fn resume(&mut self, id: u32, resume: Resume) -> Result<(), Need> {
        self.run.revising = false;
        let flow = Arc::clone(&self.flow);
        let inside = |at: At| flow.steps.get(at).and_then(|s| s.inside);
        if self.run.strands.get(&id).is_some_and(|s| inside(s.at) == inside(resume.at)) {
            // Within its branch: what goes on beside it does not begin anew.
            self.run.strands.entry(id).and_modify(|s| s.origin = None);
            self.put_at(id, Some(resume.at));
        } else {
            self.cancel_all("goes on where it went back")?;
            self.enter(resume.at, &resume.through);
        }
        // A `back_to` in the path would only go back again: it goes on behind it.
        if let Some(StepKind::BackTo(_)) = flow.steps.get(resume.at).map(|s| &s.kind)
            && let Some(id) = self.strand(|s| s.at == resume.at)
        {
            return self.pass(id, How::Done, None, Vec::new());
        }
        Ok(())
    }

    /// Everything is let go, and a new trunk begins there; none: the run ends in this word.
    pub(super) fn divert(&mut self, at: Option<At>, word: &str, outcome: Outcome) -> Result<(), Need> {
        let Some(at) = at else { return self.end(word, outcome) };
        self.cancel_all(word)?;
        self.run.resume = None;
        let now = self.draft.event.at;
        self.spawn(Strand::new(at, now));
        Ok(())
    }
}
