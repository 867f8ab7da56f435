//! Approvals and forms: who is asked, who may do what, when it is decided. A flow begins a task and is told how it ended.
//!
//! A task is a tree of seats. Those that the step names are its roots; whoever is added, handed it, asked for an opinion or stands in
//! has a seat that is *of* another one. What is kept are decisions and how everybody came by their seat; whose turn it is is worked
//! out anew each time ([`seats`]).
//!
//! - 会签: all must approve, or so many, or such a share (rounded up); it ends once it cannot end otherwise. A veto: one rejection
//!   rejects; who has not decided by the time enough have approved has no say. Fewer people than must approve: the step fails.
//! - 或签: the first decision counts. 顺签: one after another; the first rejection rejects.
//! - 前加签 parks the seat until those added have decided, 后加签 lets them follow its approval. They decide among themselves by a mode of
//!   their own and count with the seat they belong to: where they reject, that seat has rejected (which in all modes but "so many of
//!   them" rejects the task). Five deep, 100 seats in all.
//! - 减签: whoever added somebody takes them out again until they have decided.
//! - 转办 is for good, 委派 comes back: what the other one says is an opinion, shown to whoever decides then. Neither may lead to anybody who has or
//!   had a part in the task.
//! - 委托: who stands in is looked up at the moment somebody is asked, one for the other; both are shown. In a circle, or where
//!   it leads to an initiator who does not decide, everyone keeps their seat. One decision counts on all seats that a person has.
//! - 驳回 needs a word; to a step of their choice only where the step says so (`returns`).
//! - 撤回: an own decision, as long as nobody has gone on from it; of a task that has ended, as long as the next step has not acted.
//! - Time is over: these decide *instead* of all who have not; of several, as many as the mode says, all where it says how many.
//! - The initiator who does not decide (`own`) is neither handed it nor escalated to, nor do they stand in for others.
//!
//! A decision that cannot be made changes nothing and is a line `decide` `suppressed` with a `reason` (a word) and `detail` (a sentence).

mod act;
mod begin;
mod command;
mod form;
mod marker;
mod notice;
mod outcome;
pub mod proof;
mod recall;
mod refusal;
mod said;
mod seats;
mod tally;
mod task;
mod told;

pub(super) use begin::{Begun, begin};
pub(super) use command::{cancel, command, decide_by_timeout, escalate, remind};
pub use marker::Marker;
pub(super) use outcome::Outcome;
pub use said::said;
pub use task::*;

#[cfg(test)]
mod tests;
