//! What happens in one simulation, as data: so that it can be played again, and shortened.

use super::dice::Dice;

/// What happens; closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A sender posts something new: one item or several.
    Post,
    /// It posts something again that it posted before.
    PostAgain,
    /// The polled system has more rows.
    Rows,
    /// It is polled: a page of rows behind the committed cursor is submitted, with the new cursor.
    Poll,
    /// The process takes one turn.
    Turn,
    /// Time passes.
    Pass,
    /// A call on its way reaches the other side.
    Reach,
    /// A call on its way ends, somehow.
    Answer,
    /// The end of an attempt is told once more.
    AnswerAgain,
    /// A person decides a task.
    Decide,
    /// A person asks about a call.
    Ask,
    /// A person asks about a run.
    AskRun,
    /// The process is asked to stop, and ends once it is through with what it has begun, or is made to.
    Stop,
    /// The files are others, and the process reloads.
    Reload,
    /// Somebody sets the clock on the wall by a day.
    SetClock,
    /// Somebody says that the clock is right.
    ConfirmClock,
    /// The process is killed between two turns.
    Kill,
    /// It is killed after a turn, before it made the calls.
    KillPerforming,
    /// The machine loses its power.
    PowerCut,
    /// Something of the disk will go wrong.
    Fault,
    /// The disk is full.
    Full,
    /// There is room again.
    Room,
    /// The next answer to a sender gets lost.
    Lose,
}

/// How often each, of their sum.
const WEIGHTS: [(Kind, usize); 23] = [
    (Kind::Post, 18),
    (Kind::PostAgain, 5),
    (Kind::Rows, 2),
    (Kind::Poll, 5),
    (Kind::Turn, 34),
    (Kind::Pass, 12),
    (Kind::Reach, 8),
    (Kind::Answer, 14),
    (Kind::AnswerAgain, 4),
    (Kind::Decide, 4),
    (Kind::Ask, 3),
    (Kind::AskRun, 3),
    (Kind::Stop, 1),
    (Kind::Reload, 2),
    (Kind::SetClock, 1),
    (Kind::ConfirmClock, 2),
    (Kind::Kill, 2),
    (Kind::KillPerforming, 1),
    (Kind::PowerCut, 1),
    (Kind::Fault, 7),
    (Kind::Full, 2),
    (Kind::Room, 5),
    (Kind::Lose, 2),
];

/// Something that happens, with a seed of its own for what is random in it: whatever else is left out, it stays what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) kind: Kind,
    pub(super) seed: u64,
}

/// All that happens in the simulation of this seed.
pub(super) fn plan(seed: u64) -> Vec<Action> {
    let mut dice = Dice::seeded(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
    let sum = WEIGHTS.iter().map(|(_, weight)| weight).sum();
    // Most are short: what goes wrong mostly goes wrong early, and is understood more easily.
    let count = dice.pick(&[20, 40, 60, 60, 100, 160]);
    let one = |dice: &mut Dice| {
        let mut at = dice.below(sum);
        let (kind, _) = WEIGHTS.iter().find(|(_, w)| at.checked_sub(*w).map(|left| at = left).is_none()).unwrap();
        Action { kind: *kind, seed: dice.next() }
    };
    (0..count).map(|_| one(&mut dice)).collect()
}

/// The shortest plan that still fails by this word, found by leaving out ever smaller parts (ddmin), in at most so many tries.
pub(super) fn shrink(plan: &[Action], mut tries: usize, fails: impl Fn(&[Action]) -> bool) -> Vec<Action> {
    let mut plan = plan.to_vec();
    let mut part = plan.len().div_ceil(2);
    while part > 0 && tries > 0 {
        let mut at = 0;
        let before = plan.len();
        while at < plan.len() && tries > 0 {
            let end = (at + part).min(plan.len());
            let without: Vec<Action> = plan[..at].iter().chain(&plan[end..]).copied().collect();
            tries -= 1;
            if fails(&without) {
                plan = without;
            } else {
                at = end;
            }
        }
        if part == 1 && plan.len() == before {
            break;
        }
        part = if part == 1 { 1 } else { part.div_ceil(2) };
    }
    plan
}
