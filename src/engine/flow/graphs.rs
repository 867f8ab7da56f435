//! The graphs that runs are pinned to: one that no run needs any more is removed, by a sweep over the runs there are.
//!
//! Never one that a run stands on, and never a current one, since only those may be begun on while it is swept.

use std::collections::BTreeSet;

use crate::engine::decide::Deciding;
use crate::engine::state::{Entry, Key, Need, prefix};
use crate::engine::sweep::{Over, Slice, Sweep, What};

/// The one sweep of its kind; a reload begins it anew.
const SWEEP: &str = "ifthen.graphs";

/// Definitions come into force: theirs are in the book from now on, and former ones are looked for.
pub(in crate::engine) fn defined(draft: &mut Deciding<'_>) -> Result<(), Need> {
    let current = current(draft);
    let book = book(draft)?;
    let former: BTreeSet<String> = book.difference(&current).cloned().collect();
    let all: BTreeSet<String> = book.union(&current).cloned().collect();
    if all != book {
        draft.put(Key::Graphs, Entry::Graphs(all));
    }
    let key = Key::Sweep(SWEEP.into());
    if !former.is_empty() {
        let over = Over::Keys { prefix: prefix::RUN.into(), after: None };
        draft.put(key, Entry::Sweep(Sweep::new(What::Graphs { left: former }, over, draft.event.at)));
    } else if draft.get(&key)?.is_some() {
        draft.remove(key);
    }
    Ok(())
}

/// Some runs: what they stand on stays. After the last, what is left goes.
pub(in crate::engine) fn slice(
    draft: &mut Deciding<'_>,
    key: Key,
    sweep: &Sweep,
    left: &BTreeSet<String>,
    slice: &Slice,
) -> Result<(), Need> {
    let mut left: BTreeSet<String> = left.difference(&current(draft)).cloned().collect();
    let keys: Vec<Key> = slice.ids.iter().filter_map(|text| text.parse().ok()).collect();
    for run in &keys {
        if let Some(Entry::Run(run)) = draft.get(run)?.as_deref() {
            left.remove(&run.graph);
        }
    }
    if !slice.last && !left.is_empty() {
        let over = Over::Keys { prefix: prefix::RUN.into(), after: keys.last().cloned() };
        draft.put(key, Entry::Sweep(Sweep { what: What::Graphs { left }, over, ..sweep.clone() }));
        return Ok(());
    }
    draft.remove(key);
    if left.is_empty() {
        return Ok(());
    }
    let kept = book(draft)?.difference(&left).cloned().collect();
    draft.put(Key::Graphs, Entry::Graphs(kept));
    left.into_iter().for_each(|hash| draft.remove(Key::Graph(hash)));
    Ok(())
}

/// Those that the definitions have.
fn current(draft: &Deciding<'_>) -> BTreeSet<String> {
    draft.definitions.flows.values().map(|flow| flow.hash.clone()).collect()
}

/// Those that may be in the state.
fn book(draft: &Deciding<'_>) -> Result<BTreeSet<String>, Need> {
    Ok(match draft.get(&Key::Graphs)?.as_deref() {
        Some(Entry::Graphs(book)) => book.clone(),
        _ => BTreeSet::new(),
    })
}
