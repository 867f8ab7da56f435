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
    // The clock was set back again while the first jump was still owed to a full disk: timers rang in the commit that says that time
    // stands still.
    (
        "timers ring while a jump is owed to the state",
        &[
            (Kind::Turn, 0x156b_2d42_2dbd_b28c),
            (Kind::Full, 0x6ac7_a87f_5592_fefe),
            (Kind::SetClock, 0xad58_ced5_152b_55ca),
            (Kind::Turn, 0xc7fd_b436_1ec5_c456),
            (Kind::Pass, 0xa852_fd8a_b76e_e8bb),
            (Kind::SetClock, 0x5de4_64aa_6bf4_45f5),
        ],
    ),
    // A start on a full disk: what came in was decided before the new definitions were in force, and what they arm was never armed.
    (
        "a start that is not on disk yet",
        &[
            (Kind::Turn, 0xdf16_5c44_9f63_57aa),
            (Kind::Post, 0x44aa_3a69_1b38_ddd5),
            (Kind::Turn, 0xd0c1_6f2c_d69c_ca49),
            (Kind::Fault, 0xbb32_88e2_93a9_bc0d),
            (Kind::Turn, 0xa77d_bc55_1998_ed9d),
            (Kind::Full, 0x10d8_c694_3730_8367),
            (Kind::Turn, 0x82eb_480a_c502_284d),
            (Kind::Reload, 0xa5de_b3eb_fdf3_513d),
        ],
    ),
    // What a full disk put off went behind what had come to be told since: the clock's jump came before the start.
    (
        "a start that goes behind what came after it",
        &[
            (Kind::Full, 0x7e28_03c8_1ee1_6020),
            (Kind::Turn, 0x1a7d_bcfa_6193_64a7),
            (Kind::SetClock, 0xab73_4a55_5856_04ee),
            (Kind::Post, 0x739a_6bc5_3b2b_c3c4),
            (Kind::Turn, 0xcc10_8826_c467_9c9d),
        ],
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
