//! What was counted for a record that was merged into another counts for that, at the times at which it happened; and goes back
//! when they are two again. What was kept for the loser stays where it is, unseen: it is the way back.
//!
//! Windows that are kept `by` something are untouched, whatever it is: what was counted for a company is that company's, and
//! others may share it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::feed::{of_this_life, read, save, wait, write};
use super::kept::united::without;
use super::kept::{Head, Item, MAX_ITEMS};
use super::{Keeps, Window, fill};
use crate::engine::decide::{By, Deciding};
use crate::engine::definition::Definitions;
use crate::engine::event::RecordRef;
use crate::engine::log::Outcome;
use crate::engine::scope::Stop;
use crate::engine::state::{Key, Need};
use crate::engine::value::Value;

fn key(window: &Window, of: &RecordRef) -> Key {
    Key::Window { window: window.id.clone(), subject: of.to_string() }
}

/// Windows of which a record is the subject.
fn of_records(definitions: &Definitions) -> impl Iterator<Item = &Arc<Window>> {
    definitions.windows.all().filter(|w| w.by.is_none())
}

/// Entries that must be gone through to unite, or to part, what is kept of these records.
pub(in crate::engine) fn weight(draft: &Deciding<'_>, records: &[&RecordRef]) -> Result<usize, Need> {
    let mut entries = 0;
    for window in of_records(draft.definitions) {
        for at in records {
            entries += of_this_life(draft, window, &key(window, at))?.map_or(0, |head| head.entries());
        }
    }
    Ok(entries)
}

/// What both keep of one window, all of it read.
struct Both<'w> {
    window: &'w Window,
    loser: (Head, Vec<Item>),
    winner: (Head, Vec<Item>),
}

/// What is kept of both, in every window that has something of the loser. All is read before anything is done, since each value
/// that is not there yet has this decided anew. Those in which something is not there are said.
fn both<'d>(draft: &mut Deciding<'d>, loser: &RecordRef, winner: &RecordRef) -> Result<Vec<Both<'d>>, Need> {
    let definitions: &'d Definitions = draft.definitions;
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    for window in of_records(definitions) {
        let Ok(theirs) = of_this_life(draft, window, &key(window, loser))? else { continue };
        let own = of_this_life(draft, window, &key(window, winner))?.unwrap_or_else(Head::new);
        let load = |of: &RecordRef, head: &Head| {
            let subject = of.to_string();
            head.items(&|n| read(draft, window, &subject, n))
        };
        match load(loser, &theirs).and_then(|items| Ok((items, load(winner, &own)?))) {
            Ok((items, owns)) => all.push(Both { window, loser: (theirs, items), winner: (own, owns) }),
            Err(Stop::Need(need)) => return Err(need),
            Err(Stop::Unevaluable(why)) => failed.push((window, why)),
        }
    }
    failed.into_iter().for_each(|(window, why)| fail(draft, window, winner, &why));
    Ok(all)
}

fn fail(draft: &mut Deciding<'_>, window: &Window, of: &RecordRef, why: &str) {
    let detail = [("reason", "not counted".into()), ("error", why.into()), ("window", window.to_string().into())];
    draft.say_of(&By::default(), Some(of.clone()), "window", Outcome::Failed, Value::from(detail));
}

/// Counts for the winner what was counted for the loser.
pub(in crate::engine) fn merged(draft: &mut Deciding<'_>, loser: &RecordRef, winner: &RecordRef) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    let subject = winner.to_string();
    for Both { window, loser: (theirs, items), winner: (mut head, owns) } in both(draft, loser, winner)? {
        if let Some(why) = unlike(window, &theirs, &head) {
            fail(draft, window, winner, &why);
            continue;
        }
        if let Some(timer) = theirs.timer {
            draft.remove(Key::Timer(timer));
        }
        let mut written = head.refill([owns, items].concat());
        head.forget_with(&theirs);
        // What was not told yet of either: it begins with the earlier one.
        let next = [theirs.timer, head.timer].into_iter().flatten().min();
        if let Some(end) = next.and_then(|t| Timestamp::from_millisecond(t.due).ok()) {
            wait(draft, window, &subject, &mut head, end);
        }
        let reach = window.reach(definitions);
        let (gone, crowded) = head.drop_aged(draft.event.at, &reach);
        written.extend(gone);
        write(draft, window, &subject, written);
        save(draft, window, key(window, winner), head)?;
        if crowded {
            fail(draft, window, winner, &format!("more than {MAX_ITEMS} items would have to be kept"));
        }
    }
    Ok(())
}

/// Why what is kept of the one cannot stand beside what is kept of the other: only one kind can be put in order.
fn unlike(window: &Window, a: &Head, b: &Head) -> Option<String> {
    let (a, b) = (a.sample()?, b.sample()?);
    let of = window.of.as_ref()?;
    (window.keeps == Keeps::Ordered && a.kind() != b.kind()).then(|| format!("{} is {}, {}", of.source(), a.kind(), b.kind()))
}

/// Whether windows are being filled from history: until that is done nobody can say what of it was counted for whom.
pub(in crate::engine) fn is_filling(draft: &Deciding<'_>) -> Result<bool, Need> {
    for begun in fill::begun(draft)? {
        if draft.get(&Key::Sweep(fill::sweep_of(begun)))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The records are two again: what was counted for the loser before they were one goes back. Windows that began after that, and
/// of which everything stays with the winner.
pub(in crate::engine) fn unmerged(
    draft: &mut Deciding<'_>,
    loser: &RecordRef,
    winner: &RecordRef,
    merged: u64,
) -> Result<Vec<String>, Need> {
    let definitions: &Definitions = draft.definitions;
    let mut stays = Vec::new();
    for window in of_records(definitions) {
        if fill::life(draft, &window.id)? > merged && of_this_life(draft, window, &key(window, winner))?.is_ok() {
            stays.push(window.to_string());
        }
    }
    for Both { window, loser: (mut theirs, items), winner: (mut head, owns) } in both(draft, loser, winner)? {
        let written = head.refill(without(owns, &items));
        write(draft, window, &winner.to_string(), written);
        // What ended before the winner's timer was told of, for both.
        let untold = head.timer.take();
        theirs.told = head.told;
        theirs.timer = None;
        if let Some(timer) = untold {
            draft.remove(Key::Timer(timer));
            let after = Timestamp::from_millisecond(timer.due).unwrap_or_default() - SignedDuration::from_millis(1);
            for (head, of) in [(&mut head, winner), (&mut theirs, loser)] {
                let reach = window.reach(definitions);
                let subject = of.to_string();
                match head.next_end(after, &reach, &|n| read(draft, window, &subject, n)) {
                    Ok(Some(end)) => wait(draft, window, &subject, head, end),
                    Ok(None) | Err(Stop::Unevaluable(_)) => {}
                    Err(Stop::Need(need)) => return Err(need),
                }
            }
        }
        save(draft, window, key(window, winner), head)?;
        save(draft, window, key(window, loser), theirs)?;
    }
    Ok(stays)
}
