//! What becomes of a run when people have decided. The task itself is never looked into here.

use std::sync::Arc;

use super::walk::{Trouble, Walk};
use super::{How, Wait};
use crate::engine::approval::{End, Outcome, Task};
use crate::engine::decide::Deciding;
use crate::engine::definition::{BackTo, StepKind, Target};
use crate::engine::log;
use crate::engine::state::Need;

/// People have decided, or answered.
pub(in crate::engine) fn decided(draft: &mut Deciding<'_>, task: &Task, outcome: Outcome) -> Result<(), Need> {
    let Some(mut walk) = Walk::load(draft, &task.run)? else { return Ok(()) };
    let Some(id) = walk.strand(|s| s.waits.contains(&Wait::Task(task.id))) else { return Ok(()) };
    walk.decided(id, outcome)?;
    walk.go()
}

impl Walk<'_, '_> {
    /// People have decided about a strand's step, or a policy or the time for them.
    pub(super) fn decided(&mut self, id: u32, outcome: Outcome) -> Result<(), Need> {
        let flow = Arc::clone(&self.flow);
        let Some((at, step)) = self.run.strands.get(&id).and_then(|s| Some((s.at, flow.steps.get(s.at)?))) else {
            return Ok(());
        };
        let Outcome { how, result, by } = outcome;
        match how {
            End::Approved => self.pass(id, How::Approved, Some(result), by),
            End::Cancelled(_) => Ok(()),
            End::Rejected { to, here } => {
                self.run.steps.insert(step.id.clone(), result);
                self.leave(id, How::Rejected, by);
                if let Some(strand) = self.run.strands.get_mut(&id) {
                    strand.origin = Some(at);
                }
                if let Some(to) = to.and_then(|to| flow.find(&to)) {
                    let back = BackTo { to: Target::Step(to), here, undo: false };
                    return match self.back(at, &back, "rejected") {
                        Ok(()) => Ok(()),
                        Err(Trouble::Need(need)) => Err(need),
                        Err(Trouble::Park(why) | Trouble::Fail(why)) => {
                            self.park(id, &why);
                            Ok(())
                        }
                    };
                }
                let block = if let StepKind::Approve(approve) = &step.kind { approve.rejected } else { None };
                match block {
                    Some(block) => {
                        self.put_at(id, Some(block));
                        Ok(())
                    }
                    None => self.end("rejected", log::Outcome::Done),
                }
            }
        }
    }
}
