//! When a window began to be fed, and how what happened before gets into it.
//!
//! Each event is put in as its live self would have been, with two differences that cannot be helped: its record is as it is now,
//! not as it was then; and nobody is told of what has aged out by now.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::feed::{keep, taken};
use super::kept::reach::Reach;
use super::kept::{Item, LATENESS};
use super::{Window, Windows};
use crate::engine::decide::{Arrived, By, Deciding};
use crate::engine::definition::Definitions;
use crate::engine::event::{Body, Event, RecordRef};
use crate::engine::log::Outcome;
use crate::engine::record::Record;
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need, prefix};
use crate::engine::sweep::{Over, Slice, Sweep, What};
use crate::engine::trigger::glob;
use crate::engine::value::Value;

/// History is read from so long before what can count: clocks may have been set, and events be numbered otherwise than they were
/// received.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);
/// Where history begins that is not older than what can count is looked for down to so many events.
const NEAR: u64 = 200;
/// Events times windows of one slice.
const VALUES: usize = 2_000;

/// Which windows are fed, and since when.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Book {
    /// By id.
    #[serde(default)]
    pub lives: BTreeMap<String, Life>,
}

/// One window from when it is first defined until it no longer is. One that comes back begins another life: what happened
/// meanwhile is not in what it has kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Number of the event from which on it is fed as events come; its name in [`super::kept::Head::life`].
    pub begun: u64,
    /// What happened before is not in it; nothing: it is complete.
    #[serde(default)]
    pub complete_since: Option<Timestamp>,
    /// As of times before this it tells nothing: what counted then had aged out when it was filled. Nothing: it began with nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_from: Option<Timestamp>,
}

/// Past events on their way into the windows that began with one event.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Number of the event with which they began.
    pub begun: u64,
    /// What was received before can count in none of them.
    pub from: Timestamp,
    /// Where the first event that can count is still looked for: after the one number, not after the other.
    #[serde(default)]
    pub search: Option<(u64, u64)>,
    /// What was received before was not put in.
    #[serde(default)]
    pub first: Option<Timestamp>,
}

impl Book {
    /// Takes note of the windows that are defined from this event on. Those that are new, and those that are gone.
    fn define<'w>(&mut self, windows: &'w Windows, event: &Event) -> (Vec<&'w Window>, Vec<String>) {
        let gone: Vec<String> = self.lives.keys().filter(|id| windows.find(id).is_none()).cloned().collect();
        for id in &gone {
            self.lives.remove(id);
        }
        let mut new = Vec::new();
        // A window knows what counted up to a day before, for what comes late; one that is new is filled so far back, too.
        let known_from = event.received.saturating_sub(LATENESS).unwrap_or(Timestamp::MIN);
        for window in windows.all() {
            if let Some(life) = self.lives.get_mut(&window.id) {
                // One that was filled before this was kept.
                life.known_from = life.known_from.or((life.begun > 1).then_some(known_from));
                continue;
            }
            // Nothing can have happened before the first event.
            let late = event.seq > 1;
            let (complete_since, known_from) = (late.then_some(event.received), late.then_some(known_from));
            self.lives.insert(window.id.clone(), Life { begun: event.seq, complete_since, known_from });
            new.push(window.as_ref());
        }
        (new, gone)
    }
}

/// The name of the sweep that fills those that began with an event.
pub(super) fn sweep_of(begun: u64) -> String {
    format!("ifthen.fill.{begun}")
}

/// With which events those began that are fed.
pub(super) fn begun(draft: &Deciding<'_>) -> Result<std::collections::BTreeSet<u64>, Need> {
    Ok(book(draft)?.lives.values().map(|life| life.begun).collect())
}

fn book(draft: &Deciding<'_>) -> Result<Book, Need> {
    Ok(match draft.get(&Key::Windows)?.as_deref() {
        Some(Entry::Windows(book)) => book.clone(),
        _ => Book::default(),
    })
}

/// New definitions are in force: their windows are fed from here on, those that are new are filled, and what was kept of those
/// that are gone is removed.
pub(in crate::engine) fn defined(draft: &mut Deciding<'_>) -> Result<(), Need> {
    let definitions: &Definitions = draft.definitions;
    let mut book = book(draft)?;
    let before = book.clone();
    let (new, gone) = book.define(&definitions.windows, draft.event);
    if book == before {
        return Ok(());
    }
    draft.put(Key::Windows, Entry::Windows(book));
    let (begun, at) = (draft.event.seq, draft.event.received);
    for window in gone {
        for kind in [prefix::WINDOW, prefix::ITEMS] {
            let over = Over::Keys { prefix: format!("{kind}{window}/"), after: None };
            let sweep = Sweep::new(What::Forget { window: window.clone() }, over, at);
            draft.put(Key::Sweep(format!("ifthen.forget.{}{window}", kind.trim_end_matches('/'))), Entry::Sweep(sweep));
        }
    }
    let asked = at.saturating_sub(LATENESS).unwrap_or(Timestamp::MIN);
    let Some(from) = new.iter().map(|w| w.reach(definitions).ended(asked)).min() else { return Ok(()) };
    if begun > 1 {
        let from = from.saturating_sub(MARGIN).unwrap_or(Timestamp::MIN);
        let fill = Fill { begun, from, search: Some((0, begun)), first: None };
        let over = Over::Events { after: fill.middle(), until: begun - 1 };
        let sweep = Sweep::new(What::Fill(fill), over, at);
        draft.put(Key::Sweep(sweep_of(begun)), Entry::Sweep(sweep));
    }
    Ok(())
}

impl Life {
    /// It was filled with all that was received since then. Since when it is complete, if something is missing.
    fn filled(&mut self, first: Timestamp, reach: &Reach<'_>) -> Option<Timestamp> {
        let missing = reach.latest(first.saturating_add(MARGIN).unwrap_or(Timestamp::MAX));
        // What has aged out before nobody can ask for.
        self.complete_since = self.known_from.is_some_and(|known| missing > known).then_some(first);
        self.known_from = self.known_from.min(Some(missing));
        self.complete_since
    }
}

impl Fill {
    /// After which event to read next, while the beginning is looked for.
    fn middle(&self) -> u64 {
        self.search.map_or(0, |(low, high)| low + (high - low) / 2)
    }

    /// Narrows the search by what was read after the middle.
    fn narrow(&mut self, events: &[Arc<Event>]) {
        let Some((low, high)) = self.search else { return };
        let middle = self.middle();
        let (low, high) = match events.iter().take_while(|e| e.received < self.from).last() {
            Some(old) => (old.seq.max(middle), high),
            None => (low, middle),
        };
        self.search = (high.saturating_sub(low) > NEAR).then_some((low, high));
        if self.search.is_none() {
            self.search = Some((low, low)); // found: read on from there
        }
    }
}

/// One slice of history: the beginning is looked for, then what follows is put in.
pub(in crate::engine) fn fill_slice(
    draft: &mut Deciding<'_>,
    key: Key,
    sweep: &Sweep,
    fill: &Fill,
    slice: &Slice,
) -> Result<(), Need> {
    let mut sweep = sweep.clone();
    let mut fill = fill.clone();
    let Over::Events { until, .. } = sweep.over else { return Ok(()) };
    if fill.search.is_some() {
        fill.narrow(&slice.events);
        let after = match fill.search {
            Some((low, high)) if low == high => {
                fill.search = None;
                low
            }
            _ => fill.middle(),
        };
        sweep.over = Over::Events { after, until };
        sweep.what = What::Fill(fill);
        draft.put(key, Entry::Sweep(sweep));
        return Ok(());
    }
    if fill.first.is_none() {
        fill.first = Some(match slice.events.first() {
            // There is one that is too old to count.
            _ if matches!(sweep.over, Over::Events { after, .. } if after > 0) => fill.from,
            Some(first) if first.seq == 1 => Timestamp::MIN,
            // Before it is what retention has taken away.
            first => first.map_or(sweep.at, |first| first.received).max(fill.from),
        });
    }
    let mut book = book(draft)?;
    let definitions: &Definitions = draft.definitions;
    let begun: Vec<String> = book.lives.iter().filter(|(_, l)| l.begun == fill.begun).map(|(id, _)| id.clone()).collect();
    // What one decision may ask for is limited.
    let (now, later) = slice.events.split_at(slice.events.len().min(VALUES / begun.len().max(1)).max(1).min(slice.events.len()));
    for window in begun.iter().filter_map(|id| definitions.windows.find(id)) {
        sweep.counts.fired += fill_window(draft, window, now)?;
    }
    sweep.counts.seen += now.len() as u64;
    let upto = if later.is_empty() { slice.upto } else { now.last().map_or(slice.upto, |e| e.seq) };
    sweep.over = Over::Events { after: upto, until };
    if !slice.last || !later.is_empty() {
        sweep.what = What::Fill(fill);
        draft.put(key, Entry::Sweep(sweep));
        return Ok(());
    }
    draft.remove(key);
    let first = fill.first.unwrap_or(sweep.at);
    let mut complete_since = None;
    for (id, life) in book.lives.iter_mut().filter(|(_, life)| life.begun == fill.begun) {
        let Some(window) = definitions.windows.find(id) else { continue };
        complete_since = complete_since.max(life.filled(first, &window.reach(definitions)));
    }
    draft.put(Key::Windows, Entry::Windows(book));
    let mut detail = vec![("windows", Value::from(begun.len() as u64)), ("events", sweep.counts.seen.into())];
    detail.push(("counted", sweep.counts.fired.into()));
    detail.extend(complete_since.map(|since| ("complete since", since.into())));
    let detail = Value::Map(detail.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
    draft.say_of(&By::default(), None, "fill", Outcome::Done, detail);
    Ok(())
}

/// One slice of what was kept of a window that is gone; nothing more if it has come back.
pub(in crate::engine) fn forget_slice(
    draft: &mut Deciding<'_>,
    key: Key,
    sweep: &Sweep,
    window: &str,
    slice: &Slice,
) -> Result<(), Need> {
    let back = book(draft)?.lives.contains_key(window);
    let keys: Vec<Key> = slice.ids.iter().filter_map(|text| text.parse().ok()).collect();
    if back || slice.last || keys.is_empty() {
        draft.remove(key);
    } else if let Over::Keys { prefix, .. } = &sweep.over {
        let over = Over::Keys { prefix: prefix.clone(), after: keys.last().cloned() };
        draft.put(key, Entry::Sweep(Sweep { over, ..sweep.clone() }));
    }
    let kept = |key: &Key| matches!(key, Key::Window { window: of, .. } | Key::Items { window: of, .. } if of == window);
    if !back {
        keys.into_iter().filter(kept).for_each(|key| draft.remove(key));
    }
    Ok(())
}

/// The number of a window's life; 0 where nobody keeps a book: in tests, which begin with nothing.
pub(super) fn life(draft: &Deciding<'_>, id: &str) -> Result<u64, Need> {
    Ok(of(draft, id)?.map_or(0, |life| life.begun))
}

fn of(draft: &Deciding<'_>, id: &str) -> Result<Option<Life>, Need> {
    Ok(match draft.get(&Key::Windows)?.as_deref() {
        Some(Entry::Windows(book)) => book.lives.get(id).cloned(),
        _ => None,
    })
}

/// Since when a window is complete, if it is not complete altogether.
pub(in crate::engine) fn complete_since(draft: &Deciding<'_>, id: &str) -> Result<Option<Timestamp>, Need> {
    Ok(of(draft, id)?.and_then(|life| life.complete_since))
}

/// As of which times on a window tells something, if not of all.
pub(super) fn known_from(draft: &Deciding<'_>, id: &str) -> Result<Option<Timestamp>, Need> {
    Ok(of(draft, id)?.and_then(|life| life.known_from))
}

/// Puts past events into one window; those that came when it was fed already, or that were rolled back, are passed over. In any
/// order, but each once. How many were put in.
pub(super) fn fill_window(draft: &mut Deciding<'_>, window: &Window, events: &[Arc<Event>]) -> Result<u64, Need> {
    let begun = life(draft, &window.id)?;
    let mut count = 0;
    for event in events.iter().filter(|e| e.seq < begun && glob(&window.event, &e.name)) {
        if draft.get(&Key::Parked(event.seq))?.is_some() {
            continue;
        }
        // What happened to a record that was merged into another counts for that.
        let about = event.record.as_ref().map(|at| draft.found(at)).transpose()?;
        let at = about.as_ref().map(|(at, _)| at.clone());
        let Some(arrived) = past(event, about) else { continue };
        let put = taken(draft, window, &arrived, at.as_ref()).and_then(|taken| match taken {
            Some((subject, value)) => {
                let item = Item { at: event.at, seq: event.seq, value };
                keep(draft, window, subject, item, false).map(|()| 1)
            }
            None => Ok(0),
        });
        match put {
            Ok(n) => count += n,
            Err(Stop::Need(need)) => return Err(need),
            Err(Stop::Unevaluable(_)) => {} // it could not be counted then either
        }
    }
    Ok(count)
}

/// A past event as conditions see it; nothing for the engine's own.
fn past<'e>(event: &'e Event, about: Option<(RecordRef, Option<Arc<Record>>)>) -> Option<Arrived<'e>> {
    let (data, old) = match &event.body {
        Body::Happened { data, .. } => (Cow::Borrowed(data), None),
        Body::Created { by } => (Cow::Owned(Value::from([("by", by.as_str().into())])), None),
        Body::Changed { old, by, .. } => {
            let names = Value::List(old.keys().map(|k| k.as_str().into()).collect());
            (Cow::Owned(Value::from([("by", by.as_str().into()), ("fields", names)])), Some(old))
        }
        _ => return None,
    };
    let record = about.and_then(|(at, record)| Some((at, record?)));
    Some(Arrived { record, data, old, lets: Default::default(), calendar: None })
}
