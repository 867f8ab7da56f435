//! Runs of a record that was merged into another go on with that; of two of one flow the loser's ends as `merged`. The way back, too.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::walk::Walk;
use super::{Enrolment, event};
use crate::engine::decide::Deciding;
use crate::engine::definition::{Definitions, Mode};
use crate::engine::event::RecordRef;
use crate::engine::log::Outcome;
use crate::engine::state::{Entry, Key, Need};

/// What became of the runs of a record that was merged into another.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moved {
    /// They go on with the winner.
    #[serde(default)]
    pub moved: Vec<String>,
    /// They ended, since the winner is in a run of that flow itself.
    #[serde(default)]
    pub ended: Vec<String>,
}

/// A record was merged into another: its runs go on with that; of two of one flow the loser's ends as `merged`, unless the flow lets
/// several run. What waits for its turn waits for the winner's.
pub(in crate::engine) fn merged(draft: &mut Deciding<'_>, loser: &RecordRef, winner: &RecordRef) -> Result<Moved, Need> {
    let definitions: &Definitions = draft.definitions;
    let mut moved = Moved::default();
    for (id, flow) in &definitions.flows {
        let former = definitions.flow_gates.get(id).map(|g| g.was.as_slice()).unwrap_or_default();
        for name in std::iter::once(id).chain(former) {
            let theirs = enrolment(draft, name, loser)?;
            if theirs == Enrolment::default() {
                continue;
            }
            // Nothing of the queue begins when a run ends now.
            let waiting = Enrolment { queue: Vec::new(), ..theirs.clone() };
            draft.put(key(name, loser), Entry::Enrolled(waiting));
            for run in theirs.runs {
                let own = enrolment(draft, name, winner)?;
                if flow.mode != Mode::Parallel && lives(draft, &own)? {
                    let Some(mut walk) = Walk::load(draft, &run)? else { continue };
                    walk.end("merged", Outcome::Suppressed)?;
                    moved.ended.push(run);
                } else {
                    about(draft, &run, winner)?;
                    moved.moved.push(run);
                }
            }
            draft.remove(key(name, loser));
            let mut own = enrolment(draft, name, winner)?;
            own.queue.extend(theirs.queue);
            own.last = own.last.max(theirs.last);
            if !own.is_empty(flow.again) {
                draft.put(key(name, winner), Entry::Enrolled(own));
            }
        }
    }
    Ok(moved)
}

/// The records are two again: runs that moved go back as far as they have not ended. Those that cannot be had again.
pub(in crate::engine) fn unmerged(
    draft: &mut Deciding<'_>,
    runs: &Moved,
    loser: &RecordRef,
    winner: &RecordRef,
) -> Result<Vec<String>, Need> {
    let mut lost = runs.ended.clone();
    for id in &runs.moved {
        let entry = draft.get(&Key::Run(id.clone()))?;
        if matches!(entry.as_deref(), Some(Entry::Run(run)) if run.record.as_ref() == Some(winner)) {
            about(draft, id, loser)?;
        } else {
            lost.push(id.clone());
        }
    }
    Ok(lost)
}

fn key(flow: &str, record: &RecordRef) -> Key {
    Key::Enrolled { flow: flow.to_owned(), subject: record.to_string() }
}

fn enrolment(draft: &Deciding<'_>, flow: &str, record: &RecordRef) -> Result<Enrolment, Need> {
    let entry = draft.get(&key(flow, record))?;
    Ok(entry.and_then(|e| if let Entry::Enrolled(e) = e.as_ref() { Some(e.clone()) } else { None }).unwrap_or_default())
}

/// Whether one of them is under way; one that has stopped at a step for good gives way, as it does to a new one.
fn lives(draft: &mut Deciding<'_>, own: &Enrolment) -> Result<bool, Need> {
    for id in &own.runs {
        let Some(mut walk) = Walk::load(draft, id)? else { continue };
        if walk.run.failed.is_none() || !walk.run.undoable.is_empty() {
            return Ok(true);
        }
        walk.end("replaced", Outcome::Suppressed)?;
    }
    Ok(false)
}

/// A run is about another record from now on: events find it by that.
fn about(draft: &mut Deciding<'_>, id: &str, at: &RecordRef) -> Result<(), Need> {
    let Some(mut walk) = Walk::load(draft, id)? else { return Ok(()) };
    let Some(was) = walk.run.record.clone() else { return Ok(()) };
    event::forget(walk.draft, &walk.run)?;
    walk.run.awaits = BTreeSet::new();
    walk.run.record = Some(at.clone());
    if walk.run.subject == was.to_string() {
        let flow = walk.run.flow.clone();
        let mut theirs = enrolment(walk.draft, &flow, &was)?;
        theirs.runs.retain(|r| r != id);
        let place = key(&flow, &was);
        match theirs == Enrolment::default() {
            true => walk.draft.remove(place),
            false => walk.draft.put(place, Entry::Enrolled(theirs)),
        }
        let mut own = enrolment(walk.draft, &flow, at)?;
        own.runs.push(id.to_owned());
        own.last = own.last.max(Some(walk.run.started));
        walk.draft.put(key(&flow, at), Entry::Enrolled(own));
        walk.run.subject = at.to_string();
    }
    event::register_all(&mut walk)?;
    walk.keep();
    Ok(())
}
