//! The mistakes that are made on purpose, in the daemon or in its store: the simulation must find each.

use ifthen::engine::planted::Bug;

use super::disk::Flaw;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// In the daemon's own code, behind its switch.
    Planted(Bug),
    /// In the store that is simulated.
    Store(Flaw),
}

impl Mistake {
    pub(super) fn bug(self) -> Option<Bug> {
        if let Self::Planted(bug) = self { Some(bug) } else { None }
    }

    pub(super) fn flaw(self) -> Option<Flaw> {
        if let Self::Store(flaw) = self { Some(flaw) } else { None }
    }
}

/// All, each with words of what the simulation may say of it.
pub(super) const ALL: [(Mistake, &[&str]); 15] = [
    (Mistake::Planted(Bug::LostLane), &["lane"]),
    (Mistake::Planted(Bug::SecondRun), &["stands in two runs"]),
    (Mistake::Store(Flaw::Unsynced), &["was acknowledged as event"]),
    (Mistake::Store(Flaw::Torn), &["otherwise than by deciding it"]),
    (Mistake::Store(Flaw::ForgetfulDeliveries), &["stands twice"]),
    (Mistake::Planted(Bug::AcknowledgedFirst), &["acknowledged"]),
    (Mistake::Planted(Bug::ForgottenDedupe), &["stands twice"]),
    (Mistake::Planted(Bug::KeptOverlay), &["otherwise than by deciding it"]),
    (Mistake::Planted(Bug::HalfSubmission), &["was refused and is on disk", "comes again"]),
    (Mistake::Planted(Bug::DroppedOutcome), &["nobody makes it"]),
    (Mistake::Planted(Bug::ForgottenCutOff), &["nobody makes it"]),
    (Mistake::Planted(Bug::IgnoredClock), &["while time stands still"]),
    (Mistake::Planted(Bug::KeptTimer), &["belongs to nothing"]),
    (Mistake::Planted(Bug::UnclearedTimer), &["belongs to nothing"]),
    (Mistake::Planted(Bug::NewKey), &["arrived under 2 keys"]),
];
