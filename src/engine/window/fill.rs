//! When a window began to be fed, and how what happened before gets into it.
//!
//! Each event is put in as its live self would have been, with two differences that cannot be helped: its record is as it is now,
//! not as it was then; and nobody is told of what has aged out by now.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::feed::{keep, taken};
use super::kept::Item;
use super::{Window, Windows};
use crate::engine::decide::{Arrived, Deciding};
use crate::engine::event::{Body, Event};
use crate::engine::scope::Stop;
use crate::engine::state::{Entry, Key, Need};
use crate::engine::trigger::glob;
use crate::engine::value::Value;

/// Ids of windows that are no longer defined, kept until their entries are removed; more are forgotten, their entries stay.
const MAX_GONE: usize = 1_000;

/// Which windows are fed, and since when.
///
/// Stored format: JSON; new fields need `#[serde(default)]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Book {
    /// By id.
    #[serde(default)]
    pub lives: BTreeMap<String, Life>,
    /// Those that are no longer defined and may still have entries.
    #[serde(default)]
    pub gone: BTreeSet<String>,
}

/// One window from when it is first defined until it no longer is. One that comes back begins another life: what happened
/// meanwhile is not in what it has kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Number of the event from which on it is fed as events come; its name in [`super::kept::Head::life`].
    pub begun: u64,
    /// All that happened since then is in it; nothing: all there ever was.
    #[serde(default)]
    pub complete_since: Option<Timestamp>,
    /// Events before this number are still to be put in; nothing: it is through.
    #[serde(default)]
    pub before: Option<u64>,
}

impl Book {
    /// Takes note of the windows that are defined from this event on. Whether that changes anything.
    fn define(&mut self, windows: &Windows, event: &Event) -> bool {
        let former = self.clone();
        let gone: Vec<String> = self.lives.keys().filter(|id| windows.find(id).is_none()).cloned().collect();
        for id in gone {
            self.lives.remove(&id);
            if self.gone.len() < MAX_GONE {
                self.gone.insert(id);
            }
        }
        for window in windows.all().filter(|w| !former.lives.contains_key(&w.id)) {
            self.gone.remove(&window.id);
            // Nothing can have happened before the first event.
            let past = (event.seq > 1).then_some(event.seq);
            let life = Life { begun: event.seq, complete_since: past.map(|_| event.received), before: past };
            self.lives.insert(window.id.clone(), life);
        }
        *self != former
    }
}

fn book(draft: &Deciding<'_>) -> Result<Book, Need> {
    Ok(match draft.get(&Key::Windows)?.as_deref() {
        Some(Entry::Windows(book)) => book.clone(),
        _ => Book::default(),
    })
}

/// New definitions are in force: their windows are fed from here on.
pub(in crate::engine) fn defined(draft: &mut Deciding<'_>) -> Result<(), Need> {
    let mut book = book(draft)?;
    if book.define(&draft.definitions.windows, draft.event) {
        draft.put(Key::Windows, Entry::Windows(book));
    }
    Ok(())
}

/// The number of a window's life; 0 where nobody keeps a book: in tests, which begin with nothing.
pub(super) fn life(draft: &Deciding<'_>, id: &str) -> Result<u64, Need> {
    Ok(match draft.get(&Key::Windows)?.as_deref() {
        Some(Entry::Windows(book)) => book.lives.get(id).map_or(0, |life| life.begun),
        _ => 0,
    })
}

/// Since when a window is complete, if it is not complete altogether.
pub(in crate::engine) fn complete_since(draft: &Deciding<'_>, id: &str) -> Result<Option<Timestamp>, Need> {
    Ok(match draft.get(&Key::Windows)?.as_deref() {
        Some(Entry::Windows(book)) => book.lives.get(id).and_then(|life| life.complete_since),
        _ => None,
    })
}

/// Puts past events into one window; those that came when it was fed already, or that were rolled back, are passed over. In any
/// order, each once. How many were put in.
pub(in crate::engine) fn fill(draft: &mut Deciding<'_>, window: &Window, events: &[Event]) -> Result<usize, Need> {
    let begun = life(draft, &window.id)?;
    let mut count = 0;
    for event in events.iter().filter(|e| e.seq < begun && glob(&window.event, &e.name)) {
        if draft.get(&Key::Parked(event.seq))?.is_some() {
            continue;
        }
        let Some(arrived) = past(draft, event)? else { continue };
        let put = taken(draft, window, &arrived, event.record.as_ref()).and_then(|taken| match taken {
            Some((subject, value)) => keep(draft, window, subject, Item { at: event.at, value }, false).map(|()| 1),
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
fn past<'e>(draft: &Deciding<'_>, event: &'e Event) -> Result<Option<Arrived<'e>>, Need> {
    let (data, old) = match &event.body {
        Body::Happened { data, .. } => (Cow::Borrowed(data), None),
        Body::Created { by } => (Cow::Owned(Value::from([("by", by.as_str().into())])), None),
        Body::Changed { old, by, .. } => {
            let names = Value::List(old.keys().map(|k| k.as_str().into()).collect());
            (Cow::Owned(Value::from([("by", by.as_str().into()), ("fields", names)])), Some(old))
        }
        _ => return Ok(None),
    };
    let record = match &event.record {
        Some(at) => draft.record(at)?.map(|record| (at.clone(), record)),
        None => None,
    };
    Ok(Some(Arrived { record, data, old, lets: Default::default() }))
}
