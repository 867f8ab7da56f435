//! Mistakes made on purpose, so that the simulation (`tests/sim/`) can show that it finds them.
//!
//! Architecture invariant: without debug assertions, so in every release build, there are none: the field that holds one is not
//! compiled in, and [`Definitions::planted`] is `false`. With them, only a test can plant one; nothing that is read from a file does.

use super::definition::Definitions;

/// One mistake, each in the one place that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Senders are told yes before the commit.
    AcknowledgedFirst,
    /// Whether a delivery is in the store already is not asked.
    ForgottenDedupe,
    /// What was decided for a batch that failed stays in the state in memory.
    KeptOverlay,
    /// What was decided of a submission that is refused in the middle stays in the batch.
    HalfSubmission,
    /// What our own had to tell is dropped when the disk is full.
    DroppedOutcome,
    /// Calls found on their way at a start are left so.
    ForgottenCutOff,
    /// Timers are told while time stands still.
    IgnoredClock,
    /// A timer that has fired stays in the state.
    KeptTimer,
    /// What ends a hold leaves its timer behind.
    UnclearedTimer,
    /// An attempt whose outcome is unknown is repeated under a new key.
    NewKey,
    /// What is tried again loses its place in its lane.
    LostLane,
    /// A second run begins although one is under way.
    SecondRun,
}

impl Definitions {
    /// Whether this mistake is to be made.
    #[inline]
    pub(crate) fn planted(&self, bug: Bug) -> bool {
        #[cfg(debug_assertions)]
        return self.planted == Some(bug);
        #[cfg(not(debug_assertions))]
        {
            let _none = bug;
            false
        }
    }
}
