//! Timers of a record that was merged into another: the winner's own time goes on, one that only the loser had goes on with it,
//! and what was said for either is not said again.

use std::collections::BTreeMap;

use super::armed::{Armed, armed, clear, follow, key, timer};
use super::{Kind, Schedule};
use crate::engine::decide::Deciding;
use crate::engine::event::RecordRef;
use crate::engine::state::{Entry, Need, TimerId, Wake};

/// Moves them; what the loser was armed with, by schedule.
pub(in crate::engine) fn merged(
    draft: &mut Deciding<'_>,
    loser: &RecordRef,
    winner: &RecordRef,
) -> Result<BTreeMap<String, Armed>, Need> {
    let mut former = BTreeMap::new();
    for schedule in draft.definitions.schedules.armed(&loser.entity) {
        let theirs = armed(draft, schedule, loser)?;
        let own = armed(draft, schedule, winner)?;
        if let Some(theirs) = &theirs {
            clear(draft, theirs);
            draft.remove(key(schedule, loser));
            former.insert(schedule.event.clone(), theirs.clone());
        }
        let base = match (own, &theirs) {
            (None, Some(theirs)) => Some(take_over(draft, schedule, winner, theirs)),
            (own, _) => own,
        };
        // By its fields as they are now.
        follow(draft, schedule, winner, base.as_ref())?;
        if let Some(said) = theirs.filter(|theirs| theirs.said) {
            keep_silent(draft, schedule, winner, &said)?;
        }
    }
    Ok(former)
}

/// What one record was armed with the other is armed with, by timers of its own.
fn take_over(draft: &mut Deciding<'_>, schedule: &Schedule, at: &RecordRef, armed: &Armed) -> Armed {
    let mut again = |before: Option<TimerId>, warn| {
        let due = jiff::Timestamp::from_millisecond(before?.due).ok()?;
        Some(timer(draft, due, Wake::Armed { schedule: schedule.event.clone(), record: at.clone(), warn }))
    };
    let taken = Armed { timer: again(armed.timer, false), warn: again(armed.warn, true), ..armed.clone() };
    draft.put(key(schedule, at), Entry::Armed(taken.clone()));
    taken
}

/// What was said for the loser is not said for the winner, unless it is counted from something that came later.
fn keep_silent(draft: &mut Deciding<'_>, schedule: &Schedule, winner: &RecordRef, said: &Armed) -> Result<(), Need> {
    let Some(now) = armed(draft, schedule, winner)?.filter(|now| !now.said) else { return Ok(()) };
    let same = match &schedule.kind {
        Kind::Held { since, .. } => since.is_empty() || now.since <= said.since,
        _ => (now.since, now.due) == (said.since, said.due),
    };
    if same {
        clear(draft, &now);
        draft.put(key(schedule, winner), Entry::Armed(Armed { timer: None, warn: None, said: true, ..now }));
    }
    Ok(())
}

/// The records are two again: the loser is counted from when it was. What would have been said meanwhile is not made up for.
pub(in crate::engine) fn unmerged(
    draft: &mut Deciding<'_>,
    former: &BTreeMap<String, Armed>,
    loser: &RecordRef,
) -> Result<Vec<String>, Need> {
    let mut missed = Vec::new();
    for schedule in draft.definitions.schedules.armed(&loser.entity) {
        let before = former.get(&schedule.event).or_else(|| schedule.former.iter().find_map(|event| former.get(event)));
        let Some(before) = before else {
            follow(draft, schedule, loser, None)?;
            continue;
        };
        let mut again = Armed { timer: None, warn: None, ..before.clone() };
        if before.timer.is_none() {
            draft.put(key(schedule, loser), Entry::Armed(again));
        } else if before.due <= draft.event.at {
            again.said = true;
            draft.put(key(schedule, loser), Entry::Armed(again));
            missed.push(schedule.kind.to_string());
        } else {
            // Its due time moved away, so that it is found to be another and set.
            let elsewhere = Armed { due: jiff::Timestamp::MAX, ..again };
            follow(draft, schedule, loser, Some(&elsewhere))?;
        }
    }
    Ok(missed)
}
