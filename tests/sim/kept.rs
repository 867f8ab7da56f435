//! Plans that once failed, as short as they could be made: what the simulation found stays found.

use super::plan::{Action, Kind};

/// What went wrong, and what had to happen for it.
type Kept = (&'static str, &'static [(Kind, u64)]);

const ALL: &[Kept] = &[
    // The clock was set while the disk was full: that time stands still was not in the state yet, and that was taken for a person's
    // word that the clock is right.
    (
        "a jump that is not in the state yet counts as confirmed",
        &[(Kind::Turn, 0), (Kind::Full, 0), (Kind::SetClock, 2), (Kind::Turn, 0)],
    ),
    // Its run was cancelled, and it is not to be tried again: a change of a call on its way, for which it was performed again.
    (
        "a call whose run is cancelled while it is on its way is performed twice",
        &[
            (Kind::Turn, 0x39b3_068a_5ee3_1ae4),
            (Kind::Post, 0x4bae_05e6_864b_0859),
            (Kind::Turn, 0x35f8_dc87_9063_f156),
            (Kind::Turn, 0x17be_b44b_5294_1a79),
            (Kind::AskRun, 0xcde3_39dc_364f_d1a5),
        ],
    ),
];

/// By name.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Vec<Action>)> {
    ALL.iter().map(|(name, plan)| (*name, plan.iter().map(|(kind, seed)| Action { kind: *kind, seed: *seed }).collect()))
}
