//! What gates remember for a record that was merged into another counts for that: of two the stricter. What is kept under the
//! value of a `by` stays where it is: others may share that value.

use super::gate::remembered;
use super::waiting::wait;
use crate::engine::decide::Deciding;
use crate::engine::definition::{Definitions, Rule};
use crate::engine::event::RecordRef;
use crate::engine::gate::{Debounce, Gates, Kind, Waiting, later};
use crate::engine::state::{Entry, Key, Need};

/// Moves it; what was remembered for the loser, as it was, without what waits.
pub(in crate::engine) fn merged(
    draft: &mut Deciding<'_>,
    loser: &RecordRef,
    winner: &RecordRef,
) -> Result<Vec<(Key, Entry)>, Need> {
    let definitions: &Definitions = draft.definitions;
    let mut former = Vec::new();
    for rule in &definitions.rules {
        for of in kept(rule) {
            let (from, to) = (of(rule, loser), of(rule, winner));
            former.extend(unite(draft, &rule.gates, &from, to)?.map(|entry| (from, entry)));
        }
        if let Some(debounce) = rule.gates.debounce.as_ref().filter(|d| d.by.is_none()) {
            let of = |at: &RecordRef| Kind::Debounce.key(&rule.id, at.to_string());
            join(draft, rule, debounce, (&of(loser), of(winner)), winner)?;
        }
    }
    Ok(former)
}

/// Makes a gate's key of a record.
type Of = fn(&Rule, &RecordRef) -> Key;

/// What a rule's gates remember by the record.
fn kept(rule: &Rule) -> Vec<Of> {
    let Gates { once, cooldown, limit, .. } = &rule.gates;
    let mut all: Vec<Of> = Vec::new();
    if once.is_some() {
        all.push(|rule, at| Kind::Once.key(&rule.id, at.to_string()));
    }
    if cooldown.as_ref().is_some_and(|c| c.by.is_none()) {
        all.push(|rule, at| Key::Mark { rule: rule.id.clone(), subject: at.to_string() });
    }
    if limit.as_ref().is_some_and(|l| l.by.is_none()) {
        all.push(|rule, at| Kind::Limit.key(&rule.id, at.to_string()));
    }
    all
}

/// What was kept under the one key counts under the other.
fn unite(draft: &mut Deciding<'_>, gates: &Gates, from: &Key, to: Key) -> Result<Option<Entry>, Need> {
    let Some((place, entry)) = remembered(draft, gates, from)? else { return Ok(None) };
    let other = remembered(draft, gates, &to)?;
    let entry = entry.as_ref().clone();
    let made = match (&entry, other.as_ref().map(|(_, other)| other.as_ref())) {
        // Once is once: the first time. A cooldown goes from the last.
        (Entry::Mark(a), Some(Entry::Mark(b))) if matches!(to, Key::Gate { .. }) => Entry::Mark(*a.min(b)),
        (Entry::Mark(a), Some(Entry::Mark(b))) => Entry::Mark(*a.max(b)),
        (Entry::Times(a), Some(Entry::Times(b))) => {
            let mut times = [a.as_slice(), b].concat();
            times.sort_unstable();
            Entry::Times(times)
        }
        _ => entry.clone(),
    };
    draft.remove(place);
    if let Some((place, _)) = other {
        draft.remove(place); // it may stand under a former id of the rule
    }
    draft.put(to, made);
    Ok(Some(entry))
}

/// What waits for both waits together: until the later of both would have fired, and not beyond what the rule allows.
fn join(
    draft: &mut Deciding<'_>,
    rule: &Rule,
    debounce: &Debounce,
    (from, to): (&Key, Key),
    winner: &RecordRef,
) -> Result<(), Need> {
    let mut found = Vec::new();
    for key in [&to, from] {
        if let Some((place, entry)) = remembered(draft, &rule.gates, key)?
            && let Entry::Waiting(waiting) = entry.as_ref()
        {
            found.push((place, waiting.clone(), key == from));
        }
    }
    if !found.iter().any(|(.., of_loser)| *of_loser) {
        return Ok(());
    }
    for (place, waiting, _) in &found {
        draft.remove(place.clone());
        draft.remove(Key::Timer(waiting.timer));
    }
    let Some(mut all) = found.into_iter().map(|(_, waiting, _)| waiting).reduce(together) else { return Ok(()) };
    all.record = Some(winner.clone());
    let until = later(all.last, debounce.wait);
    let until = debounce.max.map_or(until, |max| until.min(later(all.first, max)));
    wait(draft, to, all, until);
    Ok(())
}

/// The later of two fires for both.
fn together(a: Waiting, b: Waiting) -> Waiting {
    let (first, mut last) = if a.last <= b.last { (a, b) } else { (b, a) };
    let items = std::mem::take(&mut last.items);
    let mut all = Waiting { items: first.items, bytes: first.bytes, first: first.first.min(last.first), ..last };
    items.into_iter().for_each(|item| all.list(item));
    all.count += first.count;
    all
}

/// The records are two again: the loser is remembered as it was, the winner keeps what it has.
pub(in crate::engine) fn unmerged(draft: &mut Deciding<'_>, former: &[(Key, Entry)]) {
    for (key, entry) in former {
        draft.put(key.clone(), entry.clone());
    }
}
