//! Two records that were made one are two again: the loser comes back as it was, the winner loses what it was given and has not
//! been changed since. What cannot be taken back is said: what has left, what has ended, what was used up.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Filled, Redirect, Undoing, refuse, told};
use crate::engine::decide::{By, Deciding};
use crate::engine::event::RecordRef;
use crate::engine::flow;
use crate::engine::log::Outcome;
use crate::engine::record::Record;
use crate::engine::rule;
use crate::engine::schedule::{self, armed::Armed};
use crate::engine::silence;
use crate::engine::state::{Entry, Key, Need};
use crate::engine::window;

/// What it takes to make two records two again. Bounded by what there is of one record: its fields, an entry for each gate and
/// schedule of the definitions.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Undo {
    /// The loser as it was.
    pub record: Arc<Record>,
    /// What the winner was given.
    #[serde(default)]
    pub filled: Filled,
    /// What gates remembered for the loser.
    #[serde(default)]
    pub gates: Vec<(Key, Entry)>,
    /// What it was armed with, by schedule.
    #[serde(default)]
    pub armed: BTreeMap<String, Armed>,
    /// Silences that were for it.
    #[serde(default)]
    pub silences: Vec<u64>,
    /// Its runs.
    #[serde(default)]
    pub runs: flow::Moved,
}

/// Makes them two, or says why not.
pub(in crate::engine) fn unmerge(draft: &mut Deciding<'_>, ask: &Undoing) -> Result<(), Need> {
    let loser = &ask.record;
    let no = |draft: &mut Deciding<'_>, reason, detail| {
        refuse(draft, loser, "unmerge", reason, detail);
        Ok(())
    };
    let entry = draft.get(&Key::Record(loser.clone()))?;
    let Some(Entry::Redirect(redirect)) = entry.as_deref() else {
        let reason = if entry.is_some() { "not merged" } else { "no such record" };
        return no(draft, reason, None);
    };
    let winner = &redirect.to;
    let entry = draft.get(&Key::Record(winner.clone()))?;
    let record = match entry.as_deref() {
        Some(Entry::Record(record)) => Arc::clone(record),
        // What was given on cannot be taken back before that is.
        Some(Entry::Redirect(_)) => return no(draft, "merged on", Some(("first", winner.to_string().into()))),
        _ => return no(draft, "no such record", Some(("missing", winner.to_string().into()))),
    };
    if window::is_filling(draft)? {
        return no(draft, "windows are being filled", None);
    }
    if window::weight(draft, &[loser, winner])? > super::MOST_ENTRIES {
        return no(draft, "too much was counted", Some(("most", (super::MOST_ENTRIES as u64).into())));
    }
    apart(draft, ask, redirect, &record)
}

fn apart(draft: &mut Deciding<'_>, ask: &Undoing, redirect: &Redirect, record: &Record) -> Result<(), Need> {
    let (loser, winner, undo) = (&ask.record, &redirect.to, &redirect.undo);
    let (record, kept) = taken(record, loser, undo);
    draft.put(Key::Record(loser.clone()), Entry::Record(Arc::clone(&undo.record)));
    draft.put_record(winner, record, "unmerge")?;
    silence::unmerged(draft, &undo.silences, loser)?;
    rule::merged::unmerged(draft, &undo.gates);
    let missed = schedule::merged::unmerged(draft, &undo.armed, loser)?;
    let lost = flow::unmerged(draft, &undo.runs, loser, winner)?;
    let windows = window::unmerged(draft, loser, winner, redirect.seq)?;
    let detail = told(vec![
        ("from", winner.to_string().into()),
        ("who", ask.by.as_str().into()),
        // What stays as it is.
        ("kept", kept.into()),
        ("missed", missed.into()),
        ("runs", lost.into()),
        ("windows", windows.into()),
    ]);
    draft.say_of(&By::default(), Some(loser.clone()), "unmerge", Outcome::Done, detail);
    Ok(())
}

/// The winner without what it was given, and which fields it keeps because they were changed since.
fn taken(record: &Record, loser: &RecordRef, undo: &Undo) -> (Record, Vec<String>) {
    let (mut record, mut kept) = (record.clone(), Vec::new());
    for (field, (was, is)) in &undo.filled.fields {
        if record.value(field) == is {
            record.fields.insert(field.clone(), was.clone());
        } else {
            kept.push(field.clone());
        }
    }
    for tag in &undo.filled.tags {
        record.tags.remove(tag);
    }
    record.merged.remove(&loser.id);
    record.merged.retain(|id, _| !undo.record.merged.contains_key(id));
    (record, kept)
}
