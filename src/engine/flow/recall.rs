//! 撤回: a decision is taken back after its step was left. Possible as long as nothing that came of it has acted: no person, nothing
//! that reaches outside or the record, no event. What only leads the way (`choose`, waiting, variables) counts no more, and is gone
//! again.

use std::sync::Arc;

use super::walk::Walk;
use super::{How, Passed, Phase, Strand, Wait, Was};
use crate::engine::approval::Task;
use crate::engine::decide::Deciding;
use crate::engine::definition::{At, Flow, StepKind};
use crate::engine::state::{Entry, Key, Need};

/// The `parallel`s and `each`es around a step, outermost first, and in which branch of each it is.
type Around = Vec<(At, u32)>;

/// Why a decision cannot be taken back any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Stays {
    /// The run is over, ends, or has gone elsewhere.
    Over,
    /// A person has decided since.
    Acted,
    /// This step has been done since, or is being done.
    Done(String),
    /// It was taken within an `each`: of which item is not known any more.
    Each,
}

/// Somebody takes back what they approved at a step that was left with it: the run stands at the step again and waits for the same
/// task (it is open again by the end of this decision), or why not.
pub(in crate::engine) fn recalled(draft: &mut Deciding<'_>, task: &Task, person: &str) -> Result<Result<(), Stays>, Need> {
    let Some(mut walk) = Walk::load(draft, &task.run)? else { return Ok(Err(Stays::Over)) };
    let Some(at) = walk.flow.find(&task.step) else { return Ok(Err(Stays::Over)) };
    let run = &walk.run;
    let late = walk.flow.within.is_some() && run.deadline.is_none();
    if task.round != run.round || run.then.is_some() || run.failing.is_some() || late {
        return Ok(Err(Stays::Over));
    }
    if walk.within_each(at) {
        return Ok(Err(Stays::Each));
    }
    let this = |p: &Passed| {
        let same = p.was.as_ref().is_none_or(|was| was.task == task.id); // yesterday's runs do not say
        p.step == task.step && p.round == task.round && p.how == How::Approved && same && p.by.iter().any(|by| by == person)
    };
    let Some(taken) = run.path.iter().rposition(this) else { return Ok(Err(Stays::Acted)) };
    if let Some(why) = walk.gone_on(at, taken)? {
        return Ok(Err(why));
    }
    walk.stand_again(at, taken, task)?;
    walk.go()?;
    Ok(Ok(()))
}

impl Walk<'_, '_> {
    fn within_each(&self, at: At) -> bool {
        around(&self.flow, at).iter().any(|(of, _)| matches!(self.flow.steps.get(*of).map(|s| &s.kind), Some(StepKind::Each(_))))
    }

    /// What has acted because a step was left, at that place in the path; branches beside it did not.
    fn gone_on(&self, at: At, taken: usize) -> Result<Option<Stays>, Need> {
        let (came, around) = self.came_of(at, taken);
        for (n, since) in came {
            let passed = &self.run.path[n];
            match (&self.flow.steps[since].kind, passed.how) {
                (_, How::Void | How::Skipped | How::Undone) => {}
                (StepKind::Approve(_) | StepKind::Ask(_), How::Cancelled) => {}
                // By a policy, at once: nobody was asked.
                (StepKind::Approve(_) | StepKind::Ask(_), How::Approved) if passed.by.is_empty() && passed.from == passed.to => {}
                (StepKind::Approve(_) | StepKind::Ask(_), _) => return Ok(Some(Stays::Acted)),
                (StepKind::Event(_), How::Done) => return Ok(Some(Stays::Done(passed.step.clone()))),
                (StepKind::Do(action), _) if action.name() != "log" => return Ok(Some(Stays::Done(passed.step.clone()))),
                _ => {}
            }
        }
        for strand in self.run.strands.values().filter(|s| !beside(&self.flow, &around, s.at)) {
            let Some(step) = self.flow.steps.get(strand.at) else { continue };
            let tried = strand.error.is_some() && matches!(step.kind, StepKind::Do(_));
            let calls = strand.waits.iter().any(|w| matches!(w, Wait::Call(_)));
            // A `parallel` that was through and has begun again.
            let anew = self::around(&self.flow, at).iter().skip(around.len()).any(|(of, _)| *of == strand.at);
            if tried || calls || anew || strand.phase != Phase::Forward {
                return Ok(Some(Stays::Done(step.id.clone())));
            }
            if self.has_decided(strand)? {
                return Ok(Some(Stays::Acted));
            }
        }
        Ok(None)
    }

    /// What was come to because a step was left, at that place in the path: its places there, and the steps. And the `parallel`s
    /// around it that are not through yet: what is in other branches of these came of something else.
    fn came_of(&self, at: At, taken: usize) -> (Vec<(usize, At)>, Around) {
        let mut around = around(&self.flow, at);
        let mut came = Vec::new();
        for (n, passed) in self.run.path.iter().enumerate().skip(taken + 1) {
            let Some(since) = self.flow.find(&passed.step) else { continue };
            if passed.how != How::Void
                && let Some(left) = around.iter().position(|(of, _)| *of == since)
            {
                around.truncate(left);
            }
            if !beside(&self.flow, &around, since) {
                came.push((n, since));
            }
        }
        (came, around)
    }

    /// Whether anybody has decided of those whom a strand waits for.
    pub(super) fn has_decided(&self, strand: &Strand) -> Result<bool, Need> {
        for wait in &strand.waits {
            let Wait::Task(task) = wait else { continue };
            if let Some(Entry::Task(task)) = self.draft.get(&Key::Task(*task))?.as_deref()
                && task.seats.iter().any(|s| s.decision.is_some())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The strand that has gone on from a step stands there again, as it did; branches beside it stay where they are.
    fn stand_again(&mut self, at: At, taken: usize, task: &Task) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        let was = self.void_since(at, taken);
        let mut parent = None;
        for (of, branch) in around(&flow, at) {
            let id = match self.strand(|s| s.at == of && s.waits.contains(&Wait::Branches)) {
                Some(waits) => waits,
                None => {
                    // It was through: the branches beside stay so.
                    let Some(id) = self.bring(of, parent)? else { return Ok(()) };
                    let branches = if let StepKind::Parallel(p) = &flow.steps[of].kind { p.branches.len() } else { 0 };
                    let through = (0..u32::try_from(branches).unwrap_or(u32::MAX)).collect();
                    self.wait(id, Wait::Branches);
                    self.run.strands.entry(id).and_modify(|s| s.through = through);
                    id
                }
            };
            self.run.strands.entry(id).and_modify(|s| {
                s.through.remove(&branch);
            });
            parent = Some((id, branch));
        }
        let Some(id) = self.bring(at, parent)? else { return Ok(()) };
        if let Some(was) = was {
            (self.run.resume, self.run.revising) = (was.resume, was.revising);
            self.run.strands.entry(id).and_modify(|s| (s.loops, s.origin) = (was.loops, was.origin));
        }
        self.wait(id, Wait::Task(task.id));
        let due = flow.steps[at].within.and_then(|within| self.after(within).ok());
        let timer = due.map(|due| self.timer(due));
        self.run.strands.entry(id).and_modify(|s| s.deadline = timer);
        Ok(())
    }

    /// The position of a branch, or of the trunk, is at that step now, whatever it was about.
    fn bring(&mut self, at: At, parent: Option<(u32, u32)>) -> Result<Option<u32>, Need> {
        let flow = Arc::clone(&self.flow);
        let inside = |at: At| flow.steps.get(at).map(|s| s.inside);
        let now = self.draft.event.at;
        if let Some(id) = self.strand(|s| inside(s.at).is_some() && inside(s.at) == inside(at)) {
            self.release(id, "taken back")?;
            self.leave(id, How::Cancelled, Vec::new());
            self.run.strands.entry(id).and_modify(|s| (s.at, s.since, s.late) = (at, now, 0));
            return Ok(Some(id));
        }
        let Some((parent, branch)) = parent else { return Ok(None) };
        self.fork_one(parent, at, branch, None);
        Ok(self.strand(|s| s.parent == Some(parent) && s.branch == branch))
    }

    /// The decision and what came of it count no more, nor can that be undone; how it stood there.
    fn void_since(&mut self, at: At, taken: usize) -> Option<Was> {
        let (came, _) = self.came_of(at, taken);
        let decided = self.run.path.get(taken).map_or(0, |p| p.n);
        for (n, since) in std::iter::once((taken, at)).chain(came) {
            let Some(passed) = self.run.path.get_mut(n) else { continue };
            if !matches!(passed.how, How::Done | How::Approved | How::Late | How::Failed) {
                continue;
            }
            passed.void = Some(std::mem::replace(&mut passed.how, How::Void));
            self.run.steps.remove(&passed.step);
            // What an earlier pass of a loop did stays done.
            self.run.undoable.retain(|u| u.at != since || u.n < decided);
        }
        self.run.path.get(taken).and_then(|p| p.was.clone())
    }
}

/// The `parallel`s and `each`es around a step, outermost first, and in which branch of each it is.
pub(super) fn around(flow: &Flow, at: At) -> Around {
    let inside = |at: At| flow.steps.get(at).and_then(|s| s.inside).map(|of| (of.step, of.branch));
    let mut found: Around = std::iter::successors(inside(at), |(of, _)| inside(*of)).collect();
    found.reverse();
    found
}

/// Whether a step is in another branch of one of these.
fn beside(flow: &Flow, these: &[(At, u32)], at: At) -> bool {
    let own = around(flow, at);
    these.iter().any(|(of, branch)| own.iter().any(|(o, b)| o == of && b != branch))
}
