//! Branches: when a `parallel` or `each` is through, and what a branch that fails means to it.

use std::sync::Arc;

use super::How;
use super::walk::Walk;
use crate::engine::definition::StepKind;
use crate::engine::state::Need;

impl Walk<'_, '_> {
    /// A branch of this strand's step is through, or dropped: whether the step is.
    pub(super) fn join(&mut self, id: u32) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        let Some(strand) = self.run.strands.get(&id) else { return Ok(()) };
        let through = strand.through.len();
        let open = self.run.strands.values().filter(|s| s.parent == Some(id)).count();
        match flow.steps.get(strand.at).map(|s| &s.kind) {
            Some(StepKind::Parallel(parallel)) => {
                let need = parallel.need.map_or(parallel.branches.len(), |n| n as usize).min(parallel.branches.len());
                if through >= need {
                    self.release(id, "not needed")?;
                    return self.pass(id, How::Done, None, Vec::new());
                }
                if open == 0 {
                    self.release(id, "failed")?; // it waits for no branch any more, and is shown
                    return self.trouble(id, &format!("{through} of {need} branches came through"), true);
                }
                Ok(())
            }
            Some(StepKind::Each(each)) => {
                self.more(id, each);
                let done = self.run.strands.values().all(|s| s.parent != Some(id));
                if done { self.pass(id, How::Done, None, Vec::new()) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Whether this strand's step, or one around it, makes something of a branch that fails.
    pub(super) fn takes_failure(&self, id: u32) -> bool {
        let Some(strand) = self.run.strands.get(&id) else { return false };
        let Some(step) = self.flow.steps.get(strand.at) else { return false };
        let fewer = matches!(&step.kind, StepKind::Parallel(p) if p.need.is_some_and(|n| (n as usize) < p.branches.len()));
        fewer || step.on_error.is_some() || strand.parent.is_some_and(|parent| self.takes_failure(parent))
    }

    /// A branch has failed: the others may do, or the whole step has.
    pub(super) fn branch_failed(&mut self, id: u32, parent: u32, why: &str) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        self.fell(id)?;
        let step = self.run.strands.get(&parent).and_then(|s| flow.steps.get(s.at));
        if let Some(StepKind::Parallel(parallel)) = step.map(|s| &s.kind)
            && parallel.need.is_some_and(|n| (n as usize) < parallel.branches.len())
        {
            return self.join(parent);
        }
        self.release(parent, "a branch failed")?;
        self.trouble(parent, why, true)
    }

    /// A strand ends with the step that failed: nothing more of that is sent, and what was can be undone.
    pub(super) fn fell(&mut self, id: u32) -> Result<(), Need> {
        self.let_go(id, "failed")?;
        self.leave(id, How::Failed, Vec::new());
        self.run.strands.remove(&id);
        Ok(())
    }
}
