//! Runs of a record that was merged into another go on with that; of two of one flow the loser's ends as `merged`. The way back, too.
//!
//! Never moves what waits for its turn (`mode: queued`), nor what events find a run by.

use serde::{Deserialize, Serialize};

use super::{Enrolment, Run, Wait, by};
use crate::engine::decide::Deciding;
use crate::engine::definition::Definitions;
use crate::engine::event::RecordRef;
use crate::engine::log::Outcome;
use crate::engine::state::{Entry, Key, Need, TimerId};
use crate::engine::value::Value;

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

/// A record was merged into another: its runs go on with that; of two of one flow the loser's ends as `merged`.
pub(in crate::engine) fn merged(draft: &mut Deciding<'_>, loser: &RecordRef, winner: &RecordRef) -> Result<Moved, Need> {
    let definitions: &Definitions = draft.definitions;
    let mut moved = Moved::default();
    for flow in definitions.flows.keys() {
        let Some((place, theirs)) = live(draft, flow, loser)? else { continue };
        draft.remove(place);
        let own = live(draft, flow, winner)?;
        if own.as_ref().is_some_and(|(_, own)| own.failed.is_none()) {
            let detail = Value::from([("reason", "merged".into())]);
            draft.say_of(&by(&theirs, None), Some(winner.clone()), "run", Outcome::Suppressed, detail);
            let waits = theirs.strands.values().flat_map(|s| s.waits.iter().filter_map(timer).chain(s.deadline));
            waits.chain(theirs.deadline).for_each(|timer| draft.remove(Key::Timer(timer)));
            draft.remove(Key::Run(theirs.id.clone()));
            moved.ended.push(theirs.id);
            continue;
        }
        // One that has stopped at a step for good gives way, as it does to a new one.
        if let Some((place, own)) = own {
            draft.remove(place);
            draft.remove(Key::Run(own.id));
        }
        draft.put(Key::Enrolled { flow: theirs.flow.clone(), subject: winner.to_string() }, alone(&theirs.id));
        moved.moved.push(theirs.id.clone());
        let run = about(theirs, winner);
        draft.put(Key::Run(run.id.clone()), Entry::Run(run));
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
        let Some(Entry::Run(run)) = entry.as_deref().filter(|e| matches!(e, Entry::Run(r) if r.record.as_ref() == Some(winner)))
        else {
            lost.push(id.clone());
            continue;
        };
        draft.remove(Key::Enrolled { flow: run.flow.clone(), subject: winner.to_string() });
        draft.put(Key::Enrolled { flow: run.flow.clone(), subject: loser.to_string() }, alone(id));
        let run = about(run.clone(), loser);
        draft.put(Key::Run(id.clone()), Entry::Run(run));
    }
    Ok(lost)
}

/// The run of a flow that a record is in, as long as it is there, and where that stands; also under a former id of the flow.
fn live(draft: &Deciding<'_>, flow: &str, record: &RecordRef) -> Result<Option<(Key, Run)>, Need> {
    let former = draft.definitions.flow_gates.get(flow).map(|g| g.was.as_slice()).unwrap_or_default();
    for id in std::iter::once(flow).chain(former.iter().map(String::as_str)) {
        let key = Key::Enrolled { flow: id.to_owned(), subject: record.to_string() };
        let entry = draft.get(&key)?;
        let Some(Entry::Enrolled(Enrolment { runs, .. })) = entry.as_deref() else { continue };
        let Some(run) = runs.first() else { continue };
        if let Some(Entry::Run(run)) = draft.get(&Key::Run(run.clone()))?.as_deref() {
            return Ok(Some((key, run.clone())));
        }
    }
    Ok(None)
}

/// The run of a record that is about another now.
fn about(run: Run, at: &RecordRef) -> Run {
    let own = run.record.as_ref().is_some_and(|record| run.subject == record.to_string());
    let subject = if own { at.to_string() } else { run.subject.clone() };
    Run { record: Some(at.clone()), subject, ..run }
}

fn alone(run: &str) -> Entry {
    Entry::Enrolled(Enrolment { runs: vec![run.to_owned()], ..Enrolment::default() })
}

fn timer(wait: &Wait) -> Option<TimerId> {
    if let Wait::Timer(timer) = wait { Some(*timer) } else { None }
}
