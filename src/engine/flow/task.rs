//! What becomes of a run when people have decided. The task itself is never looked into here.

use super::super::approval::{Outcome, Task};
use crate::engine::decide::Deciding;
use crate::engine::state::Need;

/// People have decided, or answered.
pub(in crate::engine) fn decided(_draft: &mut Deciding<'_>, _task: &Task, _outcome: Outcome) -> Result<(), Need> {
    Ok(())
}

/// Somebody takes back what they approved at a step that was left with it. Where what came next has not acted, the run stands at the
/// step again and waits for the same task (it is open again by the end of this decision); whether that is so.
pub(in crate::engine) fn recalled(_draft: &mut Deciding<'_>, _task: &Task, _person: &str) -> Result<bool, Need> {
    Ok(false)
}
